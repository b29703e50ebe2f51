//! A person with an account on the control plane, and what role the account has.

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
}
