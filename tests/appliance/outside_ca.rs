//! A CA outside: its certificates count once they are enrolled, for the one identity that they name and we enrol; its list counts;
//! and what else it may sign counts for nobody.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::world::{Application, World};

/// A CA with files in a sandbox.
pub(crate) struct Foreign {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Foreign {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn list(&self, revoked: &[u64], hours: i64) -> String {
        let now = OffsetDateTime::now_utc();
        let entry = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now - Duration::days(1),
            next_update: now + Duration::hours(hours),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// Signs a certificate over `key` with these names, into `<file>.pem` and `<file>.key`.
    pub(crate) fn sign(&self, sandbox: &Sandbox, file: &str, key: &KeyPair, serial: u64, names: &[SanType]) {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = names.to_vec();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        fs::write(sandbox.path(&format!("{file}.pem")), params.signed_by(key, &self.issuer).unwrap().pem())
            .unwrap();
        let path = sandbox.path(&format!("{file}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn item() -> Value {
    json!({ "object": OBJECT, "plaintext": "eA==" })
}

pub(crate) const CONFIGURED: &str =
    "[pki]\noutside_ca = \"outside-ca.pem\"\noutside_crl = \"outside-crl.pem\"\n";

fn world(foreign: &Foreign, more: &str) -> World {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("outside-ca.pem"), &foreign.pem).unwrap();
    fs::write(sandbox.path("outside-crl.pem"), foreign.list(&[], 48)).unwrap();
    World::over(sandbox, &format!("{CONFIGURED}{more}"))
}

fn urn(world: &World) -> String {
    let shown = world.done(&format!("endpoint show {ENDPOINT} --project {PROJECT}"));
    format!("urn:gembok:endpoint:{}", shown["endpoint-shown"]["endpoint"]["id"].as_str().unwrap())
}

fn admin_urn(world: &World) -> String {
    format!("urn:gembok:user:{}", world.done("user show admin")["user-shown"]["user"]["id"].as_str().unwrap())
}

fn enrol(file: &str) -> String {
    format!("certificate enrol --certificate {file}.pem --project {PROJECT} --endpoint {ENDPOINT}")
}

#[test]
fn its_certificate_counts_once_it_is_enrolled_and_as_long_as_both_say_so() {
    let foreign = Foreign::new("CA Kantor");
    let world = world(&foreign, "");
    let ours = urn(&world);
    let key = KeyPair::generate().unwrap();
    foreign.sign(&world.sandbox, "luar", &key, 71, &[uri(&ours)]);
    let luar = Application { client: world.data(Some("luar")), ..world.absensi() };
    // TLS takes it; nobody has enrolled it.
    assert_eq!(luar.encrypt(&item()).problem(), refusal(401, "certificate-not-enrolled"));
    let enrolled = world.done(&enrol("luar"))["certificate-enrolled"].clone();
    assert_eq!((&enrolled["identity"], &enrolled["generation"]), (&json!(ours), &Value::Null));
    assert_eq!(luar.encrypt(&item()).status, 200);
    assert_eq!(world.sandbox.refused(&enrol("luar").split(' ').collect::<Vec<_>>()), "key-taken");
    // Ours is not renewed with it: what its CA revokes would live on.
    let new = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&new).unwrap().pem().unwrap();
    let refused = luar.v1("certificate", json!({ "csr": csr }).to_string());
    assert_eq!(refused.problem(), refusal(400, "bad-request"));

    // A user's, for the control plane.
    let admin_key = KeyPair::generate().unwrap();
    foreign.sign(&world.sandbox, "bos", &admin_key, 72, &[uri(&admin_urn(&world))]);
    assert_eq!(
        world.control(Some("bos")).get("/health/state").problem(),
        refusal(401, "certificate-not-enrolled")
    );
    world.done("certificate enrol --certificate bos.pem --user admin");
    assert_eq!(world.control(Some("bos")).get("/health/state").status, 200);

    // Its own list ends it, at a reload; the others go on.
    fs::write(world.sandbox.path("outside-crl.pem"), foreign.list(&[72], 48)).unwrap();
    world.daemon.signal(Signal::HUP);
    let bos = world.control(Some("bos"));
    world.daemon.wait_until("the outside list counts", || bos.ask("GET", "/health/state", &[], b"").is_err());
    assert_eq!(luar.encrypt(&item()).status, 200);
    assert_eq!(world.admin().get("/health/state").status, 200);
    // And so do we, at once: TLS need not know. Its serial number is no business of our list.
    let mut live = luar.client.connect().unwrap();
    assert_eq!(luar.v1_over(&mut live, "encrypt", item().to_string()).unwrap().status, 200);
    world.done(&format!("certificate revoke {}", enrolled["spki"].as_str().unwrap()));
    let answer = luar.v1_over(&mut live, "encrypt", item().to_string()).unwrap();
    assert_eq!(answer.problem(), refusal(401, "certificate-revoked"));
    let list = std::process::Command::new("openssl")
        .args(["crl", "-noout", "-text", "-in"])
        .arg(world.sandbox.path("state/pki/crl.pem"))
        .output()
        .unwrap();
    assert!(String::from_utf8(list.stdout).unwrap().contains("No Revoked Certificates"));
    let acts: Vec<Value> = world.trail().into_iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts.iter().filter(|act| *act == "certificate.enrol").count(), 2);
    let world = world.restart();
    assert_eq!(world.absensi().encrypt(&item()).status, 200);
}

#[test]
fn whatever_else_it_signs_counts_for_nobody() {
    let foreign = Foreign::new("CA Kantor");
    let world = world(&foreign, "");
    let (ours, admin) = (urn(&world), admin_urn(&world));
    let gaji = world.enrol(PROJECT, "gaji");
    // What cannot be enrolled: a name that is none, another's, more than one, none of ours, a CA's.
    let refused = |file: &str, names: &[SanType]| {
        foreign.sign(&world.sandbox, file, &KeyPair::generate().unwrap(), 80, names);
        let output = world.sandbox.run(&enrol(file).split(' ').collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1) && said.contains("bad-request") && said.contains(&ours),
            "{said}"
        );
    };
    refused("dns", &[dns("absensi.lan")]);
    refused("admin", &[uri(&admin)]);
    refused("dua", &[uri(&ours), uri(&admin)]);
    refused("campur", &[uri(&ours), dns("gembok.lan")]);
    refused("besar", &[uri(&ours.to_uppercase())]);
    fs::write(world.sandbox.path("sampah.pem"), "bukan").unwrap();
    assert_eq!(world.sandbox.refused(&enrol("sampah").split(' ').collect::<Vec<_>>()), "bad-request");
    fs::copy(world.sandbox.path("outside-ca.pem"), world.sandbox.path("ca-luar.pem")).unwrap();
    assert_eq!(world.sandbox.refused(&enrol("ca-luar").split(' ').collect::<Vec<_>>()), "bad-request");

    // The CA turns: it signs the admin's name over a key of its own, over our client's key, and over an enrolled outside key.
    let client_key =
        KeyPair::from_pem(&fs::read_to_string(world.sandbox.path("client/client.key")).unwrap()).unwrap();
    let enrolled = KeyPair::generate().unwrap();
    foreign.sign(&world.sandbox, "luar", &enrolled, 81, &[uri(&ours)]);
    world.done(&enrol("luar"));
    for (file, key) in [("bos1", &KeyPair::generate().unwrap()), ("bos2", &client_key), ("bos3", &enrolled)] {
        foreign.sign(&world.sandbox, file, key, 82, &[uri(&admin)]);
        assert_eq!(
            world.control(Some(file)).get("/health/state").problem(),
            refusal(401, "certificate-not-enrolled"),
            "{file}"
        );
    }
    // Another endpoint's name over an enrolled key, and ours over a key that is another's.
    let gaji_id = world.done(&format!("endpoint show gaji --project {PROJECT}"));
    let gaji_id = gaji_id["endpoint-shown"]["endpoint"]["id"].as_str().unwrap().to_owned();
    foreign.sign(&world.sandbox, "tukar", &enrolled, 83, &[uri(&format!("urn:gembok:endpoint:{gaji_id}"))]);
    let swapped = Application { client: world.data(Some("tukar")), ..gaji };
    assert_eq!(swapped.encrypt(&item()).problem(), refusal(401, "certificate-not-enrolled"));
    // A DNS name, several names: none of ours, so TLS is not even begun with.
    foreign.sign(&world.sandbox, "dns", &enrolled, 84, &[dns("absensi.lan"), uri(&ours)]);
    assert!(world.data(Some("dns")).ask("GET", "/v1/info", &[], b"").is_err());

    // A CA that is configured nowhere, of the same name; and a certificate that it signs with our own CA's name.
    for name in ["CA Kantor", "lain"] {
        let other = Foreign::new(name);
        other.sign(&world.sandbox, "lain", &enrolled, 85, &[uri(&ours)]);
        assert!(world.data(Some("lain")).ask("GET", "/v1/info", &[], b"").is_err(), "{name}");
    }
    assert_eq!(world.absensi().encrypt(&item()).status, 200);
}

#[test]
fn a_list_that_is_over_lets_none_of_its_clients_in_and_ours_go_on() {
    let foreign = Foreign::new("CA Kantor");
    let world = world(&foreign, "");
    foreign.sign(&world.sandbox, "luar", &KeyPair::generate().unwrap(), 71, &[uri(&urn(&world))]);
    world.done(&enrol("luar"));
    let luar = Application { client: world.data(Some("luar")), ..world.absensi() };
    assert_eq!(luar.encrypt(&item()).status, 200);
    fs::write(world.sandbox.path("outside-crl.pem"), foreign.list(&[], -1)).unwrap();
    world.daemon.signal(Signal::HUP);
    world
        .daemon
        .wait_until("its clients are refused", || luar.client.ask("GET", "/v1/info", &[], b"").is_err());
    let absensi = world.absensi();
    for _ in 0..3 {
        // Also over a resumed session.
        assert_eq!(absensi.encrypt(&item()).status, 200);
    }
    let expiring = world.status()["expiring"].clone();
    assert!(expiring.as_array().unwrap().iter().any(|one| one["of"] == "outside-crl"), "{expiring}");
    // One that nobody signed changes nothing: what was in force stays.
    fs::write(world.sandbox.path("outside-crl.pem"), Foreign::new("CA Kantor").list(&[], 48)).unwrap();
    world.daemon.signal(Signal::HUP);
    world
        .daemon
        .wait_until("it is said", || world.daemon.log().contains("has no CRL in it that it has signed"));
    assert!(luar.client.ask("GET", "/v1/info", &[], b"").is_err());
    fs::write(world.sandbox.path("outside-crl.pem"), foreign.list(&[], 48)).unwrap();
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_until("its clients are let in again", || {
        luar.client.ask("GET", "/v1/info", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn the_servers_certificate_may_be_from_outside_and_is_read_again() {
    let foreign = Foreign::new("CA Kantor");
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("outside-ca.pem"), &foreign.pem).unwrap();
    fs::write(sandbox.path("outside-crl.pem"), foreign.list(&[], 48)).unwrap();
    let names = [dns("localhost"), SanType::IpAddress("127.0.0.1".parse().unwrap())];
    foreign.sign(&sandbox, "server-luar", &KeyPair::generate().unwrap(), 90, &names);
    let more =
        format!("{CONFIGURED}server_certificate = \"server-luar.pem\"\nserver_key = \"server-luar.key\"\n");
    let world = World::over(sandbox, &more);
    // Who trusts that CA is served; what clients are given has it, too.
    let absensi =
        Application { client: world.data_by("outside-ca.pem", Some("client/client")), ..world.absensi() };
    assert_eq!(absensi.encrypt(&item()).status, 200);
    let given = fs::read_to_string(world.sandbox.path("client/ca.pem")).unwrap();
    assert!(given.contains(foreign.pem.trim()));
    let by_bundle = world.data_by("client/ca.pem", Some("client/client"));
    assert_eq!(by_bundle.get("/v1/info").status, 200);
    // Another one is in force with a reload, and a wrong pair changes nothing.
    let next = Foreign::new("CA Baru");
    next.sign(&world.sandbox, "server-luar", &KeyPair::generate().unwrap(), 91, &names);
    fs::write(world.sandbox.path("ca-baru.pem"), &next.pem).unwrap();
    world.daemon.signal(Signal::HUP);
    let by_next = world.data_by("ca-baru.pem", Some("client/client"));
    world.daemon.wait_until("the next one is in force", || by_next.ask("GET", "/v1/info", &[], b"").is_ok());
    fs::write(world.sandbox.path("server-luar.key"), "bukan kunci").unwrap();
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_until("it is said", || world.daemon.log().contains("server-luar.key"));
    assert_eq!(by_next.get("/v1/info").status, 200);
}

#[test]
fn what_is_configured_by_halves_is_said() {
    let sandbox = Sandbox::new();
    for (more, key) in [
        ("[pki]\noutside_ca = \"x\"\n", "pki.outside_crl"),
        ("[pki]\nserver_key = \"x\"\n", "pki.server_key"),
    ] {
        sandbox.configure(more);
        let output = sandbox.run(&["config", "check"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(key), "{said}");
    }
    sandbox.configure("");
    let _daemon = sandbox.start();
    sandbox.provision();
    fs::copy(sandbox.path("client/client.pem"), sandbox.path("luar.pem")).unwrap();
    assert_eq!(sandbox.refused(&enrol("luar").split(' ').collect::<Vec<_>>()), "wrong-state");
}
