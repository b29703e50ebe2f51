//! A store that was put back, in every way we know: it stays locked and says what to do; accepted, it opens a new epoch in
//! which nothing is done twice and nobody comes in unasked.

use std::fs;

use gembok::domain::cbor;
use gembok::domain::object::Object;
use gembok::domain::project::Project;
use gembok::store::{Scan, Table};
use serde_json::{Value, json};

use crate::client::refusal;
use crate::index::{INDEXED, NIK, declare_indexes, index, item as index_item};
use crate::store_damage::started_locked;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::in_child;
use crate::vault::{Vault, copy, put_stored, row_keys, store_path, stored, take_stored};
use crate::witness::{keys, logged};
use crate::world::{Application, World};

/// Of the algorithms that are left.
const OTHERS: [(&str, &str); 2] = [("tanggal-lahir", "aes-256-gcm-siv"), ("bpjs", "xchacha20-poly1305")];
const SELDOM: &str = "[journal]\ncheckpoint_s = 3600\n";

fn reason(world: &World) -> String {
    world.status()["reason"].as_str().unwrap().to_owned()
}

/// What no flag but the right one goes past.
fn assert_rollback(world: &World, what: &str) {
    for words in [&["unlock"][..], &["unlock", "--accept-damage"]] {
        let output = world.sandbox.run(words);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(what) && said.contains("--accept-rollback"), "{said}");
        assert_eq!(world.sandbox.state(), "locked");
        let reason = reason(world);
        assert!(reason.starts_with("rollback") && reason.contains(what), "{reason}");
    }
}

#[test]
fn an_older_file_is_noticed_and_accepted_only_with_every_jump() {
    in_child("rollback::an_older_file_is_noticed_and_accepted_only_with_every_jump", |softhsm| {
        let world = World::new(SELDOM);
        world.done(&format!("object create alamat --project {PROJECT} --algorithm aes-256-gcm"));
        world.grant("encrypt decrypt", "alamat", ENDPOINT);
        for (object, algorithm) in OTHERS {
            world.done(&format!("object create {object} --project {PROJECT} --algorithm {algorithm}"));
        }
        let (lost, _) = world.new_api_key(PROJECT, ENDPOINT, "");
        let absensi = world.absensi();
        declare_indexes(&world);
        let searched = index(&absensi, "nik", NIK);
        let sealed = [OBJECT, "alamat"].map(|object| absensi.seal(object, b"sebelum"));
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        fs::copy(store_path(&sandbox), sandbox.path("older")).unwrap();
        let world = World { daemon: sandbox.resume(), sandbox };
        world.done(&format!("api-key revoke {lost}"));
        world.absensi().seal("alamat", b"hilang");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        fs::copy(sandbox.path("older"), store_path(&sandbox)).unwrap();

        let world = started_locked(sandbox);
        assert_rollback(&world, "an older copy of the store was put back");
        let absensi = world.absensi();
        let item = |object: &str| json!({ "object": object, "plaintext": "" });
        assert_eq!(absensi.encrypt(&item(OBJECT)).problem(), refusal(503, "locked"));
        let unlocked = world.done("unlock --accept-rollback");
        let next = unlocked["unlocked"]["next"].to_string();
        for named in ["api-key enable", "budget raise", "key rotate", "revocations above all"] {
            assert!(next.contains(named), "{next}");
        }
        assert!(!next.contains("audit verify"), "there was no damage: {next}");
        assert_eq!(world.status()["journal"]["epoch"], 1);
        let announced = world.done("audit key")["checkpoint-keys"].clone();
        assert_eq!(world.status()["witness"]["checkpoint_key"], announced[1]["fingerprint"]);

        // Nobody comes in who was not let in again.
        assert_eq!(absensi.encrypt(&item(OBJECT)).problem(), refusal(403, "endpoint-disabled"));
        assert_eq!(
            world.sandbox.refused(&[
                "certificate",
                "issue",
                "--project",
                PROJECT,
                "--endpoint",
                ENDPOINT,
                "--out",
                "lagi"
            ]),
            "endpoint-disabled"
        );
        world.done(&format!("endpoint enable {ENDPOINT} --project {PROJECT}"));
        assert_eq!(absensi.encrypt(&item(OBJECT)).problem(), refusal(401, "api-key-disabled"));
        let body = absensi.published_body(OBJECT, "enkrip", "").to_string();
        assert_eq!(absensi.published(body).gagal(), refusal(401, "api-key-disabled"));
        assert_eq!(world.admin().get("/health/state").problem(), refusal(403, "forbidden"));
        world.done("user enable admin");
        assert_eq!(world.admin().get("/health/state").status, 200);
        world.enable();
        assert_eq!(world.admin().get("/health/state").json()["state"], "operational");

        // Nothing is sealed twice under a key whose seals were not counted.
        assert_eq!(absensi.encrypt(&item("alamat")).problem(), refusal(409, "key-not-sealing"));
        let shown = |object: &str| world.done(&format!("object show {object} --project {PROJECT}"));
        let versions = shown("alamat")["object"]["versions"].clone();
        assert_eq!((&versions[0]["state"], versions.as_array().unwrap().len()), (&json!("decrypt_only"), 1));
        let versions = shown(OBJECT)["object"]["versions"].clone();
        assert_eq!(
            (&versions[0]["state"], &versions[0]["uses_reserved"]),
            (&json!("active"), &json!(1u64 << 36))
        );
        let others = OTHERS.map(|(object, _)| {
            let version = shown(object)["object"]["versions"][0].clone();
            (version["state"].as_str().unwrap().to_owned(), version["uses_reserved"].as_u64().unwrap())
        });
        assert_eq!(others, [("decrypt_only".to_owned(), 0), ("active".to_owned(), 1 << 36)]);
        let rotated = world.done(&format!("key rotate alamat --project {PROJECT}"))["object"].clone();
        assert_eq!(rotated["object"]["current_version"], 1_002);
        let states: Vec<_> =
            rotated["versions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["decrypt_only", "active"]);

        assert_budgets_spent(&world, &absensi, &sealed[0]);
        let guessed = absensi.v1("index", index_item("nik", NIK).to_string());
        assert_eq!(guessed.problem(), refusal(429, "budget-exhausted"));
        world.raise_budgets();
        assert_eq!(index(&absensi, "nik", NIK), searched);
        let roots = world.done(&format!("index rotate-root {INDEXED} --project {PROJECT}"));
        assert_eq!(roots["object"]["index_roots"][1]["version"], 1_002);
        for (object, sealed) in [OBJECT, "alamat"].into_iter().zip(&sealed) {
            assert_eq!(absensi.open(object, sealed), b"sebelum");
            assert_eq!(absensi.open(object, &absensi.seal(object, b"sesudah")), b"sesudah");
        }

        assert_on_record(&world);

        // What was accepted needs no second word, and the new epoch has a key of its own.
        let world = world.restart();
        let new = *logged(&world.daemon).last().unwrap();
        assert_eq!(new.statement.epoch, 1);
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let keys = keys(&sandbox);
        let [(0, old_key), (1, new_key)] = keys[..] else { panic!("{keys:?}") };
        assert!(new.verify(&new_key).is_ok() && new.verify(&old_key).is_err());
        assert_numbers_jumped(&Vault::open(&sandbox, softhsm));
    });
}

/// Nothing more is decrypted before an operator says so, though nobody had decrypted when the copy was made.
fn assert_budgets_spent(world: &World, absensi: &Application, sealed: &str) {
    let opening = json!({ "object": OBJECT, "ciphertext": sealed });
    let spent = |whose: &str| {
        let refused = absensi.decrypt(&opening);
        assert_eq!(refused.problem(), refusal(429, "budget-exhausted"));
        assert!(refused.text().contains(whose), "{}", refused.text());
    };
    spent("The endpoint's budget of 200000 decrypted fields in 24 hours has 0 left");
    let of_endpoint = format!("--project {PROJECT} --endpoint {ENDPOINT}");
    world.done(&format!("budget raise {of_endpoint} --fields 300000 --for 1h"));
    spent("The API key's budget of 100000 decrypted fields in 24 hours has 0 left");
}

/// All of it.
fn assert_on_record(world: &World) {
    let trail = world.trail();
    let of = |act: &str| trail.iter().filter(|entry| entry["act"] == act).collect::<Vec<_>>();
    let accepted =
        of("appliance.unlock").into_iter().rfind(|entry| entry["details"]["rollback-accepted"].is_string());
    assert!(accepted.unwrap()["actor"].as_str().unwrap().starts_with("local:"));
    assert_eq!(of("epoch.open")[0]["details"]["epoch"], "1");
    assert!(!of("epoch.jump").is_empty());
    for act in ["endpoint.enable", "api-key.enable", "user.enable", "key.rotate"] {
        assert!(!of(act).is_empty(), "{act}");
    }
    let number: u64 = of("crl.sign").last().unwrap()["details"]["number"].as_str().unwrap().parse().unwrap();
    assert!(number > 1 << 20, "{number}");
}

/// No number is given twice.
fn assert_numbers_jumped(vault: &Vault) {
    let all = Scan { prefix: &[], after: None, limit: 10 };
    let project: Project =
        cbor::decode(&vault.store.scan(Table::Projects, all).unwrap().remove(0).1.unwrap().value).unwrap();
    assert_eq!(project.next_kek_version(), 1_002);
    let wraps = [b"token-wraps".as_slice(), &1u32.to_be_bytes()].concat();
    let wraps = vault.store.get(Table::Counters, &wraps).unwrap().unwrap();
    let wraps: u64 = cbor::decode(&wraps.value).unwrap();
    assert!(wraps > 1 << 20, "{wraps}");
    for (_, row) in vault.store.scan(Table::Objects, all).unwrap() {
        let object: Object = cbor::decode(&row.unwrap().value).unwrap();
        let rotated = object.name.as_str() == "alamat";
        assert_eq!(object.next_version(), if rotated { 1_003 } else { 1_002 });
    }
    vault.records();
}

#[test]
fn a_row_taken_out_is_noticed_and_accepted() {
    let world = World::new("");
    let (id, _) = world.new_api_key(PROJECT, ENDPOINT, "");
    world.done(&format!("api-key revoke {id}"));
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let key = row_keys(&sandbox, Table::Grants).remove(0);
    take_stored(&sandbox, Table::Grants, &key);
    let world = started_locked(sandbox);
    assert_rollback(&world, "rows of the store were put back or taken out");
    world.done("unlock --accept-rollback");
    world.enable();
    assert_eq!(world.sandbox.refused(&["api-key", "enable", &id]), "api-key-revoked");
    world.restart();
}

#[test]
fn damage_does_not_cover_a_rollback() {
    let world = World::new("");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(store_path(&sandbox), sandbox.path("older")).unwrap();
    let world = World { daemon: sandbox.resume(), sandbox };
    world.api_key(PROJECT, ENDPOINT, "");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(sandbox.path("older"), store_path(&sandbox)).unwrap();
    let key = row_keys(&sandbox, Table::Grants).remove(0);
    let mut bytes = stored(&sandbox, Table::Grants, &key);
    *bytes.last_mut().unwrap() ^= 1;
    put_stored(&sandbox, Table::Grants, &key, &bytes);

    let world = started_locked(sandbox);
    assert_rollback(&world, "an older copy");
    let output = world.sandbox.run(&["unlock", "--accept-rollback"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--accept-damage"), "{output:?}");
    assert!(reason(&world).contains("grants/"), "{}", reason(&world));
    world.done("unlock --accept-rollback --accept-damage");
    assert_eq!(world.status()["journal"]["epoch"], 1);
}

#[test]
fn a_copy_that_ran_on_is_another_chain() {
    in_child("rollback::a_copy_that_ran_on_is_another_chain", |softhsm| {
        let world = World::new(SELDOM);
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let copied = Sandbox::new();
        for folder in ["state", "admin", "client", "softhsm/tokens"] {
            copy(&sandbox.path(folder), &copied.path(folder));
        }
        for file in ["pin", "api-key"] {
            fs::copy(sandbox.path(file), copied.path(file)).unwrap();
        }
        let worlds = [sandbox, copied].map(|sandbox| World { daemon: sandbox.resume(), sandbox });
        let mut last = Vec::new();
        let mut sandboxes = Vec::new();
        for (world, seals) in worlds.into_iter().zip([1, 5]) {
            (0..seals).for_each(|_| drop(world.absensi().seal(OBJECT, b"x")));
            let World { sandbox, mut daemon } = world;
            daemon.signal(rustix::process::Signal::TERM);
            assert!(daemon.wait().success());
            last.push(*logged(&daemon).last().unwrap());
            sandboxes.push(sandbox);
        }
        // Two hashes for one chain, epoch and sequence, both signed by its key: the proof of a fork for whoever has both.
        let key = keys(&sandboxes[0])[0].1;
        assert!(last.iter().all(|checkpoint| checkpoint.verify(&key).is_ok()));
        assert_eq!(last[0].statement.chain, last[1].statement.chain);
        let of_the_copy = {
            let vault = Vault::open(&sandboxes[1], softhsm);
            vault.store.block(last[0].statement.next_sequence - 1).unwrap().unwrap().header
        };
        assert_eq!(of_the_copy.epoch, last[0].statement.epoch);
        assert_ne!(of_the_copy.hash(), last[0].statement.hash);

        // The copy's store under the token that has seen the other: it is further, and still not the one.
        let sandbox = sandboxes.remove(0);
        fs::copy(store_path(&sandboxes[0]), store_path(&sandbox)).unwrap();
        let world = started_locked(sandbox);
        assert_rollback(&world, "another copy of this appliance has run on");
    });
}

#[test]
fn a_block_taken_out_behind_the_anchor_is_noticed() {
    let world = World::new(SELDOM);
    let absensi = world.absensi();
    for round in 1..=3 {
        absensi.seal(OBJECT, b"x");
        world.daemon.wait_until("the record is durable", || {
            let statistics = world.admin().get("/v1/statistics?resolution=day&operation=encrypt").json();
            let requests =
                statistics["rows"].as_array().unwrap().iter().filter_map(|row| row["requests"].as_u64());
            requests.sum::<u64>() == round
        });
    }
    let World { sandbox, daemon } = world;
    // Killed: nothing is signed any more.
    drop(daemon);
    let mut headers = row_keys(&sandbox, Table::Blocks);
    headers.pop();
    take_stored(&sandbox, Table::Blocks, &headers.pop().unwrap());
    let world = started_locked(sandbox);
    assert_rollback(&world, "the journal is broken at record");
    world.done("unlock --accept-rollback");
}

#[test]
fn a_token_that_was_put_back_alone_changes_nothing() {
    let world = World::new(SELDOM);
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let (tokens, older) = (sandbox.softhsm().tokens(), sandbox.path("older"));
    copy(&tokens, &older);
    let world = World { daemon: sandbox.resume(), sandbox };
    world.absensi().seal(OBJECT, b"x");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::remove_dir_all(&tokens).unwrap();
    copy(&older, &tokens);
    let world = World { daemon: sandbox.resume(), sandbox };
    assert_eq!(world.status()["journal"]["epoch"], 0);
}

#[test]
fn an_acceptance_that_a_crash_interrupts_is_finished_at_the_next_unlock() {
    let world = World::new("");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(store_path(&sandbox), sandbox.path("older")).unwrap();
    let world = World { daemon: sandbox.resume(), sandbox };
    world.api_key(PROJECT, ENDPOINT, "");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(sandbox.path("older"), store_path(&sandbox)).unwrap();
    let world = started_locked(sandbox);
    // Killed somewhere in it: at the first sign of the new epoch.
    let mut accepting = world.sandbox.command(&["unlock", "--accept-rollback"]).spawn().unwrap();
    let marker = "a new epoch: users, endpoints and API keys are disabled until they are enabled again, and budgets are spent";
    world.daemon.wait_until("it begins", || world.daemon.said(marker).next().is_some());
    let World { sandbox, daemon } = world;
    drop(daemon);
    let _ = accepting.wait();
    let daemon = sandbox.start();
    daemon.wait_until("it is unlocked or has tried", || {
        sandbox.state() == "operational" || daemon.said("still locked").next().is_some()
    });
    let world = World { sandbox, daemon };
    if world.sandbox.state() != "operational" {
        // The epoch was not durable yet, or its anchor was not: then the word is asked for again.
        world.daemon.wait_until("it says so", || reason(&world).starts_with("rollback"));
        world.done("unlock --accept-rollback");
    }
    assert!(world.status()["journal"]["epoch"].as_u64().unwrap() >= 1);
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(world.absensi().encrypt(&item).problem(), refusal(403, "endpoint-disabled"));
    let done: Vec<Value> =
        world.trail().into_iter().filter(|entry| entry["details"]["all"] == "done").collect();
    assert!(!done.is_empty());
}
