//! The operator's way in, against a real daemon: who may ask, what is answered, what is recorded, and how the daemon starts,
//! reads its configuration again, and ends.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use support::daemon::{ENDPOINT, GEMBOK, OBJECT, PROJECT, Sandbox};

const NOBODY: u32 = 65_534;

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file below `directory`.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
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
fn init_is_done_once_and_nothing_goes_before_it() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    assert_eq!(sandbox.state(), "unprovisioned");
    assert_eq!(daemon.said("listening").count(), 0, "only the local socket is open");
    for verb in [
        &["project", "create", PROJECT][..],
        &["project", "list"],
        &["object", "list", "--project", PROJECT],
        &["endpoint", "list", "--project", PROJECT],
        &["grant", "list", "--project", PROJECT, "--endpoint", ENDPOINT],
        &["api-key", "list", "--project", PROJECT, "--endpoint", ENDPOINT],
        &["certificate", "list"],
        &["audit", "list"],
        &["lock"],
        &["unlock"],
    ] {
        assert_eq!(sandbox.refused(verb), "wrong-state", "{verb:?}");
    }

    let made = sandbox.done(&["init", "--sandbox", "--admin", "siti", "--out", "admin"]);
    assert_eq!(sandbox.state(), "operational");
    assert_eq!(sandbox.done(&["status"])["status"]["sandbox"], true);
    assert_eq!(made["initialised"]["token_serial"], sandbox.done(&["status"])["status"]["token"]["serial"]);
    let (data, control) = (daemon.data(), daemon.control());
    assert_ne!(data, control);

    assert_eq!(sandbox.refused(&["init", "--sandbox", "--out", "again"]), "wrong-state");
    assert!(!sandbox.path("again/admin.key").exists(), "a key without a certificate is left behind");
    let trail = sandbox.done(&["audit", "list"]);
    let inits = trail["audit"]["entries"].as_array().unwrap().iter();
    assert_eq!(inits.filter(|entry| entry["act"] == "appliance.init").count(), 1);
}

#[test]
fn every_change_is_recorded_with_the_uid_that_asked() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let keys = sandbox.done(&[&["api-key", "list"], &of[..]].concat());
    let id = keys["api-keys"][0]["id"].as_str().unwrap();
    sandbox.done(&["api-key", "revoke", id]);
    let listed = sandbox.done(&["certificate", "list"]);
    let certificates = listed["certificates"].as_array().unwrap();
    let client =
        certificates.iter().find(|one| one["identity"].as_str().unwrap().contains(":endpoint:")).unwrap();
    sandbox.done(&["certificate", "revoke", client["spki"].as_str().unwrap()]);
    sandbox.done(&[&["grant", "revoke", "decrypt", "--object", OBJECT], &of[..]].concat());
    sandbox.done(&["endpoint", "revoke", ENDPOINT, "--project", PROJECT]);
    sandbox.done(&["lock"]);
    sandbox.done(&["unlock"]);

    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap();
    let by_hand = entries.iter().filter(|entry| entry["actor"] != "system");
    let uid = rustix::process::getuid().as_raw();
    let acts: Vec<&str> = by_hand
        .map(|entry| {
            assert_eq!(entry["actor"], format!("local:{uid}"), "{entry}");
            entry["act"].as_str().unwrap()
        })
        .collect();
    assert_eq!(
        acts,
        [
            "appliance.init",
            "user.create",
            "project.create",
            "object.create",
            "endpoint.create",
            "grant.create",
            "certificate.issue",
            "api-key.create",
            "api-key.revoke",
            "certificate.revoke",
            "grant.revoke",
            "endpoint.revoke",
            "appliance.lock",
            "appliance.unlock",
        ]
    );
    let from = entries[3]["sequence"].as_u64().unwrap().to_string();
    let page = sandbox.done(&["audit", "list", "--from", &from, "--limit", "2"]);
    assert_eq!(page["audit"]["entries"].as_array().unwrap()[..], entries[3..5]);
    assert_eq!(page["audit"]["next"], entries[5]["sequence"]);
}

#[test]
fn lists_and_shows_tell_what_was_made() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    sandbox.done(&[
        "object",
        "create",
        "gaji",
        "--project",
        PROJECT,
        "--algorithm",
        "aes-256-gcm-siv",
        "--required-context",
        "nik",
    ]);
    let shown = sandbox.done(&["object", "show", "gaji", "--project", PROJECT]);
    assert_eq!(shown["object"]["object"]["required_context"], json!(["nik"]));
    assert_eq!(shown["object"]["versions"][0]["algorithm"], "aes-256-gcm-siv");
    let shown = sandbox.done(&["project", "show", PROJECT]);
    assert_eq!(shown["project-shown"]["objects"].as_array().unwrap().len(), 2);
    assert_eq!(shown["project-shown"]["endpoints"][0]["name"], ENDPOINT);
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let grants = sandbox.done(&[&["grant", "list"], &of[..]].concat());
    let operations =
        grants["grants"].as_array().unwrap().iter().map(|grant| grant["operation"].as_str().unwrap());
    assert_eq!(operations.collect::<Vec<_>>(), ["encrypt", "decrypt"]);
    let made = sandbox.done(
        &[
            &[
                "api-key",
                "create",
                "--label",
                "slow",
                "--expires",
                "2999-01-01T00:00:00Z",
                "--requests-per-s",
                "1",
            ],
            &of[..],
        ]
        .concat(),
    );
    let key = &made["api-key-made"]["api_key"];
    assert_eq!((&key["requests_per_s"], &key["requests_burst"]), (&json!(1), &json!(400)));
    assert_eq!(key["expires"], "2999-01-01T00:00:00Z");

    // The same for eyes.
    let table = String::from_utf8(sandbox.run(&["object", "list", "--project", PROJECT]).stdout).unwrap();
    assert!(table.starts_with("OBJECT") && table.contains("gaji") && table.lines().count() == 3, "{table}");
    let status = String::from_utf8(sandbox.run(&["status"]).stdout).unwrap();
    assert!(status.contains("operational") && status.contains("never put real data"), "{status}");
}

#[test]
fn what_cannot_be_done_is_refused_with_a_stable_code() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let with = |words: &[&'static str]| sandbox.refused(&[words, &of[..]].concat());
    assert_eq!(sandbox.refused(&["project", "create", PROJECT]), "already-exists");
    assert_eq!(sandbox.refused(&["project", "create", "no name"]), "bad-name");
    assert_eq!(sandbox.refused(&["project", "show", "nowhere"]), "not-found");
    assert_eq!(sandbox.refused(&["project", "list", "--after", "x"]), "bad-request");
    assert_eq!(
        sandbox.refused(&["object", "create", "o", "--project", PROJECT, "--algorithm", "rot13"]),
        "bad-request"
    );
    assert_eq!(with(&["grant", "create", "read", "--object", OBJECT]), "bad-request");
    assert_eq!(
        with(&["api-key", "create", "--label", "x", "--expires", "2001-01-01T00:00:00Z"]),
        "bad-request"
    );
    assert_eq!(with(&["api-key", "create", "--label", "x", "--expires", "tomorrow"]), "bad-request");
    assert_eq!(with(&["api-key", "create", "--label", "x", "--fields-per-s", "0"]), "bad-request");
    assert_eq!(sandbox.refused(&["certificate", "revoke", &"0".repeat(64)]), "not-found");

    // A no names the way on, too.
    let output = sandbox.run(&["object", "list", "--project", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), "gembok: There is no project \"nowhere\". (not-found)\n  Check the name.\n");
}

#[test]
fn a_bad_signing_request_issues_nothing() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let issue = |csr: &str| {
        sandbox.refused(&[
            "certificate",
            "issue",
            "--project",
            PROJECT,
            "--endpoint",
            ENDPOINT,
            "--csr",
            csr,
            "--out",
            "other",
        ])
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let good = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let mut der = pem::parse(&good).unwrap().into_contents();
    // The last byte is the signature's.
    *der.last_mut().unwrap() ^= 1;
    let forged = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
    for bad in ["", "not PEM", &forged, &good.replace("CERTIFICATE REQUEST", "CERTIFICATE")] {
        fs::write(sandbox.path("bad.csr"), bad).unwrap();
        assert_eq!(issue("bad.csr"), "bad-request", "{bad}");
    }
    assert!(!sandbox.path("other/client.pem").exists());
    assert_eq!(sandbox.done(&["certificate", "list"])["certificates"].as_array().unwrap().len(), 2);

    fs::write(sandbox.path("good.csr"), &good).unwrap();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    sandbox.done(&[&["certificate", "issue", "--csr", "good.csr", "--out", "other"], &of[..]].concat());
    assert!(sandbox.path("other/client.pem").exists() && !sandbox.path("other/client.key").exists());
    assert_eq!(issue("good.csr"), "already-exists", "one key, one enrolment");
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
    assert_eq!(keys["api-keys"].as_array().unwrap().len(), 1, "no key is made that cannot be kept");
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
fn a_lock_is_felt_at_once_and_an_unlock_ends_it() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let body = json!({"object": OBJECT, "plaintext": "QnVkaQ=="});
    let encrypt = || sandbox.post(&daemon, "/v1/endpoints/absensi/encrypt", &body).unwrap();
    let (status, sealed) = encrypt();
    assert_eq!(status, 200, "{sealed}");

    sandbox.done(&["lock"]);
    assert_eq!(sandbox.state(), "locked");
    assert_eq!(sandbox.refused(&["project", "list"]), "wrong-state");
    assert_eq!(sandbox.refused(&["lock"]), "wrong-state");
    let (status, refused) = encrypt();
    assert_eq!((status, &refused["code"]), (503, &json!("locked")));

    sandbox.done(&["unlock"]);
    assert_eq!(sandbox.refused(&["unlock"]), "wrong-state");
    let body = json!({"object": OBJECT, "ciphertext": sealed["ciphertext"]});
    let (status, opened) = sandbox.post(&daemon, "/v1/endpoints/absensi/decrypt", &body).unwrap();
    assert_eq!((status, &opened["plaintext"]), (200, &json!("QnVkaQ==")));
    assert_eq!(sandbox.done(&["status"])["status"]["refused_locked"], 1);
}

#[test]
fn a_revocation_reaches_the_handshake() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let body = json!({"object": OBJECT, "plaintext": "QnVkaQ=="});
    let encrypt = || sandbox.post(&daemon, "/v1/endpoints/absensi/encrypt", &body);
    assert_eq!(encrypt().unwrap().0, 200);
    let listed = sandbox.done(&["certificate", "list"]);
    let certificates = listed["certificates"].as_array().unwrap();
    let client =
        certificates.iter().find(|one| one["identity"].as_str().unwrap().contains(":endpoint:")).unwrap();
    sandbox.done(&["certificate", "revoke", client["spki"].as_str().unwrap()]);
    // The enrolment ends with the answer; TLS follows as soon as the listeners have the new list.
    assert_ne!(encrypt().map(|(status, _)| status), Some(200));
    daemon.wait_until("TLS refuses", || encrypt().is_none());
    assert_eq!(sandbox.get(&daemon, "/health/state").unwrap().0, 200, "the admin's is another certificate");
}

#[test]
fn sigterm_ends_it_cleanly_and_the_next_start_unlocks_by_itself() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let body = json!({"object": OBJECT, "plaintext": "QnVkaQ=="});
    let (_, sealed) = sandbox.post(&daemon, "/v1/endpoints/absensi/encrypt", &body).unwrap();
    assert!(daemon.stop().success());
    assert!(!sandbox.socket().exists());
    let output = sandbox.run(&["status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("start it with gembok serve"), "{}", errors(&output));

    let daemon = sandbox.resume();
    let body = json!({"object": OBJECT, "ciphertext": sealed["ciphertext"]});
    let (status, opened) = sandbox.post(&daemon, "/v1/endpoints/absensi/decrypt", &body).unwrap();
    assert_eq!((status, &opened["plaintext"]), (200, &json!("QnVkaQ==")));
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap();
    let unlock = entries.iter().find(|entry| entry["act"] == "appliance.unlock").unwrap();
    assert_eq!(unlock["actor"], "system");

    // The socket of a daemon that was killed makes room.
    drop(daemon);
    assert!(sandbox.socket().exists());
    let daemon = sandbox.resume();
    assert!(daemon.stop().success());
}

#[test]
fn the_service_manager_is_told() {
    let sandbox = Sandbox::new();
    let manager = UnixDatagram::bind(sandbox.path("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut word = [0; 64];
        let read = manager.recv(&mut word).unwrap();
        String::from_utf8_lossy(&word[..read]).trim().to_owned()
    };
    let daemon = sandbox.spawn_with(|command| command.env("NOTIFY_SOCKET", sandbox.path("notify")));
    assert_eq!(told(), "READY=1");
    assert_eq!(sandbox.state(), "unprovisioned", "ready means that it can be asked");
    assert!(daemon.stop().success());
    assert_eq!(told(), "STOPPING=1");
}

#[test]
fn sighup_with_a_wrong_configuration_changes_nothing() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    sandbox.configure("[keyring]\nttl = 5\n");
    daemon.signal(Signal::HUP);
    let wrong = "the configuration is wrong; the old one stays in force";
    daemon.wait_until("it says so", || daemon.said(wrong).next().is_some());
    let said = daemon.said(wrong).next().unwrap()["error"].as_str().unwrap().to_owned();
    assert!(said.contains("[keyring]") && said.contains("ttl"), "{said}");
    assert_eq!(daemon.said("certificates and CRL in force").count(), 0, "nothing was taken over");

    let limits = sandbox.path("policies/limits.toml");
    let lower = fs::read_to_string(&limits).unwrap().replace("items_max = 1000 ", "items_max = 7 ");
    fs::write(&limits, lower).unwrap();
    sandbox.configure("[keyring]\nttl_s = 5\n[log]\nlevel = \"debug\"\n");
    daemon.signal(Signal::HUP);
    let waiting = "these sections changed and take effect at the next start";
    daemon.wait_until("it says what waits", || daemon.said(waiting).next().is_some());
    assert_eq!(daemon.said(waiting).next().unwrap()["sections"], "keyring");
    assert_eq!(daemon.said("certificates and CRL in force").count(), 1);
    let (_, info) = sandbox.get(&daemon, "/v1/info").unwrap();
    assert!(info.to_string().contains("\"items_max\":7"), "policies are in force at once: {info}");
    daemon.wait_until("the log's level is in force", || daemon.said("connection over").next().is_some());

    // A PKI that cannot be taken over holds back the rest.
    fs::write(sandbox.path("state/pki/ca.pem"), "nothing").unwrap();
    sandbox.configure("[log]\nlevel = \"error\"\n");
    daemon.signal(Signal::HUP);
    daemon.wait_until("it says so", || {
        daemon.said("certificates and CRL were not taken over").next().is_some()
    });
    let body = json!({"object": OBJECT, "plaintext": "QnVkaQ=="});
    assert_eq!(sandbox.post(&daemon, "/v1/endpoints/absensi/encrypt", &body).unwrap().0, 200);
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

#[test]
fn a_wrong_pin_is_tried_once() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    assert!(daemon.stop().success());
    let right = fs::read(sandbox.path("pin")).unwrap();
    fs::write(sandbox.path("pin"), "a wrong one").unwrap();

    let daemon = sandbox.start();
    daemon.wait_until("it has tried", || daemon.said("still locked").next().is_some());
    let (data, _) = (daemon.data(), daemon.control());
    assert!(!data.is_empty(), "locked, both listeners are open");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(daemon.said("still locked").count(), 1, "{}", daemon.log());
    let status = sandbox.done(&["status"]);
    let reason = status["status"]["reason"].as_str().unwrap();
    assert!(reason.contains("refused the PIN"), "{reason}");
    assert!(!daemon.log().contains("a wrong one"));

    fs::write(sandbox.path("pin"), right).unwrap();
    chmod(&sandbox.path("pin"), 0o644);
    let output = sandbox.run(&["unlock"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("0644") && errors(&output).contains("chmod 600"), "{}", errors(&output));
    chmod(&sandbox.path("pin"), 0o600);
    daemon.wait_until("our own back-off is over", || sandbox.run(&["unlock"]).status.success());
    assert_eq!(sandbox.state(), "operational");
}

#[test]
fn a_token_that_was_away_is_tried_again() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    assert!(daemon.stop().success());
    let (tokens, away) = (sandbox.softhsm().tokens(), sandbox.softhsm().elsewhere());
    fs::rename(&tokens, &away).unwrap();
    fs::create_dir(&tokens).unwrap();

    let daemon = sandbox.start();
    daemon.wait_until("it has tried", || daemon.said("still locked").next().is_some());
    assert_eq!(sandbox.state(), "locked");
    fs::remove_dir_all(&tokens).unwrap();
    fs::rename(&away, &tokens).unwrap();
    daemon.wait_until("it has unlocked by itself", || sandbox.state() == "operational");
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
