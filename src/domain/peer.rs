//! Who is at the other end of a connection, as far as TLS proved it: an address, and perhaps a certificate of our CA.

use std::net::IpAddr;

use uuid::Uuid;

use super::actor::Actor;
use super::timestamp::Timestamp;

/// One connection's other end. Made once per handshake, read by every request on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it connects from.
    pub address: IpAddr,
    /// The client certificate whose chain and revocation status TLS verified, where one was shown.
    pub certificate: Option<PeerCertificate>,
}

/// What of a client certificate counts: never its common name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its one URI subject alternative name.
    pub identity: Identity,
    /// SHA-256 of its `SubjectPublicKeyInfo`: it counts only while this is enrolled.
    pub spki: [u8; 32],
    /// First moment it is valid.
    pub not_before: Timestamp,
    /// Last moment it is valid.
    pub not_after: Timestamp,
}

impl PeerCertificate {
    /// Whether `now` lies between its dates; asked per request, because connections and sessions outlive them.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// Whom a certificate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// `urn:gembok:endpoint:<uuid>`: a client system on the data plane.
    Endpoint(Uuid),
    /// `urn:gembok:user:<uuid>`: a person on the control plane.
    User(Uuid),
}

impl Identity {
    /// Reads the URI; `None` for anything but the two forms, in lower case with hyphens.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let (kind, id) = uri.strip_prefix("urn:gembok:")?.split_once(':')?;
        let uuid = Uuid::try_parse(id).ok().filter(|uuid| uuid.hyphenated().to_string() == id)?;
        match kind {
            "endpoint" => Some(Self::Endpoint(uuid)),
            "user" => Some(Self::User(uuid)),
            _ => None,
        }
    }

    /// Who that would be, if the certificate counts.
    #[must_use]
    pub fn actor(self) -> Actor {
        match self {
            Self::Endpoint(uuid) => Actor::Endpoint(uuid.into()),
            Self::User(uuid) => Actor::User(uuid.into()),
        }
    }

    /// The URI that stands in the certificate.
    #[must_use]
    pub fn to_uri(self) -> String {
        match self {
            Self::Endpoint(uuid) => format!("urn:gembok:endpoint:{uuid}"),
            Self::User(uuid) => format!("urn:gembok:user:{uuid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_spelling_names_somebody() {
        let id = "6f2c1b7e-3c39-4c8e-9d4b-0c7f6f0f2a11";
        let endpoint = Identity::from_uri(&format!("urn:gembok:endpoint:{id}")).unwrap();
        assert_eq!(endpoint.to_uri(), format!("urn:gembok:endpoint:{id}"));
        for other in [
            format!("urn:gembok:endpoint:{}", id.to_uppercase()),
            format!("urn:gembok:endpoint:{}", id.replace('-', "")),
            format!("urn:gembok:officer:{id}"),
            format!("URN:gembok:user:{id}"),
            format!("urn:gembok:user:{id} "),
            "urn:gembok:user:".into(),
        ] {
            assert_eq!(Identity::from_uri(&other), None, "{other}");
        }
    }
}
