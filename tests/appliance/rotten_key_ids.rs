//! The rows that tell whose a key id is rot: what falls due of the keys comes about all the same.

use gembok::domain::key_version::KeyVersion;
use gembok::store::Table;

use crate::key_destruction::{behind, make_due, scheduled, state};
use crate::key_turns::age;
use crate::rotten_rows::rot;
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::{Vault, row_keys};
use crate::world::World;

/// Stops it, does something behind its back, lets every such row rot, and starts it again over what an operator accepts.
fn rotten<T>(world: World, softhsm: &SoftHsm, act: impl FnOnce(&Vault) -> T) -> World {
    let World { sandbox, daemon } = world;
    behind(&sandbox, daemon, softhsm, act);
    let keys = row_keys(&sandbox, Table::KeyIds);
    assert!(!keys.is_empty());
    for key in &keys {
        rot(&sandbox, Table::KeyIds, key);
    }
    let daemon = sandbox.start();
    daemon.wait_until("it finds the damage", || daemon.said("still locked").next().is_some());
    let world = World { sandbox, daemon };
    world.done("unlock --accept-damage");
    world
}

#[test]
fn a_key_is_rotated_and_another_destroyed() {
    in_child("rotten_key_ids::a_key_is_rotated_and_another_destroyed", |softhsm| {
        let world = World::new("");
        scheduled(&world);
        let world = rotten(world, softhsm, |vault| {
            vault.rewrite_all(Table::KeyVersions, age);
            make_due(vault)
        });
        world.daemon.wait_until("it is destroyed", || state(&world, 1)["version"]["state"] == "destroyed");
        let object = world.done(&format!("object show {OBJECT} --project {PROJECT}"));
        let id = &object["object"]["object"]["id"];
        world.daemon.wait_until("it is rotated", || {
            let object = world.done(&format!("object show {OBJECT} --project {PROJECT}"));
            // Not the third: an epoch leaves a gap.
            object["object"]["object"]["current_version"].as_u64().unwrap() > 2
        });
        let destroyed = world.done(&format!("audit list --act key.destroy --project {PROJECT}"));
        let destroyed = &destroyed["audit"]["entries"];
        assert_eq!(destroyed[0]["details"]["object"], *id, "{destroyed}");
    });
}

#[test]
fn the_second_date_of_an_end_is_written() {
    in_child("rotten_key_ids::the_second_date_of_an_end_is_written", |softhsm| {
        let world = World::new("");
        scheduled(&world);
        behind(&world.sandbox, world.daemon, softhsm, make_due);
        let world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };
        let rewritten = |world: &World| {
            world.daemon.wait_until("the file was written anew", || {
                world.daemon.said("the store's file was written anew").next().is_some()
            });
        };
        rewritten(&world);
        // As it will be once the MK generation that wrapped it is destroyed.
        let world = rotten(world, softhsm, |vault| {
            vault.rewrite_all(Table::KeyVersions, |version: &mut KeyVersion| {
                if let Some(gone) = version.life.gone_mut() {
                    gone.master_key = 0;
                }
            });
        });
        assert!(state(&world, 1)["unrecoverable"].is_null(), "its KEK stands");
        world.done(&format!("project rotate-kek {PROJECT}"));
        rewritten(&world);
        let world = world.restart();
        world
            .daemon
            .wait_until("nobody can have it any more", || state(&world, 1)["unrecoverable"].is_string());
    });
}
