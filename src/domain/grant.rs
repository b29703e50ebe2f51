//! A grant: this endpoint may do this operation on this object. No grant, no operation.

use minicbor::{Decode, Encode};

use super::id::{EndpointId, ObjectId};
use super::operation::Operation;
use super::timestamp::Timestamp;

/// A grant as it is stored under its [`Grant::row_key`]; that it exists is what counts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// When it was given.
    #[n(0)]
    pub created: Timestamp,
}

impl Grant {
    /// `endpoint id 16 | object id 16 | operation u8`.
    #[must_use]
    pub fn row_key(endpoint: EndpointId, object: ObjectId, operation: Operation) -> [u8; 33] {
        let mut key = [operation.number(); 33];
        key[..16].copy_from_slice(endpoint.as_bytes());
        key[16..32].copy_from_slice(object.as_bytes());
        key
    }

    /// The object and operation in a row key.
    #[must_use]
    pub fn from_row_key(key: &[u8]) -> Option<(EndpointId, ObjectId, Operation)> {
        let key: &[u8; 33] = key.try_into().ok()?;
        let endpoint = EndpointId::from_bytes(*key.first_chunk()?);
        let object = ObjectId::from_bytes(*key[16..].first_chunk()?);
        Some((endpoint, object, Operation::from_number(key[32])?))
    }
}
