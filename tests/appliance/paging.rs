//! Lists in pages: each entry once, whatever is made and ended between two pages.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, PROJECT};
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
