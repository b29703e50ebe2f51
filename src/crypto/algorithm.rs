//! The four algorithms a key version may be made with. Their ids stand in every envelope and never change meaning.
//!
//! | id | name | nonce | uses per key version |
//! |---|---|---|---|
//! | 1 | `xaes-256-gcm` (C2SP; default) | 24 random | policy, 2^40 |
//! | 2 | `aes-256-gcm` | 12 random | never past 2^32 (SP 800-38D §8.3), rotate at 2^31 |
//! | 3 | `aes-256-gcm-siv` (RFC 8452) | 12 random | never past 2^32, rotate at 2^31 |
//! | 4 | `xchacha20-poly1305` | 24 random | policy, 2^40 |

use std::str::FromStr;

/// An AEAD with a 256-bit key and a 128-bit tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Algorithm {
    /// XAES-256-GCM (C2SP): AES-256-GCM under a key derived per nonce.
    #[default]
    Xaes256Gcm = 1,
    /// AES-256-GCM (SP 800-38D).
    Aes256Gcm = 2,
    /// AES-256-GCM-SIV (RFC 8452): a repeated nonce reveals only equality.
    Aes256GcmSiv = 3,
    /// XChaCha20-Poly1305, for processors without AES instructions.
    XChaCha20Poly1305 = 4,
}

/// Bytes of every algorithm's tag.
pub const TAG_LEN: usize = 16;

impl Algorithm {
    /// All of them, by id.
    pub const ALL: [Self; 4] =
        [Self::Xaes256Gcm, Self::Aes256Gcm, Self::Aes256GcmSiv, Self::XChaCha20Poly1305];

    /// The number that stands in envelopes and wrapped-key AADs.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The algorithm of an id, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.id() == id)
    }

    /// The name used in requests, configuration and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xaes256Gcm => "xaes-256-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Aes256GcmSiv => "aes-256-gcm-siv",
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
        }
    }

    /// Bytes of nonce in the envelope.
    #[must_use]
    pub const fn nonce_len(self) -> usize {
        match self {
            Self::Xaes256Gcm | Self::XChaCha20Poly1305 => 24,
            Self::Aes256Gcm | Self::Aes256GcmSiv => 12,
        }
    }

    /// Seals after which a key version stops sealing for good.
    #[must_use]
    pub const fn uses_max(self) -> u64 {
        if self.is_leased() { 1 << 32 } else { 1 << 40 }
    }

    /// Seals after which a key version should have been rotated.
    #[must_use]
    pub const fn rotate_at_uses(self) -> u64 {
        self.uses_max() / 2
    }

    /// Whether uses must be reserved durably before they are made: where 96 random bits are all that keeps nonces apart.
    #[must_use]
    pub const fn is_leased(self) -> bool {
        matches!(self, Self::Aes256Gcm | Self::Aes256GcmSiv)
    }
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_lead_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_id(algorithm.id()), Some(algorithm));
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        assert_eq!(Algorithm::from_id(0), None);
        assert_eq!(Algorithm::from_id(5), None);
    }

    #[test]
    fn twelve_byte_nonces_are_leased_and_stop_at_two_to_the_32() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.is_leased(), algorithm.nonce_len() == 12);
            assert_eq!(algorithm.uses_max() == 1 << 32, algorithm.is_leased());
        }
    }
}
