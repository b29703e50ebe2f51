//! Unprovisioned, locked, operational: what each state answers, and how one comes to the next.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::{OBJECT, Sandbox};
use crate::world::World;

#[test]
fn unprovisioned_only_the_local_socket_is_open() {
    let sandbox = Sandbox::new();
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = ports.map(|listener| listener.local_addr().unwrap().port());
    let mut config = fs::read_to_string(sandbox.config()).unwrap();
    for port in ports {
        config = config.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    }
    fs::write(sandbox.config(), config).unwrap();
    let _daemon = sandbox.start();
    assert_eq!(sandbox.state(), "unprovisioned");
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
    for verb in ["unlock", "lock", "project list", "audit list", "certificate list"] {
        let words: Vec<&str> = verb.split(' ').collect();
        assert_eq!(sandbox.refused(&words), "wrong-state", "{verb}");
    }
}

#[test]
fn locked_says_so_on_both_planes_until_it_is_unlocked() {
    let world = World::new("");
    let (absensi, admin, anybody) = (world.absensi(), world.admin(), world.control(None));
    let sealed = absensi.seal(OBJECT, b"x");
    let mut connection = absensi.client.connect().unwrap();
    assert_eq!(absensi.v1_over(&mut connection, "encrypt", "{}").unwrap().status, 400);
    world.done("lock");
    assert_eq!(world.sandbox.state(), "locked");
    let reason = world.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("by an operator"), "{reason}");

    let item = json!({ "object": OBJECT, "plaintext": "" });
    for answer in [
        absensi.encrypt(&item),
        absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": sealed })),
        absensi.v1_over(&mut connection, "encrypt", item.to_string()).unwrap(),
    ] {
        assert_eq!(answer.problem(), refusal(503, "locked"));
        assert_eq!(answer.header("retry-after"), Some("30"));
    }
    let body = absensi.published_body(OBJECT, "enkrip", "").to_string();
    let answer = absensi.published(body);
    assert_eq!(answer.gagal(), refusal(503, "locked"));
    assert_eq!(answer.header("retry-after"), Some("30"));
    for path in ["/v1/statistics", "/health/state", "/metrics"] {
        let answer = admin.get(path);
        assert_eq!(answer.problem(), refusal(409, "wrong-state"), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("locked"), "{path}");
    }
    assert_eq!(anybody.get("/health/alive").status, 200);
    assert_eq!(anybody.get("/health/ready").status, 503);
    assert_eq!(anybody.get("/v1/info").status, 200);
    assert_eq!(absensi.client.get("/v1/info").status, 200);
    assert_eq!(absensi.client.get("/problems/locked").status, 200);
    for verb in ["lock", "project list", "object list --project kantor"] {
        let words: Vec<&str> = verb.split(' ').collect();
        assert_eq!(world.sandbox.refused(&words), "wrong-state", "{verb}");
    }
    let status = world.status();
    assert_eq!(status["refused_locked"], 4);
    assert_eq!(status["data_keys"], 0);

    world.done("unlock");
    assert_eq!(absensi.open(OBJECT, &sealed), b"x");
    assert_eq!(world.sandbox.refused(&["unlock"]), "wrong-state");
    // A restart unlocks by itself.
    let world = world.restart();
    assert_eq!(world.absensi().open(OBJECT, &sealed), b"x");
}

#[test]
fn a_wrong_pin_leaves_it_locked_with_a_reason() {
    let world = World::new("");
    let sealed = world.absensi().seal(OBJECT, b"x");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let pin = sandbox.path("pin");
    let right = fs::read_to_string(&pin).unwrap();
    fs::write(&pin, "salah-sekali-1234").unwrap();
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = sandbox.start();
    let world = World { sandbox, daemon };
    world.daemon.wait_until("it has tried", || {
        world.status()["reason"].as_str().is_some_and(|reason| reason.contains("PIN"))
    });
    assert_eq!(world.sandbox.state(), "locked");
    let log = world.daemon.log();
    assert!(!log.contains("salah-sekali-1234") && !log.contains(right.trim()));
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(world.absensi().encrypt(&item).problem(), refusal(503, "locked"));
    // It does not guess on by itself: three wrong ones would make it wait.
    assert_eq!(world.daemon.said("still locked").count(), 1);
    fs::write(&pin, right).unwrap();
    world.done("unlock");
    assert_eq!(world.absensi().open(OBJECT, &sealed), b"x");
}

#[test]
fn a_lock_waits_for_no_slow_body_and_answers_it_as_locked() {
    let world = World::new("");
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"rahasia");
    let body = json!({ "object": OBJECT, "ciphertext": sealed }).to_string();
    let (bearer, length) = (absensi.bearer(), body.len().to_string());
    let headers = [("authorization", bearer.as_str()), ("content-length", &length)];
    let mut slow = absensi.client.connect().unwrap();
    slow.head("POST", &absensi.path("decrypt"), &headers).unwrap();
    slow.send(&body.as_bytes()[..10]).unwrap();
    // Its head has been read once another request, sent later, is answered.
    assert_eq!(absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": sealed })).status, 200);

    world.done("lock");
    // Whoever waits for a request says so when it gives up.
    let log = world.daemon.log();
    assert!(!log.contains("locked before every request was done"), "the lock waited for a body");
    slow.send(&body.as_bytes()[10..]).unwrap();
    assert_eq!(slow.answer().unwrap().problem(), refusal(503, "locked"));
    world.done("unlock");
    assert_eq!(absensi.open(OBJECT, &sealed), b"rahasia");
}
