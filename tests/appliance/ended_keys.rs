//! What was ended stays ended, and what is said of ends is true: windows of a version that is closed, the date in an approval, a
//! reason that nobody can see, a lock that everybody was done before.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::scope;
use std::time::{Duration, Instant};

use gembok::appliance::Acceptance;
use serde_json::Value;

use crate::clock::{OPERATOR, clock, init, open};
use crate::key_destruction::ask;
use crate::key_life::{key, version_of};
use crate::second_person::{member, person, text};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::world::World;

#[test]
fn a_version_that_opens_again_decrypts_whatever_it_encrypts() {
    let world = World::new("");
    let absensi = world.absensi();
    key(&world, "disable 1", "--reason uji");
    let refused = |ends: &str| {
        let words = format!("key windows {OBJECT} 1 --project {PROJECT} --reason uji {ends}");
        world.sandbox.refused(&words.split_whitespace().collect::<Vec<_>>())
    };
    let (near, far) = ("2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    assert_eq!(refused(&format!("--decrypt-until {near}")), "bad-request");
    assert_eq!(refused(&format!("--encrypt-until {far} --decrypt-until {near}")), "bad-request");
    key(&world, "windows 1", &format!("--encrypt-until {near} --decrypt-until {far} --reason uji"));
    key(&world, "enable 1", "--reason uji");
    let ciphertext = absensi.seal(OBJECT, b"satu");
    assert_eq!((version_of(&ciphertext), absensi.open(OBJECT, &ciphertext)), (1, b"satu".to_vec()));
}

#[test]
fn a_reason_that_nobody_sees_is_none() {
    let world = World::new("");
    for unseen in ["\u{200b}", "\u{3164}", "\u{ad}"] {
        for verb in ["compromise", "disable"] {
            let words = ["key", verb, OBJECT, "1", "--project", PROJECT, "--reason", unseen];
            assert_eq!(world.sandbox.refused(&words), "bad-request", "{verb} {unseen:?}");
        }
    }
    assert_eq!(key(&world, "show 1", "")["version"]["state"], "active");
}

#[test]
fn an_approval_shows_its_own_end_and_no_other() {
    let world = World::new("");
    let (siti, opsir) = (member(&world, "siti"), person(&world, "opsir", "officer"));
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let asked = |days| text(&ask(&siti, 1, days).json()["id"]);
    let end = |id: &str| siti.get(&format!("/v1/approvals/{id}")).ok()["key"]["destroyed_at"].clone();
    let stored = || key(&world, "show 1", "")["version"]["destroy_at"].clone();

    let withdrawn = asked(7);
    siti.decide(&withdrawn, "withdraw").ok();
    let refused = asked(7);
    opsir.decide(&refused, "refuse").ok();
    assert_eq!((end(&withdrawn), end(&refused)), (Value::Null, Value::Null));
    let given = asked(7);
    assert!(end(&given).is_string(), "what would be");
    opsir.decide(&given, "give").ok();
    assert!(stored().is_string() && end(&given) == stored());
    assert_eq!((end(&withdrawn), end(&refused)), (Value::Null, Value::Null));

    key(&world, "cancel-destruction 1", "--reason uji");
    assert_eq!(end(&given), Value::Null, "it was taken back");
    let later = asked(90);
    opsir.decide(&later, "give").ok();
    assert_eq!((end(&given), end(&later)), (Value::Null, stored()), "another one's end");
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_lock_that_waited_for_everybody_does_not_say_that_it_did_not() {
    in_child("ended_keys::a_lock_that_waited_for_everybody_does_not_say_that_it_did_not", |softhsm| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let appliance = open(softhsm);
        init(&appliance, clock());
        for _ in 0..10 {
            // As a request does whose body is late: it holds nothing, and looks again and again.
            let late = Arc::downgrade(&appliance.unlocked().unwrap());
            let stop = AtomicBool::new(false);
            scope(|scope| {
                scope.spawn(|| {
                    let pass = |micros| {
                        let until = Instant::now() + Duration::from_micros(micros);
                        while Instant::now() < until {
                            std::hint::spin_loop();
                        }
                    };
                    while !stop.load(Ordering::Relaxed) {
                        let held = late.upgrade();
                        pass(20);
                        drop(held);
                        pass(2);
                    }
                });
                appliance.lock(OPERATOR, clock()).unwrap();
                stop.store(true, Ordering::Relaxed);
            });
            appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        }
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("INFO") && !said.contains("locked before"), "{said}");
        // Who is at work for as long as it waits is spoken of.
        let at_work = appliance.unlocked().unwrap();
        appliance.lock(OPERATOR, clock()).unwrap();
        drop(at_work);
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("locked before every request was done"), "{said}");
    });
}
