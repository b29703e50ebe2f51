//! Renaming, describing, retiring and deleting, by the operator's verbs: what they do, refuse, show and record.

use serde_json::{Value, json};

use crate::errors;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};

fn trail(sandbox: &Sandbox, of: &[&str]) -> Vec<Value> {
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap().clone();
    entries.into_iter().filter(|entry| of.contains(&entry["act"].as_str().unwrap())).collect()
}

fn verb<'a>(noun: &'a str, words: &[&'a str], place: &[&'a str]) -> Vec<&'a str> {
    [&[noun][..], words, place].concat()
}

#[test]
fn each_step_is_done_once_shown_and_recorded() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let below = ["--project", PROJECT];
    for (noun, name, place) in
        [("object", OBJECT, &below[..]), ("endpoint", ENDPOINT, &below), ("project", PROJECT, &[])]
    {
        for _ in 0..2 {
            sandbox.done(&verb(noun, &["describe", name, "Absensi kantor pusat"], place));
            sandbox.done(&verb(noun, &["retire", name], place));
        }
        let shown = sandbox.run(&verb(noun, &["list"], place));
        let said = String::from_utf8(shown.stdout).unwrap();
        assert!(said.contains("RETIRED") && said.contains("Absensi kantor pusat"), "{said}");
        for _ in 0..2 {
            sandbox.done(&verb(noun, &["describe", name], place));
            sandbox.done(&verb(noun, &["reinstate", name], place));
        }
        let listed = sandbox.done(&verb(noun, &["list"], place));
        let entry = &listed[format!("{noun}s")][0];
        assert_eq!((&entry["description"], &entry["retired"]), (&Value::Null, &Value::Null));
        sandbox.done(&verb(noun, &["rename", name, name], place));
        let long = "x".repeat(201);
        for bad in ["dua\nbaris", " x", &long] {
            assert_eq!(sandbox.refused(&verb(noun, &["describe", name, bad], place)), "bad-request");
        }
        assert_eq!(sandbox.refused(&verb(noun, &["rename", name, "a b"], place)), "bad-name");
        for words in [
            &["rename", "tak-ada", "x"][..],
            &["describe", "tak-ada"],
            &["retire", "tak-ada"],
            &["reinstate", "tak-ada"],
            &["delete", "tak-ada"],
        ] {
            assert_eq!(sandbox.refused(&verb(noun, words, place)), "not-found", "{words:?}");
        }
        // What was so already left no record.
        let acts = ["describe", "retire", "reinstate", "rename"].map(|step| format!("{noun}.{step}"));
        let acts: Vec<&str> = acts.iter().map(String::as_str).collect();
        let recorded: Vec<Value> = trail(&sandbox, &acts).iter().map(|entry| entry["act"].clone()).collect();
        assert_eq!(json!(recorded), json!([acts[0], acts[1], acts[0], acts[2]]));
    }

    // A name that is taken stays whose it is.
    sandbox.done(&["project", "create", "cabang"]);
    assert_eq!(sandbox.refused(&["project", "rename", PROJECT, "cabang"]), "already-exists");
    sandbox.done(&["object", "create", "gaji", "--project", PROJECT]);
    assert_eq!(
        sandbox.refused(&["object", "rename", OBJECT, "gaji", "--project", PROJECT]),
        "already-exists"
    );
    sandbox.done(&["object", "rename", OBJECT, "pegawai", "--project", PROJECT]);
    let renamed = trail(&sandbox, &["object.rename"]);
    assert_eq!(
        (&renamed[0]["details"]["from"], &renamed[0]["details"]["to"]),
        (&json!(OBJECT), &json!("pegawai"))
    );
    sandbox.done(&["object", "rename", "gaji", OBJECT, "--project", PROJECT]);
}

#[test]
fn what_is_in_the_way_of_an_end_is_said() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let refused = |words: &[&str]| {
        let output = sandbox.run(words);
        assert_eq!(output.status.code(), Some(1));
        errors(&output)
    };
    let said = refused(&["project", "delete", PROJECT]);
    assert!(said.contains("1 objects and 1 endpoints") && said.contains("not-empty"), "{said}");
    let said = refused(&["object", "delete", OBJECT, "--project", PROJECT]);
    assert!(said.contains("90 s after that"), "{said}");
    sandbox.done(&["endpoint", "delete", ENDPOINT, "--project", PROJECT]);
    let said = refused(&["project", "delete", PROJECT]);
    assert!(said.contains("1 objects and 0 endpoints"), "{said}");
    sandbox.done(&["endpoint", "create", ENDPOINT, "--project", PROJECT]);

    sandbox.done(&["project", "create", "kosong"]);
    sandbox.done(&["user", "create", "siti", "--role", "user"]);
    sandbox.done(&["project", "member", "add", "siti", "--project", "kosong"]);
    sandbox.done(&["project", "delete", "kosong"]);
    assert_eq!(sandbox.done(&["user", "show", "siti"])["user-shown"]["projects"], json!([]));
    sandbox.done(&["project", "create", "kosong"]);
    assert_eq!(
        sandbox.done(&["project", "member", "list", "--project", "kosong"])["members"]["items"],
        json!([])
    );
}

#[test]
fn of_many_who_want_one_name_at_once_one_gets_it() {
    const MANY: usize = 8;
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let names: Vec<String> = (0..MANY).map(|number| format!("o{number}")).collect();
    for name in &names {
        sandbox.done(&["object", "create", name, "--project", PROJECT]);
    }
    let outcomes: Vec<Option<i32>> = std::thread::scope(|scope| {
        let rename =
            |name: &str| sandbox.run(&["object", "rename", name, "satu", "--project", PROJECT]).status.code();
        let asking: Vec<_> = names.iter().map(|name| scope.spawn(move || rename(name))).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|status| **status == Some(0)).count(), 1, "{outcomes:?}");
    // Each object has the name that leads to it.
    let listed = sandbox.done(&["object", "list", "--project", PROJECT])["objects"]["items"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(listed.len(), MANY + 1);
    for object in &listed {
        let shown = sandbox.done(&["object", "show", object["name"].as_str().unwrap(), "--project", PROJECT]);
        assert_eq!(shown["object"]["object"]["id"], object["id"]);
    }
}
