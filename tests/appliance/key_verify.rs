//! `key verify`: every stored key is unwrapped, and what does not unwrap for the place it lies at is named.

use std::collections::BTreeMap;

use gembok::domain::cbor;
use gembok::domain::key_move::Because;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::project::Kek;
use gembok::store::{Scan, Table};
use serde_json::{Value, json};

use crate::client::refusal;
use crate::second_person::{member, person};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::Vault;
use crate::world::World;

/// The answer of `key verify`, whether all was well or not.
pub(crate) fn verify(world: &World, more: &str) -> (bool, Value) {
    let words = format!("key verify --json {more}");
    let output = world.sandbox.run(&words.trim_end().split(' ').collect::<Vec<_>>());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.success(), answer["done"]["keys-verified"].clone())
}

fn proved(verified: &Value) -> BTreeMap<String, u64> {
    let keys = verified["keys"].as_array().unwrap().iter();
    keys.map(|of| (of["kind"].as_str().unwrap().to_owned(), of["proved"].as_u64().unwrap())).collect()
}

fn expected(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

fn world() -> World {
    let world = World::new("");
    world.done("project create cabang");
    for object in ["alamat", "bpjs"] {
        world.done(&format!("object create {object} --project cabang"));
    }
    world.done(&format!("key rotate {OBJECT} --project {PROJECT} --algorithm aes-256-gcm"));
    world.done("key rotate bpjs --project cabang");
    world
}

#[test]
fn every_stored_key_is_proved_and_counted_for_whoever_may_see_it() {
    let world = world();
    let all = expected(&[
        ("master-key", 1),
        ("store-key", 1),
        ("name-key", 1),
        ("subject-key", 1),
        ("kek", 2),
        ("data-key", 5),
    ]);
    let own = expected(&[("kek", 1), ("data-key", 2)]);
    let (is_well, verified) = verify(&world, "");
    assert!(
        is_well && verified["failed"] == json!([]) && verified["check_values"] == json!([]),
        "{verified}"
    );
    assert_eq!((proved(&verified), &verified["permille"]), (all.clone(), &json!(1_000)));
    let (is_well, verified) = verify(&world, &format!("--project {PROJECT}"));
    assert!(is_well && proved(&verified) == own, "{verified}");
    // Check values where they are asked for; the MK's is the one that the init showed.
    let (_, verified) = verify(&world, "--kcv");
    let values = verified["check_values"].as_array().unwrap();
    assert_eq!(values.len(), 11);
    assert!(values.iter().all(|one| one["kcv"].as_str().unwrap().len() == 6), "{values:?}");
    let mk = world.status()["token"]["kcv"].clone();
    let shown = values.iter().find(|one| one["key"]["kind"] == "master-key").unwrap();
    assert_eq!(shown["kcv"], mk);
    let distinct: std::collections::BTreeSet<_> = values.iter().map(|one| one["kcv"].to_string()).collect();
    assert!(distinct.len() > 8, "{distinct:?}");

    // Over the control plane, a key a page: the same in the end, and forward all the time.
    let (siti, opsir, rina) =
        (member(&world, "siti"), person(&world, "opsir", "officer"), person(&world, "rina", "auditor"));
    for (who, of, wanted) in
        [(&opsir, "", &all), (&rina, "", &all), (&siti, PROJECT, &own), (&opsir, PROJECT, &own)]
    {
        let of = if of.is_empty() { String::new() } else { format!("&project={of}") };
        let (mut after, mut seen, mut pages, mut permille) = (String::new(), BTreeMap::new(), 0, 0);
        loop {
            let page = who.0.get(&format!("/v1/keys/verify?limit=1{of}{after}")).ok();
            for (kind, count) in proved(&page) {
                *seen.entry(kind).or_insert(0) += count;
            }
            pages += 1;
            assert!(page["permille"].as_u64().unwrap() >= permille, "{page}");
            permille = page["permille"].as_u64().unwrap();
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(&seen, wanted);
        assert!(pages >= 2 && permille == 1_000, "{pages}");
    }
    // A member sees no more than its project, an admin nothing.
    for (who, path) in [
        (&siti.0, "/v1/keys/verify"),
        (&world.admin(), "/v1/keys/verify"),
        (&world.admin(), &*format!("/v1/keys/verify?project={PROJECT}")),
    ] {
        assert_eq!(who.get(path).problem(), refusal(403, "forbidden"), "{path}");
    }
    let told = siti.0.get("/v1/keys/verify").json()["detail"].to_string();
    assert!(told.contains("gembok key verify --project NAME"), "{told}");
    let elsewhere = siti.0.get("/v1/keys/verify?project=cabang");
    assert_eq!(
        elsewhere.text(),
        siti.0.get("/v1/keys/verify?project=cabanx").text().replace("cabanx", "cabang")
    );
    for cursor in ["x", "keks:1", "users:00", "objects:00"] {
        let wrong = opsir.0.get(&format!("/v1/keys/verify?after={cursor}"));
        assert_eq!(wrong.problem(), refusal(400, "bad-request"), "{cursor}");
    }
    // Nothing is put into the keyring by it.
    let world = world.restart();
    assert!(verify(&world, "").0);
    assert_eq!(world.status()["data_keys"], 0);
}

#[test]
fn what_does_not_unwrap_at_its_place_is_named() {
    in_child("key_verify::what_does_not_unwrap_at_its_place_is_named", |softhsm| {
        let World { sandbox, daemon } = world();
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let keys = |table| {
            let scan = Scan { prefix: b"", after: None, limit: 100 };
            let rows = vault.store.scan(table, scan).unwrap().into_iter();
            rows.map(|(key, row)| (key, row.unwrap().value.to_vec())).collect::<Vec<_>>()
        };
        let versions: Vec<(Vec<u8>, KeyVersion)> = keys(Table::KeyVersions)
            .into_iter()
            .map(|(key, row)| (key, cbor::decode(&row).unwrap()))
            .collect();
        let of = |algorithm: u8| {
            versions.iter().find(|(_, version)| version.algorithm.id() == algorithm).unwrap().clone()
        };
        // A bit of one, the wrapped key of another row, what is none, and one that was destroyed.
        let gcm = of(2);
        let rest: Vec<&(Vec<u8>, KeyVersion)> = versions.iter().filter(|(key, _)| *key != gcm.0).collect();
        vault.rewrite::<KeyVersion>(Table::KeyVersions, &gcm.0, |row| {
            *row.life.wrapped_mut().unwrap().key.last_mut().unwrap() ^= 1;
        });
        let copied = rest[1].1.life.wrapped().unwrap().clone();
        vault.rewrite::<KeyVersion>(Table::KeyVersions, &rest[0].0, |row| {
            *row.life.wrapped_mut().unwrap() = copied;
        });
        vault.rewrite::<KeyVersion>(Table::KeyVersions, &rest[2].0, |row| {
            row.life.wrapped_mut().unwrap().key = b"kosong".to_vec();
        });
        vault.rewrite::<KeyVersion>(Table::KeyVersions, &rest[3].0, |row| {
            let because = Because::system(row.created, "");
            let doomed = row.clone().schedule(row.created, false, because.clone()).unwrap();
            *row = doomed.destroy(1, because).unwrap();
        });
        drop(vault);

        let world = World { daemon: sandbox.resume(), sandbox };
        let (is_well, verified) = verify(&world, "--kcv");
        assert!(!is_well);
        let named = |verified: &Value| {
            let failed = verified["failed"].as_array().unwrap().iter();
            let mut failed: Vec<(String, String)> = failed
                .map(|one| {
                    assert!(one["key"]["object"].is_string() || one["key"]["kind"] == "kek", "{one}");
                    (one["row"].as_str().unwrap().to_owned(), one["why"].as_str().unwrap().to_owned())
                })
                .collect();
            failed.sort();
            failed
        };
        let row = |key: &[u8]| gembok::store::RowName::new(Table::KeyVersions, key).to_string();
        let mut wanted = vec![
            (row(&gcm.0), "does-not-unwrap".to_owned()),
            (row(&rest[0].0), "does-not-unwrap".to_owned()),
            (row(&rest[2].0), "malformed".to_owned()),
        ];
        wanted.sort();
        assert_eq!(named(&verified), wanted);
        assert_eq!((&verified["destroyed"], proved(&verified)["data-key"]), (&json!(1), 1));
        assert_eq!(verified["check_values"].as_array().unwrap().len(), 7);
        // For eyes it says what and why, and what to do.
        let shown = world.sandbox.run(&["key", "verify", "--project", PROJECT, "--language", "id"]);
        let (out, err) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
        assert!(out.contains("tidak terbuka di tempat ini") && out.contains(&row(&gcm.0)), "{out}");
        assert!(err.contains("tidak terbukti") && shown.status.code() == Some(1), "{err}");

        // A KEK of a generation that the token does not have takes its data keys with it.
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let kek = vault.store.scan(Table::Keks, Scan { prefix: b"", after: None, limit: 1 }).unwrap();
        vault.rewrite::<Kek>(Table::Keks, &kek[0].0, |row| row.master_key = 7);
        drop(vault);
        let world = World { daemon: sandbox.resume(), sandbox };
        let (_, verified) = verify(&world, "");
        let kek = gembok::store::RowName::new(Table::Keks, &kek[0].0).to_string();
        assert!(named(&verified).contains(&(kek, "no-key-above".to_owned())), "{verified}");
        assert!(named(&verified).iter().filter(|(_, why)| why == "no-key-above").count() > 1, "{verified}");
        assert_eq!(proved(&verified)["kek"], 1);
        // Whoever else works goes on.
        world.done(&format!("endpoint show {ENDPOINT} --project {PROJECT}"));
    });
}
