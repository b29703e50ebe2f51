//! Requests that depend on others: changes of what was seen (`If-Match`), and makings that are sent again
//! (`Idempotency-Key`).

use std::thread;

use serde_json::{Value, json};

use crate::client::{Answer, Client, refusal};
use crate::support::daemon::{ENDPOINT, PROJECT};
use crate::world::World;

fn send(client: &Client, method: &str, path: &str, header: (&str, &str), body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), header];
    client.insist(method, path, &headers, body.to_string().as_bytes())
}

fn tag(client: &Client, path: &str) -> String {
    client.get(path).header("etag").unwrap_or_else(|| panic!("{path} has no ETag")).to_owned()
}

/// A member of the provisioned project.
fn member(world: &World, name: &str) -> Client {
    world.done(&format!("user create {name} --role user"));
    world.done(&format!("project member add {name} --project {PROJECT}"));
    world.done(&format!("certificate issue --user {name} --out {name}"));
    world.control(Some(&format!("{name}/user")))
}

#[test]
fn a_change_of_what_another_changed_meanwhile_is_refused() {
    let world = World::new("");
    let admin = world.admin();
    world.done("user create siti --role user");
    let seen = tag(&admin, "/v1/users/siti");
    let role = |role: &str, tag: &str| {
        send(&admin, "PUT", "/v1/users/siti/role", ("if-match", tag), &json!({ "role": role }))
    };
    assert_eq!(role("auditor", &seen).status, 204);
    let lost = role("backup", &seen);
    assert_eq!(lost.problem(), refusal(412, "changed-meanwhile"));
    assert_eq!(admin.get("/v1/users/siti").ok()["user"]["role"], "auditor");
    // Any of several tags will do, and a star stands for whatever there is.
    let now = tag(&admin, "/v1/users/siti");
    assert_eq!(role("backup", &format!("\"x\", {now}")).status, 204);
    assert_eq!(role("user", "*").status, 204);
    for weak in [format!("W/{}", tag(&admin, "/v1/users/siti")), "x".to_owned(), String::new()] {
        assert_eq!(role("auditor", &weak).problem(), refusal(412, "changed-meanwhile"), "{weak:?}");
    }
    // What is not there matches nothing.
    let missing = send(&admin, "DELETE", "/v1/users/kosong", ("if-match", "*"), &Value::Null);
    assert_eq!(missing.problem(), refusal(404, "not-found"));
    let untagged =
        send(&admin, "POST", "/v1/users", ("if-match", "*"), &json!({ "name": "x", "role": "user" }));
    assert_eq!(untagged.problem(), refusal(400, "bad-request"));

    let siti = member(&world, "tono");
    let budget = format!("/v1/projects/{PROJECT}/endpoints/{ENDPOINT}/budget");
    let seen = tag(&siti, &budget);
    // What is used meanwhile is no change.
    let absensi = world.absensi();
    absensi.open("karyawan", &absensi.seal("karyawan", b"nilai"));
    assert_eq!(tag(&siti, &budget), seen);
    let set = |fields: u64, tag: &str| {
        send(&siti, "PUT", &budget, ("if-match", tag), &json!({ "fields_per_day": fields }))
    };
    assert_eq!(set(500, &seen).ok()["x"], Value::Null);
    assert_eq!(set(600, &seen).problem(), refusal(412, "changed-meanwhile"));
    for path in ["", "/objects/karyawan"] {
        tag(&siti, &format!("/v1/projects/{PROJECT}{path}"));
    }
}

#[test]
fn an_api_key_has_a_tag_of_its_own() {
    let world = World::new("");
    let siti = member(&world, "siti");
    let keys = format!("/v1/projects/{PROJECT}/endpoints/{ENDPOINT}/api-keys");
    let made = send(&siti, "POST", &keys, ("accept", "*/*"), &json!({ "label": "baru" })).json();
    let key = format!("/v1/api-keys/{}", made["api_key"]["id"].as_str().unwrap());
    let shown = siti.get(&key).ok();
    assert_eq!((&shown["project"], &shown["endpoint"]), (&json!(PROJECT), &json!(ENDPOINT)));
    assert_eq!((&shown["api_key"]["label"], shown["text"].is_null()), (&json!("baru"), true));
    let change = |what: &str, seen: &str, body: Value| {
        send(&siti, "PUT", &format!("{key}/{what}"), ("if-match", seen), &body)
    };
    let seen = tag(&siti, &key);
    assert_eq!(change("limits", &seen, json!({ "requests_per_s": 9 })).ok()["requests_per_s"], 9);
    // Neither its limits nor its budget nor its end are changed over somebody's head.
    for (what, body) in [
        ("limits", json!({ "requests_per_s": 8 })),
        ("budget", json!({ "fields_per_day": 8 })),
        ("expiry", json!({ "expires": null })),
    ] {
        assert_eq!(change(what, &seen, body).problem(), refusal(412, "changed-meanwhile"), "{what}");
    }
    let seen = tag(&siti, &key);
    assert_eq!(change("budget", &seen, json!({ "fields_per_day": 8 })).status, 200);
    assert_ne!(tag(&siti, &key), seen);
    let revoke = |seen: &str| {
        let (path, header) = (format!("{key}/revoke"), ("if-match", seen));
        send(&siti, "POST", &path, header, &json!({}))
    };
    assert_eq!(revoke(&seen).problem(), refusal(412, "changed-meanwhile"));
    assert_eq!(revoke(&tag(&siti, &key)).status, 204);
    // To whoever is no member it is told as what is not there.
    world.done("user create tono --role user");
    world.done("certificate issue --user tono --out tono");
    let tono = world.control(Some("tono/user"));
    let missing = tono.get("/v1/api-keys/00000000-0000-4000-8000-000000000000");
    assert_eq!(tono.get(&key).text(), missing.text());
}

#[test]
fn of_two_editors_at_once_one_is_told_of_the_other() {
    let world = World::new("");
    let siti = member(&world, "siti");
    let budget = format!("/v1/projects/{PROJECT}/endpoints/{ENDPOINT}/budget");
    for round in 0..10_u64 {
        let seen = tag(&siti, &budget);
        let (budget, seen) = (&budget, &seen);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let editors = (0..4_u64).map(|editor| {
                let siti = siti.clone();
                scope.spawn(move || {
                    let fields = json!({ "fields_per_day": 1_000 + round * 10 + editor });
                    send(&siti, "PUT", budget, ("if-match", seen), &fields).status
                })
            });
            editors.collect::<Vec<_>>().into_iter().map(|editor| editor.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 3, "{statuses:?}");
    }
}

#[test]
fn what_is_sent_again_is_made_once() {
    let world = World::new("");
    let admin = world.admin();
    let send_user =
        |key: &str, body: &Value| send(&admin, "POST", "/v1/users", ("idempotency-key", key), body);
    let siti = json!({ "name": "siti", "role": "user" });
    let (first, again) = (send_user("satu", &siti), send_user("satu", &siti));
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text());
    assert_eq!((first.text(), first.header("idempotent-replayed")), (again.text(), None));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    // However it is written, and whatever happened to it since.
    world.done("user disable siti");
    let written = admin.insist(
        "POST",
        "/v1/users",
        &[("content-type", "application/json"), ("idempotency-key", "satu")],
        br#"{ "role":"user", "name":"siti" }"#,
    );
    assert_eq!(written.text(), first.text());
    let other = send_user("satu", &json!({ "name": "tono", "role": "user" }));
    assert_eq!(other.problem(), refusal(422, "idempotency-key-reused"));
    assert_eq!(send_user("dua", &siti).problem(), refusal(409, "already-exists"));
    // What was refused was not made, and may be tried again.
    world.done("user delete siti");
    assert_eq!(send_user("dua", &siti).status, 201);
    for wrong in ["", "a b", "é", &"x".repeat(256)] {
        let body = json!({ "name": "lain", "role": "user" });
        assert_eq!(send_user(wrong, &body).problem(), refusal(400, "bad-request"), "{wrong:?}");
    }

    // A key is its asker's own.
    let tono = member(&world, "tono");
    let keys = format!("/v1/projects/{PROJECT}/endpoints/{ENDPOINT}/api-keys");
    let label = json!({ "label": "baru" });
    let made = send(&tono, "POST", &keys, ("idempotency-key", "satu"), &label);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["api_key"]["id"].as_str().unwrap().to_owned();
    let again = send(&tono, "POST", &keys, ("idempotency-key", "satu"), &label);
    assert_eq!(again.problem(), refusal(409, "shown-once"));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert!(again.text().contains(&id) && !again.text().contains("gbk_"), "{}", again.text());

    // All of it outlives the unlocked time.
    world.done("lock");
    world.done("unlock");
    assert_eq!(send_user("satu", &siti).text(), first.text());
    assert_eq!(send(&tono, "POST", &keys, ("idempotency-key", "satu"), &label).status, 409);
}

#[test]
fn what_is_sent_many_times_at_once_is_made_once() {
    let world = World::new("");
    let siti = member(&world, "siti");
    let project = json!({ "name": "gudang" });
    let answers: Vec<(u16, String)> = thread::scope(|scope| {
        let askers = (0..6).map(|_| {
            let (siti, project) = (siti.clone(), &project);
            scope.spawn(move || {
                let answer = send(&siti, "POST", "/v1/projects", ("idempotency-key", "satu"), project);
                (answer.status, answer.text().to_owned())
            })
        });
        askers.collect::<Vec<_>>().into_iter().map(|asker| asker.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 201), "{answers:?}");
    let acts = world.trail().into_iter().filter(|entry| entry["act"] == "project.create");
    assert_eq!(acts.filter(|entry| entry["details"]["name"] == "gudang").count(), 1);
}
