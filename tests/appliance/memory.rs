//! Memory that a rush took is given back. Locked pages cannot be given back where they are, only with their whole region, so
//! this also holds how the allocator was built (`.cargo/config.toml`).

use std::fs;
use std::thread::scope;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::daemon::OBJECT;
use crate::world::World;

const SENDERS: usize = 16;
const REQUESTS_EACH: usize = 4;
/// Together a body just below its limit.
const FIELDS: usize = 18;
const FIELD_BYTES: usize = 40_000;

#[test]
fn what_a_rush_of_large_requests_took_is_given_back() {
    let world = World::new("");
    let absensi = world.absensi();
    let resident_kib = |measure: &str| -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", world.daemon.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(measure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    absensi.seal(OBJECT, b"satu");
    let before = resident_kib("VmRSS:");

    let field = STANDARD.encode(vec![7; FIELD_BYTES]);
    let items: Vec<Value> = (0..FIELDS).map(|_| json!({ "object": OBJECT, "plaintext": field })).collect();
    let body = json!({ "items": items }).to_string();
    scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                for _ in 0..REQUESTS_EACH {
                    assert_eq!(absensi.v1("encrypt", &body).ok()["failed"], 0);
                }
            });
        }
    });

    let peak = resident_kib("VmHWM:");
    let taken = peak - before;
    assert!(taken > 8 << 10, "{before} KiB grew to {peak} KiB; that was no rush");
    world
        .daemon
        .wait_until("most of it is given back", || resident_kib("VmRSS:").saturating_sub(before) < taken / 2);
}
