//! What an answer, and the time to it, tells about an API key: nothing of how much of it is right. A key is looked up by its
//! digest, and whatever is wrong with its text, the digest is another one altogether (`domain/api_key.rs` shows that).

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gembok::appliance::{Appliance, Enrolled, NewApiKey, Operational, Stop};
use gembok::domain::actor::Actor;
use gembok::domain::api_key::{ApiKeyText, TEXT_LEN};
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::refusal::Code;
use gembok::domain::timestamp::{Now, Timestamp};
use serde_json::json;

use crate::clock;
use crate::support::daemon::OBJECT;
use crate::support::softhsm::in_child_aloud;
use crate::world::{Application, shared};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Where the random characters begin and end; the check characters follow.
const RANDOM: std::ops::Range<usize> = 4..38;
/// Failures that a certificate has free.
const FREE_FAILURES: usize = 10;
const OPERATOR: Actor = Actor::Local(0);

/// The key with another character at one place, the check characters left as they are.
fn mistyped(key: &str, at: usize) -> String {
    let mut bytes = key.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
    String::from_utf8(bytes).unwrap()
}

/// The same, well-formed again: what somebody who guesses sends.
fn guessed(key: &str, at: usize) -> String {
    let mut text = mistyped(key, at);
    let mut rest = crc32fast::hash(&text.as_bytes()[..RANDOM.end]);
    text.truncate(RANDOM.end);
    let mut check: Vec<char> = Vec::new();
    for _ in RANDOM.end..TEXT_LEN {
        check.push(char::from(ALPHABET[(rest % 62) as usize]));
        rest /= 62;
    }
    text.extend(check.into_iter().rev());
    text
}

/// What of an answer anybody sees, but for the date.
fn seen(application: &Application) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let answer = application.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
    let headers = answer.headers().iter().filter(|(name, _)| name != "date").cloned().collect();
    (answer.status, headers, answer.body)
}

#[test]
fn wherever_a_key_is_wrong_the_answer_is_the_same_to_the_byte() {
    let shared = shared();
    let good = shared.absensi.api_key.as_str();
    let guesses = RANDOM.map(|at| guessed(good, at)).collect::<Vec<_>>();
    let typing_errors = (0..TEXT_LEN).map(|at| mistyped(good, at)).collect::<Vec<_>>();
    for (keys, code) in [(guesses, "api-key-unknown"), (typing_errors, "api-key-mistyped")] {
        let mut first = None;
        for some in keys.chunks(FREE_FAILURES) {
            let newcomer = shared.newcomer();
            for api_key in some {
                let answer = seen(&Application { api_key: api_key.clone(), ..newcomer.clone() });
                let text = String::from_utf8_lossy(&answer.2);
                assert!(answer.0 == 401 && text.contains(code), "{api_key}: {} {text}", answer.0);
                assert_eq!(first.get_or_insert_with(|| answer.clone()), &answer, "{api_key}");
            }
        }
    }
}

/// An endpoint with a certificate, and the text of an API key of it.
fn enrolled(appliance: &Appliance, now: Now) -> (Arc<Enrolled>, String) {
    let unlocked = appliance.unlocked().unwrap();
    unlocked.create_project(OPERATOR, "kantor".parse().unwrap(), now).unwrap();
    let endpoint = unlocked.create_endpoint(OPERATOR, "kantor", "absensi".parse().unwrap(), now).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let issued = unlocked.issue_certificate(OPERATOR, "kantor", "absensi", &csr, now).unwrap();
    let certificate = PeerCertificate {
        identity: Identity::Endpoint(endpoint.id.uuid()),
        spki: gembok::crypto::hex::from_hex(&issued.spki).unwrap(),
        not_before: Timestamp::default(),
        not_after: issued.not_after,
    };
    let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), certificate: Some(certificate) };
    let new = NewApiKey { label: "uji".parse().unwrap(), expires: None, limits: None };
    let (_, text) = unlocked.create_api_key(OPERATOR, "kantor", "absensi", new, now).unwrap();
    (unlocked.load_enrolled(&peer, now).unwrap(), text.expose().to_owned())
}

/// How long it takes to refuse a key, from its text on. Each time is ten minutes later for whoever counts failures.
/// The endpoint has no networks, so its address counts for nothing.
fn somewhere() -> Peer {
    Peer { address: Ipv4Addr::LOCALHOST.into(), certificate: None }
}

fn refuse(unlocked: &Operational, enrolled: &Arc<Enrolled>, key: &str, later: &mut Now) -> Duration {
    later.instant += Duration::from_secs(601);
    let start = Instant::now();
    let digest = ApiKeyText::digest_sent(key);
    let refused = digest.map(|digest| unlocked.load_caller(enrolled, &digest, &somewhere(), *later));
    let took = start.elapsed();
    match refused {
        Err(_) => {}
        Ok(Err(Stop::Refused(refusal))) => assert_eq!(refusal.code, Code::ApiKeyUnknown),
        Ok(_) => panic!("{key} was not refused"),
    }
    took
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// A difference of a few nanoseconds cannot be measured on a busy machine; that there is none follows from the digest. What
/// this would show is another path for one of them: a look-up that ends early, or one that is not made.
#[test]
fn a_key_wrong_in_its_first_character_is_refused_no_sooner_than_one_wrong_in_its_last() {
    const REQUESTS: usize = 4_000;
    const ROUNDS: usize = 5;
    const APART_MAX: f64 = 0.10;
    let case =
        "api_key_timing::a_key_wrong_in_its_first_character_is_refused_no_sooner_than_one_wrong_in_its_last";
    in_child_aloud(case, |softhsm| {
        let appliance = Appliance::open(clock::settings(softhsm)).unwrap();
        let mut now = clock::clock();
        clock::init(&appliance, now);
        let (enrolled, key) = enrolled(&appliance, now);
        let unlocked = appliance.unlocked().unwrap();
        let tried =
            [guessed(&key, RANDOM.start), guessed(&key, RANDOM.end - 1), mistyped(&key, RANDOM.start)];
        let (mut apart, mut would_be_seen) = (f64::INFINITY, false);
        // A real difference stays; what the machine does besides does not.
        for round in 0..ROUNDS {
            let mut times = [const { Vec::new() }; 3];
            for request in 0..REQUESTS {
                // Neither always comes behind the same other.
                for which in if request % 2 == 0 { [0, 1, 2] } else { [1, 0, 2] } {
                    times[which].push(refuse(&unlocked, &enrolled, &tried[which], &mut now));
                }
            }
            let [first, last, other_path] = times.map(median);
            println!(
                "round {round}: first {first:.2} us, last {last:.2} us, not looked up {other_path:.2} us"
            );
            would_be_seen |= other_path < first.min(last) * (1.0 - APART_MAX);
            apart = apart.min((first - last).abs() / first.max(last));
            if apart < APART_MAX && would_be_seen {
                break;
            }
        }
        assert!(would_be_seen, "another path would not be seen in any of {ROUNDS} rounds");
        assert!(apart < APART_MAX, "{:.0} % apart in each of {ROUNDS} rounds", apart * 100.0);
        drop(unlocked);
        appliance.shut_down();
    });
}
