//! A disk that misbehaves on command: a library that stands between a daemon and the file system.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds it into `folder`.
pub(crate) fn build(folder: &Path) -> PathBuf {
    let library = folder.join("disk.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/disk.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(built.unwrap().success());
    library
}
