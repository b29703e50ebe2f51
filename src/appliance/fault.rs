//! When we fail. A [`Refusal`] is the caller's affair and told to the caller; a [`Fault`] is ours: its detail goes to the
//! log, and the caller learns no more than that there was one.

use std::fmt;

use crate::crypto::NotAuthentic;
use crate::crypto::random::NoRandomness;
use crate::domain::cbor::NotCanonical;
use crate::domain::refusal::{Code, Refusal};
use crate::hsm::{Class, TokenError};
use crate::store::StoreError;

/// Something in the appliance is not as it must be. The text is for the log: it names rows and keys, never content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    /// A fault, in words that say what happened and, where one can, what to do.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a verb did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The caller's to mend.
    Refused(Refusal),
    /// Ours to mend.
    Fault(Fault),
}

impl Stop {
    /// What the caller is told. A fault goes to the log in full, and to the caller as `fault`.
    #[must_use]
    pub fn told(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Fault(fault) => {
                tracing::error!(%fault, "fault");
                Code::Fault.into()
            }
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(out),
            Self::Fault(fault) => fault.fmt(out),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Code::Conflict.into(),
            other => Self::Fault(Fault::new(other.to_string())),
        }
    }
}

impl Stop {
    /// `what` is to be durable before it is used, and could not be made so: then no record can either.
    pub(super) fn unreserved(error: StoreError, what: &'static str) -> Self {
        match error {
            StoreError::Disk { .. } | StoreError::Stopped { .. } => {
                tracing::error!(%error, "{what} could not be reserved");
                Code::JournalFull.into()
            }
            other => other.into(),
        }
    }

    /// Somebody else changed what was looked at; whoever looks again may find it well.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == Code::Conflict)
    }

    pub(super) fn is_journal_full(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == Code::JournalFull)
    }
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        match error.class() {
            // A token that does not take the PIN any more is one that is away; health and log say which.
            Class::Token | Class::Deadline | Class::Session | Class::Login | Class::Pin => {
                Code::TokenAway.into()
            }
            Class::Configuration | Class::Data => Self::Fault(Fault::new(error.to_string())),
        }
    }
}

impl From<NoRandomness> for Stop {
    fn from(error: NoRandomness) -> Self {
        Self::Fault(Fault::new(error.to_string()))
    }
}

impl From<NotCanonical> for Stop {
    fn from(error: NotCanonical) -> Self {
        Self::Fault(Fault::new(error.to_string()))
    }
}

impl From<NotAuthentic> for Stop {
    fn from(error: NotAuthentic) -> Self {
        Self::Fault(Fault::new(error.to_string()))
    }
}
