//! What is taken away is gone with the answer that says so: on live connections, for resumed sessions, and under a body that
//! is still coming.

use std::process::Command;

use serde_json::{Value, json};

use crate::client::{Answer, Connection, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World};

fn item() -> Value {
    json!({ "object": OBJECT, "plaintext": "eA==" })
}

fn ask(application: &Application, connection: &mut Connection) -> std::io::Result<Answer> {
    application.v1_over(connection, "encrypt", item().to_string())
}

/// A connection that has been used.
fn live(application: &Application) -> Connection {
    let mut connection = application.client.connect().unwrap();
    assert_eq!(ask(application, &mut connection).unwrap().status, 200);
    connection
}

/// TLS refuses, or the appliance does; never is it served.
#[track_caller]
fn is_refused(answer: std::io::Result<Answer>, code: &str) {
    if let Ok(answer) = answer {
        assert_eq!(answer.problem().1, code);
    }
}

#[test]
fn what_is_revoked_is_refused_on_live_connections() {
    let world = World::new("");
    let absensi = world.absensi();

    // An API key.
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    let application = Application { api_key, ..absensi.clone() };
    let mut connection = live(&application);
    world.done(&format!("api-key revoke {id}"));
    let answer = ask(&application, &mut connection).unwrap();
    assert_eq!(answer.problem(), refusal(401, "api-key-revoked"));
    // The endpoint's other key goes on, on the same connection.
    assert_eq!(ask(&absensi, &mut connection).unwrap().status, 200);

    // An API key, while a body is under way that began with it.
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    let application = Application { api_key, ..absensi.clone() };
    let mut slow = live(&application);
    let body = item().to_string();
    let (bearer, length) = (application.bearer(), body.len().to_string());
    let headers = [("authorization", bearer.as_str()), ("content-length", length.as_str())];
    slow.head("POST", &application.path("encrypt"), &headers).unwrap();
    slow.send(&body.as_bytes()[..10]).unwrap();
    world.done(&format!("api-key revoke {id}"));
    slow.send(&body.as_bytes()[10..]).unwrap();
    assert_eq!(slow.answer().unwrap().problem(), refusal(401, "api-key-revoked"));

    // A grant, and given back.
    let granted = format!("--project {PROJECT} --endpoint {ENDPOINT} --object {OBJECT}");
    let mut connection = live(&absensi);
    let mut slow = live(&absensi);
    let bearer = absensi.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-length", length.as_str())];
    slow.head("POST", &absensi.path("encrypt"), &headers).unwrap();
    slow.send(&body.as_bytes()[..10]).unwrap();
    world.done(&format!("grant revoke encrypt {granted}"));
    slow.send(&body.as_bytes()[10..]).unwrap();
    assert_eq!(slow.answer().unwrap().problem(), refusal(403, "not-granted"));
    assert_eq!(ask(&absensi, &mut connection).unwrap().problem(), refusal(403, "not-granted"));
    world.done(&format!("grant create encrypt {granted}"));
    assert_eq!(ask(&absensi, &mut connection).unwrap().status, 200);
}

#[test]
fn a_revoked_certificate_ends_live_connections_and_sessions() {
    let world = World::new("");
    let (absensi, gaji) = (world.absensi(), world.enrol(PROJECT, "gaji"));
    world.grant("encrypt", OBJECT, "gaji");
    drop(live(&gaji));
    let mut connection = live(&gaji);
    assert!(connection.is_resumed(), "the client resumes a session as long as nothing is revoked");

    let listed = world.done("certificate list");
    let endpoints = world.done(&format!("endpoint list --project {PROJECT}"));
    let endpoint =
        endpoints["endpoints"]["items"].as_array().unwrap().iter().find(|one| one["name"] == "gaji").unwrap();
    let identity = format!("urn:gembok:endpoint:{}", endpoint["id"].as_str().unwrap());
    let certificates = listed["certificates"]["items"].as_array().unwrap();
    let spki = certificates.iter().find(|one| one["identity"] == identity.as_str()).unwrap()["spki"].clone();
    world.done(&format!("certificate revoke {}", spki.as_str().unwrap()));

    is_refused(ask(&gaji, &mut connection), "certificate-revoked");
    is_refused(gaji.client.connect().and_then(|mut again| ask(&gaji, &mut again)), "certificate-revoked");
    // Once the list is in force TLS itself refuses, resumed session or not.
    world.daemon.wait_until("TLS refuses", || gaji.client.ask("GET", "/v1/info", &[], b"").is_err());
    assert_eq!(absensi.encrypt(&item()).status, 200);

    // After a restart it is still refused, by another process with another memory.
    let world = world.restart();
    let gaji = Application { client: world.data(Some(&format!("{PROJECT}-gaji/client"))), ..gaji };
    assert!(gaji.client.ask("GET", "/v1/info", &[], b"").is_err());
    assert_eq!(world.absensi().encrypt(&item()).status, 200);
}

#[test]
fn a_revoked_endpoint_goes_with_all_its_certificates() {
    let world = World::new("");
    let (absensi, gaji) = (world.absensi(), world.enrol(PROJECT, "gaji"));
    world.grant("encrypt", OBJECT, "gaji");
    let mut connection = live(&gaji);
    world.done(&format!("endpoint revoke gaji --project {PROJECT}"));
    is_refused(ask(&gaji, &mut connection), "certificate-revoked");
    is_refused(gaji.client.connect().and_then(|mut again| ask(&gaji, &mut again)), "certificate-revoked");
    // Nothing new brings it back.
    let place = ["--project", PROJECT, "--endpoint", "gaji"];
    let again = [&["certificate", "issue", "--out", "lagi"][..], &place].concat();
    assert_eq!(world.sandbox.refused(&again), "endpoint-revoked");
    let again = [&["api-key", "create", "--label", "lagi"][..], &place].concat();
    assert_eq!(world.sandbox.refused(&again), "endpoint-revoked");
    assert_eq!(absensi.encrypt(&item()).status, 200);
}

#[test]
fn revocations_at_the_same_time_all_reach_the_list() {
    const MANY: usize = 8;
    let world = World::new("");
    let issued = (0..MANY).map(|number| {
        world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out c{number}"))
    });
    let spkis: Vec<String> =
        issued.map(|done| done["certificate-issued"]["spki"].as_str().unwrap().to_owned()).collect();
    std::thread::scope(|scope| {
        for spki in &spkis {
            let world = &world;
            scope.spawn(move || world.done(&format!("certificate revoke {spki}")));
        }
    });
    let list = Command::new("openssl")
        .args(["crl", "-noout", "-text", "-in"])
        .arg(world.sandbox.path("state/pki/crl.pem"))
        .output()
        .unwrap();
    let text = String::from_utf8(list.stdout).unwrap();
    assert_eq!(text.matches("Serial Number:").count(), MANY, "{text}");
}

#[test]
fn a_revoked_key_does_not_come_back_in_another_encoding() {
    let world = World::new("");
    let (key, request) = (world.sandbox.path("other.key"), world.sandbox.path("other.csr"));
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl").args(args).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let (key, request) = (key.to_str().unwrap(), request.to_str().unwrap());
    let plain = format!("{key}.plain");
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &plain]);
    openssl(&["ec", "-in", &plain, "-conv_form", "compressed", "-out", key]);
    openssl(&["req", "-new", "-key", key, "-subj", "/CN=x", "-out", request]);
    let issue = ["certificate", "issue", "--project", PROJECT, "--endpoint", ENDPOINT, "--out", "other"];
    assert_eq!(world.sandbox.refused(&[&issue[..], &["--csr", request]].concat()), "bad-request");
}
