//! The operator's way in, against a real daemon: the verbs, who may ask, and the daemon's life. This page holds the command
//! line itself and the quickstart.

mod admittance;
mod audit;
mod broken_lines;
mod bundles;
mod certificates;
mod control;
mod expiry;
mod forks;
mod keys;
mod languages;
mod life;
mod lives;
mod people;
mod policy;
mod schema;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;
mod verbs;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use support::daemon::{GEMBOK, Sandbox};

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_command_line_says_what_to_do() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["project"]).status.code(), Some(2));
    assert_eq!(sandbox.run(&["init"]).status.code(), Some(2), "a sandbox has to be asked for by name");
    assert_eq!(sandbox.run(&["status"]).status.code(), Some(3));

    let sound = sandbox.path("state");
    fs::create_dir(&sound).unwrap();
    chmod(&sound, 0o700);
    fs::create_dir(sandbox.path("run")).unwrap();
    fs::write(sandbox.path("pin"), "1234").unwrap();
    chmod(&sandbox.path("pin"), 0o600);
    let output = sandbox.run(&["config", "check"]);
    assert!(output.status.success(), "{}", errors(&output));
    chmod(&sandbox.path("pin"), 0o644);
    let output = sandbox.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("token.pin_file") && errors(&output).contains("chmod 600"),
        "{}",
        errors(&output)
    );

    sandbox.configure("[journal]\nflush_millis = 20\n");
    for verb in [&["config", "check"][..], &["serve"], &["status"]] {
        let output = sandbox.run(verb);
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        let said = errors(&output);
        assert!(
            said.contains("[journal]") && said.contains("flush_millis") && said.contains("line"),
            "{said}"
        );
    }
}

#[test]
fn the_quickstart_makes_the_round_trip_and_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = folder.path().join("sandbox");
    let free =
        || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let run = |args: &[&str]| {
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("provisioning/quickstart.sh"))
            .args(args)
            .env("GEMBOK_SANDBOX", &sandbox)
            .env("GEMBOK_BIN", GEMBOK)
            .env("GEMBOK_DATA_PORT", free())
            .env("GEMBOK_CONTROL_PORT", free())
            .output()
            .unwrap()
    };
    let output = run(&["--once"]);
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{said}{}", errors(&output));
    assert!(
        said.contains("\"ciphertext\":\"R0IB")
            && said.contains("\"plaintext\":\"Y29udG9oIGRhdGEga2FyeWF3YW4K\"")
    );
    assert!(said.contains("the answer equals the sample"), "{said}");
    assert!(!said.contains("gbk_") && !errors(&output).contains("gbk_"), "the API key is not shown");
    assert!(!sandbox.join("gembok.pid").exists() && !sandbox.join("run/gembok.sock").exists());
    assert_eq!(mode(&sandbox.join("env")), 0o600);

    let store = fs::metadata(sandbox.join("state/gembok.redb")).unwrap().ino();
    assert!(run(&["--once"]).status.success(), "the second run uses it again");
    assert_eq!(fs::metadata(sandbox.join("state/gembok.redb")).unwrap().ino(), store);
    assert!(run(&["--once", "--fresh"]).status.success(), "and a fresh one starts over");
    assert_eq!(run(&["--once", "--serve-only"]).status.code(), Some(2));

    // What does not look like a sandbox stays.
    fs::remove_dir_all(&sandbox).unwrap();
    fs::create_dir(&sandbox).unwrap();
    fs::write(sandbox.join("thesis.txt"), "years of work").unwrap();
    assert_eq!(run(&["--once", "--fresh"]).status.code(), Some(1));
    assert!(sandbox.join("thesis.txt").exists());
}
