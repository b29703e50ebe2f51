//! `gembok policy`, and access policies over the local socket: read, refused, put in force, explained.

use std::fs;

use gembok::crypto::hex::to_hex;
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::errors;
use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};

/// Puts `more` behind the shipped rules and lets the daemon read them; the lines it said about it are `said`.
fn reload(sandbox: &Sandbox, daemon: &Daemon, more: &str, said: &str) {
    let before = daemon.said(said).count();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/access.cedar");
    let rules = fs::read_to_string(shipped).unwrap() + more;
    fs::write(sandbox.path("policies/access.cedar"), rules).unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_until(said, || daemon.said(said).count() > before);
}

const READ: &str = "configuration read again; policies, certificates and the log's level are in force";
const KEPT: &str = "the configuration is wrong; the old one stays in force";

/// File and digest of each record of policies that came into force, the oldest first.
fn loaded(sandbox: &Sandbox) -> Vec<(String, String)> {
    let trail = sandbox.done(&["audit", "list", "--act", "policy.load"])["audit"]["entries"].clone();
    let of = |one: &Value, name: &str| one["details"][name].as_str().unwrap().to_owned();
    trail.as_array().unwrap().iter().map(|one| (of(one, "file"), of(one, "digest"))).collect()
}

fn explain(sandbox: &Sandbox, words: &[&str]) -> Value {
    sandbox.done(&[&["policy", "explain"], words].concat())["explained"].clone()
}

#[test]
fn a_check_names_flaws_by_line_and_needs_no_daemon() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("policies/access.cedar").display().to_string();
    let output = sandbox.run(&["policy", "check", &file]);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is sound"));

    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/examples");
    for entry in fs::read_dir(examples).unwrap() {
        let example = entry.unwrap().path().display().to_string();
        let output = sandbox.run(&["policy", "check", &example]);
        assert!(output.status.success(), "{example}: {}", errors(&output));
    }

    let wrong = sandbox.path("wrong.cedar");
    fs::write(
        &wrong,
        "// mine\npermit (principal, action, resource);\n\npermit (principle, action, resource);\n",
    )
    .unwrap();
    let output = sandbox.run(&["policy", "check", &file, &wrong.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("wrong.cedar, line 4: "), "{}", errors(&output));
    fs::write(&wrong, "// mine\npermit (principal, action, resource);\n").unwrap();
    let output = sandbox.run(&["policy", "check", &wrong.display().to_string()]);
    assert!(errors(&output).contains("wrong.cedar, line 2: a rule has no id"), "{}", errors(&output));
    assert!(errors(&output).contains("@id"), "{}", errors(&output));
}

#[test]
fn wrong_policies_keep_the_daemon_from_starting_and_the_old_in_force() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let forbidden = "\n@id(\"no-projects\")\n@why(\"No more projects.\")\nforbid (principal, action == Action::\"project.create\", resource);\n";
    reload(&sandbox, &daemon, forbidden, READ);
    let output = sandbox.run(&["project", "create", "baru"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("No more projects. (no-projects)"), "{}", errors(&output));
    assert_eq!(sandbox.refused(&["project", "create", "baru"]), "forbidden");
    assert!(daemon.log().contains("no-projects"), "the log names the rule");

    // A wrong set changes nothing.
    reload(&sandbox, &daemon, "\n@id(\"x\")\nforbid (principal, action, resource);\n", KEPT);
    let said = daemon.said(KEPT).last().unwrap().to_string();
    assert!(said.contains("access.cedar, line ") && said.contains("does not say why"), "{said}");
    // The operator can go on, and so can who has to lock it now.
    assert_eq!(sandbox.refused(&["project", "create", "baru"]), "forbidden");
    reload(&sandbox, &daemon, "", READ);
    sandbox.done(&["project", "create", "baru"]);
    // Each that came into force is recorded, by the digest of its file.
    let digests: Vec<String> =
        loaded(&sandbox).into_iter().filter(|(file, _)| file == "access.cedar").map(|(_, of)| of).collect();
    assert!(digests.len() == 3 && digests[0] != digests[1] && digests[0] == digests[2], "{digests:?}");

    fs::write(sandbox.path("policies/access.cedar"), "permit (principal, action, resource)").unwrap();
    assert!(daemon.stop().success());
    let mut daemon = sandbox.spawn();
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(daemon.log().contains("access.cedar, line 1"), "{}", daemon.log());
    fs::remove_file(sandbox.path("policies/access.cedar")).unwrap();
    let mut daemon = sandbox.spawn();
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(daemon.log().contains("access.cedar: cannot be read"), "{}", daemon.log());
}

#[test]
fn explanations_are_what_would_happen() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    for (name, role) in [("siti", "user"), ("rina", "auditor")] {
        sandbox.done(&["user", "create", name, "--role", role]);
    }
    let object = format!("object:{PROJECT}/{OBJECT}");
    let endpoint = format!("endpoint:{PROJECT}/{ENDPOINT}");
    let project = format!("project:{PROJECT}");
    let rule = |explained: &Value| explained["rules"][0]["id"].as_str().unwrap_or("none").to_owned();
    for (words, allowed, by) in [
        (&["local", "project.create"][..], true, "operator-operates"),
        (&["user:admin", "decrypt", &object], false, "admin-never-decrypts"),
        (&["user:admin", "grant.decrypt", &endpoint], false, "admin-opens-no-way"),
        (&["user:admin", "user.create"], true, "admin-manages-people"),
        (&["user:admin", "role.give", "role:officer"], false, "officers-are-appointed"),
        (&["user:rina", "user.disable", "user:siti"], false, "auditor-changes-nothing"),
        (&["user:siti", "object.create", &project], false, "none"),
        (&[&endpoint, "decrypt", &object], true, "endpoint-works-in-its-project"),
    ] {
        let explained = explain(&sandbox, words);
        assert_eq!(
            (explained["allowed"].as_bool().unwrap(), rule(&explained).as_str()),
            (allowed, by),
            "{words:?}"
        );
        assert!(explained["but"].as_array().unwrap().is_empty(), "{explained}");
    }
    sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
    assert_eq!(rule(&explain(&sandbox, &["user:siti", "object.create", &project])), "member-owns");

    // What else stands in the way is told, too.
    sandbox.done(&["user", "disable", "siti"]);
    let explained = explain(&sandbox, &["user:siti", "object.create", &project]);
    assert_eq!(explained["but"], serde_json::json!(["The user siti is disabled."]));
    let explained = explain(&sandbox, &[&endpoint, "index", &object]);
    assert_eq!(explained["but"], serde_json::json!(["The endpoint absensi has no grant to index karyawan."]));

    // As of another moment and place.
    let hours =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/examples/office-hours.cedar"))
            .unwrap();
    reload(&sandbox, &daemon, &hours, READ);
    let at = |time: &str| explain(&sandbox, &[&endpoint, "decrypt", &object, "--at", time]);
    assert_eq!(at("2026-11-18T11:00:00Z")["allowed"], true);
    let night = at("2026-11-18T23:00:00Z");
    assert_eq!((&night["allowed"], rule(&night).as_str()), (&Value::from(false), "office-hours"));
    let output =
        sandbox.run(&["policy", "explain", &endpoint, "decrypt", &object, "--at", "2026-11-18T23:00:00Z"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with(
            "denied by the access policies\nforbid   office-hours: Data is decrypted on weekdays"
        ),
        "{text}"
    );

    for (words, code) in [
        (&["somebody", "decrypt"][..], "bad-request"),
        (&["local", "fly"], "bad-request"),
        (&["local", "decrypt", &object], "bad-request"),
        (&["local", "decrypt", "project:kantor"], "bad-request"),
        (&["local", "object.create", "project:nowhere"], "not-found"),
        (&["user:nobody", "user.list"], "not-found"),
        (&["local", "user.list", "appliance", "--from", "here"], "bad-request"),
    ] {
        assert_eq!(sandbox.refused(&[&["policy", "explain"], words].concat()), code, "{words:?}");
    }
}

#[test]
fn a_grant_to_decrypt_is_an_act_of_its_own() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let rule = "\n@id(\"none-to-decrypt\")\n@why(\"Nobody is let decrypt from here.\")\nforbid (principal is Operator, action == Action::\"grant.decrypt\", resource)\nwhen { resource.project.name == \"kantor\" && resource.name == \"absensi\" };\n";
    reload(&sandbox, &daemon, rule, READ);
    let of = ["--object", OBJECT, "--project", PROJECT, "--endpoint", ENDPOINT];
    for operations in [&["decrypt"][..], &["encrypt", "decrypt"]] {
        assert_eq!(sandbox.refused(&[&["grant", "create"], operations, &of].concat()), "forbidden");
    }
    sandbox.done(&[&["grant", "create", "encrypt", "index"], &of[..]].concat());
    sandbox.done(&["endpoint", "create", "gaji", "--project", PROJECT]);
    let of = ["--object", OBJECT, "--project", PROJECT, "--endpoint", "gaji"];
    sandbox.done(&[&["grant", "create", "decrypt"], &of[..]].concat());
}

#[test]
fn a_wrong_schema_is_refused() {
    let sandbox = Sandbox::new();
    let schema = sandbox.path("policies/access.cedarschema");
    let text = fs::read_to_string(&schema).unwrap().replace("\"appliance.lock\", ", "");
    fs::write(&schema, text).unwrap();
    let mut daemon = sandbox.spawn();
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(
        daemon.log().contains("access.cedarschema, line ") && daemon.log().contains("put back"),
        "{}",
        daemon.log()
    );
}

/// Puts a comment, which changes nothing but the file, at the end of a file of policies; its name and its digest now.
fn touch(sandbox: &Sandbox, file: &str) -> (String, String) {
    let path = sandbox.path(&format!("policies/{file}"));
    let comment = if file == "access.cedar" { "\n// changed\n" } else { "\n# changed\n" };
    let text = fs::read_to_string(&path).unwrap() + comment;
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    fs::write(path, text).unwrap();
    (file.to_owned(), to_hex(&digest))
}

#[test]
fn no_file_of_policies_comes_into_force_unseen() {
    let sandbox = Sandbox::new();
    let mut daemon = sandbox.start();
    sandbox.provision();
    let files = ["access.cedar", "crypto.toml", "limits.toml"];
    let first = loaded(&sandbox);
    assert_eq!(first.iter().map(|(file, _)| file.as_str()).collect::<Vec<_>>(), files, "from the beginning");
    let mut expected = first;
    let read_again = |daemon: &Daemon| {
        let before = daemon.said(READ).count();
        daemon.signal(Signal::HUP);
        daemon.wait_until(READ, || daemon.said(READ).count() > before);
    };
    for file in files {
        // While it runs.
        expected.push(touch(&sandbox, file));
        read_again(&daemon);
        assert_eq!(loaded(&sandbox), expected, "{file} at a signal");
        // While it is locked nothing can be recorded: the unlock does.
        sandbox.done(&["lock"]);
        expected.push(touch(&sandbox, file));
        read_again(&daemon);
        sandbox.done(&["unlock"]);
        assert_eq!(loaded(&sandbox), expected, "{file} while locked");
        // While it is not there.
        expected.push(touch(&sandbox, file));
        assert!(daemon.stop().success());
        daemon = sandbox.resume();
        assert_eq!(loaded(&sandbox), expected, "{file} at a restart");
    }
    // What is as it was is no news, however often it is read.
    read_again(&daemon);
    sandbox.done(&["lock"]);
    sandbox.done(&["unlock"]);
    assert!(daemon.stop().success());
    let _daemon = sandbox.resume();
    assert_eq!(loaded(&sandbox), expected);
    // Each names what was in force before it.
    let trail = sandbox.done(&["audit", "list", "--act", "policy.load"])["audit"]["entries"].clone();
    for file in files {
        let of = |one: &&Value| one["details"]["file"] == file;
        let records: Vec<&Value> = trail.as_array().unwrap().iter().filter(of).collect();
        assert_eq!(records[0]["details"]["before"], "none");
        for pair in records.windows(2) {
            assert_eq!(pair[0]["details"]["digest"], pair[1]["details"]["before"], "{file}");
        }
    }
}
