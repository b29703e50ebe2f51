//! Decrypt budgets end to end: told, set, raised, warned of, and never given back by a kill.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World};

const OF_ENDPOINT: &str = "--project kantor --endpoint absensi";

/// A world, its application with an API key that has a budget of `fields`, and that key's id.
fn world(fields: u64) -> (World, Application, String) {
    let world = World::new("");
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    world.done(&format!("budget set --api-key {id} --fields {fields}"));
    let application = Application { api_key, ..world.absensi() };
    (world, application, id)
}

fn batch(sealed: &str, count: usize) -> Value {
    json!({ "items": vec![json!({ "object": OBJECT, "ciphertext": sealed }); count] })
}

fn budget(world: &World, name: &str) -> Value {
    let shown = world.done(&format!("budget show {OF_ENDPOINT}"));
    let shown = shown["budgets"].as_array().unwrap().clone();
    shown.into_iter().find(|budget| budget["name"] == name).unwrap()
}

#[track_caller]
pub(crate) fn is_exhausted(answer: &Answer, named: &str) {
    assert_eq!(answer.problem(), refusal(429, "budget-exhausted"));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(named), "{detail}");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    // The hour it is in slides out whole.
    assert!((22 * 3_600..=24 * 3_600).contains(&wait), "{wait}");
}

#[test]
fn a_used_up_budget_refuses_decrypts_by_both_contracts_and_nothing_else() {
    let (world, absensi, _) = world(10);
    let sealed = absensi.seal(OBJECT, b"rahasia");
    assert_eq!(absensi.decrypt(&batch(&sealed, 7)).ok()["failed"], 0);
    let refused = absensi.decrypt(&batch(&sealed, 4));
    is_exhausted(&refused, "The API key's budget of 10 decrypted fields in 24 hours has 3 left");
    let policy = Some("\"decrypted-fields-api-key\";q=10;w=86400");
    assert_eq!(refused.header("ratelimit-policy"), policy);
    let wait = refused.header("retry-after").unwrap();
    assert_eq!(refused.header("ratelimit").unwrap(), format!("\"decrypted-fields-api-key\";r=3;t={wait}"));
    // What could never go is not told to wait.
    let over = absensi.decrypt(&batch(&sealed, 11));
    assert_eq!(over.problem(), refusal(413, "batch-over-budget"));
    assert_eq!(over.header("retry-after"), None);
    assert_eq!(over.header("ratelimit-policy"), policy);
    // Every item is charged, also one that does not open; a refused request is not.
    assert_eq!(absensi.decrypt(&batch("R0IB", 3)).ok()["failed"], 3);
    is_exhausted(&absensi.decrypt(&batch(&sealed, 1)), "has 0 left");
    let published = absensi.published_body(OBJECT, "dekrip", &sealed).to_string();
    let refused = absensi.published(&published);
    assert_eq!(refused.gagal(), refusal(429, "budget-exhausted"));
    assert_eq!(refused.header("ratelimit-policy"), policy);
    absensi.seal(OBJECT, b"menyegel tidak dihitung");
    // Another API key of the endpoint has its own.
    assert_eq!(world.absensi().open(OBJECT, &sealed), b"rahasia");
}

#[test]
fn the_endpoints_budget_holds_all_its_keys_together() {
    let (world, absensi, _) = world(100);
    world.done(&format!("budget set {OF_ENDPOINT} --fields 10"));
    let sealed = absensi.seal(OBJECT, b"rahasia");
    assert_eq!(absensi.decrypt(&batch(&sealed, 6)).status, 200);
    let other = world.absensi();
    is_exhausted(&other.decrypt(&batch(&sealed, 5)), "The endpoint's budget of 10");
    assert_eq!(other.decrypt(&batch(&sealed, 4)).status, 200);
    assert_eq!((&budget(&world, ENDPOINT)["used"], &budget(&world, "uji")["used"]), (&json!(10), &json!(6)));
    world.done(&format!("budget set {OF_ENDPOINT} --default"));
    assert_eq!(other.decrypt(&batch(&sealed, 5)).status, 200);
    assert_eq!(budget(&world, ENDPOINT)["fields_per_day"], 200_000);
}

#[test]
fn kills_and_restarts_give_nothing_back() {
    let (world, absensi, _) = world(1_000);
    let sealed = absensi.seal(OBJECT, b"rahasia");
    assert_eq!(absensi.decrypt(&batch(&sealed, 600)).status, 200);
    let World { sandbox, mut daemon } = world;
    daemon.signal(Signal::KILL);
    daemon.wait();
    let daemon = sandbox.resume();
    let world = World { sandbox, daemon };
    let again = |world: &World| Application { api_key: absensi.api_key.clone(), ..world.absensi() };
    is_exhausted(&again(&world).decrypt(&batch(&sealed, 401)), "has 400 left");
    assert_eq!(again(&world).decrypt(&batch(&sealed, 390)).status, 200);
    let world = world.restart();
    is_exhausted(&again(&world).decrypt(&batch(&sealed, 11)), "has 10 left");
    assert_eq!(budget(&world, "uji")["used"], 990);
}

#[test]
fn a_lock_and_a_stop_forfeit_nothing() {
    let (mut world, absensi, _) = world(100_000);
    let sealed = absensi.seal(OBJECT, b"rahasia");
    let mut used = 0;
    for end in ["lock", "stop", "lock", "stop"] {
        let again = Application { api_key: absensi.api_key.clone(), ..world.absensi() };
        for fields in [1, 100, 7] {
            assert_eq!(again.decrypt(&batch(&sealed, fields)).ok()["failed"], 0);
            used += fields;
        }
        if end == "lock" {
            world.done("lock");
            world.done("unlock");
        } else {
            world = world.restart();
        }
        let told = [&budget(&world, "uji")["used"], &budget(&world, ENDPOINT)["used"]].map(Value::as_u64);
        assert_eq!(told, [Some(used as u64); 2], "after a {end}");
    }
    let given_back = world.trail().iter().filter(|entry| entry["act"] == "budget.give-back").count();
    assert_eq!(given_back, 4);
}

#[test]
fn a_raise_lets_more_through_and_ends_by_itself() {
    let (world, absensi, id) = world(10);
    let sealed = absensi.seal(OBJECT, b"rahasia");
    assert_eq!(absensi.decrypt(&batch(&sealed, 10)).status, 200);
    is_exhausted(&absensi.decrypt(&batch(&sealed, 1)), "budget of 10");
    world.done(&format!("budget raise --api-key {id} --fields 100000 --for 1h"));
    assert_eq!(absensi.decrypt(&batch(&sealed, 11)).status, 200);
    let raised = budget(&world, "uji");
    assert_eq!((&raised["fields_per_day"], &raised["own_fields_per_day"]), (&json!(100_000), &json!(10)));
    assert!(raised["raised_until"].is_string());
    // A further raise takes the place of the first, with what that had leased.
    world.done(&format!("budget raise --api-key {id} --fields 100000 --for 2s"));
    world.daemon.wait_until("the raise has ended", || absensi.decrypt(&batch(&sealed, 1)).status == 429);
    let ended = budget(&world, "uji");
    assert_eq!((&ended["fields_per_day"], &ended["raised_until"]), (&json!(10), &Value::Null));
    let trail = world.done("audit list --limit 1000")["audit"]["entries"].clone();
    let journalled: Vec<&Value> =
        trail.as_array().unwrap().iter().filter(|entry| entry["act"] == "budget.raise").collect();
    assert_eq!(journalled.len(), 2);
    assert!(journalled[0]["actor"].as_str().unwrap().starts_with("local:"), "{}", journalled[0]);
    assert_eq!(journalled[0]["details"]["of"], format!("API key {id}"));
    assert_eq!(journalled[0]["details"]["fields-per-day"], "100000");
}

#[test]
fn nobody_waits_for_a_raise_that_is_over_by_then() {
    let (world, absensi, id) = world(10);
    let sealed = absensi.seal(OBJECT, b"rahasia");
    world.done(&format!("budget raise --api-key {id} --fields 100 --for 1h"));
    assert_eq!(absensi.decrypt(&batch(&sealed, 100)).status, 200);
    let over = absensi.decrypt(&batch(&sealed, 50));
    assert_eq!(over.problem(), refusal(413, "batch-over-budget"));
    assert_eq!(over.header("retry-after"), None);
    assert_eq!(over.header("ratelimit-policy"), Some("\"decrypted-fields-api-key\";q=10;w=86400"));
    let detail = over.json()["detail"].as_str().unwrap().to_owned();
    let told = "before more are free the raise is over and the budget is 10 decrypted fields";
    assert!(detail.contains(told), "{detail}");
    is_exhausted(&absensi.decrypt(&batch(&sealed, 10)), "has 0 left");
}

#[test]
fn at_four_fifths_somebody_is_told_once() {
    let (world, absensi, id) = world(100);
    let sealed = absensi.seal(OBJECT, b"rahasia");
    let admin = world.admin();
    let strained = || admin.get("/health/state").ok()["strained_budgets"].clone();
    let metric = |name: &str| {
        let text = admin.get("/metrics").text().to_owned();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(' ').next_back().unwrap().to_owned()
    };
    let warnings = || world.daemon.said("a budget is four fifths used").count();
    assert_eq!(absensi.decrypt(&batch(&sealed, 79)).status, 200);
    assert_eq!((strained(), warnings()), (json!([]), 0));
    for _ in 0..21 {
        assert_eq!(absensi.decrypt(&batch(&sealed, 1)).status, 200);
    }
    let expected = json!([{ "of": format!("API key {id}"), "fields_per_day": 100, "used": 100 }]);
    assert_eq!((strained(), warnings()), (expected, 1));
    assert_eq!(world.status()["strained_budgets"], strained());
    assert_eq!(
        (metric("gembok_budgets_strained").as_str(), metric("gembok_budgets_exhausted").as_str()),
        ("1", "1")
    );
}

#[test]
fn an_operators_slip_is_refused() {
    let (world, _, id) = world(10);
    for words in [
        format!("budget set --api-key {id} --fields 0"),
        format!("budget set --api-key {id} --fields 1000000001"),
        format!("budget raise --api-key {id} --fields 10 --for 1h"),
        format!("budget raise --api-key {id} --fields 11 --for 0s"),
        format!("budget raise --api-key {id} --fields 11 --for 31d"),
        "budget set --api-key absensi --fields 5".into(),
    ] {
        assert_eq!(world.sandbox.refused(&words.split(' ').collect::<Vec<_>>()), "bad-request", "{words}");
    }
    for words in [
        "budget show --project kantor --endpoint tidak-ada",
        "budget set --api-key 6f2c1b7e-3c39-4c8e-9d4b-0c7f6f0f2a11 --fields 5",
    ] {
        assert_eq!(world.sandbox.refused(&words.split(' ').collect::<Vec<_>>()), "not-found", "{words}");
    }
}
