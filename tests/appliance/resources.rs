//! Users, projects and members over the control plane: what each does, who may, and what nobody learns who may not.

use serde_json::{Value, json};

use crate::client::{Answer, Client, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A user who is signed in by certificate.
struct Person(Client);

impl Person {
    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.0.insist(method, path, &JSON, body.as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, body)
    }

    fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &Value::Null)
    }
}

/// A user with a certificate, made over the local socket.
fn person(world: &World, name: &str, role: &str) -> Person {
    world.done(&format!("user create {name} --role {role}"));
    world.done(&format!("certificate issue --user {name} --out {name}"));
    Person(world.control(Some(&format!("{name}/user"))))
}

fn admin(world: &World) -> Person {
    Person(world.admin())
}

fn names(listed: &Value) -> Vec<String> {
    let mut names: Vec<String> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_admin_makes_shows_and_ends_accounts() {
    let world = World::new("");
    let admin = admin(&world);
    let made = admin.post("/v1/users", &json!({ "name": "siti", "role": "user" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["name"], &made["role"], &made["disabled"]),
        (&json!("siti"), &json!("user"), &Value::Null)
    );
    assert_eq!(names(&admin.get("/v1/users").ok()), ["admin", "siti"]);
    let shown = admin.get("/v1/users/siti").ok();
    assert_eq!((&shown["user"]["id"], &shown["projects"]), (&made["id"], &json!([])));
    for (body, status, code) in [
        (json!({ "name": "siti", "role": "user" }), 409, "already-exists"),
        (json!({ "name": "a b", "role": "user" }), 400, "bad-name"),
        (json!({ "name": "x", "role": "boss" }), 400, "bad-request"),
        (json!({ "name": "x" }), 400, "missing-member"),
        (json!({ "name": "x", "role": "user", "also": 1 }), 400, "unknown-member"),
        (json!([]), 400, "malformed-json"),
        (json!({ "name": "x", "role": "officer" }), 403, "forbidden"),
    ] {
        assert_eq!(admin.post("/v1/users", &body).problem(), refusal(status, code), "{body}");
    }
    let long = json!({ "name": "x".repeat(5_000), "role": "user" });
    assert_eq!(admin.post("/v1/users", &long).problem(), refusal(413, "body-too-large"));
    // A page in a browser can send this, but not as JSON.
    let form = admin.0.insist(
        "POST",
        "/v1/users",
        &[("content-type", "text/plain")],
        b"{\"name\":\"x\",\"role\":\"user\"}",
    );
    assert_eq!(form.problem(), refusal(400, "bad-request"));
    assert_eq!(admin.get("/v1/users?nach=1").problem(), refusal(400, "bad-request"));

    assert_eq!(admin.delete("/v1/users/siti").status, 204);
    assert_eq!(admin.delete("/v1/users/siti").problem(), refusal(404, "not-found"));
    assert_eq!(admin.delete("/v1/users/admin").problem(), refusal(409, "last-admin"));
    let wrong = admin.ask("PUT", "/v1/users", &Value::Null);
    assert_eq!(wrong.header("allow"), Some("GET, POST"));
    assert_eq!(wrong.problem(), refusal(405, "method-not-allowed"));

    // Recorded with who did it.
    let id = admin.get("/v1/users/admin").ok()["user"]["id"].as_str().unwrap().to_owned();
    let trail = world.trail();
    let mine = trail.iter().filter(|entry| entry["actor"] == format!("user:{id}"));
    let acts: Vec<&str> = mine.map(|entry| entry["act"].as_str().unwrap()).collect();
    // What it was refused stands between them.
    let done: Vec<&str> = acts.iter().copied().filter(|act| *act != "refused").collect();
    assert_eq!(done, ["user.create", "user.delete"]);
    assert!(acts.len() > done.len(), "{acts:?}");
}

#[test]
fn a_user_makes_projects_and_owns_them_with_others() {
    let world = World::new("");
    let (siti, tono) = (person(&world, "siti", "user"), person(&world, "tono", "user"));
    assert_eq!(siti.get("/v1/projects").ok(), json!({ "items": [], "next": null }));
    assert_eq!(siti.post("/v1/projects", &json!({ "name": "gudang" })).status, 201);
    assert_eq!(names(&siti.get("/v1/projects").ok()), ["gudang"]);
    assert_eq!(names(&siti.get("/v1/projects/gudang/members").ok()), ["siti"]);
    assert_eq!(siti.post("/v1/projects/gudang/members", &json!({ "user": "tono" })).status, 204);
    assert_eq!(siti.post("/v1/projects/gudang/members", &json!({ "user": "tono" })).status, 204);
    assert_eq!(names(&tono.get("/v1/projects/gudang/members").ok()), ["siti", "tono"]);
    assert_eq!(tono.delete("/v1/projects/gudang/members/siti").status, 204);
    assert_eq!(siti.get("/v1/projects/gudang").problem(), refusal(404, "not-found"));
    assert_eq!(siti.get("/v1/projects").ok(), json!({ "items": [], "next": null }));
    assert_eq!(names(&admin(&world).get("/v1/projects").ok()), ["gudang", PROJECT]);
}

#[test]
fn nobody_learns_of_what_is_not_theirs() {
    let world = World::new("");
    let siti = person(&world, "siti", "user");
    // Another's project, and one that is not there, are one to her: to the byte, but for the name she gave.
    for (method, below, body) in [
        ("GET", "", Value::Null),
        ("GET", "/members", Value::Null),
        ("POST", "/members", json!({ "user": "siti" })),
        ("DELETE", "/members/siti", Value::Null),
    ] {
        let ask = |project: &str| siti.ask(method, &format!("/v1/projects/{project}{below}"), &body);
        let (theirs, nobodys) = (ask(PROJECT), ask("kosong"));
        assert_eq!(theirs.problem(), refusal(404, "not-found"), "{method} {below}");
        assert_eq!(theirs.text().replace(PROJECT, "kosong"), nobodys.text(), "{method} {below}");
    }
    // And so are users.
    for method in ["GET", "DELETE"] {
        let ask = |user: &str| siti.ask(method, &format!("/v1/users/{user}"), &Value::Null);
        assert_eq!(ask("admin").problem(), refusal(403, "forbidden"));
        assert_eq!(ask("admin").text(), ask("kosong").text());
    }
    assert_eq!(siti.get("/v1/users").problem(), refusal(403, "forbidden"));
    // Nor does she learn from a project of her own who there is: whoever is no member, or can be none, is one to her.
    assert_eq!(siti.post("/v1/projects", &json!({ "name": "gudang" })).status, 201);
    person(&world, "rina", "auditor");
    for name in ["admin", "rina"] {
        let add = |user: &str| siti.post("/v1/projects/gudang/members", &json!({ "user": user }));
        let end = |user: &str| siti.delete(&format!("/v1/projects/gudang/members/{user}"));
        for (theirs, nobodys) in [(add(name), add("kosong")), (end(name), end("kosong"))] {
            assert_eq!(theirs.problem(), refusal(404, "not-found"), "{name}");
            assert_eq!(theirs.text().replace(name, "kosong"), nobodys.text(), "{name}");
        }
    }
    // A project's name is the appliance's, so who gives it is told that it is taken; and that leaves a record of the try.
    let taken = siti.post("/v1/projects", &json!({ "name": PROJECT }));
    assert_eq!(taken.problem(), refusal(409, "already-exists"));
    let taken = siti.ask("PUT", "/v1/projects/gudang/name", &json!({ "to": PROJECT }));
    assert_eq!(taken.problem(), refusal(409, "already-exists"), "{}", taken.text());
    world.daemon.wait_until("both tries are in the trail", || {
        let trail = world.trail();
        let tried =
            |act: &str| trail.iter().any(|one| one["act"] == "refused" && one["details"]["act"] == act);
        tried("project.create") && tried("project.rename")
    });
}

#[test]
fn every_role_by_every_route() {
    let world = World::new("");
    let none = Person(world.control(None));
    let endpoint = Person(world.control(Some("client/client")));
    let people = [
        admin(&world),
        person(&world, "rina", "auditor"),
        person(&world, "siti", "user"),
        person(&world, "opsir", "officer"),
        person(&world, "cadangan", "backup"),
        endpoint,
        none,
    ];
    world.done(&format!("project member add siti --project {PROJECT}"));
    world.done("user create sasaran --role user");
    let project = format!("/v1/projects/{PROJECT}");
    let object = format!("{project}/objects/{OBJECT}");
    let endpoint_path = format!("{project}/endpoints/{ENDPOINT}");
    // What the first has ended is gone when the next asks. Columns: admin, auditor, member, officer, backup, an endpoint's certificate, none.
    for (method, path, body, expected) in [
        ("GET", "/v1/users".to_owned(), Value::Null, [200, 200, 403, 403, 403, 403, 401]),
        ("GET", "/v1/users/sasaran".to_owned(), Value::Null, [200, 200, 403, 403, 403, 403, 401]),
        ("GET", "/v1/projects".to_owned(), Value::Null, [200, 200, 200, 200, 403, 403, 401]),
        ("GET", project.clone(), Value::Null, [200, 200, 200, 200, 404, 403, 401]),
        ("GET", format!("{project}/members"), Value::Null, [200, 200, 200, 403, 404, 403, 401]),
        ("GET", format!("{project}/objects"), Value::Null, [403, 200, 200, 200, 404, 403, 401]),
        ("GET", object.clone(), Value::Null, [403, 200, 200, 200, 404, 403, 401]),
        ("GET", format!("{object}/schema"), Value::Null, [403, 200, 200, 200, 404, 403, 401]),
        ("GET", format!("{object}/key-versions"), Value::Null, [403, 200, 200, 200, 404, 403, 401]),
        ("GET", format!("{object}/key-versions/1"), Value::Null, [403, 200, 200, 200, 404, 403, 401]),
        ("GET", format!("{project}/objects/hantu"), Value::Null, [404, 404, 404, 404, 404, 403, 401]),
        ("GET", format!("{project}/endpoints"), Value::Null, [200, 200, 200, 403, 404, 403, 401]),
        ("GET", format!("{project}/frozen-subjects"), Value::Null, [403, 200, 200, 403, 404, 403, 401]),
        ("GET", endpoint_path.clone(), Value::Null, [403, 200, 200, 403, 404, 403, 401]),
        ("GET", format!("{endpoint_path}/api-keys"), Value::Null, [403, 200, 200, 403, 404, 403, 401]),
        ("GET", format!("{endpoint_path}/grants"), Value::Null, [403, 200, 200, 403, 404, 403, 401]),
        ("GET", format!("{endpoint_path}/budget"), Value::Null, [403, 200, 200, 403, 404, 403, 401]),
        ("GET", format!("/v1/audit?project={PROJECT}"), Value::Null, [403, 200, 200, 403, 404, 403, 401]),
        (
            "POST",
            format!("{project}/members"),
            json!({ "user": "sasaran" }),
            [403, 403, 204, 403, 404, 403, 401],
        ),
        ("DELETE", format!("{project}/members/sasaran"), Value::Null, [204, 403, 404, 403, 404, 403, 401]),
        (
            "POST",
            "/v1/users".to_owned(),
            json!({ "name": "baru", "role": "user" }),
            [201, 403, 403, 403, 403, 403, 401],
        ),
        ("POST", "/v1/projects".to_owned(), json!({ "name": "baru" }), [403, 403, 201, 403, 403, 403, 401]),
        ("DELETE", "/v1/users/sasaran".to_owned(), Value::Null, [204, 404, 403, 403, 403, 403, 401]),
    ] {
        let statuses: Vec<u16> = people.iter().map(|one| one.ask(method, &path, &body).status).collect();
        assert_eq!(statuses, expected, "{method} {path}");
    }
    world.done("lock");
    assert_eq!(admin(&world).get("/v1/users").problem(), refusal(409, "wrong-state"));
    assert_eq!(
        admin(&world).post("/v1/users", &json!({ "name": "x", "role": "user" })).problem(),
        refusal(409, "wrong-state")
    );
}
