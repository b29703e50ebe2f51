//! The one file that talks to redb. Two tables lie in the database: `rows`, at `table u16 | row key` the stored bytes, and
//! `format`, at `version` the number of this layout, in clear so that a program that is too old can say so.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

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
    /// Only `None` while it is dropped.
    database: Option<Database>,
}

impl Disk {
    /// Opens the file at `path`, or makes it, readable and writable by its owner only.
    pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let unopenable =
            |error: io::Error| StoreError::Unopenable { path: path.to_owned(), why: error.to_string() };
        let file = open_or_create(path).map_err(unopenable)?;
        let backend = FileBackend::new(file).map_err(StoreError::disk("open the file"))?;
        Self::over(backend, path, cache_bytes)
    }

    /// Opens the database that lies in `backend`; `path` is what messages call it.
    pub(super) fn over(
        backend: impl StorageBackend,
        path: &Path,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let opened = Database::builder().set_cache_size(cache_bytes).create_with_backend(backend);
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                StoreError::InUse { path: path.to_owned() }
            }
            DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() == io::ErrorKind::InvalidData =>
            {
                StoreError::NotAStore { path: path.to_owned() }
            }
            other => StoreError::disk("open the file")(other),
        })?;
        migration::bring_up(&database, path)?;
        Ok(Self { database: Some(database) })
    }

    /// A snapshot of all rows.
    pub(super) fn read(&self) -> Result<Rows, StoreError> {
        let transaction = self.database()?.begin_read().map_err(StoreError::disk("begin to read"))?;
        transaction.open_table(ROWS).map(Rows).map_err(StoreError::disk("begin to read"))
    }

    /// Begins to write. redb makes a commit durable before it returns, and rolls back what is dropped.
    pub(super) fn write(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database()?.begin_write().map_err(StoreError::disk("begin to write"))?;
        // After an unclean end redb would otherwise read every page to find the free ones: slow for a large store, and meant to
        // keep one rotten bit in a value from refusing the whole file. The latter has no test yet.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    fn database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or(StoreError::Disk { doing: "begin", why: "it is closed".into() })
    }
}

impl Drop for Disk {
    /// Closing writes, and so can meet a damaged page. What was committed is durable already.
    fn drop(&mut self) {
        let _ = guarded("close the file", || {
            drop(self.database.take());
            Ok(())
        });
    }
}

/// A snapshot of all rows as they lie.
pub(super) struct Rows(ReadOnlyTable<&'static [u8], &'static [u8]>);

/// One row's place and stored bytes, borrowed from the database's cache.
type Guard = redb::AccessGuard<'static, &'static [u8]>;

impl Rows {
    /// The stored bytes at `place`.
    pub(super) fn at(&self, place: &[u8]) -> Result<Option<Guard>, StoreError> {
        self.0.get(place).map_err(StoreError::disk("read a record"))
    }

    /// Rows between two places, in order of place; can be walked from its end.
    pub(super) fn between(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(Guard, Guard), StoreError>> + use<>, StoreError> {
        let range = self.0.range::<&[u8]>((from, to)).map_err(StoreError::disk("read records"))?;
        Ok(range.map(|row| row.map_err(StoreError::disk("read records"))))
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
