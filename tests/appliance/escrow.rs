//! The escrow log: a new key seals once it is in it, what was missing comes into it, what is wrong with it is said, and with the
//! token it leads to every key.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use gembok::appliance::read_escrow;
use gembok::crypto::record::{Record as SealedRecord, RecordKey};
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use gembok::domain::cbor;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::object::Object;
use gembok::domain::project::Kek;
use gembok::store::{Boot, Scan, Table};
use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::in_child;
use crate::vault::{Vault, with_master_key};
use crate::world::World;

const CONFIGURED: &str = "[store]\nescrow_path = \"other/escrow.log\"\n";
const LOG: &str = "other/escrow.log";

fn escrowed() -> World {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("other")).unwrap();
    let world = World::over(sandbox, CONFIGURED);
    world.daemon.wait_until("the first key seals", || states(&world, OBJECT) == ["active"]);
    world
}

fn status(world: &World) -> Value {
    world.status()["keys"]["escrow"].clone()
}

fn states(world: &World, object: &str) -> Vec<String> {
    let shown = world.done(&format!("object show {object} --project {PROJECT}"));
    let versions = shown["object"]["versions"].as_array().unwrap().iter();
    versions.map(|version| version["state"].as_str().unwrap().to_owned()).collect()
}

fn check(sandbox: &Sandbox) -> Result<String, String> {
    let output = sandbox.run(&["escrow", "check", LOG]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_new_key_seals_once_it_is_in_the_log() {
    let world = escrowed();
    let absensi = world.absensi();
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"satu")), b"satu");
    let mode = fs::metadata(world.sandbox.path(LOG)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // Boot row, KEK, key version.
    let said = check(&world.sandbox).unwrap();
    assert!(
        said.contains("is sound: 3 entries; boot rows 1, KEKs 1, key versions 1, index roots 0, others 0"),
        "{said}"
    );
    let before = absensi.seal(OBJECT, b"lama");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    world.daemon.wait_until("the next one seals", || states(&world, OBJECT) == ["decrypt_only", "active"]);
    world.done(&format!("project rotate-kek {PROJECT}"));
    world.done("store-key rotate");
    world.daemon.wait_until("all of it is in the log", || {
        check(&world.sandbox).unwrap().contains("6 entries; boot rows 2, KEKs 2, key versions 2")
    });
    let how = status(&world);
    assert_eq!((&how["waiting"], &how["only_here"], &how["trouble"]), (&json!(0), &json!(0), &Value::Null));
    assert!(how["path"].as_str().unwrap().ends_with(LOG));

    // Its disk is away: what there is goes on, what is new waits.
    fs::rename(world.sandbox.path("other"), world.sandbox.path("away")).unwrap();
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    assert_eq!(states(&world, OBJECT), ["decrypt_only", "active", "pre_active"]);
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"dua")), b"dua");
    assert_eq!(absensi.open(OBJECT, &before), b"lama");
    assert_eq!(world.sandbox.refused(&["key", "rotate", OBJECT, "--project", PROJECT]), "not-in-escrow");
    world.done(&format!("object create baru --project {PROJECT}"));
    world.grant("encrypt decrypt", "baru", ENDPOINT);
    assert_eq!(states(&world, "baru"), ["pre_active"]);
    let item = json!({ "object": "baru", "plaintext": "" });
    assert_eq!(absensi.encrypt(&item).problem(), refusal(409, "key-not-sealing"));
    world.daemon.wait_until("the store key's rows are sealed anew", || {
        world.status()["keys"]["store_key"]["older"] == json!([])
    });
    // The answer says that the next generation does not seal yet, and why.
    let answered = world.sandbox.run(&["store-key", "rotate", "--language", "en"]);
    let text = String::from_utf8(answered.stdout).unwrap();
    assert!(text.contains("generation 2 still; 3 is not in the escrow log yet"), "{text}");
    let answered = world.sandbox.run(&["status", "--language", "id"]);
    let text = String::from_utf8(answered.stdout).unwrap();
    assert!(text.contains("masih generasi 2; 3 belum ada di log escrow"), "{text}");
    let how = world.status()["keys"].clone();
    assert_eq!(
        how["store_key"],
        json!({ "generation": 2, "coming": 3, "waits_for": "escrow-log", "older": [], "resealed": null })
    );
    assert_eq!((&how["escrow"]["waiting"], &how["escrow"]["only_here"]), (&json!(2), &Value::Null));
    assert!(how["escrow"]["trouble"].as_str().unwrap().contains("is not there any more"), "{how}");
    assert_eq!(world.admin().get("/health/state").ok()["keys"]["escrow"]["waiting"], 2);

    fs::rename(world.sandbox.path("away"), world.sandbox.path("other")).unwrap();
    world.daemon.wait_until("what waited is in the log", || status(&world)["waiting"] == 0);
    assert_eq!(states(&world, OBJECT), ["decrypt_only", "decrypt_only", "active"]);
    assert_eq!(states(&world, "baru"), ["active"]);
    assert_eq!(absensi.open("baru", &absensi.seal("baru", b"tiga")), b"tiga");
    world.daemon.wait_until("the store key turns", || world.status()["keys"]["store_key"]["generation"] == 3);
    let trail = world.trail();
    let acts = trail.iter().filter(|entry| entry["act"] == "key.activate").count();
    assert_eq!(acts, 4, "two first versions, two later ones");
}

#[test]
fn a_key_that_waits_keeps_nobody_from_stopping_another_and_is_not_forgotten() {
    let world = escrowed();
    let absensi = world.absensi();
    let (here, away) = (world.sandbox.path("other"), world.sandbox.path("away"));
    let key =
        |verb: &str, of: &str| world.done(format!("key {verb} {OBJECT} --project {PROJECT} {of}").trim());
    let settled = || world.daemon.wait_until("nothing waits", || status(&world)["waiting"] == 0);
    let first = absensi.seal(OBJECT, b"satu");

    // What is in other hands seals nothing any more, though the next one cannot seal yet.
    fs::rename(&here, &away).unwrap();
    key("rotate", "");
    key("compromise", "1 --reason bocor");
    assert_eq!(states(&world, OBJECT), ["compromised", "pre_active"]);
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(absensi.encrypt(&item).problem(), refusal(409, "key-not-sealing"));
    fs::rename(&away, &here).unwrap();
    settled();
    assert_eq!(states(&world, OBJECT), ["compromised", "active"]);
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"dua")), b"dua");
    assert_eq!(absensi.open(OBJECT, &first), b"satu");

    // One that waits may be stopped itself: another takes the next number.
    fs::rename(&here, &away).unwrap();
    key("rotate", "");
    key("compromise", "3 --reason bocor");
    assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"dua")), b"dua");
    fs::rename(&away, &here).unwrap();
    settled();
    key("rotate", "");
    let expected = ["compromised", "decrypt_only", "compromised", "active"];
    world.daemon.wait_until("the fourth seals", || states(&world, OBJECT) == expected);

    // One that is disabled while it waits goes on when it is enabled.
    fs::rename(&here, &away).unwrap();
    key("rotate", "--reason uji");
    key("disable", "5 --reason uji");
    fs::rename(&away, &here).unwrap();
    settled();
    assert_eq!(states(&world, OBJECT)[3..], ["active", "disabled"]);
    key("enable", "5 --reason uji");
    world.daemon.wait_until("the fifth seals", || states(&world, OBJECT)[3..] == ["decrypt_only", "active"]);
    let shown = key("show", "5")["key-version"].clone();
    let moves = shown["moves"].as_array().unwrap().iter();
    let moves: Vec<_> =
        moves.map(|one| (one["what"].as_str().unwrap(), one["state"].as_str().unwrap())).collect();
    assert_eq!(moves[0], ("make", "pre_active"));
    assert_eq!(moves.last(), Some(&("activate", "active")), "{shown}");
    assert_eq!(shown["moves"][3]["reason"], "uji", "{shown}");
    // And one that was passed over meanwhile only opens.
    fs::rename(&here, &away).unwrap();
    key("rotate", "");
    key("disable", "6 --reason uji");
    fs::rename(&away, &here).unwrap();
    settled();
    key("rotate", "");
    world.daemon.wait_until("the seventh seals", || states(&world, OBJECT)[6..] == ["active"]);
    key("enable", "6 --reason uji");
    world.daemon.wait_until("the sixth only opens", || states(&world, OBJECT)[5] == "decrypt_only");
}

#[test]
fn what_is_missing_comes_into_the_log_and_what_is_wrong_with_it_is_said() {
    let world = World::new("");
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    world.daemon.wait_until("keys are counted", || status(&world)["only_here"] == 2);
    assert_eq!(status(&world)["path"], Value::Null);
    let text = String::from_utf8(world.sandbox.run(&["status"]).stdout).unwrap();
    assert!(text.contains("none: a dead disk loses all 2 key versions"), "{text}");
    let sealed = world.absensi().seal(OBJECT, b"lama");

    fs::create_dir(world.sandbox.path("other")).unwrap();
    world.sandbox.configure(CONFIGURED);
    let world = world.restart();
    world.daemon.wait_until("every key is in the log", || status(&world)["entries"] == 4);
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());

    // A write that was interrupted.
    let whole = fs::read(sandbox.path(LOG)).unwrap();
    fs::write(sandbox.path(LOG), &whole[..whole.len() - 10]).unwrap();
    let said = check(&sandbox).unwrap();
    assert!(said.contains("3 entries") && said.contains("cut off"), "{said}");
    let daemon = sandbox.resume();
    daemon.wait_until("it is mended", || check(&sandbox).is_ok_and(|said| said.contains("4 entries")));
    let mut beside = fs::read_dir(sandbox.path("other")).unwrap().map(|entry| entry.unwrap().path());
    assert!(beside.any(|path| path.to_str().unwrap().contains("escrow.log.cut-")));
    assert!(daemon.stop().success());

    // Altered: it is left as it is, and everything else goes on.
    let mut bent = fs::read(sandbox.path(LOG)).unwrap();
    bent[40] ^= 1;
    fs::write(sandbox.path(LOG), &bent).unwrap();
    assert!(check(&sandbox).unwrap_err().contains("from byte 0 on"));
    let daemon = sandbox.resume();
    let world = World { sandbox, daemon };
    world.daemon.wait_until("it says so", || status(&world)["trouble"].is_string());
    assert!(status(&world)["trouble"].as_str().unwrap().contains("move it away"));
    assert_eq!(world.absensi().open(OBJECT, &sealed), b"lama");
    assert_eq!(fs::read(world.sandbox.path(LOG)).unwrap(), bent);
    // Another appliance's.
    let other = escrowed();
    fs::copy(other.sandbox.path(LOG), world.sandbox.path(LOG)).unwrap();
    let world = world.restart();
    world.daemon.wait_until("it is not taken", || {
        status(&world)["trouble"]
            .as_str()
            .is_some_and(|trouble| trouble.contains("not the escrow log of this appliance"))
    });
    fs::remove_file(world.sandbox.path(LOG)).unwrap();
    let world = world.restart();
    world.daemon.wait_until("a new one is begun", || status(&world)["entries"] == 4);
    // Without one again, nothing waits for it.
    world.sandbox.configure("");
    let world = world.restart();
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    assert_eq!(states(&world, OBJECT).last().unwrap(), "active");
}

#[test]
fn a_log_on_the_disk_of_the_store_is_warned_of() {
    let warned = |world: &World| {
        let lines = world.daemon.log();
        lines.lines().filter(|line| line.contains("a dead disk takes both") && line.contains("WARN")).count()
    };
    let said = |world: &World, language: &str| {
        let output = world.sandbox.run(&["status", "--language", language]);
        String::from_utf8(output.stdout).unwrap()
    };
    let sentences = [
        ("en", "ONE DISK", "a dead disk takes both"),
        ("id", "SATU DISK", "disk yang rusak menghilangkan keduanya"),
    ];
    let world = escrowed();
    assert_eq!((&status(&world)["same_disk"], warned(&world)), (&json!(true), 1));
    let health = world.admin().get("/health/state").ok();
    assert_eq!(health["keys"]["escrow"]["same_disk"], true);
    for (language, head, sentence) in sentences {
        let said = said(&world, language);
        assert!(said.contains(head) && said.contains(sentence), "{said}");
    }
    // Another file system is another disk.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = elsewhere.path().join("escrow.log");
    world.sandbox.configure(&format!("[store]\nescrow_path = \"{}\"\n", path.display()));
    let world = world.restart();
    world.daemon.wait_until("every key is in the log", || status(&world)["entries"] == 3);
    assert_eq!((&status(&world)["same_disk"], warned(&world)), (&json!(false), 0));
    for (language, head, _) in sentences {
        assert!(!said(&world, language).contains(head));
    }
    // And back, by a roundabout path.
    let link = world.sandbox.path("other/../other");
    world.sandbox.configure(&format!("[store]\nescrow_path = \"{}/kedua.log\"\n", link.display()));
    let world = world.restart();
    world.daemon.wait_until("it is seen", || status(&world)["same_disk"] == true);
    // Without one there is nothing to warn of.
    world.sandbox.configure("");
    let world = world.restart();
    world.daemon.wait_until("keys are counted", || status(&world)["only_here"] == 1);
    assert_eq!((&status(&world)["same_disk"], warned(&world)), (&json!(false), 0));
}

#[test]
fn with_the_token_the_log_leads_to_every_key() {
    in_child("escrow::with_the_token_the_log_leads_to_every_key", |softhsm| {
        let world = escrowed();
        world.done(&format!("key rotate {OBJECT} --project {PROJECT} --algorithm aes-256-gcm"));
        world.daemon.wait_until("it seals", || states(&world, OBJECT) == ["decrypt_only", "active"]);
        world.done(&format!("project rotate-kek {PROJECT}"));
        world.done("store-key rotate");
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        world.daemon.wait_until("the store key's rows are sealed anew", || {
            let keys = world.status()["keys"].clone();
            keys["store_key"]["generation"] == 2 && keys["store_key"]["older"] == json!([])
        });
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let objects = vault.store.scan(Table::Objects, Scan { prefix: b"", after: None, limit: 9 }).unwrap();
        let objects =
            objects.into_iter().map(|(_, row)| cbor::decode::<Object>(&row.unwrap().value).unwrap());
        let objects: BTreeMap<u32, Object> = objects.map(|object| (object.key_id, object)).collect();
        let boot = vault.store.boot().unwrap();
        drop(vault);
        with_master_key(&sandbox.path("pin"), &boot, |mk| {
            let (mut store_keys, mut keks, mut opened) = (BTreeMap::new(), BTreeMap::new(), 0);
            let log = fs::File::open(sandbox.path(LOG)).unwrap();
            let read = read_escrow(log, |entry| {
                if entry.table == Table::Boot.number() {
                    for key in Boot::logged(entry.value).unwrap().store_keys {
                        let wrapped = WrappedKey::parse(&key.wrapped).unwrap();
                        let binding = Binding::store_key(key.generation, mk.generation());
                        let key_of: SecretKey = mk.unwrap(&wrapped, &binding).unwrap();
                        store_keys.insert(key.generation, RecordKey::new(key.generation, &key_of));
                    }
                    return Ok(());
                }
                let record = SealedRecord::parse(entry.value).unwrap();
                let row = store_keys[&record.generation].open(entry.table, entry.key, &record).unwrap();
                if entry.table == Table::Keks.number() {
                    let kek: Kek = cbor::decode(&row).unwrap();
                    let (project, version) = entry.key.split_first_chunk::<16>().unwrap();
                    let version = u32::from_be_bytes(version.try_into().unwrap());
                    let wrapped = WrappedKey::parse(&kek.wrapped).unwrap();
                    let key = mk.unwrap(&wrapped, &Binding::kek(*project, version, kek.master_key)).unwrap();
                    keks.insert(version, WrappingKey::new(version, &key));
                } else {
                    let row: KeyVersion = cbor::decode(&row).unwrap();
                    let object = &objects[&row.key_id];
                    let (project, id) = (*object.project.as_bytes(), *object.id.as_bytes());
                    let (by, stored) = (row.life.kek_version(), row.life.wrapped().unwrap());
                    let binding = Binding::data_key(row.algorithm, project, id, row.key_id, row.version, by);
                    keks[&by].unwrap(&WrappedKey::parse(&stored.key).unwrap(), &binding).unwrap();
                    opened += 1;
                }
                Ok(())
            });
            let read = read.unwrap_or_else(|stop| panic!("{stop}"));
            assert_eq!((opened, keks.len(), store_keys.len(), read.cut_off), (3, 2, 2, 0));
        });
    });
}
