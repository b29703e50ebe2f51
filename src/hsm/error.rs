//! What the token can answer besides yes, in classes that say who acts: we (open another session, log in again, start the
//! module again), the operator (PIN, configuration), or nobody, because one stored key is bad and the rest is well.
//!
//! | return codes | class |
//! |---|---|
//! | `SESSION_HANDLE_INVALID` `SESSION_CLOSED` `OPERATION_ACTIVE` … | session: another session, once |
//! | `USER_NOT_LOGGED_IN`, `OBJECT_` and `KEY_HANDLE_INVALID` | login: log in, find the keys again, once |
//! | `DEVICE_ERROR` `DEVICE_REMOVED` `TOKEN_NOT_PRESENT` … | token: away until it is healed |
//! | `PIN_…` | PIN: never tried again by itself |
//! | `ENCRYPTED_DATA_INVALID` | data: this one wrapped key |
//! | `GENERAL_ERROR`, `FUNCTION_FAILED`, unknown codes | the token is asked first: token if it is ill, else data when it came from `C_Decrypt` |

use std::fmt;
use std::time::Duration;

use cryptoki::context::Function;
use cryptoki::error::{Error as ModuleError, RvError};

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The operator: what is configured and what is in the token do not fit.
    Configuration,
    /// Nobody: one wrapped key is bad, the token is well.
    Data,
    /// The caller, later: the token was too slow or has too much to do.
    Deadline,
    /// The login was lost and could not be had again.
    Login,
    /// The operator, with the right PIN. Never tried again by itself.
    Pin,
    /// The session was lost and another did no better.
    Session,
    /// The appliance: the token is away, heal it.
    Token,
}

/// A return code of the module, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    pub(super) fn of(error: &ModuleError) -> Self {
        match error {
            ModuleError::Pkcs11(code, function) => Self(format!("{code:?} from C_{function:?}")),
            other => Self(other.to_string()),
        }
    }

    pub(super) fn words(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What is wrong with a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinProblem {
    /// Too many were wrong; this one was not tried.
    BackedOff {
        /// What is left to wait.
        wait: Duration,
    },
    /// The token wants it changed first.
    Expired,
    /// The token did not know it.
    Incorrect,
    /// The token takes none any more.
    Locked,
    /// The token does not accept one of this length or kind as a new PIN.
    Unfit,
}

/// Why the token did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// More than one token or key answers to a name that must be unique.
    Ambiguous {
        /// The name.
        what: String,
        /// How many.
        count: usize,
    },
    /// The token does not answer, or denies what it holds.
    Away(Code),
    /// More work is queued than the token will do before the deadline.
    Busy,
    /// This handle's token was closed.
    Closed,
    /// The configuration cannot be right.
    Configuration(String),
    /// A wrapped key that this token did not make for this place, or that was altered; the token is well.
    Data,
    /// No answer within the deadline. Of a change it is unknown whether it was made.
    Deadline,
    /// A new token or key would take a name that is in use.
    Exists(String),
    /// Another user of this process has the module.
    InUse,
    /// The login was lost twice.
    Login(Code),
    /// A key in the token does not have the attributes that keep it there, or the module breaks the standard.
    NonConforming(String),
    /// A healthy token does not hold it.
    NotFound(String),
    /// The PIN was refused.
    Pin(PinProblem),
    /// The session was lost twice.
    Session(Code),
    /// A code that none of these explains, from a token that is well.
    Unexpected(Code),
}

impl TokenError {
    /// Who has to act.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Ambiguous { .. }
            | Self::Configuration(_)
            | Self::Exists(_)
            | Self::InUse
            | Self::NonConforming(_)
            | Self::NotFound(_)
            | Self::Unexpected(_) => Class::Configuration,
            Self::Away(_) | Self::Closed => Class::Token,
            Self::Busy | Self::Deadline => Class::Deadline,
            Self::Data => Class::Data,
            Self::Login(_) => Class::Login,
            Self::Pin(_) => Class::Pin,
            Self::Session(_) => Class::Session,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { what, count } => write!(
                out,
                "{count} answer to {what}, which must be unique; find out where the others come from and remove them"
            ),
            Self::Away(code) => {
                write!(out, "the token is away ({code}); bring it back, the appliance then heals by itself")
            }
            Self::Busy => out.write_str("the token has more work queued than it can do in time; try again later"),
            Self::Closed => out.write_str("the token was closed; unlock the appliance again"),
            Self::Configuration(what) => out.write_str(what),
            Self::Data => out.write_str(
                "a wrapped key does not open under its master key in its place; restore that record from a backup",
            ),
            Self::Deadline => out.write_str(
                "the token gave no answer in time; look after the token, and after a change look whether it was made",
            ),
            Self::Exists(what) => write!(out, "{what} exists already; choose another name, nothing was changed"),
            Self::InUse => out.write_str(
                "the PKCS#11 module is in use in this process; close that token first, or restart the service if a call hangs",
            ),
            Self::Login(code) => {
                write!(out, "the login to the token was lost again ({code}); check who else logs out of it")
            }
            Self::NonConforming(what) => write!(out, "{what}; it is not used: replace the key or the module"),
            Self::NotFound(what) => write!(
                out,
                "the token is well but does not hold {what}; check that this is the right token, and delete nothing"
            ),
            Self::Pin(problem) => problem.fmt(out),
            Self::Session(code) => {
                write!(out, "the token dropped two sessions in a row ({code}); look at its own log")
            }
            Self::Unexpected(code) => {
                write!(out, "the token is well but refused ({code}); look at its own log and its mechanisms")
            }
        }
    }
}

impl fmt::Display for PinProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackedOff { wait } => write!(
                out,
                "too many PINs were wrong, this one was not tried; wait {} s",
                wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
            ),
            Self::Expired => {
                out.write_str("the token's PIN has expired; set a new one with the token's own tool")
            }
            Self::Incorrect => out
                .write_str("the token refused the PIN; give the right one, it is not tried again by itself"),
            Self::Locked => out.write_str(
                "the token has locked its PIN; reset it as security officer with the token's own tool",
            ),
            Self::Unfit => out.write_str("the token takes no PIN of this length or kind; choose another"),
        }
    }
}

impl std::error::Error for TokenError {}

/// What to do about a return code, before anything is known of the token's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This wrapped key is bad.
    Data,
    /// Ask the token how it is.
    Doubt,
    /// Log in and find the keys again.
    Login,
    /// The PIN was not taken.
    Pin(PinProblem),
    /// Close the session, open another.
    Session,
    /// The session's handle is void: open another, never close this one (the number may be another's by now).
    SessionGone,
    /// The token is away.
    Token,
}

impl Verdict {
    pub(super) fn on(error: &ModuleError) -> Self {
        let ModuleError::Pkcs11(code, function) = error else { return Self::Doubt };
        match code {
            RvError::CryptokiNotInitialized
            | RvError::DeviceError
            | RvError::DeviceRemoved
            | RvError::SlotIdInvalid
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized => Self::Token,
            RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange => match function {
                Function::Decrypt => Self::Data,
                _ => Self::Doubt,
            },
            RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid | RvError::UserNotLoggedIn => {
                Self::Login
            }
            RvError::OperationActive | RvError::OperationNotInitialized | RvError::SessionCount => {
                Self::Session
            }
            RvError::PinExpired => Self::Pin(PinProblem::Expired),
            RvError::PinIncorrect => Self::Pin(PinProblem::Incorrect),
            RvError::PinLocked => Self::Pin(PinProblem::Locked),
            // A PIN to log in with that has not even the right form is a wrong one; a new one is unfit.
            RvError::PinInvalid | RvError::PinLenRange | RvError::PinTooWeak => match function {
                Function::Login => Self::Pin(PinProblem::Incorrect),
                _ => Self::Pin(PinProblem::Unfit),
            },
            RvError::SessionClosed | RvError::SessionHandleInvalid => Self::SessionGone,
            _ => Self::Doubt,
        }
    }
}

/// Whether `error`, from a token that is well, speaks of the bytes it was given to decrypt.
pub(super) fn blames_ciphertext(error: &ModuleError) -> bool {
    matches!(error, ModuleError::Pkcs11(RvError::GeneralError | RvError::FunctionFailed, Function::Decrypt))
}
