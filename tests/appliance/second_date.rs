//! Since when nobody can have a destroyed key any more: what others destroy does not keep that from being known, and neither does
//! the end of its object and its project.

use gembok::domain::actor::Actor;
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::object::Object;
use gembok::domain::timestamp::Timestamp;
use gembok::store::{Batch, Scan, Table};
use serde_json::{Value, json};

use crate::key_destruction::{behind, make_due, scheduled, state};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::Vault;
use crate::world::World;

fn acts(world: &World, act: &str) -> Vec<Value> {
    world.trail().into_iter().filter(|entry| entry["act"] == act).collect()
}

/// With a destroyed version 1 that is out of the file.
fn destroyed(softhsm: &SoftHsm) -> (World, Vec<u8>) {
    let World { sandbox, daemon } = World::new("");
    let world = World { sandbox, daemon };
    scheduled(&world);
    let row_key = behind(&world.sandbox, world.daemon, softhsm, make_due);
    let world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };
    world.daemon.wait_until("the file was written anew", || acts(&world, "store.rewrite").len() == 1);
    (world, row_key)
}

fn standing(world: &World) -> Value {
    state(world, 1)["stands_against"].clone()
}

fn end_another_project(world: &World, name: &str) {
    for verb in ["create", "retire", "delete"] {
        world.done(&format!("project {verb} {name}"));
    }
}

#[test]
fn the_file_stands_against_it_for_what_is_its_own_and_no_longer() {
    in_child("second_date::the_file_stands_against_it_for_what_is_its_own_and_no_longer", |softhsm| {
        let (world, _) = destroyed(softhsm);
        let [kek, master_key, file] = [
            json!({ "what": "kek-version", "number": 1 }),
            json!({ "what": "master-key-generation", "number": 1 }),
            json!({ "what": "file" }),
        ];
        let named = |what: &[&Value]| {
            let standing = standing(&world);
            let found = standing.as_array().unwrap().iter().map(|one| {
                let mut one = one.clone();
                if one["number"].is_null() {
                    one.as_object_mut().unwrap().remove("number");
                }
                one
            });
            assert_eq!(found.collect::<Vec<_>>(), what.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
        };
        named(&[&kek, &master_key]);
        // It rests now; somebody else's keys lie in the file meanwhile.
        end_another_project(&world, "gudang");
        named(&[&kek, &master_key]);
        world.done(&format!("project rotate-kek {PROJECT}"));
        world.daemon.wait_until("the KEK is destroyed", || !acts(&world, "kek.destroy").is_empty());
        assert_eq!(acts(&world, "store.rewrite").len(), 1, "it rests still");
        named(&[&master_key, &file]);
        let world = world.restart();
        world.daemon.wait_until("the file was written anew", || acts(&world, "store.rewrite").len() == 2);
        assert_eq!(standing(&world), json!([master_key]));
    });
}

/// As it will be once the MK generation is destroyed; and the object could be deleted, because it is retired for long.
fn later(vault: &Vault, row_key: &[u8]) {
    let now = Timestamp::from_micros(vault.store.head().time_us);
    let row = vault.store.get(Table::KeyVersions, row_key).unwrap().unwrap();
    let mut version: KeyVersion = cbor::decode(&row.value).unwrap();
    version.life.gone_mut().unwrap().master_key = 0;
    let range = Scan { prefix: b"", after: None, limit: 1 };
    let (object_key, row) = vault.store.scan(Table::Objects, range).unwrap().remove(0);
    let object: Object = cbor::decode(&row.unwrap().value).unwrap();
    let object = Object { retired: Some(Timestamp::from_seconds(1)), ..object };
    let audit = cbor::encode(&AuditRecord::new(now, Actor::System, "test.later"));
    let batch = Batch::new(now.micros()).put(Table::KeyVersions, row_key, cbor::encode(&version)).put(
        Table::Objects,
        &object_key,
        cbor::encode(&object),
    );
    vault.store.commit(batch.record(audit_record::KIND, audit_record::VERSION, &audit)).unwrap();
}

/// What is left of the version's row, and that it has no key; starts it again.
fn left(world: World, softhsm: &SoftHsm, row_key: &[u8]) -> (World, Option<KeyVersion>) {
    let World { sandbox, daemon } = world;
    let row =
        behind(&sandbox, daemon, softhsm, |vault| vault.store.get(Table::KeyVersions, row_key).unwrap());
    let version = row.map(|row| cbor::decode::<KeyVersion>(&row.value).unwrap());
    assert!(version.as_ref().is_none_or(|version| version.life.wrapped().is_none()));
    (World { daemon: sandbox.resume(), sandbox }, version)
}

fn noted(world: &World) -> usize {
    acts(world, "key.unrecoverable").len()
}

#[test]
fn it_is_told_of_a_key_whose_object_was_deleted() {
    in_child("second_date::it_is_told_of_a_key_whose_object_was_deleted", |softhsm| {
        let (World { sandbox, daemon }, row_key) = destroyed(softhsm);
        behind(&sandbox, daemon, softhsm, |vault| later(vault, &row_key));
        let world = World { daemon: sandbox.resume(), sandbox };
        world.done(&format!("object delete {OBJECT} --project {PROJECT}"));
        assert_eq!(acts(&world, "object.delete")[0]["details"]["recoverable"], "1");
        // The KEK stands, and who looks for what falls due does so at each start.
        let (world, version) = left(world, softhsm, &row_key);
        assert!(version.unwrap().life.gone().unwrap().orphan_of.is_some());
        assert_eq!(noted(&world), 0);
        // With its project the KEK goes; then the file is written without it.
        world.done(&format!("endpoint delete absensi --project {PROJECT}"));
        world.done(&format!("project retire {PROJECT}"));
        world.done(&format!("project delete {PROJECT}"));
        let before = acts(&world, "store.rewrite").len();
        let world = world.restart();
        world.daemon.wait_until("the file was written anew", || acts(&world, "store.rewrite").len() > before);
        end_another_project(&world, "gudang");
        let (world, _) = left(world, softhsm, &row_key);
        world.daemon.wait_until("nobody can have it any more", || noted(&world) == 1);
        let (world, version) = left(world, softhsm, &row_key);
        assert_eq!((version, noted(&world)), (None, 1), "the record is what is left");
        let object = |act: &str, detail: &str| acts(&world, act)[0]["details"][detail].clone();
        assert_eq!(object("key.unrecoverable", "object"), object("object.delete", "id"));
    });
}
