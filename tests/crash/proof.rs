//! What an outsider makes of the journal of a daemon that was killed again and again: its export, the key noted at the
//! beginning, and every checkpoint that any of the daemons ever logged.

use std::fs;

use serde_json::Value;

use crate::support::daemon::Sandbox;

const KEY: &str = "noted.pem";

/// How much of the journal was proved.
pub(crate) struct Proof {
    pub(crate) records: u64,
    pub(crate) gaps: u64,
    pub(crate) checkpoints: u64,
}

/// Notes the key that signs checkpoints, as an auditor does on the first day.
pub(crate) fn note_key(sandbox: &Sandbox) {
    let keys = sandbox.done(&["audit", "key"])["checkpoint-keys"].clone();
    fs::write(sandbox.path(KEY), keys[0]["pem"].as_str().unwrap()).unwrap();
}

/// Exports the journal of a running daemon, and verifies it as whoever has neither a daemon nor a configuration.
pub(crate) fn prove(sandbox: &Sandbox, round: usize) -> Proof {
    let export = format!("export-{round}.cbor");
    sandbox.done(&["audit", "export", "--output", &export]);
    let (checkpoints, logged) = logged(sandbox);
    fs::write(sandbox.path("checkpoints"), checkpoints).unwrap();
    let words = ["audit", "verify", "--json", "--config", "none", &export];
    let evidence = ["--checkpoint-key", KEY, "--checkpoint", "checkpoints"];
    let output = sandbox.run(&[&words[..], &evidence].concat());
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert!(output.status.success() && said["holds"] == true, "round {round}: {said}");
    let report = &said["exports"][0];
    assert_eq!((&report["first_sequence"], &report["key_was_named"]), (&0.into(), &true.into()), "{said}");
    // Each that was logged names a block that is there: none was signed before its block was durable.
    assert!(report["notes"].as_array().unwrap().is_empty(), "{said}");
    let checkpoints = report["checkpoints"].as_u64().unwrap();
    assert!(logged > round as u64 / 4 && checkpoints >= logged, "{logged} logged: {said}");
    fs::remove_file(sandbox.path(&export)).unwrap();
    let records = report["next_sequence"].as_u64().unwrap();
    assert_eq!(report["records"]["whole"], records, "{said}");
    Proof { records, gaps: report["records"]["gap"].as_u64().unwrap(), checkpoints }
}

/// Every line with a checkpoint in the logs of all daemons, and how many those are.
fn logged(sandbox: &Sandbox) -> (String, u64) {
    let (mut lines, mut count) = (String::new(), 0);
    for file in fs::read_dir(sandbox.path("")).unwrap().map(Result::unwrap) {
        if !file.file_name().to_string_lossy().starts_with("log-") {
            continue;
        }
        let log = fs::read_to_string(file.path()).unwrap();
        for line in log.split_inclusive('\n').filter(|line| line.contains("gembok/checkpoint/v1")) {
            // A kill may have cut the last one.
            if line.ends_with('\n') {
                lines.push_str(line);
                count += 1;
            }
        }
    }
    (lines, count)
}
