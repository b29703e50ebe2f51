//! The one file that talks to redb. Two tables lie in the database: `rows`, at `table u16 | row key` the stored bytes, and
//! `format`, at `version` the number of this layout, in clear so that a program that is too old can say so.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::{RwLock, RwLockReadGuard};
use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition,
    WriteTransaction,
};

use super::error::StoreError;
use super::migration;

/// Every row of the store.
pub(super) const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");
/// The layout's version.
pub(super) const FORMAT: TableDefinition<'static, &'static str, u32> = TableDefinition::new("format");

/// Makes a panic of the database the error it should have been. redb verifies checksums when it repairs a file, not when it
/// reads a page, and panics on some pages that are not as it wrote them; a rotten disk must not take a thread of ours along.
/// (The check it offers at opening is no way out: it refuses the whole file for one flipped bit in one value.)
pub(super) fn guarded<T>(
    doing: &'static str,
    call: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(StoreError::Disk { doing, why: "the structure of the database file is damaged".into() })
    })
}

/// The open database, exclusively ours.
pub(super) struct Disk {
    /// Shared by whoever reads or writes, exclusive while it is opened anew or compacted: those wait then. `None` when it
    /// could not be opened anew, and when it is dropped.
    database: RwLock<Option<Database>>,
    open: Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>,
    path: PathBuf,
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
    /// Opens the file at `path`, or makes it, readable and writable by its owner only.
    pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let at = path.to_owned();
        let backend = move || {
            let unopenable =
                |error: io::Error| StoreError::Unopenable { path: at.clone(), why: error.to_string() };
            FileBackend::new(open_or_create(&at).map_err(unopenable)?)
                .map_err(StoreError::disk("open the file"))
        };
        Self::over(backend, path, cache_bytes)
    }

    /// Opens the database that lies in `backend`; `path` is what messages call it.
    pub(super) fn over<B: StorageBackend>(
        backend: impl Fn() -> Result<B, StoreError> + Send + Sync + 'static,
        path: &Path,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let at = path.to_owned();
        let open = Box::new(move || open_in(backend()?, &at, cache_bytes));
        let database = open()?;
        migration::bring_up(&database, path)?;
        Ok(Self { database: RwLock::new(Some(database)), open, path: path.to_owned() })
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
        let mut transaction =
            usable(open.as_ref())?.begin_write().map_err(StoreError::disk("begin to write"))?;
        // After an unclean end redb would otherwise read every page to find the free ones: slow for a large store, and meant to
        // keep one rotten bit in a value from refusing the whole file. The latter has no test yet.
        transaction.set_quick_repair(true);
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

    /// Gives unused space back to the file system. Whoever wants to read or write waits.
    pub(super) fn compact(&self) -> Result<Compacted, StoreError> {
        let length = || {
            let length = fs::metadata(&self.path).map(|file| file.len());
            length.map_err(|error| StoreError::Disk { doing: "compact", why: error.to_string() })
        };
        let mut open = self.database.write();
        let database = open.as_mut().ok_or_else(closed)?;
        let before_bytes = length()?;
        database.compact().map_err(|error| StoreError::Disk { doing: "compact", why: error.to_string() })?;
        Ok(Compacted { before_bytes, after_bytes: length()? })
    }
}

fn usable(database: Option<&Database>) -> Result<&Database, StoreError> {
    database.ok_or_else(closed)
}

fn closed() -> StoreError {
    StoreError::Disk { doing: "begin", why: "it could not be opened again after a failure".into() }
}

fn open_in(backend: impl StorageBackend, path: &Path, cache_bytes: usize) -> Result<Database, StoreError> {
    let opened = Database::builder().set_cache_size(cache_bytes).create_with_backend(backend);
    opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path: path.to_owned() }
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() == io::ErrorKind::InvalidData =>
        {
            StoreError::NotAStore { path: path.to_owned() }
        }
        other => StoreError::disk("open the file")(other),
    })
}

/// Closing writes, and so can meet a damaged page. What was committed is durable already.
fn close(database: Option<Database>) {
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
    _open: RwLockReadGuard<'d, Option<Database>>,
}

/// One row's place and stored bytes, borrowed from the database's cache.
type Guard<'r> = redb::AccessGuard<'r, &'static [u8]>;

impl Rows<'_> {
    /// The stored bytes at `place`.
    pub(super) fn at(&self, place: &[u8]) -> Result<Option<Guard<'_>>, StoreError> {
        self.table.get(place).map_err(StoreError::disk("read a record"))
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
    _open: RwLockReadGuard<'d, Option<Database>>,
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

/// A new file's name is made durable too: else a power cut could lose a store that was answered for.
fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}
