//! Rotation of an index root while an application searches: answers carry both values until it has indexed its rows anew, which
//! it does from its ciphertexts, without reading them.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::book::Book;
use crate::client::{Answer, refusal};
use crate::index::{INDEXED, NIK, index, item, world};
use crate::subjects::freeze;
use crate::support::daemon::{ENDPOINT, PROJECT};
use crate::world::{Application, World};

fn ask(application: &Application, item: &Value) -> Answer {
    application.v1("index", item.to_string())
}

fn rotate(world: &World, step: &str) -> Value {
    world.done(&format!("index {step} {INDEXED} --project {PROJECT}"))["object"]["index_roots"].clone()
}

fn versions(roots: &Value) -> Vec<u64> {
    roots.as_array().unwrap().iter().map(|root| root["version"].as_u64().unwrap()).collect()
}

/// The ciphertext of a value as an item to be indexed.
fn sealed(ciphertext: &str, context: Value) -> Value {
    json!({ "object": INDEXED, "field": "nik", "ciphertext": ciphertext, "context": context })
}

#[test]
fn both_values_are_told_until_every_row_is_indexed_anew() {
    let mut world = world("");
    let absensi = world.absensi();
    let old = index(&absensi, "nik", NIK);
    let row = absensi.seal(INDEXED, NIK.as_bytes());
    world.grant("reencrypt", INDEXED, ENDPOINT);
    assert_eq!(
        world.sandbox.refused(&["index", "finish-rotation", INDEXED, "--project", PROJECT]),
        "index-rotation-state"
    );

    assert_eq!(versions(&rotate(&world, "rotate-root")), [1, 2]);
    let told = ask(&absensi, &item("nik", NIK)).ok();
    assert_eq!(told["previous"], old.as_str());
    let new = told["index"].as_str().unwrap().to_owned();
    assert!(new.starts_with("00000002") && new[8..] != old[8..], "{new}");
    // A row is indexed anew from what is stored, and nothing of it comes out.
    let anew = ask(&absensi, &json!({ "items": [sealed(&row, json!({})), item("nik", NIK)] })).ok();
    assert_eq!(anew["items"][0], anew["items"][1]);
    assert_eq!(anew["items"][0], told);
    // One at a time; and it survives a restart and a lock half-way.
    assert_eq!(
        world.sandbox.refused(&["index", "rotate-root", INDEXED, "--project", PROJECT]),
        "index-rotation-state"
    );
    world = world.restart();
    let absensi = Application { client: world.data(Some("client/client")), ..absensi };
    assert_eq!(ask(&absensi, &item("nik", NIK)).ok(), told);

    assert_eq!(versions(&rotate(&world, "finish-rotation")), [2]);
    assert_eq!(index(&absensi, "nik", NIK), new);
    let told = ask(&absensi, &sealed(&row, json!({}))).ok();
    assert_eq!((&told["index"], told.get("previous")), (&json!(new), None));
    // The next one has a number that nothing had before.
    assert_eq!(versions(&rotate(&world, "rotate-root")), [2, 3]);
    let acts: Vec<String> = world
        .trail()
        .iter()
        .filter_map(|entry| entry["act"].as_str().filter(|act| act.starts_with("index.")).map(str::to_owned))
        .collect();
    assert_eq!(acts, ["index.rotate-root", "index.finish-rotation", "index.rotate-root"]);
    // An object without indexes has no root.
    let none = ["index", "rotate-root", "karyawan", "--project", PROJECT];
    assert_eq!(world.sandbox.refused(&none), "index-rotation-state");
}

#[test]
fn a_ciphertext_is_indexed_by_whoever_may_have_it_opened_and_by_nobody_else() {
    let world = world("subject = \"id\"\nrequired_context = [\"baris\"]\n");
    let absensi = world.absensi();
    let plain = |subject: &str, row: &str| json!({ "object": INDEXED, "plaintext": "MzYwMjA0MTIxMTg3MDAwMQ==", "context": { "id": subject, "baris": row } });
    let row = absensi.encrypt(&plain("budi", "7")).ok()["ciphertext"].as_str().unwrap().to_owned();
    let of = |subject: &str, row: &str| json!({ "id": subject, "baris": row });
    let asked = |context: Value| ask(&absensi, &sealed(&row, context)).problem();

    // Index alone is not enough: it could have every row compared with guesses.
    assert_eq!(asked(of("budi", "7")), refusal(403, "not-granted"));
    world.grant("reencrypt", INDEXED, ENDPOINT);
    let told = ask(&absensi, &sealed(&row, of("budi", "7"))).ok();
    assert_eq!(told["index"], index(&absensi, "nik", NIK));
    // Of another row, of nobody, of another object's key, altered: the same as a decrypt's.
    assert_eq!(asked(of("budi", "8")), refusal(422, "cannot-open"));
    assert_eq!(asked(json!({ "baris": "7" })), refusal(400, "context-required"));
    let foreign = absensi.seal("karyawan", NIK.as_bytes());
    assert_eq!(ask(&absensi, &sealed(&foreign, of("budi", "7"))).problem(), refusal(422, "cannot-open"));
    let both = json!({ "object": INDEXED, "field": "nik", "ciphertext": row, "plaintext": "MQ==" });
    assert_eq!(ask(&absensi, &both).problem(), refusal(400, "unknown-member"));
    // What is in it has to be a value of the field, and what it is not is not said.
    let name =
        absensi.encrypt(&json!({ "object": INDEXED, "plaintext": "QnVkaQ==", "context": of("budi", "7") }));
    let name = name.ok()["ciphertext"].as_str().unwrap().to_owned();
    let unfit = ask(&absensi, &sealed(&name, of("budi", "7")));
    assert_eq!(unfit.problem(), refusal(422, "value-unfit"));
    assert!(!unfit.text().contains("Budi"), "{}", unfit.text());

    // Whoever is frozen is not opened for this either; others are, and what is asked for in clear opens nothing.
    let other = absensi.encrypt(&plain("siti", "8")).ok()["ciphertext"].as_str().unwrap().to_owned();
    freeze(&world, "freeze", "budi");
    assert_eq!(asked(of("budi", "7")), refusal(403, "subject-frozen"));
    ask(&absensi, &sealed(&other, of("siti", "8"))).ok();
    index(&absensi, "nik", NIK);

    // Every one is charged to the budget of indexed fields and none to that of decrypted ones.
    let shown = world.done(&format!("budget show --project {PROJECT} --endpoint {ENDPOINT}"));
    let used = |operation: &str| {
        let budgets = shown["budgets"].as_array().unwrap();
        budgets.iter().find(|budget| budget["operation"] == operation).unwrap()["used"].as_u64().unwrap()
    };
    assert!(used("index") >= 8 && used("decrypt") == 0, "{shown}");
    // Nor does it go on when the grant is gone.
    world.done(&format!(
        "grant revoke reencrypt --project {PROJECT} --endpoint {ENDPOINT} --object {INDEXED}"
    ));
    assert_eq!(ask(&absensi, &sealed(&other, of("siti", "8"))).problem(), refusal(403, "not-granted"));
}

/// Every way to ask for an index, for the document of the API: one value, a batch, what is stored; and noes.
pub(crate) fn index_calls(world: &World, book: &mut Book, absensi: &Application) {
    let bearer = absensi.bearer();
    let right = [("authorization", bearer.as_str())];
    let path = absensi.path("index");
    let client = &absensi.client;
    let unfit = json!({ "object": INDEXED, "field": "nik", "plaintext": "" });
    book.ask(client, "POST", &path, &right, &item("nik", NIK)).ok();
    let batch = json!({ "items": [item("nik", NIK), unfit] });
    assert_eq!(book.ask(client, "POST", &path, &right, &batch).ok()["failed"], 1);
    assert_eq!(book.ask(client, "POST", &path, &right, &unfit).status, 422);
    world.grant("reencrypt", INDEXED, ENDPOINT);
    rotate(world, "rotate-root");
    let stored = sealed(&absensi.seal(INDEXED, NIK.as_bytes()), json!({}));
    let both = book.ask(client, "POST", &path, &right, &stored).ok();
    assert!(both["previous"].is_string(), "{both}");
}

#[test]
fn no_root_is_lost_while_its_kek_is_rotated_away() {
    let world = world("");
    let absensi = world.absensi();
    let rows =
        |what: &str| world.done(&format!("key verify --project {PROJECT}"))["keys-verified"][what].clone();
    thread::scope(|scope| {
        let keks = scope.spawn(|| {
            for _ in 0..12 {
                // As many as may be under way at a time.
                let asked = ["project", "rotate-kek", PROJECT];
                while !world.sandbox.run(&asked).status.success() {
                    thread::sleep(Duration::from_millis(50));
                }
            }
        });
        while !keks.is_finished() {
            rotate(&world, "rotate-root");
            rotate(&world, "finish-rotation");
        }
        keks.join().unwrap();
    });
    world.daemon.wait_until("the KEKs before are no more", || rows("destroyed") == 12);
    assert_eq!(rows("failed"), json!([]));
    let told = ask(&absensi, &item("nik", NIK)).ok();
    assert!(told["index"].is_string(), "{told}");
}
