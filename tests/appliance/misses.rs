//! What comes to be reencrypted and does not open is counted: whoever stole a ciphertext and may only reencrypt has so many
//! guesses at its context in a day, however many of them at once, and who moves a table has as many rows as it has.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::budgets::is_exhausted;
use crate::client::{Answer, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World};

const OF_ENDPOINT: &str = "--project kantor --endpoint absensi --operation reencrypt";

/// A world whose application may reencrypt, with an API key that has a budget of so many misses, and that key's id.
fn world(misses: u64) -> (World, Application, String) {
    let world = World::new("");
    world.grant("encrypt decrypt reencrypt", OBJECT, ENDPOINT);
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    world.done(&format!("budget set --api-key {id} --operation reencrypt --fields {misses}"));
    let application = Application { api_key, ..world.absensi() };
    (world, application, id)
}

/// A ciphertext that is bound to a person, and the request that says so.
fn stolen(application: &Application) -> Value {
    let context = json!({ "nik": "3602041211870001" });
    let plaintext = STANDARD.encode("rahasia");
    let sealed =
        application.encrypt(&json!({ "object": OBJECT, "plaintext": plaintext, "context": context }));
    json!({ "object": OBJECT, "ciphertext": sealed.ok()["ciphertext"], "context": context })
}

/// The same with another guess.
fn guess(stolen: &Value, number: usize) -> Value {
    let mut guess = stolen.clone();
    guess["context"]["nik"] = json!(format!("{number:016}"));
    guess
}

fn reencrypt(application: &Application, body: &Value) -> Answer {
    application.v1("reencrypt", body.to_string())
}

fn codes(answer: &Answer) -> Vec<String> {
    let items = answer.ok()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["code"].as_str().unwrap_or("done").to_owned()).collect()
}

/// What is used of the API key's budget of misses, and of the endpoint's.
fn used(world: &World, id: &str) -> (u64, u64) {
    let shown = world.done(&format!("api-key show {id}"));
    let of = |budgets: &Value, name: &str| {
        let budgets = budgets.as_array().unwrap();
        let found = budgets.iter().find(|one| one["operation"] == "reencrypt" && one["name"] == name);
        found.unwrap()["used"].as_u64().unwrap()
    };
    let endpoint = world.done(&format!("budget show --project {PROJECT} --endpoint {ENDPOINT}"));
    (of(&shown["api-key-shown"]["budgets"], "uji"), of(&endpoint["budgets"], ENDPOINT))
}

#[test]
fn what_opens_costs_nothing_and_what_does_not_is_counted_until_nothing_is_opened_any_more() {
    let (world, absensi, id) = world(10);
    let known = stolen(&absensi);
    // Moved to another key in batches a hundred times the budget.
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let many = json!({ "items": vec![known.clone(); 1_000] });
    for _ in 0..3 {
        assert_eq!(reencrypt(&absensi, &many).ok()["failed"], 0);
    }
    assert_eq!(used(&world, &id), (0, 0));
    for number in 0..4 {
        assert_eq!(reencrypt(&absensi, &guess(&known, number)).problem(), refusal(422, "cannot-open"));
    }
    // What never came to be opened says nothing about a context.
    let mut unknown = known.clone();
    unknown["object"] = json!("tidak-ada");
    assert_eq!(reencrypt(&absensi, &unknown).problem(), refusal(404, "object-unknown"));
    assert_eq!(used(&world, &id), (4, 4));
    // In a batch those that open go on as long as there is anything to lose.
    let mut items: Vec<Value> = (0..5).flat_map(|number| [known.clone(), guess(&known, number)]).collect();
    items.extend([known.clone(), guess(&known, 5), known.clone(), guess(&known, 6), unknown]);
    let expected = [["done", "cannot-open"]; 6].concat();
    let rest = ["budget-exhausted", "budget-exhausted", "object-unknown"];
    assert_eq!(codes(&reencrypt(&absensi, &json!({ "items": items }))), [&expected[..], &rest].concat());
    assert_eq!(used(&world, &id), (10, 10));
    // Neither a guess nor what would open: that they are told apart is what the budget is for.
    for item in [guess(&known, 7), known.clone(), many.clone()] {
        let refused = reencrypt(&absensi, &item);
        is_exhausted(&refused, "The API key's budget of 10 fields that did not open in 24 hours has 0 left");
        let policy = Some("\"missed-fields-api-key\";q=10;w=86400");
        assert_eq!(refused.header("ratelimit-policy"), policy);
    }
    // Another API key has its own, and to decrypt is charged elsewhere.
    assert_eq!(reencrypt(&world.absensi(), &known).ok()["changed"], true);
    assert_eq!(absensi.decrypt(&known).ok()["plaintext"], STANDARD.encode("rahasia"));
    let admin = world.admin();
    let strained = admin.get("/health/state").ok()["strained_budgets"].clone();
    let expected = json!([{ "of": format!("API key {id}, fields that did not open"), "fields_per_day": 10, "used": 10 }]);
    assert_eq!((&strained, &world.status()["strained_budgets"]), (&expected, &expected));

    world.done(&format!("budget raise --api-key {id} --operation reencrypt --fields 12 --for 1h"));
    assert_eq!(reencrypt(&absensi, &known).ok()["changed"], true);
    assert_eq!(reencrypt(&absensi, &guess(&known, 8)).problem(), refusal(422, "cannot-open"));
    world.done(&format!("budget set {OF_ENDPOINT} --fields 11"));
    is_exhausted(&reencrypt(&absensi, &known), "The endpoint's budget of 11");
    assert_eq!(used(&world, &id), (11, 11));
    let shown = world.done(&format!("api-key show {id}"))["api-key-shown"]["budgets"].clone();
    let told: Vec<_> =
        shown.as_array().unwrap().iter().map(|one| (&one["operation"], &one["used"])).collect();
    let [decrypt, index, reencrypt] = ["decrypt", "index", "reencrypt"].map(|name| json!(name));
    assert_eq!(told, [(&decrypt, &json!(1)), (&index, &json!(0)), (&reencrypt, &json!(11))]);
}

#[test]
fn many_who_guess_at_once_learn_of_no_more_than_there_is_and_a_kill_gives_nothing_back() {
    let (world, absensi, id) = world(40);
    let known = stolen(&absensi);
    let told = |application: &Application, told: &AtomicUsize, by: usize| {
        for number in 0..30 {
            // Half of them in batches, half of what is in those opens.
            let answer = if by.is_multiple_of(2) {
                let items = json!({ "items": [known, guess(&known, number), known, guess(&known, number)] });
                reencrypt(application, &items)
            } else {
                reencrypt(application, &guess(&known, number))
            };
            let misses = answer.text().matches("\"cannot-open\"").count();
            told.fetch_add(misses, Ordering::Relaxed);
            assert!([200, 422, 429].contains(&answer.status), "{}", answer.text());
        }
    };
    let misses = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for by in 0..8 {
            let (application, misses) = (absensi.clone(), &misses);
            threads.spawn(move || told(&application, misses, by));
        }
    });
    assert_eq!(misses.into_inner(), 40);
    assert_eq!(used(&world, &id), (40, 40));

    world.done(&format!("budget set --api-key {id} --operation reencrypt --fields 1000"));
    assert_eq!(reencrypt(&absensi, &guess(&known, 0)).problem(), refusal(422, "cannot-open"));
    let World { sandbox, mut daemon } = world;
    daemon.signal(Signal::KILL);
    daemon.wait();
    let world = World { daemon: sandbox.resume(), sandbox };
    let (of_key, of_endpoint) = used(&world, &id);
    assert!((41..=41 + 1_000 / 64).contains(&of_key), "{of_key}");
    assert!(of_endpoint >= 41, "{of_endpoint}");
    // And an end in order forfeits nothing.
    let again = Application { api_key: absensi.api_key, ..world.absensi() };
    assert_eq!(reencrypt(&again, &guess(&known, 0)).problem(), refusal(422, "cannot-open"));
    let world = world.restart();
    assert_eq!(used(&world, &id).0, of_key + 1);
}

#[test]
fn rows_that_all_open_cost_nothing_however_many_at_once_and_a_key_with_nothing_left_costs_its_endpoint_nothing()
 {
    let (world, absensi, id) = world(60);
    world.done(&format!("budget set {OF_ENDPOINT} --fields 61"));
    let (used_up_id, api_key) =
        world.new_api_key(PROJECT, ENDPOINT, "--requests-per-s 10000 --requests-burst 10000");
    world.done(&format!("budget set --api-key {used_up_id} --operation reencrypt --fields 1"));
    let used_up = Application { api_key, ..world.absensi() };
    world.done(&format!("api-key limits {id} --requests-per-s 10000 --requests-burst 10000"));
    let known = stolen(&absensi);
    assert_eq!(reencrypt(&used_up, &guess(&known, 0)).problem(), refusal(422, "cannot-open"));
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    // Ten at work on good rows for as long as another is refused a hundred times in each of four places.
    let refused = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            let (used_up, refused, known) = (used_up.clone(), &refused, &known);
            threads.spawn(move || {
                for number in 0..100 {
                    let answer = reencrypt(&used_up, &guess(known, number));
                    assert_eq!(answer.problem(), refusal(429, "budget-exhausted"));
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..10 {
            let (absensi, refused, known) = (absensi.clone(), &refused, &known);
            threads.spawn(move || {
                let mut rows = 0;
                while rows < 50 || refused.load(Ordering::Relaxed) < 400 {
                    assert_eq!(reencrypt(&absensi, known).ok()["changed"], true);
                    rows += 1;
                }
            });
        }
    });
    assert_eq!(used(&world, &id), (0, 1));
    // It is a number of the disk, too.
    let world = world.restart();
    assert_eq!(used(&world, &id), (0, 1));
}
