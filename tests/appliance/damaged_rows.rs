//! Exactly one row rots, and an operator accepts it: whoever needs it is told so by its name, in lists, proofs and refusals; nothing
//! beside it suffers, nothing of it goes away without a word, and what can be made in its place is made.

use std::fs;

use gembok::crypto::hex::to_hex;
use gembok::domain::cbor;
use gembok::domain::key_version::KeyVersion;
use gembok::store::{RowName, Table};
use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::key_life::{sealed, version_of};
use crate::key_verify::verify;
use crate::rotten_rows::rot;
use crate::second_person::{Person, member};
use crate::store_damage::started_locked;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::{Vault, row_keys};
use crate::world::World;

/// An object beside the one that every world has.
const OTHER: &str = "rusak";

/// Lets the one row rot that is wanted, and starts again over what the operator accepts: that, and the row's name.
fn rotten(world: World, table: Table, is_wanted: impl Fn(&[u8]) -> bool) -> (World, String) {
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let keys = row_keys(&sandbox, table);
    let key = keys.iter().find(|key| is_wanted(key)).unwrap();
    rot(&sandbox, table, key);
    let world = started_locked(sandbox);
    world.done("unlock --accept-damage");
    (world, RowName::new(table, key).to_string())
}

/// The same, and lets the application in again.
fn rotten_beside(world: World, table: Table, is_wanted: impl Fn(&[u8]) -> bool) -> (World, String) {
    let (world, row) = rotten(world, table, is_wanted);
    world.enable();
    world.raise_budgets();
    (world, row)
}

/// What leads to an object's rows.
fn object(world: &World, name: &str) -> Value {
    world.done(&format!("object show {name} --project {PROJECT}"))["object"]["object"].clone()
}

fn is_version(object: &Value, version: u32) -> impl Fn(&[u8]) -> bool + use<> {
    let wanted = format!("{}{version:08x}", object["key_id"].as_str().unwrap());
    move |key| to_hex(key) == wanted
}

/// The id of a thing as it stands in row keys.
fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().replace('-', "")
}

/// What a terminal is told by a verb that is not done.
fn undone(world: &World, words: &str) -> String {
    let output = world.sandbox.run(&words.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Each of these verbs is told by a sentence that names the row.
fn assert_names(world: &World, row: &str, verbs: &[&str]) {
    for words in verbs {
        let said = undone(world, &format!("{words} --project {PROJECT}"));
        assert!(said.contains(&format!("{row} is damaged")), "{words}: {said}");
    }
}

/// A caller learns that there is a fault, and the log which row it is about.
fn assert_fault(world: &World, answer: &Answer, row: &str) {
    assert_eq!(answer.problem(), refusal(500, "fault"));
    assert!(!answer.text().contains(row), "{}", answer.text());
    let named = |line: &Value| line["fault"].as_str().is_some_and(|what| what.contains(row));
    assert!(world.daemon.said("fault").any(|line| named(&line)), "{row}");
}

/// What `key verify` does not prove: rows, and why.
fn unproved(world: &World) -> Vec<(String, String)> {
    let (is_well, verified) = verify(world, "");
    let failed = verified["failed"].as_array().unwrap();
    assert_eq!(is_well, failed.is_empty());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    failed.iter().map(|one| (text(&one["row"]), text(&one["why"]))).collect()
}

#[test]
fn a_damaged_key_version_costs_what_it_sealed_and_nothing_else() {
    let world = World::new("");
    let siti = member(&world, "siti");
    let first = world.absensi().seal(OBJECT, b"satu");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let second = world.absensi().seal(OBJECT, b"dua");
    world.grant("reencrypt", OBJECT, ENDPOINT);
    let is_first = is_version(&object(&world, OBJECT), 1);
    drop(siti);
    let (world, row) = rotten_beside(world, Table::KeyVersions, is_first);
    world.done("user enable siti");
    let absensi = world.absensi();

    assert_fault(&world, &absensi.decrypt(&sealed(&first)), &row);
    assert_fault(&world, &absensi.v1("reencrypt", sealed(&first).to_string()), &row);
    let batch = absensi.decrypt(&json!({ "items": [sealed(&first), sealed(&second)] })).ok();
    assert_eq!((&batch["failed"], &batch["items"][0]["code"]), (&json!(1), &json!("fault")));
    assert_eq!(batch["items"][1]["plaintext"], "ZHVh");
    assert_eq!(version_of(&absensi.seal(OBJECT, b"tiga")), 2);

    let path = format!("/v1/projects/{PROJECT}/objects/{OBJECT}/key-versions");
    let siti = Person(world.control(Some("siti/user")));
    let listed = siti.get(&path).ok()["items"].clone();
    assert_eq!((&listed[0]["damaged"], &listed[1]["state"]), (&json!(row), &json!("active")));
    let asked = json!({ "reason": "uji", "days": 7 });
    assert_fault(&world, &siti.post(&format!("{path}/1/destruction"), &asked), &row);
    let moves = ["disable", "enable", "compromise", "cancel-destruction", "windows"]
        .map(|verb| format!("key {verb} {OBJECT} 1 --reason uji"));
    assert_names(&world, &row, &moves.each_ref().map(String::as_str));
    assert_names(&world, &row, &[&format!("key show {OBJECT} 1")]);
    assert_eq!(unproved(&world), [(row.clone(), "damaged".to_owned())]);
    // If its end was scheduled, it does not come, and that is told where ends are.
    let damaged = || world.admin().get("/health/state").json()["destructions"]["damaged"].clone();
    world.done("user enable admin");
    world.daemon.wait_until("all key versions were looked at", || damaged() == 1);
    assert!(world.admin().get("/metrics").text().contains("\ngembok_key_versions_damaged 1\n"));
    for (language, line) in
        [("en", "DESTROYS      damaged key versions"), ("id", "MUSNAH        versi kunci rusak")]
    {
        let said = world.sandbox.run(&["--language", language, "status"]);
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains(line) && said.contains(": 1; gembok key verify"), "{said}");
    }
    // What may be needed yet is not deleted.
    world.done(&format!("object retire {OBJECT} --project {PROJECT}"));
    let said = undone(&world, &format!("object delete {OBJECT} --project {PROJECT}"));
    assert!(said.contains(&format!("Its key version {row} is damaged. (object-in-use)")), "{said}");
    world.done(&format!("object reinstate {OBJECT} --project {PROJECT}"));
    // The report does not count it, and says so.
    let report = world.sandbox.run(&["report", "posture"]);
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("damaged-rows,1\r\n") && report.contains("xaes-256-gcm,active,1,"), "{report}");
}

#[test]
fn a_damaged_object_keeps_its_name_its_grants_and_its_keys() {
    in_child("damaged_rows::a_damaged_object_keeps_its_name_its_grants_and_its_keys", |softhsm| {
        let world = World::new("");
        world.done(&format!("object create {OTHER} --project {PROJECT}"));
        world.grant("encrypt decrypt", OTHER, ENDPOINT);
        let lost = world.absensi().seal(OTHER, b"hilang");
        let found = object(&world, OTHER);
        let (its_id, its_version) = (id(&found), is_version(&found, 1));
        let (world, row) = rotten_beside(world, Table::Objects, |key| to_hex(key) == its_id);
        assert_fault(&world, &world.absensi().decrypt(&json!({ "object": OTHER, "ciphertext": lost })), &row);
        let verbs = [
            "object show rusak",
            "key list rusak",
            "key rotate rusak",
            "key show rusak 1",
            "object retire rusak",
            "object delete rusak",
        ];
        assert_names(&world, &row, &verbs);
        // Nobody gets another object by its name, nor thinks that it is gone.
        let said = undone(&world, &format!("object create {OTHER} --project {PROJECT}"));
        assert!(said.contains("(already-exists)"), "{said}");
        let shown = world.done(&format!("project show {PROJECT}"));
        assert!(shown.to_string().contains(&format!("{{\"damaged\":\"{row}\"}}")), "{shown}");
        let said = undone(&world, &format!("project delete {PROJECT}"));
        assert!(said.contains("1 damaged rows may be its"), "{said}");
        let shown = world.done(&format!("endpoint show {ENDPOINT} --project {PROJECT}"));
        assert!(shown.to_string().contains(&row), "its grants are there: {shown}");

        // Its key goes on to the next KEK, before the one that wraps it goes.
        world.done(&format!("project rotate-kek {PROJECT}"));
        world.daemon.wait_until("the older KEK is destroyed", || {
            world.trail().iter().any(|entry| entry["act"] == "kek.destroy")
        });
        let proof = unproved(&world);
        assert_eq!((proof.len(), proof[0].1.as_str()), (1, "no-owner"), "{proof:?}");
        assert!(world.absensi().encrypt(&json!({ "object": OBJECT, "plaintext": "" })).status == 200);
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let key = row_keys(&sandbox, Table::KeyVersions).into_iter().find(|key| its_version(key)).unwrap();
        let vault = Vault::open(&sandbox, softhsm);
        let stored = vault.store.get(Table::KeyVersions, &key).unwrap().unwrap();
        let version: KeyVersion = cbor::decode(&stored.value).unwrap();
        assert!(version.life.wrapped().is_some_and(|wrapped| wrapped.kek_version > 1));
    });
}

#[test]
fn of_a_damaged_kek_the_next_one_lets_an_object_encrypt_again() {
    let world = World::new("");
    let first = world.absensi().seal(OBJECT, b"satu");
    let (world, row) = rotten_beside(world, Table::Keks, |_| true);
    let absensi = world.absensi();
    assert_fault(&world, &absensi.decrypt(&sealed(&first)), &row);
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_fault(&world, &absensi.encrypt(&item), &row);
    for words in [format!("key rotate {OBJECT}"), "object create baru".to_owned()] {
        let said = undone(&world, &format!("{words} --project {PROJECT}"));
        assert!(said.contains(&row) && said.contains("gembok project rotate-kek"), "{said}");
    }
    let whys = |world: &World| unproved(world).into_iter().map(|(_, why)| why).collect::<Vec<_>>();
    assert_eq!(whys(&world), ["damaged", "no-key-above"]);

    // As the sentence says.
    world.done(&format!("project rotate-kek {PROJECT}"));
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"dua")), b"dua");
    assert_fault(&world, &absensi.decrypt(&sealed(&first)), &row);
    // What hangs on it is there still, and somebody is told.
    world.daemon.wait_until("it is told", || world.status()["keys"]["trouble"].is_string());
    assert_eq!(whys(&world), ["damaged", "no-key-above"]);
    assert!(!world.trail().iter().any(|entry| entry["act"] == "kek.destroy"));
}

#[test]
fn a_damaged_api_key_lets_nobody_in_and_another_takes_its_place() {
    let world = World::new("");
    let listed = world.done(&format!("api-key list --project {PROJECT} --endpoint {ENDPOINT}"));
    let lost = listed["api-keys"]["items"][0]["id"].as_str().unwrap().to_owned();
    let (world, row) = rotten(world, Table::ApiKeys, |_| true);
    world.done(&format!("endpoint enable {ENDPOINT} --project {PROJECT}"));
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_fault(&world, &world.absensi().encrypt(&item), &row);
    for verb in ["revoke", "enable", "show"] {
        let said = undone(&world, &format!("api-key {verb} {lost}"));
        assert!(said.contains("1 whose rows are damaged") && said.contains("(not-found)"), "{verb}: {said}");
    }
    let shown = world.done(&format!("endpoint show {ENDPOINT} --project {PROJECT}"));
    assert!(shown.to_string().contains(&row), "{shown}");
    let api_key = world.api_key(PROJECT, ENDPOINT, "");
    let absensi = crate::world::Application { api_key, ..world.absensi() };
    assert_eq!(absensi.encrypt(&item).status, 200);
}

#[test]
fn a_damaged_endpoint_is_ended_with_all_it_has_and_its_name_is_free() {
    let world = World::new("");
    let (world, row) = rotten(world, Table::Endpoints, |_| true);
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_fault(&world, &world.absensi().encrypt(&item), &row);
    let of = [&format!("endpoint show {ENDPOINT}")[..], &format!("endpoint retire {ENDPOINT}")];
    assert_names(&world, &row, &of);
    let said = undone(&world, &format!("project delete {PROJECT}"));
    assert!(said.contains("1 damaged rows may be its"), "{said}");
    world.done(&format!("endpoint delete {ENDPOINT} --project {PROJECT}"));
    let certificates = world.done("certificate list")["certificates"]["items"].clone();
    let its = |one: &&Value| one["identity"].as_str().unwrap().starts_with("urn:gembok:endpoint:");
    let its: Vec<&Value> = certificates.as_array().unwrap().iter().filter(its).collect();
    assert!(its.len() == 1 && its[0]["revoked"].is_string(), "{its:?}");
    world.done(&format!("endpoint create {ENDPOINT} --project {PROJECT}"));
    let granted = world.done(&format!("grant list --project {PROJECT} --endpoint {ENDPOINT}"));
    assert_eq!(granted["grants"]["items"], json!([]), "the next of that name inherits nothing");
}

#[test]
fn a_damaged_freeze_goes_on_freezing_and_a_damaged_membership_is_none() {
    let world = World::new("");
    fs::write(world.sandbox.path("nik.toml"), "subject = \"nik\"\n").unwrap();
    world.done(&format!("object create {OTHER} --project {PROJECT} --schema nik.toml"));
    world.grant("encrypt decrypt", OTHER, ENDPOINT);
    let siti = member(&world, "siti");
    let item = json!({ "object": OTHER, "plaintext": "QnVkaQ==", "context": { "nik": "3602" } });
    let mut opening = world.absensi().encrypt(&item).ok();
    (opening["object"], opening["context"]) = (item["object"].clone(), item["context"].clone());
    let frozen = format!("/v1/projects/{PROJECT}/frozen-subjects");
    siti.post(&frozen, &json!({ "subject": { "value": "3602" } })).ok();
    let (world, row) = rotten_beside(world, Table::FrozenSubjects, |_| true);
    assert_eq!(world.absensi().decrypt(&opening).problem(), refusal(403, "subject-frozen"));
    let listed = world.done(&format!("subject list --project {PROJECT}"));
    assert!(listed.to_string().contains(&row), "{listed}");
    world.done("user enable siti");
    let siti = Person(world.control(Some("siti/user")));
    siti.post(&format!("{frozen}/unfreeze"), &json!({ "subject": { "value": "3602" } })).ok();
    assert_eq!(world.absensi().decrypt(&opening).ok()["plaintext"], "QnVkaQ==");

    let (world, row) = rotten(world, Table::Members, |_| true);
    world.done("user enable siti");
    let siti = Person(world.control(Some("siti/user")));
    assert_eq!(siti.get(&format!("/v1/projects/{PROJECT}")).problem(), refusal(404, "not-found"));
    let listed = world.done(&format!("project member list --project {PROJECT}"));
    assert!(listed.to_string().contains(&row), "{listed}");
}

#[test]
fn what_damaged_statistics_counted_is_said_to_be_missing() {
    let world = World::new("");
    for _ in 0..3 {
        world.absensi().seal(OBJECT, b"satu");
    }
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let days: Vec<Vec<u8>> =
        row_keys(&sandbox, Table::Statistics).into_iter().filter(|key| key[0] == 3).collect();
    assert_eq!(days.len(), 2, "whole requests, and fields of the object");
    for key in &days {
        rot(&sandbox, Table::Statistics, key);
    }
    // They are no part of what an unlock proves.
    let world = World { daemon: sandbox.resume(), sandbox };
    let told = world.admin().get("/v1/statistics?resolution=day").ok();
    assert_eq!((&told["damaged"], &told["rows"]), (&json!(2), &json!([])));
    assert_eq!(world.admin().get("/v1/statistics?resolution=hour").ok()["damaged"], 0);
    assert_eq!(world.done("statistics --from 1h --resolution day")["statistics"]["damaged"], 2);
    for (language, sentence) in [
        ("en", "2 rows of the statistics are damaged: what they counted is missing here\n"),
        ("id", "2 baris statistik rusak: yang dihitungnya tidak termasuk di sini\n"),
    ] {
        let words = ["--language", language, "statistics", "--from", "1h", "--resolution", "day"];
        let said = String::from_utf8(world.sandbox.run(&words).stdout).unwrap();
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn a_key_version_whose_uses_are_lost_counts_as_used_up_and_the_next_takes_over() {
    let world = World::new("");
    let first = world.absensi().seal(OBJECT, b"satu");
    let (world, row) = rotten_beside(world, Table::KeyUses, |_| true);
    assert_eq!(world.absensi().open(OBJECT, &first), b"satu");
    world.daemon.wait_until("the next takes over", || version_of(&world.absensi().seal(OBJECT, b"")) != 1);
    let rotated = world.trail().into_iter().rfind(|entry| entry["act"] == "key.rotate").unwrap();
    assert_eq!(
        (&rotated["actor"], &rotated["details"]["reason"]),
        (&json!("system"), &json!("half of its uses are used up"))
    );
    let told = world.daemon.said("the uses of a key version are lost: it counts as used up").next().unwrap();
    assert_eq!(told["row"], row);
}
