//! Blind indexes: equal values are found and nothing else is told, to nobody but those who were granted it, and only as often as
//! a budget allows.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::domain::access_record::AccessRecord;
use gembok::domain::operation::Operation;
use gembok::domain::refusal::Code;
use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::{Application, World};

/// An object with indexes.
pub(crate) const INDEXED: &str = "pegawai";
pub(crate) const NIK: &str = "3602041211870001";
const OTHER_NIK: &str = "3602041211870002";
const SCHEMA: &str = "[fields.nik]\nnormaliser = \"digits\"\nlength = 16\ndistinct = 50000\nindex = \"unique\"\n\
    [fields.npwp]\nnormaliser = \"digits\"\nlength = 16\ndistinct = 50000\nindex = \"unique\"\n\
    [fields.nama]\nnormaliser = \"text-fold\"\nlength = 100\ndistinct = 50000\nindex = \"truncated\"\nbits = 12\n\
    [fields.kota]\nnormaliser = \"text-fold\"\nlength = 80\ndistinct = 98\nindex = \"none\"\n";

/// An appliance with [`INDEXED`] in two projects, granted to be indexed; `more` stands before its fields.
pub(crate) fn world(more: &str) -> World {
    let world = World::new("");
    fs::write(world.sandbox.path("schema.toml"), format!("{more}{SCHEMA}")).unwrap();
    world.done("project create cabang");
    for project in [PROJECT, "cabang"] {
        world.done(&format!("object create {INDEXED} --project {project} --schema schema.toml"));
    }
    world.grant("encrypt decrypt index", INDEXED, ENDPOINT);
    world
}

/// The same in an appliance that is there, in its first project alone.
pub(crate) fn declare_indexes(world: &World) {
    fs::write(world.sandbox.path("schema.toml"), SCHEMA).unwrap();
    world.done(&format!("object create {INDEXED} --project {PROJECT} --schema schema.toml"));
    world.grant("encrypt index", INDEXED, ENDPOINT);
}

pub(crate) fn item(field: &str, value: &str) -> Value {
    json!({ "object": INDEXED, "field": field, "plaintext": STANDARD.encode(value) })
}

fn ask(application: &Application, item: &Value) -> Answer {
    application.v1("index", item.to_string())
}

#[track_caller]
pub(crate) fn index(application: &Application, field: &str, value: &str) -> String {
    let told = ask(application, &item(field, value)).ok();
    assert_eq!(told.get("previous"), None);
    told["index"].as_str().unwrap().to_owned()
}

#[test]
fn equal_values_are_found_and_no_others() {
    let mut world = world("");
    let absensi = world.absensi();
    let nik = index(&absensi, "nik", NIK);
    assert!(nik.len() == 40 && nik.starts_with("00000001"), "{nik}");
    assert_eq!(index(&absensi, "nik", "36.02.04.121187-0001"), nik);
    let nama = index(&absensi, "nama", "Siti Nurhaliza");
    assert_eq!(index(&absensi, "nama", "  SITI\u{a0}\u{3000}nurhaliza "), nama);
    assert!(nama.len() == 12 && nama.ends_with('0'), "{nama}");

    // Another value, another field, another object, another project: each has its own.
    let cabang = world.enrol("cabang", ENDPOINT);
    let of = format!("--project cabang --endpoint {ENDPOINT} --object {INDEXED}");
    world.done(&format!("grant create index {of}"));
    world.done(&format!("object create lain --project {PROJECT} --schema schema.toml"));
    world.grant("index", "lain", ENDPOINT);
    let mut elsewhere = item("nik", NIK);
    elsewhere["object"] = "lain".into();
    let all = [
        nik.clone(),
        index(&absensi, "nik", OTHER_NIK),
        index(&absensi, "npwp", NIK),
        index(&cabang, "nik", NIK),
        ask(&absensi, &elsewhere).ok()["index"].as_str().unwrap().to_owned(),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");

    // The same after a lock, after a restart, under the object's next key version, and under the project's next KEK.
    world.done("lock");
    assert_eq!(ask(&absensi, &item("nik", NIK)).status, 503);
    world.done("unlock");
    assert_eq!(index(&absensi, "nik", NIK), nik);
    world.done(&format!("key rotate {INDEXED} --project {PROJECT}"));
    world.done(&format!("project rotate-kek {PROJECT}"));
    assert_eq!(index(&absensi, "nik", NIK), nik);
    let is_destroyed = || world.trail().iter().any(|entry| entry["act"] == "kek.destroy");
    world.daemon.wait_until("the KEK that wrapped the root first is no more", is_destroyed);
    let proved = world.done("key verify")["keys-verified"].clone();
    assert_eq!(proved["failed"], json!([]), "{proved}");
    world = world.restart();
    let absensi = Application { client: world.data(Some("client/client")), ..absensi };
    assert_eq!(index(&absensi, "nik", NIK), nik);
    // What is retired is still found.
    world.done(&format!("object retire {INDEXED} --project {PROJECT}"));
    assert_eq!(index(&absensi, "nik", NIK), nik);
    world.done(&format!("object reinstate {INDEXED} --project {PROJECT}"));

    // How many values there are and how long they may be is in no index value; one that was taken away and declared again is
    // another index.
    let set = format!("object schema set {INDEXED} --project {PROJECT} --schema changed.toml");
    let declare = |text: &str, more: &str| {
        fs::write(world.sandbox.path("changed.toml"), text).unwrap();
        world.done(format!("{set} {more}").trim_end());
    };
    let is_asked = |text: &str, said: &str| {
        fs::write(world.sandbox.path("changed.toml"), text).unwrap();
        let output = world.sandbox.run(&set.split(' ').collect::<Vec<_>>());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("(index-given-up)") && error.contains(said), "{error}");
    };
    declare(
        &SCHEMA.replace("distinct = 50000", "distinct = 60000").replace("length = 100", "length = 60"),
        "",
    );
    assert_eq!(
        (index(&absensi, "nik", NIK), index(&absensi, "nama", "Siti Nurhaliza")),
        (nik.clone(), nama.clone())
    );
    // What makes stored values worthless is asked for: another index, none any more, and a field that the file forgets.
    let none = SCHEMA.replace("\"unique\"", "\"none\"");
    is_asked(&none, "Field \"nik\": its index would be taken away");
    is_asked("", "The same holds of ");
    is_asked(
        &SCHEMA.replace("[fields.nik]", "[fields.nomor]"),
        "Field \"nik\": its index would be taken away",
    );
    let cut = SCHEMA.replace("index = \"unique\"", "index = \"truncated\"\nbits = 9");
    is_asked(&cut, "Field \"nik\": with another normaliser or number of bits");
    assert_eq!(index(&absensi, "nik", NIK), nik, "nothing was changed");
    declare(&none, "--new-index");
    assert_eq!(ask(&absensi, &item("nik", NIK)).problem(), refusal(409, "field-not-indexed"));
    assert_eq!(index(&absensi, "nama", "Siti Nurhaliza"), nama);
    // A first index needs no word, and is another one than there was.
    declare(SCHEMA, "");
    let again = index(&absensi, "nik", NIK);
    assert_ne!(again, nik);
    let given_up = world.trail().into_iter().filter(|entry| entry["act"] == "object.set-schema");
    let given_up: Vec<Value> = given_up.map(|entry| entry["details"]["indexes-given-up"].clone()).collect();
    assert_eq!(given_up[given_up.len() - 2..], [json!("nik, npwp"), Value::Null]);
}

#[test]
fn who_may_not_is_told_nothing() {
    let world = world("");
    let absensi = world.absensi();
    let gaji = world.enrol(PROJECT, "gaji");
    world.grant("encrypt decrypt reencrypt", INDEXED, "gaji");
    assert_eq!(ask(&gaji, &item("nik", NIK)).problem(), refusal(403, "not-granted"));
    let refused = |field: &str, value: &str| ask(&absensi, &item(field, value)).problem();
    assert_eq!(refused("alamat", "x"), refusal(404, "field-not-declared"));
    assert_eq!(refused("kota", "Serang"), refusal(409, "field-not-indexed"));
    for (value, rule) in [
        ("360204121187000", "exactly 16 digits"),
        ("36020412118700O1", "digits 0-9"),
        ("", "exactly 16 digits"),
    ] {
        let answer = ask(&absensi, &item("nik", value));
        assert_eq!(answer.problem(), refusal(422, "value-unfit"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(rule) && !detail.contains("3602"), "{detail}");
    }
    assert_eq!(refused("nama", "\u{ad}"), refusal(422, "value-unfit"));
    let of = |members: Value| ask(&absensi, &members).problem();
    let plain = STANDARD.encode(NIK);
    assert_eq!(of(json!({ "object": INDEXED, "plaintext": plain })), refusal(400, "missing-member"));
    assert_eq!(of(json!({ "object": INDEXED, "field": "nik" })), refusal(400, "missing-member"));
    let bound = json!({ "object": INDEXED, "field": "nik", "plaintext": plain, "context": { "row": "7" } });
    assert_eq!(of(bound), refusal(400, "bad-context"));
    assert_eq!(
        of(json!({ "object": "kosong", "field": "nik", "plaintext": plain })),
        refusal(404, "object-unknown")
    );
    assert_eq!(
        of(json!({ "object": OBJECT, "field": "nik", "plaintext": plain })),
        refusal(403, "not-granted")
    );
    world.grant("index", OBJECT, ENDPOINT);
    assert_eq!(
        of(json!({ "object": OBJECT, "field": "nik", "plaintext": plain })),
        refusal(404, "field-not-declared")
    );
    // The others know no field.
    let stray = json!({ "object": INDEXED, "field": "nik", "plaintext": plain }).to_string();
    assert_eq!(absensi.v1("encrypt", stray).problem(), refusal(400, "unknown-member"));

    // A batch is answered item by item.
    let items =
        json!({ "items": [item("nik", NIK), item("nik", "x"), item("nama", "Budi"), item("nik", NIK)] });
    let answer = ask(&absensi, &items).ok();
    let told = |at: usize| answer["items"][at].clone();
    assert_eq!((&answer["failed"], &told(1)["code"]), (&json!(1), &json!("value-unfit")));
    assert_eq!(told(0)["index"], told(3)["index"]);
    assert_eq!(told(0)["index"], index(&absensi, "nik", NIK));

    world.done(&format!("grant revoke index --project {PROJECT} --endpoint {ENDPOINT} --object {INDEXED}"));
    assert_eq!(refused("nik", NIK), refusal(403, "not-granted"));
}

#[test]
fn a_budget_of_its_own_bounds_how_often_anybody_guesses() {
    let world = world("");
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    let absensi = Application { api_key, ..world.absensi() };
    let guesses = |count: usize| ask(&absensi, &json!({ "items": vec![item("nik", NIK); count] }));
    world.done(&format!("budget set --api-key {id} --operation index --fields 10"));
    assert_eq!(guesses(7).ok()["failed"], 0);
    let refused = guesses(4);
    assert_eq!(refused.problem(), refusal(429, "budget-exhausted"));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("budget of 10 indexed fields in 24 hours has 3 left"), "{detail}");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"indexed-fields-api-key\";q=10;w=86400"));
    assert_eq!(guesses(11).problem(), refusal(413, "batch-over-budget"));
    // Also what names no field that there is costs a guess.
    let mut stray = item("nik", NIK);
    stray["field"] = "kosong".into();
    assert_eq!(ask(&absensi, &json!({ "items": vec![stray; 3] })).ok()["failed"], 3);
    assert_eq!(guesses(1).problem(), refusal(429, "budget-exhausted"));
    // Decrypting is charged to another budget, and another API key has its own.
    let sealed = absensi.seal(INDEXED, b"rahasia");
    assert_eq!(absensi.open(INDEXED, &sealed), b"rahasia");
    index(&world.absensi(), "nik", NIK);

    let shown = world.done(&format!("budget show --project {PROJECT} --endpoint {ENDPOINT}"));
    let used: Vec<(String, u64)> = shown["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|budget| budget["name"] == "uji")
        .map(|budget| (budget["operation"].as_str().unwrap().to_owned(), budget["used"].as_u64().unwrap()))
        .collect();
    assert_eq!(used, [("decrypt".to_owned(), 1), ("index".to_owned(), 10), ("reencrypt".to_owned(), 0)]);
    // A raise lets more through, a kill gives nothing back, and the next API key of the line has the same size.
    world.done(&format!("budget raise --api-key {id} --operation index --fields 20 --for 1h"));
    assert_eq!(guesses(5).ok()["failed"], 0);
    let rotated = world.done(&format!("api-key rotate {id} --overlap 1h"));
    let next = rotated["api-key-rotated"]["text"].as_str().unwrap().to_owned();
    let next = Application { api_key: next, ..absensi.clone() };
    let many = json!({ "items": vec![item("nik", NIK); 21] });
    assert_eq!(ask(&next, &many).problem(), refusal(413, "batch-over-budget"));
    let of = format!("--project {PROJECT} --endpoint {ENDPOINT} --operation index");
    world.done(&format!("budget set {of} --fields 15"));
    assert_eq!(guesses(1).problem(), refusal(429, "budget-exhausted"));
    assert!(guesses(1).json()["detail"].as_str().unwrap().starts_with("The endpoint's budget of 15"));
    assert_eq!(
        world.sandbox.refused(&["budget", "set", "--api-key", &id, "--operation", "index", "--fields", "0"]),
        "bad-request"
    );
}

#[test]
fn records_say_what_was_indexed_and_never_the_value() {
    in_child("index::records_say_what_was_indexed_and_never_the_value", |softhsm| {
        let world = world("subject = \"id\"\n");
        let absensi = world.absensi();
        let about = |subject: &str| {
            let mut item = item("nik", NIK);
            item["context"] = json!({ "id": subject });
            item
        };
        // Whoever searches need not know whose it is; who says so is recorded with it.
        let told = ask(&absensi, &item("nik", NIK)).ok();
        assert_eq!(ask(&absensi, &about("pegawai-7")).ok()["index"], told["index"]);
        assert_eq!(ask(&absensi, &item("nik", "x")).problem(), refusal(422, "value-unfit"));
        let mut more = about("pegawai-7");
        more["context"]["row"] = "7".into();
        assert_eq!(ask(&absensi, &more).problem(), refusal(400, "bad-context"));

        let World { sandbox, daemon } = world;
        let log = daemon.log().into_bytes();
        assert!(daemon.stop().success());
        let store = fs::read(sandbox.path("state/gembok.redb")).unwrap();
        let value = told["index"].as_str().unwrap();
        for secret in [NIK, value, "pegawai-7"] {
            for bytes in [&log, &store] {
                assert!(!bytes.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
            }
        }
        let records = Vault::open(&sandbox, softhsm).records();
        let of_index = |record: &Record| match record {
            Record::Access(access) if access.operation == Some(Operation::Index) => Some(access.clone()),
            _ => None,
        };
        let records: Vec<AccessRecord> = records.iter().filter_map(of_index).collect();
        let groups: Vec<_> = records.iter().map(|record| record.groups[0].clone()).collect();
        let said: Vec<_> = groups
            .iter()
            .map(|group| (group.key_version, group.outcome.map(Code::as_str), group.fields, group.bytes))
            .collect();
        assert_eq!(
            said,
            [
                (1, None, 1, 16),
                (1, None, 1, 16),
                (0, Some("value-unfit"), 1, 0),
                (0, Some("bad-context"), 1, 0),
            ]
        );
        assert!(groups[0].subjects.is_none() && groups[1].subjects.is_some());
        let asked: Vec<_> = groups.iter().map(|group| group.object.is_some()).collect();
        assert_eq!(asked, [true; 4]);
    });
}
