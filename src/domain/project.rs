//! A project: the tenant. It owns objects and endpoints, and its KEK wraps their keys.

use minicbor::{Decode, Encode};

use super::id::ProjectId;
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
}

/// One version of a project's KEK, stored under `project id 16 | version u32`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Kek {
    /// The MK generation it is wrapped under.
    #[n(0)]
    pub master_key: u32,
    /// A wrapped key of kind 1.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
    /// When it was made.
    #[n(2)]
    pub created: Timestamp,
}
