//! An export over the control plane that is longer than a page: it comes in pieces and whole, is told once it was handed over,
//! and counts as kept when its keeper says so, once.

use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT};
use crate::world::World;

/// Some pages of records.
const REQUESTS: usize = 6_000;
/// Requests on their way at once.
const AHEAD: usize = 50;
/// An export in fewer bytes would prove nothing here: a page has 256 KiB.
const BYTES_ENOUGH: usize = 600 << 10;

#[test]
fn pages_come_one_after_the_other_and_are_whole() {
    let world = World::new("");
    let api_key = world.generous();
    let mut connection = world.absensi().client.connect().unwrap();
    let body = json!({ "object": OBJECT, "plaintext": "QnVkaQ==" }).to_string();
    let length = body.len();
    let request = format!(
        "POST /v1/endpoints/{ENDPOINT}/encrypt HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {api_key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    for _ in 0..REQUESTS / AHEAD {
        connection.send(request.repeat(AHEAD).as_bytes()).unwrap();
        for _ in 0..AHEAD {
            assert_eq!(connection.answer().unwrap().status, 200);
        }
    }
    world.done("user create rina --role auditor");
    world.done("certificate issue --user rina --out rina");
    let rina = world.control(Some("rina/user"));
    let export = rina.get("/v1/audit/export");
    assert_eq!((export.status, export.header("content-type")), (200, Some("application/cbor-seq")));
    assert!(export.body.len() > BYTES_ENOUGH, "{}", export.body.len());
    let exports = format!("/v1/audit/exports/{}", export.header("gembok-export").unwrap());
    std::fs::write(world.sandbox.path("halaman.cbor"), &export.body).unwrap();
    let verified = world.sandbox.run(&["audit", "verify", "halaman.cbor"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // What it was, and that it is kept; a user manager has no say in it.
    let admin = world.admin();
    for path in [exports.as_str(), "/v1/audit/export"] {
        assert_eq!(admin.get(path).problem(), refusal(403, "forbidden"));
    }
    let shown = rina.get(&exports).ok();
    assert_eq!((&shown["first"], &shown["damaged"]), (&json!(0), &json!(0)));
    let json = [("content-type", "application/json")];
    let keep = |path: &str| rina.insist("POST", &format!("{path}/kept"), &json, b"{}");
    assert_eq!(keep(&exports).ok()["prunable_to"], shown["next"]);
    assert_eq!(keep(&exports).problem(), refusal(404, "not-found"));
    assert_eq!(rina.get(&exports).problem(), refusal(404, "not-found"));
    assert_eq!(keep("/v1/audit/exports/x").problem(), refusal(400, "bad-request"));
    for query in ["kind=semua", "project=kantor", "from=999999999", "nach=1"] {
        let refused = rina.get(&format!("/v1/audit/export?{query}"));
        assert_eq!(refused.problem(), refusal(400, "bad-request"), "{query}");
    }
}
