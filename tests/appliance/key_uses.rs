//! Uses of key versions: the rows are a recount of the journal, a crash never makes them low, and what is used up stops.

use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::appliance::FIELDS_UNRECORDED_MAX;
use gembok::domain::cbor;
use gembok::domain::key_uses::KeyUses;
use gembok::domain::key_version::KeyVersion;
use gembok::store::{Scan, Table};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::key_turns::by_hand;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::recount::{self, UseCount};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::vault::{Record, Vault};
use crate::world::{Application, World};

/// Longer than uses are gathered.
const FOLDED_WITHIN: Duration = Duration::from_secs(180);
const LIMIT: u64 = 1 << 40;

fn sealed(absensi: &Application, object: &str, count: usize) -> Vec<Value> {
    let items = vec![json!({ "object": object, "plaintext": STANDARD.encode("isi") }); count];
    let answer = absensi.encrypt(&json!({ "items": items })).ok();
    assert_eq!(answer["failed"], 0);
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| json!({ "object": object, "ciphertext": item["ciphertext"] })).collect()
}

fn ask(absensi: &Application, verb: &str, items: &[Value]) -> Value {
    let answer = absensi.v1(verb, json!({ "items": items }).to_string()).ok();
    assert_eq!(answer["failed"], 0, "{answer}");
    answer
}

/// Uses, opened, and opened since, of each version that `object show` shows.
fn shown(world: &World, object: &str) -> Vec<(u64, u64, u64)> {
    let shown = world.done(&format!("object show {object} --project {PROJECT}"));
    let versions = shown["object"]["versions"].as_array().unwrap().clone();
    let number = |uses: &Value, name: &str| uses[name].as_u64().unwrap();
    let of = |version: &Value| {
        let uses = &version["uses"];
        assert_eq!(
            uses["last_sealed"].is_string(),
            number(uses, "uses") % FIELDS_UNRECORDED_MAX > 0,
            "{uses}"
        );
        assert_eq!(uses["last_opened"].is_string(), number(uses, "opened") > 0, "{uses}");
        (number(uses, "uses"), number(uses, "opened"), number(uses, "opened_since"))
    };
    versions.iter().map(of).collect()
}

/// The rows are a recount of every record before the one they name.
fn assert_recounted(sandbox: &Sandbox, softhsm: &SoftHsm, is_clean: bool) {
    let vault = Vault::open(sandbox, softhsm);
    let records = recount::records(&vault.store);
    let folded = recount::uses_folded(&vault.store);
    let mut count = UseCount::default();
    let mut behind = 0;
    for (at, record) in (0..).zip(&records) {
        let Record::Access(access) = record else { continue };
        if at < folded {
            count.count(access);
        } else {
            behind += 1;
        }
    }
    count.is_stored(&vault.store);
    assert_eq!(behind == 0, is_clean, "{folded} of {}", records.len());
}

#[test]
fn uses_are_a_recount_of_the_journal_and_a_crash_never_makes_them_low() {
    in_child("key_uses::uses_are_a_recount_of_the_journal_and_a_crash_never_makes_them_low", |softhsm| {
        let world = World::new("");
        world.grant("reencrypt", OBJECT, ENDPOINT);
        let absensi = world.absensi();
        assert_eq!(shown(&world, OBJECT), [(0, 0, 0)]);
        let old = sealed(&absensi, OBJECT, 5);
        ask(&absensi, "decrypt", &old[..2]);
        // What is refused is no use of any key.
        let wrong =
            json!({ "object": OBJECT, "ciphertext": old[0]["ciphertext"], "context": { "row": "x" } });
        assert_eq!(absensi.decrypt(&wrong).status, 422);
        world.daemon.wait_until("the journal has it", || shown(&world, OBJECT) == [(5, 2, 2)]);
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        ask(&absensi, "reencrypt", &old[..1]);
        let new = sealed(&absensi, OBJECT, 3);
        // What is current already is opened and not sealed.
        ask(&absensi, "reencrypt", &new[..2]);
        let expected = [(5, 3, 3), (4, 2, 2)];
        world.daemon.wait_until("the journal has it", || shown(&world, OBJECT) == expected);

        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        assert_recounted(&sandbox, softhsm, true);
        let world = World { daemon: sandbox.resume(), sandbox };
        assert_eq!(shown(&world, OBJECT), expected, "a clean end costs nothing");

        // A crash: what was folded and what was not are there once each, and the gap is added for what was there.
        let absensi = world.absensi();
        ask(&absensi, "decrypt", &old[..4]);
        sealed(&absensi, OBJECT, 7);
        world.daemon.wait_until("the journal has it", || shown(&world, OBJECT)[1].0 == 11);
        let World { sandbox, mut daemon } = world;
        daemon.signal(Signal::KILL);
        daemon.wait();
        let world = World { daemon: sandbox.resume(), sandbox };
        let expected = [(5 + FIELDS_UNRECORDED_MAX, 7, 7), (11 + FIELDS_UNRECORDED_MAX, 2, 0)];
        assert_eq!(shown(&world, OBJECT), expected);
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        world.done(&format!("object create baru --project {PROJECT}"));
        assert_eq!(shown(&world, OBJECT)[2], (0, 0, 0), "it was made since");
        assert_eq!(shown(&world, "baru"), [(0, 0, 0)]);
        let World { sandbox, mut daemon } = world;
        daemon.signal(Signal::KILL);
        daemon.wait();
        assert_recounted(&sandbox, softhsm, false);
        let world = World { daemon: sandbox.resume(), sandbox };
        let twice = 2 * FIELDS_UNRECORDED_MAX;
        assert_eq!(
            shown(&world, OBJECT),
            [(5 + twice, 7, 7), (11 + twice, 2, 0), (FIELDS_UNRECORDED_MAX, 0, 0)]
        );
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        assert_recounted(&sandbox, softhsm, true);
    });
}

#[test]
fn records_are_pruned_only_after_their_uses_are_folded() {
    in_child("key_uses::records_are_pruned_only_after_their_uses_are_folded", |softhsm| {
        let world = World::new("[journal]\ncheckpoint_s = 1\n");
        sealed(&world.absensi(), OBJECT, 9);
        world.daemon.wait_until("the journal has it", || shown(&world, OBJECT) == [(9, 0, 0)]);
        world.wait_for_checkpoint();
        world.done("audit export --output semua.cbor");
        world.done("audit prune --before 2100-01-01T00:00:00Z");
        let World { sandbox, mut daemon } = world;
        daemon.signal(Signal::KILL);
        daemon.wait();
        let folded = recount::uses_folded(&Vault::open(&sandbox, softhsm).store);
        assert!(folded > 0);
        let world = World { daemon: sandbox.resume(), sandbox };
        assert_eq!(shown(&world, OBJECT), [(9 + FIELDS_UNRECORDED_MAX, 0, 0)]);
    });
}

#[test]
fn a_version_that_is_used_up_seals_no_more_and_opens_still() {
    in_child("key_uses::a_version_that_is_used_up_seals_no_more_and_opens_still", |softhsm| {
        let World { sandbox, daemon } = World::new("");
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let rows =
            vault.store.scan(Table::KeyVersions, Scan { prefix: b"", after: None, limit: 10 }).unwrap();
        let version: KeyVersion = cbor::decode(&rows[0].1.as_ref().unwrap().value).unwrap();
        let uses = KeyUses { sealed: LIMIT - (1 << 28) - 4, ..KeyUses::default() };
        vault.put(Table::KeyUses, &version.place().row_key(), &uses);
        drop(vault);
        // By itself the next version would take over.
        by_hand(&sandbox);
        let world = World { daemon: sandbox.resume(), sandbox };
        let absensi = world.absensi();
        // What to do is told from what the journal shows: nothing of it is in the version's own row yet.
        let told = world.done(&format!("key show {OBJECT} 1 --project {PROJECT}"));
        let told = &told["key-version"];
        assert_eq!((&told["version"]["worn"], &told["next"]), (&json!(true), &json!(["rotate"])));
        let old = sealed(&absensi, OBJECT, 5);
        // Noticed when it is folded, a minute later.
        let (item, start) = (json!({ "object": OBJECT, "plaintext": "" }), Instant::now());
        let refused = loop {
            let answer = absensi.encrypt(&item);
            if answer.status != 200 {
                break answer;
            }
            assert!(start.elapsed() < FOLDED_WITHIN, "it seals still");
            sleep(Duration::from_millis(500));
        };
        assert_eq!(refused.problem(), refusal(409, "key-exhausted"));
        let trail = world.trail();
        let noted: Vec<_> = trail.iter().filter(|entry| entry["act"] == "key-version.use-up").collect();
        assert!(noted.len() == 1 && noted[0]["actor"] == "system", "{noted:?}");
        assert_eq!(ask(&absensi, "decrypt", &old)["failed"], 0);
        let status = world.status();
        assert_eq!(status["worn_keys"][0]["uses"], LIMIT, "{status}");
        let world = world.restart();
        let absensi = world.absensi();
        assert_eq!(absensi.encrypt(&item).problem(), refusal(409, "key-exhausted"), "nothing is given back");
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        assert_eq!(absensi.encrypt(&item).status, 200);
    });
}
