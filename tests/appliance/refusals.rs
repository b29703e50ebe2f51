//! What people were refused stands in the audit trail: by whichever door, whatever they were told, and a flood as few.

use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::PROJECT;
use crate::world::World;

fn refused(world: &World) -> Vec<Value> {
    let entries = world.trail();
    entries.into_iter().filter(|entry| entry["act"] == "refused").collect()
}

fn count(entry: &Value) -> u64 {
    1 + entry["details"]["more"].as_str().map_or(0, |more| more.parse().unwrap())
}

fn user(world: &World, name: &str, role: &str) -> String {
    let made = world.done(&format!("user create {name} --role {role}"));
    world.done(&format!("certificate issue --user {name} --out {name}"));
    format!("user:{}", made["user"]["id"].as_str().unwrap())
}

#[test]
fn every_refused_act_leaves_a_record() {
    let world = World::new("");
    let local = format!("local:{}", rustix::process::getuid().as_raw());
    let (siti, opsir) = (user(&world, "siti", "user"), user(&world, "opsir", "officer"));
    assert!(refused(&world).is_empty(), "what was done is not refused");

    // By the local socket.
    assert_eq!(world.sandbox.refused(&["user", "disable", "admin"]), "last-admin");
    assert_eq!(world.sandbox.refused(&["user", "show", "nobody"]), "not-found");
    // What is wrong with a request's form is nobody's attempt.
    assert_eq!(world.sandbox.refused(&["user", "create", "a b", "--role", "user"]), "bad-name");
    // Over the control plane: somebody else's project, which is answered as if there were none; and what a role may not.
    let as_siti = world.control(Some("siti/user"));
    assert_eq!(as_siti.get(&format!("/v1/projects/{PROJECT}")).problem(), refusal(404, "not-found"));
    assert_eq!(as_siti.get("/v1/users").problem(), refusal(403, "forbidden"));
    let as_opsir = world.control(Some("opsir/user"));
    assert_eq!(as_opsir.get("/v1/statistics").problem(), refusal(403, "forbidden"));
    // A person who may not come in, and a client system that is no person.
    world.done("user disable siti");
    assert_eq!(as_siti.get("/v1/projects").problem(), refusal(403, "forbidden"));
    assert_eq!(world.control(Some("client/client")).get("/metrics").problem(), refusal(403, "forbidden"));

    let entries = refused(&world);
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let details = &entry["details"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&entry["actor"]), text(&details["act"]), text(&details["on"]), text(&details["code"]))
        })
        .collect();
    let expected = [
        (&*local, "user.disable", "user:admin", "last-admin"),
        (&local, "user.show", "user:nobody", "not-found"),
        (&siti, "project.show", "project:kantor", "not-found"),
        (&siti, "user.list", "appliance", "forbidden"),
        (&opsir, "statistics.read-all", "appliance", "forbidden"),
        (&siti, "sign-in", "", "forbidden"),
    ];
    for (at, (actor, act, on, code)) in expected.into_iter().enumerate() {
        let (found, all) = (&told[at], &told);
        assert_eq!((&*found.0, &*found.1, &*found.2, &*found.3), (actor, act, on, code), "{all:?}");
    }
    assert!(told[6].0.starts_with("endpoint:") && told[6].1 == "sign-in" && told.len() == 7, "{told:?}");
    assert!(entries[2]["details"]["address"].is_string() && entries[0]["details"].get("address").is_none());
}

#[test]
fn a_flood_of_refusals_is_few_records_and_none_is_lost() {
    let world = World::new("");
    user(&world, "siti", "user");
    let siti = world.control(Some("siti/user"));
    let mut connection = siti.connect().unwrap();
    for at in 0..300 {
        let answer = connection.ask("GET", &format!("/v1/projects/tebak-{at}"), &[], b"").unwrap();
        assert_eq!(answer.status, 404);
    }
    let counted = || refused(&world).iter().map(count).sum::<u64>();
    world.daemon.wait_until("all are recorded", || counted() == 300);
    let entries = refused(&world);
    assert!(entries.len() < 60, "{} records of 300 refusals", entries.len());
    assert!(entries.iter().all(|entry| entry["details"]["code"] == json!("not-found")));
    // What waits when the appliance locks is not lost, either.
    for _ in 0..5 {
        connection.ask("GET", "/v1/projects/terakhir", &[], b"").unwrap();
    }
    drop(connection);
    let world = world.restart();
    assert_eq!(refused(&world).iter().map(count).sum::<u64>(), 305);
    let checked = world.sandbox.run(&["audit", "check", "--json"]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn failed_sign_ins_by_password_and_by_link_leave_a_record() {
    let world = World::new("");
    user(&world, "siti", "user");
    crate::passwords::give_password(&world, "siti", crate::passwords::PASSWORD);
    for name in ["siti", "kata sandi di kolom nama"] {
        assert_eq!(
            crate::passwords::sign_in(&world, name, "bukan kata sandinya", None).problem(),
            refusal(401, "sign-in-failed")
        );
    }
    let none = crate::passwords::reset(&world, "gbr_bukan", crate::passwords::PASSWORD);
    assert_eq!(none.problem(), refusal(410, "link-ended"));
    // Of two alike within a second the later is recorded when that is over.
    world.daemon.wait_until("all three are recorded", || refused(&world).len() == 3);
    let mut told: Vec<_> = refused(&world)
        .iter()
        .map(|entry| {
            let details = &entry["details"];
            assert!(details["address"].is_string(), "{entry}");
            json!([entry["actor"], details["act"], details["on"], details["code"]])
        })
        .collect();
    // Whose turn came first depends on how long a hashing takes.
    told.sort_by_key(Value::to_string);
    assert_eq!(
        told,
        [
            json!(["nobody", "session.begin", "user:siti", "sign-in-failed"]),
            json!(["nobody", "session.begin", null, "sign-in-failed"]),
            json!(["nobody", "user.set-password", null, "link-ended"]),
        ],
        "what stands in the name's field of nobody is kept nowhere"
    );
}
