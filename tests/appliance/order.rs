//! The order of defence, seen from outside: each request here is wrong in everything from some step on, and the answer is that
//! step's. And what a refusal costs.

use serde_json::{Value, json};

use crate::client::{Answer, Connection, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World, shared};

const WIDE: &str = "--fields-per-s 1000 --fields-burst 1000";
/// Nothing comes back within a test.
const SLOW_REQUESTS: &str = "--requests-per-s 1 --requests-burst";

fn unknown_key() -> String {
    gembok::domain::api_key::ApiKeyText::generate().unwrap().expose().to_owned()
}

/// A request whose head announces a body over every limit, and sends none.
fn announce_too_much(connection: &mut Connection, path: &str, api_key: &str) -> Answer {
    let bearer = format!("Bearer {api_key}");
    let headers = [("authorization", bearer.as_str()), ("content-length", "9000000")];
    connection.head("POST", path, &headers).unwrap();
    connection.answer().unwrap()
}

fn refuse(application: &Application, path: &str, api_key: &str) -> Answer {
    announce_too_much(&mut application.client.connect().unwrap(), path, api_key)
}

/// Takes requests until there is none left.
fn use_up(application: &Application) {
    let mut live = application.client.connect().unwrap();
    while application.v1_over(&mut live, "encrypt", "{").unwrap().status != 429 {}
}

#[test]
fn v1_asks_certificate_enrolment_key_rate_body_in_this_order() {
    let shared = shared();
    let absensi = shared.newcomer();
    let stranger = Application { client: shared.world.data(Some("admin/admin")), ..absensi.clone() };
    let elsewhere = "/v1/endpoints/gaji/encrypt";
    let answer = refuse(&stranger, elsewhere, &unknown_key());
    assert_eq!(answer.problem(), refusal(401, "certificate-not-enrolled"));
    let answer = refuse(&absensi, elsewhere, &unknown_key());
    assert_eq!(answer.problem(), refusal(404, "endpoint-unknown"));
    let answer = refuse(&absensi, &absensi.path("encrypt"), &unknown_key());
    assert_eq!(answer.problem(), refusal(401, "api-key-unknown"));
    let api_key = shared.world.api_key(PROJECT, ENDPOINT, &format!("{SLOW_REQUESTS} 2 {WIDE}"));
    let answer = refuse(&absensi, &absensi.path("encrypt"), &api_key);
    assert_eq!(answer.problem(), refusal(413, "body-too-large"));
    let limited = Application { api_key: api_key.clone(), ..absensi.clone() };
    use_up(&limited);
    let answer = refuse(&absensi, &absensi.path("encrypt"), &api_key);
    assert_eq!(answer.problem(), refusal(429, "requests-limited"));
}

#[test]
fn a_full_certificate_is_refused_before_its_key_is_looked_at() {
    let world = World::new("[tls]\nrequests_in_flight_per_certificate_max = 1\n");
    let absensi = world.absensi();
    let headers = [("authorization", absensi.bearer()), ("content-length", "10".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut slow = Vec::new();
    world.daemon.wait_until("the only place is taken", || {
        // The one before may have found the place taken by the question.
        let mut another = absensi.client.connect().unwrap();
        another.head("POST", &absensi.path("encrypt"), &headers).unwrap();
        slow.push(another);
        std::thread::sleep(std::time::Duration::from_millis(200));
        let answer = refuse(&absensi, &absensi.path("encrypt"), &unknown_key());
        answer.problem() == refusal(429, "too-many-in-flight")
    });
    let answer = refuse(&absensi, "/v1/endpoints/gaji/encrypt", &unknown_key());
    assert_eq!(answer.problem(), refusal(404, "endpoint-unknown"));
    let answer = refuse(&absensi, "/cryptAPI/Crypt/absensi", &unknown_key());
    assert_eq!(answer.gagal(), refusal(429, "too-many-in-flight"));
}

#[test]
fn v1_asks_shape_then_fields_then_budget() {
    let world = World::new("");
    let limits = "--requests-per-s 1000 --requests-burst 1000 --fields-per-s 1 --fields-burst 20";
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, limits);
    let absensi = Application { api_key, ..world.absensi() };
    world.done(&format!("budget set --api-key {id} --fields 5"));
    let sealed = absensi.seal(OBJECT, b"");
    let batch =
        |count: usize| json!({ "items": vec![json!({ "object": OBJECT, "ciphertext": sealed }); count] });
    assert_eq!(absensi.decrypt(&batch(5)).status, 200);
    // Over the burst and over the budget.
    assert_eq!(absensi.decrypt(&batch(21)).problem(), refusal(413, "batch-over-burst"));
    // Within the rate still, but the budget is used up; and it is charged to the rate.
    assert_eq!(absensi.decrypt(&batch(5)).problem(), refusal(429, "budget-exhausted"));
    assert_eq!(absensi.decrypt(&batch(6)).problem(), refusal(413, "batch-over-budget"));
    assert_eq!(absensi.decrypt(&batch(20)).problem(), refusal(429, "fields-limited"));
    let misshapen = json!({ "items": vec![json!({ "object": OBJECT }); 20] });
    assert_eq!(absensi.decrypt(&misshapen).problem(), refusal(400, "missing-member"));
}

#[test]
fn the_published_contract_asks_body_then_key_then_limits() {
    let shared = shared();
    let absensi = shared.newcomer();
    let path = "/cryptAPI/Crypt/absensi";
    let answer = refuse(&absensi, path, &unknown_key());
    assert_eq!(answer.gagal(), refusal(413, "body-too-large"));
    let api_key = shared.world.api_key(PROJECT, ENDPOINT, &format!("{SLOW_REQUESTS} 1 {WIDE}"));
    let ask = |api_key: &str, aksi: &str| {
        let body: Value = json!({ "api-key": api_key, "objek": OBJECT, "aksi": aksi, "plaintext": "" });
        absensi.published(body.to_string())
    };
    assert_eq!(ask(&unknown_key(), "hapus").gagal(), refusal(401, "api-key-unknown"));
    use_up(&Application { api_key: api_key.clone(), ..absensi.clone() });
    assert_eq!(ask(&api_key, "hapus").gagal(), refusal(429, "requests-limited"));
}

/// Requests that are refused, of an API key whose burst is as many; then there is none left.
#[test]
fn a_refused_request_has_cost_its_request() {
    let shared = shared();
    let absensi = shared.newcomer();
    let with = |limits: &str| Application {
        api_key: shared.world.api_key(PROJECT, ENDPOINT, limits),
        ..absensi.clone()
    };
    let v1 = with(&format!("{SLOW_REQUESTS} 50 --fields-per-s 1 --fields-burst 1"));
    let two = json!({ "items": vec![json!({ "object": OBJECT, "plaintext": "" }); 2] }).to_string();
    let mut live = v1.client.connect().unwrap();
    let mut refused = 0;
    while refused < 1_000 {
        let body = if refused % 2 == 0 { "{" } else { &two };
        let status = v1.v1_over(&mut live, "encrypt", body).unwrap().status;
        assert_ne!(status, 200);
        if status == 429 {
            break;
        }
        refused += 1;
    }
    assert!((50..500).contains(&refused), "{refused}");
    let published = with(&format!("{SLOW_REQUESTS} 3 {WIDE}"));
    let unknown = published.published_body(OBJECT, "hapus", "").to_string();
    let answers: Vec<u16> = (0..50).map(|_| published.published(&unknown).status).collect();
    assert!(answers.contains(&400) && answers.contains(&429), "{answers:?}");
}

#[test]
fn a_stolen_key_without_its_certificate_neither_spends_nor_shows_its_limits() {
    let shared = shared();
    let limits = format!("{SLOW_REQUESTS} 2 {WIDE}");
    let api_key = shared.world.api_key(PROJECT, ENDPOINT, &limits);
    let thief = Application { api_key: api_key.clone(), endpoint: "gaji".into(), ..shared.gaji.clone() };
    for _ in 0..5 {
        let answer = thief.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
        assert_eq!(answer.problem(), refusal(403, "api-key-of-another-endpoint"));
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
    }
    let owner = Application { api_key, ..shared.absensi.clone() };
    for _ in 0..2 {
        assert_eq!(owner.encrypt(&json!({ "object": OBJECT, "plaintext": "" })).status, 200);
    }
}
