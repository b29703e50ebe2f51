//! The journal out of the daemon, past the verifier, and pruned: what is legal is told from what is tampering.

use std::fs;
use std::path::Path;
use std::process::Output;

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::{Value, json};

use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::{errors, mode};

const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");
const HEADERS: u16 = 100;
const BODIES: u16 = 101;

fn encrypt(sandbox: &Sandbox, daemon: &Daemon, times: u32) {
    let body = json!({"object": OBJECT, "plaintext": "QnVkaQ=="});
    for _ in 0..times {
        assert_eq!(sandbox.post(daemon, "/v1/endpoints/absensi/encrypt", &body).unwrap().0, 200);
    }
}

/// The report of `audit verify` or `audit check`, and whether all holds.
#[track_caller]
fn report(output: &Output) -> Value {
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", errors(output)));
    assert_eq!(said["holds"], output.status.success(), "{said}{}", errors(output));
    said
}

#[track_caller]
fn proved(output: &Output) -> Value {
    let said = report(output);
    assert_eq!(said["holds"], true, "{said}");
    said["exports"][0].clone()
}

#[track_caller]
fn bad(output: &Output) -> Value {
    let said = report(output);
    assert_eq!((&said["holds"], output.status.code()), (&json!(false), Some(1)), "{said}");
    assert!(errors(output).contains("is not proved"), "{}", errors(output));
    said["exports"][0]["bad"].clone()
}

/// The key as an auditor notes it.
fn note_key(sandbox: &Sandbox) -> String {
    let keys = sandbox.done(&["audit", "key"])["checkpoint-keys"].clone();
    fs::write(sandbox.path("noted.pem"), keys[0]["pem"].as_str().unwrap()).unwrap();
    let fingerprint = keys[0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.done(&["status"])["status"]["witness"]["checkpoint_key"], fingerprint);
    let shown = sandbox.run(&["status"]).stdout;
    assert!(String::from_utf8_lossy(&shown).contains(&format!("signed by     {fingerprint}")));
    fingerprint
}

/// First sequence numbers of the rows of a table in the closed store.
fn rows(sandbox: &Sandbox, table: u16) -> Vec<u64> {
    let database = Database::open(sandbox.path("state/gembok.redb")).unwrap();
    let writing = database.begin_write().unwrap();
    let rows = writing.open_table(ROWS).unwrap();
    let places = rows.iter().unwrap().map(|row| row.unwrap().0.value().to_vec());
    let of_table = places.filter(|place| place[..2] == table.to_be_bytes());
    of_table.map(|place| u64::from_be_bytes(place[2..].try_into().unwrap())).collect()
}

/// Changes a stored row behind the daemon's back; `None` takes it out.
fn tamper(sandbox: &Sandbox, table: u16, sequence: u64, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let place = [&table.to_be_bytes()[..], &sequence.to_be_bytes()].concat();
    let database = Database::open(sandbox.path("state/gembok.redb")).unwrap();
    let writing = database.begin_write().unwrap();
    {
        let mut rows = writing.open_table(ROWS).unwrap();
        let stored = rows.remove(place.as_slice()).unwrap().unwrap().value().to_vec();
        if let Some(changed) = change(stored) {
            rows.insert(place.as_slice(), changed.as_slice()).unwrap();
        }
    }
    writing.commit().unwrap();
}

#[test]
fn an_export_is_proved_by_the_noted_key_and_no_byte_of_it_may_change() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    encrypt(&sandbox, &daemon, 3);
    let fingerprint = note_key(&sandbox);
    daemon.wait_until("records are durable", || {
        proved(&sandbox.run(&["audit", "check", "--json"]))["records"]["access"] == 3
    });
    sandbox.done(&["audit", "export", "--output", "all.cbor"]);
    assert_eq!(mode(&sandbox.path("all.cbor")), 0o600);
    assert!(!sandbox.path("all.cbor.part").exists());
    let output = sandbox.run(&["audit", "export", "--output", "all.cbor"]);
    assert!(
        !output.status.success() && errors(&output).contains("nothing is overwritten"),
        "{}",
        errors(&output)
    );

    // Without a daemon, a token or a configuration.
    assert!(daemon.stop().success());
    let verify =
        |words: &[&str]| sandbox.run(&[&["audit", "verify", "--json", "--config", "none"], words].concat());
    let all = proved(&verify(&["all.cbor", "--checkpoint-key", "noted.pem"]));
    assert_eq!(
        (&all["unsigned"], &all["key_was_named"], &all["first_sequence"]),
        (&json!(0), &json!(true), &json!(0))
    );
    assert_eq!((&all["records"]["access"], &all["signers"][0]), (&json!(3), &json!(fingerprint)));
    let eyes = sandbox.run(&["audit", "verify", "all.cbor"]);
    let eyes = String::from_utf8(eyes.stdout).unwrap();
    assert!(eyes.contains("PROVED") && eyes.contains("NOT PROVED") && eyes.contains(&fingerprint), "{eyes}");

    let bytes = fs::read(sandbox.path("all.cbor")).unwrap();
    let altered = |name: &str, at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        fs::write(sandbox.path(name), bytes).unwrap();
    };
    for at in [0, 40, bytes.len() / 2, bytes.len() - 1] {
        altered("altered.cbor", at);
        bad(&verify(&["altered.cbor"]));
    }
    fs::write(sandbox.path("cut.cbor"), &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(bad(&verify(&["cut.cbor"]))["kind"], "form");

    // Another key, made by somebody who made the whole export up, counts for nothing.
    let other = rcgen::KeyPair::generate().unwrap();
    fs::write(sandbox.path("other.pem"), other.public_key_pem()).unwrap();
    assert_eq!(bad(&verify(&["all.cbor", "--checkpoint-key", "other.pem"]))["kind"], "unsigned");
    fs::write(sandbox.path("none.pem"), "nothing").unwrap();
    let output = verify(&["all.cbor", "--checkpoint-key", "none.pem"]);
    assert!(errors(&output).contains("PUBLIC KEY"), "{}", errors(&output));
}

#[test]
fn parts_are_proved_record_by_record() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    encrypt(&sandbox, &daemon, 2);
    daemon.wait_until("records are durable", || {
        proved(&sandbox.run(&["audit", "check", "--json"]))["records"]["access"] == 2
    });
    sandbox.done(&["audit", "export", "--kind", "audit", "--output", "audit.cbor"]);
    sandbox.done(&[
        "audit",
        "export",
        "--project",
        PROJECT,
        "--endpoint",
        ENDPOINT,
        "--output",
        "absensi.cbor",
    ]);
    let records = |file: &str| proved(&sandbox.run(&["audit", "verify", "--json", file]))["records"].clone();
    let audit = records("audit.cbor");
    assert!(audit["audit"].as_u64() > Some(8) && audit["access"] == 0 && audit["left_out"] == 2, "{audit}");
    let absensi = records("absensi.cbor");
    assert_eq!(
        (&absensi["access"], &absensi["audit"], &absensi["proved"]),
        (&json!(2), &json!(0), &json!(2))
    );
    let output = sandbox.run(&["audit", "export", "--kind", "all", "--output", "x"]);
    assert!(errors(&output).contains("A kind is access or audit. (bad-request)"), "{}", errors(&output));
    assert!(!sandbox.path("x").exists() && !sandbox.path("x.part").exists());
    let output = sandbox.run(&["audit", "export", "--from", "999999", "--output", "x"]);
    assert!(errors(&output).contains("There are records up to"), "{}", errors(&output));
    // Parts are no reason to let the rest go.
    assert_eq!(sandbox.refused(&["audit", "prune", "--to", "0"]), "bad-request");
}

#[test]
fn what_was_exported_may_be_pruned_and_is_told_from_what_was_taken_away() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    encrypt(&sandbox, &daemon, 2);
    let output = sandbox.run(&["audit", "prune", "--to", "3"]);
    assert!(errors(&output).contains("gembok audit export"), "{}", errors(&output));
    assert_eq!(sandbox.refused(&["audit", "prune", "--before", "2999-01-01T00:00:00Z"]), "bad-request");
    let kept = sandbox.done(&["audit", "export", "--output", "first.cbor"]);
    let prunable = kept["export-kept"]["prunable_to"].as_u64().unwrap();
    let pruned = sandbox.done(&["audit", "prune", "--before", "2999-01-01T00:00:00Z"])["pruned"].clone();
    assert_eq!((&pruned["from"], &pruned["to"]), (&json!(0), &json!(prunable)));
    assert_eq!(sandbox.refused(&["audit", "prune", "--before", "2999-01-01T00:00:00Z"]), "bad-request");

    // Pruned is legal, and said.
    encrypt(&sandbox, &daemon, 1);
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"])["audit"].clone();
    assert_eq!(trail["pruned_to"], prunable);
    let acts: Vec<_> =
        trail["entries"].as_array().unwrap().iter().map(|entry| entry["act"].clone()).collect();
    assert!(acts.contains(&json!("journal.export")) && acts.contains(&json!("journal.prune")), "{acts:?}");
    let whole = proved(&sandbox.run(&["audit", "check", "--from", "0", "--json"]));
    assert_eq!((&whole["records"]["pruned"], &whole["first_sequence"]), (&json!(prunable), &json!(0)));
    sandbox.done(&["audit", "export", "--output", "second.cbor"]);
    let both = report(&sandbox.run(&["audit", "verify", "--json", "first.cbor", "second.cbor"]));
    assert_eq!(both["holds"], true, "{both}");
    assert_eq!(both["exports"][1]["first_sequence"], prunable);
    assert_eq!(both["exports"][1]["anchored"], true);

    // Taken away is not.
    assert!(daemon.stop().success());
    let bodies = rows(&sandbox, BODIES);
    assert!(bodies.iter().all(|first| *first >= prunable), "{bodies:?}");
    tamper(&sandbox, BODIES, bodies[1], |_| None);
    let daemon = sandbox.resume();
    let output = sandbox.run(&["audit", "list"]);
    assert!(errors(&output).contains("taken away"), "{}", errors(&output));
    let check = bad(&sandbox.run(&["audit", "check", "--json"]));
    assert_eq!((&check["kind"], &check["block"]), (&json!("removed"), &json!(bodies[1])));
    let output = sandbox.run(&["audit", "export", "--output", "third.cbor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains(&format!("record {}", bodies[1])), "{}", errors(&output));
    assert_eq!(bad(&sandbox.run(&["audit", "verify", "--json", "third.cbor"]))["block"], bodies[1]);
    drop(daemon);
}

#[test]
fn a_block_altered_or_replaced_or_missing_is_named() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    for project in ["a", "b", "c", "d"] {
        sandbox.done(&["project", "create", project]);
    }
    assert!(daemon.stop().success());
    let headers = rows(&sandbox, HEADERS);
    assert!(headers.len() > 9, "{headers:?}");
    let other = stored(&sandbox.path("state/gembok.redb"), HEADERS, headers[0]);
    let flip = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        Some(bytes)
    };
    // From the end to the front, so that each is the first bad one in its turn.
    for (table, how, kind, at, named) in [
        (BODIES, 1, "removed", 9, 9),
        (HEADERS, 0, "missing", 7, 8),
        (HEADERS, 1, "missing", 5, 6),
        (HEADERS, 2, "missing", 3, 4),
    ] {
        let (place, block) = (headers[at], headers[named]);
        match how {
            0 => tamper(&sandbox, table, place, |_| None),
            1 => tamper(&sandbox, table, place, flip),
            _ => tamper(&sandbox, table, place, |_| Some(other.clone())),
        }
        let daemon = sandbox.resume();
        let check = bad(&sandbox.run(&["audit", "check", "--json"]));
        assert_eq!((&check["kind"], &check["block"]), (&json!(kind), &json!(block)), "{check}");
        assert!(daemon.stop().success());
    }
}

fn stored(store: &Path, table: u16, sequence: u64) -> Vec<u8> {
    let place = [&table.to_be_bytes()[..], &sequence.to_be_bytes()].concat();
    let database = Database::open(store).unwrap();
    let writing = database.begin_write().unwrap();
    let rows = writing.open_table(ROWS).unwrap();
    rows.get(place.as_slice()).unwrap().unwrap().value().to_vec()
}
