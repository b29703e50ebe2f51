//! A rotation of the key that seals the store, while everything is served: nothing is refused for it, every row opens at every
//! moment, and it goes on after whatever came between.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use gembok::store::Table;
use serde_json::{Value, json};

use crate::stuffed::stuff;
use crate::support::daemon::{OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::{Vault, put_stored, row_keys, stored};
use crate::world::World;

/// So many that they are sealed anew in twenty commits.
const KEYS: u32 = 20_000;
const STUFFED: &str = "gudang";
/// Syncs that slow leave at most two commits to the part of each second that is for them: all of them take ten seconds on any
/// machine.
const SLOW: &str = "slow 200";

/// With a disk that obeys.
fn stuffed(softhsm: &SoftHsm) -> World {
    let mut sandbox = Sandbox::new();
    sandbox.command_disk();
    let world = World::over(sandbox, "");
    world.done(&format!("object create {STUFFED} --project {PROJECT}"));
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    stuff(&sandbox, softhsm, STUFFED, KEYS);
    let daemon = sandbox.resume();
    World { sandbox, daemon }
}

fn store_key(sandbox: &Sandbox) -> Value {
    sandbox.done(&["status"])["status"]["keys"]["store_key"].clone()
}

fn is_done(key: &Value) -> bool {
    key["coming"].is_null() && key["older"] == json!([])
}

fn ended(world: &World, generation: u32) {
    world.daemon.wait_until("every row is sealed anew", || is_done(&store_key(&world.sandbox)));
    assert_eq!(
        store_key(&world.sandbox),
        json!({ "generation": generation, "coming": null, "waits_for": null, "older": [], "resealed": null })
    );
}

/// The generations that rows of the stopped sandbox name, all tables but the boot row.
fn generations(sandbox: &Sandbox) -> Vec<u32> {
    let mut found = Vec::new();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Boot) {
        for key in row_keys(sandbox, table).iter().take(3_000) {
            let stored = stored(sandbox, table, key);
            found.push(u32::from_be_bytes(stored[1..5].try_into().unwrap()));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn nothing_is_refused_while_rows_are_sealed_anew() {
    in_child("store_key::nothing_is_refused_while_rows_are_sealed_anew", |softhsm| {
        let world = stuffed(softhsm);
        let absensi = crate::world::Application { api_key: world.generous(), ..world.absensi() };
        let before = absensi.seal(OBJECT, b"lama");
        let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                let (absensi, before, over, served) = (&absensi, &before, &over, &served);
                scope.spawn(move || {
                    let mut live = absensi.client.connect().unwrap();
                    while !over.load(Ordering::Relaxed) {
                        let item = json!({ "object": OBJECT, "plaintext": "YmFydQ==" });
                        absensi.v1_over(&mut live, "encrypt", item.to_string()).unwrap().ok();
                        let item = json!({ "object": OBJECT, "ciphertext": before });
                        absensi.v1_over(&mut live, "decrypt", item.to_string()).unwrap().ok();
                        served.fetch_add(2, Ordering::Relaxed);
                    }
                });
            }
            world.sandbox.disk(SLOW);
            world.done("store-key rotate --reason uji");
            let again = world.sandbox.refused(&["store-key", "rotate"]);
            assert_eq!(again, "rotation-under-way");
            let (mut made, mut middle, mut served_between) = (0, None, false);
            loop {
                let key = store_key(&world.sandbox);
                if is_done(&key) {
                    break;
                }
                let served = served.load(Ordering::Relaxed);
                if key["resealed"]["done"].as_u64().is_some_and(|done| done > 0) {
                    served_between |= served > *middle.get_or_insert(served);
                }
                world.done(&format!("object create baru-{made} --project {PROJECT}"));
                world.done("audit list --limit 5");
                made += 1;
                if made > 2 && served_between {
                    world.sandbox.disk("ok");
                }
            }
            over.store(true, Ordering::Relaxed);
            assert!(made > 2 && served_between, "{made} {middle:?}");
        });
        ended(&world, 2);
        let world = world.restart();
        assert_eq!(world.absensi().open(OBJECT, &before), b"lama");
        let trail = world.done("audit list --newest --limit 1000")["audit"]["entries"].clone();
        let acts = |act: &str| {
            trail.as_array().unwrap().iter().filter(|entry| entry["act"] == act).collect::<Vec<_>>().len()
        };
        assert_eq!((acts("store-key.rotate"), acts("store-key.begin"), acts("store-key.destroy")), (1, 1, 1));
        assert!(acts("store-key.reseal") > KEYS as usize / 1_000);
        // The journal is the same, by whoever reads it.
        assert!(world.sandbox.run(&["audit", "check"]).status.success());
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        assert_eq!(generations(&sandbox), [2]);
        let vault = Vault::open(&sandbox, softhsm);
        let boot = vault.store.boot().unwrap();
        assert_eq!((boot.store_keys.len(), boot.current_store_key), (1, 2));
        vault.records();
    });
}

#[test]
fn it_goes_on_after_locks_and_restarts_and_what_was_put_back_is_found() {
    in_child("store_key::it_goes_on_after_locks_and_restarts_and_what_was_put_back_is_found", |softhsm| {
        let world = stuffed(softhsm);
        let sealed = world.absensi().seal(OBJECT, b"lama");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let user = row_keys(&sandbox, Table::Users).remove(0);
        let old = stored(&sandbox, Table::Users, &user);
        let daemon = sandbox.resume();
        let mut world = World { sandbox, daemon };
        world.sandbox.disk(SLOW);
        world.done("store-key rotate");
        for turn in 0..4 {
            if is_done(&store_key(&world.sandbox)) {
                assert!(turn > 1, "it ended before anybody could come between");
                break;
            }
            if turn % 2 == 0 {
                world.done("lock");
                world.done("unlock");
            } else {
                world = world.restart();
            }
            assert_eq!(world.absensi().open(OBJECT, &sealed), b"lama");
        }
        world.sandbox.disk("ok");
        ended(&world, 2);
        world.done("store-key rotate");
        ended(&world, 3);
        assert_eq!(world.absensi().open(OBJECT, &sealed), b"lama");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        assert_eq!(generations(&sandbox), [3]);
        let new = stored(&sandbox, Table::Users, &user);
        put_stored(&sandbox, Table::Users, &user, &old);
        let daemon = sandbox.start();
        daemon.wait_until("it stays locked", || daemon.said("still locked").next().is_some());
        let status = sandbox.done(&["status"])["status"].clone();
        assert_eq!(status["state"], "locked");
        assert!(status["reason"].as_str().unwrap().contains("users/"), "{status}");
        assert!(daemon.stop().success());
        put_stored(&sandbox, Table::Users, &user, &new);
        let daemon = sandbox.resume();
        assert!(daemon.stop().success());
    });
}
