//! The token goes away and comes back: keys in memory serve, cold ones are refused, and it heals by itself.

use std::fs;

use gembok::hsm::{Pin, Token};
use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::{MODULE, in_child};
use crate::vault::copy;
use crate::world::{ALGORITHMS, World};

fn away(world: &World) {
    fs::rename(world.sandbox.softhsm().tokens(), world.sandbox.softhsm().elsewhere()).unwrap();
}

fn back(world: &World) {
    fs::rename(world.sandbox.softhsm().elsewhere(), world.sandbox.softhsm().tokens()).unwrap();
}

#[test]
fn warm_keys_serve_while_the_token_is_away_and_it_heals() {
    let world = World::new("");
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"hangat");
    // Another project's key was never asked for.
    world.done("project create cabang");
    world.done("object create dingin --project cabang");
    let cabang = world.enrol("cabang", "gaji");
    world.done("grant create encrypt decrypt --project cabang --endpoint gaji --object dingin");
    // Making an object unwraps its project's KEK; after a restart nothing is warm but what is asked for.
    let world = world.restart();
    let absensi = crate::world::Application { client: world.data(Some("client/client")), ..absensi };
    let cabang = crate::world::Application { client: world.data(Some("cabang-gaji/client")), ..cabang };
    assert_eq!(absensi.open(OBJECT, &sealed), b"hangat");

    away(&world);
    world.daemon.wait_until("it notices", || world.sandbox.state() == "degraded");
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"masih")), b"masih");
    assert_eq!(absensi.open(OBJECT, &sealed), b"hangat");
    let cold = cabang.encrypt(&json!({ "object": "dingin", "plaintext": "" }));
    assert_eq!(cold.problem(), refusal(503, "token-away"));
    assert!(cold.header("retry-after").is_some());
    let body = cabang.published_body("dingin", "enkrip", "").to_string();
    let cold = cabang.published(&body);
    assert_eq!(cold.gagal(), refusal(503, "token-away"));
    assert!(cold.header("retry-after").is_some());
    let health = world.admin().get("/health/state").ok();
    assert_eq!((&health["state"], &health["token"]["present"]), (&json!("degraded"), &json!(false)));
    assert_eq!(world.control(None).get("/health/ready").status, 200);
    assert!(world.admin().get("/metrics").text().contains("gembok_token_present 0\n"));
    // What needs the token is refused, what does not is done at once.
    assert_eq!(world.sandbox.refused(&["project", "create", "baru"]), "token-away");
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    world.done(&format!("api-key revoke {id}"));
    let revoked = crate::world::Application { api_key, ..absensi.clone() };
    let answer = revoked.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(401, "api-key-revoked"));

    back(&world);
    world.daemon.wait_until("it heals", || world.sandbox.state() == "operational");
    assert_eq!(cabang.open("dingin", &cabang.seal("dingin", b"sekarang")), b"sekarang");
    assert_eq!(world.admin().get("/health/state").ok()["token"]["present"], true);
}

#[test]
fn it_locks_when_the_token_is_away_for_too_long() {
    let world = World::new("[keyring]\nttl_s = 1\n[degraded]\nmax_s = 2\n");
    let absensi = world.absensi();
    absensi.seal(OBJECT, b"x");
    away(&world);
    world.daemon.wait_until("it locks", || world.sandbox.state() == "locked");
    let reason = world.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("away for too long"), "{reason}");
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(absensi.encrypt(&item).problem(), refusal(503, "locked"));
    assert_eq!(world.sandbox.refused(&["unlock"]), "token-away");
    back(&world);
    world.done("unlock");
    assert_eq!(absensi.encrypt(&item).status, 200);
}

#[test]
fn a_key_is_forgotten_on_time_and_unwrapped_again() {
    let world = World::new("[keyring]\nttl_s = 1\n[degraded]\nmax_s = 3600\n");
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"sementara");
    world.daemon.wait_until("it forgets", || world.status()["data_keys"] == 0);
    assert_eq!(absensi.open(OBJECT, &sealed), b"sementara");
    away(&world);
    let open = json!({ "object": OBJECT, "ciphertext": sealed });
    world.daemon.wait_until("the key's time is over", || absensi.decrypt(&open).status != 200);
    assert_eq!(absensi.decrypt(&open).problem(), refusal(503, "token-away"));
    back(&world);
    world.daemon.wait_until("it heals", || absensi.decrypt(&open).status == 200);
}

#[test]
fn another_token_with_the_same_label_is_refused() {
    in_child("keyring::another_token_with_the_same_label_is_refused", |softhsm| {
        let world = World::new("");
        let sealed = world.absensi().seal(OBJECT, b"x");
        let pin = fs::read_to_string(world.sandbox.path("pin")).unwrap();
        let pin = Pin::from_bytes(pin.trim().as_bytes()).unwrap();
        Token::create(MODULE.as_ref(), "sandbox", &pin, &pin).unwrap();

        away(&world);
        copy(&softhsm.tokens(), &world.sandbox.softhsm().tokens());
        world.daemon.wait_until("it notices", || world.sandbox.state() == "degraded");
        world.daemon.wait_until("it tried to heal", || {
            world.daemon.said("the token could not be healed yet").next().is_some()
        });
        assert_eq!(world.sandbox.state(), "degraded");
        world.done("lock");
        let output = world.sandbox.run(&["unlock"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("serial number"), "{said}");
        let reason = world.status()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("serial number"), "{reason}");

        fs::remove_dir_all(world.sandbox.softhsm().tokens()).unwrap();
        back(&world);
        world.done("unlock");
        assert_eq!(world.absensi().open(OBJECT, &sealed), b"x");
    });
}

#[test]
fn every_algorithm_survives_a_restart() {
    let world = World::new("");
    for (object, algorithm, _) in &ALGORITHMS[1..] {
        world.done(&format!("object create {object} --project {PROJECT} --algorithm {algorithm}"));
        world.grant("encrypt decrypt", object, ENDPOINT);
    }
    let absensi = world.absensi();
    let sealed: Vec<String> = ALGORITHMS.iter().map(|(object, ..)| absensi.seal(object, b"lama")).collect();
    let world = world.restart();
    let absensi = world.absensi();
    for ((object, algorithm, _), sealed) in ALGORITHMS.iter().zip(&sealed) {
        assert_eq!(absensi.open(object, sealed), b"lama", "{algorithm}");
    }
}
