//! An endpoint: an enrolled client system of a project, with a name in the URL.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::description::Description;
use super::id::{EndpointId, ProjectId};
use super::name::Name;
use super::network::Network;
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
    /// What people say it is for.
    #[n(6)]
    pub description: Option<Description>,
    /// Since when it is refused until it is reinstated, if so.
    #[n(7)]
    pub retired: Option<Timestamp>,
    /// Where it may come from, sorted; from anywhere without.
    #[n(8)]
    pub networks: Option<Vec<Network>>,
}

impl Endpoint {
    /// One that can do nothing yet.
    #[must_use]
    pub const fn new(id: EndpointId, project: ProjectId, name: Name, created: Timestamp) -> Self {
        Self {
            id,
            project,
            name,
            created,
            revoked: None,
            disabled: None,
            description: None,
            retired: None,
            networks: None,
        }
    }

    /// Whether it may come from an address.
    #[must_use]
    pub fn comes_from(&self, address: IpAddr) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }
}
