//! Objects that say whose data they hold: what they require, what their records say of a subject, and what nobody can read
//! back from it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gembok::crypto::pseudonym::Pseudonym;
use gembok::domain::access_record::{AccessRecord, Subjects};
use serde_json::{Value, json};

use crate::book::Book;
use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::{Application, World};

/// Whose data it is.
const BUDI: &str = "3602041211870001";
const SITI: &str = "3171015509900002";
/// An object with the subject `nik`.
const PERSONAL: &str = "pegawai";

/// An appliance with an object that has a subject, granted to the endpoint.
fn world() -> World {
    let world = World::new("");
    fs::write(world.sandbox.path("nik.toml"), "subject = \"nik\"\n").unwrap();
    for project in [PROJECT, "cabang"] {
        if project != PROJECT {
            world.done(&format!("project create {project}"));
        }
        world.done(&format!("object create {PERSONAL} --project {project} --schema nik.toml"));
    }
    world.grant("encrypt decrypt", PERSONAL, ENDPOINT);
    world
}

fn about(subject: &str) -> Value {
    json!({ "object": PERSONAL, "plaintext": "QnVkaQ==", "context": { "nik": subject } })
}

fn sealed(answer: &Value, subject: &str) -> Value {
    json!({ "object": PERSONAL, "ciphertext": answer["ciphertext"], "context": { "nik": subject } })
}

fn named(record: &AccessRecord) -> BTreeSet<Pseudonym> {
    let all = record.groups.iter().filter_map(|group| group.subjects.as_deref());
    all.flat_map(|subjects| match subjects {
        Subjects::Named(named) => named.clone(),
        Subjects::Many => panic!("too many"),
    })
    .collect()
}

/// Every verb on subjects, and an object that has one, for the document of the API.
pub(crate) fn every_verb(book: &mut Book) {
    let schema = json!({
        "subject": "nik",
        "fields": { "nama": {
            "normaliser": "text-fold", "length": 100, "distinct": 100_000, "index": "truncated", "bits": 12,
        } },
    });
    book.resource("POST", "/v1/projects/gudang/objects", json!({ "name": "orang" }));
    book.resource("PUT", "/v1/projects/gudang/objects/orang/schema", schema);
    // What is shown can be put.
    let shown = book.resource("GET", "/v1/projects/gudang/objects/orang/schema", Value::Null).json();
    assert_eq!(book.resource("PUT", "/v1/projects/gudang/objects/orang/schema", shown.clone()).json(), shown);
    // Another index takes a word.
    let (mut cut, path) = (shown, "/v1/projects/gudang/objects/orang/schema");
    cut["fields"]["nama"]["bits"] = json!(11);
    let member = book.people[0].clone();
    assert_eq!(book.ask(&member, "PUT", path, &[], &cut).problem(), refusal(409, "index-given-up"));
    let meant = format!("{path}?new_index=true");
    assert_eq!(book.ask(&member, "PUT", &meant, &[], &cut).ok()["fields"], cut["fields"]);
    let frozen = "/v1/projects/gudang/frozen-subjects";
    let subject = json!({ "subject": { "value": "3372010101900001" } });
    book.resource("POST", frozen, subject.clone());
    book.resource("GET", frozen, Value::Null);
    book.resource("POST", &format!("{frozen}/unfreeze"), subject);
}

#[test]
fn a_subject_is_always_required_and_its_records_name_it_by_pseudonym() {
    in_child("subjects::a_subject_is_always_required_and_its_records_name_it_by_pseudonym", |softhsm| {
        let world = world();
        let absensi = world.absensi();
        let cabang = world.enrol("cabang", ENDPOINT);
        world.done(&format!(
            "grant create encrypt --project cabang --endpoint {ENDPOINT} --object {PERSONAL}"
        ));

        // Sealed and opened with it, refused without, by either contract, item by item.
        let budi = absensi.encrypt(&about(BUDI)).ok();
        assert_eq!(absensi.decrypt(&sealed(&budi, BUDI)).ok()["plaintext"], "QnVkaQ==");
        let without = json!({ "object": PERSONAL, "plaintext": "QnVkaQ==" });
        let nobody = json!({ "object": PERSONAL, "plaintext": "QnVkaQ==", "context": { "nik": "" } });
        for item in [&without, &nobody] {
            assert_eq!(absensi.encrypt(item).problem(), refusal(400, "context-required"));
        }
        let bare = json!({ "object": PERSONAL, "ciphertext": budi["ciphertext"] });
        assert_eq!(absensi.decrypt(&bare).problem(), refusal(400, "context-required"));
        assert_eq!(absensi.decrypt(&sealed(&budi, SITI)).problem(), refusal(422, "cannot-open"));
        for (aksi, value) in [("enkrip", "QnVkaQ=="), ("dekrip", budi["ciphertext"].as_str().unwrap())] {
            let body = absensi.published_body(PERSONAL, aksi, value).to_string();
            assert_eq!(absensi.published(body).gagal(), refusal(400, "context-required"), "{aksi}");
        }
        let batch = json!({ "items": [about(BUDI), without, about(SITI), about(BUDI),
            { "object": OBJECT, "plaintext": "QnVkaQ==", "context": { "nik": BUDI } }] });
        let answer = absensi.encrypt(&batch).ok();
        assert_eq!((&answer["failed"], &answer["items"][1]["code"]), (&json!(1), &json!("context-required")));
        cabang.encrypt(&about(BUDI)).ok();

        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let records = Vault::open(&sandbox, softhsm).records();
        let access: Vec<&AccessRecord> = records
            .iter()
            .filter_map(|record| match record {
                Record::Access(access) => Some(access),
                _ => None,
            })
            .collect();
        // The first encrypt and decrypt are about the same one.
        let (first, second) = (named(access[0]), named(access[1]));
        assert!(first == second && first.len() == 1, "{first:?}");
        // What was tried for another is recorded as about that other; what named nobody, about nobody.
        let tried: Vec<_> =
            access.iter().filter(|record| record.outcome.is_some()).map(|record| named(record)).collect();
        assert_eq!(tried.iter().filter(|named| named.len() == 1).count(), 1);
        let siti = tried.into_iter().find(|named| !named.is_empty()).unwrap();
        assert!(siti.is_disjoint(&first));
        // The batch is about both, each once, and says nothing of an object without a subject.
        let batch = access.iter().find(|record| record.groups.len() > 1).unwrap();
        assert_eq!(named(batch), siti.union(&first).copied().collect());
        let with = batch.groups.iter().filter(|group| group.subjects.is_some());
        assert_eq!(with.map(|group| group.fields).sum::<u32>(), 3);
        // The same one in another project is nobody there.
        let elsewhere = named(access.last().unwrap());
        assert!(elsewhere.len() == 1 && elsewhere.is_disjoint(&first));
        // Nor is the value anywhere.
        let store = fs::read(sandbox.path("state/gembok.redb")).unwrap();
        assert!(!store.windows(BUDI.len()).any(|bytes| bytes == BUDI.as_bytes()));
    });
}

/// Runs a verb on subjects with a value on standard input.
#[track_caller]
pub(crate) fn freeze(world: &World, verb: &str, value: &str) -> Value {
    let mut command = world.sandbox.command(&["subject", verb, "--project", PROJECT, "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    answer["done"]["subject-changed"].clone()
}

#[test]
fn a_frozen_subject_is_not_decrypted_until_the_freeze_is_ended() {
    let world = world();
    let absensi = world.absensi();
    let budi = sealed(&absensi.encrypt(&about(BUDI)).ok(), BUDI);
    let siti = sealed(&absensi.encrypt(&about(SITI)).ok(), SITI);
    let frozen = freeze(&world, "freeze", &format!("{BUDI}\n"));
    assert_eq!(frozen["frozen"], true);
    let pseudonym = frozen["pseudonym"].as_str().unwrap().to_owned();

    assert_eq!(absensi.decrypt(&budi).problem(), refusal(403, "subject-frozen"));
    // Nor put under another key: that opens it, too.
    world.grant("reencrypt", PERSONAL, ENDPOINT);
    assert_eq!(absensi.v1("reencrypt", budi.to_string()).problem(), refusal(403, "subject-frozen"));
    assert_eq!(absensi.v1("reencrypt", siti.to_string()).ok()["changed"], false);
    // Nobody else is, nothing else is, and an item does not harm others.
    absensi.decrypt(&siti).ok();
    absensi.encrypt(&about(BUDI)).ok();
    let both = absensi.v1("decrypt", json!({ "items": [budi, siti] }).to_string()).ok();
    assert_eq!((&both["failed"], &both["items"][0]["code"]), (&json!(1), &json!("subject-frozen")));
    assert_eq!(both["items"][1]["plaintext"], "QnVkaQ==");
    // Nor does a wrong ciphertext tell more of who is frozen than a right one.
    let wrong = json!({ "object": PERSONAL, "ciphertext": "R0IB", "context": { "nik": BUDI } });
    assert_eq!(absensi.decrypt(&wrong).problem(), refusal(403, "subject-frozen"));

    // Listed by pseudonym, recorded so, kept over a restart; frozen again is no change.
    let listed =
        || world.done(&format!("subject list --project {PROJECT}"))["frozen-subjects"]["items"].clone();
    assert_eq!((listed().as_array().unwrap().len(), &listed()[0]["pseudonym"]), (1, &json!(pseudonym)));
    freeze(&world, "freeze", BUDI);
    let acts = |world: &World| {
        let trail = world.trail();
        let acts = trail.iter().filter(|entry| entry["act"].as_str().unwrap().starts_with("subject."));
        acts.map(|entry| (entry["act"].clone(), entry["details"]["subject"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(acts(&world), [(json!("subject.freeze"), json!(pseudonym))]);
    assert!(world.trail().iter().all(|entry| !entry.to_string().contains(BUDI)));
    let world = world.restart();
    let absensi = world.absensi();
    assert_eq!(absensi.decrypt(&budi).problem(), refusal(403, "subject-frozen"));

    // Ending one of another project's, or of nobody, ends none here.
    world.done(&format!("subject unfreeze --project cabang --pseudonym {pseudonym}"));
    freeze(&world, "unfreeze", SITI);
    assert_eq!(absensi.decrypt(&budi).problem(), refusal(403, "subject-frozen"));
    assert_eq!(freeze(&world, "unfreeze", BUDI), json!({ "pseudonym": pseudonym, "frozen": false }));
    absensi.decrypt(&budi).ok();
    assert_eq!(acts(&world).len(), 2);
    for (verb, words) in [("freeze", "--pseudonym 12"), ("list", "--after x")] {
        let line = format!("subject {verb} --project {PROJECT} {words}");
        assert_eq!(world.sandbox.refused(&line.split(' ').collect::<Vec<_>>()), "bad-request");
    }
    assert_eq!(freeze(&world, "freeze", "two\nlines\n"), Value::Null);
    assert!(!world.daemon.log().contains(BUDI));
}

/// Many decrypt without an end while somebody is frozen: what is asked after the freeze was answered is refused.
#[test]
fn a_freeze_holds_from_its_answer_on() {
    let world = world();
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    let budi = sealed(&absensi.encrypt(&about(BUDI)).ok(), BUDI).to_string();
    let is_over = AtomicBool::new(false);
    // Whoever asks is counted, by whether it was answered with the value.
    let (opened, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wait_for = |counted: &AtomicUsize| {
        let (start, begun) = (counted.load(Ordering::Acquire), Instant::now());
        // Eight may have asked before this.
        while counted.load(Ordering::Acquire) < start + 20 && begun.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(5));
        }
    };
    for _ in 0..5 {
        is_over.store(false, Ordering::Release);
        let (frozen, answers) = thread::scope(|scope| {
            let ask = || {
                let mut connection = absensi.client.connect().unwrap();
                let mut answers = Vec::new();
                while !is_over.load(Ordering::Acquire) {
                    let asked = Instant::now();
                    let answer = absensi.v1_over(&mut connection, "decrypt", &budi).unwrap();
                    let counted = if answer.status == 200 { &opened } else { &refused };
                    counted.fetch_add(1, Ordering::AcqRel);
                    answers.push((asked, answer.status));
                }
                answers
            };
            let askers: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            wait_for(&opened);
            freeze(&world, "freeze", BUDI);
            let frozen = Instant::now();
            wait_for(&refused);
            is_over.store(true, Ordering::Release);
            (frozen, askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect::<Vec<_>>())
        });
        let opened = answers.iter().filter(|(_, status)| *status == 200);
        assert!(opened.clone().count() > 10);
        assert!(opened.clone().all(|(asked, _)| *asked < frozen), "asked after the freeze was answered");
        assert!(answers.iter().filter(|(asked, _)| *asked > frozen).count() > 10);
        assert!(answers.iter().all(|(_, status)| [200, 403, 409].contains(status)));
        freeze(&world, "unfreeze", BUDI);
    }
}

/// Whoever is frozen elsewhere, or was frozen already, holds up no answer.
#[test]
fn a_freeze_disturbs_nobody_else() {
    let world = world();
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    let budi = sealed(&absensi.encrypt(&about(BUDI)).ok(), BUDI).to_string();
    freeze(&world, "freeze", SITI);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ask = || {
            let mut connection = absensi.client.connect().unwrap();
            let mut statuses = Vec::new();
            while !is_over.load(Ordering::Acquire) {
                statuses.push(absensi.v1_over(&mut connection, "decrypt", &budi).unwrap().status);
            }
            statuses
        };
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for at in 0..40 {
            freeze(&world, "freeze", SITI);
            world.done(&format!("subject freeze --project cabang --pseudonym {at:032x}"));
        }
        is_over.store(true, Ordering::Release);
        let statuses: Vec<u16> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
        let disturbed = statuses.iter().filter(|status| **status != 200).count();
        assert!(statuses.len() > 100 && disturbed == 0, "{disturbed} of {}", statuses.len());
    });
}
