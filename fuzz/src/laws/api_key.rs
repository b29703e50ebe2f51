//! API keys: our reader agrees with the sentence that defines them, on every text.

use gembok::domain::api_key::ApiKeyText;
use sha2::{Digest, Sha256};

const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `gbk_`, 34 base62, and the CRC-32 of those 38 as 6 base62: exactly these are read. The rest of a text with a wrong check
/// is tried with the right one too, or chance would never find a good one.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let is_read = agree(text);
    let corrected = text.get(..38).map(|body| format!("{body}{}", check(body)));
    corrected.is_some_and(|text| agree(&text)) || is_read
}

fn agree(text: &str) -> bool {
    let is_one = text.len() == 44
        && text.is_char_boundary(38)
        && text.starts_with("gbk_")
        && text[4..38].chars().all(|sign| BASE62.contains(sign))
        && text[38..] == check(&text[..38]);
    match ApiKeyText::digest_sent(text) {
        Ok(digest) => {
            assert!(is_one, "what is read has the form");
            let labelled = [b"gembok/api-key/v1\0", text.as_bytes()].concat();
            assert_eq!(digest.as_slice(), Sha256::digest(labelled).as_slice());
        }
        Err(_) => assert!(!is_one, "what has the form is read"),
    }
    is_one
}

/// CRC-32 (IEEE 802.3) bit by bit.
fn check(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    crc = !crc;
    (0..6).rev().map(|place| char::from(BASE62.as_bytes()[(crc / 62_u32.pow(place) % 62) as usize])).collect()
}
