//! Killed while new keys go into the escrow log: what was acknowledged opens, whatever may have sealed lies in the log, what waits becomes
//! active, and the log is whole or mended.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use gembok::appliance::read_escrow;
use gembok::domain::cbor;
use gembok::domain::key_life::KeyState;
use gembok::domain::key_version::KeyVersion;
use gembok::store::{Scan, Table};
use rustix::process::Signal;
use serde_json::Value;

use crate::desk::{Desk, done};
use crate::phase::Dice;
use crate::support::daemon::{OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::tell;
use crate::vault::Vault;

const KILLS: usize = 8;

fn versions(sandbox: &Sandbox) -> Vec<String> {
    let shown = sandbox.done(&["object", "show", OBJECT, "--project", PROJECT]);
    let versions: &Vec<Value> = shown["object"]["versions"].as_array().unwrap();
    versions.iter().map(|version| version["state"].as_str().unwrap().to_owned()).collect()
}

/// What a kill left behind: whoever may have sealed is in the log. Whether any waits.
fn every_key_that_seals_is_in_the_log(sandbox: &Sandbox, softhsm: &SoftHsm, log: &str) -> bool {
    let mut logged = BTreeSet::new();
    let read = read_escrow(fs::File::open(sandbox.path(log)).unwrap(), |entry| {
        if entry.table == Table::KeyVersions.number() {
            logged.insert(entry.key.to_vec());
        }
        Ok(())
    });
    // An entry that was cut off is none; nothing else is wrong with it.
    assert_eq!(read.unwrap_or_else(|stop| panic!("{stop}")).broken, None);
    let vault = Vault::open(sandbox, softhsm);
    let rows = vault.store.scan(Table::KeyVersions, Scan { prefix: b"", after: None, limit: 100 }).unwrap();
    let mut waits = false;
    for (row_key, row) in rows {
        let version: KeyVersion = cbor::decode(&row.unwrap().value).unwrap();
        if version.life.state() == KeyState::PreActive {
            waits = true;
        } else {
            assert!(logged.contains(&row_key), "version {} {:?}", version.version, version.life.state());
        }
    }
    waits
}

#[test]
fn a_daemon_killed_while_keys_go_into_the_escrow_log_loses_none() {
    in_child("escrow_kills::a_daemon_killed_while_keys_go_into_the_escrow_log_loses_none", |softhsm| {
        let mut dice = Dice::new();
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("other")).unwrap();
        sandbox.configure("[store]\nescrow_path = \"other/escrow.log\"\n");
        let mut desk = Desk::new(sandbox, Sandbox::start);
        desk.daemon.wait_until("the first key seals", || versions(&desk.sandbox) == ["active"]);
        assert_eq!((desk.seal(), desk.open()), (done(), done()));
        let (other, away) = (desk.sandbox.path("other"), desk.sandbox.path("away"));
        let mut waited = 0;
        for round in 0..KILLS {
            // Once it is certain that the new key waits.
            let is_away = round == KILLS / 2;
            if is_away {
                fs::rename(&other, &away).unwrap();
            }
            let mut verb =
                desk.sandbox.command(&["key", "rotate", OBJECT, "--project", PROJECT]).spawn().unwrap();
            if is_away {
                assert!(verb.wait().unwrap().success());
            } else {
                sleep(Duration::from_millis(dice.below(60)));
            }
            desk.daemon.signal(Signal::KILL);
            verb.wait().unwrap();
            desk.daemon.wait();
            let log = if is_away { "away/escrow.log" } else { "other/escrow.log" };
            let waits = every_key_that_seals_is_in_the_log(&desk.sandbox, softhsm, log);
            assert!(waits || !is_away);
            waited += usize::from(waits);
            if is_away {
                fs::rename(&away, &other).unwrap();
            }
            desk.restart();
            assert_eq!((desk.seal(), desk.open()), (done(), done()));
            desk.daemon.wait_until("nothing waits any more", || {
                desk.sandbox.done(&["status"])["status"]["keys"]["escrow"]["waiting"] == 0
            });
            let states = versions(&desk.sandbox);
            assert_eq!(states.last().unwrap(), "active");
            assert!(states[..states.len() - 1].iter().all(|state| state == "decrypt_only"), "{states:?}");
            assert!(desk.sandbox.run(&["escrow", "check", "other/escrow.log"]).status.success());
            desk.nothing_is_lost();
        }
        let made = versions(&desk.sandbox).len() - 1;
        tell(format_args!("{KILLS} kills, {made} new keys, {waited} of them waited when it was killed"));
        let check = desk.sandbox.run(&["escrow", "check", "other/escrow.log"]);
        let said = String::from_utf8(check.stdout).unwrap();
        assert!(made > 0 && waited > 0 && said.contains("is sound"), "{said}");
    });
}
