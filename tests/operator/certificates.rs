//! Certificates that are made again: the server's by itself, a user's when asked for.

use std::fs;

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::errors;
use crate::support::daemon::{Daemon, Sandbox};

fn server(sandbox: &Sandbox) -> [Vec<u8>; 2] {
    ["server.key", "server.pem"].map(|file| fs::read(sandbox.path(&format!("state/pki/{file}"))).unwrap())
}

fn names(pem: &[u8]) -> String {
    let block = pem::parse(pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(block.contents()).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let mut names: Vec<_> = names.value.general_names.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(" ")
}

fn renewals(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap().clone();
    entries.into_iter().filter(|entry| entry["act"] == "certificate.server").collect()
}

/// The admin's health over TLS, which the server's certificate has to stand for.
fn serves(sandbox: &Sandbox, daemon: &Daemon) {
    daemon.wait_until("the listeners have followed", || {
        sandbox.get(daemon, "/health/state").is_some_and(|(status, _)| status == 200)
    });
}

#[test]
fn the_servers_follows_its_configured_names_at_the_next_unlock() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let first = server(&sandbox);
    sandbox.done(&["lock"]);
    sandbox.done(&["unlock"]);
    assert_eq!(server(&sandbox), first, "a certificate that fits stays");
    assert!(daemon.stop().success());

    sandbox.configure("[tls]\nserver_names = [\"127.0.0.1\", \"gembok.lan\"]\n");
    let daemon = sandbox.resume();
    let second = server(&sandbox);
    assert!(second[0] != first[0] && second[1] != first[1], "a new key with it");
    let told = names(&second[1]);
    assert!(told.contains("gembok.lan") && !told.contains("localhost"), "{told}");
    let recorded = renewals(&sandbox);
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!(recorded[0]["actor"], "system");
    assert_eq!(recorded[0]["details"]["names"], "127.0.0.1 gembok.lan");
    serves(&sandbox, &daemon);
    assert!(daemon.stop().success());

    // A crash between the two renames: the new key is in its place, its certificate beside it.
    fs::rename(sandbox.path("state/pki/server.pem"), sandbox.path("state/pki/server-next.pem")).unwrap();
    fs::write(sandbox.path("state/pki/server.pem"), &first[1]).unwrap();
    let daemon = sandbox.resume();
    assert_eq!(server(&sandbox), second, "the pair is whole before anybody listens");
    assert_eq!(renewals(&sandbox).len(), 1);
    serves(&sandbox, &daemon);

    // A pair that is none is mended by the next unlock.
    sandbox.done(&["lock"]);
    fs::write(sandbox.path("state/pki/server.pem"), &first[1]).unwrap();
    sandbox.done(&["unlock"]);
    assert_eq!(renewals(&sandbox)[1]["details"]["reason"], "its key is another");
    serves(&sandbox, &daemon);
}

#[test]
fn a_user_who_lost_theirs_is_issued_another() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    fs::remove_dir_all(sandbox.path("admin")).unwrap();
    let issued = sandbox.done(&["certificate", "issue", "--user", "admin", "--out", "admin"]);
    assert!(issued["certificate-issued"]["not_after"].is_string());
    for kind in ["key", "pem"] {
        fs::rename(sandbox.path(&format!("admin/user.{kind}")), sandbox.path(&format!("admin/admin.{kind}")))
            .unwrap();
    }
    assert_eq!(sandbox.get(&daemon, "/health/state").unwrap().0, 200);

    let refused = |words: &[&str]| {
        let output = sandbox.run(&[&["certificate", "issue"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    };
    refused(&[]);
    refused(&["--endpoint", "absensi"]);
    refused(&["--project", "kantor"]);
    refused(&["--project", "kantor", "--endpoint", "absensi", "--user", "admin"]);
}

#[test]
fn an_init_that_cannot_write_its_files_leaves_no_store() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    fs::create_dir_all(sandbox.path("state/pki/crl.pem")).unwrap();
    let output = sandbox.run(&["init", "--sandbox", "--out", "admin"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("crl.pem cannot be written"), "{}", errors(&output));
    assert_eq!(sandbox.state(), "unprovisioned", "{}", daemon.log());
}
