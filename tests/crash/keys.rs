//! Killed while keys are destroyed, rotated by themselves, and the file is written anew: whatever was begun is ended by the next
//! start, once and not twice, and nothing of a destroyed key is left.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gembok::domain::key_life::KeyState;
use gembok::domain::key_move::Because;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::timestamp::Timestamp;
use gembok::store::Table;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::phase::Dice;
use crate::support::daemon::{Daemon, ENDPOINT, PROJECT, Sandbox};
use crate::support::softhsm::in_child;
use crate::tell;
use crate::vault::{Vault, store_path, stored};

/// Objects of each kind in a round.
const OBJECTS: usize = 6;
const ROUNDS: usize = 4;
/// What the daemon says just before, or after, what is to be interrupted.
const LINES: [&str; 4] = [
    "a key was destroyed",
    "a key was rotated",
    "the store's file is written anew without a destroyed key",
    "\"state\":\"operational\"",
];

fn words(sandbox: &Sandbox, words: &str) -> Value {
    sandbox.done(&words.split(' ').collect::<Vec<_>>())
}

fn ask(sandbox: &Sandbox, daemon: &Daemon, operation: &str, item: &Value) -> (u16, Value) {
    sandbox.post(daemon, &format!("/v1/endpoints/{ENDPOINT}/{operation}"), item).unwrap()
}

/// Objects whose first version is to be destroyed, or is due to be replaced, each with an envelope of it.
fn lay_out(sandbox: &Sandbox, daemon: &Daemon, round: usize) -> Vec<(String, Value)> {
    let kinds = [("habis", "xaes-256-gcm"), ("tua", "xaes-256-gcm"), ("aus", "aes-256-gcm")];
    let mut sealed = Vec::new();
    for (kind, algorithm) in kinds {
        for number in 0..OBJECTS {
            let name = format!("{kind}-{round}-{number}");
            words(sandbox, &format!("object create {name} --project {PROJECT} --algorithm {algorithm}"));
            words(
                sandbox,
                &format!(
                    "grant create encrypt decrypt --project {PROJECT} --endpoint {ENDPOINT} --object {name}"
                ),
            );
            let item = json!({ "object": name, "plaintext": "QnVkaQ==" });
            let (status, answer) = ask(sandbox, daemon, "encrypt", &item);
            assert_eq!(status, 200, "{answer}");
            if kind == "habis" {
                words(sandbox, &format!("key rotate {name} --project {PROJECT}"));
            }
            sealed.push((name, answer["ciphertext"].clone()));
        }
    }
    sealed
}

/// What the row of a version will be when its time has come.
fn due(version: KeyVersion, now: Timestamp) -> Option<KeyVersion> {
    let year = 366 * 86_400;
    match version.life.state() {
        // Scheduled a week ago.
        KeyState::DecryptOnly if version.algorithm.id() == 1 && version.moves.as_ref()?.len() == 2 => {
            version.schedule(now, true, Because::system(now, "")).ok()
        }
        KeyState::Active if version.version == 1 && version.algorithm.is_leased() => {
            Some(KeyVersion { uses_reserved: 1 << 31, ..version })
        }
        KeyState::Active if version.version == 1 => {
            Some(KeyVersion { created: Timestamp::from_seconds(version.created.seconds() - year), ..version })
        }
        _ => None,
    }
}

/// The rows of those that are to be destroyed, as they lie then.
fn make_due(vault: &Vault, known: &mut Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (now, mut doomed) = (vault.now(), Vec::new());
    vault.rewrite_all(Table::KeyVersions, |version: &mut KeyVersion| {
        let row_key = version.place().row_key().to_vec();
        if known.contains(&row_key) {
            return;
        }
        known.push(row_key.clone());
        let Some(due) = due(version.clone(), now) else { return };
        doomed.extend(due.life.doom().is_some().then_some(row_key));
        *version = due;
    });
    doomed
}

/// Starts a daemon, waits until it says `line`, and kills it a little later. Whether it came so far.
fn kill_at(sandbox: &Sandbox, line: &str, dice: &mut Dice) -> bool {
    let mut daemon = sandbox.spawn();
    let start = Instant::now();
    let came = loop {
        if daemon.log().contains(line) {
            break true;
        }
        if start.elapsed() > Duration::from_secs(20) {
            break false;
        }
        sleep(Duration::from_millis(1));
    };
    sleep(Duration::from_micros(dice.below(25_000)));
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
    came
}

fn version(sandbox: &Sandbox, object: &str, number: u32) -> Value {
    words(sandbox, &format!("key show {object} {number} --project {PROJECT}"))["key-version"].clone()
}

#[test]
fn what_was_begun_with_keys_is_ended_once_and_leaves_nothing() {
    in_child("keys::what_was_begun_with_keys_is_ended_once_and_leaves_nothing", |softhsm| {
        let sandbox = Sandbox::new();
        sandbox.configure("");
        let mut daemon = sandbox.start();
        sandbox.provision();
        let mut dice = Dice::new();
        let (mut known, mut in_time) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let sealed = lay_out(&sandbox, &daemon, round);
            assert!(daemon.stop().success());
            let vault = Vault::open(&sandbox, softhsm);
            let doomed = make_due(&vault, &mut known);
            drop(vault);
            assert_eq!(doomed.len(), OBJECTS);
            let rows: Vec<Vec<u8>> =
                doomed.iter().map(|row_key| stored(&sandbox, Table::KeyVersions, row_key)).collect();
            for line in [LINES[round % LINES.len()], LINES[(round + 2) % LINES.len()]] {
                in_time += usize::from(kill_at(&sandbox, line, &mut dice));
            }
            daemon = sandbox.resume();
            let standing = |state: &str, kind: &str, number: u32| {
                let of_kind = sealed.iter().filter(|(name, _)| name.starts_with(kind));
                of_kind
                    .filter(|(name, _)| version(&sandbox, name, number)["version"]["state"] == state)
                    .count()
            };
            daemon.wait_until("all are destroyed", || standing("destroyed", "habis", 1) == OBJECTS);
            daemon.wait_until("all are rotated", || {
                standing("decrypt_only", "tua", 1) == OBJECTS && standing("decrypt_only", "aus", 1) == OBJECTS
            });
            for (name, ciphertext) in &sealed {
                let (status, answer) =
                    ask(&sandbox, &daemon, "decrypt", &json!({ "object": name, "ciphertext": ciphertext }));
                let expected = if name.starts_with("habis") { 410 } else { 200 };
                assert_eq!(status, expected, "{name}: {answer}");
                let (status, answer) =
                    ask(&sandbox, &daemon, "encrypt", &json!({ "object": name, "plaintext": "" }));
                assert_eq!(status, 200, "{name}: {answer}");
                let shown = words(&sandbox, &format!("object show {name} --project {PROJECT}"));
                assert_eq!(shown["object"]["object"]["current_version"], 2, "{name}");
            }
            // Owed to the file is nothing any more: the row that says so went with the record of it.
            daemon.wait_until("the file was written anew", || {
                let listed = words(&sandbox, "audit list --act store.rewrite --newest --limit 1");
                let last = listed["audit"]["entries"][0]["sequence"].as_u64();
                let listed = words(&sandbox, "audit list --act key.destroy --newest --limit 1");
                last > listed["audit"]["entries"][0]["sequence"].as_u64()
            });
            let check = sandbox.run(&["audit", "check"]);
            assert!(check.status.success(), "{check:?}");
            let done = words(&sandbox, "audit list --act key.destroy --limit 1000");
            let done = done["audit"]["entries"].as_array().unwrap().len();
            assert_eq!(done, OBJECTS * (round + 1), "none was destroyed twice");
            let log = daemon.log();
            assert!(!log.contains("\"ERROR\"") && !log.contains("panic"), "{log}");
            assert!(daemon.stop().success());
            let file = fs::read(store_path(&sandbox)).unwrap();
            for row in &rows {
                let middle = &row[40..72];
                assert!(
                    !file.windows(middle.len()).any(|bytes| bytes == middle),
                    "a destroyed key's row is left"
                );
            }
            for left in ["redb-old", "redb-new"] {
                assert!(!store_path(&sandbox).with_extension(left).exists(), "{left}");
            }
            daemon = sandbox.resume();
        }
        tell(format_args!("{in_time} of {} kills in destructions and rotations came in time", ROUNDS * 2));
        assert!(in_time > ROUNDS / 2, "{in_time}");
    });
}
