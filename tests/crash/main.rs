//! A daemon to which the worst happens: killed without warning, its disk failing, full, read-only or slow, its descriptors
//! used up, flooded with connections, told to stop at any moment, started twice. Nothing that was acknowledged is lost, and
//! each ends in a clear state.
//!
//! `GEMBOK_CRASH_ROUNDS` says how often it is killed; `tests/run.sh` asks for 100.

mod books;
#[allow(dead_code, reason = "a client of other tests; a part of it is used here")]
#[path = "../appliance/client.rs"]
mod client;
mod climb;
mod compaction;
mod desk;
mod disks;
mod escrow_kills;
mod floods;
mod forgotten;
mod index_kills;
mod kek_kills;
mod keys;
mod kill;
mod ledger;
mod load;
mod lock;
mod phase;
mod proof;
mod rot;
mod rounds;
mod snapshot;
mod store_key_kills;
#[allow(dead_code, reason = "of other tests; a part of it is used here")]
#[path = "../appliance/stuffed.rs"]
mod stuffed;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod tokens;
#[allow(dead_code, reason = "of other tests; a part of it is used here")]
#[path = "../appliance/vault.rs"]
mod vault;

use std::fmt::Arguments;
use std::io::Write as _;

/// Says something while a test runs, past the harness that keeps quiet about tests that pass.
pub(crate) fn tell(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "crash: {line}");
}
