//! Envelope v1, what a seal returns and the customer's database keeps:
//!
//! ```text
//! 0    "GB" 01          magic and version          } the header,
//! 3    algorithm  u8                               } part of the
//! 4    key id     u32                              } associated
//! 8    key version u32                             } data
//! 12   nonce      24 or 12, by algorithm
//! ..   ciphertext as long as the plaintext
//! ..   tag        16
//! ```
//!
//! The text form is standard base64 with padding, canonical; so every envelope begins `R0IB`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::{Algorithm, TAG_LEN};
use super::{Malformed, take};

/// Bytes of the header.
pub const HEADER_LEN: usize = 12;

const MAGIC: [u8; 3] = *b"GB\x01";

/// The names by which the one right key is found. Authenticated, never secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How the field is sealed.
    pub algorithm: Algorithm,
    /// Random, never 0, one per object.
    pub key_id: u32,
    /// From 1.
    pub key_version: u32,
}

impl Header {
    /// The twelve bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..3].copy_from_slice(&MAGIC);
        out[3] = self.algorithm.id();
        out[4..8].copy_from_slice(&self.key_id.to_be_bytes());
        out[8..].copy_from_slice(&self.key_version.to_be_bytes());
        out
    }
}

/// An envelope taken apart but not opened: its claims are unproved until a key authenticates them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What it says of itself.
    pub header: Header,
    /// As long as the algorithm's nonce.
    pub nonce: &'a [u8],
    /// Ciphertext, then tag.
    pub sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart.
    ///
    /// # Errors
    /// [`Malformed`] when the magic, version, algorithm, key id or length cannot be an envelope's.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        if take::<3>(&mut rest) != Some(MAGIC) {
            return Err(Malformed("an envelope begins with GB 01"));
        }
        let [id] = take(&mut rest).ok_or(Malformed("the envelope ends in its header"))?;
        let algorithm = Algorithm::from_id(id).ok_or(Malformed("the envelope's algorithm is not known"))?;
        let mut number =
            || take(&mut rest).map(u32::from_be_bytes).ok_or(Malformed("the envelope ends in its header"));
        let (key_id, key_version) = (number()?, number()?);
        if key_id == 0 || key_version == 0 {
            return Err(Malformed("key ids and key versions are never 0"));
        }
        if rest.len() < algorithm.nonce_len() + TAG_LEN {
            return Err(Malformed("the envelope is shorter than its nonce and tag"));
        }
        let (nonce, sealed) = rest.split_at(algorithm.nonce_len());
        Ok(Self { header: Header { algorithm, key_id, key_version }, nonce, sealed })
    }

    /// Writes it back: the inverse of [`Envelope::parse`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.header.to_bytes()[..], self.nonce, self.sealed].concat()
    }
}

/// The text form of an envelope's bytes.
#[must_use]
pub fn to_text(envelope: &[u8]) -> String {
    STANDARD.encode(envelope)
}

/// Characters that the text form of a field of `plaintext_len` bytes takes: the width its database column needs.
#[must_use]
pub const fn text_len(algorithm: Algorithm, plaintext_len: usize) -> usize {
    (HEADER_LEN + algorithm.nonce_len() + plaintext_len + TAG_LEN).div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nik_is_68_bytes_and_92_characters() {
        assert_eq!(text_len(Algorithm::Xaes256Gcm, 16), 92);
        for n in 0..200 {
            assert_eq!(text_len(Algorithm::Xaes256Gcm, n), 4 * (n + 52).div_ceil(3));
            assert_eq!(text_len(Algorithm::Aes256Gcm, n), 4 * (n + 40).div_ceil(3));
        }
    }

    #[test]
    fn what_is_not_an_envelope_says_why() {
        let header = Header { algorithm: Algorithm::Aes256Gcm, key_id: 7, key_version: 1 }.to_bytes();
        let whole = [&header[..], &[0; 28]].concat();
        assert!(Envelope::parse(&whole).is_ok());
        assert!(Envelope::parse(&whole[..39]).is_err());
        for at in [0, 1, 2, 3] {
            let mut bent = whole.clone();
            bent[at] ^= 0x40;
            assert!(Envelope::parse(&bent).is_err(), "byte {at}");
        }
        let mut no_id = whole.clone();
        no_id[4..8].fill(0);
        assert!(Envelope::parse(&no_id).is_err());
    }
}
