//! Who may do what on the control plane: every role by every route, in every state; and certificates that name somebody who
//! is not there any more.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

const ROUTES: [&str; 4] = ["/health/state", "/metrics", "/v1/statistics", "/v1/status"];

/// What each is answered while the appliance is operational, route by route.
const TABLE: [(&str, [u16; 4]); 8] = [
    ("admin", [200, 200, 200, 200]),
    ("auditor", [200, 200, 200, 200]),
    ("user who is a member", [403, 403, 200, 403]),
    ("user who is none", [403, 403, 200, 403]),
    ("officer", [200, 403, 403, 200]),
    ("backup", [403, 403, 403, 403]),
    ("disabled admin", [403, 403, 403, 403]),
    ("endpoint", [403, 403, 403, 403]),
];

/// Makes a user with a certificate in the folder of its name.
fn user(world: &World, name: &str, role: &str) {
    world.done(&format!("user create {name} --role {role}"));
    world.done(&format!("certificate issue --user {name} --out {name}"));
}

fn certificate(who: &str) -> &'static str {
    match who {
        "admin" => "admin/admin",
        "auditor" => "rina/user",
        "user who is a member" => "siti/user",
        "user who is none" => "tono/user",
        "officer" => "opsir/user",
        "backup" => "cadangan/user",
        "disabled admin" => "mantan/user",
        _ => "client/client",
    }
}

fn populated() -> World {
    let world = World::new("");
    for (name, role) in [
        ("rina", "auditor"),
        ("siti", "user"),
        ("tono", "user"),
        ("opsir", "officer"),
        ("cadangan", "backup"),
        ("mantan", "admin"),
    ] {
        user(&world, name, role);
    }
    world.done(&format!("project member add siti --project {PROJECT}"));
    world.done("user disable mantan");
    world
}

#[test]
fn every_role_gets_what_the_table_says_in_every_state() {
    let world = populated();
    let statuses = |who: &str| ROUTES.map(|route| world.control(Some(certificate(who))).get(route).status);
    for (who, expected) in TABLE {
        assert_eq!(statuses(who), expected, "{who}");
    }
    assert_eq!(ROUTES.map(|route| world.control(None).get(route).status), [401; 4]);
    let refused = world.control(Some(certificate("backup"))).get("/health/state");
    let problem: Value = serde_json::from_slice(&refused.body).unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("backup-fetches-only"), "{problem}");

    // While it is locked nobody can be told apart.
    world.done("lock");
    for (who, _) in TABLE {
        assert_eq!(statuses(who), [409; 4], "{who}");
    }
    world.done("unlock");
    world.daemon.wait_until("it serves again", || statuses("admin") == [200; 4]);
    for (who, expected) in TABLE {
        assert_eq!(statuses(who), expected, "{who}");
    }
}

#[test]
fn an_officer_sees_health_and_status_without_endpoints_api_keys_and_people() {
    let world = populated();
    let absensi = world.absensi();
    let soon = (OffsetDateTime::now_utc() + time::Duration::days(3)).format(&Rfc3339).unwrap();
    let of = format!("--project {PROJECT} --endpoint {ENDPOINT}");
    world.done(&format!("api-key create {of} --label pendek --expires {soon}"));
    world.done(&format!("budget set {of} --fields 5"));
    let sealed = absensi.seal(OBJECT, b"rahasia");
    for _ in 0..5 {
        absensi.open(OBJECT, &sealed);
    }
    let seen = |who: &str| {
        ["/health/state", "/v1/status"].map(|path| {
            let shown = world.control(Some(certificate(who))).get(path).ok();
            // The desk's answer has the name of its kind around it.
            let shown = shown.get("status").filter(|inner| inner.is_object()).unwrap_or(&shown).clone();
            (shown["strained_budgets"].clone(), shown["expiring"].clone(), shown["keys"]["store_key"].clone())
        })
    };
    for who in ["admin", "auditor"] {
        for (budgets, expiring, _) in seen(who) {
            assert_eq!(budgets[0]["used"], 5, "{who}: {budgets}");
            assert!(expiring[0]["of"].as_str().unwrap().starts_with("api-key:"), "{who}: {expiring}");
        }
    }
    for (budgets, expiring, store_key) in seen("officer") {
        assert_eq!((budgets, expiring), (json!([]), json!([])));
        assert_eq!(store_key["generation"], 1, "what it decides about is there");
    }
    let refused = world.control(Some(certificate("officer"))).get("/metrics");
    assert_eq!(refused.problem(), refusal(403, "forbidden"));
    // The machine's own operator sees all of it.
    assert_eq!(world.status()["strained_budgets"][0]["used"], 5);
}

#[test]
fn a_user_sees_the_statistics_of_its_own_projects_only() {
    let world = populated();
    world.done("project create cabang");
    world.done(&format!("object create {OBJECT} --project cabang"));
    let cabang = world.enrol("cabang", ENDPOINT);
    world.done(&format!("grant create encrypt --project cabang --endpoint {ENDPOINT} --object {OBJECT}"));
    world.absensi().seal(OBJECT, b"satu");
    cabang.seal(OBJECT, b"dua");
    let endpoints = |who: &str| -> Vec<String> {
        let rows =
            world.control(Some(certificate(who))).get("/v1/statistics?resolution=day").ok()["rows"].clone();
        let mut seen: Vec<String> =
            rows.as_array().unwrap().iter().map(|row| row["endpoint"].as_str().unwrap().to_owned()).collect();
        seen.sort();
        seen.dedup();
        seen
    };
    world.daemon.wait_until("both are committed", || endpoints("admin").len() == 2);
    let id = |project: &str| {
        let listed = world.done(&format!("endpoint list --project {project}"));
        listed["endpoints"]["items"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(endpoints("auditor").len(), 2);
    assert_eq!(endpoints("user who is a member"), [id(PROJECT)]);
    // Nor by asking for the other's by name.
    let path = format!("/v1/statistics?resolution=day&endpoint={}", id("cabang"));
    let rows = world.control(Some(certificate("user who is a member"))).get(&path).ok()["rows"].clone();
    assert!(rows.as_array().unwrap().is_empty(), "{rows}");
    // Sums, groups and CSV are as if there were no other project, whatever is asked for.
    let ask = |who: &str, query: &str| {
        world.control(Some(certificate(who))).get(&format!("/v1/statistics?resolution=day{query}"))
    };
    let all = ask("admin", "&group=project").ok();
    let project = |name: &str| {
        let rows = all["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["project_name"] == name).unwrap();
        format!("&project={}", row["project"].as_str().unwrap())
    };
    let (own, other) = (project(PROJECT), project("cabang"));
    assert_eq!(all["totals"]["requests"], 2);
    for (query, requests) in [
        (String::new(), 1),
        ("&group=project".into(), 1),
        ("&group=time".into(), 1),
        ("&group=outcome".into(), 1),
        (own.clone(), 1),
        (format!("{own}{other}"), 1),
        (other.clone(), 0),
        (format!("{other}&group=time"), 0),
        (format!("&endpoint={}", id("cabang")), 0),
    ] {
        let found = ask("user who is a member", &query).ok();
        assert_eq!(found["totals"]["requests"], requests, "{query}: {found}");
        let outcomes = if requests == 0 { json!({}) } else { json!({ "done": requests }) };
        assert_eq!(found["totals"]["outcomes"], outcomes, "{query}");
        let rows = found["rows"].as_array().unwrap();
        assert_eq!(rows.is_empty(), requests == 0, "{query}: {found}");
        assert!(rows.iter().all(|row| row.get("project_name").is_none_or(|name| name == PROJECT)), "{found}");
    }
    for (who, query, lines) in [
        ("admin", String::new(), 3),
        ("user who is a member", String::new(), 2),
        ("user who is a member", other, 1),
        ("user who is none", String::new(), 1),
    ] {
        let csv = ask(who, &format!("{query}&group=project&format=csv"));
        let text = String::from_utf8(csv.body).unwrap();
        assert_eq!((csv.status, text.lines().count()), (200, lines), "{who}: {text}");
        assert_eq!(text.contains("cabang"), who == "admin", "{who}: {text}");
    }

    // A second project, then none: from the answer on.
    world.done("project member add siti --project cabang");
    assert_eq!(endpoints("user who is a member").len(), 2);
    world.done(&format!("project member remove siti --project {PROJECT}"));
    assert_eq!(endpoints("user who is a member"), [id("cabang")]);
    world.done("project member remove siti --project cabang");
    let none = ask("user who is a member", "").ok();
    assert_eq!((&none["rows"], &none["totals"]["requests"]), (&json!([]), &json!(0)));
}

#[test]
fn a_certificate_counts_for_nobody_of_the_same_name() {
    let world = populated();
    let path = "/v1/projects";
    assert_eq!(world.control(Some("tono/user")).get(path).status, 200);
    // Taken before it is revoked: TLS may not know the new list yet, and then the enrolment decides.
    world.done("user delete tono");
    world.done("user create tono --role admin");
    let refused = world.control(Some("tono/user")).ask("GET", path, &[], b"");
    if let Ok(answer) = refused {
        assert_eq!(answer.problem(), refusal(401, "certificate-revoked"));
    }
    // The key cannot be enrolled again, either.
    world.daemon.wait_until("the list names it", || {
        world.control(Some("tono/user")).ask("GET", path, &[], b"").is_err()
    });
    world.done("certificate issue --user tono --out tono-baru");
    assert_eq!(world.control(Some("tono-baru/user")).get("/v1/statistics").status, 200);

    // A role is felt at the next request, and so is being disabled.
    let rina = world.control(Some("rina/user"));
    assert_eq!(rina.get("/v1/statistics").status, 200);
    world.done("user change-role rina --role officer");
    assert_eq!(rina.get("/v1/statistics").problem(), refusal(403, "forbidden"));
    world.done("user disable rina");
    assert_eq!(rina.get(path).problem(), refusal(403, "forbidden"));
    world.done("user enable rina");
    assert_eq!(rina.get(path).status, 200);
}
