//! What is destroyed is gone from the store's file: of a KEK version, of a generation of the store key, of an index root and of a
//! deleted project nothing is left that was there before, once for all of them and not once for each.

use std::fs;

use gembok::store::Table;
use serde_json::{Value, json};

use crate::index::{INDEXED, NIK, index, world as indexed};
use crate::key_destruction::lies_in_file;
use crate::stuffed::stuff;
use crate::support::daemon::{PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::{Vault, row_keys, store_path, stored};
use crate::world::World;

/// So many that wrapping and sealing them anew takes seconds.
const KEYS: u32 = 6_000;

/// Lets a daemon go on and does `work`, waits until the file was written anew, and stops it.
fn written_anew(sandbox: Sandbox, work: impl FnOnce(&World)) -> (Sandbox, Vec<Value>) {
    let world = World { daemon: sandbox.resume(), sandbox };
    work(&world);
    world.daemon.wait_until("the file was written anew", || {
        world.daemon.said("the store's file was written anew").count() > 0
    });
    world.daemon.wait_until("that is recorded", || acts(&world, "store.rewrite").len() == 1);
    let trail = world.trail();
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    assert!(!store_path(&sandbox).with_extension("redb-old").exists());
    (sandbox, trail)
}

fn acts(world: &World, act: &str) -> Vec<Value> {
    world.trail().into_iter().filter(|entry| entry["act"] == act).collect()
}

/// The rows of a table as they lie.
fn rows(sandbox: &Sandbox, table: Table) -> Vec<Vec<u8>> {
    row_keys(sandbox, table).iter().map(|row_key| stored(sandbox, table, row_key)).collect()
}

/// The store keys as they are wrapped in the boot row, which is in clear.
fn store_keys(sandbox: &Sandbox, softhsm: &SoftHsm) -> Vec<Vec<u8>> {
    let boot = Vault::open(sandbox, softhsm).store.boot().unwrap();
    boot.store_keys.into_iter().map(|key| key.wrapped).collect()
}

fn has(sandbox: &Sandbox, bytes: &[u8]) -> bool {
    fs::read(store_path(sandbox)).unwrap().windows(bytes.len()).any(|found| found == bytes)
}

fn stopped(world: World) -> Sandbox {
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    sandbox
}

/// Numbers of the records of an act.
fn sequences(trail: &[Value], act: &str) -> Vec<u64> {
    let found = trail.iter().filter(|entry| entry["act"] == act);
    found.map(|entry| entry["sequence"].as_u64().unwrap()).collect()
}

#[test]
fn of_a_destroyed_kek_nothing_is_left() {
    let world = World::new("");
    let sealed = world.absensi().seal("karyawan", b"lama");
    let sandbox = stopped(world);
    let before = [rows(&sandbox, Table::Keks), rows(&sandbox, Table::KeyVersions)].concat();
    assert!(before.len() == 2 && before.iter().all(|row| lies_in_file(&sandbox, row)));
    let (sandbox, trail) = written_anew(sandbox, |world| {
        world.done(&format!("project rotate-kek {PROJECT}"));
    });
    // Its row, and that of the data key that it wrapped.
    assert!(before.iter().all(|row| !lies_in_file(&sandbox, row)));
    let now = rows(&sandbox, Table::Keks);
    assert!(now.len() == 2 && now.iter().all(|row| lies_in_file(&sandbox, row)));
    assert!(sequences(&trail, "kek.destroy") < sequences(&trail, "store.rewrite"));
    let world = World { daemon: sandbox.resume(), sandbox };
    assert_eq!(world.absensi().open("karyawan", &sealed), b"lama");
}

#[test]
fn of_a_destroyed_store_key_nothing_is_left() {
    in_child("file_debt::of_a_destroyed_store_key_nothing_is_left", |softhsm| {
        let world = World::new("");
        let sealed = world.absensi().seal("karyawan", b"lama");
        let sandbox = stopped(world);
        let before = store_keys(&sandbox, softhsm).remove(0);
        let users = rows(&sandbox, Table::Users);
        assert!(has(&sandbox, &before) && users.iter().all(|row| lies_in_file(&sandbox, row)));
        let (sandbox, trail) = written_anew(sandbox, |world| {
            world.done("store-key rotate");
        });
        // Nor anything that it sealed.
        assert!(!has(&sandbox, &before) && users.iter().all(|row| !lies_in_file(&sandbox, row)));
        let now = store_keys(&sandbox, softhsm);
        assert!(now.len() == 1 && has(&sandbox, &now[0]));
        assert!(sequences(&trail, "store-key.destroy") < sequences(&trail, "store.rewrite"));
        let world = World { daemon: sandbox.resume(), sandbox };
        assert_eq!(world.absensi().open("karyawan", &sealed), b"lama");
        assert!(world.sandbox.run(&["audit", "check"]).status.success());
    });
}

#[test]
fn of_an_index_root_that_was_taken_out_nothing_is_left() {
    let world = indexed("");
    let old = index(&world.absensi(), "nik", NIK);
    let sandbox = stopped(world);
    let before = rows(&sandbox, Table::IndexRoots);
    assert!(before.iter().all(|row| lies_in_file(&sandbox, row)));
    let (sandbox, trail) = written_anew(sandbox, |world| {
        for step in ["rotate-root", "finish-rotation"] {
            world.done(&format!("index {step} {INDEXED} --project {PROJECT}"));
        }
    });
    let now = rows(&sandbox, Table::IndexRoots);
    assert!(now.iter().all(|row| lies_in_file(&sandbox, row)));
    let mut gone = before.iter().filter(|row| !now.contains(row));
    assert!(gone.clone().count() == 1 && gone.all(|row| !lies_in_file(&sandbox, row)));
    assert!(sequences(&trail, "index.finish-rotation") < sequences(&trail, "store.rewrite"));
    let world = World { daemon: sandbox.resume(), sandbox };
    assert_ne!(index(&world.absensi(), "nik", NIK), old);
}

#[test]
fn of_a_deleted_project_no_kek_is_left() {
    let world = World::new("");
    world.done("project create gudang");
    let sandbox = stopped(world);
    let before = rows(&sandbox, Table::Keks);
    let (sandbox, _) = written_anew(sandbox, |world| {
        world.done("project retire gudang");
        world.done("project delete gudang");
    });
    let left = before.iter().filter(|row| lies_in_file(&sandbox, row)).count();
    assert_eq!((before.len(), left), (2, 1), "only the other's");
}

#[test]
fn what_ends_together_goes_together() {
    in_child("file_debt::what_ends_together_goes_together", |softhsm| {
        let world = indexed("");
        world.done(&format!("object create gudang --project {PROJECT}"));
        let sandbox = stopped(world);
        stuff(&sandbox, softhsm, "gudang", KEYS);
        let before = [rows(&sandbox, Table::Keks), rows(&sandbox, Table::IndexRoots)].concat();
        let store_key = store_keys(&sandbox, softhsm).remove(0);
        assert_eq!((before.len(), before.iter().filter(|row| lies_in_file(&sandbox, row)).count()), (4, 4));
        let (sandbox, trail) = written_anew(sandbox, |world| {
            world.done(&format!("project rotate-kek {PROJECT}"));
            world.done("store-key rotate");
            for step in ["rotate-root", "finish-rotation"] {
                world.done(&format!("index {step} {INDEXED} --project {PROJECT}"));
            }
            assert!(acts(world, "kek.destroy").is_empty(), "the root was taken out first");
        });
        assert!(before.iter().all(|row| !lies_in_file(&sandbox, row)) && !has(&sandbox, &store_key));
        let rewritten = sequences(&trail, "store.rewrite");
        assert_eq!(rewritten.len(), 1);
        for act in ["index.finish-rotation", "kek.destroy", "store-key.destroy"] {
            let done = sequences(&trail, act);
            assert!(done.len() == 1 && done < rewritten, "{act}");
        }
        let since = trail.iter().find(|entry| entry["act"] == "store.rewrite").unwrap();
        assert_ne!(since["details"]["since"], json!(null));
    });
}
