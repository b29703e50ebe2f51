//! The boot row against `tests/vectors/boot.txt`: it must still be readable when nothing else is.

use gembok::crypto::derive;
use gembok::crypto::secret::SecretKey;
use gembok::store::{
    Blob, Boot, CaKeyEntry, CheckpointKeyEntry, MasterKeyEntry, MasterKeyState, ShareSet, StoreKeyEntry,
};

use super::testkit::{Case, cases, from_hex};

#[test]
fn boot_rows() {
    for case in cases("boot.txt") {
        let cbor = case.bytes("cbor");
        let parsed = Boot::parse(&cbor);
        match case.text("expect") {
            "parses" => {
                let boot = boot(&case);
                assert_eq!(boot.to_cbor(), cbor, "{}", case.label());
                assert_eq!(parsed.unwrap(), boot, "{}", case.label());
                let key = derive::boot_mac_key(&SecretKey::take(&mut case.array("store-key")));
                assert_eq!(key.tag(&[&cbor]), case.array("mac"), "{}", case.label());
            }
            "malformed" => assert!(parsed.is_err(), "{}", case.label()),
            other => panic!("{}: unknown expectation {other}", case.label()),
        }
    }
}

fn boot(case: &Case) -> Boot {
    Boot {
        format_version: case.number("format-version"),
        appliance_id: case.array("appliance-id"),
        epoch: case.number("epoch"),
        token_serial: case.text("token-serial").into(),
        master_keys: master_keys(case),
        store_keys: case
            .numbers("store-generation")
            .into_iter()
            .zip(case.all_bytes("store-wrapped"))
            .map(|(generation, wrapped)| StoreKeyEntry { generation, wrapped })
            .collect(),
        current_store_key: case.number("current-store-key"),
        name_key: case.bytes("name-key"),
        subject_key: case.bytes("subject-key"),
        backup_key: optional(case.text("backup-key")),
        ca_key: CaKeyEntry { label: case.text("ca-label").into(), escrow: optional(case.text("ca-escrow")) },
        checkpoint_keys: case
            .numbers("checkpoint-epoch")
            .into_iter()
            .zip(case.texts("checkpoint-label"))
            .zip(case.all_bytes("checkpoint-spki"))
            .map(|((epoch, label), spki)| CheckpointKeyEntry { epoch, label: label.into(), spki })
            .collect(),
        share_sets: case
            .all_bytes("share-set")
            .into_iter()
            .zip(case.all_bytes("share-commitments"))
            .map(|(id, commitments)| ShareSet {
                id: id.try_into().unwrap(),
                commitments: commitments.chunks(32).map(|commitment| Blob(commitment.to_vec())).collect(),
            })
            .collect(),
        unlock_slots: case.all_bytes("unlock-slot").into_iter().map(Blob).collect(),
        officers: case.all_bytes("officer").into_iter().map(Blob).collect(),
        sandbox: case.number("sandbox"),
    }
}

fn master_keys(case: &Case) -> Vec<MasterKeyEntry> {
    let numbers = case.numbers("mk-generation").into_iter();
    let names = case.texts("mk-label").into_iter().zip(case.all_bytes("mk-kcv"));
    let states = case.texts("mk-state").into_iter().zip(case.texts("mk-escrow"));
    numbers
        .zip(names)
        .zip(states)
        .map(|((generation, (label, kcv)), (state, escrow))| MasterKeyEntry {
            generation,
            label: label.into(),
            kcv: kcv.try_into().unwrap(),
            state: match state {
                "current" => MasterKeyState::Current,
                "retiring" => MasterKeyState::Retiring,
                "destroyed" => MasterKeyState::Destroyed,
                other => panic!("{}: unknown state {other}", case.label()),
            },
            escrow: optional(escrow),
        })
        .collect()
}

fn optional(value: &str) -> Option<Vec<u8>> {
    (value != "none").then(|| from_hex(value))
}
