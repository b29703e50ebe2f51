//! Stored records are deterministic CBOR (RFC 8949 §4.2): maps with integer keys in ascending order, shortest numbers,
//! definite lengths. An auditor can read them without us, and one value has one encoding.

use std::error::Error;

use minicbor::{Decode, Encode};

/// The bytes are not the one encoding of a value of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCanonical {
    /// What the type has against the value, where it says so; it names no content.
    why: Option<String>,
}

impl std::fmt::Display for NotCanonical {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the record is not the deterministic CBOR of its type")?;
        self.why.as_ref().map_or(Ok(()), |why| write!(out, ": {why}"))
    }
}

impl Error for NotCanonical {}

impl From<minicbor::decode::Error> for NotCanonical {
    fn from(error: minicbor::decode::Error) -> Self {
        // Only our own: what the decoder itself says may tell a value.
        let own = error.source().filter(|_| error.is_custom());
        Self { why: own.map(ToString::to_string) }
    }
}

/// The encoding of `value`.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Writing to a Vec cannot fail, and none of our encoders returns an error of its own.
    minicbor::to_vec(value).unwrap_or_default()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`NotCanonical`] for any other bytes, also for another encoding of the same value.
pub fn decode<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, NotCanonical> {
    let value: T = minicbor::decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(NotCanonical { why: None }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Sample {
        #[n(0)]
        number: u64,
        #[n(1)]
        text: Option<String>,
    }

    #[test]
    fn one_value_has_one_encoding() {
        let sample = Sample { number: 5, text: None };
        let bytes = encode(&sample);
        assert_eq!(bytes, [0xA1, 0x00, 0x05]);
        assert_eq!(decode::<Sample>(&bytes), Ok(sample));
        let not_canonical = Err(NotCanonical { why: None });
        let long_number = [0xA1, 0x00, 0x18, 0x05];
        assert_eq!(decode::<Sample>(&long_number), not_canonical);
        let unknown_key = [0xA2, 0x00, 0x05, 0x09, 0x01];
        assert_eq!(decode::<Sample>(&unknown_key), not_canonical);
        assert_eq!(decode::<Sample>(&[]), not_canonical);
    }
}
