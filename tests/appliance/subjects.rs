//! Objects that say whose data they hold: what they require, what their records say of a subject, and what nobody can read
//! back from it.

use std::collections::BTreeSet;
use std::fs;

use gembok::crypto::pseudonym::Pseudonym;
use gembok::domain::access_record::{AccessRecord, Subjects};
use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::World;

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
