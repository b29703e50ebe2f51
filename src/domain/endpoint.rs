//! An endpoint: an enrolled client system of a project, with a name in the URL.

use minicbor::{Decode, Encode};

use super::id::{EndpointId, ProjectId};
use super::name::Name;
use super::timestamp::Timestamp;

/// An endpoint as it is stored under its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Endpoint {
    /// Never changes; stands in its certificates.
    #[n(0)]
    pub id: EndpointId,
    /// Its tenant.
    #[n(1)]
    pub project: ProjectId,
    /// Unique in its project.
    #[n(2)]
    pub name: Name,
    /// When it was made.
    #[n(3)]
    pub created: Timestamp,
    /// Since when it is refused, if it is.
    #[n(4)]
    pub revoked: Option<Timestamp>,
    /// Since when it waits to be enabled again, if a new epoch disabled it.
    #[n(5)]
    pub disabled: Option<Timestamp>,
}
