//! A certificate's enrolment. A chain to our CA is not enough: the certificate counts while the SHA-256 of its public key
//! stands here, for the identity it names.

use minicbor::{Decode, Encode};

use super::id::{EndpointId, UserId};
use super::peer::Identity;
use super::timestamp::Timestamp;

/// An enrolment as it is stored under SHA-256 of the `SubjectPublicKeyInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certificate {
    /// The endpoint it was issued to; none for a user's.
    #[n(0)]
    pub endpoint: Option<EndpointId>,
    /// The user it was issued to; none for an endpoint's.
    #[n(1)]
    pub user: Option<UserId>,
    /// As it stands in the certificate and, once revoked, in the CRL.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub serial: Vec<u8>,
    /// First moment.
    #[n(3)]
    pub not_before: Timestamp,
    /// Last moment.
    #[n(4)]
    pub not_after: Timestamp,
    /// Since when it is refused, if it is.
    #[n(5)]
    pub revoked: Option<Timestamp>,
    /// SHA-256 of the public key of the certificate it was renewed with, where its holder renewed it alone: when that one is
    /// revoked, so is this.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub renewed_from: Option<[u8; 32]>,
    /// Which generation of our CA signed it: the first without. [`OUTSIDE`] where it was not ours.
    #[n(7)]
    pub issuer: Option<u32>,
    /// Where a password was what it was asked for with, or what its line of renewals began with: when that password was set.
    /// With another password it ends.
    #[n(8)]
    pub by_password: Option<Timestamp>,
}

/// In the place of a generation of our CA: a CA outside, which lists by itself what it revokes.
pub const OUTSIDE: u32 = 0;

impl Certificate {
    /// Which generation of our CA signed it; [`OUTSIDE`] where it was not ours.
    #[must_use]
    pub fn issuer(&self) -> u32 {
        self.issuer.unwrap_or(1)
    }

    /// Its serial number, where our own list has to name it once it is revoked.
    #[must_use]
    pub fn listed_serial(&self, now: Timestamp) -> Option<Vec<u8>> {
        (self.issuer() != OUTSIDE && self.not_after >= now).then(|| self.serial.clone())
    }

    /// Whether it is enrolled for just this identity and not revoked.
    #[must_use]
    pub fn is_enrolled_for(&self, identity: Identity) -> bool {
        self.names(identity) && self.revoked.is_none()
    }

    /// Whether it was issued to just this identity.
    #[must_use]
    pub fn names(&self, identity: Identity) -> bool {
        match identity {
            Identity::Endpoint(id) => self.endpoint == Some(id.into()) && self.user.is_none(),
            Identity::User(id) => self.user == Some(id.into()) && self.endpoint.is_none(),
        }
    }
}
