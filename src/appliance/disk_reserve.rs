//! Space on the disk that requests on data leave alone, so that the operator's verbs still work when it runs out.

use std::path::PathBuf;

/// How much of which disk.
#[derive(Debug, Clone)]
pub struct DiskReserve {
    /// Somewhere on the disk.
    pub directory: PathBuf,
    /// What is kept free, bytes.
    pub bytes: u64,
}

/// How the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes free for this process.
    pub free_bytes: u64,
    /// Bytes that requests on data leave alone.
    pub reserve_bytes: u64,
}

impl DiskReserve {
    /// Asks the file system.
    ///
    /// # Errors
    /// The system's.
    pub fn measure(&self) -> std::io::Result<DiskSpace> {
        let disk = rustix::fs::statvfs(&self.directory)?;
        Ok(DiskSpace { free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize), reserve_bytes: self.bytes })
    }
}

impl DiskSpace {
    /// Whether requests on data have to wait for the operator.
    #[must_use]
    pub const fn is_short(self) -> bool {
        self.free_bytes < self.reserve_bytes
    }
}
