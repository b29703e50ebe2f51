//! Our formats against `tests/vectors`, in both directions wherever the nonce can be chosen; what is wrapped under drawn
//! nonces is opened by the other implementation in `oracles`.

use std::borrow::Cow;

use aead::{Aead, KeyInit, Payload};
use aes_gcm::Aes256Gcm;
use gembok::crypto::aad::{self, Context, ContextError};
use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::block::{self, BlockHeader, Leaves};
use gembok::crypto::checkpoint::{Checkpoint, CheckpointKey, Statement};
use gembok::crypto::data_key::DataKey;
use gembok::crypto::derive::{self, MacKey};
use gembok::crypto::digest::StateDigest;
use gembok::crypto::envelope::{self, Envelope, Header};
use gembok::crypto::kcv::{self, Kcv};
use gembok::crypto::pseudonym::SubjectKey;
use gembok::crypto::random::Nonce;
use gembok::crypto::record::{Record, RecordKey};
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, How, WrappedKey, WrappingKey};

use super::testkit::{Case, cases};

fn secret(case: &Case, name: &str) -> SecretKey {
    SecretKey::take(&mut case.array(name))
}

/// The nonce that stands in a case, where our types take one of the greatest length.
fn nonce(case: &Case) -> Nonce {
    let bytes = case.bytes("nonce");
    let mut longest = [0; 24];
    longest[..bytes.len()].copy_from_slice(&bytes);
    Nonce::dangerous_fixed(longest)
}

fn context(case: &Case) -> Result<Context<'_>, ContextError> {
    let pairs = case.texts("name").into_iter().zip(case.texts("value"));
    Context::new(pairs.map(|(name, value)| (Cow::from(name), Cow::from(value))).collect())
}

fn algorithm(case: &Case) -> Algorithm {
    case.text("algorithm").parse().unwrap_or_else(|()| panic!("{}: unknown algorithm", case.label()))
}

#[test]
fn aad() {
    for case in cases("aad.txt") {
        if case.has("refused") {
            let why = match case.text("refused") {
                "empty name" => ContextError::EmptyName,
                "repeated name" => ContextError::RepeatedName,
                other => panic!("{}: unknown reason {other}", case.label()),
            };
            assert_eq!(context(&case), Err(why), "{}", case.label());
            continue;
        }
        let mut out = b"what was here before".to_vec();
        let context = context(&case).unwrap();
        aad::write(&mut out, &case.array("header"), &case.array("project"), &case.array("object"), &context);
        assert_eq!(out, case.bytes("aad"), "{}", case.label());
    }
}

#[test]
fn envelopes() {
    for case in cases("envelope.txt") {
        let bytes = case.bytes("envelope");
        let parsed = Envelope::parse(&bytes);
        match case.text("expect") {
            "opens" => {
                envelope_opens(&case, &bytes, &parsed.unwrap());
            }
            "not authentic" => {
                let key = DataKey::new(algorithm(&case), &secret(&case, "key"));
                assert!(key.open(&parsed.unwrap(), &case.bytes("aad")).is_err(), "{}", case.label());
            }
            "malformed" => assert!(parsed.is_err(), "{}", case.label()),
            other => panic!("{}: unknown expectation {other}", case.label()),
        }
    }
}

fn envelope_opens(case: &Case, bytes: &[u8], parsed: &Envelope<'_>) {
    let label = case.label();
    let header = Header {
        algorithm: algorithm(case),
        key_id: case.number("key-id"),
        key_version: case.number("key-version"),
    };
    let mut bound = Vec::new();
    let context = context(case).unwrap();
    aad::write(&mut bound, &header.to_bytes(), &case.array("project"), &case.array("object"), &context);
    assert_eq!(bound, case.bytes("aad"), "{label}");

    let key = DataKey::new(header.algorithm, &secret(case, "key"));
    let plaintext = case.bytes("plaintext");
    assert_eq!(key.seal(&header.to_bytes(), nonce(case), &bound, &plaintext).unwrap(), bytes, "{label}");

    assert_eq!(parsed.header, header, "{label}");
    assert_eq!(parsed.nonce, case.bytes("nonce"), "{label}");
    assert_eq!(*key.open(parsed, &bound).unwrap(), plaintext, "{label}");

    assert_eq!(envelope::to_text(bytes), case.text("text"), "{label}");
    assert!(case.text("text").starts_with("R0IB"), "{label}");
    assert_eq!(envelope::text_len(header.algorithm, plaintext.len()), case.text("text").len(), "{label}");
}

#[test]
fn wrapped_keys() {
    for case in cases("wrapped-key.txt") {
        let parsed = WrappedKey::parse(&case.bytes("wrapped"));
        match case.text("expect") {
            "opens" => wrapped_key_opens(&case, &parsed.unwrap()),
            "malformed" => assert!(parsed.is_err(), "{}", case.label()),
            other => panic!("{}: unknown expectation {other}", case.label()),
        }
    }
}

fn wrapped_key_opens(case: &Case, parsed: &WrappedKey) {
    let label = case.label();
    let binding = binding(case);
    let wrapping_version = case.number("wrapping-version");
    assert_eq!(binding.aad(), case.bytes("aad"), "{label}");
    assert_eq!(binding.wrapping_version(), wrapping_version, "{label}");
    assert_eq!(parsed.to_bytes(), case.bytes("wrapped"), "{label}");
    assert_eq!(parsed.wrapping_version(), wrapping_version, "{label}");
    assert_eq!(parsed.nonce(), case.bytes("nonce"), "{label}");
    match case.text("how") {
        "in process" => {
            assert_eq!(parsed.how(), How::InProcess, "{label}");
            let wrapping_key = WrappingKey::new(wrapping_version, &secret(case, "wrapping-key"));
            let key = wrapping_key.unwrap(parsed, &binding).unwrap();
            assert_eq!(key.expose(), &case.array("key"), "{label}");
        }
        // The token's part is played by the cipher itself: the token is asked for AES-GCM and nothing more.
        "in the token" => {
            assert_eq!(parsed.how(), How::InToken, "{label}");
            let token = Aes256Gcm::new(&case.array("wrapping-key").into());
            let nonce = case.array::<12>("nonce");
            let payload = Payload { msg: &case.bytes("key"), aad: &case.bytes("aad") };
            let sealed = token.encrypt(&nonce.into(), payload).unwrap();
            let made = WrappedKey::from_token(wrapping_version, &nonce, &sealed).unwrap();
            assert_eq!(made.to_bytes(), case.bytes("wrapped"), "{label}");
            let payload = Payload { msg: parsed.sealed(), aad: &case.bytes("aad") };
            assert_eq!(token.decrypt(&nonce.into(), payload).unwrap(), case.bytes("key"), "{label}");
        }
        other => panic!("{label}: unknown way {other}"),
    }
}

fn binding(case: &Case) -> Binding {
    let (project, object) = (case.array_or_zero("project"), case.array_or_zero("object"));
    let (version, under) = (case.number("version"), case.number("wrapping-version"));
    match case.text("kind") {
        "kek" => Binding::kek(project, version, under),
        "store key" => Binding::store_key(version, under),
        "data key" => {
            Binding::data_key(algorithm(case), project, object, case.number("key-id"), version, under)
        }
        "index root" => Binding::index_root(project, object, case.number("key-id"), version, under),
        "backup key" => Binding::backup_key(version, under),
        "name key" => Binding::name_key(under),
        "subject key" => Binding::subject_key(under),
        other => panic!("{}: unknown kind {other}", case.label()),
    }
}

#[test]
fn kcvs() {
    for case in cases("kcv.txt") {
        assert_eq!(Kcv::of(&secret(&case, "key")).to_string(), case.text("kcv"), "{}", case.label());
        let of_token = Kcv::from_cmac(&case.bytes("cmac"));
        assert_eq!(of_token, Some(Kcv::of(&secret(&case, "key"))), "{}", case.label());
    }
    assert_eq!(kcv::BLOCK, [0; 16]);
}

#[test]
fn derived_keys() {
    for case in cases("derive.txt") {
        let store_key = secret(&case, "store-key");
        let message = case.bytes("message");
        for (derived, key, tag) in [
            (derive::state_key(&store_key), "state-key", "state-tag"),
            (derive::boot_mac_key(&store_key), "boot-mac-key", "boot-tag"),
        ] {
            assert_eq!(derived.tag(&[&message]), case.array(tag), "{}", case.label());
            assert_eq!(MacKey::of(&secret(&case, key)).tag(&[&message]), case.array(tag), "{}", case.label());
            assert!(derived.verifies(&[&message], &case.array(tag)), "{}", case.label());
            let (left, right) = message.split_at(message.len() / 3);
            assert!(derived.verifies(&[left, &[], right], &case.array(tag)), "{}", case.label());
            let mut bent = case.array(tag);
            bent[31] ^= 1;
            assert!(!derived.verifies(&[&message], &bent), "{}", case.label());
        }
    }
}

#[test]
fn row_keys() {
    for case in cases("row-key.txt") {
        let table: u16 = case.number("table");
        let parts = [&table.to_be_bytes()[..], &case.bytes("parent"), case.text("name").as_bytes()];
        let tag = MacKey::of(&secret(&case, "name-key")).tag(&parts);
        assert_eq!(tag[..16], case.array::<16>("row-key"), "{}", case.label());
    }
}

#[test]
fn subject_pseudonyms() {
    let mut seen = std::collections::BTreeSet::new();
    for case in cases("subject.txt") {
        let key = SubjectKey::of(&secret(&case, "subject-key"));
        let pseudonym = key.pseudonym(&case.array("project"), case.text("value"));
        assert_eq!(pseudonym.0, case.array::<16>("pseudonym"), "{}", case.label());
        assert!(seen.insert(pseudonym), "{} is no other's", case.label());
    }
    assert!(seen.len() > 3);
}

#[test]
fn records() {
    for case in cases("record.txt") {
        let bytes = case.bytes("record");
        let parsed = Record::parse(&bytes);
        if case.text("expect") == "malformed" {
            assert!(parsed.is_err(), "{}", case.label());
            continue;
        }
        let parsed = parsed.unwrap();
        let store_key = RecordKey::new(case.number("generation"), &secret(&case, "store-key"));
        let (table, row_key) = (case.number("table"), case.bytes("row-key"));
        let opened = store_key.open(table, &row_key, &parsed);
        match case.text("expect") {
            "opens" => {
                let plaintext = case.bytes("plaintext");
                let sealed = store_key.seal_with(nonce(&case), table, &row_key, &plaintext).unwrap();
                assert_eq!(sealed, bytes, "{}", case.label());
                assert_eq!(*opened.unwrap(), plaintext, "{}", case.label());
                assert_eq!(parsed.generation, case.number::<u32>("generation"), "{}", case.label());
                let bound = case.bytes("aad");
                assert!(bound.starts_with(b"gembok/record/v1\0") && bound.ends_with(&row_key));
            }
            "not authentic" => assert!(opened.is_err(), "{}", case.label()),
            other => panic!("{}: unknown expectation {other}", case.label()),
        }
    }
}

#[test]
fn state_digests() {
    for case in cases("state-digest.txt") {
        let state_key = derive::state_key(&secret(&case, "store-key"));
        let keys = case.all_bytes("row-key").into_iter().zip(case.all_bytes("stored"));
        let mut digest = StateDigest::default();
        for (table, (key, stored)) in case.numbers("table").into_iter().zip(keys) {
            digest.add(&state_key, table, &key, &stored);
        }
        assert_eq!(digest.to_bytes(), case.array("sum"), "{}", case.label());
        assert_eq!(digest.seal(&state_key), case.array("sealed"), "{}", case.label());
    }
}

#[test]
fn blocks() {
    for case in cases("block.txt") {
        let bytes = case.bytes("header");
        let parsed = BlockHeader::parse(&bytes);
        match case.text("expect") {
            "parses" => block_parses(&case, &bytes, &parsed.unwrap()),
            "malformed" => assert!(parsed.is_err(), "{}", case.label()),
            other => panic!("{}: unknown expectation {other}", case.label()),
        }
    }
}

fn block_parses(case: &Case, bytes: &[u8], parsed: &BlockHeader) {
    let label = case.label();
    let mut written = Vec::new();
    let bodies = case.all_bytes("body");
    let heads = case.numbers("kind").into_iter().zip(case.numbers("version"));
    for ((kind, version), body) in heads.clone().zip(&bodies) {
        block::write_leaf(&mut written, kind, version, body);
    }
    assert_eq!(written, case.all_bytes("leaf").concat(), "{label}");

    let read: Vec<_> = Leaves::new(&written).collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), bodies.len(), "{label}");
    for ((leaf, (kind, version)), body) in read.iter().zip(heads).zip(&bodies) {
        assert_eq!((leaf.kind, leaf.version, leaf.body), (kind, version, body.as_slice()), "{label}");
    }

    let header = BlockHeader {
        chain: case.array("chain"),
        epoch: case.number("epoch"),
        first_sequence: case.number("first-sequence"),
        count: case.number("count"),
        time_us: case.number("time-us"),
        previous: case.array("previous"),
        root: block::merkle_root(read.iter().map(|leaf| leaf.bytes)),
        state: case.array("state"),
    };
    assert_eq!(header.root, case.array("root"), "{label}");
    assert_eq!(header.to_bytes(), bytes, "{label}");
    assert_eq!(*parsed, header, "{label}");
    assert_eq!(header.hash(), case.array("hash"), "{label}");
}

#[test]
fn checkpoints() {
    for case in cases("checkpoint.txt") {
        let label = case.label();
        let text = String::from_utf8(case.bytes("text")).unwrap();
        let parsed = Checkpoint::parse(&text);
        if case.text("expect") == "malformed" {
            assert!(parsed.is_err(), "{label}");
            continue;
        }
        let (parsed, key) = (parsed.unwrap(), CheckpointKey::from_spki(&case.bytes("spki")).unwrap());
        match case.text("expect") {
            "verifies" => checkpoint_verifies(&case, &text, &parsed, &key),
            "not authentic" => assert!(parsed.verify(&key).is_err(), "{label}"),
            other => panic!("{label}: unknown expectation {other}"),
        }
    }
}

fn checkpoint_verifies(case: &Case, text: &str, parsed: &Checkpoint, key: &CheckpointKey) {
    let label = case.label();
    let statement = Statement {
        chain: case.array("chain"),
        epoch: case.number("epoch"),
        next_sequence: case.number("next-sequence"),
        hash: case.array("hash"),
        time_us: case.number("time-us"),
    };
    assert_eq!(parsed.statement, statement, "{label}");
    assert_eq!(statement.digest(), case.array("digest"), "{label}");
    assert_eq!(statement.signed(key.id(), parsed.signature).to_text(), text, "{label}");
    assert_eq!(parsed.to_line(), case.text("line"), "{label}");
    assert_eq!(Checkpoint::parse_line(case.text("line")), Ok(*parsed), "{label}");
    assert_eq!(key.fingerprint(), case.array("fingerprint"), "{label}");
    assert_eq!(parsed.verify(key), Ok(()), "{label}");
}
