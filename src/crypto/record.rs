//! A stored record, sealed under a store key generation and bound to its table and row key:
//!
//! ```text
//! 01 | store key generation u32 | nonce 24 | ciphertext | tag 16
//! ```
//!
//! under XAES-256-GCM with the associated data `"gembok/record/v1" 00 | table u16 | length u16 | key`. A record put
//! under another key, or into another table, does not open.

use aead::KeyInit;
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroizing;

use super::algorithm::TAG_LEN;
use super::data_key;
use super::random::{NoRandomness, Nonce};
use super::secret::SecretKey;
use super::{Malformed, NotAuthentic, take};

const FORMAT: u8 = 1;
const HEAD_LEN: usize = 5;
/// Bytes of a record's nonce.
pub const NONCE_LEN: usize = 24;
/// Bytes a record takes beyond its plaintext.
pub const OVERHEAD: usize = HEAD_LEN + NONCE_LEN + TAG_LEN;

/// One generation of the store key, in its role of sealing records.
pub struct RecordKey {
    generation: u32,
    cipher: Box<Xaes256Gcm>,
}

impl RecordKey {
    /// Expands generation `generation` of the store key.
    #[must_use]
    pub fn new(generation: u32, key: &SecretKey) -> Self {
        Self { generation, cipher: Box::new(Xaes256Gcm::new(key.expose().into())) }
    }

    /// Its generation, as it stands in each record.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Seals `plaintext` for one row.
    ///
    /// # Errors
    /// [`NoRandomness`] when no nonce can be drawn.
    pub fn seal(&self, table: u16, key: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        self.seal_with(Nonce::draw()?, table, key, plaintext)
    }

    /// Seals with a nonce drawn earlier: a commit draws those of all its rows at once.
    ///
    /// # Errors
    /// [`NoRandomness`] never for a drawn nonce; lengths past 2^36 bytes are refused the same way.
    pub fn seal_with(
        &self,
        nonce: Nonce,
        table: u16,
        key: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, NoRandomness> {
        let mut head = [FORMAT; HEAD_LEN];
        head[1..].copy_from_slice(&self.generation.to_be_bytes());
        data_key::seal::<_, NONCE_LEN>(&*self.cipher, &head, nonce, &aad(table, key), plaintext)
            .map_err(|_| NoRandomness)
    }

    /// Opens a record of this generation from the row it was sealed for.
    ///
    /// # Errors
    /// [`NotAuthentic`] when the record is another generation's, another row's, or altered.
    pub fn open(
        &self,
        table: u16,
        key: &[u8],
        record: &Record<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if record.generation != self.generation {
            return Err(NotAuthentic);
        }
        data_key::open(&*self.cipher, record.nonce, record.sealed, &aad(table, key))
    }
}

/// A record taken apart but not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The store key generation it says it needs.
    pub generation: u32,
    /// 24 bytes, drawn anew at each write; so it also serves as the row's revision.
    pub nonce: &'a [u8; NONCE_LEN],
    /// Ciphertext, then tag.
    pub sealed: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes stored bytes apart.
    ///
    /// # Errors
    /// [`Malformed`] when they are too short or of another format.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        const SHORT: Malformed = Malformed("the record is shorter than its head, nonce and tag");
        let mut rest = bytes;
        let [format] = take(&mut rest).ok_or(SHORT)?;
        if format != FORMAT {
            return Err(Malformed("the record's format is not known"));
        }
        let generation = u32::from_be_bytes(take(&mut rest).ok_or(SHORT)?);
        let (nonce, sealed) = rest.split_first_chunk().ok_or(SHORT)?;
        if sealed.len() < TAG_LEN { Err(SHORT) } else { Ok(Self { generation, nonce, sealed }) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "row keys are at most 255 bytes")]
fn aad(table: u16, key: &[u8]) -> Vec<u8> {
    [&b"gembok/record/v1\0"[..], &table.to_be_bytes(), &(key.len() as u16).to_be_bytes(), key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_only_in_its_own_row() {
        let store_key = RecordKey::new(1, &SecretKey::generate().unwrap());
        let sealed = store_key.seal(3, b"row", b"value").unwrap();
        assert_eq!(sealed.len(), OVERHEAD + 5);
        let record = Record::parse(&sealed).unwrap();
        assert_eq!(store_key.open(3, b"row", &record).unwrap().as_slice(), b"value");
        assert!(store_key.open(3, b"rox", &record).is_err());
        assert!(store_key.open(4, b"row", &record).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            let opened = Record::parse(&bent).map(|record| store_key.open(3, b"row", &record));
            assert!(!matches!(opened, Ok(Ok(_))), "byte {at}");
        }
    }
}
