//! Whether a test may mount a file system of its own. Root may, and then has to; nobody else can.

use std::io::Write as _;

/// For a test that cannot run without; where it may not, says so past the harness, which keeps quiet about tests that pass.
pub(crate) fn may_mount(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        // In one piece, so that nothing comes in between.
        let said = format!("SKIPPED: {test}: only root may mount a file system of its own\n");
        let _ = std::io::stderr().write_all(said.as_bytes());
    }
    is_root
}
