//! The store file altered while nobody looks: it is noticed, named, and harms nothing else.

use gembok::store::Table;
use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::vault::{put_stored, row_keys, stored};
use crate::world::World;

#[test]
fn a_damaged_row_is_named_and_accepted_and_nothing_else_suffers() {
    let world = World::new("");
    world.done(&format!("object create rusak --project {PROJECT}"));
    world.grant("encrypt decrypt", "rusak", ENDPOINT);
    let absensi = world.absensi();
    let (healthy, lost) = (absensi.seal(OBJECT, b"selamat"), absensi.seal("rusak", b"hilang"));
    let id = world.done(&format!("object show rusak --project {PROJECT}"))["object"]["object"]["id"].clone();
    let id = id.as_str().unwrap().replace('-', "");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());

    let keys = row_keys(&sandbox, Table::Objects);
    let key = keys.iter().find(|key| hex(key) == id).unwrap();
    let mut bytes = stored(&sandbox, Table::Objects, key);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    put_stored(&sandbox, Table::Objects, key, &bytes);

    let world = started_locked(sandbox);
    let row = format!("objects/{id}");
    let reason = world.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&row), "{reason}");
    let absensi = world.absensi();
    let opening = json!({ "object": OBJECT, "ciphertext": healthy });
    assert_eq!(absensi.decrypt(&opening).problem(), refusal(503, "locked"));
    let output = world.sandbox.run(&["unlock"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&row), "{output:?}");
    assert_eq!(world.sandbox.state(), "locked");

    let next = world.done("unlock --accept-damage")["unlocked"]["next"].to_string();
    assert!(next.contains("audit check") && next.contains("audit verify"), "{next}");
    // Rows may have been put back besides, and nobody can tell: who may come in is decided anew.
    assert_eq!(absensi.decrypt(&opening).problem(), refusal(403, "endpoint-disabled"));
    world.enable();
    assert_eq!(absensi.decrypt(&opening).problem(), refusal(429, "budget-exhausted"));
    world.raise_budgets();
    assert_eq!(absensi.open(OBJECT, &healthy), b"selamat");
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"baru")), b"baru");
    let opening = json!({ "object": "rusak", "ciphertext": lost });
    let answer = absensi.decrypt(&opening);
    assert_eq!(answer.problem(), refusal(500, "fault"));
    assert!(!answer.text().contains(&id), "detail is for the log only");
    let batch = json!({ "items": [
        { "object": "rusak", "plaintext": "" },
        { "object": OBJECT, "plaintext": "" },
    ] });
    let batch = absensi.encrypt(&batch).ok();
    assert_eq!((&batch["failed"], &batch["items"][0]["code"]), (&json!(1), &json!("fault")));
    assert!(batch["items"][1]["ciphertext"].is_string());
    let faults: Vec<_> = world.daemon.said("fault").collect();
    assert!(
        faults.iter().any(|line| line["fault"].as_str().is_some_and(|what| what.contains(&row))),
        "{faults:?}"
    );
    let accepted = world.done("audit list --limit 1000")["audit"]["entries"].as_array().unwrap().clone();
    let accepted = accepted.iter().find_map(|entry| entry["details"]["damage-accepted"].as_str());
    assert_eq!(accepted, Some(row.as_str()));

    // What was accepted needs no second word.
    let world = world.restart();
    assert_eq!(world.absensi().open(OBJECT, &healthy), b"selamat");
    assert_eq!(world.absensi().decrypt(&opening).problem(), refusal(500, "fault"));
}

#[test]
fn a_row_that_was_put_back_is_a_rollback() {
    let world = World::new("");
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let before: Vec<(Vec<u8>, Vec<u8>)> = row_keys(&sandbox, Table::ApiKeys)
        .into_iter()
        .map(|key| {
            let bytes = stored(&sandbox, Table::ApiKeys, &key);
            (key, bytes)
        })
        .collect();
    assert_eq!(before.len(), 2);
    let daemon = sandbox.resume();
    let world = World { sandbox, daemon };
    world.done(&format!("api-key revoke {id}"));
    let application = crate::world::Application { api_key, ..world.absensi() };
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(application.encrypt(&item).problem(), refusal(401, "api-key-revoked"));
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    for (key, bytes) in &before {
        put_stored(&sandbox, Table::ApiKeys, key, bytes);
    }

    let world = started_locked(sandbox);
    let reason = world.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("rollback"), "{reason}");
    for words in [&["unlock"][..], &["unlock", "--accept-damage"]] {
        let output = world.sandbox.run(words);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("rollback"), "{output:?}");
        assert_eq!(world.sandbox.state(), "locked");
    }
    let application = crate::world::Application { client: world.data(Some("client/client")), ..application };
    assert_eq!(application.encrypt(&item).problem(), refusal(503, "locked"));
}

/// A daemon that tried to unlock by itself, and did not.
pub(crate) fn started_locked(sandbox: Sandbox) -> World {
    let daemon = sandbox.start();
    daemon.wait_until("it has tried", || daemon.said("still locked").next().is_some());
    let world = World { sandbox, daemon };
    world.daemon.wait_until("it says so", || {
        world.status()["reason"].as_str().is_some_and(|why| !why.starts_with("started"))
    });
    assert_eq!(world.sandbox.state(), "locked");
    world
}

/// Of an id.
fn hex(bytes: &[u8]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes.try_into().unwrap()))
}
