//! Key check value: the first three bytes of AES-CMAC (SP 800-38B) over 16 zero bytes. For eyes only, to see at a glance
//! that two people speak of one key; another key with the same value takes seconds to find, so it proves nothing.

use std::fmt;

use aes::Aes256;
use cmac::{Cmac, KeyInit, Mac};

use super::secret::SecretKey;

/// What the CMAC is taken over.
pub const BLOCK: [u8; 16] = [0; 16];

/// Three bytes, shown as six hex digits in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kcv(pub [u8; 3]);

impl Kcv {
    /// The KCV of a key in process.
    #[must_use]
    pub fn of(key: &SecretKey) -> Self {
        let mut mac = <Cmac<Aes256> as KeyInit>::new(key.expose().into());
        mac.update(&BLOCK);
        let [a, b, c, ..] = <[u8; 16]>::from(mac.finalize().into_bytes());
        Self([a, b, c])
    }

    /// The KCV in a CMAC over [`BLOCK`] that the token made; `None` when it is too short to be one.
    #[must_use]
    pub fn from_cmac(tag: &[u8]) -> Option<Self> {
        tag.first_chunk().copied().map(Self)
    }
}

impl fmt::Display for Kcv {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(out, "{a:02X}{b:02X}{c:02X}")
    }
}
