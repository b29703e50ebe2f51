//! Reports for the duties of UU PDP, made of what was really asked: as rows, as CSV, as a page.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

const BUDI: &str = "3602041211870001";

fn world() -> World {
    let world = World::new("");
    fs::write(world.sandbox.path("nik.toml"), "subject = \"nik\"\n").unwrap();
    world.done(&format!("object create pegawai --project {PROJECT} --schema nik.toml"));
    world.grant("encrypt decrypt", "pegawai", ENDPOINT);
    world.done("project create cabang");
    world.done(&format!("object create {OBJECT} --project cabang"));
    let cabang = world.enrol("cabang", ENDPOINT);
    world.done(&format!("grant create encrypt --project cabang --endpoint {ENDPOINT} --object {OBJECT}"));
    let absensi = world.absensi();
    for nik in [BUDI, "2", BUDI] {
        let item = json!({ "object": "pegawai", "plaintext": "QQ==", "context": { "nik": nik } });
        let sealed = absensi.encrypt(&item).ok();
        let opening =
            json!({ "object": "pegawai", "ciphertext": sealed["ciphertext"], "context": { "nik": nik } });
        absensi.decrypt(&opening).ok();
    }
    assert_eq!(absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": "R0IB" })).status, 422);
    cabang.seal(OBJECT, b"dua");
    let count =
        || world.done("audit list --kind access --limit 100")["audit"]["entries"].as_array().unwrap().len();
    world.daemon.wait_until("all of it is recorded", || count() == 8);
    world
}

fn run(world: &World, words: &str, input: &str) -> Output {
    let words: Vec<&str> = words.split(' ').collect();
    let mut command = world.sandbox.command(&[&["report"], &words[..]].concat());
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who does not read it may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn report(world: &World, words: &str, input: &str) -> Value {
    let output = run(world, &format!("{words} --json"), input);
    assert!(output.status.success(), "{words}: {output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["done"]["report"].clone()
}

fn rows(report: &Value, table: &str) -> Vec<Vec<String>> {
    let tables = report["tables"].as_array().unwrap();
    let table = tables.iter().find(|one| one["name"] == table).unwrap();
    serde_json::from_value(table["rows"].clone()).unwrap()
}

#[test]
fn what_was_processed_is_told_by_period_subject_and_source() {
    let world = world();
    let fingerprint = world.done("audit key")["checkpoint-keys"][0]["fingerprint"].clone();
    let all = report(&world, "processing", "");
    assert_eq!(
        (&all["checkpoint_key"], &all["next"], &all["notes"][0]),
        (&fingerprint, &Value::Null, &json!("sandbox"))
    );
    assert!(all["checkpoint_sequence"].as_u64() > Some(8));
    let endpoint = format!("{PROJECT}/{ENDPOINT}");
    let of = |report: &Value, object: &str, operation: &str| {
        let rows = rows(report, "processing");
        rows.into_iter().find(|row| row[0] == endpoint && row[1] == object && row[2] == operation)
    };
    let opened = of(&all, "pegawai", "decrypt").unwrap();
    assert_eq!(opened[3..6], ["done", "3", "3"]);
    assert_eq!(of(&all, OBJECT, "decrypt").unwrap()[3], "cannot-open");
    assert_eq!(rows(&all, "processing").len(), 4);
    assert_eq!(rows(&report(&world, "processing --project cabang", ""), "processing").len(), 1);
    let none = report(&world, "processing --since 2999-01-01T00:00:00Z", "");
    assert!(rows(&none, "processing").is_empty());

    // One person's trail, by value from standard input; that it was asked for is recorded, the value nowhere.
    let trail = report(&world, &format!("subject --project {PROJECT}"), &format!("{BUDI}\n"));
    let events = rows(&trail, "trail");
    let operations: Vec<&str> = events.iter().map(|row| row[6].as_str()).collect();
    assert_eq!(operations, ["encrypt", "decrypt", "encrypt", "decrypt"]);
    assert!(
        events.iter().all(|row| row[2] == endpoint
            && row[3] == "tests"
            && row[4] == "127.0.0.1"
            && row[9] == "certain")
    );
    assert!(!trail.to_string().contains(BUDI));
    assert!(rows(&report(&world, "subject --project cabang", BUDI), "trail").is_empty());
    let entries = world.trail();
    let asked = entries.iter().filter(|entry| entry["act"] == "report.subject");
    assert_eq!(asked.count(), 2);
    assert!(!world.daemon.log().contains(BUDI) && !json!(entries).to_string().contains(BUDI));

    // By source, with whom it was about.
    let incident = report(&world, &format!("incident --project {PROJECT} --endpoint {ENDPOINT}"), "");
    assert_eq!(rows(&incident, "subjects").len(), 2);
    let uses = rows(&incident, "uses");
    assert!(uses.iter().all(|row| row[0] == endpoint && row[2].len() == 64 && row[3] == "127.0.0.1"));
    let opened = uses.iter().find(|row| row[4] == "pegawai" && row[6] == "decrypt").unwrap();
    assert_eq!(opened[7..11], ["done", "3", "3", "2"]);
    let digest = &uses[0][2];
    assert_eq!(rows(&report(&world, &format!("incident --certificate {digest}"), ""), "uses"), uses);

    for (words, code) in [
        ("incident --endpoint absensi", "bad-request"),
        ("incident --certificate ab", "bad-request"),
        ("incident --api-key x", "bad-request"),
        ("processing --project nowhere", "not-found"),
        ("processing --since today", "bad-request"),
    ] {
        let line = format!("report {words}");
        assert_eq!(world.sandbox.refused(&line.split(' ').collect::<Vec<_>>()), code, "{words}");
    }
}

#[test]
fn a_report_is_a_page_and_a_sheet() {
    let world = world();
    let posture = report(&world, "posture", "");
    let fact = |name: &str| {
        posture["facts"].as_array().unwrap().iter().find(|fact| fact[0] == name).unwrap()[1].clone()
    };
    assert_eq!(
        (fact("backups"), fact("objects"), fact("objects-with-subject")),
        (json!("not-yet"), json!("3"), json!("1"))
    );
    assert_eq!(rows(&posture, "keys")[0][..3], ["xaes-256-gcm", "active", "3"]);
    assert!(rows(&posture, "users").contains(&vec!["admin".into(), "1".into(), "0".into()]));
    assert!(
        rows(&posture, "policies").iter().any(|row| row[0] == "admin-never-decrypts" && row[1] == "forbid")
    );

    let wrote = run(&world, "incident --output insiden.html", "");
    assert!(wrote.status.success(), "{wrote:?}");
    let page = fs::read_to_string(world.sandbox.path("insiden.html")).unwrap();
    for said in [
        "<html lang=\"id\">",
        "Laporan insiden",
        "Pasal 46",
        "Sidik jari kunci publik",
        "enkripsi",
        "@page{size:A4",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    let again = run(&world, "incident --output insiden.html", "");
    assert!(!again.status.success(), "nothing is overwritten");
    assert!(run(&world, "erasure --output hapus.html --language en", "").status.success());
    let page = fs::read_to_string(world.sandbox.path("hapus.html")).unwrap();
    assert!(page.contains("<html lang=\"en\">") && page.contains("Not offered yet"), "{page}");
    let sheet = String::from_utf8(run(&world, "erasure", "").stdout).unwrap();
    assert!(sheet.contains("note,erasure-offered\r\n"), "{sheet}");
    for sentence in
        ["catatan-erasure-offered,\"Tersedia: pencabutan", "catatan-erasure-not-yet,Belum tersedia: "]
    {
        assert!(sheet.contains(sentence), "{sheet}");
    }
    let sheet = run(&world, "processing", "");
    let sheet = String::from_utf8(sheet.stdout).unwrap();
    assert!(sheet.starts_with("name,value\r\nreport,processing\r\n"), "{sheet}");
    assert!(sheet.contains("endpoint,object,operation,outcome,requests,fields,first,last\r\n"), "{sheet}");
    assert!(sheet.contains(&format!("{PROJECT}/{ENDPOINT},pegawai,decrypt,done,3,3,")), "{sheet}");
}

/// The same writers as the command line's, for whoever asks for another form than JSON.
#[test]
fn a_report_comes_in_the_form_that_is_asked_for() {
    let world = world();
    for (name, role) in [("rina", "auditor"), ("siti", "user")] {
        world.done(&format!("user create {name} --role {role}"));
        world.done(&format!("certificate issue --user {name} --out {name}"));
    }
    let client = |who: &str| world.control(Some(&format!("{who}/user")));
    let ask = |who: &str, path: &str, accept: &str| {
        client(who).insist("GET", &format!("/v1/reports/{path}"), &[("accept", accept)], b"")
    };
    let page = ask("rina", "posture", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let page = page.text();
    assert!(page.starts_with("<!doctype html>\n<html lang=\"id\">"), "{page}");
    assert!(
        page.contains("Admin tidak pernah mengerjakan data.")
            && !page.contains("An admin never works on data.")
    );
    let page = ask("rina", "processing", "text/html").text().to_owned();
    assert!(page.contains("<td>Ciphertext tidak dapat dibuka (cannot-open)</td>"), "{page}");
    let csv = ask("rina", "processing", "text/csv");
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    assert!(
        csv.text().starts_with("name,value\r\nreport,processing\r\n") && csv.text().contains("cannot-open")
    );
    for accept in ["application/json", "*/*", "image/png", "application/json, text/csv", ""] {
        assert_eq!(ask("rina", "processing", accept).json()["kind"], "processing", "{accept:?}");
    }
    // A no is a problem document in every form, and no form of anything but a report.
    assert_eq!(ask("siti", "posture", "text/html").problem(), refusal(403, "forbidden"));
    let listed = client("rina").insist("GET", "/v1/users", &[("accept", "text/html")], b"");
    assert!(listed.ok()["items"].is_array());
}
