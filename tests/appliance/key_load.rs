//! Key versions while many requests use them: from the answer on to whoever stopped one nothing is done with it, and a turn of
//! keys refuses nobody.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::refusal;
use crate::key_life::{key, sealed, version_of};
use crate::second_person::{Person, member, text};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::world::{Application, World};

/// After a full journal, before it is asked again.
const FULL_WAIT: Duration = Duration::from_millis(100);

/// Waits until something was seen, a minute at most; who looks at what was seen finds out.
fn wait_until(mut is_seen: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_seen() && began.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(5));
    }
}

/// How many requests were answered, by whether they were refused.
#[derive(Default)]
struct Answered {
    done: AtomicUsize,
    refused: AtomicUsize,
}

/// Decrypts until it is told to stop, and writes down when each was begun and answered, and how.
fn decrypting(
    application: &Application,
    item: &Value,
    answered: &Answered,
    stop: &AtomicBool,
) -> Vec<(Instant, Instant, String)> {
    let mut seen = Vec::new();
    let mut connection = application.client.connect().unwrap();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = application.v1_over(&mut connection, "decrypt", item.to_string()).unwrap();
        let code = if answer.status == 200 { "done".to_owned() } else { answer.problem().1 };
        let of = if answer.status == 200 { &answered.done } else { &answered.refused };
        of.fetch_add(1, Ordering::Relaxed);
        seen.push((began, Instant::now(), code));
    }
    seen
}

#[test]
fn nothing_is_opened_after_the_answer_that_closes_a_version() {
    let world = World::new("");
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    world.done(&format!("budget set --project {PROJECT} --endpoint absensi --fields 10000000"));
    let listed = world.done(&format!("api-key list --project {PROJECT} --endpoint absensi"));
    for one in listed["api-keys"]["items"].as_array().unwrap() {
        world.done(&format!("budget set --api-key {} --fields 10000000", one["id"].as_str().unwrap()));
    }
    let item = sealed(&absensi.seal(OBJECT, b"satu"));
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let (siti, budi) = (member(&world, "siti"), member(&world, "budi"));
    let (answered, stop) = (Answered::default(), AtomicBool::new(false));
    let more = |count: &AtomicUsize| {
        let before = count.load(Ordering::Relaxed);
        wait_until(|| count.load(Ordering::Relaxed) >= before + 10);
    };
    let mut closed = Vec::new();
    let seen: Vec<_> = scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| decrypting(&absensi, &item, &answered, &stop))).collect();
        for round in 0..6 {
            more(&answered.done);
            if round % 2 == 0 {
                key(&world, "disable 1", "--reason uji");
            } else {
                schedule(&siti, &budi);
            }
            let from = Instant::now();
            more(&answered.refused);
            closed.push((from, Instant::now()));
            key(&world, if round % 2 == 0 { "enable 1" } else { "cancel-destruction 1" }, "--reason uji");
        }
        more(&answered.done);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let count = |code: &str| seen.iter().filter(|(.., found)| found == code).count();
    assert!(count("done") > 20 && count("key-disabled") > 20, "{} {}", count("done"), count("key-disabled"));
    assert_eq!(count("done") + count("key-disabled") + count("conflict"), seen.len());
    for (from, to) in closed {
        for (began, answered, code) in &seen {
            // Neither begun nor answered while it was closed, save what was on the wire already.
            if *began >= from && *answered <= to {
                assert_eq!(code, "key-disabled");
            }
        }
    }
    assert_eq!(absensi.decrypt(&item).status, 200);
}

/// One asks for the end of version 1, the other says yes; from that answer on it is closed.
fn schedule(siti: &Person, budi: &Person) {
    let path = format!("/v1/projects/{PROJECT}/objects/{OBJECT}/key-versions/1/destruction");
    let asked = siti.post(&path, &json!({ "days": 7, "reason": "uji" }));
    assert_eq!(asked.status, 201, "{}", asked.text());
    assert_eq!(budi.decide(&text(&asked.json()["id"]), "give").status, 200);
}

/// The versions that something was encrypted under, each with when that was begun, until it is told to stop; `newest` is the last.
fn encrypting(application: &Application, newest: &AtomicU8, stop: &AtomicBool) -> Vec<(Instant, u8)> {
    let item = json!({ "object": OBJECT, "plaintext": "" }).to_string();
    let (mut connection, mut seen, mut full) = (application.client.connect().unwrap(), Vec::new(), 0);
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = application.v1_over(&mut connection, "encrypt", &item).unwrap();
        if answer.status == 503 {
            // The journal of a daemon that has hardly a processor for itself.
            assert_eq!(answer.problem(), refusal(503, "journal-full"));
            full += 1;
            sleep(FULL_WAIT);
            continue;
        }
        seen.push((began, version_of(answer.ok()["ciphertext"].as_str().unwrap())));
        newest.store(seen[seen.len() - 1].1, Ordering::Relaxed);
    }
    // Most of the time it was served.
    assert!(
        FULL_WAIT * full * 2 < start.elapsed(),
        "the journal was full {full} times in {:?}",
        start.elapsed()
    );
    seen
}

#[test]
fn nothing_is_encrypted_under_a_version_after_the_answer_that_it_is_compromised() {
    let world = World::new("");
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    let (newest, stop) = ([const { AtomicU8::new(0) }; 4], AtomicBool::new(false));
    let (mut answered, mut compromised) = (Vec::new(), 0);
    let seen: Vec<(Instant, u8)> = scope(|scope| {
        let threads = newest.each_ref().map(|newest| scope.spawn(|| encrypting(&absensi, newest, &stop)));
        let all_at = |version| {
            wait_until(|| newest.iter().all(|newest| newest.load(Ordering::Relaxed) == version));
        };
        while compromised < 5 {
            compromised += 1;
            all_at(compromised);
            key(&world, &format!("compromise {compromised}"), "--reason uji");
            answered.push(Instant::now());
        }
        all_at(compromised + 1);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for (version, answered) in (1u8..).zip(&answered) {
        let late = seen.iter().filter(|(began, of)| began > answered && *of <= version).count();
        assert_eq!(late, 0, "version {version}");
        assert!(seen.iter().any(|(_, of)| *of == version + 1), "nobody was held up: version {}", version + 1);
    }
}

#[test]
fn nobody_who_encrypts_is_refused_while_versions_turn() {
    let world = World::new("");
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    let (newest, stop) = ([const { AtomicU8::new(0) }; 4], AtomicBool::new(false));
    scope(|scope| {
        for newest in &newest {
            scope.spawn(|| {
                let seen = encrypting(&absensi, newest, &stop);
                assert!(seen.is_sorted_by_key(|(_, version)| *version), "an older one after a newer");
                assert_eq!(seen.last().map(|(_, version)| *version), Some(61));
            });
        }
        // After each change anything is read anew, the object just before another turn of its key, too.
        for worker in 0..3 {
            let (world, stop) = (&world, &stop);
            scope.spawn(move || {
                for number in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    world.done(&format!("object create lain-{worker}-{number} --project {PROJECT}"));
                }
            });
        }
        for _ in 0..60 {
            key(&world, "rotate", "");
        }
        wait_until(|| newest.iter().all(|newest| newest.load(Ordering::Relaxed) == 61));
        stop.store(true, Ordering::Relaxed);
    });
}
