//! Killed while the store turns to another generation of its key, and while its rows are sealed anew: it unlocks at every
//! moment, nothing is lost, and the rotation ends with one generation, and nothing of the others in the file.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, done};
use crate::disks::commanded;
use crate::forgotten::Seen;
use crate::phase::Dice;
use crate::stuffed::stuff;
use crate::support::daemon::{PROJECT, Sandbox};
use crate::support::softhsm::in_child_aloud;
use crate::tell;
use crate::vault::Vault;

const KEYS: u32 = 20_000;
const KILLS: usize = 8;
const KILLS_IN_TURNS: usize = 5;
/// Of a kill at any moment: longer than a debug build needs for all of it.
const SPAN_MS: u64 = 4_000;
/// With syncs that slow, 20,000 rows take longer than this on any machine, once the first are sealed anew.
const SLOW: &str = "slow 200";
const SLOW_SPAN_MS: u64 = 1_500;

fn store_key(sandbox: &Sandbox) -> Value {
    sandbox.done(&["status"])["status"]["keys"]["store_key"].clone()
}

fn is_done(key: &Value) -> bool {
    key["older"] == json!([]) && key["coming"].is_null()
}

fn is_resealing(key: &Value) -> bool {
    key["resealed"]["done"].as_u64().is_some_and(|done| done > 0)
}

fn ended(desk: &Desk) {
    desk.daemon.wait_until("it ends", || is_done(&store_key(&desk.sandbox)));
}

#[test]
fn a_killed_rotation_of_the_store_key_ends_and_loses_no_row() {
    in_child_aloud("store_key_kills::a_killed_rotation_of_the_store_key_ends_and_loses_no_row", |softhsm| {
        let mut dice = Dice::new();
        let mut desk = commanded("");
        desk.sandbox.done(&["object", "create", "gudang", "--project", PROJECT]);
        assert_eq!((desk.seal(), desk.open()), (done(), done()));
        desk.daemon.signal(Signal::TERM);
        assert!(desk.daemon.wait().success());
        stuff(&desk.sandbox, softhsm, "gudang", KEYS);
        desk.restart();
        let (mut generation, mut resealing, mut seen) = (1u32, 0, Seen::default());
        for kill in 0..KILLS {
            let is_slow = kill % 2 == 0;
            desk.disk(if is_slow { SLOW } else { "ok" });
            let key = store_key(&desk.sandbox);
            if is_done(&key) {
                generation += 1;
                desk.sandbox.done(&["store-key", "rotate"]);
            }
            assert_eq!(desk.seal(), done());
            if is_slow {
                desk.daemon.wait_until("rows are sealed anew, or all were", || {
                    let key = store_key(&desk.sandbox);
                    is_resealing(&key) || is_done(&key)
                });
            }
            sleep(Duration::from_millis(dice.below(if is_slow { SLOW_SPAN_MS } else { SPAN_MS })));
            resealing += usize::from(is_resealing(&store_key(&desk.sandbox)));
            desk.daemon.signal(Signal::KILL);
            desk.daemon.wait();
            desk.disk("ok");
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
