//! Reencrypt: what lies under an older key version comes back under the current one, of the same project, object and context
//! or not at all, and no plaintext goes out on the way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::domain::access_record::{AccessRecord, Anew};
use gembok::domain::key_move::Because;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::operation::Operation;
use gembok::store::Table;
use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::key_turns::by_hand;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::{Record, Vault};
use crate::world::{ALGORITHMS, Application, World};

/// An object whose first version is AES-GCM.
const GCM: &str = "alamat";
const NIK: &[u8] = b"3602041211870001";

fn world() -> World {
    let world = World::new("");
    world.done(&format!("object create {GCM} --project {PROJECT} --algorithm aes-256-gcm"));
    for object in [OBJECT, GCM] {
        world.grant("encrypt decrypt reencrypt", object, ENDPOINT);
    }
    world
}

fn reencrypt(application: &Application, item: &Value) -> Answer {
    application.v1("reencrypt", item.to_string())
}

fn rotate(world: &World, object: &str, more: &str) {
    world.done(format!("key rotate {object} --project {PROJECT} {more}").trim_end());
}

/// A value sealed for row 7 of a column.
fn seal(application: &Application, object: &str, column: &str) -> Value {
    let context = json!({ "row": "7", "column": column });
    let item = json!({ "object": object, "plaintext": STANDARD.encode(NIK), "context": context });
    json!({ "object": object, "ciphertext": application.encrypt(&item).ok()["ciphertext"], "context": context })
}

/// Algorithm and key version of an envelope.
fn header(ciphertext: &Value) -> (u8, u32) {
    let envelope = STANDARD.decode(ciphertext.as_str().unwrap()).unwrap();
    (envelope[3], u32::from_be_bytes(envelope[8..12].try_into().unwrap()))
}

fn with(item: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut item = item.clone();
    item[member] = value.into();
    item
}

#[test]
fn an_older_envelope_comes_back_under_the_current_version_and_a_current_one_unchanged() {
    let world = world();
    let absensi = world.absensi();
    let old = with(&seal(&absensi, GCM, "nik"), "ref", "satu");
    assert_eq!(header(&old["ciphertext"]), (2, 1));
    // Current already: opened, and given back as it was, with no use of the key.
    let uses = || {
        let shown = world.done(&format!("object show {GCM} --project {PROJECT}"));
        shown["object"]["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["uses_reserved"].clone())
            .collect::<Vec<_>>()
    };
    let before = uses();
    let same = reencrypt(&absensi, &old).ok();
    assert_eq!(same, json!({ "ciphertext": old["ciphertext"], "changed": false, "ref": "satu" }));
    assert_eq!(uses(), before);

    // Another version, then another algorithm, both ways.
    rotate(&world, GCM, "");
    rotate(&world, GCM, "--algorithm xaes-256-gcm");
    let new = reencrypt(&absensi, &old).ok();
    assert_eq!((&new["changed"], &new["ref"]), (&json!(true), &json!("satu")));
    assert_eq!(new.as_object().unwrap().len(), 3, "{new}");
    assert_eq!(header(&new["ciphertext"]), (1, 3));
    let fresh = with(&with(&old, "ciphertext", new["ciphertext"].clone()), "ref", "dua");
    assert_eq!(reencrypt(&absensi, &fresh).ok()["changed"], false);
    for item in [&old, &fresh] {
        let opened = absensi.decrypt(item).ok();
        assert_eq!(opened["plaintext"], STANDARD.encode(NIK));
    }
    rotate(&world, GCM, "--algorithm aes-256-gcm-siv");
    let newer = reencrypt(&absensi, &fresh).ok();
    assert_eq!(header(&newer["ciphertext"]), (3, 4));
    // Leased: one use was taken, of the version that seals.
    assert_eq!(uses()[1..], [json!(0), json!(0), json!(1024)]);
    // From every algorithm to every other.
    let object = "semua";
    world.done(&format!("object create {object} --project {PROJECT}"));
    world.grant("encrypt decrypt reencrypt", object, ENDPOINT);
    let mut items = vec![seal(&absensi, object, "nik")];
    for (_, algorithm, _) in ALGORITHMS.into_iter().chain(ALGORITHMS).skip(1) {
        rotate(&world, object, &format!("--algorithm {algorithm}"));
        let answer = reencrypt(&absensi, &json!({ "items": items })).ok();
        assert_eq!(answer["failed"], 0);
        for (item, done) in items.iter_mut().zip(answer["items"].as_array().unwrap()) {
            assert_eq!(done["changed"], true);
            item["ciphertext"] = done["ciphertext"].clone();
            assert_eq!(absensi.decrypt(item).ok()["plaintext"], STANDARD.encode(NIK));
        }
        items.push(seal(&absensi, object, "nik"));
    }
    // As many as an encrypt takes, and what the longest envelope holds.
    let long = json!({ "object": OBJECT, "plaintext": STANDARD.encode(vec![7; 64 << 10]) });
    let long = json!({ "object": OBJECT, "ciphertext": absensi.encrypt(&long).ok()["ciphertext"] });
    rotate(&world, OBJECT, "");
    assert_eq!(reencrypt(&absensi, &long).ok()["changed"], true);
}

#[test]
fn what_would_not_open_is_never_sealed_anew_nor_called_current() {
    let world = world();
    let absensi = world.absensi();
    world.done("project create cabang");
    world.done(&format!("object create {OBJECT} --project cabang"));
    let cabang = world.enrol("cabang", ENDPOINT);
    world.done(&format!(
        "grant create encrypt decrypt reencrypt --project cabang --endpoint {ENDPOINT} --object {OBJECT}"
    ));
    let (nik, nama) = (seal(&absensi, OBJECT, "nik"), seal(&absensi, OBJECT, "nama"));
    let current = |item: &Value| {
        let mut envelope = STANDARD.decode(item["ciphertext"].as_str().unwrap()).unwrap();
        *envelope.last_mut().unwrap() ^= 1;
        with(item, "ciphertext", STANDARD.encode(envelope))
    };
    for is_current in [true, false] {
        let foreign = seal(&cabang, OBJECT, "nik");
        for (what, item) in [
            ("row", with(&nik, "context", json!({ "row": "8", "column": "nik" }))),
            ("column", with(&nik, "ciphertext", nama["ciphertext"].clone())),
            ("context", with(&nik, "context", json!({}))),
            ("object", with(&nik, "object", GCM)),
            ("project", foreign),
            ("a byte", current(&nik)),
        ] {
            let answers = [reencrypt(&absensi, &item), reencrypt(&absensi, &with(&item, "force", true))];
            for answer in answers {
                assert_eq!(answer.problem(), refusal(422, "cannot-open"), "{what}, {is_current}");
                assert_eq!(answer.text(), absensi.decrypt(&item).text(), "{what}");
            }
        }
        assert_eq!(reencrypt(&cabang, &nik).problem(), refusal(422, "cannot-open"));
        assert_eq!(reencrypt(&absensi, &nik).ok()["changed"], !is_current);
        rotate(&world, OBJECT, "");
    }
}

#[test]
fn each_item_has_its_own_answer_and_its_own_grant() {
    let world = world();
    let absensi = world.absensi();
    world.done(&format!("object create asing --project {PROJECT}"));
    world.grant("encrypt decrypt", "asing", ENDPOINT);
    let (old, other) = (seal(&absensi, GCM, "nik"), seal(&absensi, "asing", "nik"));
    rotate(&world, GCM, "");
    let fresh = seal(&absensi, GCM, "nik");
    let items = json!({ "items": [
        with(&old, "ref", "a"), other, with(&old, "ciphertext", "?"), with(&old, "object", "tidak-ada"),
        with(&fresh, "ref", "e"), with(&old, "context", json!({ "": "x" })), with(&old, "context", json!({})), old,
    ] });
    let answer = reencrypt(&absensi, &items).ok();
    let told =
        |item: &Value| item["code"].as_str().map_or_else(|| item["changed"].to_string(), str::to_owned);
    let told: Vec<String> = answer["items"].as_array().unwrap().iter().map(told).collect();
    let wanted = [
        "true",
        "not-granted",
        "bad-base64",
        "object-unknown",
        "false",
        "bad-context",
        "cannot-open",
        "true",
    ];
    assert_eq!(told, wanted, "{answer}");
    assert_eq!((&answer["failed"], &answer["items"][4]["ref"]), (&json!(5), &json!("e")));
    assert!(!answer.to_string().contains(&STANDARD.encode(NIK)), "{answer}");

    // To decrypt and to encrypt is no leave to reencrypt, nor the other way round.
    assert_eq!(reencrypt(&absensi, &other).problem(), refusal(403, "not-granted"));
    let mover = world.enrol(PROJECT, "pemindah");
    world.grant("reencrypt", GCM, "pemindah");
    assert_eq!(reencrypt(&mover, &old).ok()["changed"], true);
    assert_eq!(mover.decrypt(&old).problem(), refusal(403, "not-granted"));
    let plain = json!({ "object": GCM, "plaintext": "" });
    assert_eq!(mover.encrypt(&plain).problem(), refusal(403, "not-granted"));
    // It is no member of the others, and has no way in by the published contract.
    assert_eq!(absensi.decrypt(&with(&old, "force", true)).problem(), refusal(400, "unknown-member"));
    assert_eq!(absensi.encrypt(&with(&plain, "force", false)).problem(), refusal(400, "unknown-member"));
    for (body, code) in [
        (plain.clone(), "unknown-member"),
        (with(&old, "force", "ya"), "malformed-json"),
        (with(&old, "force", Value::Null), "malformed-json"),
        (json!({ "items": [old], "force": true }), "unknown-member"),
    ] {
        assert_eq!(reencrypt(&absensi, &body).problem(), refusal(400, code), "{body}");
    }
    // What is retired takes in nothing new; what it has goes on to newer keys.
    world.done(&format!("object retire {GCM} --project {PROJECT}"));
    assert_eq!(absensi.encrypt(&plain).problem(), refusal(409, "object-retired"));
    assert_eq!(reencrypt(&absensi, &old).ok()["changed"], true);
}

/// Puts version 1 of an object's key into another state, behind the daemon's back.
fn compromise(sandbox: &Sandbox, softhsm: &SoftHsm, algorithm: u8) {
    Vault::open(sandbox, softhsm).rewrite_all(Table::KeyVersions, |version: &mut KeyVersion| {
        if (version.version, version.algorithm.id()) == (1, algorithm) {
            let because = Because::system(version.created, "");
            *version = version.clone().compromise(because).unwrap().unwrap();
        }
    });
}

#[test]
fn what_is_under_a_compromised_version_moves_with_force_alone_and_that_is_recorded() {
    in_child(
        "reencrypt::what_is_under_a_compromised_version_moves_with_force_alone_and_that_is_recorded",
        |softhsm| {
            let world = world();
            let (old, sound) = {
                let absensi = world.absensi();
                (seal(&absensi, GCM, "nik"), seal(&absensi, OBJECT, "nik"))
            };
            let World { sandbox, daemon } = world;
            assert!(daemon.stop().success());
            compromise(&sandbox, softhsm, 2);
            // Else housekeeping may be the first to rotate it.
            by_hand(&sandbox);
            let world = World { daemon: sandbox.resume(), sandbox };
            let absensi = world.absensi();

            // Before the key is rotated there is nowhere to go, not even by force.
            assert_eq!(
                reencrypt(&absensi, &with(&old, "force", true)).problem(),
                refusal(409, "key-not-sealing")
            );
            assert_eq!(reencrypt(&absensi, &old).problem(), refusal(409, "key-not-sealing"));
            for object in [GCM, OBJECT] {
                rotate(&world, object, "");
            }
            assert_eq!(reencrypt(&absensi, &old).problem(), refusal(409, "key-compromised"));
            assert_eq!(
                reencrypt(&absensi, &with(&old, "force", false)).problem(),
                refusal(409, "key-compromised")
            );
            let items = json!({ "items": [
            with(&old, "force", true), old, with(&sound, "force", true), sound, with(&with(&old, "context", json!({})), "force", true),
        ] });
            let answer = reencrypt(&absensi, &items).ok();
            let told =
                |at: usize| (answer["items"][at]["changed"].clone(), answer["items"][at]["code"].clone());
            assert_eq!(told(0), (json!(true), Value::Null));
            assert_eq!(told(1), (Value::Null, json!("key-compromised")));
            assert_eq!((told(2), told(3)), ((json!(true), Value::Null), (json!(true), Value::Null)));
            assert_eq!(told(4), (Value::Null, json!("cannot-open")));
            let moved = with(&old, "ciphertext", answer["items"][0]["ciphertext"].clone());
            assert_eq!(absensi.decrypt(&moved).ok()["plaintext"], STANDARD.encode(NIK));
            // Under the new version it needs no force.
            assert_eq!(reencrypt(&absensi, &moved).ok()["changed"], false);

            let listed = world.done("audit list --kind access --act reencrypt --limit 100").to_string();
            assert!(listed.contains(" 1 done 1 under 2 forced"), "{listed}");
            let World { sandbox, daemon } = world;
            assert!(daemon.stop().success());
            let records = Vault::open(&sandbox, softhsm).records();
            let all: Vec<&AccessRecord> = records.iter().filter_map(of_reencrypt).collect();
            let batch = all.iter().find(|record| record.groups.len() > 1).unwrap();
            let mut told: Vec<_> = batch
                .groups
                .iter()
                .map(|group| {
                    let code = group.outcome.map_or("done", |code| code.as_str());
                    (code, group.key_version, group.anew, group.fields, group.bytes)
                })
                .collect();
            told.sort_unstable_by_key(|group| (group.0, group.3));
            let anew = |key_version, forced| Some(Anew { key_version, forced });
            let length = NIK.len() as u64;
            assert_eq!(
                told,
                [
                    ("cannot-open", 1, anew(0, true), 1, 0),
                    ("done", 1, anew(2, true), 1, length),
                    // Force where none is needed says nothing.
                    ("done", 1, anew(2, false), 2, 2 * length),
                    ("key-compromised", 1, None, 1, 0),
                ]
            );
            // What was current says under which it is, and that nothing was sealed.
            let last = &all.last().unwrap().groups;
            assert_eq!((last[0].key_version, last[0].anew), (2, None));
            crate::support::recount::statistics_equal_a_recount(&Vault::open(&sandbox, softhsm).store);
        },
    );
}

fn of_reencrypt(record: &Record) -> Option<&AccessRecord> {
    match record {
        Record::Access(access) if access.operation == Some(Operation::Reencrypt) => Some(access),
        _ => None,
    }
}

#[test]
fn what_is_not_sealed_anew_costs_the_key_no_use() {
    let world = world();
    let personal = "pegawai";
    std::fs::write(world.sandbox.path("nik.toml"), "subject = \"nik\"\n").unwrap();
    let of_personal = format!("{personal} --project {PROJECT}");
    world.done(&format!("object create {of_personal} --algorithm aes-256-gcm --schema nik.toml"));
    world.grant("encrypt reencrypt", personal, ENDPOINT);
    let absensi = world.absensi();
    let context = json!({ "nik": "3602041211870001" });
    let sealed = absensi.encrypt(&json!({ "object": personal, "plaintext": "", "context": context })).ok();
    let good = json!({ "object": personal, "ciphertext": sealed["ciphertext"], "context": context });
    let nobodys = json!({ "object": personal, "ciphertext": sealed["ciphertext"] });
    rotate(&world, personal, "");
    let reserved = || {
        let shown = world.done(&format!("object show {of_personal}"));
        shown["object"]["versions"][1]["uses_reserved"].clone()
    };
    assert_eq!(reserved(), 0);
    let many = |item: &Value, count: usize| json!({ "items": vec![item.clone(); count] });
    // Without the subject, and of another one: refused before it is opened, and by that.
    for _ in 0..3 {
        let answer = reencrypt(&absensi, &many(&nobodys, 1_000)).ok();
        assert_eq!((&answer["failed"], reserved()), (&json!(1_000), json!(1_024)));
    }
    let another = with(&good, "context", json!({ "nik": "3602041211870002" }));
    for count in [1_000, 1, 1_000] {
        assert_eq!(reencrypt(&absensi, &many(&another, count)).ok()["failed"], count);
    }
    assert_eq!(reserved(), 1_024);
    // What is sealed counts, all of it.
    assert_eq!(reencrypt(&absensi, &many(&good, 1_000)).ok()["failed"], 0);
    let mut mixed = vec![good; 24];
    mixed.splice(12..12, [nobodys]);
    mixed.pop();
    assert_eq!(reencrypt(&absensi, &json!({ "items": mixed })).ok()["failed"], 1);
    assert_eq!(reserved(), 1_024, "one is left");
    assert_eq!(reencrypt(&absensi, &many(&mixed[0], 1)).ok()["failed"], 0);
    assert_eq!(reserved(), 1_024);
    assert_eq!(reencrypt(&absensi, &many(&mixed[0], 1)).ok()["failed"], 0);
    assert_eq!(reserved(), 1_024 + 2_048);
}
