//! Which version of which key: what names a key version, and a version of an object's index root, in memory and in their tables.

use std::fmt;

/// A key id and the number of a version. In order of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPlace {
    /// Of an object; it stands in its envelopes.
    pub key_id: u32,
    /// From 1.
    pub version: u32,
}

impl KeyPlace {
    /// Version `version` of key `key_id`.
    #[must_use]
    pub const fn new(key_id: u32, version: u32) -> Self {
        Self { key_id, version }
    }

    /// `key id u32 | version u32`.
    #[must_use]
    pub fn row_key(self) -> [u8; 8] {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&self.key_id.to_be_bytes());
        key[4..].copy_from_slice(&self.version.to_be_bytes());
        key
    }

    /// What [`KeyPlace::row_key`] wrote.
    #[must_use]
    pub fn from_row_key(row_key: &[u8]) -> Option<Self> {
        let (key_id, version) = row_key.split_first_chunk()?;
        Some(Self::new(u32::from_be_bytes(*key_id), u32::from_be_bytes(version.try_into().ok()?)))
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, version } = self;
        write!(out, "version {version} of key {key_id:08x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_keys_lead_back_and_lie_in_order() {
        let places = [KeyPlace::new(1, 2), KeyPlace::new(1, 0x0300), KeyPlace::new(0x0a0b, 1)];
        assert_eq!(places[0].row_key(), [0, 0, 0, 1, 0, 0, 0, 2]);
        assert!(places.is_sorted() && places.map(KeyPlace::row_key).is_sorted());
        for place in places {
            let key = place.row_key();
            assert_eq!(KeyPlace::from_row_key(&key), Some(place));
            assert_eq!(KeyPlace::from_row_key(&key[..7]), None);
            assert_eq!(KeyPlace::from_row_key(&[&key[..], &[0]].concat()), None);
        }
        assert_eq!(places[2].to_string(), "version 1 of key 00000a0b");
    }
}
