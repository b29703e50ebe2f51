//! Who gets to the daemon, and what must not get out of it: the socket, its file, secrets and theirs.

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::daemon::{ENDPOINT, GEMBOK, OBJECT, PROJECT, Sandbox};
use crate::{chmod, errors, mode};

const NOBODY: u32 = 65_534;

/// Every file below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap().file_type() {
            kind if kind.is_dir() => found.extend(files(&path)),
            kind if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found
}

#[test]
fn an_api_key_is_told_once_and_kept_nowhere() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let made = sandbox.done(&[
        "api-key",
        "create",
        "--project",
        PROJECT,
        "--endpoint",
        ENDPOINT,
        "--label",
        "shown",
    ]);
    let shown = made["api-key-made"]["text"].as_str().unwrap().to_owned();
    let written = sandbox.api_key();
    assert!(shown.starts_with("gbk_") && shown.len() == written.len() && shown != written);

    let (status, _) = sandbox
        .post(&daemon, "/v1/endpoints/absensi/encrypt", &json!({"object": OBJECT, "plaintext": "QnVkaQ=="}))
        .unwrap();
    assert_eq!(status, 200, "{}", daemon.log());
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]).to_string();
    let log = daemon.log();
    assert!(daemon.stop().success());
    for text in [shown, written] {
        let secret = &text["gbk_".len()..];
        assert!(!log.contains(secret) && !trail.contains(secret));
        for file in files(&sandbox.path("state")) {
            let bytes = fs::read(&file).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "an API key lies in {}", file.display());
        }
    }
}

#[test]
fn secrets_are_written_for_their_owner_alone_and_over_nothing() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    for secret in [
        "admin/admin.key",
        "client/client.key",
        "api-key",
        "pin",
        "state/pki/server.key",
        "state/gembok.redb",
    ] {
        assert_eq!(mode(&sandbox.path(secret)), 0o600, "{secret}");
    }
    for directory in ["admin", "client", "run", "state"] {
        assert_eq!(mode(&sandbox.path(directory)), 0o700, "{directory}");
    }
    assert_eq!(mode(&sandbox.socket()), 0o600);

    let before = fs::read(sandbox.path("client/client.key")).unwrap();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let output = sandbox.run(&[&["certificate", "issue", "--out", "client"], &of[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("nothing is overwritten"), "{}", errors(&output));
    assert_eq!(fs::read(sandbox.path("client/client.key")).unwrap(), before);
    let output = sandbox.run(&[&["api-key", "create", "--label", "x", "--out", "api-key"], &of[..]].concat());
    assert_eq!(output.status.code(), Some(1), "the file is there already");
    let keys = sandbox.done(&[&["api-key", "list"], &of[..]].concat());
    assert_eq!(keys["api-keys"]["items"].as_array().unwrap().len(), 1, "no key is made that cannot be kept");
}

#[test]
fn another_user_is_refused_at_the_socket() {
    if !rustix::process::getuid().is_root() {
        eprintln!("not tried: only root can become somebody else");
        return;
    }
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    // As wrong as it can be set up: the kernel's word on who asks still counts.
    chmod(&sandbox.path("."), 0o755);
    chmod(&sandbox.path("run"), 0o755);
    chmod(&sandbox.socket(), 0o666);
    let program = sandbox.path("gembok");
    if fs::hard_link(GEMBOK, &program).is_err() {
        fs::copy(GEMBOK, &program).unwrap();
    }
    let output = Command::new(&program)
        .args(["status", "--json", "--config"])
        .arg(sandbox.config())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["refused"]["code"], "forbidden");
    assert!(answer["refused"]["detail"].as_str().unwrap().contains("uid 65534"), "{answer}");
    assert_eq!(daemon.said("a user who may not was refused at the local socket").count(), 1);
    assert_eq!(sandbox.state(), "unprovisioned", "root is admitted all the same");
}

#[test]
fn a_line_that_is_no_request_is_refused() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    for bad in [
        &b"\n"[..],
        b"status\n",
        b"{\"status\":{},\"lock\":{}}\n",
        b"{\"sudo\":{}}\n",
        b"{\"project\":{\"create\":{\"name\":\"x\",\"owner\":\"y\"}}}\n",
        b"{\"project\":{\"create\":{}}}\n",
        b"{\"unlock\":{\"accept_damage\":\"yes\"}}\n",
        b"\xff\xfe\n",
    ] {
        let answer = sandbox.send(bad);
        assert_eq!(answer["refused"]["code"], "bad-request", "{}", String::from_utf8_lossy(bad));
    }
    let mut long = vec![b' '; (1 << 20) + 1];
    long.push(b'\n');
    assert_eq!(sandbox.send(&long)["refused"]["code"], "body-too-large");
    assert_eq!(sandbox.send(b"\"status\"\n")["done"]["status"]["state"], "unprovisioned");
}

#[test]
fn whoever_says_nothing_is_not_waited_for() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    // As many as are served at once.
    let silent: Vec<_> = (0..16).map(|_| UnixStream::connect(sandbox.socket()).unwrap()).collect();
    let start = Instant::now();
    assert_eq!(sandbox.state(), "unprovisioned");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn a_second_daemon_is_refused() {
    let sandbox = Sandbox::new();
    let first = sandbox.start();
    sandbox.provision();
    let mut second = sandbox.spawn();
    assert_eq!(second.wait().code(), Some(1));
    assert!(second.log().contains("process") && second.log().contains("gembok.redb"), "{}", second.log());

    // Another store, but the same socket.
    let config = fs::read_to_string(sandbox.config()).unwrap();
    fs::write(sandbox.config(), config.replace("directory = \"state\"", "directory = \"other\"")).unwrap();
    let mut second = sandbox.spawn();
    assert_eq!(second.wait().code(), Some(1));
    assert!(second.log().contains("somebody answers at"), "{}", second.log());
    assert_eq!(sandbox.state(), "operational", "the first one still has its socket");

    // Another store and socket, but a port that is taken.
    let port = first.data();
    let config = fs::read_to_string(sandbox.config()).unwrap();
    let config = config.replace("[data]\nlisten = \"127.0.0.1:0\"", &format!("[data]\nlisten = \"{port}\""));
    fs::write(sandbox.config(), config.replace("run/gembok.sock", "run/other.sock")).unwrap();
    let mut second = sandbox.spawn();
    assert_eq!(second.wait().code(), Some(1));
    assert!(
        second.log().contains(&port) && second.log().contains("choose another address"),
        "{}",
        second.log()
    );
}

#[test]
fn a_socket_others_could_replace_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("run")).unwrap();
    chmod(&sandbox.path("run"), 0o777);
    let mut daemon = sandbox.spawn();
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(daemon.log().contains("0777") && daemon.log().contains("chmod 700"), "{}", daemon.log());

    chmod(&sandbox.path("run"), 0o700);
    fs::write(sandbox.socket(), "a file of somebody's").unwrap();
    let mut daemon = sandbox.spawn();
    assert_eq!(daemon.wait().code(), Some(1));
    assert_eq!(fs::read(sandbox.socket()).unwrap(), b"a file of somebody's");
}
