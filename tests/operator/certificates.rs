//! Certificates that are made again: the server's by itself, a user's when asked for.

use std::fs;
use std::process::Command;

use serde_json::json;
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

/// Whether the server is believed to be `name`, by curl.
fn is_known_as(sandbox: &Sandbox, daemon: &Daemon, name: &str) -> bool {
    let address = daemon.control();
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "30", "--resolve", &format!("{name}:{port}:{host}"), "--cacert"]);
    command.arg(sandbox.path("admin/ca.pem")).arg(format!("https://{name}:{port}/health/alive"));
    command.output().unwrap().stdout == b"alive\n"
}

#[test]
fn the_server_has_the_names_an_operator_says_at_once() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let shown = sandbox.done(&["server-names", "show"]);
    assert_eq!(
        shown["server-names"],
        json!({ "names": ["localhost", "127.0.0.1"], "from_configuration": true })
    );
    assert!(is_known_as(&sandbox, &daemon, "localhost") && !is_known_as(&sandbox, &daemon, "gembok.lan"));
    let first = server(&sandbox);
    for (bad, said) in [("gembok lan", "neither"), ("gembok.lan:8443", "neither"), ("10.0.0.0/8", "neither")]
    {
        let refused = sandbox.run(&["server-names", "set", "gembok.lan", bad]);
        assert!(refused.status.code() == Some(1) && errors(&refused).contains(said), "{}", errors(&refused));
    }
    assert_eq!(server(&sandbox), first);

    let set = ["server-names", "set", "Gembok.lan", "127.0.0.1", "10.0.0.5", "gembok.lan"];
    let named = json!({ "names": ["gembok.lan", "127.0.0.1", "10.0.0.5"], "from_configuration": false });
    assert_eq!(sandbox.done(&set)["server-names"], named);
    daemon.wait_until("the listeners have followed", || is_known_as(&sandbox, &daemon, "gembok.lan"));
    assert!(!is_known_as(&sandbox, &daemon, "localhost"));
    serves(&sandbox, &daemon);
    let second = server(&sandbox);
    assert!(second[0] != first[0] && second[1] != first[1]);
    assert_eq!(sandbox.done(&set)["server-names"], named);
    assert_eq!(server(&sandbox), second, "what is so already is done");
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let entries = trail["audit"]["entries"].as_array().unwrap();
    let recorded: Vec<_> = entries.iter().filter(|entry| entry["act"] == "server-names.set").collect();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert!(recorded[0]["actor"].as_str().unwrap().starts_with("local:"));
    assert_eq!(recorded[0]["details"]["names"], "gembok.lan 127.0.0.1 10.0.0.5");
    assert_eq!(recorded[0]["details"]["before"], "localhost 127.0.0.1");
    assert!(daemon.stop().success());

    // The configuration's are for the first boot.
    sandbox.configure("[tls]\nserver_names = [\"127.0.0.1\", \"lain.lan\"]\n");
    let daemon = sandbox.resume();
    assert_eq!(server(&sandbox), second);
    assert_eq!(sandbox.done(&["server-names", "show"])["server-names"], named);
    // Without a token there is no certificate, and so no other names.
    let tokens = sandbox.softhsm();
    fs::rename(tokens.tokens(), tokens.elsewhere()).unwrap();
    daemon.wait_until("it notices", || sandbox.state() == "degraded");
    assert_eq!(sandbox.refused(&["server-names", "set", "127.0.0.1"]), "token-away");
    fs::rename(tokens.elsewhere(), tokens.tokens()).unwrap();
    daemon.wait_until("it heals", || sandbox.state() == "operational");
    assert_eq!(sandbox.done(&["server-names", "show"])["server-names"], named);
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

#[test]
fn the_first_boot_is_told_by_what_names_the_server_is_reached() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    let init = ["init", "--sandbox", "--out", "admin", "--server-name"];
    let bad = sandbox.run(&[&init[..], &["gembok lan"]].concat());
    assert!(bad.status.code() == Some(1) && errors(&bad).contains("neither"), "{}", errors(&bad));
    assert_eq!(sandbox.state(), "unprovisioned");
    assert!(!sandbox.path("pin").exists(), "a token without a store was made");
    sandbox.done(&[&init[..], &["Gembok.lan", "--server-name", "127.0.0.1"]].concat());
    let named = json!({ "names": ["gembok.lan", "127.0.0.1"], "from_configuration": false });
    assert_eq!(sandbox.done(&["server-names", "show"])["server-names"], named);
    assert!(is_known_as(&sandbox, &daemon, "gembok.lan") && !is_known_as(&sandbox, &daemon, "localhost"));
    let trail = sandbox.done(&["audit", "list"]);
    assert_eq!(trail["audit"]["entries"][0]["details"]["server-names"], "gembok.lan 127.0.0.1");
    let first = server(&sandbox);
    sandbox.done(&["lock"]);
    sandbox.done(&["unlock"]);
    assert_eq!(server(&sandbox), first, "the configuration's do not come back");
}
