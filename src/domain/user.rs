//! A person with an account on the control plane, and what role the account has.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::id::UserId;
use super::name::Name;
use super::timestamp::Timestamp;

/// What a user is for; the numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Owns projects.
    #[n(0)]
    User,
    /// Manages users, sees everyone's statistics; never decrypts, never touches master keys.
    #[n(1)]
    Admin,
    /// Keeps the master keys; never decrypts.
    #[n(2)]
    Officer,
    /// Reads audit and statistics; changes nothing.
    #[n(3)]
    Auditor,
    /// Fetches encrypted backups.
    #[n(4)]
    Backup,
}

impl Role {
    /// All of them, by number.
    pub const ALL: [Self; 5] = [Self::User, Self::Admin, Self::Officer, Self::Auditor, Self::Backup];

    /// The word in policies and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Backup => "backup",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.name() == word).ok_or(())
    }
}

/// A user as it is stored under its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct User {
    /// Never changes; stands in the user's certificates.
    #[n(0)]
    pub id: UserId,
    /// Unique in the appliance.
    #[n(1)]
    pub name: Name,
    /// One role each.
    #[n(2)]
    pub role: Role,
    /// When it was made.
    #[n(3)]
    pub created: Timestamp,
    /// Since when it is refused, if it is.
    #[n(4)]
    pub disabled: Option<Timestamp>,
    /// Since when somebody else may hold its credentials, until a second person has confirmed that it is who it was.
    #[n(5)]
    pub unconfirmed: Option<Timestamp>,
    /// When somebody else last had a credential of it in hand: an approval asked for before speaks of another account.
    #[n(6)]
    pub handed_over: Option<Timestamp>,
    /// The certificate that somebody else had in hand, by SHA-256 of its public key, until the account is confirmed with it.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub handed_certificate: Option<[u8; 32]>,
    /// Since when the password is one by a link that somebody else had in hand, until the account is confirmed with it.
    #[n(8)]
    pub handed_password: Option<Timestamp>,
    /// Since when it has its role, where that is not the one it was made with.
    #[n(9)]
    pub role_since: Option<Timestamp>,
}

impl User {
    /// Since when it is what it is: an account of its role.
    #[must_use]
    pub fn appointed(&self) -> Timestamp {
        self.role_since.unwrap_or(self.created)
    }
}
