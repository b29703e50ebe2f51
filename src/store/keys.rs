//! The keys an unlocked store works with. They come in once, are made into ciphers and MACs at once, and are wiped with the
//! last [`super::Store`] that shares them.

use zeroize::Zeroizing;

use super::error::StoreError;
use super::table::{RowName, Table, split};
use crate::crypto::derive::{self, MacKey};
use crate::crypto::record::{Record, RecordKey};
use crate::crypto::secret::SecretKey;

/// Every generation of the store key that rows still name, and the name key.
pub struct StoreKeys {
    generations: Vec<RecordKey>,
    /// Index of the generation that seals.
    current: usize,
    pub(super) state: MacKey,
    pub(super) boot: MacKey,
    name: MacKey,
}

impl StoreKeys {
    /// Expands the store key's `generations`, of which `current` seals new records, and the name key.
    ///
    /// # Errors
    /// [`StoreError::Keys`] when a generation comes twice or `current` is not among them.
    pub fn new(
        generations: &[(u32, SecretKey)],
        current: u32,
        name_key: &SecretKey,
    ) -> Result<Self, StoreError> {
        let mut numbers: Vec<u32> = generations.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(StoreError::Keys("a generation of the store key was handed over twice"));
        }
        let at = generations
            .iter()
            .position(|(number, _)| *number == current)
            .ok_or(StoreError::Keys("the current generation of the store key is not among them"))?;
        let sealing = &generations[at].1;
        Ok(Self {
            current: at,
            state: derive::state_key(sealing),
            boot: derive::boot_mac_key(sealing),
            name: MacKey::of(name_key),
            generations: generations.iter().map(|(number, key)| RecordKey::new(*number, key)).collect(),
        })
    }

    /// The generation that seals new records.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.sealing().generation()
    }

    /// The row key that stands for `name` below `parent` (zero if none): `HMAC-SHA-256(name key, table u16 | parent 16 |
    /// name)[..16]`.
    #[must_use]
    pub fn name_key(&self, table: Table, parent: &[u8; 16], name: &str) -> [u8; 16] {
        let tag = self.name.tag(&[&table.number().to_be_bytes(), parent, name.as_bytes()]);
        let mut key = [0; 16];
        key.copy_from_slice(&tag[..16]);
        key
    }

    /// How many generations there are.
    pub(super) const fn generations(&self) -> usize {
        self.generations.len()
    }

    pub(super) fn sealing(&self) -> &RecordKey {
        &self.generations[self.current]
    }

    /// Opens the record that lies at `place`.
    pub(super) fn open(&self, place: &[u8], stored: &[u8]) -> Result<Opened, StoreError> {
        let damaged = |why| StoreError::Damaged { row: RowName::at(place), why };
        let record = Record::parse(stored).map_err(|malformed| damaged(malformed.0))?;
        let key =
            self.generations.iter().find(|key| key.generation() == record.generation).ok_or_else(|| {
                damaged("it names a generation of the store key that this store does not have")
            })?;
        let (table, row_key) = split(place);
        let value = key
            .open(table, row_key, &record)
            .map_err(|_| damaged("it does not authenticate: it was altered, or belongs to another row"))?;
        Ok(Opened { nonce: *record.nonce, value })
    }
}

/// An opened record: its nonce, which is the row's revision, and its plaintext.
pub(super) struct Opened {
    pub(super) nonce: [u8; 24],
    pub(super) value: Zeroizing<Vec<u8>>,
}
