//! The escrow log: a second place for every wrapped key, on another disk, to which is only ever appended. One entry a stored row,
//! sealed as it lies in the store:
//!
//! ```text
//! length u32 | table u16 | length u16 | row key | sealed value | SHA-256 of all that stands before it in the file 32
//! ```
//!
//! The first length counts what follows it, the hash included. The hash of an entry is over every entry before it, too: what was
//! taken out, exchanged or moved shows at the next one. It proves nothing against who can write the file; what the entries hold
//! does that by itself, because it is sealed.

use sha2::{Digest, Sha256};

use super::{Malformed, take};

/// Bytes of a hash.
const HASH_LEN: usize = 32;
/// Bytes of an entry before its row key, behind the first length: table and length.
const HEAD_LEN: usize = 4;
/// Longest entry, bytes, its first length not counted: the longest row of the store.
pub const ENTRY_BYTES_MAX: usize = HEAD_LEN + 255 + (1 << 20) + 64 + HASH_LEN;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Number of the row's table.
    pub table: u16,
    /// Its row key; empty for the boot row.
    pub key: &'a [u8],
    /// What lay there, byte for byte.
    pub value: &'a [u8],
}

/// The hash along a log, from its beginning on.
#[derive(Clone, Default)]
pub struct LogHash(Sha256);

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It ends within an entry: a write that was interrupted. Nothing of that entry counts.
    CutOff,
    /// An entry is not one, or not the one that was written there.
    Wrong(&'static str),
}

impl LogHash {
    /// The bytes of `entry` at the end of the log that was hashed so far, which is hashed with them.
    ///
    /// # Errors
    /// [`Malformed`] for an entry longer than an entry may be.
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<Vec<u8>, Malformed> {
        const LONG: Malformed = Malformed("the entry is longer than an entry may be");
        let key_len = u16::try_from(entry.key.len()).map_err(|_| LONG)?;
        let length = HEAD_LEN + entry.key.len() + entry.value.len() + HASH_LEN;
        let counted = u32::try_from(length).ok().filter(|_| length <= ENTRY_BYTES_MAX).ok_or(LONG)?;
        let mut bytes = Vec::with_capacity(4 + length);
        bytes.extend_from_slice(&counted.to_be_bytes());
        bytes.extend_from_slice(&entry.table.to_be_bytes());
        bytes.extend_from_slice(&key_len.to_be_bytes());
        bytes.extend_from_slice(entry.key);
        bytes.extend_from_slice(entry.value);
        self.0.update(&bytes);
        let hash: [u8; HASH_LEN] = self.0.clone().finalize().into();
        bytes.extend_from_slice(&hash);
        self.0.update(hash);
        Ok(bytes)
    }

    /// Reads the entry at the head of `bytes`, which lies behind what was hashed so far, and how long it is; it is hashed then.
    /// `None` at the end.
    ///
    /// # Errors
    /// [`Broken`]; nothing is hashed then.
    pub fn read<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(Entry<'a>, usize)>, Broken> {
        const SHORT: Broken = Broken::Wrong("an entry is shorter than its row key");
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut rest = bytes;
        let length = u32::from_be_bytes(take(&mut rest).ok_or(Broken::CutOff)?) as usize;
        if !(HEAD_LEN + HASH_LEN..=ENTRY_BYTES_MAX).contains(&length) {
            return Err(Broken::Wrong("an entry has a length that none can have"));
        }
        let mut body = rest.get(..length).ok_or(Broken::CutOff)?;
        let (before, hash) = bytes[..4 + length].split_at(4 + length - HASH_LEN);
        let mut after = self.clone();
        after.0.update(before);
        let expected: [u8; HASH_LEN] = after.0.clone().finalize().into();
        if hash != expected {
            return Err(Broken::Wrong("an entry's hash is not that of what stands before it"));
        }
        let table = u16::from_be_bytes(take(&mut body).ok_or(SHORT)?);
        let key_len = usize::from(u16::from_be_bytes(take(&mut body).ok_or(SHORT)?));
        let body = body.get(..body.len() - HASH_LEN).ok_or(SHORT)?;
        let (key, value) = body.split_at_checked(key_len).ok_or(SHORT)?;
        after.0.update(hash);
        *self = after;
        Ok(Some((Entry { table, key, value }, 4 + length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (Vec<u8>, Vec<usize>) {
        let (mut hash, mut bytes, mut ends) = (LogHash::default(), Vec::new(), vec![0]);
        for (table, key, value) in [(0, &b""[..], &b"boot"[..]), (6, b"project", b"kek"), (5, b"key", b"")] {
            bytes.extend(hash.append(&Entry { table, key, value }).unwrap());
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// Entries up to what is wrong.
    fn read(mut bytes: &[u8]) -> (usize, Result<(), Broken>) {
        let (mut hash, mut entries) = (LogHash::default(), 0);
        loop {
            match hash.read(bytes) {
                Ok(None) => return (entries, Ok(())),
                Ok(Some((_, used))) => bytes = &bytes[used..],
                Err(broken) => return (entries, Err(broken)),
            }
            entries += 1;
        }
    }

    #[test]
    fn a_log_that_is_cut_off_keeps_its_entries_before() {
        let (bytes, ends) = log();
        for end in 0..=bytes.len() {
            let whole = ends.iter().filter(|at| **at <= end).count() - 1;
            let (entries, how) = read(&bytes[..end]);
            assert_eq!(entries, whole);
            assert_eq!(how, if ends.contains(&end) { Ok(()) } else { Err(Broken::CutOff) }, "{end}");
        }
    }

    #[test]
    fn a_bent_byte_and_a_missing_entry_show() {
        let (bytes, ends) = log();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(read(&bent).1.is_err(), "byte {at}");
        }
        let without = [&bytes[..ends[1]], &bytes[ends[2]..]].concat();
        assert_eq!(read(&without).0, 1);
        assert!(matches!(read(&without).1, Err(Broken::Wrong(_))));
    }

    #[test]
    fn what_is_too_long_is_no_entry() {
        let value = vec![0; ENTRY_BYTES_MAX];
        assert!(LogHash::default().append(&Entry { table: 5, key: b"k", value: &value }).is_err());
    }
}
