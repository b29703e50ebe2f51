//! A gap: the process ended without closing its journal, so requests may have been answered whose records are lost.
//!
//! Kind 3, version 1, always the first record of the first block after such an end. The body is deterministic CBOR:
//!
//! ```text
//! { 0: time µs, 1: time µs of the last block before the end, 2: most fields that may be unrecorded }
//! ```
//!
//! The number holds for each key version, and for all of them together: the journal never lets more fields be carried out
//! than that whose records are not yet durable.

use minicbor::{Decode, Encode};

use super::timestamp::Timestamp;

/// The record's kind in its leaf.
pub const KIND: u16 = 3;
/// The body's version in its leaf.
pub const VERSION: u16 = 1;

/// What an unclean end may have cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Gap {
    /// When it was found.
    #[n(0)]
    pub time: Timestamp,
    /// When the last block before the end was closed.
    #[n(1)]
    pub last_block: Timestamp,
    /// Most fields of any one key version, and of all together, that may have been sealed or opened without a record.
    #[n(2)]
    pub fields_max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    #[test]
    fn its_bytes_are_those_of_the_drawing() {
        let (time, last_block) = (Timestamp::from_micros(24), Timestamp::from_micros(23));
        let gap = Gap { time, last_block, fields_max: 262_144 };
        let drawn = [0xA3, 0x00, 0x18, 24, 0x01, 0x17, 0x02, 0x1A, 0x00, 0x04, 0x00, 0x00];
        assert_eq!(*cbor::encode(&gap), drawn);
        assert_eq!(cbor::decode::<Gap>(&drawn).unwrap(), gap);
    }
}
