//! A key version whose row opens and contradicts itself: nobody acts on a half of it, it is named like one that is damaged, and
//! everything else goes on.

use gembok::domain::cbor;
use gembok::domain::key_version::KeyVersion;
use gembok::store::{RowName, Scan, Table};
use serde_json::json;

use crate::client::refusal;
use crate::key_destruction::behind;
use crate::key_turns::age;
use crate::key_verify::verify;
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::vault::Vault;
use crate::world::World;

/// What only one that is disabled has, in a row that ends with the moves.
const ENABLED_AS_DECRYPT_ONLY: [u8; 2] = [13, 2];

#[test]
fn it_is_named_and_everything_else_goes_on() {
    in_child("contradictions::it_is_named_and_everything_else_goes_on", |softhsm| {
        let world = World::new("");
        for object in ["satu", "dua", "tiga"] {
            world.done(&format!("object create {object} --project {PROJECT}"));
        }
        let sealed = world.absensi().seal(OBJECT, b"Budi");
        let shown = world.done(&format!("key show {OBJECT} 1 --project {PROJECT}"));
        let key_id = shown["key-version"]["key_id"].as_str().unwrap();
        let key_id = u32::from_str_radix(key_id, 16).unwrap();
        let contradict = |vault: &Vault| {
            vault.rewrite_all(Table::KeyVersions, age);
            let prefix = key_id.to_be_bytes();
            let range = Scan { prefix: &prefix, after: None, limit: 2 };
            let (row_key, row) = vault.store.scan(Table::KeyVersions, range).unwrap().remove(0);
            let mut row = row.unwrap().value.to_vec();
            row[0] += 1;
            row.extend(ENABLED_AS_DECRYPT_ONLY);
            assert!(cbor::decode::<KeyVersion>(&row).is_err());
            vault.put_all(Table::KeyVersions, [(row_key.clone(), row)]);
            RowName::new(Table::KeyVersions, &row_key).to_string()
        };
        let row = behind(&world.sandbox, world.daemon, softhsm, contradict);
        let world = World { daemon: world.sandbox.resume(), sandbox: world.sandbox };

        // Its pass goes on behind it: of three other keys some lie there.
        for object in ["satu", "dua", "tiga"] {
            world.daemon.wait_until("it is rotated", || {
                let shown = world.done(&format!("object show {object} --project {PROJECT}"));
                shown["object"]["object"]["current_version"] == 2
            });
        }
        let said = world.daemon.said("a row does not say what it should").next().unwrap();
        let why = said["why"].as_str().unwrap();
        assert_eq!(said["row"], row.as_str());
        let what = format!(
            "version 1 of key {key_id:08x} contradicts itself: it is not disabled, and is to be enabled all the same"
        );
        assert!(why.ends_with(&what), "{why}");

        let absensi = world.absensi();
        let item = json!({ "object": OBJECT, "plaintext": "QnVkaQ==" });
        assert_eq!(absensi.encrypt(&item).problem(), refusal(500, "fault"));
        let opens = json!({ "object": OBJECT, "ciphertext": sealed });
        assert_eq!(absensi.decrypt(&opens).problem(), refusal(500, "fault"));
        let shown = world.done(&format!("object show {OBJECT} --project {PROJECT}"));
        assert_eq!(shown["object"]["versions"], json!([{ "damaged": row }]), "{shown}");
        let (is_well, verified) = verify(&world, "");
        assert!(!is_well);
        let failed = verified["failed"].as_array().unwrap();
        assert_eq!((failed.len(), &failed[0]["row"], &failed[0]["why"]), (1, &json!(row), &json!("damaged")));

        // Its KEK is rotated around it, its object gets another version, and what is to be deleted waits for it.
        world.done(&format!("project rotate-kek {PROJECT}"));
        world.daemon.wait_until("all others are wrapped anew, and its KEK stays", || {
            let rest = "keys do not open under their KEK, so its older versions stay; destroy these key versions, or restore a backup";
            world.daemon.said(rest).any(|line| line["keys"] == 1)
        });
        assert_eq!(world.daemon.said("every key is wrapped by the newest KEK").count(), 0);
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        let absensi = world.absensi();
        assert_eq!(absensi.open(OBJECT, &absensi.seal(OBJECT, b"Siti")), b"Siti");
        assert_eq!(absensi.decrypt(&opens).problem(), refusal(500, "fault"));
        world.done(&format!("object retire {OBJECT} --project {PROJECT}"));
        let delete = ["object", "delete", OBJECT, "--project", PROJECT];
        assert_eq!(world.sandbox.refused(&delete), "object-in-use");
    });
}
