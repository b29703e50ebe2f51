//! What an earlier version left behind must open for ever: store, token and envelopes of each format, as they were made.
//!
//! `tests/fixtures/make.sh` makes the newest one; the older ones are never made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::client::Client;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::{ALGORITHMS, Application, World};

/// What of a sandbox goes into a fixture.
const KEPT: [&str; 6] = ["state", "softhsm/tokens", "pin", "api-key", "admin/ca.pem", "fixture.json"];

fn archive() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1/sandbox.tar.gz")
}

fn tar(sandbox: &Sandbox, args: &[&str]) {
    let status = Command::new("tar")
        .args(args)
        .arg("--file")
        .arg(archive())
        .arg("--directory")
        .arg(sandbox.path(""))
        .args(if args[0] == "--create" { &KEPT[..] } else { &[] })
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn format_1_still_opens() {
    in_child("fixtures::format_1_still_opens", |softhsm| {
        let sandbox = Sandbox::new();
        tar(&sandbox, &["--extract", "--gzip"]);
        let fixture: Value =
            serde_json::from_slice(&fs::read(sandbox.path("fixture.json")).unwrap()).unwrap();
        let daemon = sandbox.resume();
        let world = World { sandbox, daemon };
        // Its certificates may have ended since: the client's is issued anew, the server's is looked at as of then.
        world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out baru"));
        let ca = world.sandbox.path("admin/ca.pem");
        let certificate = world.sandbox.path("baru/client");
        let made = fixture["made_s"].as_u64().unwrap();
        let application = Application {
            client: Client::at_time(&world.daemon.data(), &ca, Some(&certificate), made),
            endpoint: ENDPOINT.into(),
            api_key: world.sandbox.api_key(),
        };
        let envelopes = fixture["envelopes"].as_array().unwrap();
        assert_eq!(envelopes.len(), 2 * ALGORITHMS.len());
        for envelope in envelopes {
            let opening = json!({
                "object": envelope["object"],
                "ciphertext": envelope["ciphertext"],
                "context": envelope["context"],
            });
            assert_eq!(application.decrypt(&opening).ok()["plaintext"], envelope["plaintext"], "{envelope}");
        }
        for (object, ..) in ALGORITHMS {
            assert_eq!(application.open(object, &application.seal(object, b"baru")), b"baru");
        }
        // Its statistics have no percentiles, and go on with some.
        let (old, new) = (2 * ALGORITHMS.len(), 4 * ALGORITHMS.len());
        let totals =
            || world.done("statistics --from 2020-01-01 --resolution month")["statistics"]["totals"].clone();
        world.daemon.wait_until("all records are committed", || totals()["requests"] == old + new);
        assert_eq!(totals()["latency_counted"], new);
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());

        let records = Vault::open(&sandbox, softhsm).records();
        let old = usize::try_from(fixture["records"].as_u64().unwrap()).unwrap();
        assert!(records.len() > old);
        let access = records[..old].iter().filter(|record| matches!(record, Record::Access(_))).count();
        assert_eq!(access, 2 * ALGORITHMS.len());
    });
}

/// Writes the fixture of this version's format. Not part of a run: a fixture is made once, when its format is new.
#[test]
#[ignore = "makes the fixture instead of testing it"]
fn make_format_1() {
    in_child("fixtures::make_format_1", |softhsm| {
        let world = World::new("");
        for (object, algorithm, _) in &ALGORITHMS[1..] {
            world.done(&format!("object create {object} --project {PROJECT} --algorithm {algorithm}"));
            world.grant("encrypt decrypt", object, ENDPOINT);
        }
        let absensi = world.absensi();
        assert_eq!(ALGORITHMS[0].0, OBJECT);
        let mut envelopes = Vec::new();
        for (object, algorithm, _) in ALGORITHMS {
            for context in [json!({}), json!({ "tabel": "pegawai", "baris": "7" })] {
                let plaintext = STANDARD.encode(format!("contoh data {object} di bawah {algorithm}"));
                let item = json!({ "object": object, "plaintext": plaintext, "context": context });
                envelopes.push(json!({
                    "object": object,
                    "algorithm": algorithm,
                    "plaintext": plaintext,
                    "context": context,
                    "ciphertext": absensi.encrypt(&item).ok()["ciphertext"],
                }));
            }
        }
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let records = Vault::open(&sandbox, softhsm).records().len();
        let made = OffsetDateTime::now_utc().unix_timestamp();
        let fixture = json!({
            "gembok": env!("CARGO_PKG_VERSION"),
            "made_s": made,
            "records": records,
            "envelopes": envelopes,
        });
        fs::write(sandbox.path("fixture.json"), serde_json::to_vec_pretty(&fixture).unwrap()).unwrap();
        tar(&sandbox, &["--create", "--gzip", "--owner=0", "--group=0"]);
    });
}
