//! Second opinions on random input, in both directions: what we seal another implementation opens, byte for byte as it
//! would have sealed it itself, and what it refuses we refuse. aws-lc-rs for AES-256-GCM and AES-256-GCM-SIV; Python's
//! `cryptography` and libsodium (`oracle.py`) for those two again, for XAES-256-GCM and for XChaCha20-Poly1305.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aws_lc_rs::aead::{self, Aad, LessSafeKey, UnboundKey};
use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::data_key::DataKey;
use gembok::crypto::envelope::{Envelope, HEADER_LEN, Header};
use gembok::crypto::random::Nonce;
use gembok::crypto::record::{Record, RecordKey};
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::testkit::{from_hex, to_hex};

/// Another implementation: both return `None` when they refuse.
trait Oracle {
    fn seal(&self, algorithm: Algorithm, input: &Input) -> Vec<u8>;
    fn open(&self, algorithm: Algorithm, input: &Input, sealed: &[u8]) -> Option<Vec<u8>>;
}

/// What a seal takes. The nonce is cut to the algorithm's length.
#[derive(Debug, Clone)]
struct Input {
    key: [u8; 32],
    nonce: [u8; 24],
    aad: Vec<u8>,
    plaintext: Vec<u8>,
}

fn input() -> impl Strategy<Value = Input> {
    let bytes = || prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..100), 1 => prop::collection::vec(any::<u8>(), 0..2000)];
    (any::<[u8; 32]>(), any::<[u8; 24]>(), bytes(), bytes()).prop_map(|(key, nonce, aad, plaintext)| Input {
        key,
        nonce,
        aad,
        plaintext,
    })
}

/// Runs `cases` random inputs, each with one bit to flip, past both.
fn agree(algorithm: Algorithm, oracle: &dyn Oracle, cases: u32) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let agreed = runner.run(&(input(), any::<prop::sample::Index>()), |(input, bit)| {
        let Input { key, nonce, aad, plaintext } = &input;
        let ours = DataKey::new(algorithm, &SecretKey::take(&mut key.clone()));
        let header = Header { algorithm, key_id: 1, key_version: 1 }.to_bytes();
        let whole = ours.seal(&header, Nonce::dangerous_fixed(*nonce), aad, plaintext).unwrap();
        let sealed = &whole[HEADER_LEN + algorithm.nonce_len()..];

        prop_assert_eq!(&oracle.seal(algorithm, &input), sealed);
        let opened = oracle.open(algorithm, &input, sealed);
        prop_assert_eq!(opened.as_ref(), Some(plaintext));

        let mut bent = whole.clone();
        let bit = bit.index(8 * sealed.len()) + 8 * (whole.len() - sealed.len());
        bent[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(ours.open(&Envelope::parse(&bent).unwrap(), aad).is_err());
        prop_assert_eq!(oracle.open(algorithm, &input, &bent[whole.len() - sealed.len()..]), None);
        Ok(())
    });
    agreed.unwrap_or_else(|difference| panic!("{}: {difference}", algorithm.name()));
}

struct AwsLc;

impl AwsLc {
    fn key(algorithm: Algorithm, key: &[u8; 32]) -> LessSafeKey {
        let theirs = match algorithm {
            Algorithm::Aes256Gcm => &aead::AES_256_GCM,
            Algorithm::Aes256GcmSiv => &aead::AES_256_GCM_SIV,
            Algorithm::Xaes256Gcm | Algorithm::XChaCha20Poly1305 => {
                panic!("aws-lc has no {}", algorithm.name())
            }
        };
        LessSafeKey::new(UnboundKey::new(theirs, key).unwrap())
    }

    fn nonce(input: &Input) -> aead::Nonce {
        aead::Nonce::try_assume_unique_for_key(&input.nonce[..12]).unwrap()
    }
}

impl Oracle for AwsLc {
    fn seal(&self, algorithm: Algorithm, input: &Input) -> Vec<u8> {
        let mut bytes = input.plaintext.clone();
        let key = Self::key(algorithm, &input.key);
        key.seal_in_place_append_tag(Self::nonce(input), Aad::from(&input.aad), &mut bytes).unwrap();
        bytes
    }

    fn open(&self, algorithm: Algorithm, input: &Input, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let key = Self::key(algorithm, &input.key);
        key.open_in_place(Self::nonce(input), Aad::from(&input.aad), &mut bytes)
            .ok()
            .map(|opened| opened.to_vec())
    }
}

/// `oracle.py` as a child: a JSON line for a JSON line.
struct Python(RefCell<Lines>);

struct Lines {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut child = python("tests/crypto/oracle.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3 does not start ({error}): {INSTALL}"));
        let ask = child.stdin.take();
        let mut answer = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        answer.read_line(&mut ready).unwrap();
        assert!(ready.contains("cryptography"), "the second implementations do not load: {INSTALL}");
        Self(RefCell::new(Lines { child, ask, answer }))
    }

    fn ask(&self, to_do: &str, algorithm: Algorithm, input: &Input, bytes: &[u8]) -> Option<Vec<u8>> {
        let question = json!({
            "do": to_do,
            "algorithm": algorithm.name(),
            "key": to_hex(&input.key),
            "nonce": to_hex(&input.nonce[..algorithm.nonce_len()]),
            "aad": to_hex(&input.aad),
            "bytes": to_hex(bytes),
        });
        let lines = &mut *self.0.borrow_mut();
        writeln!(lines.ask.as_mut().unwrap(), "{question}").unwrap();
        let mut answer = String::new();
        lines.answer.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).expect("oracle.py died of the question");
        match (answer["bytes"].as_str(), answer["refused"].as_bool()) {
            (Some(bytes), None) => Some(from_hex(bytes)),
            (None, Some(true)) => None,
            _ => panic!("oracle.py answered {answer}"),
        }
    }
}

impl Oracle for Python {
    fn seal(&self, algorithm: Algorithm, input: &Input) -> Vec<u8> {
        self.ask("seal", algorithm, input, &input.plaintext).unwrap()
    }

    fn open(&self, algorithm: Algorithm, input: &Input, sealed: &[u8]) -> Option<Vec<u8>> {
        self.ask("open", algorithm, input, sealed)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let lines = self.0.get_mut();
        // The end of its input ends it.
        drop(lines.ask.take());
        let _ = lines.child.wait();
    }
}

const INSTALL: &str = "install Python 3.9 or later, then python3 -m pip install -r tests/requirements.txt; \
                       another interpreter than python3 can be named in the variable PYTHON";

fn python(script: &str) -> Command {
    let mut command = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
    command
}

#[test]
fn aws_lc_agrees() {
    agree(Algorithm::Aes256Gcm, &AwsLc, 500);
    agree(Algorithm::Aes256GcmSiv, &AwsLc, 500);
}

#[test]
fn python_cryptography_and_libsodium_agree() {
    let python = Python::start();
    for algorithm in Algorithm::ALL {
        agree(algorithm, &python, 250);
    }
}

#[test]
fn the_other_implementation_opens_what_we_wrap_and_store() {
    let python = Python::start();
    let open = |key: [u8; 32], nonce: &[u8], aad: Vec<u8>, sealed: &[u8]| {
        let input = Input { key, nonce: nonce.try_into().unwrap(), aad, plaintext: Vec::new() };
        python.open(Algorithm::Xaes256Gcm, &input, sealed)
    };
    for round in 0..20 {
        let (key, wrapping) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let binding = Binding::data_key(Algorithm::Xaes256Gcm, [round; 16], [7; 16], 9, 1, 3);
        let wrapped = WrappingKey::new(3, &wrapping).wrap(&key, &binding).unwrap();
        let wrapped = WrappedKey::parse(&wrapped.to_bytes()).unwrap();
        let opened = open(*wrapping.expose(), wrapped.nonce(), binding.aad(), wrapped.sealed());
        assert_eq!(opened.as_deref(), Some(&key.expose()[..]));

        let stored = RecordKey::new(5, &key).seal(0x0102, &[round; 16], b"a row").unwrap();
        let record = Record::parse(&stored).unwrap();
        let bound = [&b"gembok/record/v1\0\x01\x02\0\x10"[..], &[round; 16]].concat();
        assert_eq!(open(*key.expose(), record.nonce, bound, record.sealed).as_deref(), Some(&b"a row"[..]));
    }
}

/// So that nobody mends a vector by hand until our own code passes.
#[test]
fn the_committed_vectors_are_the_other_implementations() {
    let made = python("tests/vectors/generate.py").arg("--check").output();
    let made = made.unwrap_or_else(|error| panic!("python3 does not start ({error}): {INSTALL}"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
