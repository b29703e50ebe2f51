//! Users and members of projects, by the operator's verbs: what they do, refuse and record.

use serde_json::Value;

use crate::support::daemon::{PROJECT, Sandbox};

fn acts(sandbox: &Sandbox, prefix: &str) -> Vec<String> {
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap().iter();
    let acts = entries.map(|entry| entry["act"].as_str().unwrap().to_owned());
    acts.filter(|act| act.starts_with(prefix)).collect()
}

fn users(sandbox: &Sandbox) -> Vec<(String, String, bool)> {
    let listed = sandbox.done(&["user", "list"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut users: Vec<_> = listed["users"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (text(&user["name"]), text(&user["role"]), user["disabled"].is_string()))
        .collect();
    users.sort();
    users
}

#[test]
fn accounts_are_made_changed_and_ended_with_a_record_each() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let made = sandbox.done(&["user", "create", "siti", "--role", "user"]);
    let id = made["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.refused(&["user", "create", "siti", "--role", "auditor"]), "already-exists");
    assert_eq!(sandbox.refused(&["user", "create", "tono", "--role", "boss"]), "bad-request");
    assert_eq!(sandbox.refused(&["user", "create", "a b", "--role", "user"]), "bad-name");
    for verb in ["show", "disable", "enable", "delete"] {
        assert_eq!(sandbox.refused(&["user", verb, "nobody"]), "not-found", "{verb}");
    }
    sandbox.done(&["user", "disable", "siti"]);
    sandbox.done(&["user", "disable", "siti"]);
    assert_eq!(users(&sandbox)[1], ("siti".into(), "user".into(), true));
    sandbox.done(&["user", "enable", "siti"]);
    sandbox.done(&["user", "change-role", "siti", "--role", "auditor"]);
    sandbox.done(&["user", "change-role", "siti", "--role", "auditor"]);
    assert_eq!(users(&sandbox)[1], ("siti".into(), "auditor".into(), false));
    sandbox.done(&["user", "change-role", "siti", "--role", "user"]);

    // What was so already left no second record.
    let expected = ["create", "create", "disable", "enable", "change-role", "change-role"];
    assert_eq!(acts(&sandbox, "user."), expected.map(|verb| format!("user.{verb}")));

    sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
    sandbox.done(&["certificate", "issue", "--user", "siti", "--out", "siti"]);
    let shown = sandbox.done(&["user", "show", "siti"]);
    assert_eq!(shown["user-shown"]["projects"], serde_json::json!([PROJECT]));
    assert!(shown["user-shown"]["certificates"][0]["revoked"].is_null());
    sandbox.done(&["user", "delete", "siti"]);
    assert_eq!(sandbox.refused(&["user", "show", "siti"]), "not-found");
    assert!(
        sandbox.done(&["project", "member", "list", "--project", PROJECT])["members"]["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let certificates = sandbox.done(&["certificate", "list"]);
    let hers = certificates["certificates"]["items"].as_array().unwrap().iter();
    let hers = hers.filter(|one| one["identity"].as_str().unwrap().ends_with(&id));
    assert!(hers.clone().count() == 1 && hers.into_iter().all(|one| one["revoked"].is_string()));
    assert_eq!(acts(&sandbox, "user.delete").len(), 1);

    // Somebody of the same name is somebody else.
    let again = sandbox.done(&["user", "create", "siti", "--role", "user"]);
    assert_ne!(again["user"]["id"], id.as_str());
    let shown = sandbox.done(&["user", "show", "siti"]);
    assert!(shown["user-shown"]["projects"].as_array().unwrap().is_empty());
    assert!(shown["user-shown"]["certificates"].as_array().unwrap().is_empty());
}

#[test]
fn the_last_admin_stays() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    for verb in [
        &["user", "disable", "admin"][..],
        &["user", "delete", "admin"],
        &["user", "change-role", "admin", "--role", "user"],
    ] {
        assert_eq!(sandbox.refused(verb), "last-admin", "{verb:?}");
    }
    sandbox.done(&["user", "create", "budi", "--role", "admin"]);
    sandbox.done(&["user", "disable", "budi"]);
    assert_eq!(
        sandbox.refused(&["user", "disable", "admin"]),
        "last-admin",
        "one that is disabled does not count"
    );
    sandbox.done(&["user", "enable", "budi"]);
    sandbox.done(&["user", "disable", "admin"]);
    assert_eq!(sandbox.refused(&["user", "delete", "budi"]), "last-admin");
    // One that is disabled can go as long as there is another.
    sandbox.done(&["user", "delete", "admin"]);
    assert_eq!(users(&sandbox), [("budi".into(), "admin".into(), false)]);
    assert_eq!(sandbox.refused(&["user", "delete", "budi"]), "last-admin");
}

#[test]
fn two_admins_cannot_take_each_other_away_at_once() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    for round in 0..5 {
        let other = format!("admin-{round}");
        sandbox.done(&["user", "create", &other, "--role", "admin"]);
        std::thread::scope(|scope| {
            for name in ["admin", &other] {
                let sandbox = &sandbox;
                scope.spawn(move || sandbox.run(&["user", "disable", name]));
            }
        });
        let enabled: Vec<_> = users(&sandbox).into_iter().filter(|(_, _, disabled)| !disabled).collect();
        assert_eq!(enabled.len(), 1, "{enabled:?}");
        sandbox.run(&["user", "enable", "admin"]);
        sandbox.run(&["user", "delete", &other]);
    }
}

#[test]
fn members_own_a_project_together() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    for (name, role) in [("siti", "user"), ("tono", "user"), ("rina", "auditor")] {
        sandbox.done(&["user", "create", name, "--role", role]);
    }
    let of = ["--project", PROJECT];
    let member = |verb: &str, name: &str| {
        [&["project", "member", verb, name], &of[..]]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let done = |verb: &str, name: &str| {
        sandbox.done(&member(verb, name).iter().map(String::as_str).collect::<Vec<_>>())
    };
    for name in ["siti", "tono", "siti"] {
        done("add", name);
    }
    let names = || {
        let listed = sandbox.done(&[&["project", "member", "list"], &of[..]].concat());
        let mut names: Vec<String> = listed["members"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["siti", "tono"]);
    assert_eq!(sandbox.refused(&["project", "member", "add", "rina", "--project", PROJECT]), "not-found");
    assert_eq!(sandbox.refused(&["project", "member", "add", "nobody", "--project", PROJECT]), "not-found");
    assert_eq!(sandbox.refused(&["project", "member", "add", "siti", "--project", "nowhere"]), "not-found");
    done("remove", "siti");
    for name in ["siti", "rina", "nobody"] {
        assert_eq!(
            sandbox.refused(&["project", "member", "remove", name, "--project", PROJECT]),
            "not-found"
        );
    }
    assert_eq!(names(), ["tono"]);
    assert_eq!(acts(&sandbox, "member."), ["member.add", "member.add", "member.remove"]);
    let table = sandbox.run(&["project", "member", "list", "--project", PROJECT]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("MEMBER SINCE"), "{table:?}");
}
