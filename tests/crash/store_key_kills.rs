//! Killed while the store turns to another generation of its key, and while its rows are sealed anew: it unlocks at every
//! moment, nothing is lost, and the rotation ends with one generation, and nothing of the others in the file.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, done};
use crate::forgotten::Seen;
use crate::phase::Dice;
use crate::rounds::PATIENCE;
use crate::stuffed::stuff;
use crate::support::daemon::{PROJECT, Sandbox};
use crate::support::softhsm::in_child_aloud;
use crate::tell;
use crate::vault::Vault;

const KEYS: u32 = 20_000;
const KILLS: usize = 8;
const KILLS_IN_TURNS: usize = 5;
/// Longer than a debug build needs for all of it.
const SPAN_MS: u64 = 4_000;

fn store_key(sandbox: &Sandbox) -> Value {
    sandbox.done(&["status"])["status"]["keys"]["store_key"].clone()
}

fn ended(desk: &Desk) {
    let start = Instant::now();
    while store_key(&desk.sandbox)["older"] != json!([]) || !store_key(&desk.sandbox)["coming"].is_null() {
        assert!(start.elapsed() < PATIENCE, "it does not end; {}", desk.daemon.log());
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_rotation_of_the_store_key_ends_and_loses_no_row() {
    in_child_aloud("store_key_kills::a_killed_rotation_of_the_store_key_ends_and_loses_no_row", |softhsm| {
        let mut dice = Dice::new();
        let mut desk = Desk::new(Sandbox::new(), Sandbox::start);
        desk.sandbox.done(&["object", "create", "gudang", "--project", PROJECT]);
        assert_eq!((desk.seal(), desk.open()), (done(), done()));
        desk.daemon.signal(Signal::TERM);
        assert!(desk.daemon.wait().success());
        stuff(&desk.sandbox, softhsm, "gudang", KEYS);
        desk.restart();
        let (mut generation, mut resealing, mut seen) = (1u32, 0, Seen::default());
        for _ in 0..KILLS {
            let key = store_key(&desk.sandbox);
            if key["older"] == json!([]) && key["coming"].is_null() {
                generation += 1;
                desk.sandbox.done(&["store-key", "rotate"]);
            }
            assert_eq!(desk.seal(), done());
            sleep(Duration::from_millis(dice.below(SPAN_MS)));
            let key = store_key(&desk.sandbox);
            resealing += usize::from(key["resealed"]["done"].as_u64().is_some_and(|done| done > 0));
            desk.daemon.signal(Signal::KILL);
            desk.daemon.wait();
            seen.look(&desk.sandbox);
            desk.restart();
            desk.nothing_is_lost();
        }
        let mut turning = 0;
        for _ in 0..KILLS_IN_TURNS {
            ended(&desk);
            // The verb is not waited for.
            let mut verb = desk.sandbox.command(&["store-key", "rotate"]).spawn().unwrap();
            sleep(Duration::from_millis(dice.below(250)));
            desk.daemon.signal(Signal::KILL);
            verb.wait().unwrap();
            desk.daemon.wait();
            seen.look(&desk.sandbox);
            desk.restart();
            desk.nothing_is_lost();
            let key = store_key(&desk.sandbox);
            // Killed before anything was durable, it never began.
            let has_begun = key["generation"] != generation || !key["coming"].is_null();
            turning += u32::from(has_begun);
            generation += u32::from(has_begun);
        }
        ended(&desk);
        desk.nothing_is_lost();
        assert!(seen.check_forgotten(&mut desk, "store-key.destroy") > 0, "no generation was destroyed");
        let vault = Vault::open(&desk.sandbox, softhsm);
        let boot = vault.store.boot().unwrap();
        assert_eq!((boot.store_keys.len(), boot.current_store_key), (1, generation));
        vault.records();
        tell(format_args!(
            "{KILLS} kills, {resealing} among the pages; {KILLS_IN_TURNS} at a turn, {turning} of which went on; {} rotations",
            generation - 1
        ));
        assert!(resealing > 0, "no kill fell among the pages");
    });
}
