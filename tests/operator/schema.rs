//! What an object declares of its data: taken, shown, changed, and refused where it would give data away or break ciphertexts.

use std::fs;

use serde_json::json;

use crate::errors;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};

const NIK: &str = "subject = \"nik\"\nrequired_context = [\"baris\"]\n\
    [fields.nik]\nnormaliser = \"digits\"\nlength = 16\ndistinct = 50000\nindex = \"unique\"\n\
    [fields.kota]\nnormaliser = \"text-fold\"\nlength = 80\ndistinct = 98\nindex = \"none\"\n";

#[test]
fn a_schema_is_taken_shown_and_settled_by_the_first_grant_to_encrypt() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    fs::write(sandbox.path("nik.toml"), NIK).unwrap();
    let of = ["--project", PROJECT];
    let with = |verb: &[&str], more: &[&str]| [verb, &of[..], more].concat().join(" ");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let done = |line: String| sandbox.done(&words(&line).iter().map(String::as_str).collect::<Vec<_>>());
    let refused =
        |line: String| sandbox.refused(&words(&line).iter().map(String::as_str).collect::<Vec<_>>());

    let made = done(with(&["object", "create", "pegawai"], &["--schema", "nik.toml"]));
    assert_eq!(made["object"]["object"]["subject"], "nik");
    assert_eq!(made["object"]["object"]["required_context"], json!(["baris"]));
    let shown = done(with(&["object", "schema", "show", "pegawai"], &[]))["schema"].clone();
    assert_eq!(
        shown["fields"]["nik"],
        json!({"normaliser": "digits", "length": 16, "distinct": 50_000, "index": "unique"})
    );
    let eyes = sandbox.run(&["object", "schema", "show", "pegawai", "--project", PROJECT]);
    let eyes = String::from_utf8(eyes.stdout).unwrap();
    assert!(eyes.contains("subject           nik") && eyes.contains("text-fold"), "{eyes}");

    // What it shows is what it takes, and taking the same again is no change.
    fs::write(sandbox.path("same.json"), shown.to_string()).unwrap();
    let before = acts(&sandbox);
    done(with(&["object", "schema", "set", "pegawai"], &["--schema", "same.json"]));
    assert_eq!(acts(&sandbox), before);
    // Nothing was let encrypt yet: everything may change.
    fs::write(sandbox.path("none.toml"), "required_context = []\n").unwrap();
    assert_eq!(
        refused(with(&["object", "schema", "set", "pegawai"], &["--schema", "none.toml"])),
        "index-given-up"
    );
    done(with(&["object", "schema", "set", "pegawai"], &["--schema", "none.toml", "--new-index"]));
    done(with(&["object", "schema", "set", "pegawai"], &["--schema", "nik.toml"]));
    assert_eq!(acts(&sandbox), before + 2);

    done(with(&["grant", "create", "encrypt"], &["--endpoint", ENDPOINT, "--object", "pegawai"]));
    for (name, text) in [
        ("other.toml", NIK.replace("subject = \"nik\"", "subject = \"nip\"")),
        ("other.toml", NIK.replace("subject = \"nik\"\n", "")),
        ("other.toml", NIK.replace("[\"baris\"]", "[\"kolom\"]")),
    ] {
        fs::write(sandbox.path(name), text).unwrap();
        let line = with(&["object", "schema", "set", "pegawai"], &["--schema", name]);
        assert_eq!(refused(line), "conflict");
    }
    // Nor does it help to take the grant away. Fields may still change, and key versions do not matter.
    done(with(&["grant", "revoke", "encrypt"], &["--endpoint", ENDPOINT, "--object", "pegawai"]));
    assert_eq!(
        refused(with(&["object", "schema", "set", "pegawai"], &["--schema", "other.toml"])),
        "conflict"
    );
    done(with(&["key", "rotate", "pegawai"], &[]));
    fs::write(sandbox.path("wide.toml"), NIK.replace("length = 80", "length = 90")).unwrap();
    done(with(&["object", "schema", "set", "pegawai"], &["--schema", "wide.toml"]));
    let shown = done(with(&["object", "schema", "show", "pegawai"], &[]))["schema"].clone();
    assert_eq!((&shown["fields"]["kota"]["length"], &shown["subject"]), (&json!(90), &json!("nik")));

    // One that encrypts already and had no subject gets none.
    assert_eq!(refused(with(&["object", "schema", "set", OBJECT], &["--schema", "nik.toml"])), "conflict");
    for (text, said) in [
        (NIK.replace("50000", "2"), "too few for an index"),
        (NIK.replace("digits", "angka"), "no normaliser"),
        (NIK.replace("\"unique\"", "\"truncated\""), "an index is none, unique"),
        (NIK.replace("\"unique\"", "\"truncated\"\nbits = 20"), "would stand alone"),
        (NIK.replace("length", "panjang"), "unknown field `panjang`"),
        (NIK.replace("\"nik\"", "\"\""), "name of the subject"),
    ] {
        fs::write(sandbox.path("bad.toml"), &text).unwrap();
        let output = sandbox.run(&["object", "create", "lain", "--project", PROJECT, "--schema", "bad.toml"]);
        assert!(!output.status.success() && errors(&output).contains(said), "{text}\n{}", errors(&output));
    }
    let output = sandbox.run(&["object", "create", "lain", "--project", PROJECT, "--schema", "missing.toml"]);
    assert!(errors(&output).contains("missing.toml"), "{}", errors(&output));
}

fn acts(sandbox: &Sandbox) -> usize {
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap().iter();
    entries.filter(|entry| entry["act"] == "object.set-schema").count()
}
