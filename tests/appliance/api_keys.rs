//! API keys in their time: one takes another's place without a gap, limits and ends change at once, and lists tell which is used.

use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World};

fn item() -> Value {
    json!({ "object": OBJECT, "plaintext": "eA==" })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn listed(world: &World, id: &str) -> Value {
    let listed = world.done(&format!("api-key list --project {PROJECT} --endpoint {ENDPOINT}"));
    let keys = listed["api-keys"]["items"].as_array().unwrap().clone();
    keys.into_iter().find(|key| key["id"] == id).unwrap()
}

#[test]
fn one_takes_anothers_place_without_a_gap() {
    let world = World::new("");
    let (old_id, old_key) =
        world.new_api_key(PROJECT, ENDPOINT, "--requests-per-s 7 --expires 2099-01-01T00:00:00Z");
    world.done(&format!("budget set --api-key {old_id} --fields 4321"));
    let old = Application { api_key: old_key, ..world.absensi() };
    assert_eq!(old.encrypt(&item()).status, 200);

    let rotated = world.done(&format!("api-key rotate {old_id} --overlap 1h"))["api-key-rotated"].clone();
    let new = Application { api_key: text(&rotated["text"]), ..old.clone() };
    let new_id = text(&rotated["api_key"]["id"]);
    // Both count, with the same label, limits and budget; the old one has an end now.
    for application in [&old, &new, &old] {
        assert_eq!(application.encrypt(&item()).status, 200);
    }
    let (before, after) = (listed(&world, &old_id), listed(&world, &new_id));
    assert_eq!((&after["label"], &after["requests_per_s"]), (&before["label"], &json!(7)));
    assert_eq!((&after["replaces"], &before["replaced_by"]), (&json!(old_id), &json!(new_id)));
    assert!(text(&before["expires"]).as_str() < "2099" && text(&after["expires"]).as_str() > "2098");
    let budgets =
        world.done(&format!("budget show --project {PROJECT} --endpoint {ENDPOINT}"))["budgets"].clone();
    let own = budgets.as_array().unwrap().iter().filter(|budget| budget["own_fields_per_day"] == 4321);
    assert_eq!(own.count(), 2);

    let amended = world.done(&format!("api-key limits {old_id} --fields-per-s 9"))["api-key"].clone();
    assert_eq!((&amended["replaced_by"], &amended["requests_per_s"]), (&json!(new_id), &json!(7)));
    // An end that is now: the other goes on.
    let third = world.done(&format!("api-key rotate {new_id} --overlap 0s"))["api-key-rotated"].clone();
    assert_eq!(new.encrypt(&item()).problem(), refusal(401, "api-key-expired"));
    let third = Application { api_key: text(&third["text"]), ..old.clone() };
    assert_eq!(third.encrypt(&item()).status, 200);
    assert_eq!(world.sandbox.refused(&["api-key", "rotate", &new_id]), "api-key-expired");
    assert_eq!(world.sandbox.refused(&["api-key", "rotate", &old_id, "--overlap", "91d"]), "bad-request");
    world.done(&format!("api-key revoke {old_id}"));
    assert_eq!(world.sandbox.refused(&["api-key", "rotate", &old_id]), "api-key-revoked");
    let rotations: Vec<Value> =
        world.trail().into_iter().filter(|entry| entry["act"] == "api-key.rotate").collect();
    assert_eq!((rotations.len(), &rotations[0]["details"]["replaces"]), (2, &json!(old_id)));
    // Written into a file it is shown nowhere.
    let third_id = text(
        &world.done(&format!("api-key list --project {PROJECT} --endpoint {ENDPOINT}"))["api-keys"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["replaces"] == new_id.as_str())
            .unwrap()["id"],
    );
    let shown = world.done(&format!("api-key rotate {third_id} --out rotated")).to_string();
    let written = std::fs::read_to_string(world.sandbox.path("rotated")).unwrap();
    assert!(written.starts_with("gbk_") && !shown.contains(written.trim()));
    let fourth = Application { api_key: written.trim().to_owned(), ..old };
    assert_eq!(fourth.encrypt(&item()).status, 200);
}

#[test]
fn limits_and_ends_change_at_once() {
    let world = World::new("");
    let (id, key) = world.new_api_key(PROJECT, ENDPOINT, "--requests-per-s 1000 --requests-burst 1000");
    let application = Application { api_key: key, ..world.absensi() };
    let mut live = application.client.connect().unwrap();
    let mut ask = || application.v1_over(&mut live, "encrypt", item().to_string()).unwrap();
    assert_eq!(ask().status, 200);
    let changed =
        world.done(&format!("api-key limits {id} --requests-per-s 1 --requests-burst 2"))["api-key"].clone();
    assert_eq!((&changed["requests_burst"], &changed["fields_per_s"]), (&json!(2), &json!(20_000)));
    assert_eq!([ask().status, ask().status], [200, 200]);
    assert_eq!(ask().problem(), refusal(429, "requests-limited"));
    assert_eq!(world.sandbox.refused(&["api-key", "limits", &id, "--fields-per-s", "0"]), "bad-request");
    assert_eq!(world.sandbox.run(&["api-key", "limits", &id]).status.code(), Some(2), "nothing is said");
    world.done(&format!("api-key limits {id} --requests-per-s 1000 --requests-burst 1000"));
    assert_eq!(ask().status, 200);

    let ended = world.done(&format!("api-key expire {id} 2099-01-01T00:00:00Z"))["api-key"].clone();
    assert!(text(&ended["expires"]).starts_with("2099"));
    assert_eq!(world.sandbox.refused(&["api-key", "expire", &id, "2020-01-01T00:00:00Z"]), "bad-request");
    assert!(world.done(&format!("api-key expire {id} --never"))["api-key"]["expires"].is_null());
    let acts: Vec<Value> = world.trail().into_iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts.iter().filter(|act| *act == "api-key.limits").count(), 2);
    assert_eq!(acts.iter().filter(|act| *act == "api-key.expire").count(), 2);
    world.done(&format!("api-key revoke {id}"));
    assert_eq!(world.sandbox.refused(&["api-key", "expire", &id, "--never"]), "api-key-revoked");
}

#[test]
fn lists_tell_which_key_is_used_and_an_endpoint_is_shown_whole() {
    let world = World::new("");
    let absensi = world.absensi();
    let (idle, _) = world.new_api_key(PROJECT, ENDPOINT, "");
    let before = world.done(&format!("api-key list --project {PROJECT} --endpoint {ENDPOINT}"));
    let used = before["api-keys"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["label"] == "tests")
        .unwrap()
        .clone();
    let used = text(&used["id"]);
    assert!(listed(&world, &used)["last_used"].is_null());
    absensi.seal(OBJECT, b"x");
    world.daemon.wait_until("its use is written down", || listed(&world, &used)["last_used"].is_string());
    assert_eq!(listed(&world, &used)["last_used_from"], "127.0.0.1");
    assert!(listed(&world, &idle)["last_used"].is_null());
    // Another in the same minute writes nothing anew, and a restart forgets nothing.
    let first = listed(&world, &used)["last_used"].clone();
    absensi.seal(OBJECT, b"x");
    let world = world.restart();
    assert_eq!(listed(&world, &used)["last_used"], first);

    world.done(&format!("object create alamat --project {PROJECT}"));
    world.grant("encrypt", "alamat", ENDPOINT);
    world.done(&format!("endpoint networks set {ENDPOINT} 127.0.0.0/8 --project {PROJECT}"));
    let shown =
        world.done(&format!("endpoint show {ENDPOINT} --project {PROJECT}"))["endpoint-shown"].clone();
    assert_eq!(shown["endpoint"]["name"], ENDPOINT);
    assert_eq!(
        shown["grants"],
        json!([
            { "object": "alamat", "operations": ["encrypt"] },
            { "object": OBJECT, "operations": ["encrypt", "decrypt"] },
        ])
    );
    assert_eq!(shown["networks"], json!(["127.0.0.0/8"]));
    assert_eq!(shown["api_keys"].as_array().unwrap().len(), 2);
    assert_eq!(
        (shown["certificates"].as_array().unwrap().len(), shown["budgets"].as_array().unwrap().len()),
        (1, 9)
    );
    let said = world.sandbox.run(&["endpoint", "show", ENDPOINT, "--project", PROJECT]);
    let said = String::from_utf8(said.stdout).unwrap();
    for word in [
        "encrypt decrypt",
        "may come from 127.0.0.0/8",
        "LAST USED",
        "from 127.0.0.1",
        "PUBLIC KEY",
        "FIELDS IN 24 H",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("gbk_"));
    assert_eq!(world.sandbox.refused(&["endpoint", "show", "tak-ada", "--project", PROJECT]), "not-found");
}
