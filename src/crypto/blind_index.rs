//! Blind indexes: what an application may search by without anybody reading it. Equal values of one index give equal texts,
//! and nothing else can be told from them without the root. Another index, of another object or field, gives others.
//!
//! ```text
//! ik     HKDF-Expand-SHA-256(root, "gembok/index/v1" 00 | index id 16 | normaliser u8 | bits u8)      (derive.rs)
//! value  root version u32 | leftmost bits of HMAC-SHA-256(ik, normalised), in ⌈bits/8⌉ bytes, spare low bits zero
//! ```
//!
//! In text lower-case hex: 40 characters for 128 bits.

use super::derive::{self, MacKey};
use super::hex::to_hex;
use super::secret::SecretKey;

/// Bytes of a value before its bits: the version of the root.
const VERSION_LEN: usize = 4;

/// One version of an object's index root, from which the keys of its indexes come.
pub struct IndexRoot {
    version: u32,
    key: SecretKey,
}

/// The key of one index under one version of its root; wiped when dropped.
pub struct IndexKey {
    version: u32,
    bits: u8,
    mac: MacKey,
}

impl IndexRoot {
    /// Version `version` of a root.
    #[must_use]
    pub const fn new(version: u32, key: SecretKey) -> Self {
        Self { version, key }
    }

    /// The key of the index with this id, whose values are written by `normaliser` (its frozen number) and have `bits` bits.
    #[must_use]
    pub fn index_key(&self, index: &[u8; 16], normaliser: u8, bits: u8) -> IndexKey {
        let mac = derive::index_key(&self.key, index, normaliser, bits);
        IndexKey { version: self.version, bits, mac }
    }
}

impl IndexKey {
    /// The index value of what the normaliser wrote: lower-case hex, [`text_len`] characters.
    #[must_use]
    pub fn value(&self, normalised: &[u8]) -> String {
        let tag = self.mac.tag(&[normalised]);
        let bytes = usize::from(self.bits.div_ceil(8));
        let mut value = [0; VERSION_LEN + 32];
        value[..VERSION_LEN].copy_from_slice(&self.version.to_be_bytes());
        let end = VERSION_LEN + bytes;
        value[VERSION_LEN..end].copy_from_slice(&tag[..bytes]);
        if let (spare @ 1.., Some(last)) = ((8 - self.bits % 8) % 8, value[..end].last_mut()) {
            *last &= 0xff << spare;
        }
        to_hex(&value[..end])
    }
}

/// Characters of an index value of so many bits: how wide an application's column is.
#[must_use]
pub const fn text_len(bits: u8) -> usize {
    2 * (VERSION_LEN + bits.div_ceil(8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_bits_are_zero_and_the_rest_is_of_the_same_tag() {
        let root = IndexRoot::new(7, SecretKey::take(&mut [3; 32]));
        for bits in (1..=63).chain([128]) {
            let value = root.index_key(&[1; 16], 1, bits).value(b"3602041211870001");
            assert_eq!(value.len(), text_len(bits), "{bits}");
            assert!(value.starts_with("00000007"), "{bits}");
            let last = u8::from_str_radix(&value[value.len() - 2..], 16).unwrap();
            let spare = (8 - bits % 8) % 8;
            assert_eq!(u32::from(last) & ((1 << spare) - 1), 0, "{bits}: {value}");
        }
        assert_eq!(text_len(128), 40);
    }
}
