//! What the kernel says of a protected process. A test binary of its own: protection is for the whole process, for good.

use std::fs;

use gembok::config::MemoryLock;
use gembok::daemon::memory::{MemoryError, protect};

#[test]
fn the_kernel_confirms_the_protection() {
    let report = match protect(MemoryLock::Required) {
        Ok(report) => report,
        // Where the kernel refuses, best effort must go on and say so.
        Err(error @ (MemoryError::LockLimit { .. } | MemoryError::Lock(_))) => {
            assert!(error.to_string().contains("LimitMEMLOCK=infinity"), "{error}");
            protect(MemoryLock::BestEffort).unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    let locked_kib: u64 = locked.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(report.is_locked, locked_kib > 0, "{locked}");
}
