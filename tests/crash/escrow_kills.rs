//! Killed while new keys go into the escrow log: what was acknowledged opens, what waits becomes active, and the log is whole or
//! mended.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::desk::{Desk, done};
use crate::phase::Dice;
use crate::support::daemon::{OBJECT, PROJECT, Sandbox};
use crate::tell;

const KILLS: usize = 8;

fn versions(sandbox: &Sandbox) -> Vec<String> {
    let shown = sandbox.done(&["object", "show", OBJECT, "--project", PROJECT]);
    let versions: &Vec<Value> = shown["object"]["versions"].as_array().unwrap();
    versions.iter().map(|version| version["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_daemon_killed_while_keys_go_into_the_escrow_log_loses_none() {
    let mut dice = Dice::new();
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("other")).unwrap();
    sandbox.configure("[store]\nescrow_path = \"other/escrow.log\"\n");
    let mut desk = Desk::new(sandbox, Sandbox::start);
    assert_eq!((desk.seal(), desk.open()), (done(), done()));
    let mut waited = 0;
    for _ in 0..KILLS {
        let mut verb =
            desk.sandbox.command(&["key", "rotate", OBJECT, "--project", PROJECT]).spawn().unwrap();
        sleep(Duration::from_millis(dice.below(60)));
        desk.daemon.signal(Signal::KILL);
        verb.wait().unwrap();
        desk.daemon.wait();
        desk.restart();
        waited += usize::from(versions(&desk.sandbox).iter().any(|state| state == "pre_active"));
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
    tell(format_args!("{KILLS} kills, {made} new keys, {waited} waited after the start"));
    let check = desk.sandbox.run(&["escrow", "check", "other/escrow.log"]);
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(made > 0 && said.contains("is sound"), "{said}");
}
