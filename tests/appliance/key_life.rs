//! What becomes of key versions: who may do it, what it does to encrypting and decrypting at once, and what is told of it.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::book::Book;
use crate::client::refusal;
use crate::key_turns::by_hand;
use crate::second_person::{Person, member, person};
use crate::support::daemon::{OBJECT, PROJECT, Sandbox};
use crate::world::World;

pub(crate) fn key(world: &World, verb: &str, more: &str) -> Value {
    let (verb, version) = verb.split_once(' ').unwrap_or((verb, ""));
    let words = format!("key {verb} {OBJECT} {version} --project {PROJECT} {more}");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    world.done(&words)["key-version"].clone()
}

fn refused(world: &World, words: &str) -> String {
    let words = format!("key {words} --project {PROJECT}");
    world.sandbox.refused(&words.split_whitespace().collect::<Vec<_>>())
}

pub(crate) fn sealed(ciphertext: &str) -> Value {
    json!({ "object": OBJECT, "ciphertext": ciphertext })
}

pub(crate) fn version_of(ciphertext: &str) -> u8 {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(ciphertext).unwrap()[11]
}

fn in_seconds(seconds: i64) -> String {
    (OffsetDateTime::now_utc() + time::Duration::seconds(seconds)).format(&Rfc3339).unwrap()
}

/// Every verb on the keys of an object, for the document of the API.
pub(crate) fn every_verb(book: &mut Book) {
    book.resource("PUT", "/v1/projects/gudang/objects/barang/rotation", json!({ "after_days": 90 }));
    let versions = "/v1/projects/gudang/objects/barang/key-versions";
    book.resource("GET", versions, Value::Null);
    book.resource("GET", &format!("{versions}/1"), Value::Null);
    for verb in ["disable", "enable", "compromise"] {
        book.resource("POST", &format!("{versions}/1/{verb}"), json!({ "reason": "uji" }));
    }
    let windows = json!({ "decrypt_until": "2099-01-01T00:00:00Z", "reason": "uji" });
    book.resource("PUT", &format!("{versions}/1/windows"), windows);
    let asked = book
        .resource("POST", &format!("{versions}/1/destruction"), json!({ "days": 7, "reason": "uji" }))
        .json();
    let officer = book.people[3].clone();
    let give = format!("/v1/approvals/{}/give", asked["id"].as_str().unwrap());
    book.ask(&officer, "POST", &give, &[], &json!({})).ok();
    book.resource("POST", &format!("{versions}/1/destruction/cancel"), json!({ "reason": "uji" }));
}

#[test]
fn a_disabled_version_does_nothing_until_it_is_enabled() {
    let world = World::new("");
    let absensi = world.absensi();
    let first = absensi.seal(OBJECT, b"satu");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let second = absensi.seal(OBJECT, b"dua");
    assert_eq!((version_of(&first), version_of(&second)), (1, 2));
    assert_eq!(absensi.open(OBJECT, &first), b"satu");
    let in_memory = world.status()["data_keys"].as_u64().unwrap();

    let shown = key(&world, "disable 1", "--reason uji");
    assert_eq!((&shown["version"]["state"], &shown["current"]), (&json!("disabled"), &json!(false)));
    assert_eq!(shown["next"], json!(["enable", "schedule-destruction"]));
    assert_eq!(world.status()["data_keys"].as_u64(), Some(in_memory - 1), "its key is out of memory");
    assert_eq!(absensi.decrypt(&sealed(&first)).problem(), refusal(409, "key-disabled"));
    assert_eq!(absensi.open(OBJECT, &second), b"dua", "the other one serves");
    // It is so already, and nothing is recorded of it.
    key(&world, "disable 1", "--reason lagi");
    // A stranger to the key is told nothing of it.
    let other = world.enrol(PROJECT, "gaji");
    assert_eq!(other.decrypt(&sealed(&first)).problem(), refusal(403, "not-granted"));
    // Nor what carries another key's id.
    let mut foreign = first.clone().into_bytes();
    foreign[8] = if foreign[8] == b'A' { b'B' } else { b'A' };
    let foreign = String::from_utf8(foreign).unwrap();
    assert_eq!(absensi.decrypt(&sealed(&foreign)).problem(), refusal(422, "cannot-open"));

    let world = world.restart();
    let absensi = world.absensi();
    assert_eq!(absensi.decrypt(&sealed(&first)).problem(), refusal(409, "key-disabled"));
    let shown = key(&world, "enable 1", "--reason selesai");
    assert_eq!(shown["version"]["state"], "decrypt_only");
    assert_eq!(absensi.open(OBJECT, &first), b"satu");
    let moves: Vec<(&str, &str)> = shown["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["what"].as_str().unwrap(), one["state"].as_str().unwrap()))
        .collect();
    assert_eq!(
        moves,
        [
            ("make", "active"),
            ("step-down", "decrypt_only"),
            ("disable", "disabled"),
            ("enable", "decrypt_only")
        ]
    );
    assert_eq!(shown["moves"][2]["reason"], "uji");
    let output = world.sandbox.run(&["key", "show", OBJECT, "1", "--project", PROJECT]);
    let text = String::from_utf8(output.stdout).unwrap();
    for (number, told) in [(2, "disable -> disabled"), (3, "enable -> decrypt_only")] {
        let one = &shown["moves"][number];
        let [when, who, why] = ["time", "actor", "reason"].map(|part| one[part].as_str().unwrap());
        assert!(text.contains(&format!("{when}  {told}  {who}: {why}\n")), "{text}");
    }

    // The one that encrypts can be stopped, too; nothing else takes over.
    key(&world, "disable 2", "--reason uji");
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(absensi.encrypt(&item).problem(), refusal(409, "key-not-sealing"));
    assert_eq!(absensi.decrypt(&sealed(&second)).problem(), refusal(409, "key-disabled"));
    key(&world, "enable 2", "--reason uji");
    assert_eq!(version_of(&absensi.seal(OBJECT, b"")), 2);
    for (words, code) in [
        ("show karyawan 9", "not-found"),
        ("disable karyawan 0 --reason uji", "not-found"),
        ("show lain 1", "not-found"),
    ] {
        assert_eq!(refused(&world, words), code, "{words}");
    }
    let acts: Vec<Value> = world.trail().iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts.iter().filter(|act| **act == "key.disable").count(), 2);
    let listed = world.done(&format!("key list {OBJECT} --project {PROJECT}"));
    assert_eq!(listed["key-versions"]["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_compromised_version_encrypts_no_more_and_another_takes_over() {
    // Else housekeeping may replace at any moment what is compromised and current.
    let sandbox = Sandbox::new();
    by_hand(&sandbox);
    let world = World::over(sandbox, "");
    let absensi = world.absensi();
    let first = absensi.seal(OBJECT, b"satu");
    let shown = key(&world, "compromise 1", "--reason bocor");
    assert_eq!(shown["version"]["state"], "compromised");
    assert_eq!(shown["next"], json!(["reencrypt", "look-what-depends", "schedule-destruction"]));
    let second = absensi.seal(OBJECT, b"dua");
    assert_eq!(version_of(&second), 2, "the next one is there when the answer is");
    assert_eq!(absensi.open(OBJECT, &first), b"satu", "what there is opens");
    let trail = world.trail();
    let entry = trail.iter().rev().find(|entry| entry["act"] == "key.compromise").unwrap();
    let detail = |name: &str| entry["details"][name].as_str().map(str::to_owned);
    assert_eq!((detail("reason").as_deref(), detail("next-version").as_deref()), (Some("bocor"), Some("2")));

    // Said again, nothing becomes of it, and the reason is on record all the same.
    let again = key(&world, "compromise 1", "--reason dijual");
    assert_eq!((&again["version"]["state"], &again["moves"]), (&shown["version"]["state"], &shown["moves"]));
    let trail = world.trail();
    let said = trail.iter().filter(|entry| entry["act"] == "key.compromise").map(|entry| &entry["details"]);
    let said: Vec<_> = said.map(|details| (&details["reason"], &details["again"])).collect();
    assert_eq!(said, [(&json!("bocor"), &Value::Null), (&json!("dijual"), &json!("yes"))]);
    assert!(trail.iter().rev().find(|entry| entry["act"] == "key.compromise").unwrap()["actor"].is_string());
    assert_eq!(version_of(&absensi.seal(OBJECT, b"")), 2, "and nothing takes over once more");

    // A closed one stays closed, and is compromised when it is opened again.
    key(&world, "disable 2", "--reason uji");
    assert_eq!(key(&world, "compromise 2", "--reason bocor")["version"]["state"], "disabled");
    assert_eq!(key(&world, "enable 2", "--reason uji")["version"]["state"], "compromised");
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(absensi.encrypt(&item).problem(), refusal(409, "key-not-sealing"));
    assert_eq!(key(&world, "show 2", "")["next"][0], "rotate");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT} --reason uji"));
    assert_eq!(version_of(&absensi.seal(OBJECT, b"")), 3);

    for (language, next) in
        [("en", "next          1. look what may"), ("id", "selanjutnya   1. periksa apa yang")]
    {
        let words = ["--language", language, "key", "show", OBJECT, "1", "--project", PROJECT];
        let output = world.sandbox.run(&words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(next) && text.contains("bocor"), "{text}");
    }
}

#[test]
fn windows_end_encrypting_and_decrypting_by_the_clock() {
    let sandbox = Sandbox::new();
    by_hand(&sandbox);
    let world = World::over(sandbox, "");
    let absensi = world.absensi();
    let first = absensi.seal(OBJECT, b"satu");
    let (soon, later, far) = (in_seconds(15), in_seconds(20), in_seconds(9_000));
    assert_eq!(
        refused(&world, &format!("windows {OBJECT} 1 --reason uji --decrypt-until {far}")),
        "bad-request"
    );
    let past = in_seconds(-5);
    assert_eq!(
        refused(&world, &format!("windows {OBJECT} 1 --reason uji --encrypt-until {past}")),
        "bad-request"
    );
    let both = format!("--encrypt-until {soon} --decrypt-until {far} --reason uji");
    let shown = key(&world, "windows 1", &both);
    assert!(shown["version"]["encrypt_until"].is_string(), "{shown}");
    let longer = in_seconds(99_000);
    key(&world, "windows 1", &format!("--decrypt-until {longer} --reason audit"));
    key(&world, "windows 1", &format!("--decrypt-until {later} --reason uji"));

    // Nobody tells the daemon: its own time does.
    let item = json!({ "object": OBJECT, "plaintext": "" });
    world.daemon.wait_until("the window to encrypt is over", || absensi.encrypt(&item).status == 409);
    assert_eq!(absensi.encrypt(&item).problem(), refusal(409, "key-not-sealing"));
    world
        .daemon
        .wait_until("the window to decrypt is over", || absensi.decrypt(&sealed(&first)).status == 409);
    assert_eq!(absensi.decrypt(&sealed(&first)).problem(), refusal(409, "key-window-over"));
    let body = absensi.published_body(OBJECT, "dekrip", &first).to_string();
    assert_eq!(absensi.published(body).gagal(), refusal(409, "key-window-over"));
    let batch = json!({ "items": [sealed(&first), sealed("R0IB")] });
    let batch = absensi.decrypt(&batch).ok();
    assert_eq!(
        (&batch["items"][0]["code"], &batch["items"][1]["code"]),
        (&json!("key-window-over"), &json!("cannot-open"))
    );
    // Given more time, it opens again.
    key(&world, "windows 1", "--decrypt-until never --reason sengketa");
    assert_eq!(absensi.open(OBJECT, &first), b"satu");
    // The next version is made with windows of its own.
    let rotate =
        format!("key rotate {OBJECT} --project {PROJECT} --encrypt-until {far} --decrypt-until {longer}");
    world.done(&rotate);
    assert_eq!(version_of(&absensi.seal(OBJECT, b"")), 2);
    assert!(key(&world, "show 2", "")["version"]["decrypt_until"].is_string());
    assert_eq!(
        refused(&world, &format!("windows {OBJECT} 1 --reason uji --encrypt-until {far}")),
        "wrong-key-state"
    );
}

#[test]
fn members_move_keys_and_an_officer_stops_one() {
    let world = World::new("");
    let first = world.absensi().seal(OBJECT, b"satu");
    let (siti, opsir) = (member(&world, "siti"), person(&world, "opsir", "officer"));
    let (admin, stranger) = (Person(world.admin()), person(&world, "joko", "user"));
    let path = |verb: &str| format!("/v1/projects/{PROJECT}/objects/{OBJECT}/key-versions/1{verb}");
    for verb in ["/disable", "/enable"] {
        assert_eq!(admin.post(&path(verb), &json!({})).problem(), refusal(403, "forbidden"), "{verb}");
        assert_eq!(stranger.post(&path(verb), &json!({})).problem(), refusal(404, "not-found"), "{verb}");
        assert_eq!(opsir.post(&path(verb), &json!({})).problem(), refusal(403, "forbidden"), "{verb}");
        assert_eq!(siti.post(&path(verb), &json!({ "reason": "uji" })).status, 200, "{verb}");
    }
    assert_eq!(siti.get(&path("")).ok()["moves"].as_array().unwrap().len(), 3);
    nothing_is_moved_without_a_word(&world, &siti);
    assert_eq!(siti.get(&path("")).ok()["version"]["state"], "active", "nothing became of it");
    let compromised = opsir.post(&path("/compromise"), &json!({ "reason": "kata sandi bocor" }));
    assert_eq!(compromised.status, 200, "{}", compromised.text());
    an_officer_sees_what_it_stopped(&world, &siti, &opsir, &compromised.json());
    assert_eq!(world.absensi().open(OBJECT, &first), b"satu");
}

/// Whatever becomes of a version that exists, somebody says why; by which way it is asked for.
fn nothing_is_moved_without_a_word(world: &World, siti: &Person) {
    let path = |verb: &str| format!("/v1/projects/{PROJECT}/objects/{OBJECT}/key-versions/1/{verb}");
    for (method, verb) in [
        ("POST", "compromise"),
        ("POST", "destruction"),
        ("POST", "disable"),
        ("POST", "enable"),
        ("POST", "destruction/cancel"),
        ("PUT", "windows"),
    ] {
        for said in [json!({}), json!({ "reason": "" }), json!({ "reason": "a\nb" })] {
            let answer = siti.0.insist(
                method,
                &path(verb),
                &[("content-type", "application/json")],
                said.to_string().as_bytes(),
            );
            assert_eq!(answer.problem(), refusal(400, "bad-request"), "{verb} {said}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("one line"), "{}", answer.text());
        }
    }
    for verb in ["compromise", "schedule-destruction", "disable", "enable", "cancel-destruction", "windows"] {
        let output = world.sandbox.run(&["key", verb, OBJECT, "1", "--project", PROJECT]);
        assert_eq!(output.status.code(), Some(2), "{verb}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--reason"), "{verb} {output:?}");
    }
}

/// Whose each step is, and nothing of who works with the key.
fn an_officer_sees_what_it_stopped(world: &World, siti: &Person, opsir: &Person, compromised: &Value) {
    let object = format!("/v1/projects/{PROJECT}/objects/{OBJECT}");
    let shown = opsir.get(&format!("{object}/key-versions/1")).ok();
    assert_eq!(&shown, compromised);
    assert_eq!(shown["next"], json!(["reencrypt", "look-what-depends", "schedule-destruction"]));
    assert_eq!(shown["next_of_members"], json!(["reencrypt", "schedule-destruction"]));
    assert_eq!(siti.get(&format!("{object}/key-versions/1")).ok()["next_of_members"], json!([]));
    assert_eq!(shown["version"]["uses"]["uses"], 1);
    assert_eq!(opsir.get(&object).ok()["versions"].as_array().unwrap().len(), 2);
    let project = opsir.get(&format!("/v1/projects/{PROJECT}")).ok();
    assert_eq!(project["objects"][0]["name"], OBJECT);
    assert!(project["endpoints"].is_null() && project["project"]["kek_version"] == 1, "{project}");
    assert_eq!(opsir.get("/v1/projects").ok()["items"][0]["name"], PROJECT);
    assert_eq!(opsir.get("/v1/status").ok()["state"], "operational");
    // What it mistypes is said to be what it mistyped.
    let wrong = opsir.post(
        &format!("/v1/projects/{PROJECT}/objects/nihil/key-versions/1/compromise"),
        &json!({ "reason": "uji" }),
    );
    assert_eq!(wrong.problem(), refusal(404, "not-found"));
    assert!(wrong.json()["detail"].as_str().unwrap().contains("object \"nihil\""), "{}", wrong.text());
    // The operator asks for no destruction: that has a name.
    let verb = ["key", "show", OBJECT, "1", "--project", PROJECT];
    for (language, step) in [("en", "(a step of the project's members)"), ("id", "(langkah anggota proyek)")]
    {
        let output = world.sandbox.run(&[&["--language", language], &verb[..]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let theirs: Vec<&str> = said.lines().filter(|line| line.ends_with(step)).collect();
        assert!(theirs.len() == 1 && theirs[0].contains("schedule-destruction"), "{said}");
    }
}
