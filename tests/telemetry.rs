//! The log of a process that panics on data and whose libraries talk too much: it says where, never what.

use std::process::Command;

use gembok::config::{Log, LogFormat, LogLevel};
use gembok::daemon::telemetry;

const DATA: &str = "3174012303900001";

#[test]
fn a_panic_says_where_and_never_what() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "talk", "--nocapture"])
        .output()
        .unwrap();
    let log = String::from_utf8(child.stderr).unwrap();
    assert!(!log.contains(DATA), "{log}");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["serving", "panic; report this place as a bug"]);
    assert!(lines[1]["place"].as_str().unwrap().starts_with("tests/telemetry.rs:"), "{log}");
    assert_eq!(lines[1]["thread"], "worker");
}

/// Run by the test above, in a process of its own.
#[test]
#[ignore = "the child of a_panic_says_where_and_never_what"]
fn talk() {
    telemetry::start(&Log { level: LogLevel::Debug, format: LogFormat::Json }).unwrap();
    tracing::debug!(target: "gembok::daemon", "serving");
    tracing::info!(target: "hyper::proto", "parsed header {DATA}");
    let worker = std::thread::Builder::new().name("worker".into());
    assert!(worker.spawn(|| panic!("cannot parse {DATA}")).unwrap().join().is_err());
}
