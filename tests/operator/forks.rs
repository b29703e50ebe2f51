//! Two histories under one name, found by whoever kept an export or a line of a log: a cloned node, and a disk that was put
//! back with its token. The appliances are real ones, and each of them believes that it is the only one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::errors;
use crate::support::daemon::{Daemon, OBJECT, Sandbox};

/// Everything of an appliance that lies on its disk, the token of SoftHSM too, and what its clients have.
const DISK: [&str; 6] = ["state", "softhsm/tokens", "pin", "admin", "client", "api-key"];

/// In place of what is there.
fn copy(from: &Path, to: &Path) {
    for part in DISK {
        let (from, to) = (from.join(part), to.join(part));
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        assert!(Command::new("cp").arg("-aT").arg(from).arg(to).status().unwrap().success());
    }
}

fn provisioned() -> Sandbox {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    assert!(daemon.stop().success());
    sandbox
}

fn encrypt(sandbox: &Sandbox, daemon: &Daemon, times: u32) {
    let body = json!({ "object": OBJECT, "plaintext": "QnVkaQ==" });
    for _ in 0..times {
        assert_eq!(sandbox.post(daemon, "/v1/endpoints/absensi/encrypt", &body).unwrap().0, 200);
    }
}

/// Serves for a while; leaves an export and the checkpoints that stand in the daemon's log.
fn lives(sandbox: &Sandbox, requests: u32, name: &str) {
    let mut daemon = sandbox.resume();
    encrypt(sandbox, &daemon, requests);
    sandbox.done(&["audit", "export", "--output", &format!("{name}.cbor")]);
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("gembok/checkpoint/v1")).collect();
    // One when it was unlocked, one at its end.
    assert!(lines.len() >= 2, "{log}");
    fs::write(sandbox.path(&format!("{name}.log")), lines.join("\n")).unwrap();
}

/// `audit verify` where there is neither a daemon nor a token; its report.
fn verify(sandbox: &Sandbox, words: &[&str]) -> (Value, Output) {
    let output = sandbox.run(&[&["audit", "verify", "--json", "--config", "none"], words].concat());
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", errors(&output)));
    (said, output)
}

#[track_caller]
fn assert_holds((said, output): &(Value, Output)) {
    assert!(said["holds"] == true && output.status.success(), "{said}{}", errors(output));
}

#[track_caller]
fn assert_bad((said, output): &(Value, Output), flaw: &Value, kind: &str) {
    assert_eq!((&said["holds"], output.status.code()), (&json!(false), Some(1)), "{said}");
    assert_eq!(flaw["kind"], kind, "{said}");
    assert!(errors(output).contains("is not proved"), "{}", errors(output));
}

#[test]
fn a_cloned_node_is_a_fork_to_whoever_has_a_word_of_both() {
    let (one, two) = (provisioned(), Sandbox::new());
    copy(&one.path(""), &two.path(""));
    let key = |sandbox: &Sandbox| {
        let daemon = sandbox.resume();
        let keys = sandbox.done(&["audit", "key"])["checkpoint-keys"].clone();
        assert!(daemon.stop().success());
        keys[0]["pem"].as_str().unwrap().to_owned()
    };
    let key = key(&one);
    fs::write(one.path("noted.pem"), &key).unwrap();
    // The copy is older now by one life, as a clone is, and nothing keeps it from going on.
    lives(&one, 2, "one");
    lives(&two, 5, "two");
    for file in ["two.cbor", "two.log"] {
        fs::copy(two.path(file), one.path(file)).unwrap();
    }

    // Each by itself is in order: that is what makes a clone dangerous.
    for name in ["one", "two"] {
        let (export, log) = (format!("{name}.cbor"), format!("{name}.log"));
        assert_holds(&verify(&one, &[&export, "--checkpoint", &log, "--checkpoint-key", "noted.pem"]));
    }
    for (export, log) in [("one.cbor", "two.log"), ("two.cbor", "one.log")] {
        let found = verify(&one, &[export, "--checkpoint", log, "--checkpoint-key", "noted.pem"]);
        let flaw = found.0["exports"][0]["bad"].clone();
        assert_bad(&found, &flaw, "fork");
        let why = flaw["why"].as_str().unwrap();
        assert!(why.starts_with("FORK") && why.contains("a clone"), "{why}");
    }
    let eyes = one.run(&["audit", "verify", "--config", "none", "one.cbor", "--checkpoint", "two.log"]);
    let shown = String::from_utf8_lossy(&eyes.stdout).into_owned();
    assert!(eyes.status.code() == Some(1) && shown.contains("BAD") && shown.contains("FORK"), "{shown}");
    // And without a word of a log, the two exports themselves.
    let found = verify(&one, &["one.cbor", "two.cbor"]);
    assert!(
        found.0["exports"].as_array().unwrap().iter().all(|export| export["bad"].is_null()),
        "{}",
        found.0
    );
    let comparison = found.0["comparisons"][0].clone();
    assert!(comparison["blocks_in_common"].as_u64() > Some(5), "{comparison}");
    assert_bad(&found, &comparison["bad"], "fork");
}

#[test]
fn a_line_of_a_log_bears_witness_against_a_disk_that_was_put_back() {
    let sandbox = provisioned();
    let before = tempfile::tempdir().unwrap();
    copy(&sandbox.path(""), before.path());
    lives(&sandbox, 3, "first");
    assert_holds(&verify(&sandbox, &["first.cbor", "--checkpoint", "first.log"]));

    // One bit of a signature, and a line of somebody else's.
    let log = fs::read_to_string(sandbox.path("first.log")).unwrap();
    let at = log.find("gembok/checkpoint/v1").unwrap();
    let signature = at + log[at..].find("== ").or_else(|| log[at..].find('"')).unwrap() - 20;
    let mut bent = log.clone().into_bytes();
    bent[signature] = if bent[signature] == b'A' { b'B' } else { b'A' };
    fs::write(sandbox.path("bent.log"), bent).unwrap();
    let found = verify(&sandbox, &["first.cbor", "--checkpoint", "bent.log"]);
    assert_bad(&found, &found.0["exports"][0]["bad"], "signature");
    let other = provisioned();
    lives(&other, 1, "other");
    fs::copy(other.path("other.log"), sandbox.path("other.log")).unwrap();
    let found = verify(&sandbox, &["first.cbor", "--checkpoint", "other.log"]);
    assert_bad(&found, &found.0["exports"][0]["bad"], "signer");
    fs::write(sandbox.path("empty.log"), "{\"message\":\"listening\"}\n").unwrap();
    let output = sandbox.run(&["audit", "verify", "first.cbor", "--checkpoint", "empty.log"]);
    assert!(errors(&output).contains("there is no checkpoint in it"), "{}", errors(&output));

    // Store and token of before: together they fit, and the appliance cannot know.
    copy(before.path(), &sandbox.path(""));
    lives(&sandbox, 7, "second");
    assert_holds(&verify(&sandbox, &["second.cbor", "--checkpoint", "second.log"]));
    let found = verify(&sandbox, &["second.cbor", "--checkpoint", "first.log"]);
    assert_bad(&found, &found.0["exports"][0]["bad"], "fork");
}
