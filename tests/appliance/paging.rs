//! Lists in pages: each entry once, whatever is made and ended between two pages.

use std::collections::BTreeSet;

use gembok::domain::cbor;
use gembok::store::Table;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::Vault;
use crate::world::World;

/// Every entry of a list, three at a time, by the member `by`.
fn walk(ask: impl Fn(&str) -> Value, by: &str) -> (Vec<String>, usize) {
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let page = ask(&format!("limit=3{after}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item[by].to_string()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (seen, pages),
        }
    }
}

#[test]
fn every_list_is_whole_and_shows_each_entry_once() {
    let world = World::new("");
    world.done("user create siti --role user");
    world.done(&format!("project member add siti --project {PROJECT}"));
    world.done("certificate issue --user siti --out siti");
    for at in 0..7 {
        world.done(&format!("user create orang{at} --role user"));
        world.done(&format!("project member add orang{at} --project {PROJECT}"));
        world.done(&format!("project create proyek{at}"));
        world.done(&format!("project member add siti --project proyek{at}"));
        world.done(&format!("object create objek{at} --project {PROJECT}"));
        world.done(&format!("endpoint create titik{at} --project {PROJECT}"));
        world.grant("encrypt", &format!("objek{at}"), ENDPOINT);
        world.api_key(PROJECT, ENDPOINT, "");
        // In another project, between them by id.
        world.done(&format!("object create lain{at} --project proyek{at}"));
    }
    let (siti, admin) = (world.control(Some("siti/user")), world.admin());
    let below = format!("/v1/projects/{PROJECT}");
    let of_endpoint = format!("{below}/endpoints/{ENDPOINT}");
    // An endpoint's grants: two on the first object, of provisioning.
    for (client, path, by, count) in [
        (&admin, "/v1/users".to_owned(), "id", 9),
        (&admin, "/v1/projects".to_owned(), "id", 8),
        (&siti, "/v1/projects".to_owned(), "id", 8),
        (&siti, format!("{below}/members"), "id", 8),
        (&siti, format!("{below}/objects"), "id", 8),
        (&siti, format!("{below}/endpoints"), "id", 8),
        (&siti, format!("{of_endpoint}/api-keys"), "id", 8),
        (&admin, "/v1/certificates".to_owned(), "spki", 3),
    ] {
        let (seen, pages) = walk(|query| client.get(&format!("{path}?{query}")).ok(), by);
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (count, count), "{path}");
        assert_eq!(pages, count.div_ceil(3), "{path}: no empty page at the end");
    }
    let (seen, _) = walk(|query| siti.get(&format!("{of_endpoint}/grants?{query}")).ok(), "object");
    assert_eq!(seen.len(), 9);

    // What ends between two pages hides nobody; what it ended is the cursor all the same.
    let first = admin.get("/v1/users?limit=3").ok();
    let next = first["next"].as_str().unwrap();
    let last = first["items"][2]["name"].as_str().unwrap();
    if last != "admin" {
        world.done(&format!("user delete {last}"));
    }
    let rest = admin.get(&format!("/v1/users?after={next}")).ok();
    assert_eq!(rest["items"].as_array().unwrap().len(), 6);
    for query in ["limit=0", "limit=x", "after=x", "limit=3&limit=3"] {
        assert_eq!(admin.get(&format!("/v1/users?{query}")).problem().0, 400, "{query}");
    }
    assert_eq!(admin.get("/v1/users?limit=0").problem(), refusal(400, "bad-request"));
    let listed = world.done("user list --limit 3");
    assert_eq!(listed["users"]["items"].as_array().unwrap().len(), 3);
    let said = world.sandbox.run(&["user", "list", "--limit", "3"]);
    assert!(String::from_utf8(said.stdout).unwrap().contains("There are more: --after "));
}

#[test]
fn a_loop_that_makes_things_comes_to_an_end() {
    let world = World::new("");
    world.done("user create siti --role user");
    world.done("certificate issue --user siti --out siti");
    world.done(&format!("project member add siti --project {PROJECT}"));
    let siti = world.control(Some("siti/user"));
    let json = [("content-type", "application/json")];
    let project = format!("/v1/projects/{PROJECT}");
    let ask = |below: &str, body: Value| {
        siti.insist("POST", &format!("{project}{below}"), &json, body.to_string().as_bytes())
    };
    let keys = format!("/endpoints/{ENDPOINT}/api-keys");
    // One was provisioned.
    let mut last = String::new();
    for _ in 1..100 {
        let made = ask(&keys, json!({ "label": "lagi" }));
        assert_eq!(made.status, 201, "{}", made.text());
        last = made.json()["api_key"]["id"].as_str().unwrap().to_owned();
    }
    let over = ask(&keys, json!({ "label": "lagi" }));
    assert_eq!(over.problem(), refusal(409, "too-many-things"));
    assert!(over.text().contains("100 API keys"), "{}", over.text());
    // Each of them can be replaced all the same, and that makes no place for one more.
    let post = |path: String, body: &[u8]| siti.insist("POST", &path, &json, body);
    let rotate = |id: &str| post(format!("/v1/api-keys/{id}/rotate"), br#"{"overlap_s":60}"#);
    let rotated = rotate(&last);
    assert_eq!(rotated.status, 201, "{}", rotated.text());
    let next = rotated.json()["api_key"]["id"].as_str().unwrap().to_owned();
    for id in [&last, &next] {
        assert_eq!(rotate(id).problem(), refusal(409, "too-many-things"), "two in the place of one");
    }
    assert_eq!(post(format!("/v1/api-keys/{last}/revoke"), b"").status, 204);
    assert_eq!(ask(&keys, json!({ "label": "lagi" })).problem(), refusal(409, "too-many-things"));
    // Another endpoint has its own, and one that is revoked counts no more.
    assert_eq!(ask("/endpoints", json!({ "name": "kasir" })).status, 201);
    assert_eq!(ask("/endpoints/kasir/api-keys", json!({ "label": "satu" })).status, 201);
    assert_eq!(post(format!("/v1/api-keys/{next}/revoke"), b"").status, 204);
    assert_eq!(ask(&keys, json!({ "label": "lagi" })).status, 201);

    // A project is shown with the first hundred of each, and says that there are more.
    let shown = || siti.get(&project).ok();
    let count = |shown: &Value, what: &str| shown[what].as_array().unwrap().len();
    assert_eq!(
        (shown()["more_objects"].clone(), shown()["more_endpoints"].clone()),
        (json!(false), json!(false))
    );
    let there = count(&shown(), "endpoints");
    for number in there..=100 {
        assert_eq!(ask("/endpoints", json!({ "name": format!("loket{number}") })).status, 201);
    }
    let shown = shown();
    assert_eq!((count(&shown, "endpoints"), &shown["more_endpoints"]), (100, &json!(true)));
    let told = world.sandbox.run(&["project", "show", PROJECT]).stdout;
    assert!(
        String::from_utf8(told).unwrap().contains("there are more: gembok endpoint list"),
        "for eyes, too"
    );
}

#[test]
fn a_project_has_a_bounded_number_of_objects() {
    in_child("paging::a_project_has_a_bounded_number_of_objects", |softhsm| {
        let world = World::new("");
        world.done("project create cabang");
        let id = world.done(&format!("project show {PROJECT}"))["project-shown"]["project"]["id"].clone();
        let id: uuid::Uuid = id.as_str().unwrap().parse().unwrap();
        let row_key = [b"objects-of ".as_slice(), id.as_bytes()].concat();
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        // As if all but one had been made.
        let vault = Vault::open(&sandbox, softhsm);
        let counted: u64 =
            cbor::decode(&vault.store.get(Table::Counters, &row_key).unwrap().unwrap().value).unwrap();
        vault.put(Table::Counters, &row_key, &9_999u64);
        drop(vault);
        let world = World { daemon: sandbox.resume(), sandbox };
        let there = world.done(&format!("object list --project {PROJECT}"))["objects"]["items"].clone();
        assert_eq!(counted, there.as_array().unwrap().len() as u64, "counted as they were made");
        let create = |name: &str, project: &str| {
            ["object".into(), "create".into(), name.to_owned(), "--project".into(), project.to_owned()]
        };
        let made = |words: [String; 5]| world.sandbox.done(&words.each_ref().map(String::as_str));
        let refused = |words: [String; 5]| world.sandbox.refused(&words.each_ref().map(String::as_str));
        made(create("terakhir", PROJECT));
        assert_eq!(refused(create("lagi", PROJECT)), "too-many-things");
        assert_eq!(refused(create(OBJECT, "hantu")), "not-found");
        // Another project has its own; and one that counts nothing yet is counted.
        made(create(OBJECT, "cabang"));
    });
}
