//! An object with as many key versions as there come to be in decades: after a change of anything, a request on it costs what one on
//! an object with a single version costs, whichever of its versions it needs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stuffed::stuff;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::world::{Application, World};

const VERSIONS: u32 = 4_000;
const MANY: &str = "gudang";
const ROUNDS: usize = 15;
/// What the machine does besides is not there each time.
const TRIES: usize = 3;

/// What a request on each of both items takes right after a change, in the middle of many, in turn.
fn after_a_change(
    world: &World,
    application: &Application,
    operation: &str,
    items: [&Value; 2],
) -> [Duration; 2] {
    let mut live = application.client.connect().unwrap();
    let mut took = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for (item, took) in items.into_iter().zip(&mut took) {
            world.done(&format!("object retire lain --project {PROJECT}"));
            world.done(&format!("object reinstate lain --project {PROJECT}"));
            let began = Instant::now();
            application.v1_over(&mut live, operation, item.to_string()).unwrap().ok();
            took.push(began.elapsed());
        }
    }
    took.map(|mut took| {
        took.sort();
        took[ROUNDS / 2]
    })
}

#[test]
fn a_request_costs_what_its_own_versions_cost() {
    in_child("many_versions::a_request_costs_what_its_own_versions_cost", |softhsm| {
        let world = World::new("");
        for object in ["lain", MANY] {
            world.done(&format!("object create {object} --project {PROJECT}"));
        }
        world.grant("encrypt decrypt reencrypt", MANY, ENDPOINT);
        world.grant("reencrypt", OBJECT, ENDPOINT);
        let sealed = |object: &str| {
            let ciphertext = world.absensi().seal(object, b"lama");
            json!({ "object": object, "ciphertext": ciphertext })
        };
        let (few_sealed, many_sealed) = (sealed(OBJECT), sealed(MANY));
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        stuff(&sandbox, softhsm, MANY, VERSIONS);
        let world = World { daemon: sandbox.resume(), sandbox };
        for object in [OBJECT, MANY] {
            world.done(&format!("key rotate {object} --project {PROJECT}"));
        }
        let shown = world.done(&format!("object show {MANY} --project {PROJECT}"));
        assert_eq!(shown["object"]["versions"].as_array().unwrap().len(), VERSIONS as usize + 2);
        let absensi = world.absensi();
        let plain = |object: &str| json!({ "object": object, "plaintext": "" });
        for (operation, few, many) in [
            ("encrypt", plain(OBJECT), plain(MANY)),
            ("decrypt", few_sealed.clone(), many_sealed.clone()),
            ("reencrypt", few_sealed, many_sealed),
        ] {
            let mut tries = Vec::new();
            let is_alike = (0..TRIES).any(|_| {
                let [few, many] = after_a_change(&world, &absensi, operation, [&few, &many]);
                tries.push([few, many]);
                many < few * 3 + Duration::from_millis(5)
            });
            assert!(is_alike, "{operation}: {tries:?}");
        }
    });
}
