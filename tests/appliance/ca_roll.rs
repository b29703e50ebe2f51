//! Rolling the CA: nobody is cut off while both are trusted, each CA's list counts, whoever renews moves over, and what a crash
//! leaves half done the next unlock ends.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gembok::appliance::{PageWanted, Tending};
use gembok::desk::answer::{Answer as Answered, Done};
use gembok::desk::request::{self, Request, RollCa};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::ca_left::renew;
use crate::clock::{clock, init, open, pass};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::world::{Application, World};

const FILES: [&str; 4] = ["ca.pem", "crl.pem", "server.pem", "server.key"];

fn item() -> Value {
    json!({ "object": OBJECT, "plaintext": "eA==" })
}

/// The common names of whoever signed the certificates in a file, in order.
fn issuers(path: &Path) -> Vec<String> {
    let blocks = pem::parse_many(fs::read(path).unwrap()).unwrap();
    let issuer = |block: &pem::Pem| {
        let (_, certificate) = X509Certificate::from_der(block.contents()).unwrap();
        certificate.issuer().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
    };
    blocks.iter().map(issuer).collect()
}

fn pki(world: &World, file: &str) -> std::path::PathBuf {
    world.sandbox.path(&format!("state/pki/{file}"))
}

fn lists(world: &World) -> usize {
    pem::parse_many(fs::read(pki(world, "crl.pem")).unwrap()).unwrap().len()
}

fn retiring(world: &World) -> Value {
    world.done("certificate roll-ca show")["ca"]["retiring"].clone()
}

#[test]
fn clients_move_over_one_by_one_and_nobody_is_cut_off() {
    let world = World::new("");
    let absensi = world.absensi();
    let mut live = absensi.client.connect().unwrap();
    let mut ask = || absensi.v1_over(&mut live, "encrypt", item().to_string());
    assert_eq!(ask().unwrap().status, 200);
    assert_eq!(world.sandbox.refused(&["certificate", "roll-ca", "finish"]), "ca-roll-state");
    let rolled = world.done("certificate roll-ca start")["ca"].clone();
    assert_eq!((&rolled["generation"], &rolled["retiring"]["certificates"]), (&json!(2), &json!(2)));
    assert_eq!(world.sandbox.refused(&["certificate", "roll-ca", "start"]), "ca-roll-state");
    assert_eq!((issuers(&pki(&world, "ca.pem")).len(), lists(&world)), (2, 2));

    // Who knows the old CA only goes on, and the server's certificate is one he can check.
    assert_eq!(absensi.encrypt(&item()).status, 200);
    assert_eq!(world.admin().get("/health/state").ok()["ca"]["retiring"]["certificates"], 2);
    // Whoever knows the old CA fetches both over a connection that it can check.
    let fetched = world.control(None).get("/v1/ca.pem");
    assert_eq!(fetched.header("content-type"), Some("application/pem-certificate-chain"));
    assert_eq!(fetched.body, fs::read(pki(&world, "ca.pem")).unwrap());
    // What is issued now is the new one's, with both in its ca.pem.
    let gaji = world.enrol(PROJECT, "gaji");
    world.grant("encrypt", OBJECT, "gaji");
    assert!(issuers(&world.sandbox.path(&format!("{PROJECT}-gaji/client.pem")))[0].ends_with(" 2"));
    assert_eq!(issuers(&world.sandbox.path(&format!("{PROJECT}-gaji/ca.pem"))).len(), 2);
    world.daemon.wait_until("the listeners follow", || {
        gaji.client.ask("GET", "/v1/info", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(gaji.encrypt(&item()).status, 200);
    // Whoever renews moves over.
    renew(&world, "baru", |asked| absensi.v1("certificate", asked.to_string()).ok());
    let moved = Application { client: world.data_by("baru/ca.pem", Some("baru/client")), ..absensi.clone() };
    assert_eq!(moved.encrypt(&item()).status, 200);

    // Each CA's list ends its own.
    let listed = world.done("certificate list")["certificates"]["items"].as_array().unwrap().clone();
    let of = |generation: u32, identity: &str| {
        let its = |one: &&Value| {
            one["generation"] == generation && one["identity"].as_str().unwrap().contains(identity)
        };
        listed.iter().find(its).unwrap()["spki"].as_str().unwrap().to_owned()
    };
    let id =
        world.done(&format!("endpoint show gaji --project {PROJECT}"))["endpoint-shown"]["endpoint"]["id"]
            .clone();
    world.done(&format!("certificate revoke {}", of(2, id.as_str().unwrap())));
    world
        .daemon
        .wait_until("the new one's list counts", || gaji.client.ask("GET", "/v1/info", &[], b"").is_err());

    let said = world.sandbox.run(&["certificate", "roll-ca", "finish"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("1 certificates of the old CA count still and were not renewed")
            && said.contains("ca-in-use"),
        "{said}"
    );
    let status = String::from_utf8(world.sandbox.run(&["status"]).stdout).unwrap();
    assert!(status.contains("CA ROLL") && status.contains("1 certificates hang on the old CA"), "{status}");
    let ours = of(1, ":endpoint:");
    world.done(&format!("certificate revoke {ours} --only"));
    world
        .daemon
        .wait_until("the old one's list counts", || absensi.client.ask("GET", "/v1/info", &[], b"").is_err());
    assert_eq!(moved.encrypt(&item()).status, 200);
    world.done("certificate issue --user admin --out admin-baru");
    world.done(&format!("certificate revoke {}", of(1, ":user:")));

    // The end: the server, too, is the new one's, and the old CA is nobody's.
    let finished = world.done("certificate roll-ca finish")["ca"].clone();
    assert!(retiring(&world).is_null());
    // And its key is in no token any more.
    assert_eq!(finished["keys_left"], json!([]));
    assert_eq!(crate::ca_keys::keys_in_token(&world), ["gembok-ca-2"]);
    let gone = world.trail().into_iter().find(|entry| entry["act"] == "ca.key-destroy").unwrap();
    assert_eq!(
        (&gone["details"]["label"], &gone["details"]["found"]),
        (&json!("gembok-ca-1"), &json!("true"))
    );
    assert_eq!(world.sandbox.refused(&["certificate", "roll-ca", "finish"]), "ca-roll-state");
    assert!(issuers(&pki(&world, "server.pem"))[0].ends_with(" 2"));
    assert_eq!((issuers(&pki(&world, "ca.pem")).len(), lists(&world)), (1, 1));
    world.daemon.wait_until("the listeners follow", || {
        moved.client.ask("GET", "/v1/info", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(moved.encrypt(&item()).status, 200);
    let old = world.data(Some("baru/client"));
    world.daemon.wait_until("the server is another to who knows the old CA", || {
        old.ask("GET", "/v1/info", &[], b"").is_err()
    });
    let acts: Vec<Value> = world.trail().into_iter().map(|entry| entry["act"].clone()).collect();
    assert!(acts.contains(&json!("ca.roll")) && acts.contains(&json!("ca.roll-finish")));
    // And so it is after a restart; the next roll is the third.
    let world = world.restart();
    let client = world.data_by("baru/ca.pem", Some("baru/client"));
    assert_eq!(Application { client, ..moved }.encrypt(&item()).status, 200);
    assert_eq!(world.done("certificate roll-ca start")["ca"]["generation"], 3);
}

#[test]
fn a_forced_end_revokes_what_is_left() {
    let world = World::new("");
    let absensi = world.absensi();
    world.done("certificate roll-ca start");
    world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out baru"));
    world.done("certificate roll-ca finish --force");
    let listed = world.done("certificate list")["certificates"]["items"].as_array().unwrap().clone();
    for one in &listed {
        assert_eq!(one["revoked"].is_null(), one["generation"] == 2, "{one}");
    }
    world
        .daemon
        .wait_until("the old CA is nobody's", || absensi.client.ask("GET", "/v1/info", &[], b"").is_err());
    let moved = Application { client: world.data_by("baru/ca.pem", Some("baru/client")), ..absensi };
    assert_eq!(moved.encrypt(&item()).status, 200);
}

/// What lies there when the power goes between the commit and the files, or between one file and the next.
#[test]
fn a_crash_in_the_middle_is_mended_by_the_next_unlock() {
    let mut world = World::new("");
    let read = |world: &World| FILES.map(|file| fs::read(pki(world, file)).unwrap());
    let lay = |world: &World, files: &[Vec<u8>; 4], which: &[usize]| {
        for at in which {
            fs::write(pki(world, FILES[*at]), &files[*at]).unwrap();
        }
    };
    let before = read(&world);
    world.done("certificate roll-ca start");
    let rolling = read(&world);
    for left in [&[0, 1][..], &[0]] {
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        world = World { daemon: sandbox.spawn(), sandbox };
        world.daemon.signal(Signal::KILL);
        lay(&world, &before, left);
        world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };
        assert_eq!(read(&world)[0], rolling[0]);
        assert_eq!(lists(&world), 2);
        assert_eq!(world.absensi().encrypt(&item()).status, 200);
    }
    world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out baru"));
    world.done("certificate roll-ca finish --force");
    let finished = read(&world);
    for left in [&[0, 1, 2, 3][..], &[0, 1], &[1]] {
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        world = World { daemon: sandbox.spawn(), sandbox };
        world.daemon.signal(Signal::KILL);
        lay(&world, &rolling, left);
        world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };
        assert_eq!((&read(&world)[0], lists(&world)), (&finished[0], 1));
        assert!(issuers(&pki(&world, "server.pem"))[0].ends_with(" 2"));
        let client = world.data_by("state/pki/ca.pem", Some("baru/client"));
        let moved = Application { client, endpoint: ENDPOINT.to_owned(), api_key: world.sandbox.api_key() };
        assert_eq!(moved.encrypt(&item()).status, 200);
    }
}

/// Killed at any moment of it: either nothing has happened, or the roll is under way.
#[test]
fn a_kill_at_any_moment_leaves_one_ca_or_two() {
    let mut world = World::new("");
    for wait_ms in [0, 3, 6, 10, 15, 25, 40] {
        let generation = world.done("certificate roll-ca show")["ca"]["generation"].as_u64().unwrap();
        let is_rolling = !retiring(&world).is_null();
        let verb: &[&str] = if is_rolling { &["finish", "--force"] } else { &["start"] };
        let words = [&["certificate", "roll-ca"][..], verb].concat();
        let mut asking = world.sandbox.command(&words).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        world.daemon.signal(Signal::KILL);
        let _ = asking.wait();
        let World { sandbox, mut daemon } = world;
        daemon.wait();
        world = World { daemon: sandbox.resume(), sandbox };
        let now = world.done("certificate roll-ca show")["ca"].clone();
        let after = now["generation"].as_u64().unwrap();
        assert!(after == generation || !is_rolling && after == generation + 1, "{now}");
        let count = if now["retiring"].is_null() { 1 } else { 2 };
        assert_eq!((issuers(&pki(&world, "ca.pem")).len(), lists(&world)), (count, count));
        let folder = format!("c{wait_ms}");
        world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out {folder}"));
        let client = world.data_by(&format!("{folder}/ca.pem"), Some(&format!("{folder}/client")));
        world.daemon.wait_until("the new certificate is let in", || {
            client.ask("GET", "/v1/info", &[], b"").is_ok_and(|answer| answer.status == 200)
        });
    }
}

#[test]
fn a_roll_ends_by_itself_when_its_time_is_over() {
    in_child("ca_roll::a_roll_ends_by_itself_when_its_time_is_over", |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let roll = |verb| match Request::Certificate(request::Certificate::RollCa(verb)).perform(
            &appliance,
            0,
            clock(),
        ) {
            Answered::Done(Done::Ca(ca)) => ca,
            _ => panic!("it is not answered"),
        };
        assert_eq!(roll(RollCa::Start).retiring.unwrap().certificates, 1);
        let mut tending = Tending::default();
        let named = || {
            let health = appliance.health();
            let ending = health.expiring().into_iter().map(|(expiry, mark)| (expiry.of.to_string(), mark));
            ending.collect::<Vec<_>>()
        };
        pass(84 * 86_400);
        appliance.tend(&mut tending, clock());
        assert!(named().contains(&("ca-roll".into(), 7)), "{:?}", named());
        assert!(roll(RollCa::Show).retiring.is_some());
        pass(6 * 86_400 + 3_601);
        appliance.tend(&mut tending, clock());
        let after = roll(RollCa::Show);
        assert!(after.generation == 2 && after.retiring.is_none());
        let counting =
            appliance.unlocked().unwrap().certificates(&PageWanted::first()).unwrap().items.into_iter();
        assert_eq!(
            counting.filter_map(gembok::appliance::Listed::sound).filter(|one| one.revoked.is_none()).count(),
            0
        );
    });
}

/// Another CA that calls itself like the new one, and our own client as a CA.
#[test]
fn a_name_makes_no_ca_of_the_rolled_one() {
    let world = World::new("");
    world.done("certificate roll-ca start");
    let names = issuers(&pki(&world, "ca.pem"));
    let listed = world.done("certificate list")["certificates"]["items"].as_array().unwrap().clone();
    let admin = listed.iter().find(|one| one["identity"].as_str().unwrap().contains(":user:")).unwrap();
    let admin = admin["identity"].as_str().unwrap();
    for (at, name) in names.iter().enumerate() {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Gembok");
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let foreign = Issuer::new(params, KeyPair::generate().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(admin.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let file = format!("asing{at}");
        fs::write(
            world.sandbox.path(&format!("{file}.pem")),
            params.signed_by(&key, &foreign).unwrap().pem(),
        )
        .unwrap();
        fs::write(world.sandbox.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        let client = world.control(Some(&file));
        assert!(client.ask("GET", "/health/state", &[], b"").is_err(), "{name} is let in");
    }
    assert_eq!(world.admin().get("/health/state").status, 200);
    // openssl agrees that each list is its CA's.
    for at in 0..2 {
        let (ca, list) = (world.sandbox.path("one-ca.pem"), world.sandbox.path("one-crl.pem"));
        for (file, from) in [(&ca, "ca.pem"), (&list, "crl.pem")] {
            let blocks = pem::parse_many(fs::read(pki(&world, from)).unwrap()).unwrap();
            fs::write(file, pem::encode(&blocks[at])).unwrap();
        }
        let checked = Command::new("openssl")
            .args(["crl", "-noout", "-CAfile"])
            .arg(&ca)
            .arg("-in")
            .arg(&list)
            .output();
        let said = String::from_utf8(checked.unwrap().stderr).unwrap();
        assert!(said.contains("verify OK"), "{said}");
    }
}
