//! A compaction that takes seconds because the disk is slow, under load: callers wait, and none gets an error, neither while
//! it lasts nor when it ends and everything that waited comes at once.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, Connection};
use crate::desk::{Desk, client, done};
use crate::rounds::PATIENCE;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::tell;

/// Fields that may be carried out and not yet durable.
const ROOM: u64 = 1 << 18;
/// The token's: as long as a request waits for a KEK that another fetches.
const DEADLINE: Duration = Duration::from_secs(2);
/// Who has got no answer for so long waits.
const STALLED: Duration = Duration::from_millis(1_500);
/// Who was told something by then of a request from before the pause may have been refused before it.
const ON_THE_WIRE: Duration = Duration::from_secs(1);

/// What a client sends without pause over a connection of its own: the operation, the body, and its fields.
type Asks = (&'static str, String, u64);

/// What the clients saw.
#[derive(Default)]
struct Seen {
    /// Fields that were answered for.
    fields: AtomicU64,
    slowest: Mutex<Duration>,
    /// Each with when it was asked and answered.
    refused: Mutex<Vec<(Instant, Instant, String)>>,
    is_over: AtomicBool,
}

/// Ends the load when dropped, and lets the disk go on.
struct Over<'a>(&'a AtomicBool, PathBuf);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
        let _ = fs::write(&self.1, "ok");
    }
}

impl Seen {
    fn work(&self, client: &Client, api_key: &str, (operation, body, fields): &Asks) {
        let (path, bearer) = (format!("/v1/endpoints/{ENDPOINT}/{operation}"), format!("Bearer {api_key}"));
        let mut live: Option<Connection> = None;
        while !self.is_over.load(SeqCst) {
            let start = Instant::now();
            let mut connection = match live.take() {
                Some(connection) => connection,
                None => client.connect().unwrap(),
            };
            let answer = connection.ask("POST", &path, &[("authorization", &bearer)], body.as_bytes());
            match answer {
                // An item of a batch may be refused by itself.
                Ok(answer) if answer.status == 200 && !answer.text().contains("\"code\"") => {
                    self.fields.fetch_add(*fields, SeqCst);
                    live = (answer.header("connection") != Some("close")).then_some(connection);
                }
                Ok(answer) => self.refuse(start, format!("{operation}: {}", answer.text())),
                Err(error) => self.refuse(start, format!("{operation}: {error}")),
            }
            let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
            *slowest = slowest.max(start.elapsed());
        }
    }

    fn refuse(&self, asked: Instant, what: String) {
        let refusal = (asked, Instant::now(), what);
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(refusal);
    }

    /// What was refused by a pause: outside of it a journal that a disk holds up may be full, and say so.
    fn refused_in(self, pause: Range<Instant>) -> BTreeMap<String, usize> {
        let mut refused = BTreeMap::new();
        for (asked, answered, what) in self.refused.into_inner().unwrap() {
            if asked < pause.end && (asked >= pause.start || answered > pause.start + ON_THE_WIRE) {
                *refused.entry(what).or_default() += 1;
            }
        }
        refused
    }

    /// Waits until nobody gets an answer any more.
    fn wait_until_stalled(&self) {
        let start = Instant::now();
        let (mut last, mut since) = (self.fields.load(SeqCst), start);
        while since.elapsed() < STALLED {
            let now = self.fields.load(SeqCst);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            assert!(start.elapsed() < PATIENCE, "{last} fields, and none has to wait");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_for(&self, fields: u64) {
        let (start, began) = (self.fields.load(SeqCst), Instant::now());
        while self.fields.load(SeqCst) < start + fields {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.refused);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn seal(fields: usize) -> Asks {
    let items = vec![json!({ "object": OBJECT, "plaintext": "eHh4" }); fields];
    ("encrypt", json!({ "items": items }).to_string(), fields as u64)
}

/// An API key without limits that are met here.
fn api_key(desk: &Desk) -> String {
    let limits = ["requests-per-s", "requests-burst", "fields-per-s", "fields-burst"];
    let limits = limits.map(|limit| format!("--{limit}=10000000"));
    let words = ["api-key", "create", "--label", "padat", "--project", PROJECT, "--endpoint", ENDPOINT];
    let words: Vec<&str> = words.into_iter().chain(limits.iter().map(String::as_str)).collect();
    let made = &desk.sandbox.done(&words)["api-key-made"];
    let budget = ["--fields", "1000000000"];
    let id = made["api_key"]["id"].as_str().unwrap();
    desk.sandbox.done(&[&["budget", "set", "--api-key", id], &budget[..]].concat());
    desk.sandbox
        .done(&[&["budget", "set", "--project", PROJECT, "--endpoint", ENDPOINT], &budget[..]].concat());
    made["text"].as_str().unwrap().to_owned()
}

/// Compactions that were begun.
fn compactions(desk: &Desk) -> usize {
    desk.daemon.log().matches("the store is being compacted").count()
}

/// Waits until a sync is held; whether that is one of the compaction after those that were `begun`.
fn holds_compaction(desk: &Desk, begun: usize) -> bool {
    let (held, start) = (desk.sandbox.path("disk.held"), Instant::now());
    loop {
        let now = compactions(desk);
        if held.exists() {
            return now > begun;
        }
        assert!(start.elapsed() < PATIENCE, "no sync was held; {}", desk.daemon.log());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Holds one sync of a compaction under that load.
fn refuses_nobody(what: &str, configuration: &str, mut asks: Vec<Asks>) {
    let mut sandbox = Sandbox::new();
    sandbox.command_disk();
    let mut desk = Desk::new(sandbox, |sandbox| {
        sandbox.configure_token(&format!("deadline_ms = {}", DEADLINE.as_millis()), configuration);
        sandbox.spawn()
    });
    let api_key = api_key(&desk);
    assert_eq!((desk.seal(), desk.open()), (done(), done()));
    let opening = json!({ "object": OBJECT, "ciphertext": desk.sealed[0].ciphertext });
    asks.push(("decrypt", opening.to_string(), 1));
    let seen = Seen::default();
    let control = Client::new(&desk.daemon.control(), &desk.sandbox.path("admin/ca.pem"), None);
    let data = client(&desk.sandbox, &desk.daemon);
    let (took, pause) = thread::scope(|scope| {
        // However this ends, so that the clients do.
        let _over = Over(&seen.is_over, desk.sandbox.path("disk"));
        for ask in &asks {
            scope.spawn(|| seen.work(&data, &api_key, ask));
        }
        scope.spawn(|| {
            while !seen.is_over.load(SeqCst) {
                let start = Instant::now();
                let ready = control.get("/health/ready");
                if ready.status != 200 {
                    seen.refuse(start, format!("ready: {}", ready.text()));
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        seen.wait_for(asks.iter().map(|(_, _, fields)| fields * 5).sum());
        let (start, compacting) = loop {
            desk.disk("hold");
            let (start, begun) = (Instant::now(), compactions(&desk));
            let compacting = scope.spawn(|| desk.sandbox.done(&["store", "compact"]));
            if holds_compaction(&desk, begun) {
                break (start, compacting);
            }
            // A lease of the decrypts was first.
            desk.disk("ok");
            compacting.join().unwrap();
            fs::remove_file(desk.sandbox.path("disk.held")).unwrap();
            assert!(start.elapsed() < PATIENCE);
            seen.wait_for(asks.iter().map(|(_, _, fields)| fields * 5).sum());
        };
        let held = Instant::now();
        seen.wait_until_stalled();
        thread::sleep((DEADLINE * 2).saturating_sub(start.elapsed()));
        desk.disk("ok");
        compacting.join().unwrap();
        let took = start.elapsed();
        // Whoever was held back comes at once, and then all go on for a while.
        seen.wait_for(asks.iter().map(|(_, _, fields)| fields * 5).sum());
        let pause = held..Instant::now();
        seen.wait_for(ROOM.min(asks.iter().map(|(_, _, fields)| fields * 100).sum()));
        (took, pause)
    });
    let (fields, slowest) = (seen.fields.load(SeqCst), *seen.slowest.lock().unwrap());
    let refused = seen.refused_in(pause);
    tell(format_args!(
        "a compaction of {took:?}, {what}: {fields} fields, the slowest answer after {slowest:?}"
    ));
    assert!(refused.is_empty(), "{what}: {refused:?}");
    assert!(slowest > DEADLINE, "{what}: what was held was not the compaction");
    desk.nothing_is_lost();
    assert!(desk.daemon.stop().success());
}

#[test]
fn a_long_compaction_under_batches_that_fill_the_room_refuses_nobody() {
    refuses_nobody("the room filled", "", vec![seal(1_000); 6]);
}

#[test]
fn a_long_compaction_that_fills_the_buffer_of_records_refuses_nobody() {
    let configuration = "[journal]\nbuffer_records_max = 1024\n";
    refuses_nobody("the buffer filled", configuration, vec![seal(1); 8]);
}

#[test]
fn a_long_compaction_while_keys_fall_due_refuses_nobody() {
    let configuration = "[keyring]\nttl_s = 1\n";
    refuses_nobody("keys fell due", configuration, vec![seal(1); 8]);
}
