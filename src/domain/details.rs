//! The details of an audit record: names and values, in the order that deterministic CBOR demands of map keys
//! (RFC 8949 §4.2.1): by their encoded bytes, so a shorter name comes first.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

/// Values by name. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Details(#[n(0)] BTreeMap<DetailName, String>);

/// A name, ordered as its encoding is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
struct DetailName(#[n(0)] String);

impl Details {
    /// Adds a detail; one of the same name is replaced.
    pub fn insert(&mut self, name: &str, value: String) {
        self.0.insert(DetailName(name.to_owned()), value);
    }

    /// The value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(&DetailName(name.to_owned())).map(String::as_str)
    }

    /// The values, in order.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Names and values, in order.
    pub fn into_pairs(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter().map(|(name, value)| (name.0, value))
    }
}

impl Ord for DetailName {
    /// The head of an encoded name grows with its length.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), self.0.as_bytes()).cmp(&(other.0.len(), other.0.as_bytes()))
    }
}

impl PartialOrd for DetailName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    #[test]
    fn names_are_in_the_order_of_their_encodings_and_no_other_order_is_taken() {
        // Lengths around which the head of an encoding grows.
        let lengths = [0, 1, 2, 22, 23, 24, 25, 255, 256, 300];
        let names: Vec<String> =
            lengths.iter().flat_map(|length| ["a", "b", "é"].map(|letter| letter.repeat(*length))).collect();
        let mut details = Details::default();
        for name in names.iter().rev() {
            details.insert(name, "x".into());
        }
        let written: Vec<Vec<u8>> =
            details.clone().into_pairs().map(|(name, _)| cbor::encode(&name)).collect();
        assert!(written.is_sorted_by(|one, next| one < next));
        assert_eq!(cbor::decode(&cbor::encode(&details)), Ok(details.clone()));
        assert_eq!((details.value("bb"), details.value("c")), (Some("x"), None));

        let by_text = [0xA2, 0x62, b'a', b'b', 0x61, b'x', 0x61, b'b', 0x61, b'x'];
        assert!(cbor::decode::<Details>(&by_text).is_err());
    }
}
