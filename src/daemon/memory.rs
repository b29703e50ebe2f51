//! Keeps the process's memory off the disk: no core dumps, no debugger of the same user, nothing in the swap.

use std::fmt;

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{CapabilitySet, capabilities};

use crate::config::MemoryLock;

/// What was reached; health shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryProtection {
    /// Whether all memory, present and future, stays out of the swap. False only with `lock = "best-effort"`.
    pub is_locked: bool,
}

/// Protects the process; called first, before any key or PIN is read.
///
/// # Errors
/// [`MemoryError`]: start-up must stop. Locking may fail without one when `lock` is best-effort.
pub fn protect(lock: MemoryLock) -> Result<MemoryProtection, MemoryError> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(MemoryError::CoreLimit)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(MemoryError::Dumpable)?;
    if dumpable_behavior().map_err(MemoryError::Dumpable)? != DumpableBehavior::NotDumpable {
        return Err(MemoryError::Dumpable(Errno::PERM));
    }
    match (lock_all(), lock) {
        (Ok(()), _) => Ok(MemoryProtection { is_locked: true }),
        (Err(_), MemoryLock::BestEffort) => Ok(MemoryProtection { is_locked: false }),
        (Err(error), MemoryLock::Required) => Err(error),
    }
}

/// On fault: reserved but untouched address space takes no memory.
fn lock_all() -> Result<(), MemoryError> {
    let limit = getrlimit(Resource::Memlock);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Memlock, raised).map_err(MemoryError::Lock)?;
    // A finite limit would let start-up pass and fail an allocation later, under load.
    let is_privileged = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if let (Some(bytes), false) = (limit.maximum, is_privileged) {
        return Err(MemoryError::LockLimit { bytes });
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(MemoryError::Lock)
}

/// Which protection the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryError {
    /// The core limit could not be set to 0.
    CoreLimit(Errno),
    /// The process stayed dumpable.
    Dumpable(Errno),
    /// Memory could not be locked.
    Lock(Errno),
    /// The limit on locked memory is finite.
    LockLimit {
        /// The hard limit.
        bytes: u64,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = "run it with LimitMEMLOCK=infinity (ulimit -l unlimited); \
                    for a sandbox only, set lock = \"best-effort\" in [memory]";
        match self {
            Self::CoreLimit(errno) => write!(out, "core dumps cannot be switched off: {errno}"),
            Self::Dumpable(errno) => write!(out, "the process cannot be made undumpable: {errno}"),
            Self::Lock(errno) => write!(out, "memory cannot be locked: {errno}; {hint}"),
            Self::LockLimit { bytes } => {
                write!(out, "memory cannot be locked: at most {} KiB may be; {hint}", bytes / 1_024)
            }
        }
    }
}

impl std::error::Error for MemoryError {}
