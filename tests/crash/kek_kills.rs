//! Killed while the keys of a project are wrapped anew: every key and every envelope opens afterwards, the rotation goes on
//! where it was, and ends with one KEK, and nothing of the others in the file.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::desk::done;
use crate::disks::commanded;
use crate::forgotten::Seen;
use crate::phase::Dice;
use crate::stuffed::{keks, stuff};
use crate::support::daemon::{PROJECT, Sandbox};
use crate::support::softhsm::in_child_aloud;
use crate::tell;

const KEYS: u32 = 20_000;
const KILLS: usize = 8;
/// Of a kill at any moment: longer than a debug build needs for all of it.
const SPAN_MS: u64 = 3_000;
/// With syncs that slow, 20,000 keys take longer than this on any machine, once the first are wrapped anew.
const SLOW: &str = "slow 200";
const SLOW_SPAN_MS: u64 = 1_500;

fn rewrapping(sandbox: &Sandbox) -> Value {
    sandbox.done(&["project", "show", PROJECT])["project-shown"]["project"]["rewrapping"].clone()
}

fn is_in_the_middle(owed: &Value) -> bool {
    owed["done"].as_u64().is_some_and(|done| done > 0)
}

#[test]
fn a_killed_rotation_of_a_kek_ends_and_loses_no_key() {
    in_child_aloud("kek_kills::a_killed_rotation_of_a_kek_ends_and_loses_no_key", |softhsm| {
        let mut dice = Dice::new();
        let mut desk = commanded("");
        desk.sandbox.done(&["object", "create", "gudang", "--project", PROJECT]);
        assert_eq!((desk.seal(), desk.open()), (done(), done()));
        desk.daemon.signal(Signal::TERM);
        assert!(desk.daemon.wait().success());
        stuff(&desk.sandbox, softhsm, "gudang", KEYS);
        desk.restart();
        let (mut version, mut middle, mut seen) = (1u64, 0, Seen::default());
        for kill in 0..KILLS {
            let is_slow = kill % 2 == 0;
            desk.disk(if is_slow { SLOW } else { "ok" });
            if rewrapping(&desk.sandbox).is_null() {
                let rotated = desk.sandbox.done(&["project", "rotate-kek", PROJECT]);
                version += 1;
                assert_eq!(rotated["project"]["kek_version"], version);
            }
            assert_eq!(desk.seal(), done());
            if is_slow {
                desk.daemon.wait_until("keys are wrapped anew, or all were", || {
                    let owed = rewrapping(&desk.sandbox);
                    owed.is_null() || is_in_the_middle(&owed)
                });
            }
            sleep(Duration::from_millis(dice.below(if is_slow { SLOW_SPAN_MS } else { SPAN_MS })));
            middle += usize::from(is_in_the_middle(&rewrapping(&desk.sandbox)));
            desk.daemon.signal(Signal::KILL);
            desk.daemon.wait();
            desk.disk("ok");
            seen.look(&desk.sandbox);
            let found = keks(&desk.sandbox, softhsm, "gudang");
            assert_eq!(
                found.keys.values().sum::<usize>(),
                KEYS as usize + 2,
                "kill {kill}: {:?}",
                found.keys
            );
            assert!(found.live.len() <= 2, "{:?}", found.live);
            desk.restart();
            desk.nothing_is_lost();
        }
        desk.daemon.wait_until("it ends", || rewrapping(&desk.sandbox).is_null());
        desk.nothing_is_lost();
        let forgotten = seen.check_forgotten(&mut desk, "kek.destroy");
        let found = keks(&desk.sandbox, softhsm, "gudang");
        let version = u32::try_from(version).unwrap();
        assert_eq!(found.live, [version]);
        assert_eq!(found.keys.into_iter().collect::<Vec<_>>(), [(version, KEYS as usize + 2)]);
        tell(format_args!("{KILLS} kills, {middle} of them among the pages, {} rotations", version - 1));
        assert!(forgotten > 0, "no KEK was destroyed");
        assert!(middle > 0, "no kill fell among the pages");
    });
}
