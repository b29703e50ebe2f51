//! The disk fails at every single operation a commit makes, one after the other. (Tests only.)

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::boot::tests::sample;
use super::disk::Disk;
use super::migration::Ladder;
use super::{Batch, Store, StoreError, StoreFile, StoreKeys, Table, Verdict};
use crate::crypto::secret::SecretKey;

/// A disk that lets so many writes and syncs through, then none.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    disk: Arc<InMemoryBackend>,
    left: Arc<AtomicI64>,
}

impl Failing {
    fn new() -> Self {
        Self { disk: Arc::new(InMemoryBackend::new()), left: Arc::new(AtomicI64::new(i64::MAX)) }
    }

    fn pass(&self) -> io::Result<()> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }

    pub(crate) fn let_through(&self, operations: i64) {
        self.left.store(operations, Ordering::SeqCst);
    }

    /// A store on such a disk, with what `batch` puts into it.
    pub(crate) fn store(batch: Batch) -> (Self, StoreFile, Store) {
        let disk = Self::new();
        let file = disk.open();
        let store = file.initialise(sample(), keys(), batch).unwrap();
        (disk, file, store)
    }

    pub(crate) fn open(&self) -> StoreFile {
        let disk = self.clone();
        let disk = Disk::over(move || Ok(disk.clone()), Path::new("failing"), 1 << 20, Ladder::OURS);
        StoreFile::on(disk.unwrap())
    }
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.pass()?;
        self.disk.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.pass()?;
        self.disk.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pass()?;
        self.disk.write(offset, data)
    }
}

pub(crate) fn keys() -> StoreKeys {
    let key = |byte| SecretKey::take(&mut [byte; 32]);
    StoreKeys::new(&[(1, key(1))], 1, &key(2)).unwrap()
}

fn batch(n: u8) -> Batch {
    let batch = Batch::new(2).record(2, 1, b"record");
    (0..20).fold(batch, |batch, row| batch.put(Table::Users, &[n, row], vec![n; 900]))
}

fn value(store: &Store, n: u8) -> Option<Vec<u8>> {
    store.get(Table::Users, &[n, 19]).unwrap().map(|row| row.value.to_vec())
}

#[test]
fn a_failed_write_moves_nothing_and_stops_the_writing_until_the_file_is_opened_anew() {
    let mut failures = 0;
    for operations in 0.. {
        let (disk, file, store) = Failing::store(batch(1));
        let before = store.head();

        disk.let_through(operations);
        let committed = store.commit(batch(2));
        disk.let_through(i64::MAX);
        if committed.is_ok() {
            break;
        }
        failures += 1;
        assert!(matches!(committed, Err(StoreError::Disk { .. })), "{operations}");
        assert_eq!(store.head(), before);
        assert!(matches!(store.commit(batch(3)), Err(StoreError::Stopped { .. })));
        assert_eq!(value(&store, 1).unwrap(), [1; 900], "reads go on");

        drop((store, file));
        let file = disk.open();
        let (store, unlocked) = file.unlock(keys()).unwrap();
        assert_eq!(unlocked.verdict, Verdict::Intact, "{operations}");
        let landed = store.head() != before;
        assert_eq!(value(&store, 2).is_some(), landed, "all or nothing");
        store.commit(batch(3)).unwrap();
    }
    assert!(failures > 3, "the disk never failed");
}

#[test]
fn a_store_recovers_where_it_stands_and_knows_whether_the_write_landed() {
    let (mut landings, mut losses) = (0, 0);
    for operations in 0.. {
        let (disk, file, store) = Failing::store(batch(1));
        let before = store.head();

        disk.let_through(operations);
        if store.commit(batch(2)).is_ok() {
            break;
        }
        assert!(store.is_stopped());
        disk.let_through(0);
        let early = store.recover();
        assert_eq!(store.is_stopped(), early.is_err());
        disk.let_through(i64::MAX);
        let landed = early.or_else(|_| store.recover()).unwrap();
        assert!(!store.is_stopped());
        match landed {
            Some(committed) => {
                landings += 1;
                assert_eq!((committed.hash, value(&store, 2).unwrap()), (store.head().hash, vec![2; 900]));
            }
            None => {
                losses += 1;
                assert_eq!((store.head(), value(&store, 2)), (before, None));
            }
        }
        store.commit(batch(4)).unwrap();
        drop((store, file));
        let (store, unlocked) = disk.open().unlock(keys()).unwrap();
        assert_eq!(unlocked.verdict, Verdict::Intact, "{operations}");
        assert_eq!(value(&store, 4).unwrap(), [4; 900]);
    }
    assert!(losses > 3, "the disk never failed");
    println!("{landings} writes landed though they failed, {losses} did not");
}
