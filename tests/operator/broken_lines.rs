//! A connection to the control plane that breaks before its answer comes: what the command line was making is made once, and is
//! answered as if nothing had happened.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::errors;
use crate::support::daemon::{Daemon, PROJECT, Sandbox};

/// More than signatures differ in length, and less than a request with a body is longer than one without.
const MARGIN_BYTES: usize = 24;

/// A line to the control plane that knows how many bytes its client sent, and answers nothing once they are more than `deaf_from`.
struct Line {
    address: String,
    sent: Arc<AtomicUsize>,
    deaf_from: Arc<AtomicUsize>,
    broken: Arc<AtomicUsize>,
}

impl Line {
    fn to(plane: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let line = Self {
            address,
            sent: Arc::default(),
            deaf_from: Arc::new(AtomicUsize::new(usize::MAX)),
            broken: Arc::default(),
        };
        let (sent, deaf_from, broken) =
            (Arc::clone(&line.sent), Arc::clone(&line.deaf_from), Arc::clone(&line.broken));
        spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&plane).unwrap());
                sent.store(0, Ordering::SeqCst);
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let counted = Arc::clone(&sent);
                spawn(move || {
                    let mut bytes = [0; 4_096];
                    while let Ok(read @ 1..) = from.read(&mut bytes) {
                        counted.fetch_add(read, Ordering::SeqCst);
                        if to.write_all(&bytes[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
                let (sent, deaf_from, broken) =
                    (Arc::clone(&sent), Arc::clone(&deaf_from), Arc::clone(&broken));
                let (mut from, mut to) = (server, client);
                spawn(move || {
                    let mut bytes = [0; 4_096];
                    while let Ok(read @ 1..) = from.read(&mut bytes) {
                        if sent.load(Ordering::SeqCst) > deaf_from.load(Ordering::SeqCst) {
                            // It was asked, and carried out: the answer is lost, and the next connection is a good one.
                            deaf_from.store(usize::MAX, Ordering::SeqCst);
                            broken.fetch_add(1, Ordering::SeqCst);
                            sleep(Duration::from_millis(200));
                            break;
                        }
                        if to.write_all(&bytes[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                    let _ = from.shutdown(Shutdown::Both);
                });
            }
        });
        line
    }
}

/// Siti, a member, whose profile leads over a line of the test's.
fn siti() -> (Sandbox, Daemon, Line, String) {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    sandbox.done(&["user", "create", "siti", "--role", "user"]);
    sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
    sandbox.done(&["certificate", "issue", "--user", "siti", "--out", "siti"]);
    let line = Line::to(daemon.control());
    let profile = sandbox.path("siti/profile.toml").display().to_string();
    let text = format!(
        "control = \"https://{}\"\nca = \"ca.pem\"\ncertificate = \"user.pem\"\nkey = \"user.key\"\n",
        line.address
    );
    std::fs::write(&profile, text).unwrap();
    (sandbox, daemon, line, profile)
}

#[test]
fn what_was_made_behind_a_broken_line_is_made_once() {
    let (sandbox, _daemon, line, profile) = siti();
    let by = |words: &[&'static str]| [&["--profile", profile.as_str()], words].concat();
    sandbox.done(&by(&["project", "list"]));
    let without_a_body = line.sent.load(Ordering::SeqCst);
    let breaks = || line.deaf_from.store(without_a_body + MARGIN_BYTES, Ordering::SeqCst);
    breaks();
    let made = sandbox.done(&by(&["project", "create", "gudang"]));
    assert_eq!(made["project"]["name"], "gudang");
    assert_eq!(line.broken.load(Ordering::SeqCst), 1, "the line did not break");
    let trail = sandbox.done(&["audit", "list", "--act", "project.create", "--limit", "1000"]);
    let trail = trail["audit"]["entries"].as_array().unwrap();
    assert_eq!(trail.iter().filter(|entry| entry["details"]["name"] == "gudang").count(), 1);

    // What is shown once is not made twice either, and it is said what was made.
    breaks();
    let of = ["--project", PROJECT, "--endpoint", "absensi"];
    let output = sandbox.run(&by(&[&["api-key", "create", "--label", "baru"], &of[..]].concat()));
    assert!(errors(&output).contains("shown-once") && errors(&output).contains("Its id is"), "{output:?}");
    let keys = sandbox.done(&[&["api-key", "list"], &of[..]].concat());
    let keys = keys["api-keys"]["items"].as_array().unwrap();
    assert_eq!(keys.iter().filter(|key| key["label"] == "baru").count(), 1);

    // What changes and makes nothing is not asked again by itself: nobody knows what it found.
    breaks();
    let output = sandbox.run(&by(&["project", "retire", "gudang"]));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
