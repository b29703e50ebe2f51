//! What needs two persons, and a lone admin who has only itself: members are let in by somebody who answers for the project.

use serde_json::{Value, json};

use crate::client::{Answer, Client, refusal};
use crate::support::daemon::PROJECT;
use crate::world::World;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A user who is signed in by certificate.
pub(crate) struct Person(pub(crate) Client);

impl Person {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.0.insist("GET", path, &JSON, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.0.insist("POST", path, &JSON, body.to_string().as_bytes())
    }

    /// Asks that somebody be let into the provisioned project.
    pub(crate) fn propose(&self, user: &str) -> Answer {
        self.post(&format!("/v1/projects/{PROJECT}/proposals"), &json!({ "user": user }))
    }

    pub(crate) fn decide(&self, approval: &str, verb: &str) -> Answer {
        self.post(&format!("/v1/approvals/{approval}/{verb}"), &json!({}))
    }

    /// The ids of approvals that it sees, the newest first.
    pub(crate) fn approvals(&self) -> Vec<String> {
        let listed = self.get("/v1/approvals").ok()["items"].clone();
        listed.as_array().unwrap().iter().map(|one| text(&one["id"])).collect()
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// A user with a certificate, made over the local socket.
pub(crate) fn person(world: &World, name: &str, role: &str) -> Person {
    world.done(&format!("user create {name} --role {role}"));
    world.done(&format!("certificate issue --user {name} --out {name}"));
    Person(world.control(Some(&format!("{name}/user"))))
}

pub(crate) fn member(world: &World, name: &str) -> Person {
    let person = person(world, name, "user");
    world.done(&format!("project member add {name} --project {PROJECT}"));
    person
}

pub(crate) fn members(world: &World) -> Vec<String> {
    let listed = world.done(&format!("project member list --project {PROJECT}"));
    let mut names: Vec<String> =
        listed["members"]["items"].as_array().unwrap().iter().map(|one| text(&one["name"])).collect();
    names.sort();
    names
}

/// What was done; what was refused stands between.
fn acts(world: &World) -> Vec<String> {
    world.trail().iter().map(|entry| text(&entry["act"])).filter(|act| act != "refused").collect()
}

#[test]
fn an_admin_proposes_and_a_member_lets_in() {
    let world = World::new("");
    let admin = Person(world.admin());
    let siti = member(&world, "siti");
    let (tono, opsir) = (person(&world, "tono", "user"), person(&world, "opsir", "officer"));

    let alone = admin.post(&format!("/v1/projects/{PROJECT}/members"), &json!({ "user": "tono" }));
    assert_eq!(alone.problem(), refusal(403, "forbidden"));
    assert!(alone.text().contains("admin-adds-nobody-alone"), "{}", alone.text());

    let asked = admin.propose("tono");
    assert_eq!(asked.status, 201, "{}", asked.text());
    let asked = asked.json();
    assert_eq!(
        [&asked["kind"], &asked["user"], &asked["project"], &asked["requester"], &asked["state"]],
        ["member", "tono", PROJECT, "admin", "waiting"]
    );
    let id = text(&asked["id"]);
    assert_eq!(members(&world), ["siti"]);
    assert_eq!(admin.propose("tono").problem(), refusal(409, "already-exists"));
    assert_eq!(admin.propose("siti").problem(), refusal(409, "already-exists"));
    assert_eq!(admin.propose("opsir").problem(), refusal(400, "bad-request"));
    assert_eq!(admin.propose("nobody").problem(), refusal(404, "not-found"));
    assert_eq!(admin.decide(&id, "give").problem(), refusal(403, "forbidden"), "the requester");
    assert_eq!(tono.decide(&id, "give").problem(), refusal(403, "forbidden"), "whom it is about");
    assert_eq!(opsir.decide(&id, "give").problem(), refusal(403, "forbidden"), "no orphan");
    let stranger = person(&world, "joko", "user");
    assert_eq!(stranger.approvals(), Vec::<String>::new());
    for verb in ["give", "refuse", "withdraw"] {
        assert_eq!(stranger.decide(&id, verb).problem(), refusal(404, "not-found"), "{verb}");
    }
    for person in [&admin, &siti, &tono, &opsir] {
        assert_eq!(person.approvals(), [id.as_str()]);
        assert_eq!(person.get(&format!("/v1/approvals/{id}")).ok()["state"], "waiting");
    }
    // A page in a browser can post this, but not as JSON.
    let form = siti.0.insist("POST", &format!("/v1/approvals/{id}/give"), &[], b"{}");
    assert_eq!(form.problem(), refusal(400, "bad-request"));

    assert_eq!(siti.decide(&id, "give").ok()["state"], "approved");
    assert_eq!(members(&world), ["siti", "tono"]);
    assert_eq!(siti.decide(&id, "give").problem(), refusal(409, "approval-ended"));
    assert_eq!(admin.decide(&id, "withdraw").problem(), refusal(409, "approval-ended"));
    let trail = acts(&world);
    assert_eq!(trail[trail.len() - 2..], ["member.add", "approval.give"]);

    // A member lets in alone; a no and a change of mind change nothing.
    assert_eq!(siti.post(&format!("/v1/projects/{PROJECT}/members"), &json!({ "user": "joko" })).status, 204);
    person(&world, "rudi", "user");
    let id = text(&admin.propose("rudi").json()["id"]);
    assert_eq!(siti.decide(&id, "refuse").ok()["state"], "refused");
    let id = text(&admin.propose("rudi").json()["id"]);
    assert_eq!(siti.decide(&id, "withdraw").problem(), refusal(403, "forbidden"));
    assert_eq!(admin.decide(&id, "withdraw").ok()["state"], "withdrawn");
    assert_eq!(members(&world), ["joko", "siti", "tono"]);

    // The operator sees all of them, and has a table.
    assert_eq!(world.done("approval list")["approvals"]["items"].as_array().unwrap().len(), 3);
    assert_eq!(world.done(&format!("approval show {id}"))["approval"]["state"], "withdrawn");
    let table = world.sandbox.run(&["approval", "list"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("become a member"), "{table:?}");
    assert_eq!(world.sandbox.refused(&["approval", "give", &id]), "forbidden");
}

#[test]
fn an_orphan_has_an_officer() {
    let world = World::new("");
    let admin = Person(world.admin());
    let opsir = person(&world, "opsir", "officer");
    person(&world, "tono", "user");
    let id = text(&admin.propose("tono").json()["id"]);
    assert_eq!(admin.decide(&id, "give").problem(), refusal(403, "forbidden"));
    assert_eq!(opsir.decide(&id, "give").ok()["state"], "approved");
    assert_eq!(members(&world), ["tono"]);
    // Who is disabled, or has another role, is nobody who could decide.
    for (undone, done) in [
        ("user disable tono", "user enable tono"),
        ("user change-role tono --role auditor", "user change-role tono --role user"),
    ] {
        let name = format!("baru-{}", undone.len());
        person(&world, &name, "user");
        let id = text(&admin.propose(&name).json()["id"]);
        assert_eq!(opsir.decide(&id, "give").problem(), refusal(403, "forbidden"));
        world.done(undone);
        assert_eq!(opsir.decide(&id, "give").ok()["state"], "approved");
        world.done(done);
        world.done(&format!("project member remove {name} --project {PROJECT}"));
    }
}

/// Every way to be both persons that an admin has who is alone.
#[test]
fn a_lone_admin_lets_nobody_in() {
    let world = World::new("");
    let admin = Person(world.admin());
    let siti = member(&world, "siti");
    let path = format!("/v1/projects/{PROJECT}/members");

    // An account of its own, made for the purpose, as a member or as the second person.
    let sock = person(&world, "boneka", "user");
    assert_eq!(admin.post(&path, &json!({ "user": "boneka" })).problem(), refusal(403, "forbidden"));
    let id = text(&admin.propose("boneka").json()["id"]);
    assert_eq!(sock.decide(&id, "give").problem(), refusal(403, "forbidden"));
    // One more admin is no second person, and an officer is not made from a desk.
    let second = person(&world, "wakil", "admin");
    assert_eq!(second.decide(&id, "give").problem(), refusal(403, "forbidden"));
    assert_eq!(second.post(&path, &json!({ "user": "boneka" })).problem(), refusal(403, "forbidden"));
    let officer = admin.post("/v1/users", &json!({ "name": "palsu", "role": "officer" }));
    assert_eq!(officer.problem(), refusal(403, "forbidden"));

    // Whoever became a member after the request was made is not its second person.
    let late = member(&world, "telat");
    assert_eq!(late.decide(&id, "give").problem(), refusal(403, "not-a-second-person"));

    // The account was ended and made again under the same name: what was asked was about another.
    world.done("user delete boneka");
    assert_eq!(siti.decide(&id, "give").problem(), refusal(409, "approval-ended"));
    person(&world, "boneka2", "user");
    let id = text(&admin.propose("boneka2").json()["id"]);
    world.done("user disable boneka2");
    assert_eq!(siti.decide(&id, "give").problem(), refusal(409, "approval-ended"));
    world.done("user enable boneka2");
    // Who asked was sent away meanwhile.
    person(&world, "calon", "user");
    let theirs = text(&second.propose("calon").json()["id"]);
    world.done("user disable wakil");
    assert_eq!(siti.decide(&theirs, "give").problem(), refusal(409, "approval-ended"));
    assert_eq!(members(&world), ["siti", "telat"]);
    assert_eq!(siti.decide(&id, "give").ok()["state"], "approved");
}

#[test]
fn one_requester_takes_not_every_place() {
    let world = World::new("");
    let admin = Person(world.admin());
    let siti = member(&world, "siti");
    for number in 0..=16 {
        world.done(&format!("user create calon{number} --role user"));
    }
    let first = admin.propose("calon0");
    for number in 1..16 {
        assert_eq!(admin.propose(&format!("calon{number}")).status, 201);
    }
    let over = admin.propose("calon16");
    assert_eq!(over.problem(), refusal(409, "too-many-approvals"));
    assert!(over.text().contains("16 requests of yours"), "{}", over.text());
    // Others have their own places, and one that was decided is free again.
    world.done(&format!("project member propose calon16 --project {PROJECT}"));
    let asked = siti.approvals();
    assert_eq!(siti.decide(&text(&first.json()["id"]), "refuse").status, 200);
    assert_eq!(siti.decide(&asked[0], "refuse").status, 200);
    assert_eq!(admin.propose("calon16").status, 201);
}

#[test]
fn one_user_makes_a_bounded_number_of_projects() {
    let world = World::new("");
    let siti = person(&world, "siti", "user");
    let make = |number: u32| siti.post("/v1/projects", &json!({ "name": format!("proyek{number}") }));
    for number in 0..100 {
        assert_eq!(make(number).status, 201);
    }
    assert_eq!(make(100).problem(), refusal(409, "too-many-projects"));
    // To leave one makes no room: it is there. To delete one does.
    let left = siti.0.insist("DELETE", "/v1/projects/proyek0/members/siti", &JSON, b"");
    assert_eq!(left.status, 204, "{}", left.text());
    assert_eq!(make(100).problem(), refusal(409, "too-many-projects"));
    assert_eq!(siti.0.insist("DELETE", "/v1/projects/proyek1", &JSON, b"").status, 204);
    assert_eq!(make(100).status, 201);
    // Nobody else is held up by that.
    world.done("project create operator");
    let tono = person(&world, "tono", "user");
    assert_eq!(tono.post("/v1/projects", &json!({ "name": "lain" })).status, 201);
}

#[test]
fn it_is_explained_who_may_be_the_second_person() {
    let world = World::new("");
    let admin = Person(world.admin());
    let siti = member(&world, "siti");
    for (name, role) in [("tono", "user"), ("opsir", "officer")] {
        person(&world, name, role);
    }
    // Of the same second nobody could say who came first.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let id = text(&admin.propose("tono").json()["id"]);
    member(&world, "budi");
    let explain = |who: &str, act: &str| {
        let explained = world.done(&format!("policy explain user:{who} approval.{act} approval:{id}"));
        let explained = explained["explained"].clone();
        let rule = explained["rules"][0]["id"].as_str().unwrap_or("none").to_owned();
        let but = explained["but"].as_array().unwrap().iter().map(text).collect::<String>();
        (explained["allowed"] == true, rule, but)
    };
    let free = |rule: &str| (true, rule.to_owned(), String::new());
    assert_eq!(explain("siti", "give"), free("member-is-second"));
    let (allowed, _, but) = explain("budi", "give");
    assert!(allowed && but.contains("since before the request"), "{but}");
    let (allowed, rule, but) = explain("tono", "give");
    assert_eq!((allowed, rule.as_str()), (false, "own-account"));
    assert!(but.contains("whom it is about"), "{but}");
    assert_eq!(explain("admin", "give").1, "own-request");
    let (allowed, rule, _) = explain("opsir", "give");
    assert_eq!((allowed, rule.as_str()), (false, "none"));
    assert_eq!(explain("opsir", "show"), free("officer-sees-approvals"));
    assert_eq!(explain("admin", "withdraw"), free("requester-withdraws"));
    // By the same name in the audit trail.
    let found = world.done(&format!("audit list --on approval:{id}"))["audit"]["entries"].clone();
    assert_eq!(found[0]["act"], "member.propose");

    assert_eq!(siti.decide(&id, "refuse").status, 200);
    assert!(explain("siti", "give").2.contains("is refused"));
    assert!(explain("admin", "withdraw").2.contains("is refused"));
    let none = "policy explain user:siti approval.give approval:00000000-0000-4000-8000-000000000000";
    assert_eq!(world.sandbox.refused(&none.split(' ').collect::<Vec<_>>()), "not-found");
    let wrong = ["policy", "explain", "user:siti", "approval.give", "approval:satu"];
    assert_eq!(world.sandbox.refused(&wrong), "bad-request");
    // Over HTTP, by whoever explains.
    let path = format!("/v1/policy/explain?who=user:siti&act=approval.give&on=approval:{id}");
    assert_eq!(admin.get(&path).ok()["allowed"], true);
}
