//! The token fails while applications are at work, in every way a token can: the state is shown, keys in memory serve, cold
//! ones are refused with when to come again, nobody else is harmed, and it heals without a restart. The module is the shim of
//! `tests/pkcs11-shim`; the token floor's own table of faults is in `tests/faults.rs`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::{OBJECT, PROJECT, Sandbox};
use crate::support::shim::Shim;
use crate::world::{Application, World};

/// An appliance behind the shim, and applications whose keys are cold.
struct Ward {
    world: World,
    shim: Shim,
    warm: Application,
    /// Each in a project of its own, so each with a KEK of its own.
    cold: Vec<Application>,
}

const COLD: &str = "dingin";

impl Ward {
    fn new(token: &str, more: &str, cold: usize) -> Self {
        let world = World::over(Sandbox::with_module(Shim::module(), token), more);
        let shim = world.sandbox.softhsm().shim();
        shim.obey();
        let warm = world.enrol(PROJECT, "gaji");
        world.grant("encrypt decrypt", OBJECT, "gaji");
        let cold: Vec<Application> = (0..cold)
            .map(|number| {
                let project = format!("cabang-{number}");
                world.done(&format!("project create {project}"));
                world.done(&format!("object create {COLD} --project {project}"));
                let application = world.enrol(&project, "gaji");
                world.done(&format!(
                    "grant create encrypt decrypt --project {project} --endpoint gaji --object {COLD}"
                ));
                application
            })
            .collect();
        // Making an object unwraps its project's KEK: only a restart makes it cold.
        let world = world.restart();
        let again = |application: &Application, folder: &str| Application {
            client: world.data(Some(&format!("{folder}/client"))),
            ..application.clone()
        };
        let warm = again(&warm, "kantor-gaji");
        let numbered = cold.iter().enumerate();
        let cold = numbered.map(|(number, cold)| again(cold, &format!("cabang-{number}-gaji"))).collect();
        warm.seal(OBJECT, b"hangat");
        Self { world, shim, warm, cold }
    }

    /// A cold key is refused, with when to come again, in both contracts.
    #[track_caller]
    fn assert_refused(&self, cold: &Application) {
        let answer = cold.encrypt(&json!({ "object": COLD, "plaintext": "" }));
        assert_eq!(answer.problem(), refusal(503, "token-away"));
        assert!(answer.header("retry-after").is_some());
        let body = cold.published_body(COLD, "enkrip", "").to_string();
        let answer = cold.published(body);
        assert_eq!(answer.gagal(), refusal(503, "token-away"));
        assert!(answer.header("retry-after").is_some());
    }

    fn wait_for(&self, state: &str) {
        self.world.daemon.wait_until(state, || self.world.sandbox.state() == state);
    }

    /// Both places show that it is degraded, and why.
    #[track_caller]
    fn assert_degraded(&self, what: &str) {
        self.wait_for("degraded");
        let health = self.world.admin().get("/health/state").ok();
        assert_eq!(
            (&health["state"], &health["token"]["present"]),
            (&json!("degraded"), &json!(false)),
            "{what}"
        );
        assert!(health["token"]["trouble"].is_string(), "{what}: {health}");
        let status = self.world.status();
        assert_eq!(
            (&status["state"], &status["token"]["present"]),
            (&json!("degraded"), &json!(false)),
            "{what}"
        );
        assert!(status["token"]["trouble"].is_string(), "{what}: {status}");
    }

    fn failed_heals(&self) -> usize {
        self.world.daemon.said("the token could not be healed yet").count()
    }

    /// Runs `body` while three connections seal and open under the warm key; none of that may ever fail.
    fn under_load(&self, body: impl FnOnce(&AtomicUsize)) {
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        scope(|scope| {
            let end = Over(&over);
            for number in 0..3_u8 {
                let (warm, over, served) = (&self.warm, &over, &served);
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        assert_eq!(warm.open(OBJECT, &warm.seal(OBJECT, &[number; 16])), [number; 16]);
                        served.fetch_add(1, Ordering::SeqCst);
                        sleep(Duration::from_millis(5));
                    }
                });
            }
            body(&served);
            drop(end);
        });
        assert!(served.into_inner() > 10, "there was no load");
    }
}

/// What a cold key meets first, and what keeps the token from healing then.
const FAULTS: [(&str, &str); 9] = [
    ("C_Decrypt 0 * answer 224", "C_Initialize 0 * answer 5"), // TOKEN_NOT_PRESENT
    ("C_DecryptInit 0 * answer 48", "C_Finalize 0 * answer 6"), // DEVICE_ERROR
    ("C_Decrypt 0 * answer 50", "C_OpenSession 0 * answer 177"), // DEVICE_REMOVED; SESSION_COUNT
    ("C_DecryptInit 0 * answer 400", "C_Login 0 * answer 48"), // CRYPTOKI_NOT_INITIALIZED
    ("C_Decrypt 0 * answer 5", "C_GetTokenInfo 0 * answer 5"), // GENERAL_ERROR, confirmed
    ("C_DecryptInit 0 * answer 257", "C_FindObjectsInit 0 * answer 257"), // USER_NOT_LOGGED_IN
    ("C_DecryptInit 0 * answer 179", "C_GetSlotList 0 * answer 48"), // SESSION_HANDLE_INVALID
    ("C_DecryptInit 0 * answer 96", "C_GetAttributeValue 0 * answer 130"), // KEY_, OBJECT_HANDLE_INVALID
    ("C_DecryptInit 0 * answer 49", "C_GetTokenInfo 0 * answer 225"), // DEVICE_MEMORY, and TOKEN_NOT_RECOGNIZED
];

#[test]
fn every_class_of_fault_under_load_is_shown_and_heals() {
    let ward = Ward::new("deadline_ms = 15000", "", 3);
    let (world, shim) = (&ward.world, &ward.shim);
    let [first, second, third] = &ward.cold[..] else { panic!("three are cold") };
    ward.under_load(|served| {
        for (fault, unhealed) in FAULTS {
            let (heals, before) = (ward.failed_heals(), served.load(Ordering::SeqCst));
            shim.order(&[fault, unhealed]);
            ward.assert_refused(first);
            ward.assert_degraded(fault);
            world.daemon.wait_until("a try to heal has failed", || ward.failed_heals() > heals);
            ward.assert_degraded(unhealed);
            ward.assert_refused(first);
            world.daemon.wait_until("the load goes on", || served.load(Ordering::SeqCst) > before + 3);
            shim.obey();
            ward.wait_for("operational");
            shim.assert_orderly();
        }

        // Lost once, session and login are had again, and nobody notices.
        shim.order(&["C_DecryptInit 0 1 answer 179", "C_FindObjectsInit 0 1 answer 257"]);
        let mark = shim.mark();
        assert_eq!(first.open(COLD, &first.seal(COLD, b"sekarang")), b"sekarang");
        assert_eq!(shim.count(mark, "C_DecryptInit 179"), 1);
        assert_eq!(world.sandbox.state(), "operational");

        // The code of a dead token, from one that is well: this one key is at fault, and nothing else.
        for code in [5, 64] {
            shim.order(&[&format!("C_Decrypt 0 * answer {code}")]);
            let answer = second.encrypt(&json!({ "object": COLD, "plaintext": "" }));
            assert_eq!(answer.problem(), refusal(500, "fault"));
            assert_eq!(world.sandbox.state(), "operational");
        }
        shim.obey();
        assert_eq!(second.open(COLD, &second.seal(COLD, b"utuh")), b"utuh");

        // Slow is not away.
        shim.order(&["C_Decrypt 0 * sleep 300"]);
        assert_eq!(third.open(COLD, &third.seal(COLD, b"lambat")), b"lambat");
        assert_eq!(world.sandbox.state(), "operational");

        // A PIN that was refused is not tried again until somebody says so.
        shim.order(&["C_GetTokenInfo 0 1 answer 224", "C_Login 0 * answer 160"]);
        let (mark, heals) = (shim.mark(), ward.failed_heals());
        world.daemon.wait_until("two tries to heal have failed", || ward.failed_heals() > heals + 1);
        ward.assert_degraded("a refused PIN");
        let trouble = world.status()["token"]["trouble"].as_str().unwrap().to_owned();
        assert!(trouble.contains("PIN"), "{trouble}");
        shim.obey();
        let heals = ward.failed_heals();
        world.daemon.wait_until("another try has failed", || ward.failed_heals() > heals);
        assert_eq!(shim.count(mark, "C_Login begun"), 1);
    });
    let mark = shim.mark();
    world.done("lock");
    world.done("unlock");
    assert_eq!(shim.count(mark, "C_Login begun"), 1);
    assert_eq!(first.open(COLD, &first.seal(COLD, b"lagi")), b"lagi");
    let (sandbox, daemon) = (&world.sandbox, &world.daemon);
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
    assert_eq!(sandbox.state(), "operational");
    shim.assert_orderly();
    let Ward { world, shim, .. } = ward;
    assert!(world.daemon.stop().success());
    shim.assert_orderly();
}

#[test]
fn one_cold_key_is_asked_for_once_and_holds_up_no_other() {
    let ward = Ward::new("deadline_ms = 30000", "", 2);
    let (world, shim) = (&ward.world, &ward.shim);
    let [one, other] = &ward.cold[..] else { panic!("two are cold") };
    shim.order(&["C_Decrypt 0 1 hang 0"]);
    let mark = shim.mark();
    scope(|scope| {
        let asking: Vec<_> = (0..100).map(|_| scope.spawn(|| one.seal(COLD, b"bersama"))).collect();
        world.daemon.wait_until("the token was asked", || shim.count(mark, "C_Decrypt begun") == 1);
        // Another project's cold key and the warm one do not wait behind it.
        assert_eq!(other.open(COLD, &other.seal(COLD, b"lain")), b"lain");
        assert_eq!(shim.count(mark, "C_DecryptInit begun"), 2);
        ward.warm.seal(OBJECT, b"hangat");
        shim.obey();
        for sealed in asking {
            assert_eq!(one.open(COLD, &sealed.join().unwrap()), b"bersama");
        }
    });
    assert_eq!(
        shim.count(mark, "C_DecryptInit begun"),
        2,
        "a hundred requests asked the token more than once"
    );
    shim.assert_orderly();
}

#[test]
fn a_token_that_hangs_is_degraded_heals_and_does_not_hold_up_the_end() {
    let ward = Ward::new("deadline_ms = 5000", "", 2);
    let shim = &ward.shim;
    let [first, second] = &ward.cold[..] else { panic!("two are cold") };
    ward.under_load(|_| {
        // Nobody needs the token; the probe finds out that it hangs.
        for function in ["C_GetTokenInfo", "C_GetSessionInfo"] {
            shim.order(&[&format!("{function} 0 * hang 0")]);
            let mark = shim.mark();
            ward.assert_degraded(function);
            let began = Instant::now();
            ward.assert_refused(first);
            assert!(began.elapsed() < Duration::from_secs(20), "who is refused need not wait for the token");
            assert_eq!(shim.count(mark, "C_Decrypt begun"), 0, "nor is the token asked");
            assert_eq!(shim.count(mark, "C_Finalize begun"), 0, "finalized with a call in flight");
            shim.obey();
            ward.wait_for("operational");
        }
        // It hangs in the middle of a cold key, in every session there is.
        shim.order(&["C_Decrypt 0 * hang 0"]);
        ward.assert_refused(first);
        ward.assert_refused(second);
        ward.assert_degraded("C_Decrypt");
        shim.obey();
        ward.wait_for("operational");
        assert_eq!(first.open(COLD, &first.seal(COLD, b"bangun")), b"bangun");
    });
    shim.assert_orderly();

    // The end of the process while a call hangs: orderly, in time, and without C_Finalize.
    shim.order(&["C_GetTokenInfo 0 * hang 0"]);
    let mark = shim.mark();
    ward.assert_degraded("at the end");
    let Ward { world, shim, .. } = ward;
    let began = Instant::now();
    assert!(world.daemon.stop().success());
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert_eq!(shim.count(mark, "C_Finalize begun"), 0);
    shim.assert_orderly();
}

#[test]
fn hanging_for_too_long_locks_and_an_unlock_by_command_serves_again() {
    let ward = Ward::new("deadline_ms = 5000", "[keyring]\nttl_s = 1\n[degraded]\nmax_s = 2\n", 0);
    let (world, shim) = (&ward.world, &ward.shim);
    let sealed = ward.warm.seal(OBJECT, b"lama");
    shim.order(&["C_GetTokenInfo 0 * hang 0"]);
    ward.wait_for("locked");
    let reason = world.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("away for too long"), "{reason}");
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(ward.warm.encrypt(&item).problem(), refusal(503, "locked"));
    assert_eq!(world.sandbox.refused(&["unlock"]), "token-away");
    shim.obey();
    world.daemon.wait_until("the hanging call has come back and it unlocks", || {
        world.sandbox.run(&["unlock"]).status.success()
    });
    assert_eq!(ward.warm.open(OBJECT, &sealed), b"lama");
    shim.assert_orderly();
}

/// Whoever waits for a token that hangs keeps nobody from taking a right away: what needs the token is asked for before other
/// changes are kept out, and what is owed to it behind that.
#[test]
fn a_revocation_is_answered_while_another_change_waits_for_a_hanging_token() {
    let ward = Ward::new("deadline_ms = 40000", "", 0);
    let world = &ward.world;
    world.done("user create siti --role user");
    world.done(&format!("project member add siti --project {PROJECT}"));
    world.done("certificate issue --user siti --out siti");
    let siti = world.control(Some("siti/user"));
    let json = [("content-type", "application/json")];
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let endpoint = format!("/v1/projects/{PROJECT}/endpoints/gaji");
    let keys: Vec<String> = (0..2).map(|_| world.new_api_key(PROJECT, "gaji", "").0).collect();
    for (number, (hangs, path, body)) in [
        ("C_Encrypt", "/v1/projects".to_owned(), json!({ "name": "gudang" })),
        ("C_Sign", format!("{endpoint}/certificates"), json!({ "csr": csr })),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = ward.shim.mark();
        // The first call hangs; the token's other sessions work.
        ward.shim.order(&[&format!("{hangs} 0 1 hang 0")]);
        scope(|scope| {
            let body = body.to_string();
            let (siti, path, json) = (&siti, &path, &json);
            let asking = scope.spawn(move || siti.insist("POST", path, json, body.as_bytes()).status);
            world.daemon.wait_until("it hangs", || ward.shim.count(mark, &format!("{hangs} begun")) > 0);
            let begun = Instant::now();
            let revoke = format!("/v1/api-keys/{}/revoke", keys[number]);
            assert_eq!(siti.insist("POST", &revoke, json, b"{}").status, 204);
            let freeze = format!("/v1/projects/{PROJECT}/frozen-subjects");
            let subject = json!({ "subject": { "value": format!("317{number}") } }).to_string();
            assert_eq!(siti.insist("POST", &freeze, json, subject.as_bytes()).status, 200);
            assert!(begun.elapsed() < Duration::from_secs(20), "{hangs}: {:?}", begun.elapsed());
            assert!(!asking.is_finished(), "it did not hang");
            // Witnessed before the answer, all the same.
            let status = world.status();
            let revoked =
                world.trail().iter().rfind(|entry| entry["act"] == "subject.freeze").unwrap()["sequence"]
                    .as_u64();
            assert!(status["witness"]["checkpoint_sequence"].as_u64() > revoked, "{status}");
            ward.shim.obey();
            assert_eq!(asking.join().unwrap(), 201, "{hangs}");
        });
    }
}
