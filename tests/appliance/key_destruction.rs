//! The end of a key version: two persons and a time, a way back until the last moment, and then nothing of it is left: not in
//! memory, not in its row, not in the file.

use std::fs;

use gembok::domain::actor::Actor;
use gembok::domain::approval::{APPROVALS_KEPT_MAX, Approval};
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::id::ApprovalId;
use gembok::domain::key_life::Life;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::timestamp::Timestamp;
use gembok::store::{Batch, Scan, Table};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::refusal;
use crate::second_person::{Person, member, person, text};
use crate::support::daemon::{Daemon, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::{Vault, store_path, stored};
use crate::world::World;

pub(crate) fn path(version: u32, verb: &str) -> String {
    format!("/v1/projects/{PROJECT}/objects/{OBJECT}/key-versions/{version}{verb}")
}

pub(crate) fn ask(who: &Person, version: u32, days: u16) -> crate::client::Answer {
    who.post(&path(version, "/destruction"), &json!({ "days": days, "reason": "masa simpan habis" }))
}

pub(crate) fn state(world: &World, version: u32) -> Value {
    world.done(&format!("key show {OBJECT} {version} --project {PROJECT}"))["key-version"].clone()
}

fn sealed(ciphertext: &str) -> Value {
    json!({ "object": OBJECT, "ciphertext": ciphertext })
}

#[test]
fn two_persons_schedule_an_end_and_one_takes_it_back() {
    let world = World::new("");
    let absensi = world.absensi();
    let first = absensi.seal(OBJECT, b"satu");
    let (siti, budi) = (member(&world, "siti"), member(&world, "budi"));
    let (admin, opsir) = (Person(world.admin()), person(&world, "opsir", "officer"));
    assert_eq!(ask(&siti, 1, 30).problem(), refusal(409, "wrong-key-state"), "it encrypts");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    assert_eq!(absensi.open(OBJECT, &first), b"satu");

    for (who, code) in [(&admin, 403), (&person(&world, "joko", "user"), 404)] {
        assert_eq!(ask(who, 1, 30).status, code);
    }
    assert_eq!(ask(&opsir, 1, 30).problem(), refusal(403, "forbidden"));
    let operator = ["key", "schedule-destruction", OBJECT, "1", "--project", PROJECT, "--reason", "uji"];
    assert_eq!(world.sandbox.refused(&operator), "forbidden", "nobody asks but by name");
    for days in [6, 91] {
        assert_eq!(ask(&siti, 1, days).problem(), refusal(400, "bad-request"));
    }
    let asked = ask(&siti, 1, 7);
    assert_eq!(asked.status, 201, "{}", asked.text());
    let asked = asked.json();
    assert_eq!(
        [
            &asked["kind"],
            &asked["object"],
            &asked["version"],
            &asked["days"],
            &asked["reason"],
            &asked["state"]
        ],
        [
            &json!("destruction"),
            &json!(OBJECT),
            &json!(1),
            &json!(7),
            &json!("masa simpan habis"),
            &json!("waiting")
        ]
    );
    let id = text(&asked["id"]);
    assert_eq!(ask(&budi, 1, 30).problem(), refusal(409, "already-exists"));
    assert_eq!(state(&world, 1)["version"]["state"], "decrypt_only", "nothing has happened yet");
    assert_eq!(siti.decide(&id, "give").problem(), refusal(403, "forbidden"), "who asked");
    assert_eq!(admin.decide(&id, "give").problem(), refusal(403, "forbidden"));
    let late = member(&world, "telat");
    assert_eq!(late.decide(&id, "give").problem(), refusal(403, "not-a-second-person"));
    let table = String::from_utf8_lossy(&world.sandbox.run(&["approval", "list"]).stdout).into_owned();
    assert!(
        table.contains("destroy a key version") && table.contains(&format!("{PROJECT}/{OBJECT} 1")),
        "{table}"
    );
    what_is_at_stake_is_shown(&world, &id, [&siti, &budi, &opsir], &admin);
    let in_memory = world.status()["data_keys"].as_u64().unwrap();
    let given = budi.decide(&id, "give").ok();
    decided_it_is_shown_to_who_sees_the_object(&given, [&budi, &opsir], &admin);

    let shown = state(&world, 1);
    assert_eq!(
        (&shown["version"]["state"], &shown["next"]),
        (&json!("destroy_scheduled"), &json!(["cancel-destruction"]))
    );
    assert!(shown["version"]["destroy_at"].is_string());
    assert_eq!(world.status()["data_keys"].as_u64(), Some(in_memory - 1), "its key is out of memory");
    assert_eq!(absensi.decrypt(&sealed(&first)).problem(), refusal(409, "key-disabled"));
    for verb in ["/disable", "/enable"] {
        assert_eq!(
            siti.post(&path(1, verb), &json!({ "reason": "uji" })).problem(),
            refusal(409, "wrong-key-state"),
            "{verb}"
        );
    }
    assert_eq!(ask(&siti, 1, 30).problem(), refusal(409, "wrong-key-state"));
    // Nor by a restart, and in its time by nothing.
    let world = world.restart();
    let opsir = Person(world.control(Some("opsir/user")));
    assert_eq!(state(&world, 1)["version"]["state"], "destroy_scheduled");
    let back = opsir.post(&path(1, "/destruction/cancel"), &json!({ "reason": "masih perlu" }));
    assert_eq!(back.ok()["version"]["state"], "decrypt_only");
    assert_eq!(world.absensi().open(OBJECT, &first), b"satu");
    let again = opsir.post(&path(1, "/destruction/cancel"), &json!({ "reason": "uji" }));
    assert_eq!(again.problem(), refusal(409, "wrong-key-state"));
    let acts: Vec<String> = world.trail().iter().map(|entry| text(&entry["act"])).collect();
    for act in ["key.schedule-destruction", "key.schedule", "approval.give", "key.cancel-destruction"] {
        assert!(acts.iter().any(|found| found == act), "{act}");
    }

    // What a member asked ends with its membership.
    let (siti, budi) = (Person(world.control(Some("siti/user"))), Person(world.control(Some("budi/user"))));
    let id = text(&ask(&budi, 1, 7).json()["id"]);
    world.done(&format!("project member remove budi --project {PROJECT}"));
    assert_eq!(opsir.decide(&id, "give").problem(), refusal(409, "approval-ended"));
    assert_eq!(opsir.decide(&id, "refuse").ok()["state"], "refused");
    // An officer is second, too; and what was asked of a version that moved meanwhile is not done.
    let id = text(&ask(&siti, 1, 90).json()["id"]);
    assert_eq!(ask(&siti, 1, 90).problem(), refusal(409, "already-exists"));
    assert_eq!(opsir.decide(&id, "give").ok()["state"], "approved");
    assert_eq!(siti.post(&path(1, "/destruction/cancel"), &json!({ "reason": "uji" })).status, 200);
    // Of a retired object the last version may go as well; in service again, it must not.
    world.done(&format!("object retire {OBJECT} --project {PROJECT}"));
    let id = text(&ask(&siti, 2, 7).json()["id"]);
    world.done(&format!("object reinstate {OBJECT} --project {PROJECT}"));
    assert_eq!(opsir.decide(&id, "give").problem(), refusal(409, "wrong-key-state"));
    assert_eq!(opsir.decide(&id, "refuse").ok()["state"], "refused");
}

/// Who may decide, and who may see the object, is told how much would be lost; an admin, who may neither, is not.
fn what_is_at_stake_is_shown(world: &World, id: &str, who: [&Person; 3], admin: &Person) {
    let path = format!("/v1/approvals/{id}");
    for person in who {
        let shown = person.get(&path).ok();
        assert_eq!(shown["reason"], "masa simpan habis");
        let key = &shown["key"];
        let version = &key["version"];
        assert_eq!((&version["state"], &key["current"]), (&json!("decrypt_only"), &json!(false)));
        assert_eq!(version["algorithm"], "xaes-256-gcm");
        assert_eq!((&version["uses"]["uses"], &version["uses"]["opened"]), (&json!(1), &json!(1)));
        assert!(version["uses"]["last_sealed"].is_string() && version["uses"]["last_opened"].is_string());
        let (at, asked) = (text(&key["destroyed_at"]), text(&shown["asked"]));
        let days = |from: &str| OffsetDateTime::parse(from, &Rfc3339).unwrap().unix_timestamp() / 86_400;
        assert!((7..=8).contains(&(days(&at) - days(&asked))), "{at} {asked}");
        let listed = person.get("/v1/approvals").ok()["items"].clone();
        let listed = listed.as_array().unwrap().iter().find(|one| one["id"] == *id).unwrap().clone();
        assert_eq!(listed["key"]["version"], key["version"]);
    }
    let shown = admin.get(&path).ok();
    assert_eq!((&shown["object"], &shown["key"]), (&json!(OBJECT), &Value::Null));
    for (language, cell, line) in [
        ("en", "decrypt_only, 1 encrypted, 1 decrypted, gone 2", "key state     decrypt_only\n"),
        ("id", "hanya dekripsi, 1 dienkripsi, 1 didekripsi, hilang 2", "keadaan kunci hanya dekripsi\n"),
    ] {
        let said = |verb: &[&str]| {
            let output = world.sandbox.run(&[&["--language", language, "approval"], verb].concat());
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(said(&["list"]).contains(cell), "{}", said(&["list"]));
        assert!(said(&["show", id]).contains(line), "{}", said(&["show", id]));
    }
}

fn decided_it_is_shown_to_who_sees_the_object(given: &Value, who: [&Person; 2], admin: &Person) {
    let (key, path) = (&given["key"], format!("/v1/approvals/{}", given["id"].as_str().unwrap()));
    assert_eq!(
        (&given["state"], &key["version"]["state"]),
        (&json!("approved"), &json!("destroy_scheduled"))
    );
    assert_eq!(key["destroyed_at"], key["version"]["destroy_at"]);
    for person in who {
        assert_eq!(person.get(&path).ok()["key"], *key);
    }
    assert!(admin.get(&path).ok()["key"].is_null());
}

/// Sets when the destruction of the only version that waits for one falls due, as if it had been asked so long ago.
pub(crate) fn make_due(vault: &Vault) -> Vec<u8> {
    let (now, mut doomed) = (vault.now(), None);
    vault.rewrite_all(Table::KeyVersions, |version: &mut KeyVersion| {
        if let Life::DestroyScheduled { doom, .. } = &mut version.life {
            doom.at = now;
            doomed = Some(version.place().row_key());
        }
    });
    doomed.unwrap_or_else(|| panic!("no destruction waits")).to_vec()
}

/// Whether the middle of a stored row, which no other has, lies anywhere in the file.
pub(crate) fn lies_in_file(sandbox: &Sandbox, row: &[u8]) -> bool {
    let middle = &row[32..64];
    let file = fs::read(store_path(sandbox)).unwrap();
    file.windows(middle.len()).any(|bytes| bytes == middle)
}

/// Version 1 of the provisioned object waits to be destroyed.
pub(crate) fn scheduled(world: &World) {
    let (siti, opsir) = (member(world, "siti"), person(world, "opsir", "officer"));
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let id = text(&ask(&siti, 1, 7).json()["id"]);
    assert_eq!(opsir.decide(&id, "give").ok()["state"], "approved");
}

#[test]
fn whoever_asks_and_takes_back_keeps_nobody_from_asking() {
    in_child("key_destruction::whoever_asks_and_takes_back_keeps_nobody_from_asking", |softhsm| {
        let world = World::new("");
        let siti = member(&world, "siti");
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        let id = text(&ask(&siti, 1, 7).json()["id"]);
        siti.decide(&id, "withdraw").ok();
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        // As if it had been done as often as there is room for.
        let vault = Vault::open(&sandbox, softhsm);
        let (_, row) = vault
            .store
            .scan(Table::Approvals, Scan { prefix: b"", after: None, limit: 1 })
            .unwrap()
            .remove(0);
        let taken_back: Approval = cbor::decode(&row.unwrap().value).unwrap();
        let audit = AuditRecord::new(Timestamp::from_seconds(1), Actor::System, "test.stuff");
        let batch = Batch::new(1).record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit));
        let batch = (1..u128::try_from(APPROVALS_KEPT_MAX).unwrap()).fold(batch, |batch, number| {
            let id = ApprovalId::from_bytes(number.to_be_bytes());
            batch.put(Table::Approvals, id.as_bytes(), cbor::encode(&Approval { id, ..taken_back.clone() }))
        });
        vault.store.commit(batch).unwrap();
        let kept = || {
            let range = Scan { prefix: b"", after: None, limit: 2 * APPROVALS_KEPT_MAX };
            vault.store.scan(Table::Approvals, range).unwrap().len()
        };
        assert_eq!(kept(), APPROVALS_KEPT_MAX);
        drop(vault);
        let world = World { daemon: sandbox.resume(), sandbox };
        let siti = Person(world.control(Some("siti/user")));
        let asked = ask(&siti, 1, 7);
        assert_eq!(asked.status, 201, "{}", asked.text());
        assert_eq!(ask(&siti, 1, 7).problem(), refusal(409, "already-exists"), "it waits");
    });
}

#[test]
fn when_its_time_is_over_nothing_is_left_of_the_key() {
    in_child("key_destruction::when_its_time_is_over_nothing_is_left_of_the_key", |softhsm| {
        let world = World::new("");
        let first = world.absensi().seal(OBJECT, b"satu");
        scheduled(&world);
        let second = world.absensi().seal(OBJECT, b"dua");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let key_id = {
            let scan = Scan { prefix: b"", after: None, limit: 1 };
            vault.store.scan(Table::KeyVersions, scan).unwrap()[0].0.clone()
        };
        drop(vault);
        let before = stored(&sandbox, Table::KeyVersions, &key_id);
        let vault = Vault::open(&sandbox, softhsm);
        let row_key = make_due(&vault);
        assert_eq!(row_key, key_id);
        drop(vault);
        let due = stored(&sandbox, Table::KeyVersions, &row_key);
        assert!(lies_in_file(&sandbox, &due), "the test looks for what is there");

        let world = World { daemon: sandbox.resume(), sandbox };
        world.daemon.wait_until("it is destroyed", || state(&world, 1)["version"]["state"] == "destroyed");
        world.daemon.wait_until("the file was written anew", || {
            world.daemon.said("the store's file was written anew").count() == 1
        });
        let absensi = world.absensi();
        assert_eq!(absensi.decrypt(&sealed(&first)).problem(), refusal(410, "key-destroyed"));
        assert_eq!(absensi.open(OBJECT, &second), b"dua");
        let shown = state(&world, 1);
        assert!(shown["destroyed"].is_string() && shown["unrecoverable"].is_null(), "{shown}");
        assert_eq!(
            shown["stands_against"],
            json!([{ "what": "kek-version", "number": 1 }, { "what": "master-key-generation", "number": 1 }])
        );
        assert_eq!(shown["next"], json!([]));
        let world = world.restart();
        assert_eq!(world.absensi().decrypt(&sealed(&first)).problem(), refusal(410, "key-destroyed"));
        assert_eq!(world.absensi().open(OBJECT, &second), b"dua");
        let acts: Vec<String> = world.trail().iter().map(|entry| text(&entry["act"])).collect();
        for act in ["key.destroy", "store.rewrite"] {
            assert_eq!(acts.iter().filter(|found| *found == act).count(), 1, "{act}");
        }
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        assert!(!lies_in_file(&sandbox, &before) && !lies_in_file(&sandbox, &due));
        for left in ["redb-old", "redb-new"] {
            assert!(!store_path(&sandbox).with_extension(left).exists(), "{left}");
        }
        let gone = stored(&sandbox, Table::KeyVersions, &row_key);
        assert!(lies_in_file(&sandbox, &gone), "what is left is a row");
        // And it says so without a key.
        let vault = Vault::open(&sandbox, softhsm);
        let row = vault.store.get(Table::KeyVersions, &row_key).unwrap().unwrap();
        let version: KeyVersion = cbor::decode(&row.value).unwrap();
        assert!(version.life.wrapped().is_none() && version.life.gone().is_some());
    });
}

#[test]
fn when_nothing_stands_against_it_any_more_the_second_date_is_written() {
    in_child(
        "key_destruction::when_nothing_stands_against_it_any_more_the_second_date_is_written",
        |softhsm| {
            let world = World::new("");
            scheduled(&world);
            let row_key = behind(&world.sandbox, world.daemon, softhsm, make_due);
            let world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };
            let rewritten = |world: &World| {
                world.daemon.wait_until("the file was written anew", || {
                    world.daemon.said("the store's file was written anew").count() == 1
                });
            };
            rewritten(&world);
            // As it will be once the MK generation that wrapped it is destroyed: only the KEK stands still.
            behind(&world.sandbox, world.daemon, softhsm, |vault| {
                vault.rewrite::<KeyVersion>(Table::KeyVersions, &row_key, |version| {
                    version.life.gone_mut().unwrap().master_key = 0;
                });
            });
            let world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };
            let shown = state(&world, 1);
            assert_eq!(shown["stands_against"], json!([{ "what": "kek-version", "number": 1 }]), "{shown}");
            assert!(shown["unrecoverable"].is_null(), "{shown}");
            world.done(&format!("project rotate-kek {PROJECT}"));
            rewritten(&world);
            let destroyed = state(&world, 1)["destroyed"].clone();
            // A damaged file of before is as good as a copy, for as long as it lies there.
            let kept = store_path(&world.sandbox).with_extension("redb-damaged");
            std::fs::write(&kept, b"damaged").unwrap();
            let world = world.restart();
            world
                .daemon
                .wait_until("every key was looked at", || world.status()["destructions"]["whole"] == true);
            let shown = state(&world, 1);
            assert_eq!(shown["stands_against"], json!([{ "what": "kept-file", "number": null }]), "{shown}");
            assert!(shown["unrecoverable"].is_null(), "{shown}");
            assert_eq!(world.status()["kept_file"].as_str(), kept.to_str());
            assert_eq!(world.admin().get("/health/state").ok()["kept_file"].as_str(), kept.to_str());
            for (language, sentence) in [("en", "then take it away"), ("id", "lalu singkirkan")] {
                let said = world.sandbox.run(&["status", "--language", language]).stdout;
                assert!(String::from_utf8(said).unwrap().contains(sentence), "{language}");
            }
            std::fs::remove_file(&kept).unwrap();
            assert_eq!(
                (&state(&world, 1)["stands_against"], &world.status()["kept_file"]),
                (&json!([]), &Value::Null)
            );
            let world = world.restart();
            world
                .daemon
                .wait_until("nobody can have it any more", || state(&world, 1)["unrecoverable"].is_string());
            let shown = state(&world, 1);
            assert_eq!((&shown["stands_against"], &shown["destroyed"]), (&json!([]), &destroyed), "{shown}");
            assert!(shown["unrecoverable"].as_str() > destroyed.as_str());
            let noted = world.done("audit list --act key.unrecoverable")["audit"]["entries"].clone();
            assert_eq!(noted.as_array().unwrap().len(), 1, "{noted}");
        },
    );
}

/// Stops a daemon, and does something behind its back.
pub(crate) fn behind<T>(
    sandbox: &Sandbox,
    daemon: Daemon,
    softhsm: &SoftHsm,
    act: impl FnOnce(&Vault) -> T,
) -> T {
    assert!(daemon.stop().success());
    act(&Vault::open(sandbox, softhsm))
}
