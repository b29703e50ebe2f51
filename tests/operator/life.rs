//! The daemon's life: start, lock, unlock, reload, revocation, end.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::daemon::{OBJECT, Sandbox};
use crate::{chmod, errors};

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
    assert_eq!(sandbox.done(&["status"])["status"]["sandbox"], true, "it is one for ever");
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
    let certificates = listed["certificates"]["items"].as_array().unwrap();
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
    assert_eq!(status["status"]["sandbox"], true, "told before anything is unlocked");
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
