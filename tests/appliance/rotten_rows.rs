//! A row of every table rots: once an operator accepts it, everybody else is served, and every verb on other things works.

use std::collections::BTreeMap;
use std::fs;

use gembok::crypto::hex::to_hex;
use gembok::domain::operation::Operation;
use gembok::store::{RowName, Table};
use serde_json::{Value, json};

use crate::client::refusal;
use crate::index::{INDEXED, NIK, declare_indexes, index, item};
use crate::passwords::{PASSWORD, Session, give_password};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::vault::{copy, put_stored, row_keys, stored};
use crate::world::{Application, World};

/// Of those whose rows stay whole.
const OTHER_PROJECT: &str = "cabang";
const OTHER: &str = "gudang";

/// What stands in the store before the others come, and what rots of it: every row but those that are one of a chain.
fn rotten(table: Table, keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    match table {
        // The last header, which all else hangs on.
        Table::Blocks => keys.last().cloned().into_iter().collect(),
        Table::Grants => {
            let decrypt = |key: &&Vec<u8>| key.last() == Some(&Operation::Decrypt.number());
            keys.iter().filter(decrypt).cloned().collect()
        }
        Table::BlockBodies | Table::Checkpoints => vec![keys[keys.len() / 2].clone()],
        _ => keys.to_vec(),
    }
}

pub(crate) fn rot(sandbox: &Sandbox, table: Table, key: &[u8]) {
    let mut bytes = stored(sandbox, table, key);
    *bytes.last_mut().unwrap() ^= 1;
    put_stored(sandbox, table, key, &bytes);
}

/// Puts store and token back as they were.
fn restore(sandbox: &Sandbox) {
    for (kept, place) in
        [("whole/state", sandbox.path("state")), ("whole/tokens", sandbox.softhsm().tokens())]
    {
        fs::remove_dir_all(&place).unwrap();
        copy(&sandbox.path(kept), &place);
    }
}

fn gudang(world: &World, api_key: &str) -> Application {
    Application {
        client: world.data(Some(&format!("{OTHER_PROJECT}-{OTHER}/client"))),
        endpoint: OTHER.to_owned(),
        api_key: api_key.to_owned(),
    }
}

/// Entries of a list that are sound, and the names of the rows that are not.
fn listed(world: &World, words: &str) -> (Vec<Value>, Vec<String>) {
    let answer = world.done(words);
    let all = answer.as_object().unwrap().values().next().unwrap();
    let all = all.get("items").unwrap_or(all).as_array().unwrap().clone();
    let (damaged, sound): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|entry| entry["damaged"].is_string());
    (sound, damaged.iter().map(|entry| entry["damaged"].as_str().unwrap().to_owned()).collect())
}

/// Every row that rotted has its name in a list.
fn assert_shown(world: &World, words: &str, rows: &[RowName]) {
    let (_, damaged) = listed(world, words);
    for row in rows {
        assert!(damaged.contains(&row.to_string()), "{words}: {row} in {damaged:?}");
    }
}

/// Lets the other endpoint in again, as a new epoch wants it.
fn let_in(world: &World) {
    let of = format!("--project {OTHER_PROJECT} --endpoint {OTHER}");
    let more = "--fields 100000000 --for 1h";
    world.done(&format!("endpoint enable {OTHER} --project {OTHER_PROJECT}"));
    world.done(&format!("budget raise {of} {more}"));
    for api_key in listed(world, &format!("api-key list {of}")).0 {
        let id = api_key["id"].as_str().unwrap();
        world.done(&format!("api-key enable {id}"));
        world.done(&format!("budget raise --api-key {id} {more}"));
    }
}

/// Every verb on things that are whole.
fn assert_verbs(world: &World) {
    let of = format!("--project {OTHER_PROJECT} --endpoint {OTHER}");
    for list in [
        "project list".to_owned(),
        format!("object list --project {OTHER_PROJECT}"),
        format!("endpoint list --project {OTHER_PROJECT}"),
        format!("api-key list {of}"),
        format!("grant list {of}"),
        "certificate list".to_owned(),
        format!("budget show {of}"),
    ] {
        assert!(!listed(world, &list).0.is_empty(), "{list}");
    }
    world.done(&format!("project show {OTHER_PROJECT}"));
    world.done(&format!("object show {OBJECT} --project {OTHER_PROJECT}"));
    assert!(!world.trail().is_empty());

    let (id, _) = world.new_api_key(OTHER_PROJECT, OTHER, "");
    world.done(&format!("api-key revoke {id}"));
    let granted = format!("{of} --object {OBJECT}");
    world.done(&format!("grant revoke encrypt {granted}"));
    world.done(&format!("grant create encrypt {granted}"));
    world.done(&format!("object create baru --project {OTHER_PROJECT}"));
    world.done(&format!("key rotate {OBJECT} --project {OTHER_PROJECT}"));
    world.done("project create baru");
    world.enrol(OTHER_PROJECT, "lain");
    let issued = world.done(&format!("certificate issue {of} --out lagi"));
    let spki = issued["certificate-issued"]["spki"].as_str().unwrap();
    world.done(&format!("certificate revoke {spki}"));
    world.done(&format!("endpoint revoke lain --project {OTHER_PROJECT}"));
    fs::remove_dir_all(world.sandbox.path("lagi")).unwrap();
    fs::remove_dir_all(world.sandbox.path(&format!("{OTHER_PROJECT}-lain"))).unwrap();
}

/// What can be done about the rows that rotted, where their row key is known.
fn mend(world: &World, table: Table, rows: &[RowName]) {
    let of = format!("--project {PROJECT} --endpoint {ENDPOINT}");
    match table {
        Table::Projects => assert_shown(world, "project list", rows),
        Table::Objects => assert_shown(world, &format!("object list --project {OTHER_PROJECT}"), rows),
        Table::ApiKeys => assert_shown(world, &format!("api-key list {of}"), rows),
        Table::KeyVersions => {
            let shown = world.done(&format!("object show {OBJECT} --project {PROJECT}"));
            let damaged = &shown["object"]["versions"][0]["damaged"];
            assert!(rows.iter().any(|row| *damaged == row.to_string()), "{damaged}");
            let (is_well, verified) = crate::key_verify::verify(world, "");
            let named = |row: &str| rows.iter().any(|rotten| *row == rotten.to_string());
            let failed = &verified["failed"][0];
            assert!(
                !is_well && named(failed["row"].as_str().unwrap()) && failed["why"] == "damaged",
                "{verified}"
            );
            // The next version seals.
            world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
            world.enable();
            world.absensi().seal(OBJECT, b"baru");
        }
        Table::IndexRoots => mend_root(world, &rows[0]),
        Table::Endpoints => {
            assert_shown(world, &format!("endpoint list --project {PROJECT}"), rows);
            world.done(&format!("endpoint revoke {ENDPOINT} --project {PROJECT}"));
            let (sound, _) = listed(world, &format!("endpoint list --project {PROJECT}"));
            let revoked = sound.iter().find(|endpoint| endpoint["name"] == ENDPOINT).unwrap();
            assert!(revoked["revoked"].is_string(), "{revoked}");
        }
        Table::Certificates => {
            assert_shown(world, "certificate list", rows);
            world.enable();
            let item = json!({ "object": OBJECT, "plaintext": "" });
            assert_eq!(world.absensi().encrypt(&item).problem(), refusal(500, "fault"));
            for row in rows {
                let spki = to_hex(row.key());
                world.done(&format!("certificate revoke {spki}"));
            }
            assert!(listed(world, "certificate list").1.is_empty());
            assert_eq!(world.absensi().encrypt(&item).problem(), refusal(401, "certificate-revoked"));
        }
        Table::Grants => {
            assert_shown(world, &format!("grant list {of}"), rows);
            world.enable();
            world.raise_budgets();
            let absensi = world.absensi();
            // Only the one of decrypt rotted.
            let sealed = absensi.seal(OBJECT, b"baru");
            let opening = json!({ "object": OBJECT, "ciphertext": sealed });
            assert_eq!(absensi.decrypt(&opening).problem(), refusal(500, "fault"));
            let granted = format!("{of} --object {OBJECT}");
            world.done(&format!("grant revoke decrypt {granted}"));
            assert_eq!(absensi.decrypt(&opening).problem(), refusal(403, "not-granted"));
            world.done(&format!("grant create decrypt {granted}"));
            assert_eq!(absensi.open(OBJECT, &sealed), b"baru");
            let (sound, damaged) = listed(world, &format!("grant list {of}"));
            assert!(damaged.is_empty() && sound.len() == 4, "{sound:?} {damaged:?}");
        }
        Table::Users => {
            assert_shown(world, "user list", rows);
            // Whose row it was, nobody can tell; the name leads to it, and can be given again.
            world.sandbox.run(&["user", "delete", "siti"]);
            world.sandbox.run(&["user", "delete", "admin"]);
            world.done("user create baru --role admin");
        }
        Table::Members => {
            let of = format!("--project {PROJECT}");
            assert_shown(world, &format!("project member list {of}"), rows);
            world.done(&format!("project member remove siti {of}"));
            world.done(&format!("project member add siti {of}"));
            let (sound, damaged) = listed(world, &format!("project member list {of}"));
            assert!(sound.len() == 1 && damaged.is_empty(), "{sound:?} {damaged:?}");
        }
        // Told from the rows they lead to.
        Table::Names => {
            world.enable();
            world.absensi().seal(OBJECT, b"baru");
            world.done("user enable admin");
        }
        Table::Blocks | Table::BlockBodies => {
            let trail = world.done("audit list --limit 1000");
            let damaged: Vec<_> = trail["audit"]["damaged"].as_array().unwrap().clone();
            assert_eq!(damaged, [rows[0].to_string()]);
            let output = world.sandbox.run(&["audit", "check"]);
            let said = format!("{output:?}");
            let at = u64::from_be_bytes(rows[0].key().try_into().unwrap());
            let named = if table == Table::Blocks {
                format!("records {at} to {at} are missing")
            } else {
                format!("the block at record {at}")
            };
            assert!(!output.status.success() && said.contains(&named), "{named}: {said}");
        }
        _ => {}
    }
}

/// The next version of a root is good for what is indexed anew; what does not need the lost one goes on.
fn mend_root(world: &World, row: &RowName) {
    let shown = world.done(&format!("object show {INDEXED} --project {PROJECT}"));
    assert_eq!(shown["object"]["index_roots"][0]["damaged"], row.to_string());
    world.enable();
    world.raise_budgets();
    let absensi = world.absensi();
    let asked = item("nik", NIK).to_string();
    assert_eq!(absensi.v1("index", asked).problem(), refusal(500, "fault"));
    // What does not need it goes on, and the next version is good for what is indexed anew.
    absensi.seal(INDEXED, b"baru");
    world.done(&format!("index rotate-root {INDEXED} --project {PROJECT}"));
    index(&absensi, "nik", NIK);
    world.done(&format!("index finish-rotation {INDEXED} --project {PROJECT}"));
    index(&absensi, "nik", NIK);
}

/// Exports are kept, and records go once they were.
fn assert_retention(world: &World) {
    let file = world.sandbox.path("ekspor").display().to_string();
    world.done(&format!("audit export --output {file}"));
    fs::remove_file(&file).unwrap();
    let next = world.status()["journal"]["next_sequence"].as_u64().unwrap();
    // Nothing behind the export may go, so a record before its end is named.
    let before = world.trail()[0]["sequence"].as_u64().unwrap();
    let pruned = world.sandbox.run(&["audit", "prune", "--to", &(next - 8).to_string()]);
    assert!(pruned.status.success(), "{pruned:?}");
    assert!(world.trail()[0]["sequence"].as_u64().unwrap() > before);
    let checked = world.sandbox.run(&["audit", "check"]);
    assert!(checked.status.success(), "{checked:?}");
}

/// A daemon over rotten rows, after an operator accepted them.
fn accepted(sandbox: Sandbox, table: Table, rows: &[RowName]) -> World {
    let daemon = sandbox.start();
    daemon.wait_until("it is unlocked or has tried", || {
        sandbox.state() == "operational" || daemon.said("still locked").next().is_some()
    });
    let world = World { sandbox, daemon };
    let is_locked = world.sandbox.state() != "operational";
    assert_eq!(is_locked, table.in_state_digest() || table == Table::Blocks, "{table:?}");
    if table == Table::Blocks {
        // It was the proof that this is the newest store.
        let output = world.sandbox.run(&["unlock", "--accept-damage"]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("--accept-rollback"), "{output:?}");
        world.done("unlock --accept-damage --accept-rollback");
    } else if is_locked {
        world.done("unlock --accept-damage");
    }
    if is_locked {
        let trail = world.trail();
        let mut accepted = trail.iter().filter_map(|entry| entry["details"]["damage-accepted"].as_str());
        let accepted = accepted.next_back().unwrap();
        assert!(rows.iter().all(|row| accepted.contains(&row.to_string())), "{accepted}");
        let_in(&world);
    }
    world
}

#[test]
fn a_rotten_row_of_any_table_stops_nobody_else() {
    let world = World::new("[journal]\ncheckpoint_s = 3600\n");
    world.enrol(PROJECT, "gaji");
    world.done("user create siti --role user");
    world.done(&format!("project member add siti --project {PROJECT}"));
    give_password(&world, "siti", PASSWORD);
    Session::begin(&world, "siti", PASSWORD);
    world.done("user create rina --role user");
    world.done(&format!("project member propose rina --project {PROJECT}"));
    declare_indexes(&world);
    world.done(&format!("subject freeze --project {PROJECT} --pseudonym {}", "5a".repeat(16)));
    let (certificates, _) = listed(&world, "certificate list");
    let (endpoints, _) = listed(&world, &format!("endpoint list --project {PROJECT}"));
    let gaji = endpoints.iter().find(|endpoint| endpoint["name"] == "gaji").unwrap()["id"].as_str().unwrap();
    let revoked = certificates.iter().find(|one| one["identity"].as_str().unwrap().ends_with(gaji)).unwrap();
    world.done(&format!("certificate revoke {}", revoked["spki"].as_str().unwrap()));
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"lama");
    assert_eq!(absensi.open(OBJECT, &sealed), b"lama");
    world.done(&format!("audit export --output {}", world.sandbox.path("ekspor").display()));
    fs::remove_file(world.sandbox.path("ekspor")).unwrap();
    world.done("audit prune --to 8");
    let once = [("content-type", "application/json"), ("idempotency-key", "sekali")];
    let made = world.admin().insist("POST", "/v1/users", &once, br#"{"name":"tono","role":"user"}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let first: BTreeMap<Table, Vec<Vec<u8>>> =
        Table::ALL.into_iter().map(|table| (table, row_keys(&sandbox, table))).collect();

    // Those who come now are the others.
    let world = World { daemon: sandbox.resume(), sandbox };
    world.done(&format!("project create {OTHER_PROJECT}"));
    world.done(&format!("object create {OBJECT} --project {OTHER_PROJECT}"));
    let other = world.enrol(OTHER_PROJECT, OTHER);
    let of = format!("--project {OTHER_PROJECT} --endpoint {OTHER} --object {OBJECT}");
    world.done(&format!("grant create encrypt decrypt {of}"));
    let kept = other.seal(OBJECT, b"selamat");
    let api_key = other.api_key;
    let World { mut sandbox, daemon } = world;
    assert!(daemon.stop().success());
    copy(&sandbox.path("state"), &sandbox.path("whole/state"));
    copy(&sandbox.softhsm().tokens(), &sandbox.path("whole/tokens"));

    // Of the boot row only a backup helps: it leads to every key, and what it says is MACed.
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Boot) {
        restore(&sandbox);
        let keys = match table {
            Table::Blocks | Table::Counters => row_keys(&sandbox, table),
            _ => first[&table].clone(),
        };
        assert!(!keys.is_empty(), "{table:?} has no row to rot");
        let keys = rotten(table, &keys);
        for key in &keys {
            rot(&sandbox, table, key);
        }
        let rows: Vec<RowName> = keys.iter().map(|key| RowName::new(table, key)).collect();
        eprintln!("{rows:?}");

        let world = accepted(sandbox, table, &rows);
        // What was revoked stays so.
        let crl = world.trail().into_iter().rfind(|entry| entry["act"] == "crl.sign").unwrap();
        assert_eq!(crl["details"]["certificates"], "1", "{table:?}");
        let revoked = world.data(Some(&format!("{PROJECT}-gaji/client")));
        assert!(revoked.ask("GET", "/v1/info", &[], b"").is_err(), "{table:?}");

        let other = gudang(&world, &api_key);
        assert_eq!(other.open(OBJECT, &kept), b"selamat");
        assert_eq!(other.open(OBJECT, &other.seal(OBJECT, b"baru")), b"baru");
        assert_verbs(&world);
        mend(&world, table, &rows);
        if table == Table::Counters {
            assert_retention(&world);
        }

        // What was accepted needs no second word.
        let world = world.restart();
        let other = gudang(&world, &api_key);
        assert_eq!(other.open(OBJECT, &other.seal(OBJECT, b"lagi")), b"lagi");
        let World { sandbox: stopped, daemon } = world;
        assert!(daemon.stop().success());
        sandbox = stopped;
    }
}
