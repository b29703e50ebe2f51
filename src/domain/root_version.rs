//! A version of an object's index root: what its blind indexes are made under. Mostly there is one; two while an application
//! brings its index values under the next, and then answers carry both.

use minicbor::{Decode, Encode};

use super::key_place::KeyPlace;
use super::timestamp::Timestamp;

/// A version of an index root as it is stored under `key id u32 | version u32`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RootVersion {
    /// Its object's.
    #[n(0)]
    pub key_id: u32,
    /// From 1; it stands in index values.
    #[n(1)]
    pub version: u32,
    /// The KEK version it is wrapped under.
    #[n(2)]
    pub kek_version: u32,
    /// A wrapped key of kind 4.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
    /// When it was made.
    #[n(4)]
    pub created: Timestamp,
    /// The next version has at least this number: a new epoch leaves room for those that are lost.
    #[n(5)]
    pub next_floor: Option<u32>,
}

impl RootVersion {
    /// Which it is.
    #[must_use]
    pub const fn place(&self) -> KeyPlace {
        KeyPlace::new(self.key_id, self.version)
    }

    /// The number of the version after this one.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.version.saturating_add(1).max(self.next_floor.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    #[test]
    fn rows_lead_back_and_numbers_only_grow() {
        let root = RootVersion {
            key_id: 9,
            version: 1,
            kek_version: 2,
            wrapped: vec![1; 79],
            created: Timestamp::from_seconds(5),
            next_floor: None,
        };
        assert_eq!(root.next(), 2);
        let later = RootVersion { next_floor: Some(1_002), ..root.clone() };
        assert_eq!(later.next(), 1_002);
        for row in [root, later] {
            assert_eq!(cbor::decode::<RootVersion>(&cbor::encode(&row)), Ok(row));
        }
    }
}
