//! An admin who is alone and wants at the data of a project it is no member of, by every way there is: credentials of others in
//! its hands, accounts of its own, what was left over from before. Each try leaves a record.

use std::process::Command;

use serde_json::{Value, json};

use crate::client::{Answer, Client, refusal};
use crate::passwords::{PASSWORD, Session, give_password, reset};
use crate::second_person::{Person, member, members, person, text};
use crate::support::daemon::PROJECT;
use crate::world::World;

/// Resets somebody's password as an admin, uses the link itself, and signs in as that account.
fn steal(world: &World, admin: &Person, name: &str) -> Session {
    let link = admin.post(&format!("/v1/users/{name}/reset"), &json!({}));
    assert_eq!(link.status, 201, "{}", link.text());
    let used = reset(world, &text(&link.json()["token"]), PASSWORD).ok();
    assert_eq!(used["unconfirmed"], json!(true), "{name}");
    Session::begin(world, name, PASSWORD)
}

/// A certificate for somebody, over a key of the admin's.
fn certificate_for(world: &World, admin: &Person, name: &str) -> Client {
    let issued = ask_certificate(world, admin, name);
    assert_eq!(issued.status, 201, "{}", issued.text());
    world.control(Some(&format!("stolen-{name}/user")))
}

/// The same, whatever comes of it.
fn ask_certificate(world: &World, admin: &Person, name: &str) -> Answer {
    let folder = world.sandbox.path(&format!("stolen-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=x",
        ])
        .args(["-keyout", "user.key", "-out", "user.csr"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let csr = std::fs::read_to_string(folder.join("user.csr")).unwrap();
    let issued = admin.post(&format!("/v1/users/{name}/certificates"), &json!({ "csr": csr }));
    if issued.status == 201 {
        std::fs::write(folder.join("user.pem"), text(&issued.json()["certificate_pem"])).unwrap();
    }
    issued
}

fn give(approval: &str) -> String {
    format!("/v1/approvals/{approval}/give")
}

/// The approval of the newest confirmation that waits for an account.
fn confirmation(world: &World, name: &str) -> String {
    let listed = world.done("approval list")["approvals"]["items"].clone();
    let mut all = listed.as_array().unwrap().iter();
    let waits =
        |one: &&Value| one["user"] == name && one["kind"] == "confirmation" && one["state"] == "waiting";
    text(&all.find(waits).unwrap_or_else(|| panic!("{listed}"))["id"])
}

fn is_unconfirmed(world: &World, name: &str) -> bool {
    world.done(&format!("user show {name}"))["user-shown"]["user"]["unconfirmed"].is_string()
}

#[test]
fn a_stolen_member_opens_nothing_until_a_second_person_confirms() {
    let world = World::new("");
    let admin = Person(world.admin());
    let (siti, rudi) = (member(&world, "siti"), member(&world, "rudi"));
    let opsir = person(&world, "opsir", "officer");
    person(&world, "boneka", "user");
    let stolen = steal(&world, &admin, "siti");
    assert!(is_unconfirmed(&world, "siti"));
    // It sees what it saw, and lets nobody in.
    assert_eq!(stolen.get(&format!("/v1/projects/{PROJECT}")).status, 200);
    let path = format!("/v1/projects/{PROJECT}/members");
    let refused = stolen.ask("POST", &path, &json!({ "user": "boneka" }));
    assert_eq!(refused.problem(), refusal(403, "forbidden"));
    assert!(refused.text().contains("unconfirmed-waits"), "{}", refused.text());
    // The certificate that was there before is the same account: it waits, too.
    assert_eq!(siti.post(&path, &json!({ "user": "boneka" })).problem(), refusal(403, "forbidden"));
    for act in ["endpoint.create", "member.add"] {
        let said = world.done(&format!("policy explain user:siti {act} project:{PROJECT}"));
        assert_eq!(said["explained"]["rules"][0]["id"], "unconfirmed-waits", "{act}");
    }
    for act in [
        "api-key.create",
        "budget.raise",
        "certificate.issue",
        "grant.create",
        "grant.decrypt",
        "endpoint.enable",
    ] {
        let said = world.done(&format!("policy explain user:siti {act} endpoint:{PROJECT}/absensi"));
        assert_eq!(said["explained"]["rules"][0]["id"], "unconfirmed-waits", "{act}");
    }
    let id = confirmation(&world, "siti");
    // Not by itself, not by who made the link, not by its own second account, not by one made for it.
    assert_eq!(stolen.ask("POST", &give(&id), &json!({})).problem(), refusal(403, "forbidden"));
    assert_eq!(admin.decide(&id, "give").problem(), refusal(403, "forbidden"));
    let late = member(&world, "telat");
    assert_eq!(late.decide(&id, "give").problem(), refusal(403, "not-a-second-person"));
    assert_eq!(rudi.decide(&id, "give").ok()["state"], "approved");
    assert!(!is_unconfirmed(&world, "siti"));
    assert_eq!(stolen.ask("POST", &path, &json!({ "user": "boneka" })).status, 204);

    // The link was made before, and used after somebody confirmed: that counts anew.
    let link = text(&admin.post("/v1/users/siti/reset", &json!({})).json()["token"]);
    steal_again(&world, &link);
    let id = confirmation(&world, "siti");
    assert_eq!(opsir.decide(&id, "refuse").ok()["state"], "refused");
    assert!(is_unconfirmed(&world, "siti"), "a no leaves it so");
    // It may ask again, and so may the admin; the officer decides as the second person.
    assert_eq!(siti.post("/v1/users/siti/confirmation", &json!({})).status, 201);
    assert_eq!(
        admin.post("/v1/users/siti/confirmation", &json!({})).problem(),
        refusal(409, "already-exists")
    );
    assert_eq!(opsir.decide(&confirmation(&world, "siti"), "give").ok()["state"], "approved");
    assert_eq!(
        siti.post("/v1/users/siti/confirmation", &json!({})).problem(),
        refusal(409, "already-exists")
    );
    let acts: Vec<String> = world.trail().iter().map(|entry| text(&entry["act"])).collect();
    for act in [
        "user.reset",
        "user.set-password",
        "approval.ask",
        "approval.give",
        "approval.refuse",
        "user.confirm",
    ] {
        assert!(acts.iter().any(|one| one == act), "{act}");
    }
}

fn steal_again(world: &World, link: &str) {
    assert_eq!(reset(world, link, "kata sandi yang kedua").ok()["unconfirmed"], json!(true));
    assert!(is_unconfirmed(world, "siti"));
}

#[test]
fn those_whom_it_has_taken_do_not_confirm_each_other() {
    let world = World::new("");
    let admin = Person(world.admin());
    member(&world, "siti");
    member(&world, "rudi");
    person(&world, "opsir", "officer");
    let (siti, rudi) = (steal(&world, &admin, "siti"), steal(&world, &admin, "rudi"));
    let opsir = steal(&world, &admin, "opsir");
    let (first, second, third) =
        (confirmation(&world, "siti"), confirmation(&world, "rudi"), confirmation(&world, "opsir"));
    for (who, id) in [(&rudi, &first), (&siti, &second), (&opsir, &first), (&opsir, &second)] {
        assert_eq!(who.ask("POST", &give(id), &json!({})).problem(), refusal(403, "forbidden"));
        assert_eq!(
            who.ask("POST", &format!("/v1/approvals/{id}/refuse"), &json!({})).problem(),
            refusal(403, "forbidden")
        );
    }
    assert_eq!(opsir.ask("POST", &give(&third), &json!({})).problem(), refusal(403, "forbidden"));
    // With all of its members taken the project is an orphan, and its officer is taken as well.
    person(&world, "boneka", "user");
    let id = text(&admin.propose("boneka").json()["id"]);
    for who in [&siti, &rudi, &opsir] {
        assert_eq!(who.ask("POST", &give(&id), &json!({})).problem(), refusal(403, "forbidden"));
    }
    assert_eq!(members(&world), ["rudi", "siti"]);
}

#[test]
fn a_certificate_in_other_hands_is_a_reset() {
    let world = World::new("");
    let admin = Person(world.admin());
    let rudi = member(&world, "rudi");
    // An account with rights and without a credential: whoever gets the first one has the rights.
    world.done("user create siti --role user");
    world.done(&format!("project member add siti --project {PROJECT}"));
    world.done("user create opsir --role officer");
    person(&world, "boneka", "user");
    let siti = Person(certificate_for(&world, &admin, "siti"));
    let opsir = Person(certificate_for(&world, &admin, "opsir"));
    for name in ["siti", "opsir"] {
        assert!(is_unconfirmed(&world, name), "{name}");
    }
    let path = format!("/v1/projects/{PROJECT}/members");
    assert_eq!(siti.post(&path, &json!({ "user": "boneka" })).problem(), refusal(403, "forbidden"));
    let id = confirmation(&world, "siti");
    assert_eq!(opsir.decide(&id, "give").problem(), refusal(403, "forbidden"));
    assert_eq!(rudi.decide(&id, "give").ok()["state"], "approved");
    assert_eq!(siti.post(&path, &json!({ "user": "boneka" })).status, 204);
    // A second one counts as handed over again; the first one of a new account does not.
    let again = world.done("certificate issue --user rudi --out rudi-baru");
    assert!(again["certificate-issued"]["spki"].is_string());
    assert!(is_unconfirmed(&world, "rudi"), "by the operator, too");
    world.done("user create joko --role user");
    certificate_for(&world, &admin, "joko");
    assert!(!is_unconfirmed(&world, "joko"));
}

#[test]
fn what_was_asked_before_does_not_count_for_whoever_comes_after() {
    let world = World::new("");
    let admin = Person(world.admin());
    let siti = member(&world, "siti");
    // Proposed as who he was, then taken over: the yes was for another.
    person(&world, "tono", "user");
    let id = text(&admin.propose("tono").json()["id"]);
    steal(&world, &admin, "tono");
    assert_eq!(siti.decide(&id, "give").problem(), refusal(409, "approval-ended"));
    // A project of its own, with the account in it, makes nobody its second person everywhere.
    let boneka = person(&world, "boneka", "user");
    assert_eq!(boneka.post("/v1/projects", &json!({ "name": "jebakan" })).status, 201);
    assert_eq!(boneka.post("/v1/projects/jebakan/members", &json!({ "user": "siti" })).status, 204);
    let stolen = steal(&world, &admin, "siti");
    let id = confirmation(&world, "siti");
    assert_eq!(boneka.decide(&id, "give").problem(), refusal(403, "not-a-second-person"));
    assert!(is_unconfirmed(&world, "siti"));
    // Ended and made again under the same name: the confirmation was asked for another, and the rights are gone.
    assert_eq!(admin.0.insist("DELETE", "/v1/users/siti", &[], b"").status, 204);
    assert_eq!(admin.post("/v1/users", &json!({ "name": "siti", "role": "user" })).status, 201);
    assert_eq!(stolen.get("/v1/session").problem(), refusal(401, "session-ended"));
    give_password(&world, "siti", PASSWORD);
    let remade = Session::begin(&world, "siti", PASSWORD);
    assert_eq!(remade.get(&format!("/v1/projects/{PROJECT}")).problem(), refusal(404, "not-found"));
    assert_eq!(boneka.decide(&id, "give").problem(), refusal(404, "not-found"), "it does not even see it");
    assert_eq!(members(&world), Vec::<String>::new());
    // Nor is its own link its to make, its own role to change, or an officer.
    assert_eq!(admin.post("/v1/users/admin/reset", &json!({})).problem(), refusal(403, "forbidden"));
    let link = world.done("policy explain user:admin user.reset user:admin");
    assert_eq!(link["explained"]["rules"][0]["id"], "own-link");
    let own = world.done("policy explain user:admin user.change-role user:admin");
    assert_eq!(own["explained"]["rules"][0]["id"], "own-role");
    let officer = world.done("policy explain user:admin role.give role:officer");
    assert_eq!(officer["explained"]["rules"][0]["id"], "officers-are-appointed");
}

#[test]
fn all_admins_lost_needs_operator_and_officer() {
    let world = World::new("");
    let opsir = person(&world, "opsir", "officer");
    person(&world, "siti", "user");
    // While an admin could sign in, that admin may refuse what an officer has approved.
    let early = text(&world.done("user recover siti")["approval"]["id"]);
    assert_eq!(opsir.decide(&early, "give").ok()["state"], "approved");
    assert_eq!(world.sandbox.refused(&["user", "recover", "siti"]), "admin-is-there");
    assert_eq!(Person(world.admin()).decide(&early, "refuse").ok()["state"], "refused");
    assert_eq!(Person(world.admin()).decide(&early, "refuse").problem(), refusal(409, "approval-ended"));
    // Before, that admin gives itself a certificate of the account that is to be recovered.
    let stolen = Person(certificate_for(&world, &Person(world.admin()), "siti"));
    // The admin's certificate is lost: revoked.
    let shown = world.done("user show admin");
    let spki = text(&shown["user-shown"]["certificates"][0]["spki"]);
    world.done(&format!("certificate revoke {spki}"));
    assert_eq!(world.sandbox.refused(&["user", "disable", "admin"]), "last-admin");
    assert_eq!(world.sandbox.refused(&["user", "recover", "nobody"]), "not-found");
    let asked = world.done("user recover siti")["approval"].clone();
    assert_eq!(
        [&asked["kind"], &asked["state"], &asked["requester"]],
        ["recovery", "waiting", &format!("local:{}", uid())]
    );
    let id = text(&asked["id"]);
    assert_eq!(world.done("user recover siti")["approval"]["id"], json!(id), "it is told, not asked twice");
    assert_eq!(world.sandbox.refused(&["approval", "give", &id]), "forbidden");
    let siti = Person(world.control(Some("siti/user")));
    assert_eq!(siti.decide(&id, "give").problem(), refusal(403, "forbidden"));
    assert_eq!(opsir.decide(&id, "give").ok()["state"], "approved");
    let link = world.done("user recover siti")["link"].clone();
    let used = reset(&world, &text(&link["token"]), PASSWORD).ok();
    assert_eq!([&used["user"], &used["unconfirmed"]], [&json!("siti"), &json!(false)]);
    let admin = Session::begin(&world, "siti", PASSWORD);
    if let Ok(answer) = stolen.0.ask("GET", "/v1/users", &[], b"") {
        assert_eq!(answer.problem(), refusal(401, "certificate-revoked"));
    }
    assert_eq!(admin.get("/v1/users").status, 200);
    assert_eq!(world.done(&format!("approval show {id}"))["approval"]["state"], "used");
    let acts: Vec<String> = world.trail().iter().map(|entry| text(&entry["act"])).collect();
    for act in ["approval.ask", "approval.give", "user.recover", "user.set-password"] {
        assert!(acts.iter().any(|one| one == act), "{act}: {acts:?}");
    }
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn nothing_rides_on_the_confirmation_of_another_credential() {
    let world = World::new("");
    let admin = Person(world.admin());
    let (siti, budi) = (member(&world, "siti"), member(&world, "budi"));
    // An honest link for siti; meanwhile the admin gives itself a certificate of hers.
    let link = admin.post("/v1/users/siti/reset", &json!({})).json();
    let stolen = Person(certificate_for(&world, &admin, "siti"));
    reset(&world, &text(&link["token"]), PASSWORD).ok();
    // What the second person confirms is the password, and says so; the certificate counts no more.
    let id = confirmation(&world, "siti");
    let asked = budi.get(&format!("/v1/approvals/{id}")).ok();
    assert!(text(&asked["credential"]).starts_with("password set by a link"), "{asked}");
    assert_eq!(budi.decide(&id, "give").ok()["state"], "approved");
    if let Ok(answer) = stolen.0.ask("GET", "/v1/projects", &[], b"") {
        assert_eq!(answer.problem(), refusal(401, "certificate-revoked"));
    }
    assert_eq!(siti.get(&format!("/v1/projects/{PROJECT}")).status, 200, "what was hers stays");

    // Nor on a password that whoever had the certificate set with it: it goes with the certificate.
    person(&world, "tono", "user");
    world.done(&format!("project member add tono --project {PROJECT}"));
    let stolen = Person(certificate_for(&world, &admin, "tono"));
    let body = json!({ "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json")];
    assert_eq!(stolen.0.insist("PUT", "/v1/password", &headers, body.as_bytes()).status, 204);
    let factor = stolen.post("/v1/totp", &json!({ "current": PASSWORD }));
    assert_eq!(factor.problem(), refusal(409, "conflict"), "it would outlive the certificate");
    std::fs::remove_dir_all(world.sandbox.path("stolen-tono")).unwrap();
    certificate_for(&world, &admin, "tono");
    assert_eq!(
        crate::passwords::sign_in(&world, "tono", PASSWORD, None).problem(),
        refusal(401, "sign-in-failed")
    );

    // The other way round: a certificate given after a link takes the password of that link away.
    let link = admin.post("/v1/users/budi/reset", &json!({})).json();
    reset(&world, &text(&link["token"]), PASSWORD).ok();
    certificate_for(&world, &admin, "budi");
    let asked = siti.get(&format!("/v1/approvals/{}", confirmation(&world, "budi"))).ok();
    assert!(text(&asked["credential"]).starts_with("certificate "), "{asked}");
    assert_eq!(
        crate::passwords::sign_in(&world, "budi", PASSWORD, None).problem(),
        refusal(401, "sign-in-failed")
    );
}

#[test]
fn nobody_makes_himself_a_second_person_who_says_no() {
    let world = World::new("");
    let admin = Person(world.admin());
    let (_, budi) = (member(&world, "siti"), member(&world, "budi"));
    let mal = person(&world, "mal", "user");
    let link = admin.post("/v1/users/siti/reset", &json!({})).json();
    reset(&world, &text(&link["token"]), PASSWORD).ok();
    let id = confirmation(&world, "siti");
    // Siti is taken into a project of mal's after the request: that gives him no say, and budi keeps his.
    assert_eq!(mal.post("/v1/projects", &json!({ "name": "malp" })).status, 201);
    assert_eq!(mal.post("/v1/projects/malp/members", &json!({ "user": "siti" })).status, 204);
    assert_eq!(mal.decide(&id, "refuse").problem(), refusal(403, "not-a-second-person"));
    assert_eq!(budi.decide(&id, "give").ok()["state"], "approved");
    assert!(!is_unconfirmed(&world, "siti"));
}

#[test]
fn one_admin_takes_not_every_place_by_credentials() {
    let world = World::new("");
    let admin = Person(world.admin());
    let opsir = person(&world, "opsir", "officer");
    let siti = member(&world, "siti");
    // The first certificate of an account asks nobody, the second does, in the name of whoever made it.
    for number in 0..=16 {
        let name = format!("akun{number}");
        assert_eq!(admin.post("/v1/users", &json!({ "name": name, "role": "user" })).status, 201);
        assert_eq!(ask_certificate(&world, &admin, &name).status, 201);
    }
    // A link made before, for later.
    let link = text(&admin.post("/v1/users/akun16/reset", &json!({})).json()["token"]);
    for number in 0..16 {
        let name = format!("akun{number}");
        assert_eq!(ask_certificate(&world, &admin, &name).status, 201, "{name}");
    }
    let refused = refusal(409, "too-many-approvals");
    let over = ask_certificate(&world, &admin, "akun16");
    assert_eq!(over.problem(), refused);
    assert!(over.text().contains("16 requests of yours"), "{}", over.text());
    assert!(!is_unconfirmed(&world, "akun16"), "nothing was handed out");
    assert_eq!(admin.post("/v1/users/akun16/reset", &json!({})).problem(), refused);
    let used = reset(&world, &link, PASSWORD);
    assert_eq!(used.problem(), refused);
    assert!(used.text().contains("Whoever made the link"), "{}", used.text());
    assert_eq!(admin.propose("akun16").problem(), refused);
    // What takes the place of one that waits needs none.
    assert_eq!(ask_certificate(&world, &admin, "akun0").status, 201);
    // The first credential of a new account asks nobody, so it needs none either.
    assert_eq!(admin.post("/v1/users", &json!({ "name": "baru", "role": "user" })).status, 201);
    assert_eq!(ask_certificate(&world, &admin, "baru").status, 201);
    // Others have their own places; and one that is decided is free again, also for the link.
    assert_eq!(siti.get("/v1/approvals").status, 200);
    world.done(&format!("project member propose akun16 --project {PROJECT}"));
    assert_eq!(opsir.decide(&confirmation(&world, "akun1"), "refuse").ok()["state"], "refused");
    assert_eq!(reset(&world, &link, PASSWORD).ok()["unconfirmed"], json!(true));
    assert_eq!(ask_certificate(&world, &admin, "akun1").problem(), refused);
}
