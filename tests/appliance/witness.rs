//! Checkpoints and the anchor: made when they are to be made, true, kept, and told.

use std::fs;
use std::path::PathBuf;

use gembok::crypto::checkpoint::{Checkpoint, CheckpointKey};
use gembok::store::{Scan, StoreFile, Table};
use serde_json::Value;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use crate::store_damage::started_locked;
use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::in_child;
use crate::vault::{Vault, copy, store_path};
use crate::world::World;

/// Only what must be made at once is made.
const SELDOM: &str = "[journal]\ncheckpoint_s = 3600\n";

/// Every checkpoint in the log, oldest first.
pub(crate) fn logged(daemon: &Daemon) -> Vec<Checkpoint> {
    let lines = daemon.said("checkpoint");
    lines.map(|line| Checkpoint::parse_line(line["checkpoint"].as_str().unwrap()).unwrap()).collect()
}

/// The checkpoint keys that the boot row announces, by epoch; the daemon is stopped.
pub(crate) fn keys(sandbox: &Sandbox) -> Vec<(u32, CheckpointKey)> {
    let boot = StoreFile::open(&store_path(sandbox), 1 << 20).unwrap().boot().unwrap().unwrap();
    let keys = boot.checkpoint_keys.iter();
    keys.map(|key| (key.epoch, CheckpointKey::from_spki(&key.spki).unwrap())).collect()
}

fn witnessed(world: &World) -> u64 {
    world.status()["witness"]["checkpoint_sequence"].as_u64().unwrap()
}

/// The last act of this name.
fn sequence_of(world: &World, act: &str) -> u64 {
    world.trail().iter().rfind(|entry| entry["act"] == act).unwrap()["sequence"].as_u64().unwrap()
}

fn objects(sandbox: &Sandbox) -> Vec<PathBuf> {
    let tokens = fs::read_dir(sandbox.softhsm().tokens()).unwrap();
    let files = tokens.flat_map(|token| fs::read_dir(token.unwrap().path()).unwrap());
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|is| is == "object") && !path.ends_with("token.object"));
    files.sort();
    files
}

#[test]
fn while_the_chain_grows_its_head_is_signed_logged_shown_and_kept() {
    in_child("witness::while_the_chain_grows_its_head_is_signed_logged_shown_and_kept", |softhsm| {
        let world = World::new("[journal]\ncheckpoint_s = 1\n");
        let absensi = world.absensi();
        for _ in 0..3 {
            let before = witnessed(&world);
            absensi.seal(OBJECT, b"x");
            world.daemon.wait_until("the head is signed", || {
                let status = world.status();
                let made = status["witness"]["checkpoint_sequence"].as_u64().unwrap();
                made > before && status["journal"]["next_sequence"] == made
            });
        }
        let shown = world.admin().get("/health/state");
        let line = shown.header("gembok-checkpoint").unwrap().to_owned();
        assert_eq!(Checkpoint::parse_line(&line).unwrap(), *logged(&world.daemon).last().unwrap());
        assert!(shown.json()["witness"]["failing_since"].is_null());
        let open = world.control(None).get("/v1/info");
        assert_eq!(open.header("gembok-checkpoint"), None, "how far the chain has come is not for anybody");
        let World { sandbox, mut daemon } = world;
        daemon.signal(rustix::process::Signal::TERM);
        assert!(daemon.wait().success());

        let (logged, keys) = (logged(&daemon), keys(&sandbox));
        let [(0, key)] = keys[..] else { panic!("{keys:?}") };
        let vault = Vault::open(&sandbox, softhsm);
        let head = vault.store.head();
        assert_eq!(logged.last().unwrap().statement.next_sequence, head.next_sequence, "the last word");
        for checkpoint in &logged {
            checkpoint.verify(&key).unwrap();
            let statement = &checkpoint.statement;
            let block = vault.store.block(statement.next_sequence - 1).unwrap().unwrap();
            assert_eq!((statement.chain, statement.epoch), (head.chain, 0));
            assert_eq!(statement.hash, block.header.hash());
            assert_eq!(statement.next_sequence, block.header.first_sequence + u64::from(block.header.count));
        }
        let range = Scan { prefix: &[], after: None, limit: 1_000 };
        let kept = vault.store.scan(Table::Checkpoints, range).unwrap().into_iter().map(|(key, row)| {
            let kept = Checkpoint::parse(std::str::from_utf8(&row.unwrap().value).unwrap()).unwrap();
            assert_eq!(key, kept.statement.next_sequence.to_be_bytes());
            kept
        });
        assert_eq!(kept.collect::<Vec<_>>(), logged, "those in the store are those in the log");
    });
}

#[test]
fn a_right_taken_away_is_witnessed_before_the_answer() {
    let world = World::new(SELDOM);
    let made = witnessed(&world);
    world.absensi().seal(OBJECT, b"x");
    world.grant("index", OBJECT, ENDPOINT);
    assert_eq!(witnessed(&world), made, "a right that is given can wait");
    let (id, _) = world.new_api_key(PROJECT, ENDPOINT, "");
    let listed = world.done("certificate list");
    let spki = listed["certificates"]["items"].as_array().unwrap().iter().find_map(|one| {
        one["identity"]
            .as_str()
            .unwrap()
            .contains(":endpoint:")
            .then(|| one["spki"].as_str().unwrap().to_owned())
    });
    for (act, words) in [
        ("api-key.revoke", format!("api-key revoke {id}")),
        (
            "grant.revoke",
            format!("grant revoke index --project {PROJECT} --endpoint {ENDPOINT} --object {OBJECT}"),
        ),
        ("certificate.revoke", format!("certificate revoke {}", spki.unwrap())),
        ("endpoint.revoke", format!("endpoint revoke {ENDPOINT} --project {PROJECT}")),
    ] {
        world.done(&words);
        assert!(witnessed(&world) > sequence_of(&world, act), "{act}");
    }
    let made = logged(&world.daemon).len();
    world.done("lock");
    assert_eq!(logged(&world.daemon).len(), made + 1, "a lock ends with the last word");
}

/// Less of a right is a right taken away; so is an account that becomes another's, and what waits for it no more.
#[test]
fn whatever_takes_a_right_away_is_witnessed_before_the_answer() {
    let world = World::new(SELDOM);
    let (id, _) = world.new_api_key(PROJECT, ENDPOINT, "");
    for name in ["siti", "tono"] {
        world.done(&format!("user create {name} --role user"));
    }
    world.done(&format!("project member add siti --project {PROJECT}"));
    let endpoint = format!("--project {PROJECT} --endpoint {ENDPOINT}");
    let asked = world.done(&format!("project member propose tono --project {PROJECT}"));
    let approval = asked["approval"]["id"].as_str().unwrap().to_owned();
    world.done("certificate issue --user siti --out siti");
    for (act, words) in [
        ("api-key.expire", format!("api-key expire {id} 2099-01-01T00:00:00Z")),
        ("api-key.limits", format!("api-key limits {id} --fields-per-s 3")),
        ("api-key.rotate", format!("api-key rotate {id} --overlap 1h")),
        ("budget.set", format!("budget set {endpoint} --fields 50")),
        ("approval.withdraw", format!("approval withdraw {approval}")),
        ("user.enforce-totp", "user enforce-totp siti".into()),
        // She has a certificate already: another one makes the account wait for a second person.
        ("certificate.issue", "certificate issue --user siti --out lain".into()),
        ("member.remove", format!("project member remove siti --project {PROJECT}")),
    ] {
        world.done(&words);
        assert!(witnessed(&world) > sequence_of(&world, act), "{act}");
    }
    // A second one takes the place of the first that waits, and the list says so, too.
    world.done("certificate issue --user siti --out lagi");
    assert!(witnessed(&world) > sequence_of(&world, "certificate.issue"));
    let shown = world.done("user show siti")["user-shown"]["certificates"].clone();
    let revoked = shown.as_array().unwrap().iter().filter(|one| !one["revoked"].is_null()).count();
    assert_eq!(revoked, 1, "{shown}");
    let serial = |folder: &str| {
        let pem = pem::parse(fs::read(world.sandbox.path(&format!("{folder}/user.pem"))).unwrap()).unwrap();
        let (_, certificate) = X509Certificate::from_der(pem.contents()).unwrap();
        certificate.raw_serial().to_vec()
    };
    let list = pem::parse(fs::read(world.sandbox.path("state/pki/crl.pem")).unwrap()).unwrap();
    let (_, list) = CertificateRevocationList::from_der(list.contents()).unwrap();
    let listed: Vec<&[u8]> = list.iter_revoked_certificates().map(RevokedCertificate::raw_serial).collect();
    assert!(listed.contains(&serial("lain").as_slice()) && !listed.contains(&serial("lagi").as_slice()));
}

#[test]
fn while_the_token_is_away_health_says_since_when_and_then_it_comes_first() {
    let world = World::new(SELDOM);
    let (id, _) = world.new_api_key(PROJECT, ENDPOINT, "");
    let (tokens, away) = (world.sandbox.softhsm().tokens(), world.sandbox.softhsm().elsewhere());
    fs::rename(&tokens, &away).unwrap();
    world.daemon.wait_until("it is missed", || world.sandbox.state() == "degraded");
    world.done(&format!("api-key revoke {id}"));
    let status = world.status();
    assert!(status["witness"]["failing_since"].is_string(), "{status}");
    assert!(status["witness"]["trouble"].is_string(), "{status}");
    let shown = world.admin().get("/health/state").json();
    assert!(shown["witness"]["failing_since"].is_string(), "{shown}");
    let revoked = sequence_of(&world, "api-key.revoke");
    assert!(witnessed(&world) <= revoked);
    let text = String::from_utf8(world.sandbox.run(&["status"]).stdout).unwrap();
    assert!(text.contains("UNWITNESSED"), "{text}");

    fs::rename(&away, &tokens).unwrap();
    world.daemon.wait_until("it is back", || world.sandbox.state() == "operational");
    assert!(witnessed(&world) > revoked);
    assert_eq!(world.status()["witness"]["failing_since"], Value::Null);
    // The anchor says so too: this store is the one the token knows.
    world.restart();
}

#[test]
fn of_two_anchors_the_further_counts_and_one_that_is_lost_is_missed() {
    let world = World::new(SELDOM);
    let before = objects(&world.sandbox);
    let (id, _) = world.new_api_key(PROJECT, ENDPOINT, "");
    let kept = world.sandbox.path("kept");
    copy(&world.sandbox.softhsm().tokens(), &kept);
    world.done(&format!("api-key revoke {id}"));
    let after = objects(&world.sandbox);
    assert_eq!(before.len(), after.len(), "the old one goes when the new one is there");
    let gone: Vec<_> = before.iter().filter(|path| !after.contains(path)).collect();
    let [old] = gone[..] else { panic!("{gone:?}") };
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());

    // As after a crash between the making of one and the destroying of the other.
    let tokens = sandbox.softhsm().tokens();
    for file in [old.clone(), old.with_extension("lock")] {
        fs::copy(kept.join(file.strip_prefix(&tokens).unwrap()), file).unwrap();
    }
    assert_eq!(objects(&sandbox).len(), before.len() + 1);
    let world = World { daemon: sandbox.resume(), sandbox };
    assert_eq!(objects(&world.sandbox).len(), before.len(), "and the next one made leaves none but itself");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());

    // Every object but the anchor is as old as the token.
    let lost = objects(&sandbox).into_iter().find(|path| !before.contains(path)).unwrap();
    fs::remove_file(lost).unwrap();
    let world = started_locked(sandbox);
    let reason = world.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("rollback") && reason.contains("no anchor"), "{reason}");
    world.done("unlock --accept-rollback");
    assert_eq!(world.status()["journal"]["epoch"], 1);
    world.restart();
}
