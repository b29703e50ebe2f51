//! A rotation of a project's KEK while everything is served: nothing is refused for it, nothing is lost, and it goes on after
//! whatever came between.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::stuffed::{keks, stuff};
use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::world::{ALGORITHMS, World};

/// So many that they are wrapped anew in twenty commits.
const KEYS: u32 = 20_000;
/// Syncs that slow leave one commit to the part of each second that is for them: all of them take twenty seconds on any machine.
const SLOW: &str = "slow 300";
/// An object that nobody asks for.
const STUFFED: &str = "gudang";

/// A provisioned world with many keys, and a disk that obeys.
fn stuffed(softhsm: &SoftHsm, more: &str) -> World {
    let mut sandbox = Sandbox::new();
    sandbox.command_disk();
    let world = World::over(sandbox, more);
    for (object, algorithm, _) in &ALGORITHMS[1..] {
        world.done(&format!("object create {object} --project {PROJECT} --algorithm {algorithm}"));
        world.grant("encrypt decrypt", object, ENDPOINT);
    }
    world.done(&format!("object create {STUFFED} --project {PROJECT}"));
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    stuff(&sandbox, softhsm, STUFFED, KEYS);
    let daemon = sandbox.resume();
    World { sandbox, daemon }
}

fn rewrapping(sandbox: &Sandbox) -> Value {
    sandbox.done(&["project", "show", PROJECT])["project-shown"]["project"]["rewrapping"].clone()
}

fn begun(world: &World) -> u64 {
    let mut done = 0;
    world.daemon.wait_until("some keys are wrapped anew", || {
        let keys = rewrapping(&world.sandbox);
        assert!(!keys.is_null(), "it ended before anybody could look");
        done = keys["done"].as_u64().unwrap();
        done > 0
    });
    done
}

fn ended(world: &World) {
    world.sandbox.disk("ok");
    world.daemon.wait_until("every key is wrapped anew", || rewrapping(&world.sandbox).is_null());
}

/// Ends the daemon; one KEK version is left, and every key names it and opens.
fn only(sandbox: &Sandbox, daemon: Daemon, softhsm: &SoftHsm, version: u32, keys: usize) {
    assert!(daemon.stop().success());
    let found = keks(sandbox, softhsm, STUFFED);
    assert_eq!((found.live.as_slice(), found.gone.last()), (&[version][..], Some(&(version - 1))));
    assert_eq!(found.keys, BTreeMap::from([(version, keys)]));
}

#[test]
fn nothing_is_refused_while_keys_are_wrapped_anew() {
    in_child("kek_rotation::nothing_is_refused_while_keys_are_wrapped_anew", |softhsm| {
        // Keys fall out of memory all the time, so that both KEKs are needed again and again.
        let world = stuffed(softhsm, "[keyring]\nttl_s = 1\n");
        let absensi = crate::world::Application { api_key: world.generous(), ..world.absensi() };
        let before: Vec<String> =
            ALGORITHMS.iter().map(|(object, ..)| absensi.seal(object, b"lama")).collect();
        let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        let made = thread::scope(|scope| {
            for worker in 0..3 {
                let (absensi, before, over, served) = (&absensi, &before, &over, &served);
                scope.spawn(move || {
                    let mut live = absensi.client.connect().unwrap();
                    while !over.load(Ordering::Relaxed) {
                        for ((object, ..), sealed) in ALGORITHMS.iter().zip(before) {
                            let item = json!({ "object": object, "plaintext": "YmFydQ==" });
                            let answer = absensi.v1_over(&mut live, "encrypt", item.to_string()).unwrap();
                            let item = json!({ "object": object, "ciphertext": answer.ok()["ciphertext"] });
                            absensi.v1_over(&mut live, "decrypt", item.to_string()).unwrap().ok();
                            let item = json!({ "object": object, "ciphertext": sealed });
                            let opened = absensi.v1_over(&mut live, "decrypt", item.to_string()).unwrap();
                            assert_eq!(opened.ok()["plaintext"], "bGFtYQ==", "worker {worker}");
                            served.fetch_add(3, Ordering::Relaxed);
                        }
                    }
                });
            }
            world.sandbox.disk(SLOW);
            let answer = world.done(&format!("project rotate-kek {PROJECT} --reason uji"));
            assert_eq!(answer["project"]["kek_version"], 2);
            // On a busy machine they may be counted, and the first be done, before it is answered.
            assert!(answer["project"]["rewrapping"]["done"].is_u64(), "{answer}");
            // Rows of the same table are made, changed and leased meanwhile.
            let (mut made, before) = (0, served.load(Ordering::Relaxed));
            while !rewrapping(&world.sandbox).is_null() {
                if made > 3 && served.load(Ordering::Relaxed) > before + 12 {
                    world.sandbox.disk("ok");
                }
                world.done(&format!("object create baru-{made} --project {PROJECT}"));
                world.done(&format!("key rotate {} --project {PROJECT}", ALGORITHMS[made % 4].0));
                made += 1;
            }
            over.store(true, Ordering::Relaxed);
            made
        });
        // Both KEKs wrapped new keys, and served, while pages went.
        assert!(made > 3 && served.load(Ordering::Relaxed) > 12, "{made} {served:?}");
        for ((object, ..), sealed) in ALGORITHMS.iter().zip(&before) {
            assert_eq!(absensi.open(object, sealed), b"lama");
        }
        let acts = |act: &str| {
            let trail = world.done(&format!("audit list --act {act} --limit 1000"));
            trail["audit"]["entries"].as_array().unwrap().len()
        };
        assert_eq!((acts("project.rotate-kek"), acts("kek.destroy")), (1, 1));
        assert!(acts("kek.rewrap") > KEYS as usize / 1_000, "{}", acts("kek.rewrap"));
        // Four objects and the stuffed one had a key each, two more for each turn.
        only(&world.sandbox, world.daemon, softhsm, 2, 5 + KEYS as usize + 2 * made);
    });
}

#[test]
fn it_goes_on_after_a_lock_and_a_token_that_was_away() {
    in_child("kek_rotation::it_goes_on_after_a_lock_and_a_token_that_was_away", |softhsm| {
        let world = stuffed(softhsm, "[keyring]\nttl_s = 1\n[degraded]\nmax_s = 3600\n");
        let sealed = world.absensi().seal(OBJECT, b"lama");
        world.sandbox.disk(SLOW);
        world.done(&format!("project rotate-kek {PROJECT}"));
        let before = begun(&world);
        world.done("lock");
        world.done("unlock");
        let after = rewrapping(&world.sandbox);
        assert_eq!(after["of"], KEYS + 5);
        assert!(after["done"].as_u64().unwrap() >= before, "what was done is known: {after}");

        let (tokens, away) = (world.sandbox.softhsm().tokens(), world.sandbox.path("away"));
        fs::rename(&tokens, &away).unwrap();
        world.daemon.wait_until("it waits for the token", || {
            world.status()["keys"]["trouble"].as_str().is_some_and(|trouble| trouble.contains("token"))
        });
        let waits = world.status()["keys"]["rewrapping"][0].clone();
        assert_eq!((&waits["project"], &waits["keys"]["of"]), (&json!(PROJECT), &json!(KEYS + 5)));
        assert_eq!(world.sandbox.refused(&["project", "rotate-kek", PROJECT]), "token-away");
        fs::remove_dir_all(&tokens).ok();
        fs::rename(&away, &tokens).unwrap();
        ended(&world);
        let keys = world.status()["keys"].clone();
        assert_eq!((&keys["rewrapping"], &keys["trouble"]), (&json!([]), &json!(null)));
        assert_eq!(world.absensi().open(OBJECT, &sealed), b"lama");
        only(&world.sandbox, world.daemon, softhsm, 2, KEYS as usize + 5);
    });
}

#[test]
fn another_rotation_in_the_middle_ends_at_the_newest() {
    in_child("kek_rotation::another_rotation_in_the_middle_ends_at_the_newest", |softhsm| {
        let world = stuffed(softhsm, "");
        world.done("project create lain");
        world.done(&format!("object create {OBJECT} --project lain"));
        world.sandbox.disk(SLOW);
        world.done(&format!("project rotate-kek {PROJECT}"));
        begun(&world);
        let again = world.done(&format!("project rotate-kek {PROJECT}"))["project"].clone();
        assert_eq!((&again["kek_version"], &again["rewrapping"]["of"]), (&json!(3), &Value::Null));
        let other = world.done("project rotate-kek lain")["project"].clone();
        assert_eq!(other["kek_version"], 2);
        ended(&world);
        world.daemon.wait_until("the other's is done, too", || {
            world.done("project show lain")["project-shown"]["project"]["rewrapping"].is_null()
        });
        let absensi = world.absensi();
        assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"baru")), b"baru");
        // A project that is ended in the middle owes nothing.
        world.done("project create kosong");
        world.done("project rotate-kek kosong");
        world.done("project delete kosong");
        world.daemon.wait_until("nothing is owed", || world.status()["keys"]["rewrapping"] == json!([]));
        only(&world.sandbox, world.daemon, softhsm, 3, KEYS as usize + 5);
    });
}
