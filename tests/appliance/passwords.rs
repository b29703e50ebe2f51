//! Signing in by password: what a session may do and how it ends, what a wrong one is told, the second factor, and links that
//! set a password once.

use std::fs;
use std::time::{Duration, Instant};

use gembok::crypto::totp::{STEP_S, TotpSecret};
use serde_json::{Value, json};

use crate::client::{Answer, Client, refusal};
use crate::second_person::{person, text};
use crate::store_damage::started_locked;
use crate::vault::store_path;
use crate::world::World;

const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const PASSWORD: &str = "empat kata acak benar";

/// Sets a password by a link that the operator made.
pub(crate) fn give_password(world: &World, name: &str, password: &str) -> Value {
    let token = text(&world.done(&format!("user reset {name}"))["link"]["token"]);
    reset(world, &token, password).ok()
}

pub(crate) fn reset(world: &World, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "password": password }).to_string();
    world.control(None).insist("POST", "/v1/reset", &[JSON], body.as_bytes())
}

pub(crate) fn sign_in(world: &World, name: &str, password: &str, totp: Option<&str>) -> Answer {
    let body = json!({ "name": name, "password": password, "totp": totp }).to_string();
    world.control(None).insist("POST", "/v1/session", &[JSON], body.as_bytes())
}

/// Somebody who signed in by password.
pub(crate) struct Session {
    client: Client,
    bearer: String,
}

impl Session {
    pub(crate) fn begin(world: &World, name: &str, password: &str) -> Self {
        let begun = sign_in(world, name, password, None);
        assert_eq!(begun.status, 201, "{}", begun.text());
        Self::of(world, &text(&begun.json()["token"]))
    }

    pub(crate) fn of(world: &World, token: &str) -> Self {
        Self { client: world.control(None), bearer: format!("Bearer {token}") }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.insist(method, path, &[JSON, ("authorization", &self.bearer)], body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null)
    }
}

#[test]
fn a_session_is_its_user_everywhere_but_at_the_metrics() {
    let world = World::new("");
    let siti = person(&world, "siti", "user");
    world.done("project member add siti --project kantor");
    world.done("user create rina --role auditor");
    let set = give_password(&world, "rina", PASSWORD);
    assert_eq!(
        [&set["user"], &set["unconfirmed"], &set["second_factor"]],
        [&json!("rina"), &json!(false), &Value::Null]
    );
    let begun = sign_in(&world, "rina", PASSWORD, None).json();
    assert_eq!([&begun["user"], &begun["role"]], ["rina", "auditor"]);
    let token = text(&begun["token"]);
    assert!(token.starts_with("gbs_") && token.len() == 44);
    let rina = Session::of(&world, &token);

    for path in ["/health/state", "/v1/statistics", "/v1/users", "/v1/projects", "/v1/approvals"] {
        assert_eq!(rina.get(path).status, 200, "{path}");
    }
    assert_eq!(
        rina.ask("POST", "/v1/projects", &json!({ "name": "x" })).problem(),
        refusal(403, "forbidden")
    );
    assert_eq!(rina.get("/metrics").problem(), refusal(401, "certificate-missing"));
    let mine = rina.get("/v1/session").ok();
    assert_eq!([&mine["user"], &mine["role"], &mine["session"]["address"]], ["rina", "auditor", "127.0.0.1"]);
    assert_eq!(siti.get("/v1/session").ok()["session"], Value::Null, "by certificate");
    // Nobody else's token, and nothing that is none.
    for wrong in ["gbs_x", &token.replace('a', "b"), &format!("{token}0")] {
        if *wrong == token {
            continue;
        }
        let other = Session::of(&world, wrong);
        assert_eq!(other.get("/v1/session").problem(), refusal(401, "session-ended"), "{wrong}");
    }
    // Listed to its user and to an admin; no other user learns of it.
    let listed = rina.get("/v1/users/rina/sessions").ok()["items"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let id = text(&listed[0]["id"]);
    assert_eq!(siti.get("/v1/users/rina/sessions").problem(), refusal(403, "forbidden"));
    let by_siti = siti.0.insist("DELETE", &format!("/v1/sessions/{id}"), &[], b"");
    assert_eq!(by_siti.problem(), refusal(404, "not-found"));
    assert_eq!(world.done("session list rina")["sessions"]["items"][0]["id"], json!(id));

    // It ends by its user's word, and by an admin's.
    assert_eq!(rina.ask("DELETE", "/v1/session", &Value::Null).status, 204);
    assert_eq!(rina.get("/v1/session").problem(), refusal(401, "session-ended"));
    let again = Session::begin(&world, "rina", PASSWORD);
    let id = text(&again.get("/v1/session").ok()["session"]["id"]);
    assert_eq!(world.admin().insist("DELETE", &format!("/v1/sessions/{id}"), &[], b"").status, 204);
    assert_eq!(again.get("/v1/session").problem(), refusal(401, "session-ended"));

    // And with everything that changes who its user is.
    for (verb, back) in [
        ("user disable rina", "user enable rina"),
        ("user change-role rina --role user", "user change-role rina --role auditor"),
    ] {
        let session = Session::begin(&world, "rina", PASSWORD);
        assert_eq!(session.get("/v1/session").status, 200);
        world.done(verb);
        world.done(back);
        assert_eq!(session.get("/v1/session").problem(), refusal(401, "session-ended"), "{verb}");
    }
    let session = Session::begin(&world, "rina", PASSWORD);
    give_password(&world, "rina", "lima kata yang lain lagi");
    assert_eq!(session.get("/v1/session").problem(), refusal(401, "session-ended"));
    assert_eq!(sign_in(&world, "rina", PASSWORD, None).problem(), refusal(401, "sign-in-failed"));
    let session = Session::begin(&world, "rina", "lima kata yang lain lagi");
    world.done("user delete rina");
    assert_eq!(session.get("/v1/session").problem(), refusal(401, "session-ended"));
    // Somebody of the same name has nothing of it.
    world.done("user create rina --role auditor");
    assert_eq!(
        sign_in(&world, "rina", "lima kata yang lain lagi", None).problem(),
        refusal(401, "sign-in-failed")
    );
    let acts: Vec<String> = world.trail().iter().map(|entry| text(&entry["act"])).collect();
    for act in ["session.begin", "session.end", "user.reset", "user.set-password"] {
        assert!(acts.iter().any(|one| one == act), "{act}: {acts:?}");
    }
}

#[test]
fn sessions_end_idle_and_old_and_are_bounded() {
    let world = World::new("[sessions]\nidle_s = 60\nmax_s = 60\nper_user_max = 2\nmax = 3\n");
    for name in ["siti", "tono"] {
        world.done(&format!("user create {name} --role user"));
        give_password(&world, name, PASSWORD);
    }
    let sessions: Vec<Session> = (0..3).map(|_| Session::begin(&world, "siti", PASSWORD)).collect();
    assert_eq!(sessions[0].get("/v1/session").problem(), refusal(401, "session-ended"), "it made room");
    for session in &sessions[1..] {
        assert_eq!(session.get("/v1/session").status, 200);
    }
    let tono = Session::begin(&world, "tono", PASSWORD);
    assert_eq!(sign_in(&world, "tono", PASSWORD, None).problem(), refusal(409, "too-many-sessions"));
    assert_eq!(tono.ask("DELETE", "/v1/session", &Value::Null).status, 204);
    Session::begin(&world, "tono", PASSWORD);
    // A restart forgets none that is live.
    let world = world.restart();
    let token = sessions[1].bearer.strip_prefix("Bearer ").unwrap();
    assert_eq!(Session::of(&world, token).get("/v1/session").status, 200);
}

#[test]
fn whoever_is_not_there_is_told_and_costs_the_same() {
    let world = World::new("");
    for name in ["siti", "tono", "rina"] {
        world.done(&format!("user create {name} --role user"));
    }
    give_password(&world, "siti", PASSWORD);
    give_password(&world, "tono", PASSWORD);
    world.done("user disable tono");
    let body = |answer: Answer| answer.text().to_owned();
    let wrong = body(sign_in(&world, "siti", "salah semuanya ini", None));
    let mut times = Vec::new();
    for (name, password) in [
        ("siti", "salah semuanya ini"),
        ("nobody", PASSWORD),
        ("rina", PASSWORD),
        ("tono", PASSWORD),
        ("", ""),
    ] {
        let mut took = [0; 3].map(|_| {
            let began = Instant::now();
            let answer = sign_in(&world, name, password, None);
            let took = began.elapsed();
            assert_eq!(answer.problem(), refusal(401, "sign-in-failed"), "{name}");
            assert_eq!(body(answer), wrong, "{name}: to the byte");
            took
        });
        took.sort();
        times.push(took[1]);
    }
    // A hashing each; without one it would be a hundredth.
    let slowest = times.iter().max().unwrap();
    assert!(times.iter().all(|time| *time * 8 > *slowest), "{times:?}");

    // Ten are free; then the name waits, also with the right password, and nothing is hashed. Others do not wait.
    let limited =
        (0..12).map(|_| sign_in(&world, "siti", "salah semuanya ini", None)).find(|one| one.status == 429);
    assert_eq!(limited.unwrap().problem(), refusal(429, "authentication-limited"));
    let waits = (0..3).any(|_| sign_in(&world, "siti", PASSWORD, None).status == 429);
    assert!(waits, "the right password does not help out of a wait");
    let unknown = (0..12).map(|_| sign_in(&world, "nobody", PASSWORD, None)).find(|one| one.status == 429);
    assert_eq!(unknown.unwrap().problem(), refusal(429, "authentication-limited"), "of an unknown name, too");
    give_password(&world, "rina", PASSWORD);
    Session::begin(&world, "rina", PASSWORD);
    world.daemon.wait_until("the wait is over", || sign_in(&world, "siti", PASSWORD, None).status == 201);
}

#[test]
fn links_set_a_password_once() {
    let world = World::new("");
    world.done("user create siti --role user");
    let first = text(&world.done("user reset siti")["link"]["token"]);
    let made = world.done("user reset siti")["link"].clone();
    let token = text(&made["token"]);
    assert_eq!(made["path"], json!(format!("/reset#{token}")));
    assert_eq!(reset(&world, &first, PASSWORD).problem(), refusal(410, "link-ended"), "another replaced it");
    for weak in ["pendek", "password1234", "sitisitisitisiti", "aaaaaaaaaaaaaa", &"x".repeat(200)] {
        assert_eq!(reset(&world, &token, weak).problem(), refusal(400, "weak-password"), "{weak}");
    }
    assert_eq!(reset(&world, &token, PASSWORD).ok()["unconfirmed"], json!(false), "the first one");
    assert_eq!(reset(&world, &token, PASSWORD).problem(), refusal(410, "link-ended"), "used");
    for wrong in ["", "gbr_x", &token[1..]] {
        assert_eq!(reset(&world, wrong, PASSWORD).problem(), refusal(410, "link-ended"));
    }
    let token = text(&world.done("user reset siti")["link"]["token"]);
    world.done("user disable siti");
    assert_eq!(reset(&world, &token, PASSWORD).problem(), refusal(410, "link-ended"));
    // Only as JSON, and nothing else at these addresses.
    let form = world.control(None).insist("POST", "/v1/session", &[("content-type", "text/plain")], b"{}");
    assert_eq!(form.problem(), refusal(400, "bad-request"));
    let put = world.control(None).insist("PUT", "/v1/session", &[], b"");
    assert_eq!((put.header("allow"), put.status), (Some("GET, POST, DELETE"), 405));
    assert_eq!(world.control(None).get("/v1/session").problem(), refusal(401, "certificate-missing"));
    world.done("lock");
    assert_eq!(sign_in(&world, "siti", PASSWORD, None).problem(), refusal(409, "wrong-state"));
    assert!(!world.sandbox.run(&["user", "list"]).status.success());
}

#[test]
fn a_second_factor_counts_once_and_is_asked_for() {
    let world = World::new("");
    world.done("user create siti --role user");
    world.done("user enforce-totp siti");
    let set = give_password(&world, "siti", PASSWORD);
    let uri = text(&set["second_factor"]["uri"]);
    assert!(uri.starts_with("otpauth://totp/Gembok:siti?secret=") && uri.contains("issuer=Gembok"), "{uri}");
    let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let secret = TotpSecret::from_bytes(&unbase32(secret).try_into().unwrap());
    let step = || time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs() / STEP_S;
    let code = |step: u64| format!("{:06}", secret.code(step));

    assert_eq!(sign_in(&world, "siti", PASSWORD, None).problem(), refusal(401, "sign-in-failed"));
    assert_eq!(sign_in(&world, "siti", PASSWORD, Some("000000")).problem(), refusal(401, "sign-in-failed"));
    let used = code(step());
    assert_eq!(sign_in(&world, "siti", PASSWORD, Some(&used)).status, 201);
    assert_eq!(
        sign_in(&world, "siti", PASSWORD, Some(&used)).problem(),
        refusal(401, "sign-in-failed"),
        "used"
    );
    let recovery = text(&set["second_factor"]["recovery_codes"][3]).to_lowercase();
    assert_eq!(sign_in(&world, "siti", PASSWORD, Some(&recovery)).status, 201);
    assert_eq!(
        sign_in(&world, "siti", PASSWORD, Some(&recovery)).problem(),
        refusal(401, "sign-in-failed"),
        "used"
    );

    // A reset of the password keeps it; one that takes it away makes another where it is demanded, and none where it is not.
    assert_eq!(give_password(&world, "siti", PASSWORD)["second_factor"], Value::Null);
    // A clock may be a step ahead.
    assert_eq!(sign_in(&world, "siti", PASSWORD, Some(&code(step() + 1))).status, 201);
    let token = text(&world.done("user reset siti --drop-totp")["link"]["token"]);
    let other = reset(&world, &token, PASSWORD).ok();
    assert!(other["second_factor"]["uri"].is_string(), "{other}");
    assert_eq!(
        sign_in(&world, "siti", PASSWORD, Some(&code(step() + 1))).problem(),
        refusal(401, "sign-in-failed")
    );
    world.done("user enforce-totp siti --off");
    assert_eq!(
        sign_in(&world, "siti", PASSWORD, None).status,
        201,
        "one that was never confirmed is not asked for"
    );
}

pub(crate) fn unbase32(text: &str) -> Vec<u8> {
    let digit = |letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap() as u64;
    let group = |group: &[char]| group.iter().fold(0u64, |bits, letter| bits << 5 | digit(*letter));
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(8).flat_map(|letters| group(letters).to_be_bytes()[3..].to_vec()).collect()
}

/// A few sign-ins at once neither take all memory nor are lost.
#[test]
fn sign_ins_take_turns() {
    let world = World::new("");
    world.done("user create siti --role user");
    give_password(&world, "siti", PASSWORD);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..24).map(|_| scope.spawn(|| sign_in(&world, "siti", PASSWORD, None).status)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&201), "{statuses:?}");
    let again = Instant::now();
    Session::begin(&world, "siti", PASSWORD);
    assert!(again.elapsed() < Duration::from_secs(20));
}

/// What may have been ended, used up or refused in the time that a store has lost is gone, not back.
#[test]
fn a_store_that_was_put_back_brings_no_session_link_or_approval_back() {
    let world = World::new("[journal]\ncheckpoint_s = 3600\n");
    for name in ["siti", "tono"] {
        world.done(&format!("user create {name} --role user"));
    }
    give_password(&world, "siti", PASSWORD);
    let token = text(&sign_in(&world, "siti", PASSWORD, None).json()["token"]);
    let link = text(&world.done("user reset tono")["link"]["token"]);
    world.done("project member propose tono --project kantor");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(store_path(&sandbox), sandbox.path("older")).unwrap();
    let world = World { daemon: sandbox.resume(), sandbox };
    assert_eq!(Session::of(&world, &token).ask("DELETE", "/v1/session", &Value::Null).status, 204);
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(sandbox.path("older"), store_path(&sandbox)).unwrap();

    let world = started_locked(sandbox);
    world.done("unlock --accept-rollback");
    for name in ["siti", "tono"] {
        world.done(&format!("user enable {name}"));
    }
    assert_eq!(Session::of(&world, &token).get("/v1/session").problem(), refusal(401, "session-ended"));
    assert_eq!(reset(&world, &link, PASSWORD).problem(), refusal(410, "link-ended"));
    assert_eq!(world.done("approval list")["approvals"]["items"], json!([]));
    Session::begin(&world, "siti", PASSWORD);
}
