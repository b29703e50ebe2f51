//! What users change of their own credentials: the password and the second factor, by session and by certificate; what has to be
//! shown again for it, what ends by it, and what waits.

use std::fs;

use gembok::crypto::totp::{STEP_S, TotpSecret};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::clock::SHIPPED;
use crate::passwords::{PASSWORD, Session, give_password, reset, sign_in, unbase32};
use crate::second_person::{person, text};
use crate::world::World;

const OTHER: &str = "lima kata yang lain lagi";

/// The code of a second factor just made, of `steps` steps from now.
fn code(made: &Value, steps: u64) -> String {
    let uri = text(&made["uri"]);
    let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let secret = TotpSecret::from_bytes(&unbase32(secret).try_into().unwrap());
    let now = time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs() / STEP_S;
    format!("{:06}", secret.code(now + steps))
}

/// The code of a second factor at present.
pub(crate) fn first_code(made: &Value) -> String {
    code(made, 0)
}

#[test]
fn a_password_is_changed_by_who_knows_it() {
    let world = World::new("");
    world.done("user create siti --role user");
    give_password(&world, "siti", PASSWORD);
    let link = text(&world.done("user reset siti")["link"]["token"]);
    let (siti, elsewhere) =
        (Session::begin(&world, "siti", PASSWORD), Session::begin(&world, "siti", PASSWORD));
    let change = |body: Value| siti.ask("PUT", "/v1/password", &body);
    assert_eq!(change(json!({ "password": OTHER })).problem(), refusal(400, "bad-request"));
    let wrong = change(json!({ "current": "salah semuanya ini", "password": OTHER }));
    assert_eq!(wrong.problem(), refusal(401, "sign-in-failed"));
    let weak = change(json!({ "current": PASSWORD, "password": "pendek" }));
    assert_eq!(weak.problem(), refusal(400, "weak-password"));
    assert_eq!(elsewhere.get("/v1/session").status, 200, "nothing has happened so far");

    assert_eq!(change(json!({ "current": PASSWORD, "password": OTHER })).status, 204);
    assert_eq!(siti.get("/v1/session").status, 200, "who asks goes on");
    assert_eq!(elsewhere.get("/v1/session").problem(), refusal(401, "session-ended"));
    assert_eq!(reset(&world, &link, PASSWORD).problem(), refusal(410, "link-ended"));
    assert_eq!(sign_in(&world, "siti", PASSWORD, None).problem(), refusal(401, "sign-in-failed"));
    assert_eq!(sign_in(&world, "siti", OTHER, None).status, 201);
    assert_eq!(world.done("user show siti")["user-shown"]["user"]["unconfirmed"], Value::Null);
    let changed = world.trail().into_iter().find(|entry| entry["act"] == "user.change-password").unwrap();
    assert!(text(&changed["actor"]).starts_with("user:"), "{changed}");
    assert!(!changed.to_string().contains(OTHER));

    // By certificate, whose owner has no password yet: the first one, and the account is whose it was.
    let tono = person(&world, "tono", "user");
    let put = |body: Value| {
        let headers = [("content-type", "application/json")];
        tono.0.insist("PUT", "/v1/password", &headers, body.to_string().as_bytes())
    };
    assert_eq!(put(json!({ "password": PASSWORD })).status, 204);
    assert_eq!(put(json!({ "password": OTHER })).problem(), refusal(400, "bad-request"), "now there is one");
    Session::begin(&world, "tono", PASSWORD);
    assert_eq!(world.done("user show tono")["user-shown"]["user"]["unconfirmed"], Value::Null);
}

#[test]
fn guesses_wait_as_those_of_a_sign_in() {
    let world = World::new("");
    world.done("user create siti --role user");
    give_password(&world, "siti", PASSWORD);
    let siti = Session::begin(&world, "siti", PASSWORD);
    let change =
        |current: &str| siti.ask("PUT", "/v1/password", &json!({ "current": current, "password": OTHER }));
    // Until a wait is longer than any hashing takes: a short one may be over before the next guess is heard.
    let mut longest = 0;
    world.daemon.wait_until("a guess has to wait for long", || {
        let answer = change("salah semuanya ini");
        if answer.status == 429 {
            assert_eq!(answer.problem(), refusal(429, "authentication-limited"));
            longest = answer.header("retry-after").unwrap().parse().unwrap();
        }
        longest >= 8
    });
    // The name waits at every door, the right password does not help out of it, and the session goes on.
    assert_eq!(change(PASSWORD).status, 429);
    assert_eq!(sign_in(&world, "siti", "salah semuanya ini", None).status, 429);
    assert_eq!(siti.get("/v1/session").status, 200);
}

/// Under access policies of before, which let a link for the own account be made: what it gives waits for a second person.
#[test]
fn a_link_for_the_own_account_gives_nobody_the_account() {
    let world = World::new("");
    let (before, rest) = SHIPPED.split_once("@id(\"own-link\")").unwrap();
    let (_, after) = rest.split_once("@id(\"own-role\")").unwrap();
    let read = "configuration read again; policies, certificates and the log's level are in force";
    fs::write(world.sandbox.path("policies/access.cedar"), format!("{before}@id(\"own-role\"){after}"))
        .unwrap();
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_until("it has read its policies", || world.daemon.said(read).count() > 0);

    give_password(&world, "admin", PASSWORD);
    let admin = Session::begin(&world, "admin", PASSWORD);
    let link = admin.ask("POST", "/v1/users/admin/reset", &json!({}));
    assert_eq!(link.status, 201, "{}", link.text());
    let used = reset(&world, &text(&link.json()["token"]), OTHER).ok();
    assert_eq!(used["unconfirmed"], json!(true));
}

#[test]
fn a_second_factor_is_enrolled_replaced_and_taken_away() {
    let world = World::new("");
    world.done("user create siti --role user");
    give_password(&world, "siti", PASSWORD);
    let siti = Session::begin(&world, "siti", PASSWORD);
    let ask = |path: &str, body: Value| siti.ask("POST", path, &body);
    let confirm = |code: String| ask("/v1/totp/confirm", json!({ "code": code }));
    assert_eq!(confirm("000000".into()).problem(), refusal(409, "conflict"), "nothing waits");
    let wrong = ask("/v1/totp", json!({ "current": "salah semuanya ini" }));
    assert_eq!(wrong.problem(), refusal(401, "sign-in-failed"), "a stolen session enrols nothing");
    assert_eq!(ask("/v1/totp", json!({})).problem(), refusal(400, "bad-request"));

    let made = ask("/v1/totp", json!({ "current": PASSWORD }));
    assert_eq!(made.status, 201, "{}", made.text());
    let first = made.json();
    assert_eq!(first["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(sign_in(&world, "siti", PASSWORD, None).status, 201, "it does not count yet");
    assert_eq!(confirm("x".into()).problem(), refusal(401, "sign-in-failed"));
    let used = code(&first, 0);
    assert_eq!(confirm(used.clone()).status, 204);
    assert_eq!(sign_in(&world, "siti", PASSWORD, None).problem(), refusal(401, "sign-in-failed"));
    assert_eq!(
        sign_in(&world, "siti", PASSWORD, Some(&used)).problem(),
        refusal(401, "sign-in-failed"),
        "used"
    );
    assert_eq!(sign_in(&world, "siti", PASSWORD, Some(&code(&first, 1))).status, 201);

    // The password alone changes nothing any more.
    let recovery = |at: usize| first["recovery_codes"][at].clone();
    let new = json!({ "current": PASSWORD, "password": OTHER });
    assert_eq!(siti.ask("PUT", "/v1/password", &new).problem(), refusal(400, "bad-request"));
    let new = json!({ "current": PASSWORD, "password": OTHER, "totp": recovery(0) });
    assert_eq!(siti.ask("PUT", "/v1/password", &new).status, 204);
    // Another telephone: the first one counts until the other has shown a code, then no more.
    assert_eq!(ask("/v1/totp", json!({ "current": OTHER })).problem(), refusal(400, "bad-request"));
    let again = json!({ "current": OTHER, "totp": recovery(0) });
    assert_eq!(ask("/v1/totp", again).problem(), refusal(401, "sign-in-failed"), "used");
    let second = ask("/v1/totp", json!({ "current": OTHER, "totp": recovery(1) })).json();
    assert_eq!(sign_in(&world, "siti", OTHER, Some(&text(&recovery(2)))).status, 201);
    assert_eq!(confirm(code(&second, 0)).status, 204);
    assert_eq!(
        sign_in(&world, "siti", OTHER, Some(&text(&recovery(3)))).problem(),
        refusal(401, "sign-in-failed"),
        "of the first"
    );

    // Where an admin demands one it stays.
    let remove = |code: &str| ask("/v1/totp/remove", json!({ "code": code }));
    world.done("user enforce-totp siti");
    let recovery = text(&second["recovery_codes"][0]);
    assert_eq!(remove(&recovery).problem(), refusal(409, "conflict"));
    world.done("user enforce-totp siti --off");
    assert_eq!(remove("x").problem(), refusal(401, "sign-in-failed"));
    assert_eq!(remove(&recovery).status, 204);
    assert_eq!(remove(&recovery).problem(), refusal(409, "conflict"), "there is none");
    assert_eq!(sign_in(&world, "siti", OTHER, None).status, 201);
    let acts: Vec<String> = world.trail().iter().map(|entry| text(&entry["act"])).collect();
    for act in ["user.enrol-totp", "user.confirm-totp", "user.remove-totp"] {
        assert!(acts.iter().any(|one| one == act), "{act}: {acts:?}");
    }
}

/// Whoever has to have a second factor and has none gets one by certificate.
#[test]
fn a_demanded_second_factor_is_enrolled_by_certificate() {
    let world = World::new("");
    let siti = person(&world, "siti", "user");
    world.done("user enforce-totp siti");
    let ask = |method: &str, path: &str, body: Value| {
        siti.0.insist(method, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    };
    assert_eq!(ask("PUT", "/v1/password", json!({ "password": PASSWORD })).status, 204);
    assert_eq!(sign_in(&world, "siti", PASSWORD, None).problem(), refusal(401, "sign-in-failed"));
    let made = ask("POST", "/v1/totp", json!({ "current": PASSWORD })).json();
    assert_eq!(
        sign_in(&world, "siti", PASSWORD, Some(&code(&made, 0))).problem(),
        refusal(401, "sign-in-failed"),
        "it does not count yet"
    );
    assert_eq!(ask("POST", "/v1/totp/confirm", json!({ "code": code(&made, 0) })).status, 204);
    assert_eq!(sign_in(&world, "siti", PASSWORD, Some(&code(&made, 1))).status, 201);
    // Methods and bodies that are none, and nobody.
    let get = ask("GET", "/v1/totp/confirm", Value::Null);
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    let form = siti.0.insist("PUT", "/v1/password", &[("content-type", "text/plain")], b"{}");
    assert_eq!(form.problem(), refusal(400, "bad-request"));
    let body = json!({ "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json")];
    let nobody = world.control(None).insist("PUT", "/v1/password", &headers, body.as_bytes());
    assert_eq!(nobody.problem(), refusal(401, "certificate-missing"));
}
