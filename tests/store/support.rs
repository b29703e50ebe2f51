//! A store in a directory of its own, keys that can be made again to unlock it, and a way around it to its stored bytes.

use std::path::{Path, PathBuf};

use gembok::crypto::secret::SecretKey;
use gembok::store::{
    Batch, Boot, CaKeyEntry, CheckpointKeyEntry, FORMAT_VERSION, MasterKeyEntry, MasterKeyState, Row, Scan,
    Store, StoreFile, StoreKeyEntry, StoreKeys, Table, Unlocked,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;

pub(crate) const CACHE_BYTES: usize = 1 << 20;
pub(crate) const APPLIANCE: [u8; 16] = *b"appliance-id-016";
pub(crate) const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");

pub(crate) struct Rig {
    dir: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("gembok.redb")
    }

    pub(crate) fn open(&self) -> StoreFile {
        StoreFile::open(&self.path(), CACHE_BYTES).unwrap()
    }

    /// A store with its boot row and block 0.
    pub(crate) fn initialised() -> (Self, StoreFile, Store) {
        let rig = Self::new();
        let file = rig.open();
        let store = file.initialise(boot(), keys(), noted(1_000)).unwrap();
        (rig, file, store)
    }

    /// Opened anew and unlocked.
    pub(crate) fn unlocked(&self) -> (StoreFile, Store, Unlocked) {
        let file = self.open();
        let (store, unlocked) = file.unlock(keys()).unwrap();
        (file, store, unlocked)
    }

    /// Everything that lies in the closed file.
    pub(crate) fn stored(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let database = Database::open(self.path()).unwrap();
        let reading = database.begin_read().unwrap();
        let rows = reading.open_table(ROWS).unwrap();
        rows.iter()
            .unwrap()
            .map(|row| row.map(|(place, stored)| (place.value().to_vec(), stored.value().to_vec())).unwrap())
            .collect()
    }

    pub(crate) fn stored_at(&self, place: &[u8]) -> Vec<u8> {
        let rows = self.stored();
        rows.into_iter().find(|(at, _)| at == place).map(|(_, stored)| stored).unwrap()
    }

    /// Puts bytes into the closed file, or takes a row out, behind the store's back.
    pub(crate) fn tamper(&self, place: &[u8], stored: Option<&[u8]>) {
        let database = Database::open(self.path()).unwrap();
        let writing = database.begin_write().unwrap();
        {
            let mut rows = writing.open_table(ROWS).unwrap();
            match stored {
                Some(stored) => drop(rows.insert(place, stored).unwrap()),
                None => drop(rows.remove(place).unwrap().unwrap()),
            }
        }
        writing.commit().unwrap();
    }
}

pub(crate) fn secret(byte: u8) -> SecretKey {
    SecretKey::take(&mut [byte; 32])
}

pub(crate) fn keys() -> StoreKeys {
    StoreKeys::new(&[(1, secret(1))], 1, &secret(100)).unwrap()
}

pub(crate) fn boot() -> Boot {
    Boot {
        format_version: FORMAT_VERSION,
        appliance_id: APPLIANCE,
        epoch: 0,
        token_serial: "0123456789abcdef".into(),
        master_keys: vec![MasterKeyEntry {
            generation: 1,
            label: "gembok-mk-1".into(),
            kcv: [1, 2, 3],
            state: MasterKeyState::Current,
            escrow: None,
        }],
        store_keys: vec![StoreKeyEntry { generation: 1, wrapped: vec![7; 67] }],
        current_store_key: 1,
        name_key: vec![8; 79],
        subject_key: vec![9; 79],
        backup_key: None,
        ca_key: CaKeyEntry { label: "gembok-ca".into(), escrow: None },
        checkpoint_keys: vec![CheckpointKeyEntry {
            epoch: 0,
            label: "gembok-checkpoint-0".into(),
            spki: vec![5; 91],
        }],
        share_sets: vec![],
        unlock_slots: vec![],
        officers: vec![],
        sandbox: true,
    }
}

/// A batch with the one record that every batch needs.
pub(crate) fn noted(time_us: u64) -> Batch {
    Batch::new(time_us).record(2, 1, b"audit")
}

pub(crate) fn place(table: Table, key: &[u8]) -> Vec<u8> {
    [&table.number().to_be_bytes(), key].concat()
}

pub(crate) fn value(store: &Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    store.get(table, key).unwrap().map(|row| row.value.to_vec())
}

pub(crate) fn row(store: &Store, table: Table, key: &[u8]) -> Row {
    store.get(table, key).unwrap().unwrap()
}

pub(crate) fn scanned(store: &Store, table: Table, range: Scan<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = store.scan(table, range).unwrap();
    rows.into_iter().map(|(key, row)| (key, row.ok().unwrap().value.to_vec())).collect()
}

pub(crate) const fn all(limit: usize) -> Scan<'static> {
    Scan { prefix: b"", after: None, limit }
}

/// The message of a call that must fail.
pub(crate) fn refusal<T>(result: Result<T, gembok::store::StoreError>) -> String {
    match result {
        Ok(_) => panic!("it was let through"),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn contains(path: &Path, needle: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
}
