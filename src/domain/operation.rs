//! What an endpoint may be granted on an object.

use std::fmt;
use std::str::FromStr;

/// An operation of the data plane; its number stands in records and never changes meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Operation {
    /// Plaintext in, envelope out.
    Encrypt = 1,
    /// Envelope in, plaintext out.
    Decrypt = 2,
    /// Envelope in, envelope under the current version out.
    Reencrypt = 3,
    /// Plaintext in, blind index out.
    Index = 4,
}

impl Operation {
    /// Whether something is encrypted by it.
    #[must_use]
    pub const fn seals(self) -> bool {
        matches!(self, Self::Encrypt | Self::Reencrypt)
    }

    /// Whether it takes in what was not there before: a retired object refuses that.
    #[must_use]
    pub const fn takes_in(self) -> bool {
        matches!(self, Self::Encrypt)
    }

    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Encrypt, Self::Decrypt, Self::Reencrypt, Self::Index];

    /// The number in records.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The operation of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.number() == number)
    }

    /// The word in routes and grants.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Reencrypt => "reencrypt",
            Self::Index => "index",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|operation| operation.name() == name).ok_or(())
    }
}

/// A set of operations: the grants of one endpoint on one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations(u8);

impl Operations {
    /// The set with `operation` in it too.
    #[must_use]
    pub const fn with(self, operation: Operation) -> Self {
        Self(self.0 | 1 << operation.number())
    }

    /// The set without those of another.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn common(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// The set with those of another.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether `operation` is in it.
    #[must_use]
    pub const fn has(self, operation: Operation) -> bool {
        self.0 & (1 << operation.number()) != 0
    }
}
