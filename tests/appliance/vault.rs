//! Behind the daemon's back, while it is stopped: token and store opened with the library, and the file's stored bytes.
//!
//! PKCS#11 finds `SoftHSM`'s configuration by the environment, so all of this runs in a child process made by `in_child`,
//! whose own token directory gets a copy of the sandbox's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use gembok::domain::actor::Actor;
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::timestamp::Timestamp;
use gembok::hsm::{MasterKey, Pin, PinBackoff, Token, TokenChoice, TokenConfig};
use gembok::store::{Batch, Boot, Scan, Store, StoreFile, StoreKeyEntry, StoreKeys, Table, Verdict};
use minicbor::{Decode, Encode};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::support::daemon::Sandbox;
use crate::support::recount;
pub(crate) use crate::support::recount::Record;
use crate::support::softhsm::{MODULE, SoftHsm};

const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");

/// An unlocked store, its daemon stopped.
pub(crate) struct Vault {
    pub(crate) store: Store,
    _file: StoreFile,
}

/// What opens a store, unwrapped by its token once: to open copies of it without one.
pub(crate) struct Keys {
    current: u32,
    /// By generation.
    store: Vec<(u32, [u8; 32])>,
    name: [u8; 32],
}

impl Keys {
    /// Asks the token of a stopped sandbox as the daemon does: PIN, token, MK, store key.
    pub(crate) fn unwrap(sandbox: &Sandbox, softhsm: &SoftHsm, boot: &Boot) -> Self {
        let _ = fs::remove_dir_all(softhsm.tokens());
        copy(&sandbox.softhsm().tokens(), &softhsm.tokens());
        Self::unwrap_here(&sandbox.path("pin"), boot)
    }

    /// The same of a token that is this process's already.
    fn unwrap_here(pin: &Path, boot: &Boot) -> Self {
        with_master_key(pin, boot, |master_key| {
            let unwrap = |entry: &StoreKeyEntry| {
                let wrapped = WrappedKey::parse(&entry.wrapped).unwrap();
                let binding = Binding::store_key(entry.generation, master_key.generation());
                (entry.generation, master_key.unwrap(&wrapped, &binding).unwrap())
            };
            let store: Vec<(u32, SecretKey)> = boot.store_keys.iter().map(unwrap).collect();
            let current = boot.current_store_key;
            let (_, current_key) = store.iter().find(|(generation, _)| *generation == current).unwrap();
            let name = *unwrap_name_key(current_key, current, &boot.name_key).expose();
            let store = store.iter().map(|(generation, key)| (*generation, *key.expose())).collect();
            Self { current, store, name }
        })
    }

    /// For the store.
    pub(crate) fn of_store(&self) -> StoreKeys {
        let mut name = self.name;
        let generations =
            self.store.iter().map(|(generation, key)| (*generation, SecretKey::take(&mut key.clone())));
        let generations: Vec<_> = generations.collect();
        StoreKeys::new(&generations, self.current, &SecretKey::take(&mut name)).unwrap()
    }
}

/// The current MK of this process's token.
pub(crate) fn with_master_key<T>(pin: &Path, boot: &Boot, work: impl FnOnce(&MasterKey) -> T) -> T {
    let config = TokenConfig {
        module: MODULE.into(),
        choice: TokenChoice::Serial(boot.token_serial.clone()),
        worker_sessions: 1,
        deadline: Duration::from_secs(30),
    };
    let pin = Pin::from_bytes(fs::read_to_string(pin).unwrap().trim().as_bytes()).unwrap();
    let token = Token::open(&config, pin, &mut PinBackoff::new(), Instant::now()).unwrap();
    let master_key = token.master_key(boot.master_keys[0].generation).unwrap();
    let done = work(&master_key);
    drop(master_key);
    token.close().unwrap();
    done
}

impl Vault {
    /// Unlocks the store of a stopped sandbox.
    pub(crate) fn open(sandbox: &Sandbox, softhsm: &SoftHsm) -> Self {
        Self::of(&store_path(sandbox), |boot| Keys::unwrap(sandbox, softhsm, boot))
    }

    /// Unlocks the store of an appliance that was shut down in this process.
    pub(crate) fn open_here(softhsm: &SoftHsm) -> Self {
        let elsewhere = softhsm.elsewhere();
        Self::of(&elsewhere.join("state/gembok.redb"), |boot| Keys::unwrap_here(&elsewhere.join("pin"), boot))
    }

    fn of(path: &Path, keys: impl FnOnce(&Boot) -> Keys) -> Self {
        let file = StoreFile::open(path, 1 << 20).unwrap();
        let keys = keys(&file.boot().unwrap().unwrap());
        let (store, unlocked) = file.unlock(keys.of_store()).unwrap();
        assert_eq!(unlocked.verdict, Verdict::Intact);
        Self { store, _file: file }
    }

    /// What time it is by the journal.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.store.head().time_us)
    }

    /// Puts a row in its place.
    pub(crate) fn put<T: Encode<()>>(&self, table: Table, key: &[u8], value: &T) {
        self.put_all(table, [(key.to_vec(), cbor::encode(value))]);
    }

    /// Makes a row something else: as it might be after a time, or where something wrote it wrongly.
    pub(crate) fn rewrite<T>(&self, table: Table, key: &[u8], change: impl FnOnce(&mut T))
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let mut value: T = cbor::decode(&self.store.get(table, key).unwrap().unwrap().value).unwrap();
        change(&mut value);
        self.put(table, key, &value);
    }

    /// The same of every row of a table.
    pub(crate) fn rewrite_all<T>(&self, table: Table, mut change: impl FnMut(&mut T))
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        const ROWS_MAX: usize = 1_000;
        let rows = self.store.scan(table, Scan { prefix: b"", after: None, limit: ROWS_MAX }).unwrap();
        assert!((1..ROWS_MAX).contains(&rows.len()), "{table:?}: {}", rows.len());
        let rows = rows.into_iter().map(|(key, row)| {
            let mut value: T = cbor::decode(&row.unwrap().value).unwrap();
            change(&mut value);
            (key, cbor::encode(&value))
        });
        self.put_all(table, rows);
    }

    /// Puts rows as they are given in their places.
    pub(crate) fn put_all(&self, table: Table, rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) {
        let now = self.now();
        let audit = cbor::encode(&AuditRecord::new(now, Actor::System, "test.rewrite"));
        let batch = Batch::new(now.micros()).record(audit_record::KIND, audit_record::VERSION, &audit);
        let batch = rows.into_iter().fold(batch, |batch, (key, value)| batch.put(table, &key, value));
        self.store.commit(batch).unwrap();
    }

    /// Every record, after the chain was verified.
    pub(crate) fn records(&self) -> Vec<Record> {
        recount::records(&self.store)
    }
}

fn unwrap_name_key(store_key: &SecretKey, generation: u32, wrapped: &[u8]) -> SecretKey {
    let wrapped = WrappedKey::parse(wrapped).unwrap();
    WrappingKey::new(generation, store_key).unwrap(&wrapped, &Binding::name_key(generation)).unwrap()
}

/// The stored bytes of a row; the daemon is stopped.
pub(crate) fn stored(sandbox: &Sandbox, table: Table, key: &[u8]) -> Vec<u8> {
    let database = Database::open(store_path(sandbox)).unwrap();
    let rows = database.begin_read().unwrap().open_table(ROWS).unwrap();
    rows.get(place(table, key).as_slice()).unwrap().unwrap().value().to_vec()
}

/// The keys of a table's rows.
pub(crate) fn row_keys(sandbox: &Sandbox, table: Table) -> Vec<Vec<u8>> {
    let database = Database::open(store_path(sandbox)).unwrap();
    let rows = database.begin_read().unwrap().open_table(ROWS).unwrap();
    let table = table.number().to_be_bytes();
    let places = rows.iter().unwrap().map(|row| row.unwrap().0.value().to_vec());
    places.filter(|place| place.starts_with(&table)).map(|place| place[2..].to_vec()).collect()
}

/// Puts bytes in a row's place; the daemon is stopped.
pub(crate) fn put_stored(sandbox: &Sandbox, table: Table, key: &[u8], stored: &[u8]) {
    let database = Database::open(store_path(sandbox)).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(ROWS).unwrap().insert(place(table, key).as_slice(), stored).unwrap();
    writing.commit().unwrap();
}

/// Takes a row out; the daemon is stopped.
pub(crate) fn take_stored(sandbox: &Sandbox, table: Table, key: &[u8]) {
    let database = Database::open(store_path(sandbox)).unwrap();
    let writing = database.begin_write().unwrap();
    assert!(writing.open_table(ROWS).unwrap().remove(place(table, key).as_slice()).unwrap().is_some());
    writing.commit().unwrap();
}

pub(crate) fn store_path(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("state/gembok.redb")
}

fn place(table: Table, key: &[u8]) -> Vec<u8> {
    [&table.number().to_be_bytes(), key].concat()
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}
