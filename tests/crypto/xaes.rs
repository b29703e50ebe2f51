//! XAES-256-GCM against its specification's own vectors (C2SP, XAES-256-GCM.md, "Test vectors").

use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::data_key::DataKey;
use gembok::crypto::envelope::{Envelope, HEADER_LEN, Header};
use gembok::crypto::random::Nonce;
use gembok::crypto::secret::SecretKey;
use shake::Shake128;
use shake::digest::{ExtendableOutput, Update, XofReader};

use super::testkit::to_hex;

const HEADER: Header = Header { algorithm: Algorithm::Xaes256Gcm, key_id: 1, key_version: 1 };

/// Ciphertext and tag, after having been opened again.
fn seal(key: [u8; 32], nonce: [u8; 24], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = DataKey::new(Algorithm::Xaes256Gcm, &SecretKey::take(&mut { key }));
    let whole = key.seal(&HEADER.to_bytes(), Nonce::dangerous_fixed(nonce), aad, plaintext).unwrap();
    let envelope = Envelope::parse(&whole).unwrap();
    assert_eq!(envelope.nonce, nonce);
    assert_eq!(*key.open(&envelope, aad).unwrap(), plaintext);
    whole[HEADER_LEN + 24..].to_vec()
}

#[test]
fn the_two_of_the_specification() {
    let nonce = *b"ABCDEFGHIJKLMNOPQRSTUVWX";
    assert_eq!(
        to_hex(&seal([1; 32], nonce, b"", b"XAES-256-GCM")),
        "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
    );
    assert_eq!(
        to_hex(&seal([3; 32], nonce, b"c2sp.org/XAES-256-GCM", b"XAES-256-GCM")),
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"
    );
}

/// The hash of `iterations` ciphertexts of inputs read from SHAKE-128 of nothing.
fn accumulated(iterations: u32) -> String {
    let (mut random, mut hash) = (Shake128::default().finalize_xof(), Shake128::default());
    let (mut key, mut nonce) = ([0; 32], [0; 24]);
    for _ in 0..iterations {
        random.read(&mut key);
        random.read(&mut nonce);
        let [plaintext, aad] = [(); 2].map(|()| {
            let mut length = [0];
            random.read(&mut length);
            let mut bytes = vec![0; usize::from(length[0])];
            random.read(&mut bytes);
            bytes
        });
        hash.update(&seal(key, nonce, &aad, &plaintext));
    }
    let mut out = [0; 32];
    hash.finalize_xof().read(&mut out);
    to_hex(&out)
}

#[test]
fn accumulated_over_ten_thousand() {
    let expected = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939";
    assert_eq!(accumulated(10_000), expected);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unoptimised: cargo test --release --test crypto")]
fn accumulated_over_a_million() {
    let expected = "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15";
    assert_eq!(accumulated(1_000_000), expected);
}
