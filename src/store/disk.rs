//! The one file that talks to redb. Two tables lie in the database: `rows`, at `table u16 | row key` the stored bytes, and
//! `format`, at `version` the number of this layout, in clear so that a program that is too old can say so.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::{RwLock, RwLockReadGuard};
use redb::backends::FileBackend;
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction,
    ReadableDatabase, ReadableTableMetadata, StorageBackend, StorageError, TableDefinition, TransactionError,
    WriteTransaction,
};

use super::error::StoreError;
use super::making::{exchange_whole, replace_whole, wipe_old};
use super::migration::{self, Ladder};
use super::settled::{Settled, ended_uncleanly};

/// Every row of the store.
pub(super) const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");
/// The layout's version.
pub(super) const FORMAT: TableDefinition<'static, &'static str, u32> = TableDefinition::new("format");

const PANICKED: &str =
    "a page of the file is damaged; keep a copy of it, and restore the store from a backup";

/// Makes a panic of the database the error it should have been. redb verifies checksums when it checks a file, not when it
/// reads a page, and panics on some pages that are not as it wrote them; a rotten disk must not take a thread of ours along.
pub(super) fn guarded<T>(
    doing: &'static str,
    call: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(StoreError::Disk { doing, why: PANICKED.into() }))
}

/// The database as it was found.
enum Opened {
    /// Ours to read and write.
    Sound(Database),
    /// Some page is not as it was written. redb could take a page in use for a free one, and ends the whole process when it
    /// stumbles while it writes: such a file is read, as far as that goes, and never written.
    Rotten(ReadOnlyDatabase, String),
}

impl Opened {
    fn begin_read(&self) -> Result<ReadTransaction, TransactionError> {
        match self {
            Self::Sound(database) => database.begin_read(),
            Self::Rotten(database, _) => database.begin_read(),
        }
    }
}

/// The open database, exclusively ours.
pub(super) struct Disk {
    /// Shared by whoever reads or writes, exclusive while it is opened anew or compacted: those wait then. `None` when it
    /// could not be opened anew, and when it is dropped.
    database: RwLock<Option<Opened>>,
    open: Box<dyn Fn() -> Result<Opened, StoreError> + Send + Sync>,
    path: PathBuf,
    cache_bytes: usize,
}

/// What a compaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the file before.
    pub before_bytes: u64,
    /// Bytes of the file after.
    pub after_bytes: u64,
}

impl Disk {
    /// Opens the file at `path`. It makes none: one that vanished must not come back empty.
    pub(super) fn open(path: &Path, cache_bytes: usize, ladder: Ladder) -> Result<Self, StoreError> {
        let at = path.to_owned();
        let backend = move || {
            let unopenable =
                |error: io::Error| StoreError::Unopenable { path: at.clone(), why: error.to_string() };
            let file = File::options().read(true).write(true).open(&at);
            FileBackend::new(file.map_err(unopenable)?).map_err(StoreError::disk("open the file"))
        };
        Self::over(backend, path, cache_bytes, ladder)
    }

    /// Opens the database that lies in `backend`; `path` is what messages call it.
    pub(super) fn over<B: StorageBackend>(
        backend: impl Fn() -> Result<B, StoreError> + Send + Sync + 'static,
        path: &Path,
        cache_bytes: usize,
        ladder: Ladder,
    ) -> Result<Self, StoreError> {
        let at = path.to_owned();
        let open = Box::new(move || open_in(&backend, &at, cache_bytes, ladder));
        let database = open()?;
        Ok(Self { database: RwLock::new(Some(database)), open, path: path.to_owned(), cache_bytes })
    }

    /// A snapshot of all rows. Nothing else may be asked of the disk while it is held.
    pub(super) fn read(&self) -> Result<Rows<'_>, StoreError> {
        let open = self.database.read();
        let transaction = usable(open.as_ref())?.begin_read().map_err(StoreError::disk("begin to read"))?;
        let table = transaction.open_table(ROWS).map_err(StoreError::disk("begin to read"))?;
        Ok(Rows { table, _open: open })
    }

    /// Begins to write. redb makes a commit durable before it returns, and rolls back what is dropped.
    pub(super) fn write(&self) -> Result<Transaction<'_>, StoreError> {
        let open = self.database.read();
        let database = match usable(open.as_ref())? {
            Opened::Sound(database) => database,
            Opened::Rotten(_, why) => return Err(StoreError::Rotten { why: why.clone() }),
        };
        let mut transaction = database.begin_write().map_err(StoreError::disk("begin to write"))?;
        // What a commit leaves is whole by itself, so that it can be read without being mended first. (Quick repair would write
        // redb's map of the whole file with each commit, for a start that checks every page anyway.)
        transaction.set_two_phase_commit(true);
        Ok(Transaction { transaction, _open: open })
    }

    /// Closes the file and opens it again: after an error redb does nothing more with the one it has. Waits for whoever
    /// reads.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut open = self.database.write();
        close(open.take());
        *open = Some((self.open)()?);
        Ok(())
    }

    /// What is wrong with the file, if it can only be read.
    pub(super) fn rot(&self) -> Option<String> {
        match self.database.read().as_ref() {
            Some(Opened::Rotten(_, why)) => Some(why.clone()),
            _ => None,
        }
    }

    /// Copies every row that can be read from a rotten file to a new one, which takes its place; the old one stays beside it
    /// under the name that is returned. A file that can be written is left alone.
    pub(super) fn rebuild(&self) -> Result<Option<PathBuf>, StoreError> {
        let mut open = self.database.write();
        let Some(Opened::Rotten(rotten, _)) = open.as_ref() else { return Ok(None) };
        let reading = rotten.begin_read().map_err(StoreError::disk("begin to read"))?;
        let damaged = replace_whole(&self.path, |new| {
            let fresh = Database::create(new).map_err(StoreError::disk("open the file"))?;
            migration::copy(&reading, &fresh)
        })?;
        drop(reading);
        close(open.take());
        *open = Some((self.open)()?);
        Ok(Some(damaged))
    }

    /// Whether there is a file to read and write.
    pub(super) fn is_open(&self) -> bool {
        self.database.read().is_some()
    }

    /// Copies every row to a new file, which takes the place of the old one; that is written over and taken away. So nothing is
    /// left that a row held before: a database keeps in its free pages, and in corners of others, what was written there once.
    /// Whoever wants to read or write waits.
    pub(super) fn rewrite(&self) -> Result<Compacted, StoreError> {
        let mut open = self.database.write();
        let reading = match open.as_ref().ok_or_else(closed)? {
            Opened::Sound(database) => database.begin_read().map_err(StoreError::disk("begin to read"))?,
            Opened::Rotten(_, why) => return Err(StoreError::Rotten { why: why.clone() }),
        };
        let before_bytes = length_of(&self.path)?;
        wipe_old(&self.path)?;
        exchange_whole(&self.path, |new| {
            let mut builder = Builder::new();
            builder.set_cache_size(self.cache_bytes);
            let fresh = builder.create(new).map_err(StoreError::disk("open the file"))?;
            migration::copy(&reading, &fresh)
        })?;
        drop(reading);
        close(open.take());
        *open = Some((self.open)()?);
        wipe_old(&self.path)?;
        Ok(Compacted { before_bytes, after_bytes: length_of(&self.path)? })
    }

    /// Does `work` while nobody reads or writes.
    pub(super) fn alone(&self, work: impl FnOnce()) {
        let _nobody = self.database.write();
        work();
    }

    /// Gives unused space back to the file system. Whoever wants to read or write waits.
    pub(super) fn compact(&self) -> Result<Compacted, StoreError> {
        let mut open = self.database.write();
        let database = match open.as_mut().ok_or_else(closed)? {
            Opened::Sound(database) => database,
            Opened::Rotten(_, why) => return Err(StoreError::Rotten { why: why.clone() }),
        };
        let before_bytes = length_of(&self.path)?;
        database.compact().map_err(|error| StoreError::Disk { doing: "compact", why: error.to_string() })?;
        Ok(Compacted { before_bytes, after_bytes: length_of(&self.path)? })
    }
}

fn length_of(path: &Path) -> Result<u64, StoreError> {
    let length = fs::metadata(path).map(|file| file.len());
    length.map_err(|error| StoreError::Disk { doing: "measure the file", why: error.to_string() })
}

fn usable(database: Option<&Opened>) -> Result<&Opened, StoreError> {
    database.ok_or_else(closed)
}

fn closed() -> StoreError {
    StoreError::Disk { doing: "begin", why: "it could not be opened again after a failure".into() }
}

/// Opens what lies in `backend`. After an unclean end every page is checked first; what fails that is opened to be read.
fn open_in<B: StorageBackend>(
    backend: &impl Fn() -> Result<B, StoreError>,
    path: &Path,
    cache_bytes: usize,
    ladder: Ladder,
) -> Result<Opened, StoreError> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    let opened = guarded("open the file", || {
        let backend = backend()?;
        builder.set_check_integrity_on_open(ended_uncleanly(&backend)?);
        let database = builder.create_with_backend(backend).map_err(|error| unopened(error, path))?;
        migration::bring_up(&database, path, ladder)?;
        Ok(database)
    });
    let why = match opened {
        Ok(database) => return Ok(Opened::Sound(database)),
        Err(StoreError::Rotten { why }) => why,
        Err(StoreError::Disk { why, .. }) if why == PANICKED => why,
        Err(other) => return Err(other),
    };
    let rotten = || StoreError::Rotten { why: why.clone() };
    // Whoever reads beside a writer asks for no map of free pages; a crash leaves none.
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
    let readable = guarded("open the file", || {
        let database = builder.open_read_only_with_backend(Settled(backend()?)).map_err(|_| rotten())?;
        migration::recognise(&database)?;
        Ok(database)
    });
    readable.map(|database| Opened::Rotten(database, why.clone())).map_err(|_| rotten())
}

fn unopened(error: DatabaseError, path: &Path) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path: path.to_owned() }
        }
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            StoreError::NotAStore { path: path.to_owned() }
        }
        DatabaseError::Storage(StorageError::Corrupted(why)) => StoreError::Rotten { why },
        DatabaseError::UpgradeRequired(_) => StoreError::Rotten { why: error.to_string() },
        other => StoreError::disk("open the file")(other),
    }
}

/// Closing writes, and so can meet a damaged page. What was committed is durable already.
fn close(database: Option<Opened>) {
    let _ = guarded("close the file", || {
        drop(database);
        Ok(())
    });
}

impl Drop for Disk {
    fn drop(&mut self) {
        close(self.database.get_mut().take());
    }
}

/// A snapshot of all rows as they lie.
pub(super) struct Rows<'d> {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    _open: RwLockReadGuard<'d, Option<Opened>>,
}

/// One row's place and stored bytes, borrowed from the database's cache.
type Guard<'r> = redb::AccessGuard<'r, &'static [u8]>;

impl Rows<'_> {
    /// The stored bytes at `place`.
    pub(super) fn at(&self, place: &[u8]) -> Result<Option<Guard<'_>>, StoreError> {
        self.table.get(place).map_err(StoreError::disk("read a record"))
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        self.table.len().map_err(StoreError::disk("read records"))
    }

    /// Rows between two places, in order of place; can be walked from its end.
    pub(super) fn between<'r>(
        &'r self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(Guard<'r>, Guard<'r>), StoreError>> + use<'r>,
        StoreError,
    > {
        let range = self.table.range::<&[u8]>((from, to)).map_err(StoreError::disk("read records"))?;
        Ok(range.map(|row| row.map_err(StoreError::disk("read records"))))
    }
}

/// A write under way.
pub(super) struct Transaction<'d> {
    transaction: WriteTransaction,
    _open: RwLockReadGuard<'d, Option<Opened>>,
}

impl Transaction<'_> {
    /// The table of all rows.
    pub(super) fn rows(&self) -> Result<redb::Table<'_, &'static [u8], &'static [u8]>, StoreError> {
        self.transaction.open_table(ROWS).map_err(StoreError::disk("begin to write"))
    }

    /// Makes it durable.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().map_err(StoreError::disk("commit"))
    }
}
