//! `GET /v1/statistics`: who may read, and what each part of the query selects.

use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

#[test]
fn statistics_are_told_by_endpoint_object_operation_and_outcome() {
    let world = World::new("");
    let (absensi, gaji) = (world.absensi(), world.enrol(PROJECT, "gaji"));
    world.grant("encrypt", OBJECT, "gaji");
    let sealed = absensi.seal(OBJECT, b"sepuluh 10");
    assert_eq!(absensi.open(OBJECT, &sealed), b"sepuluh 10");
    let items = json!({ "items": [{ "object": OBJECT, "plaintext": "eHh4" }, { "object": OBJECT, "plaintext": "?" }] });
    assert_eq!(gaji.encrypt(&items).ok()["failed"], 1);
    assert_eq!(gaji.decrypt(&json!({ "object": OBJECT, "ciphertext": sealed })).status, 403);

    let admin = world.admin();
    let ask = |query: &str| admin.get(&format!("/v1/statistics?{query}"));
    let rows = |query: &str| ask(query).ok()["rows"].as_array().unwrap().clone();
    world.daemon.wait_until("all records are committed", || sum(&rows("resolution=day"), "requests") == 4);

    let endpoint = |name: &str| {
        let listed = world.done(&format!("endpoint list --project {PROJECT}"));
        let listed = listed["endpoints"].as_array().unwrap().clone();
        listed.iter().find(|one| one["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (absensi_id, gaji_id) = (endpoint(ENDPOINT), endpoint("gaji"));
    let shown = world.done(&format!("object show {OBJECT} --project {PROJECT}"));
    let object_id = shown["object"]["object"]["id"].as_str().unwrap().to_owned();

    for resolution in ["minute", "hour", "day"] {
        let of = |more: &str| rows(&format!("resolution={resolution}{more}"));
        let all = of("");
        assert_eq!((sum(&all, "requests"), sum(&all, "fields"), sum(&all, "bytes")), (4, 5, 10 + 10 + 3));
        let ours = of(&format!("&endpoint={absensi_id}"));
        assert_eq!((sum(&ours, "requests"), sum(&ours, "fields"), sum(&ours, "bytes")), (2, 2, 20));
        assert!(ours.iter().all(|row| row["endpoint"] == absensi_id.as_str()));
        let encrypted = of("&operation=encrypt");
        assert_eq!((sum(&encrypted, "requests"), sum(&encrypted, "fields")), (2, 3));
        let fields = of(&format!("&object={object_id}&endpoint={gaji_id}"));
        let by_outcome = |outcome: &str| {
            let rows: Vec<Value> = fields.iter().filter(|row| row["outcome"] == outcome).cloned().collect();
            sum(&rows, "fields")
        };
        assert_eq!((by_outcome("done"), by_outcome("bad-base64")), (1, 1), "{fields:?}");
        let whole: Vec<Value> = of(&format!("&endpoint={gaji_id}&operation=decrypt"));
        assert!(whole.iter().any(|row| row["outcome"] == "not-granted" && row["requests"] == 1), "{whole:?}");
        assert!(ours.iter().all(|row| row["endpoint_name"] == ENDPOINT));
        // A row says what it counts and nothing else.
        for row in &all {
            let whole = row["object"].is_null();
            for (member, is_there) in [
                ("requests", whole),
                ("latency_sum_us", whole),
                ("latency_max_us", whole),
                ("fields", !whole),
                ("bytes", !whole),
            ] {
                assert_eq!(row.get(member).is_some(), is_there, "{member} in {row}");
            }
            assert_eq!(row["object_name"], if whole { Value::Null } else { OBJECT.into() });
        }
        let refused = of("&outcome=not-granted");
        assert_eq!((sum(&refused, "requests"), sum(&refused, "fields")), (1, 1));
        assert!(refused.iter().all(|row| row["outcome"] == "not-granted" && row["endpoint_name"] == "gaji"));
        assert_eq!(sum(&of("&outcome=done"), "fields"), 3);
        assert_eq!(sum(&of("&outcome=bad-base64"), "fields"), 1);
        assert!(sum(&all, "latency_sum_us") >= sum(&all, "latency_max_us"));
    }
    // `to` is the moment after the last, `from` the first.
    assert_eq!(sum(&rows("resolution=day&from=0"), "requests"), 4);
    assert!(rows("resolution=day&from=0&to=86400").is_empty());
    assert!(rows("resolution=minute&from=4000000000&to=4100000000").is_empty());
    assert!(rows(&format!("endpoint={object_id}")).is_empty());

    for wrong in [
        "resolution=week",
        "from=x",
        "to=-1",
        "endpoint=absensi",
        "object=1",
        "operation=hapus",
        "outcome=fine",
        "x=1",
        "from",
    ] {
        assert_eq!(ask(wrong).problem(), refusal(400, "bad-request"), "{wrong}");
    }
    let path = "/v1/statistics";
    assert_eq!(world.control(None).get(path).problem(), refusal(401, "certificate-missing"));
    assert_eq!(world.control(Some("client/client")).get(path).problem(), refusal(403, "forbidden"));
}

fn sum(rows: &[Value], member: &str) -> u64 {
    rows.iter().filter_map(|row| row.get(member)).map(|count| count.as_u64().unwrap()).sum()
}
