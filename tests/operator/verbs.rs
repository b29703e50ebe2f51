//! What the verbs do, refuse and record.

use std::fs;

use serde_json::json;

use crate::errors;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};

#[test]
fn init_is_done_once_and_nothing_goes_before_it() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    assert_eq!(sandbox.state(), "unprovisioned");
    assert_eq!(daemon.said("listening").count(), 0, "only the local socket is open");
    for verb in [
        &["project", "create", PROJECT][..],
        &["project", "list"],
        &["object", "list", "--project", PROJECT],
        &["endpoint", "list", "--project", PROJECT],
        &["grant", "list", "--project", PROJECT, "--endpoint", ENDPOINT],
        &["api-key", "list", "--project", PROJECT, "--endpoint", ENDPOINT],
        &["certificate", "list"],
        &["audit", "list"],
        &["lock"],
        &["unlock"],
    ] {
        assert_eq!(sandbox.refused(verb), "wrong-state", "{verb:?}");
    }

    let made = sandbox.done(&["init", "--sandbox", "--admin", "siti", "--out", "admin"]);
    assert_eq!(sandbox.state(), "operational");
    assert_eq!(sandbox.done(&["status"])["status"]["sandbox"], true);
    assert_eq!(made["initialised"]["token_serial"], sandbox.done(&["status"])["status"]["token"]["serial"]);
    let (data, control) = (daemon.data(), daemon.control());
    assert_ne!(data, control);

    assert_eq!(sandbox.refused(&["init", "--sandbox", "--out", "again"]), "wrong-state");
    assert!(!sandbox.path("again/admin.key").exists(), "a key without a certificate is left behind");
    let trail = sandbox.done(&["audit", "list"]);
    let inits = trail["audit"]["entries"].as_array().unwrap().iter();
    assert_eq!(inits.filter(|entry| entry["act"] == "appliance.init").count(), 1);
}

#[test]
fn every_change_is_recorded_with_the_uid_that_asked() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let keys = sandbox.done(&[&["api-key", "list"], &of[..]].concat());
    let id = keys["api-keys"]["items"][0]["id"].as_str().unwrap();
    sandbox.done(&["api-key", "revoke", id]);
    let listed = sandbox.done(&["certificate", "list"]);
    let certificates = listed["certificates"]["items"].as_array().unwrap();
    let client =
        certificates.iter().find(|one| one["identity"].as_str().unwrap().contains(":endpoint:")).unwrap();
    sandbox.done(&["certificate", "revoke", client["spki"].as_str().unwrap()]);
    sandbox.done(&[&["grant", "revoke", "decrypt", "--object", OBJECT], &of[..]].concat());
    sandbox.done(&["endpoint", "revoke", ENDPOINT, "--project", PROJECT]);
    sandbox.done(&["lock"]);
    sandbox.done(&["unlock"]);

    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap();
    let by_hand = entries.iter().filter(|entry| entry["actor"] != "system");
    let uid = rustix::process::getuid().as_raw();
    let acts: Vec<&str> = by_hand
        .map(|entry| {
            assert_eq!(entry["actor"], format!("local:{uid}"), "{entry}");
            entry["act"].as_str().unwrap()
        })
        .collect();
    assert_eq!(
        acts,
        [
            "appliance.init",
            "user.create",
            "certificate.issue",
            "master-key.wrap",
            "project.create",
            "object.create",
            "endpoint.create",
            "grant.create",
            "certificate.issue",
            "api-key.create",
            "api-key.revoke",
            "certificate.revoke",
            "grant.revoke",
            "endpoint.revoke",
            "appliance.lock",
            "appliance.unlock",
        ]
    );
    let from = entries[3]["sequence"].as_u64().unwrap().to_string();
    let page = sandbox.done(&["audit", "list", "--from", &from, "--limit", "2"]);
    assert_eq!(page["audit"]["entries"].as_array().unwrap()[..], entries[3..5]);
    assert_eq!(page["audit"]["next"], entries[5]["sequence"]);
}

#[test]
fn lists_and_shows_tell_what_was_made() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    sandbox.done(&[
        "object",
        "create",
        "gaji",
        "--project",
        PROJECT,
        "--algorithm",
        "aes-256-gcm-siv",
        "--required-context",
        "nik",
    ]);
    let shown = sandbox.done(&["object", "show", "gaji", "--project", PROJECT]);
    assert_eq!(shown["object"]["object"]["required_context"], json!(["nik"]));
    assert_eq!(shown["object"]["versions"][0]["algorithm"], "aes-256-gcm-siv");
    let shown = sandbox.done(&["project", "show", PROJECT]);
    assert_eq!(shown["project-shown"]["objects"].as_array().unwrap().len(), 2);
    assert_eq!(shown["project-shown"]["endpoints"][0]["name"], ENDPOINT);
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let grants = sandbox.done(&[&["grant", "list"], &of[..]].concat());
    let operations = grants["grants"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| grant["operation"].as_str().unwrap());
    assert_eq!(operations.collect::<Vec<_>>(), ["encrypt", "decrypt"]);
    let made = sandbox.done(
        &[
            &[
                "api-key",
                "create",
                "--label",
                "slow",
                "--expires",
                "2999-01-01T00:00:00Z",
                "--requests-per-s",
                "1",
            ],
            &of[..],
        ]
        .concat(),
    );
    let key = &made["api-key-made"]["api_key"];
    assert_eq!((&key["requests_per_s"], &key["requests_burst"]), (&json!(1), &json!(400)));
    assert_eq!(key["expires"], "2999-01-01T00:00:00Z");

    // The same for eyes.
    let table = String::from_utf8(sandbox.run(&["object", "list", "--project", PROJECT]).stdout).unwrap();
    assert!(table.starts_with("OBJECT") && table.contains("gaji") && table.lines().count() == 3, "{table}");
    let status = String::from_utf8(sandbox.run(&["status"]).stdout).unwrap();
    assert!(status.contains("operational") && status.contains("never put real data"), "{status}");
}

#[test]
fn what_cannot_be_done_is_refused_with_a_stable_code() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let with = |words: &[&'static str]| sandbox.refused(&[words, &of[..]].concat());
    assert_eq!(sandbox.refused(&["project", "create", PROJECT]), "already-exists");
    assert_eq!(sandbox.refused(&["project", "create", "no name"]), "bad-name");
    assert_eq!(sandbox.refused(&["project", "show", "nowhere"]), "not-found");
    assert_eq!(sandbox.refused(&["project", "list", "--after", "x"]), "bad-request");
    assert_eq!(
        sandbox.refused(&["object", "create", "o", "--project", PROJECT, "--algorithm", "rot13"]),
        "bad-request"
    );
    assert_eq!(with(&["grant", "create", "read", "--object", OBJECT]), "bad-request");
    assert_eq!(
        with(&["api-key", "create", "--label", "x", "--expires", "2001-01-01T00:00:00Z"]),
        "bad-request"
    );
    assert_eq!(with(&["api-key", "create", "--label", "x", "--expires", "tomorrow"]), "bad-request");
    assert_eq!(with(&["api-key", "create", "--label", "x", "--fields-per-s", "0"]), "bad-request");
    assert_eq!(sandbox.refused(&["certificate", "revoke", &"0".repeat(64)]), "not-found");

    // A no names the way on, too.
    let output = sandbox.run(&["object", "list", "--project", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), "gembok: There is no project \"nowhere\". (not-found)\n  Check the name.\n");
    for (verb, what) in [
        (&["object", "show", "gajji", "--project", PROJECT][..], "object \"gajji\""),
        (&["project", "show", "kantorr"], "project \"kantorr\""),
        (&["endpoint", "revoke", "absen", "--project", PROJECT], "endpoint \"absen\""),
        (&["certificate", "revoke", "c0ffee"], "certificate \"c0ffee\""),
        (&["certificate", "issue", "--user", "budi", "--out", "budi"], "user \"budi\""),
        (&["api-key", "revoke", "6f2c1b7e-3c39-4c8e-9d4b-0c7f6f0f2a11"], "API key \"6f2c1b7e-"),
    ] {
        let said = errors(&sandbox.run(verb));
        assert!(said.starts_with(&format!("gembok: There is no {what}")), "{said}");
    }
    let said = errors(&sandbox.run(&["unlock"]));
    assert!(said.contains("is operational") && said.contains("gembok status"), "{said}");
}

#[test]
fn what_is_so_already_is_done_and_not_recorded() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let acts = || {
        let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
        let entries = trail["audit"]["entries"].as_array().unwrap().clone();
        entries.into_iter().map(|entry| entry["act"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let listed = |verb: &[&str], noun: &str| sandbox.done(verb)[noun]["items"].as_array().unwrap().clone();
    let keys = listed(&[&["api-key", "list"], &of[..]].concat(), "api-keys");
    let api_key = keys[0]["id"].as_str().unwrap();
    let certificates = listed(&["certificate", "list"], "certificates");
    let client =
        certificates.iter().find(|one| one["identity"].as_str().unwrap().contains(":endpoint:")).unwrap();
    let spki = client["spki"].as_str().unwrap();

    let again = [&["grant", "create", "encrypt", "--object", OBJECT], &of[..]].concat();
    let before = acts();
    sandbox.done(&again);
    assert_eq!(acts(), before, "granted already");
    for verb in [
        [&["grant", "revoke", "decrypt", "index", "--object", OBJECT], &of[..]].concat(),
        vec!["api-key", "revoke", api_key],
        vec!["certificate", "revoke", spki],
        vec!["endpoint", "revoke", ENDPOINT, "--project", PROJECT],
    ] {
        let before = acts();
        sandbox.done(&verb);
        let after = acts();
        assert_eq!(after[before.len()], format!("{}.revoke", verb[0]));
        sandbox.done(&verb);
        assert_eq!(acts(), after, "{verb:?}");
    }

    // A list that lost the certificate is signed again.
    fs::write(sandbox.path("state/pki/crl.pem"), "").unwrap();
    let before = acts();
    sandbox.done(&["certificate", "revoke", spki]);
    assert_eq!(acts()[before.len()..], ["crl.sign"]);
}

#[test]
fn a_record_carries_the_weight_of_the_change() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let required = ["--required-context", "nik", "--required-context", "tahun, bulan"];
    sandbox.done(&[&["object", "create", "gaji", "--project", PROJECT], &required[..]].concat());
    let limits = ["--expires", "2999-01-01T00:00:00Z", "--requests-per-s", "1", "--fields-burst", "7"];
    sandbox.done(&[&["api-key", "create", "--label", "slow"], &of[..], &limits[..]].concat());
    sandbox.done(&[&["grant", "create", "encrypt", "index", "--object", OBJECT], &of[..]].concat());
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap();
    let last = |act: &str| &entries.iter().rfind(|entry| entry["act"] == act).unwrap()["details"];
    assert_eq!(last("object.create")["required-context"], "[\"nik\", \"tahun, bulan\"]");
    assert_eq!(last("grant.create")["operations"], "index", "what was granted before is not granted now");
    let made = last("api-key.create");
    for (name, value) in [
        ("expires", "2999-01-01T00:00:00Z"),
        ("requests-per-s", "1"),
        ("requests-burst", "400"),
        ("fields-per-s", "20000"),
        ("fields-burst", "7"),
    ] {
        assert_eq!(made[name], value, "{made}");
    }
    let first = entries.iter().find(|entry| entry["act"] == "api-key.create").unwrap();
    assert_eq!(first["details"]["expires"], "never");
}

#[test]
fn a_bad_signing_request_issues_nothing() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let issue = |csr: &str, out: &str| {
        sandbox.refused(&[
            "certificate",
            "issue",
            "--project",
            PROJECT,
            "--endpoint",
            ENDPOINT,
            "--csr",
            csr,
            "--out",
            out,
        ])
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let good = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let mut der = pem::parse(&good).unwrap().into_contents();
    // The last byte is the signature's.
    *der.last_mut().unwrap() ^= 1;
    let forged = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
    for bad in ["", "not PEM", &forged, &good.replace("CERTIFICATE REQUEST", "CERTIFICATE")] {
        fs::write(sandbox.path("bad.csr"), bad).unwrap();
        assert_eq!(issue("bad.csr", "other"), "bad-request", "{bad}");
    }
    // A key that is too weak is told to be that, and no forgery; whichever digest it is signed with.
    for digest in ["-sha256", "-sha1"] {
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["req", "-new", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", digest]);
        openssl.arg("-keyout").arg(sandbox.path("weak.key")).arg("-out").arg(sandbox.path("weak.csr"));
        assert!(openssl.output().unwrap().status.success());
        let words =
            ["certificate", "issue", "--project", PROJECT, "--endpoint", ENDPOINT, "--csr", "weak.csr"];
        let said = sandbox.run(&[&words[..], &["--out", "other"]].concat());
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("2048 to 8192 bits") && !said.contains("does not verify"), "{said}");
    }
    assert!(!sandbox.path("other/client.pem").exists());
    assert_eq!(sandbox.done(&["certificate", "list"])["certificates"]["items"].as_array().unwrap().len(), 2);

    fs::write(sandbox.path("good.csr"), &good).unwrap();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    sandbox.done(&[&["certificate", "issue", "--csr", "good.csr", "--out", "other"], &of[..]].concat());
    assert!(sandbox.path("other/client.pem").exists() && !sandbox.path("other/client.key").exists());
    assert_eq!(issue("good.csr", "another"), "key-taken", "one key, one enrolment");
    assert!(!sandbox.path("another/client.pem").exists());
}
