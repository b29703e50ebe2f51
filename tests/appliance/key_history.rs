//! What a key version went through stays told: who did it by name, which windows were set, that it was compromised, and what of
//! it is over; at the desk and on the terminal, in both languages.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::second_person::{Person, member, person, text};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::world::World;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn path(version: u32, verb: &str) -> String {
    format!("/v1/projects/{PROJECT}/objects/{OBJECT}/key-versions/{version}{verb}")
}

fn windows(who: &Person, version: u32, set: &Value) -> Value {
    who.0.insist("PUT", &path(version, "/windows"), &JSON, set.to_string().as_bytes()).ok()
}

fn moves(shown: &Value, what: &str) -> Vec<Value> {
    shown["moves"].as_array().unwrap().iter().filter(|one| one["what"] == what).cloned().collect()
}

/// What the terminal shows.
fn said(world: &World, language: &str, words: &[&str]) -> String {
    let output = world.sandbox.run(&[&["--language", language], words].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn listed(world: &World, language: &str) -> String {
    said(world, language, &["key", "list", OBJECT, "--project", PROJECT])
}

fn shown(world: &World, language: &str) -> String {
    said(world, language, &["key", "show", OBJECT, "1", "--project", PROJECT])
}

#[test]
fn nothing_washes_out_what_a_key_went_through() {
    let world = World::new("");
    let (siti, opsir) = (member(&world, "siti"), person(&world, "opsir", "officer"));
    siti.post(&path(1, "/compromise"), &json!({ "reason": "laptop hilang" })).ok();
    for _ in 0..18 {
        windows(&siti, 1, &json!({ "reason": "uji" }));
        windows(&siti, 1, &json!({ "decrypt_until": "never", "reason": "uji" }));
    }
    let told = siti.get(&path(1, "")).ok();
    assert_eq!(told["moves"].as_array().unwrap().len(), 2, "{told}");
    windows(&siti, 1, &json!({ "decrypt_until": "2099-01-01T00:00:00Z", "reason": "uji" }));
    for _ in 0..9 {
        siti.post(&path(1, "/disable"), &json!({ "reason": "uji" })).ok();
        siti.post(&path(1, "/enable"), &json!({ "reason": "uji" })).ok();
    }
    let told = siti.post(&path(1, "/disable"), &json!({ "reason": "uji" })).ok();
    assert_eq!(told["moves"].as_array().unwrap().len(), 16);
    let trail = world.trail();
    assert_eq!(trail.iter().filter(|entry| entry["act"] == "key.windows").count(), 1);
    for who in [&siti, &opsir] {
        let told = who.get(&path(1, "")).ok();
        assert_eq!(moves(&told, "make").len(), 1, "{told}");
        let compromised = &moves(&told, "compromise")[0];
        assert_eq!((&compromised["name"], &compromised["reason"]), (&json!("siti"), &json!("laptop hilang")));
        assert!(text(&compromised["actor"]).starts_with("user:"));
    }
    // Disabled it is in other hands still, and what to do about that is said still.
    assert_eq!(
        (&told["version"]["state"], &told["version"]["compromised"], &told["next"]),
        (
            &json!("disabled"),
            &json!(true),
            &json!(["enable", "reencrypt", "look-what-depends", "schedule-destruction"])
        )
    );
    assert!(listed(&world, "en").contains("disabled (was compromised)"), "{}", listed(&world, "en"));
    assert!(listed(&world, "id").contains("nonaktif (sudah dinyatakan bocor)"));
    assert!(shown(&world, "en").contains("1. before what was encrypted under it"), "{}", shown(&world, "en"));
    // Whoever left is no name to those who stayed.
    let budi = member(&world, "budi");
    world.done(&format!("project member remove siti --project {PROJECT}"));
    let told = budi.get(&path(1, "")).ok();
    assert!(moves(&told, "compromise")[0]["name"].is_null(), "{told}");
    assert!(shown(&world, "en").contains("compromise -> compromised  siti: laptop hilang"));
}

#[test]
fn a_window_says_what_was_set_and_when_it_is_over() {
    let world = World::new("");
    let siti = member(&world, "siti");
    siti.post(&path(1, "/compromise"), &json!({ "reason": "bocor" })).ok();
    let end = (OffsetDateTime::now_utc() + time::Duration::seconds(8)).replace_nanosecond(0).unwrap();
    let told = windows(&siti, 1, &json!({ "decrypt_until": end.format(&Rfc3339).unwrap(), "reason": "uji" }));
    let set = &moves(&told, "windows")[0]["windows"];
    assert_eq!(
        (&set["encrypt_until"], &set["decrypt_until"]),
        (&Value::Null, &told["version"]["decrypt_until"])
    );
    assert!(shown(&world, "en").contains(", encrypts to no end, decrypts to 20"), "{}", shown(&world, "en"));
    assert!(shown(&world, "id").contains(", enkripsi s.d. tanpa batas, dekripsi s.d. 20"));
    let version = || siti.get(&path(1, "")).ok();
    world.daemon.wait_until("the window is over", || version()["version"]["decrypt_over"] == true);
    assert_eq!(version()["version"]["encrypt_over"], false);
    assert_eq!(
        version()["next"],
        json!(["windows", "reencrypt", "look-what-depends", "schedule-destruction"]),
        "nothing is encrypted again before it opens"
    );
    assert!(listed(&world, "en").contains("(over)") && listed(&world, "id").contains("(sudah berakhir)"));
    assert!(shown(&world, "id").contains("1. masa dekripsinya sudah berakhir"), "{}", shown(&world, "id"));
    let told = windows(&siti, 1, &json!({ "decrypt_until": "never", "reason": "sengketa" }));
    assert_eq!((&told["next"][0], &told["version"]["decrypt_over"]), (&json!("reencrypt"), &json!(false)));
}

#[test]
fn a_scheduled_end_names_both_persons_and_counts_a_lease_as_what_may_have_been() {
    let world = World::new("");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT} --algorithm aes-256-gcm"));
    world.absensi().seal(OBJECT, b"satu");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT} --algorithm xaes-256-gcm"));
    let (siti, budi, opsir) =
        (member(&world, "siti"), member(&world, "budi"), person(&world, "opsir", "officer"));
    let asked = siti.post(&path(2, "/destruction"), &json!({ "days": 7, "reason": "habis" }));
    let id = text(&asked.json()["id"]);
    let approvals = |language| said(&world, language, &["approval", "list"]);
    assert!(approvals("en").contains("decrypt_only, at most 1024 encrypted, 0 decrypted, gone 2"));
    assert!(
        approvals("id").contains("hanya dekripsi, paling banyak 1024 dienkripsi, 0 didekripsi, hilang 2")
    );
    let one = said(&world, "id", &["approval", "show", &id]);
    assert!(
        one.contains("hal           musnahkan versi kunci\n") && one.contains("paling banyak 1024 nilai"),
        "{one}"
    );
    budi.decide(&id, "give").ok();
    let told = opsir.get(&path(2, "")).ok();
    let scheduled = &moves(&told, "schedule-destruction")[0];
    assert_eq!(
        (&scheduled["name"], &scheduled["asked_by_name"], &scheduled["reason"]),
        (&json!("budi"), &json!("siti"), &json!("habis"))
    );
    let words = ["key", "show", OBJECT, "2", "--project", PROJECT];
    let (en, id_) = (said(&world, "en", &words), said(&world, "id", &words));
    assert!(en.contains("-> destroy_scheduled  budi, asked by siti: habis"), "{en}");
    assert!(id_.contains("-> menunggu dimusnahkan  budi, diminta oleh siti: habis"), "{id_}");
    // Taken back, nothing goes at any time.
    let back = opsir.post(&path(2, "/destruction/cancel"), &json!({ "reason": "uji" })).ok();
    assert_eq!(moves(&back, "cancel-destruction")[0]["name"], "opsir");
    let line = approvals("en").lines().find(|line| line.contains(&id)).unwrap().to_owned();
    assert!(line.ends_with("at most 1024 encrypted, 0 decrypted"), "{line}");
}
