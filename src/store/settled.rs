//! A rotten file shown to redb as one that was closed cleanly, so that it can be read. redb reads no file that a crash left
//! before it has mended it, and mends none with a rotten page; but each of our commits leaves a file that is whole. Nothing
//! is ever written through this.

use std::io;
use std::ops::Bound;

use redb::{BackendError, StorageBackend};

use super::error::StoreError;

/// redb's header: nine bytes of magic, then flags, of which this one is set while the file is open to be written.
const FLAGS_AT: u64 = 9;
const RECOVERY_REQUIRED: u8 = 2;

/// Whether whoever wrote what lies in `backend` never closed it.
pub(super) fn ended_uncleanly(backend: &impl StorageBackend) -> Result<bool, StoreError> {
    let mut flags = [0];
    if backend.len().map_err(StoreError::disk("open the file"))? > FLAGS_AT {
        backend.read(FLAGS_AT, &mut flags).map_err(StoreError::disk("open the file"))?;
    }
    Ok(flags[0] & RECOVERY_REQUIRED != 0)
}

/// The file in `0`, read-only and without that flag.
#[derive(Debug)]
pub(super) struct Settled<B>(pub(super) B);

fn read_only() -> io::Error {
    io::Error::from(io::ErrorKind::ReadOnlyFilesystem)
}

impl<B: StorageBackend> StorageBackend for Settled<B> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)?;
        let flags = FLAGS_AT.checked_sub(offset).and_then(|at| out.get_mut(usize::try_from(at).ok()?));
        if let Some(flags) = flags {
            *flags &= !RECOVERY_REQUIRED;
        }
        Ok(())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(read_only())
    }
    fn sync_data(&self) -> io::Result<()> {
        Err(read_only())
    }
    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
