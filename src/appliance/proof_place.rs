//! Where a proof of the stored keys has come to: the cursor between two pages, in words, and how far that is.

use std::fmt;

use crate::crypto::hex::{from_hex, to_hex};

/// Row keys of the tables that are walked have at most so many bytes.
const KEY_BYTES_MAX: usize = 20;
/// Thousandths of the whole that KEKs are taken for: there are far fewer of them than of data keys.
const KEKS_PERMILLE: u16 = 50;
/// The same of index roots.
const ROOTS_PERMILLE: u16 = 200;

/// What comes next: the keys behind a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProofPlace {
    /// Those of the boot row.
    Boot,
    /// KEKs.
    Keks(Vec<u8>),
    /// Data keys, by key id.
    KeyVersions(Vec<u8>),
    /// Index roots, by key id.
    IndexRoots(Vec<u8>),
    /// Data keys and index roots of a project, by object.
    Objects(Vec<u8>),
}

impl ProofPlace {
    /// A place in words, as [`fmt::Display`] writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (what, hex) = text.split_once(':')?;
        if hex.len() > 2 * KEY_BYTES_MAX {
            return None;
        }
        let pair = |pair| str::from_utf8(pair).ok().and_then(from_hex::<1>);
        let key = hex.as_bytes().chunks(2).map(|two| pair(two).map(|[byte]| byte)).collect::<Option<_>>()?;
        match what {
            "keks" => Some(Self::Keks(key)),
            "key-versions" => Some(Self::KeyVersions(key)),
            "index-roots" => Some(Self::IndexRoots(key)),
            "objects" => Some(Self::Objects(key)),
            _ => None,
        }
    }

    /// How far it is, in thousandths of the whole. Row keys begin with what was drawn at random, so a key tells.
    pub(super) fn permille(&self) -> u16 {
        let of = |key: &[u8], whole: u16| {
            let part = u32::from(key.first().copied().unwrap_or(0)) * u32::from(whole) / 256;
            u16::try_from(part).unwrap_or(whole)
        };
        match self {
            Self::Boot => 0,
            Self::Keks(key) => of(key, KEKS_PERMILLE),
            Self::KeyVersions(key) => KEKS_PERMILLE + of(key, 1_000 - KEKS_PERMILLE - ROOTS_PERMILLE),
            Self::IndexRoots(key) => 1_000 - ROOTS_PERMILLE + of(key, ROOTS_PERMILLE),
            Self::Objects(key) => KEKS_PERMILLE + of(key, 1_000 - KEKS_PERMILLE),
        }
    }
}

impl fmt::Display for ProofPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, key) = match self {
            Self::Boot => ("boot", [].as_slice()),
            Self::Keks(key) => ("keks", key.as_slice()),
            Self::KeyVersions(key) => ("key-versions", key.as_slice()),
            Self::IndexRoots(key) => ("index-roots", key.as_slice()),
            Self::Objects(key) => ("objects", key.as_slice()),
        };
        write!(out, "{what}:{}", to_hex(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_leads_back_and_goes_forward() {
        let mut before = 0;
        for place in [
            ProofPlace::Keks(Vec::new()),
            ProofPlace::Keks(vec![0xff; 20]),
            ProofPlace::KeyVersions(Vec::new()),
            ProofPlace::KeyVersions(vec![0x80; 8]),
            ProofPlace::IndexRoots(vec![0x80; 8]),
            ProofPlace::Objects(vec![0xff; 16]),
        ] {
            assert_eq!(ProofPlace::parse(&place.to_string()), Some(place.clone()));
            assert!(place.permille() >= before && place.permille() < 1_000, "{place}");
            before = place.permille();
        }
        for wrong in ["", "keks", "boot:", "keks:1", "keks:+1", "keks:\u{e9}", "users:00", "Keks:00"] {
            assert_eq!(ProofPlace::parse(wrong), None, "{wrong}");
        }
        assert_eq!(ProofPlace::parse(&format!("keks:{}", "00".repeat(21))), None);
    }
}
