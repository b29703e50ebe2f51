//! What hangs on a CA that is rolled: whoever has renewed hangs on it no more, so a roll where everybody did ends by itself asked for,
//! takes the old certificates and none of the renewed; and whoever did not stops it.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::client::Client;
use crate::second_person::{Person, text};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World};

/// Has a certificate renewed by `ask`, and keeps it as a client's files in `folder`. What was answered.
pub(crate) fn renew(world: &World, folder: &str, ask: impl FnOnce(Value) -> Value) -> Value {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let given = ask(json!({ "csr": csr }));
    let either = |plane: &str, other: &str| given[plane].as_str().or(given[other].as_str()).unwrap();
    fs::create_dir(world.sandbox.path(folder)).unwrap();
    for (file, text) in [
        ("client.pem", either("certificate", "certificate_pem")),
        ("ca.pem", either("ca", "ca_pem")),
        ("client.key", key.serialize_pem().as_str()),
    ] {
        fs::write(world.sandbox.path(&format!("{folder}/{file}")), text).unwrap();
    }
    given
}

fn left(world: &World) -> Value {
    world.done("certificate roll-ca show")["ca"]["retiring"]["certificates"].clone()
}

fn listed(world: &World) -> Vec<Value> {
    world.done("certificate list")["certificates"]["items"].as_array().unwrap().clone()
}

#[test]
fn a_roll_where_everybody_renewed_ends_without_force() {
    let world = World::new("");
    world.done("user create siti --role user");
    world.done("certificate issue --user siti --out siti");
    world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out kedua"));
    let absensi = world.absensi();
    let item = json!({ "object": OBJECT, "plaintext": "eA==" });
    world.done("certificate roll-ca start");
    assert_eq!(left(&world), 4);
    let own = |name: &str, asker: Client| {
        let answer = |asked| Person(asker).post(&format!("/v1/users/{name}/certificates"), &asked).json();
        renew(&world, &format!("{name}-baru"), answer)
    };
    own("admin", world.admin());
    assert_eq!(left(&world), 3);
    let hers = text(&own("siti", world.control(Some("siti/user")))["spki"]);
    assert_eq!(left(&world), 2);
    renew(&world, "baru", |asked| absensi.v1("certificate", asked.to_string()).ok());
    // The endpoint's other one is of another line.
    assert_eq!(left(&world), 1);
    // What counts no more stands in for nothing.
    world.done(&format!("certificate revoke {hers}"));
    assert_eq!(left(&world), 2);
    let said = String::from_utf8(world.sandbox.run(&["certificate", "roll-ca", "finish"]).stderr).unwrap();
    assert!(said.contains("2 certificates of the old CA count still and were not renewed"), "{said}");

    let all = listed(&world);
    let old = |one: &&Value| one["generation"] == 1 && one["revoked"].is_null();
    let renewed =
        |spki: &Value| all.iter().any(|one| one["renewed_from"] == *spki && one["revoked"].is_null());
    let of_nobody: Vec<_> = all.iter().filter(old).filter(|one| !renewed(&one["spki"])).collect();
    assert_eq!(of_nobody.len(), 2, "{all:?}");
    for one in of_nobody {
        world.done(&format!("certificate revoke {}", text(&one["spki"])));
    }
    assert_eq!(left(&world), 0);
    assert_eq!(absensi.encrypt(&item).status, 200, "the old one counts until the end");

    world.done("certificate roll-ca finish");
    let trail = world.trail();
    let finish = trail.iter().find(|entry| entry["act"] == "ca.roll-finish").unwrap();
    assert_eq!(finish["details"]["revoked"], "2");
    for one in listed(&world) {
        let goes_on = one["generation"] == 2 && one["spki"] != hers.as_str();
        assert_eq!(one["revoked"].is_null(), goes_on, "{one}");
    }
    let moved = Application { client: world.data_by("baru/ca.pem", Some("baru/client")), ..absensi };
    world.daemon.wait_until("the listeners follow", || {
        moved.client.ask("GET", "/v1/info", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(moved.encrypt(&item).status, 200);
    let path = |file: &str| world.sandbox.path(file);
    let control = |certificate: &str| {
        Client::new(&world.daemon.control(), &path("admin-baru/ca.pem"), Some(&path(certificate)))
    };
    assert_eq!(control("admin-baru/client").get("/health/state").status, 200);
    // The old ones are nobody's, shown to a server that the new CA proves.
    assert!(control("admin/admin").ask("GET", "/health/state", &[], b"").is_err());
    let old = world.data_by("baru/ca.pem", Some("kedua/client"));
    assert!(old.ask("GET", "/v1/info", &[], b"").is_err());
}
