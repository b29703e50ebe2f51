//! Several who rotate the store key and the housekeeping, all at once: each generation comes, seals and is the only one in the
//! end, none is taken for another's, and nobody meets a fault. An appliance in this process, so that it is tended without pause.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use gembok::appliance::{Acceptance, AuditQuery, Operational, Stop, StoreKeyHealth, Tending, Wait};
use gembok::domain::refusal::Code;

use crate::clock::{OPERATOR, clock, init, open};
use crate::key_world::World;
use crate::support::softhsm::in_child;
use crate::vault::Vault;

const ROTATIONS: u32 = 40;

fn is_done(key: &StoreKeyHealth) -> bool {
    key.coming.is_none() && key.older.is_empty()
}

/// Ends the others' loops with the one that panics.
struct WithAll<'a>(&'a AtomicBool);

impl Drop for WithAll<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Rotates until that was done often enough by all; what one may be told is that another is at it.
fn rotate(unlocked: &Operational, (done, over): (&AtomicU32, &AtomicBool), is_alone: bool) {
    let _ends = WithAll(over);
    while done.load(Ordering::Relaxed) < ROTATIONS && !over.load(Ordering::Relaxed) {
        let turn = || unlocked.rotate_store_key(OPERATOR, None, clock());
        let rotated = if is_alone { unlocked.exclusively(turn) } else { turn() };
        match rotated {
            Ok(key) => {
                assert_ne!(key.waits_for, Some(Wait::Trouble), "{key:?}");
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(Stop::Refused(refusal)) => {
                assert!(
                    matches!(refusal.code, Code::RotationUnderWay | Code::Conflict | Code::KeyExhausted),
                    "{refusal}"
                );
                thread::yield_now();
            }
            Err(Stop::Fault(fault)) => panic!("{fault}"),
        }
    }
}

#[test]
fn whoever_turns_the_store_key_beside_others_meets_no_fault_and_every_generation_comes() {
    let case = "store_key_turns::whoever_turns_the_store_key_beside_others_meets_no_fault_and_every_generation_comes";
    in_child(case, |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let unlocked = appliance.unlocked().unwrap();
        let (done, over) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let (appliance, unlocked, done, over) = (&appliance, &unlocked, &done, &over);
            let rotating =
                [false, false, true].map(|alone| scope.spawn(move || rotate(unlocked, (done, over), alone)));
            let looked = || {
                let keys = appliance.health().keys.unwrap();
                assert_eq!(keys.trouble, None, "it does not go on");
                keys.store_key.expect("the boot row is read at every moment")
            };
            for _ in 0..2 {
                scope.spawn(move || {
                    let _ends = WithAll(over);
                    let mut tending = Tending::default();
                    while !over.load(Ordering::Relaxed) {
                        appliance.tend(&mut tending, clock());
                    }
                });
            }
            scope.spawn(move || {
                let _ends = WithAll(over);
                while !over.load(Ordering::Relaxed) {
                    looked();
                }
            });
            let _ends = WithAll(over);
            for one in rotating {
                one.join().unwrap_or_else(|why| std::panic::resume_unwind(why));
            }
            while !is_done(&looked()) {
                thread::yield_now();
            }
            over.store(true, Ordering::Relaxed);
        });
        let rotated = done.load(Ordering::Relaxed);
        let key = unlocked.store_key_health().unwrap();
        assert_eq!((key.generation, is_done(&key)), (rotated + 1, true), "{key:?}");
        let (mut acts, mut from) = ([0; 3], Some(0));
        while let Some(at) = from {
            let page = unlocked.audit(OPERATOR, &AuditQuery::of(at, 1_000)).unwrap();
            for entry in page.entries {
                let names = ["store-key.rotate", "store-key.begin", "store-key.destroy"];
                if let Some(which) = names.iter().position(|name| *name == entry.record.act) {
                    acts[which] += 1;
                }
            }
            from = page.next;
        }
        assert_eq!(acts, [rotated; 3]);
        drop(unlocked);
        appliance.lock(OPERATOR, clock()).unwrap();
        appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        appliance.shut_down();
        drop(appliance);
        let boot = Vault::open_here(softhsm).store.boot().unwrap();
        assert_eq!((boot.store_keys.len(), boot.current_store_key), (1, rotated + 1));
    });
}

#[test]
fn a_generation_that_waits_for_the_log_says_so_and_comes_with_it() {
    in_child("store_key_turns::a_generation_that_waits_for_the_log_says_so_and_comes_with_it", |softhsm| {
        let mut world = World::with_log(softhsm);
        let other = softhsm.elsewhere().join("other");
        let away = softhsm.elsewhere().join("away");
        world.tend();
        std::fs::rename(&other, &away).unwrap();
        let unlocked = world.appliance.unlocked().unwrap();
        let key = unlocked.rotate_store_key(OPERATOR, None, clock()).unwrap();
        assert_eq!((key.generation, key.coming, key.waits_for), (1, Some(2), Some(Wait::EscrowLog)));
        let again = unlocked.rotate_store_key(OPERATOR, None, clock());
        assert!(matches!(again, Err(Stop::Refused(refusal)) if refusal.code == Code::RotationUnderWay));
        world.tend();
        assert_eq!(unlocked.store_key_health().unwrap(), key);
        std::fs::rename(&away, &other).unwrap();
        crate::clock::pass(60);
        while !is_done(&unlocked.store_key_health().unwrap()) {
            world.tend();
        }
        let key = unlocked.store_key_health().unwrap();
        assert_eq!((key.generation, key.waits_for), (2, None));
        drop(unlocked);
        world.appliance.shut_down();
    });
}
