//! Attacks on who a certificate names: what is smuggled into a signing request, what another CA signed, what belonged to an
//! endpoint that is no more, and a certificate of one kind used as the other.

use std::fs;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::json;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::{Application, World};

/// Whom the certificate at `path` names.
fn identity(world: &World, path: &str) -> String {
    let block = pem::parse(fs::read(world.sandbox.path(path)).unwrap()).unwrap();
    let (_, certificate) = X509Certificate::from_der(block.contents()).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => (*uri).to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A request made by openssl, full of what nobody asked for.
fn smuggler(world: &World, name: &str, admin: &str, other: &str) -> String {
    let csr = world.sandbox.path(&format!("{name}.csr"));
    let status = Command::new("openssl")
        .args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"])
        .args(["-subj", &format!("/O=admin/CN={admin}"), "-addext", "basicConstraints=critical,CA:TRUE"])
        .args([
            "-addext",
            &format!("subjectAltName=DNS:gembok.lan,URI:{admin},URI:{other},email:admin@gembok.lan"),
        ])
        .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext", "extendedKeyUsage=serverAuth"])
        .args(["-addext", "nsComment=penyelundup"])
        .arg("-keyout")
        .arg(world.sandbox.path(&format!("{name}.key")))
        .arg("-out")
        .arg(&csr)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    fs::read_to_string(csr).unwrap()
}

#[track_caller]
fn holds_only(pem: &str, identity: &str) {
    let block = pem::parse(pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(block.contents()).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { panic!("{names:?}") };
    assert_eq!(*uri, identity);
    assert_eq!(certificate.subject().to_string(), format!("O=Gembok, CN={identity}"));
    assert!(!certificate.is_ca());
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.server_auth && !extended.any && extended.other.is_empty());
    let text = String::from_utf8_lossy(block.contents());
    for smuggled in ["gembok.lan", "urn:gembok:user", "penyelundup", "admin"] {
        assert!(!text.contains(smuggled), "{smuggled}");
    }
}

#[test]
fn nothing_of_a_signing_request_but_its_key_comes_back() {
    let world = World::new("");
    let (admin, ours) = (identity(&world, "admin/admin.pem"), identity(&world, "client/client.pem"));
    world.enrol(PROJECT, "gaji");
    let other = identity(&world, &format!("{PROJECT}-gaji/client.pem"));
    assert!(admin.starts_with("urn:gembok:user:") && ours != other);

    let csr = smuggler(&world, "satu", &admin, &other);
    let renewed = world.absensi().v1("certificate", json!({ "csr": csr }).to_string()).ok();
    let renewed = renewed["certificate"].as_str().unwrap();
    holds_only(renewed, &ours);
    smuggler(&world, "dua", &admin, &other);
    let csr = world.sandbox.path("dua.csr").display().to_string();
    world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --csr {csr} --out dua"));
    holds_only(&fs::read_to_string(world.sandbox.path("dua/client.pem")).unwrap(), &ours);

    // It is the endpoint's, and nothing more than that.
    fs::write(world.sandbox.path("satu.pem"), renewed).unwrap();
    let application = Application { client: world.data(Some("satu")), ..world.absensi() };
    application.seal(OBJECT, b"x");
    assert_eq!(world.control(Some("satu")).get("/health/state").problem(), refusal(403, "forbidden"));
}

#[test]
fn another_cas_certificate_is_none_whatever_it_says() {
    let world = World::new("");
    let ours = identity(&world, "client/client.pem");
    let admin = identity(&world, "admin/admin.pem");
    // A CA of the same name as ours; only its key differs.
    let block = pem::parse(fs::read(world.sandbox.path("admin/ca.pem")).unwrap()).unwrap();
    let (_, ca) = X509Certificate::from_der(block.contents()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Gembok");
    let common_name = ca.subject().iter_common_name().next().unwrap().as_str().unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let foreign = Issuer::new(params, KeyPair::generate().unwrap());
    // And our own client as a CA: its certificate may sign nothing.
    let client_key =
        KeyPair::from_pem(&fs::read_to_string(world.sandbox.path("client/client.key")).unwrap()).unwrap();
    let client_pem = fs::read_to_string(world.sandbox.path("client/client.pem")).unwrap();
    let client = Issuer::from_ca_cert_pem(&client_pem, client_key).unwrap();
    for (name, issuer, identity, is_data) in [
        ("asing", &foreign, &ours, true),
        ("asing-admin", &foreign, &admin, false),
        ("anak", &client, &admin, false),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(identity.as_str().try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        fs::write(world.sandbox.path(&format!("{name}.pem")), params.signed_by(&key, issuer).unwrap().pem())
            .unwrap();
        fs::write(world.sandbox.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        let client = if is_data { world.data(Some(name)) } else { world.control(Some(name)) };
        let path = if is_data { "/v1/info" } else { "/health/state" };
        assert!(client.ask("GET", path, &[], b"").is_err(), "{name} is let in");
    }
    world.absensi().seal(OBJECT, b"x");
}

#[test]
fn an_endpoint_made_again_under_its_old_name_is_another() {
    let world = World::new("");
    let old = world.enrol(PROJECT, "gaji");
    world.grant("encrypt decrypt", OBJECT, "gaji");
    old.seal(OBJECT, b"x");
    world.done(&format!("endpoint revoke gaji --project {PROJECT}"));
    // The name stays taken in its project; elsewhere it is free.
    let again = format!("endpoint create gaji --project {PROJECT}");
    assert_eq!(world.sandbox.refused(&again.split(' ').collect::<Vec<_>>()), "already-exists");
    world.done("project create cabang");
    world.done(&format!("object create {OBJECT} --project cabang"));
    let new = world.enrol("cabang", "gaji");
    world.done(&format!("grant create encrypt decrypt --project cabang --endpoint gaji --object {OBJECT}"));
    new.seal(OBJECT, b"x");
    // The old certificate with the new API key, and to renew itself: over TLS refused, or by the appliance.
    let mixed = Application { client: old.client.clone(), ..new.clone() };
    let csr = json!({ "csr": smuggler(&world, "tiga", "x", "urn:x") }).to_string();
    for (operation, body) in
        [("encrypt", json!({ "object": OBJECT, "plaintext": "" }).to_string()), ("certificate", csr)]
    {
        let answer = mixed.client.ask(
            "POST",
            &mixed.path(operation),
            &[("authorization", &mixed.bearer())],
            body.as_bytes(),
        );
        if let Ok(answer) = answer {
            assert_eq!(answer.problem(), refusal(401, "certificate-revoked"), "{operation}");
        }
    }
    world.daemon.wait_until("TLS refuses", || old.client.ask("GET", "/v1/info", &[], b"").is_err());
    new.seal(OBJECT, b"x");
}

#[test]
fn a_certificate_of_one_kind_is_none_of_the_other() {
    let world = World::new("");
    let csr = json!({ "csr": smuggler(&world, "empat", "x", "urn:x") }).to_string();
    let count = || world.done("certificate list")["certificates"]["items"].as_array().unwrap().len();
    let gaji = world.enrol(PROJECT, "gaji");
    let before = count();
    // A user on the data plane, with an endpoint's API key.
    let admin = Application { client: world.data(Some("admin/admin")), ..world.absensi() };
    for operation in ["encrypt", "decrypt", "certificate"] {
        assert_eq!(
            admin.v1(operation, &csr).problem(),
            refusal(401, "certificate-not-enrolled"),
            "{operation}"
        );
    }
    // One endpoint for another, by name or by API key.
    let by_name = Application { client: gaji.client.clone(), ..world.absensi() };
    assert_eq!(by_name.v1("certificate", &csr).problem(), refusal(404, "endpoint-unknown"));
    let by_key = Application { api_key: gaji.api_key.clone(), ..world.absensi() };
    assert_eq!(by_key.v1("certificate", &csr).problem(), refusal(403, "api-key-of-another-endpoint"));
    let without =
        world.absensi().client.ask("POST", &world.absensi().path("certificate"), &[], csr.as_bytes());
    assert_eq!(without.unwrap().problem(), refusal(401, "api-key-missing"));
    assert_eq!(count(), before, "nobody was given a certificate");
    // An endpoint on the control plane.
    let endpoint = world.control(Some("client/client"));
    for path in ["/health/state", "/metrics", "/v1/statistics"] {
        assert_eq!(endpoint.get(path).problem(), refusal(403, "forbidden"), "{path}");
    }
}
