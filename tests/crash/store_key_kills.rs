//! Killed while the store turns to another generation of its key, and while its rows are sealed anew: it unlocks at every
//! moment, nothing is lost, and the rotation ends with one generation.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, done};
use crate::phase::Dice;
use crate::rounds::PATIENCE;
use crate::stuffed::stuff;
use crate::support::daemon::{PROJECT, Sandbox};
use crate::support::softhsm::in_child_aloud;
use crate::tell;
use crate::vault::Vault;

const KEYS: u32 = 20_000;
const KILLS: usize = 10;
/// Longer than a debug build needs for all of it.
const SPAN_MS: u64 = 4_000;

fn store_key(sandbox: &Sandbox) -> Value {
    sandbox.done(&["status"])["status"]["keys"]["store_key"].clone()
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
        let (mut generation, mut turning, mut resealing) = (1u32, 0, 0);
        for kill in 0..KILLS {
            let key = store_key(&desk.sandbox);
            if key["older"] == json!([]) && key["coming"].is_null() {
                generation += 1;
                if kill % 3 == 2 {
                    // In the turn itself: the verb is not waited for.
                    let mut verb = desk.sandbox.command(&["store-key", "rotate"]).spawn().unwrap();
                    sleep(Duration::from_millis(dice.below(400)));
                    desk.daemon.signal(Signal::KILL);
                    verb.wait().unwrap();
                    desk.daemon.wait();
                    turning += 1;
                    desk.restart();
                    desk.nothing_is_lost();
                    let key = store_key(&desk.sandbox);
                    // Killed before anything was durable, it never began.
                    if key["generation"] == generation - 1 && key["coming"].is_null() {
                        generation -= 1;
                    }
                    continue;
                }
                desk.sandbox.done(&["store-key", "rotate"]);
            }
            assert_eq!(desk.seal(), done());
            sleep(Duration::from_millis(dice.below(SPAN_MS)));
            resealing += usize::from(
                store_key(&desk.sandbox)["resealed"]["done"].as_u64().is_some_and(|done| done > 0),
            );
            desk.daemon.signal(Signal::KILL);
            desk.daemon.wait();
            desk.restart();
            desk.nothing_is_lost();
        }
        let start = Instant::now();
        while store_key(&desk.sandbox)["older"] != json!([]) || !store_key(&desk.sandbox)["coming"].is_null()
        {
            assert!(start.elapsed() < PATIENCE, "it does not end; {}", desk.daemon.log());
            sleep(Duration::from_millis(50));
        }
        desk.nothing_is_lost();
        desk.daemon.signal(Signal::TERM);
        assert!(desk.daemon.wait().success());
        let vault = Vault::open(&desk.sandbox, softhsm);
        let boot = vault.store.boot().unwrap();
        assert_eq!((boot.store_keys.len(), boot.current_store_key), (1, generation));
        vault.records();
        tell(format_args!(
            "{KILLS} kills, {turning} in a turn, {resealing} among the pages, {} rotations",
            generation - 1
        ));
        assert!(resealing > 0, "no kill fell among the pages");
    });
}
