//! Key versions while many requests use them: from the answer on to whoever stopped one nothing is done with it, and a turn of
//! keys refuses nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::refusal;
use crate::key_life::{key, sealed, version_of};
use crate::second_person::{Person, member, text};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::world::{Application, World};

/// Decrypts until it is told to stop, and writes down when each was begun and answered, and how.
fn decrypting(application: &Application, item: &Value, stop: &AtomicBool) -> Vec<(Instant, Instant, String)> {
    let mut seen = Vec::new();
    let mut connection = application.client.connect().unwrap();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = application.v1_over(&mut connection, "decrypt", item.to_string()).unwrap();
        let code = if answer.status == 200 { "done".to_owned() } else { answer.problem().1 };
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
    let stop = AtomicBool::new(false);
    let mut closed = Vec::new();
    let seen: Vec<_> = scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| decrypting(&absensi, &item, &stop))).collect();
        for round in 0..6 {
            sleep(Duration::from_millis(200));
            if round % 2 == 0 {
                key(&world, "disable 1", "--reason uji");
            } else {
                schedule(&siti, &budi);
            }
            let answered = Instant::now();
            sleep(Duration::from_millis(200));
            closed.push((answered, Instant::now()));
            key(&world, if round % 2 == 0 { "enable 1" } else { "cancel-destruction 1" }, "--reason uji");
        }
        sleep(Duration::from_millis(200));
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

/// The versions that something was encrypted under, each with when that was begun, until it is told to stop.
fn encrypting(application: &Application, stop: &AtomicBool) -> Vec<(Instant, u8)> {
    let item = json!({ "object": OBJECT, "plaintext": "" }).to_string();
    let (mut connection, mut seen, mut full) = (application.client.connect().unwrap(), Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = application.v1_over(&mut connection, "encrypt", &item).unwrap();
        if answer.status == 503 {
            // The journal of a daemon that has hardly a processor for itself.
            assert_eq!(answer.problem(), refusal(503, "journal-full"));
            full += 1;
            sleep(Duration::from_millis(100));
            continue;
        }
        seen.push((began, version_of(answer.ok()["ciphertext"].as_str().unwrap())));
    }
    assert!(full * 20 < seen.len(), "the journal was full {full} times, {} were encrypted", seen.len());
    seen
}

#[test]
fn nothing_is_encrypted_under_a_version_after_the_answer_that_it_is_compromised() {
    let world = World::new("");
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    let stop = AtomicBool::new(false);
    let (mut answered, mut compromised) = (Vec::new(), 0);
    let seen: Vec<(Instant, u8)> = scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| encrypting(&absensi, &stop))).collect();
        while compromised < 5 {
            compromised += 1;
            sleep(Duration::from_millis(100));
            key(&world, &format!("compromise {compromised}"), "--reason uji");
            answered.push(Instant::now());
        }
        sleep(Duration::from_millis(100));
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
    let stop = AtomicBool::new(false);
    scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let seen = encrypting(&absensi, &stop);
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
        sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
    });
}
