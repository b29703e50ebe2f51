//! Uses of AES-GCM and AES-GCM-SIV: reserved before they are made, never counted low, never past 2^32.

use gembok::domain::actor::Actor;
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::timestamp::Timestamp;
use gembok::store::{Batch, Table};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::Vault;
use crate::world::{Application, World};

const LIMIT: u64 = 1 << 32;
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
fn a_version_at_its_limit_refuses_and_the_others_go_on() {
    in_child("leases::a_version_at_its_limit_refuses_and_the_others_go_on", |softhsm| {
        let World { sandbox, daemon } = world();
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let scan = gembok::store::Scan { prefix: b"", after: None, limit: 10 };
        for (key, row) in vault.store.scan(Table::KeyVersions, scan).unwrap() {
            let row = row.unwrap();
            let version: KeyVersion = cbor::decode(&row.value).unwrap();
            if !version.algorithm.is_leased() {
                continue;
            }
            let version = KeyVersion { uses_reserved: LIMIT - 100, ..version };
            let now = Timestamp::from_micros(vault.store.head().time_us);
            let audit = cbor::encode(&AuditRecord::new(now, Actor::System, "test.exhaust"));
            let batch = Batch::new(now.micros())
                .put(Table::KeyVersions, &key, cbor::encode(&version))
                .record(audit_record::KIND, audit_record::VERSION, &audit);
            vault.store.commit(batch).unwrap();
        }
        drop(vault);

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
