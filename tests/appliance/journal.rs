//! What was asked stands in the journal, all of it and nothing that was secret; statistics equal a recount.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::domain::access_record::outcome_number;
use gembok::domain::operation::Operation;
use gembok::domain::refusal::Code;
use gembok::store::{Scan, Table};
use serde_json::json;

use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::recount;
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::{Application, World};

const PLAINTEXT: &[u8] = b"3602041211870001 rahasia sekali";
const CONTEXT_VALUE: &str = "baris-8812734";

#[test]
fn every_request_is_recorded_and_nothing_secret_is_kept() {
    in_child("journal::every_request_is_recorded_and_nothing_secret_is_kept", |softhsm| {
        let world = World::new("[log]\nlevel = \"debug\"\n");
        let (expected, api_key) = ask(&world);

        let World { sandbox, daemon } = world;
        let log = daemon.log();
        let pin = fs::read_to_string(sandbox.path("pin")).unwrap();
        let provisioned = sandbox.api_key();
        assert!(daemon.stop().success());

        let vault = Vault::open(&sandbox, softhsm);
        let records = vault.records();
        let mut counted = Counted::new();
        let mut fields = 0;
        let mut acts = Vec::new();
        for record in &records {
            match record {
                Record::Access(access) => {
                    let operation = access.operation.map_or(0, Operation::number);
                    *counted.entry((operation, outcome_number(access.outcome))).or_default() += 1;
                    assert!(access.address.is_loopback() && access.latency_us > 0);
                    fields += access.groups.iter().map(|group| group.fields).sum::<u32>();
                }
                Record::Gap(gap) => panic!("{gap:?} without an unclean end"),
                Record::Audit(audit) => acts.push((audit.actor.as_str(), audit.act.as_str())),
            }
        }
        assert_eq!(counted, expected);
        assert_eq!(fields, 3 + 1 + 1 + 4 + 1);

        let local = format!("local:{}", rustix::process::getuid().as_raw());
        let changes: Vec<&str> =
            acts.iter().filter(|(actor, _)| *actor == local).map(|(_, act)| *act).collect();
        let made = [
            "appliance.init",
            "user.create",
            "certificate.issue",
            "master-key.wrap",
            "project.create",
            "object.create",
            "endpoint.create",
            "grant.create",
            "certificate.issue",
        ];
        let keys = ["api-key.create", "api-key.create", "api-key.revoke"];
        assert_eq!(changes, [&made[..], &keys].concat(), "{acts:?}");
        assert!(acts.iter().all(|(actor, _)| *actor == local || *actor == "system"), "{acts:?}");

        recount::statistics_equal_a_recount(&vault.store);
        let rows =
            vault.store.scan(Table::Statistics, Scan { prefix: b"", after: None, limit: 10_000 }).unwrap();
        assert!((1..=3).all(|resolution| rows.iter().any(|(key, _)| key[0] == resolution)));
        drop(vault);

        let encoded = STANDARD.encode(PLAINTEXT);
        let secrets = [
            PLAINTEXT,
            encoded.as_bytes(),
            CONTEXT_VALUE.as_bytes(),
            provisioned.as_bytes(),
            api_key.as_bytes(),
            &api_key.as_bytes()[4..38],
        ];
        holds_none(&sandbox.path("state"), &secrets);
        holds_none(&sandbox.path("state"), &[pin.trim().as_bytes(), OBJECT.as_bytes()]);
        holds_none(&sandbox.softhsm().tokens(), &secrets);
        for secret in secrets.iter().chain(&[pin.trim().as_bytes()]) {
            assert!(!contains(log.as_bytes(), secret), "the log holds {}", String::from_utf8_lossy(secret));
        }
    });
}

/// Requests by operation and outcome, as records number them.
type Counted = BTreeMap<(u8, u16), u64>;

/// Asks in every way there is; what the journal has to say of it, and an API key that was revoked on the way.
fn ask(world: &World) -> (Counted, String) {
    let absensi = world.absensi();
    let mut expected = Counted::new();
    let mut asked = |operation: Option<Operation>, outcome: Option<Code>| {
        *expected.entry((operation.map_or(0, Operation::number), outcome_number(outcome))).or_default() += 1;
    };
    let (encrypt, decrypt) = (Some(Operation::Encrypt), Some(Operation::Decrypt));

    let item = json!({ "object": OBJECT, "plaintext": STANDARD.encode(PLAINTEXT), "context": { "baris": CONTEXT_VALUE } });
    let mut sealed = None;
    for _ in 0..3 {
        sealed = Some(absensi.encrypt(&item).ok()["ciphertext"].clone());
        asked(encrypt, None);
    }
    let opening = json!({ "object": OBJECT, "ciphertext": sealed, "context": { "baris": CONTEXT_VALUE } });
    assert_eq!(absensi.decrypt(&opening).status, 200);
    asked(decrypt, None);
    let opening = json!({ "object": OBJECT, "ciphertext": sealed, "context": { "baris": "lain" } });
    assert_eq!(absensi.decrypt(&opening).status, 422);
    asked(decrypt, Some(Code::CannotOpen));
    let batch = json!({ "items": [item, item, { "object": "tidak-ada", "plaintext": "" }, { "object": OBJECT, "plaintext": "?" }] });
    assert_eq!(absensi.encrypt(&batch).ok()["failed"], 2);
    asked(encrypt, None);
    let body = absensi.published_body(OBJECT, "enkrip", &STANDARD.encode(PLAINTEXT));
    assert_eq!(absensi.published(body.to_string()).status, 200);
    asked(encrypt, None);
    assert_eq!(absensi.published("{").status, 400);
    asked(None, Some(Code::MalformedJson));
    assert_eq!(absensi.v1("encrypt", "{").status, 400);
    asked(encrypt, Some(Code::MalformedJson));
    let elsewhere = Application { endpoint: "gaji".into(), ..absensi.clone() };
    assert_eq!(elsewhere.decrypt(&opening).status, 404);
    asked(decrypt, Some(Code::EndpointUnknown));
    let (id, api_key) = world.new_api_key(PROJECT, ENDPOINT, "");
    world.done(&format!("api-key revoke {id}"));
    let revoked = Application { api_key: api_key.clone(), ..absensi.clone() };
    assert_eq!(revoked.encrypt(&item).status, 401);
    asked(encrypt, Some(Code::ApiKeyRevoked));
    // No enrolled certificate, no record; nor for what has no route.
    let admin = Application { client: world.data(Some("admin/admin")), ..absensi.clone() };
    assert_eq!(admin.encrypt(&item).status, 401);
    assert_eq!(absensi.client.get("/v1/info").status, 200);
    (expected, api_key)
}

/// No file below `folder` holds any of these.
fn holds_none(folder: &Path, secrets: &[&[u8]]) {
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        seen += 1;
        if path.is_dir() {
            holds_none(&path, secrets);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for secret in secrets {
            assert!(
                !contains(&bytes, secret),
                "{} holds {}",
                path.display(),
                String::from_utf8_lossy(secret)
            );
        }
    }
    assert!(seen > 0, "{} is empty", folder.display());
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
