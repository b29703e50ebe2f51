//! How much: every limit of an API key or a certificate, met and told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World, shared};

fn limited(limits: &str) -> Application {
    let shared = shared();
    let api_key = shared.world.api_key(PROJECT, ENDPOINT, limits);
    Application { api_key, ..shared.absensi.clone() }
}

fn batch(count: usize) -> Value {
    json!({ "items": vec![json!({ "object": OBJECT, "plaintext": "" }); count] })
}

/// Waits as long as the answer says; the seconds.
fn wait(answer: &Answer) -> u64 {
    let seconds = answer.header("retry-after").unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_secs(seconds));
    seconds
}

#[test]
fn requests_per_second_are_refused_until_retry_after() {
    let application =
        limited("--requests-per-s 1 --requests-burst 2 --fields-per-s 1000 --fields-burst 1000");
    let item = json!({ "object": OBJECT, "plaintext": "" });
    let mut connection = application.client.connect().unwrap();
    let mut ask = || application.v1_over(&mut connection, "encrypt", item.to_string()).unwrap();
    let mut served = 0;
    let refused = loop {
        let answer = ask();
        if answer.status != 200 {
            break answer;
        }
        served += 1;
    };
    assert!((2..20).contains(&served), "{served}");
    assert_eq!(refused.problem(), refusal(429, "requests-limited"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"requests\";q=2;w=2"));
    assert_eq!(refused.header("ratelimit"), Some("\"requests\";r=0;t=1"));
    assert_eq!(wait(&refused), 1);
    assert_eq!(ask().status, 200);
}

#[test]
fn the_published_contract_has_the_same_limits() {
    let application =
        limited("--requests-per-s 1 --requests-burst 1 --fields-per-s 1000 --fields-burst 1000");
    let body = application.published_body(OBJECT, "enkrip", "").to_string();
    let refused = (0..20).map(|_| application.published(&body)).find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.gagal(), refusal(429, "requests-limited"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"requests\";q=1;w=1"));
    wait(&refused);
    assert_eq!(application.published(&body).status, 200);
}

#[test]
fn fields_per_second_are_refused_until_retry_after() {
    let application =
        limited("--requests-per-s 1000 --requests-burst 1000 --fields-per-s 5 --fields-burst 10");
    assert_eq!(application.encrypt(&batch(10)).status, 200);
    let refused =
        (0..20).map(|_| application.encrypt(&batch(10))).find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.problem(), refusal(429, "fields-limited"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"fields\";q=10;w=2"));
    let seconds = wait(&refused);
    assert!((1..=2).contains(&seconds), "{seconds}");
    // A few may have come back while the answer was on its way.
    let left = refused.header("ratelimit").unwrap();
    let (left, resets) = left.strip_prefix("\"fields\";r=").unwrap().split_once(";t=").unwrap();
    assert!(left.parse::<u64>().unwrap() < 10, "{left}");
    assert_eq!(resets, seconds.to_string());
    assert_eq!(application.encrypt(&batch(10)).status, 200);
}

#[test]
fn a_batch_over_the_burst_can_never_go() {
    let application =
        limited("--requests-per-s 1000 --requests-burst 1000 --fields-per-s 5 --fields-burst 10");
    let refused = application.encrypt(&batch(11));
    assert_eq!(refused.problem(), refusal(413, "batch-over-burst"));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("11 fields") && detail.contains("burst is 10"), "{detail}");
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(refused.header("ratelimit-policy"), Some("\"fields\";q=10;w=2"));
    assert_eq!(refused.header("ratelimit"), None, "no time to wait for");
    // It cost no field.
    assert_eq!(application.encrypt(&batch(10)).status, 200);
}

#[test]
fn every_item_is_charged_whatever_becomes_of_it() {
    let application =
        limited("--requests-per-s 1000 --requests-burst 1000 --fields-per-s 1 --fields-burst 10");
    let items = json!({ "items": vec![json!({ "object": "tidak-ada", "plaintext": "" }); 9] });
    assert_eq!(application.encrypt(&items).ok()["failed"], 9);
    assert_eq!(application.encrypt(&batch(9)).problem(), refusal(429, "fields-limited"));
}

#[test]
fn a_certificate_has_so_many_requests_under_way() {
    let world = World::new("[tls]\nrequests_in_flight_per_certificate_max = 1\n");
    let absensi = world.absensi();
    let body = json!({ "object": OBJECT, "plaintext": "bGFtYXQ=" }).to_string();
    let (one, two) = body.split_at(10);
    let (bearer, length) = (absensi.bearer(), body.len().to_string());
    let headers = [("authorization", bearer.as_str()), ("content-length", length.as_str())];
    let mut slow = Vec::new();
    let mut other = absensi.client.connect().unwrap();
    let mut refused = None;
    world.daemon.wait_until("the only place is taken", || {
        // One holds it: its key was proved, its body is under way. The one before may have found it taken by the question.
        let mut another = absensi.client.connect().unwrap();
        another.head("POST", &absensi.path("encrypt"), &headers).unwrap();
        another.send(one.as_bytes()).unwrap();
        slow.push(another);
        std::thread::sleep(Duration::from_millis(200));
        let answer = absensi.v1_over(&mut other, "encrypt", &body).unwrap();
        refused = Some(answer);
        refused.as_ref().is_some_and(|answer| answer.status != 200)
    });
    let refused = refused.unwrap();
    assert_eq!(refused.problem(), refusal(429, "too-many-in-flight"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let policy = Some("\"requests-under-way\";q=1;qu=\"concurrent-requests\"");
    assert_eq!(refused.header("ratelimit-policy"), policy);
    assert_eq!(refused.header("ratelimit"), Some("\"requests-under-way\";r=0;t=1"));
    let published = absensi.published_body(OBJECT, "enkrip", "").to_string();
    assert_eq!(absensi.published(&published).gagal(), refusal(429, "too-many-in-flight"));
    let statuses: Vec<u16> = slow
        .into_iter()
        .filter_map(|mut slow| slow.send(two.as_bytes()).and_then(|()| slow.answer()).ok())
        .map(|answer| answer.status)
        .collect();
    assert!(statuses.contains(&200), "the one that held it is served: {statuses:?}");
    assert_eq!(absensi.v1_over(&mut other, "encrypt", &body).unwrap().status, 200);
}
