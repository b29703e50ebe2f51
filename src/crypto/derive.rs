//! Every key derivation of the product, on one screen. All are HKDF-Expand-SHA-256 (RFC 5869) of a uniformly random key,
//! 32 bytes out, with a label that ends in 00 as info, and behind it what is named; so no extract step and no salt.
//!
//! | from | label | gives |
//! |---|---|---|
//! | store key generation | `gembok/state/v1` | state key: MACs the rows of the state digest |
//! | store key generation | `gembok/boot/v1` | boot MAC key: MACs the boot row |
//! | index root | `gembok/index/v1`, then index id 16, normaliser u8, bits u8 | index key: makes the values of one index |

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret::SecretKey;

/// An HMAC-SHA-256 key, its pads computed once; wiped when dropped.
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// The key for HMACs under `key` itself: the name key and the subject key.
    #[must_use]
    pub fn of(key: &SecretKey) -> Self {
        Self::from_bytes(key.expose())
    }

    /// HMAC pads its key with zeros to one block of the hash (RFC 2104 §2); padded here, no length can be wrong.
    fn from_bytes(key: &[u8; 32]) -> Self {
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(key);
        Self(Hmac::new((&*block).into()))
    }

    /// HMAC-SHA-256 over the concatenation of `parts`.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.absorb(parts).finalize().into_bytes().into()
    }

    /// Whether `tag` is the one of `parts`, compared in constant time.
    #[must_use]
    pub fn verifies(&self, parts: &[&[u8]], tag: &[u8; 32]) -> bool {
        self.absorb(parts).verify(tag.into()).is_ok()
    }

    fn absorb(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

/// The key that MACs rows into the state digest.
#[must_use]
pub fn state_key(store_key: &SecretKey) -> MacKey {
    expand(store_key, &[b"gembok/state/v1\0"])
}

/// The key that MACs the boot row.
#[must_use]
pub fn boot_mac_key(store_key: &SecretKey) -> MacKey {
    expand(store_key, &[b"gembok/boot/v1\0"])
}

/// The key that makes the values of one blind index.
#[must_use]
pub fn index_key(root: &SecretKey, index: &[u8; 16], normaliser: u8, bits: u8) -> MacKey {
    expand(root, &[b"gembok/index/v1\0", index, &[normaliser, bits]])
}

fn expand(key: &SecretKey, info: &[&[u8]]) -> MacKey {
    // 32 bytes are one block of the expansion, and T(1) is one HMAC over the info and the byte 1 (RFC 5869 §2.3).
    let okm = Zeroizing::new(MacKey::of(key).tag(&[info, &[&[1][..]]].concat()));
    MacKey::from_bytes(&okm)
}
