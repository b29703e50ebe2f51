//! A project: the tenant. It owns objects and endpoints, and its KEK wraps their keys.

use minicbor::{Decode, Encode};

use super::description::Description;
use super::id::{ProjectId, UserId};
use super::name::Name;
use super::timestamp::Timestamp;

/// A project as it is stored under its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Project {
    /// Never changes.
    #[n(0)]
    pub id: ProjectId,
    /// Unique in the appliance.
    #[n(1)]
    pub name: Name,
    /// When it was made.
    #[n(2)]
    pub created: Timestamp,
    /// The KEK version that wraps new keys.
    #[n(3)]
    pub kek_version: u32,
    /// The next KEK version has at least this number: a new epoch leaves room for those that are lost.
    #[n(4)]
    pub kek_version_floor: Option<u32>,
    /// What people say it is for.
    #[n(5)]
    pub description: Option<Description>,
    /// Since when none of its endpoints is served, and nothing new is made in it, if so.
    #[n(6)]
    pub retired: Option<Timestamp>,
    /// The user that made it; none where that was the operator, or nobody wrote it down yet.
    #[n(7)]
    pub maker: Option<UserId>,
}

impl Project {
    /// The number of its next KEK version.
    #[must_use]
    pub fn next_kek_version(&self) -> u32 {
        self.kek_version.saturating_add(1).max(self.kek_version_floor.unwrap_or(0))
    }
}

/// One version of a project's KEK, stored under `project id 16 | version u32`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Kek {
    /// The MK generation it is wrapped under.
    #[n(0)]
    pub master_key: u32,
    /// A wrapped key of kind 1; empty once it is gone.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
    /// When it was made.
    #[n(2)]
    pub created: Timestamp,
    /// Since when nothing was wrapped under it any more and it was destroyed here, if it was.
    #[n(3)]
    pub gone: Option<Timestamp>,
    /// Of one that is gone, as of a key version: when the store's file had been written anew last.
    #[n(4)]
    pub written: Option<Timestamp>,
}

impl Kek {
    /// What is left of it once it is destroyed.
    #[must_use]
    pub fn destroyed(self, gone: Timestamp, written: Option<Timestamp>) -> Self {
        Self { wrapped: Vec::new(), gone: Some(gone), written, ..self }
    }
}
