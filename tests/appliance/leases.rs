//! Uses of AES-GCM and AES-GCM-SIV: reserved before they are made, never counted low, never past 2^32.

use gembok::domain::cbor;
use gembok::domain::key_version::KeyVersion;
use gembok::store::Table;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::key_turns::by_hand;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::Vault;
use crate::world::{Application, World};

const LIMIT: u64 = 1 << 32;
const HALF: u64 = 1 << 31;
const GCM: &str = "alamat";
const SIV: &str = "bpjs";

fn batch(object: &str, count: usize) -> Value {
    json!({ "items": vec![json!({ "object": object, "plaintext": "" }); count] })
}

fn seal(application: &Application, object: &str, count: usize) {
    assert_eq!(application.encrypt(&batch(object, count)).ok()["failed"], 0);
}

fn reserved(world: &World, object: &str) -> u64 {
    let shown = world.done(&format!("object show {object} --project {PROJECT}"));
    shown["object"]["versions"][0]["uses_reserved"].as_u64().unwrap()
}

fn world() -> World {
    let world = World::new("");
    for (object, algorithm) in [(GCM, "aes-256-gcm"), (SIV, "aes-256-gcm-siv")] {
        world.done(&format!("object create {object} --project {PROJECT} --algorithm {algorithm}"));
        world.grant("encrypt decrypt", object, ENDPOINT);
    }
    world
}

#[test]
fn leases_double_and_a_crash_never_lowers_the_count() {
    let world = world();
    let absensi = world.absensi();
    for object in [GCM, SIV, OBJECT] {
        assert_eq!(reserved(&world, object), 0);
    }
    let mut used = 0;
    let mut seen = Vec::new();
    for count in [1, 1_000, 23, 1, 1_000, 1_000, 47, 1] {
        seal(&absensi, GCM, count);
        used += count as u64;
        let now = reserved(&world, GCM);
        assert!(now >= used, "{now} reserved, {used} used");
        seen.push(now);
    }
    assert_eq!(seen, [1_024, 1_024, 1_024, 3_072, 3_072, 3_072, 3_072, 7_168]);
    seal(&absensi, OBJECT, 10);
    assert_eq!(reserved(&world, OBJECT), 0, "XAES is not leased");

    // What a crash interrupts is forfeited.
    let World { sandbox, mut daemon } = world;
    daemon.signal(Signal::KILL);
    daemon.wait();
    let daemon = sandbox.resume();
    let world = World { sandbox, daemon };
    assert_eq!(reserved(&world, GCM), 7_168);
    seal(&world.absensi(), GCM, 1);
    assert_eq!(reserved(&world, GCM), 7_168 + 1_024);
}

#[test]
fn fields_that_are_refused_use_up_nothing() {
    let world = world();
    let absensi = world.absensi();
    let create = format!("object create terikat --project {PROJECT} --algorithm aes-256-gcm");
    world.done(&format!("{create} --required-context baris"));
    world.grant("encrypt", "terikat", ENDPOINT);
    absensi.encrypt(&json!({ "object": "terikat", "plaintext": "", "context": { "baris": "1" } })).ok();
    seal(&absensi, GCM, 1);
    for code in ["bad-base64", "context-required"] {
        let (object, plaintext) = if code == "bad-base64" { (GCM, "*") } else { ("terikat", "") };
        for _ in 0..3 {
            // Nothing is sealed but the last, of another object.
            let mut items = batch(object, 600);
            for item in items["items"].as_array_mut().unwrap() {
                item["plaintext"] = plaintext.into();
            }
            items["items"].as_array_mut().unwrap().push(json!({ "object": SIV, "plaintext": "" }));
            let answer = absensi.encrypt(&items).ok();
            assert_eq!((&answer["failed"], &answer["items"][0]["code"]), (&json!(600), &json!(code)));
        }
        let one = json!({ "object": object, "plaintext": plaintext });
        assert_eq!(absensi.encrypt(&one).problem().1, code);
        assert_eq!((reserved(&world, object), reserved(&world, SIV)), (1_024, 1_024), "{code}");
    }

    // What was taken before another key was missed is not taken twice.
    world.done(&format!("object create baru --project {PROJECT} --algorithm aes-256-gcm"));
    world.grant("encrypt", "baru", ENDPOINT);
    seal(&absensi, GCM, 1);
    let mut items = batch(GCM, 400);
    items["items"].as_array_mut().unwrap().push(json!({ "object": "baru", "plaintext": "" }));
    assert_eq!(absensi.encrypt(&items).ok()["failed"], 0);
    // And none is made twice: the lease ends where it should.
    seal(&absensi, GCM, 1_024 - 402);
    assert_eq!(reserved(&world, GCM), 1_024);
    seal(&absensi, GCM, 1);
    assert_eq!(reserved(&world, GCM), 3_072);
}

/// Sets the uses of every version that is leased, as its row would be after so many.
fn set_uses(vault: &Vault, uses_reserved: u64) {
    vault.rewrite_all(Table::KeyVersions, |version: &mut KeyVersion| {
        if version.algorithm.is_leased() {
            version.uses_reserved = uses_reserved;
        }
    });
}

#[test]
fn a_version_at_its_limit_refuses_and_the_others_go_on() {
    in_child("leases::a_version_at_its_limit_refuses_and_the_others_go_on", |softhsm| {
        let World { sandbox, daemon } = world();
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        set_uses(&vault, LIMIT - 100);
        drop(vault);
        by_hand(&sandbox);

        let daemon = sandbox.resume();
        let world = World { sandbox, daemon };
        let absensi = world.absensi();
        for object in [GCM, SIV] {
            // 101 are more than there are; none is made, none is charged.
            let refused = absensi.encrypt(&batch(object, 101)).ok();
            assert_eq!(refused["failed"], 101);
            assert_eq!(reserved(&world, object), LIMIT - 100);
            seal(&absensi, object, 99);
            assert_eq!(reserved(&world, object), LIMIT);
            let last = absensi.seal(object, b"terakhir");
            let answer = absensi.encrypt(&json!({ "object": object, "plaintext": "" }));
            assert_eq!(answer.problem(), refusal(409, "key-exhausted"));
            let body = absensi.published_body(object, "enkrip", "").to_string();
            assert_eq!(absensi.published(body).gagal(), refusal(409, "key-exhausted"));
            let mixed = json!({ "items": [
                { "object": object, "plaintext": "" },
                { "object": OBJECT, "plaintext": "" },
            ] });
            let mixed = absensi.encrypt(&mixed).ok();
            assert_eq!(mixed["items"][0]["code"], "key-exhausted");
            assert!(mixed["items"][1]["ciphertext"].is_string());
            assert_eq!(reserved(&world, object), LIMIT);
            assert_eq!(absensi.open(object, &last), b"terakhir");
        }
        let world = world.restart();
        let answer = world.absensi().encrypt(&json!({ "object": GCM, "plaintext": "" }));
        assert_eq!(answer.problem(), refusal(409, "key-exhausted"), "a restart gives nothing back");
    });
}

fn warned(world: &World) -> usize {
    world.daemon.said("a key is half used up; run gembok key rotate for its object").count()
}

#[test]
fn a_version_half_used_up_is_named_until_it_is_rotated() {
    in_child("leases::a_version_half_used_up_is_named_until_it_is_rotated", |softhsm| {
        let World { sandbox, daemon } = world();
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        set_uses(&vault, HALF - 1_024);
        drop(vault);
        by_hand(&sandbox);

        let daemon = sandbox.resume();
        let world = World { sandbox, daemon };
        let versions = |world: &World| {
            let shown = world.done(&format!("object show {GCM} --project {PROJECT}"));
            shown["object"]["versions"].clone()
        };
        assert_eq!(versions(&world)[0]["worn"], false);
        assert_eq!(world.status()["worn_keys"], json!([]));
        // The first lease reaches half; the warning comes with it, once, long before anything is refused.
        for count in [1, 1_000, 500] {
            seal(&world.absensi(), GCM, count);
        }
        assert_eq!(warned(&world), 1);
        let worn = world.status()["worn_keys"].clone();
        assert_eq!(worn.as_array().unwrap().len(), 1, "{worn}");
        assert_eq!((&worn[0]["uses"], &worn[0]["uses_max"]), (&json!(HALF + 2_048), &json!(LIMIT)));
        assert!(worn[0]["key"].as_str().unwrap().starts_with("version 1 of key "), "{worn}");
        assert_eq!(world.admin().get("/health/state").json()["worn_keys"], worn);
        let output = world.sandbox.run(&["status"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("WORN"), "{output:?}");
        assert_eq!(versions(&world)[0]["worn"], true);

        // The count is the store's, so a restart changes nothing, and its next lease says so again.
        let world = world.restart();
        assert_eq!(versions(&world)[0]["worn"], true);
        assert_eq!(reserved(&world, GCM), HALF + 2_048);
        seal(&world.absensi(), GCM, 1);
        assert_eq!((warned(&world), reserved(&world, GCM)), (1, HALF + 3_072));
        assert_eq!(world.status()["worn_keys"].as_array().unwrap().len(), 1);

        world.done(&format!("key rotate {GCM} --project {PROJECT}"));
        assert_eq!(world.status()["worn_keys"], json!([]));
        assert_eq!(versions(&world)[0]["worn"], false, "it only decrypts");
        seal(&world.absensi(), GCM, 1);
        assert_eq!(versions(&world)[1]["uses_reserved"], 1_024);
    });
}

#[test]
fn an_mk_that_has_wrapped_its_share_is_named_and_then_wraps_no_more() {
    in_child("leases::an_mk_that_has_wrapped_its_share_is_named_and_then_wraps_no_more", |softhsm| {
        const WRAPS_MAX: u64 = 1 << 31;
        let counter = [b"token-wraps".as_slice(), &1u32.to_be_bytes()].concat();
        let set = |world: World, wraps: u64| {
            let World { sandbox, daemon } = world;
            assert!(daemon.stop().success());
            let vault = Vault::open(&sandbox, softhsm);
            let stored = vault.store.get(Table::Counters, &counter).unwrap().unwrap();
            let before: u64 = cbor::decode(&stored.value).unwrap();
            vault.put(Table::Counters, &counter, &wraps);
            drop(vault);
            let daemon = sandbox.resume();
            (before, World { sandbox, daemon })
        };
        let (wrapped, world) = set(World::new(""), WRAPS_MAX / 2 - 1);
        assert!((1..10).contains(&wrapped), "{wrapped}");
        assert_eq!(world.status()["worn_keys"], json!([]));
        world.done("project create separuh");
        let named = json!([{ "key": "MK generation 1", "uses": WRAPS_MAX / 2, "uses_max": WRAPS_MAX }]);
        let taken = world.sandbox.refused(&["project", "create", "separuh"]);
        assert_eq!(taken, "already-exists");
        assert_eq!(world.status()["worn_keys"], named, "a name that is taken costs no wrap");
        assert_eq!(
            world.daemon.said("the MK has made half the wraps it may; rotate the master key").count(),
            1
        );
        let world = world.restart();
        assert_eq!(world.status()["worn_keys"], named, "a restart changes nothing");

        let (wrapped, world) = set(world, WRAPS_MAX - 1);
        assert_eq!(wrapped, WRAPS_MAX / 2);
        world.done("project create terakhir");
        let refused = |world: &World| world.sandbox.refused(&["project", "create", "lebih"]);
        assert_eq!(refused(&world), "key-exhausted");
        let world = world.restart();
        assert_eq!(refused(&world), "key-exhausted", "a restart gives nothing back");
        // What is wrapped already serves.
        let absensi = world.absensi();
        assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"tetap")), b"tetap");
    });
}
