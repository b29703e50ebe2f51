//! The form of every secret that we make and somebody sends back: a prefix that says what it is, 202 random bits, a check.
//!
//! ```text
//! prefix | 34 base62 | 6 base62 of CRC-32 (IEEE) over the characters before
//! ```
//!
//! base62 is `0-9A-Za-z`; the 34 are drawn by rejection sampling; the check is most significant digit first, left-padded. The
//! check finds typing errors before the store is asked; it proves nothing. The text is shown once and kept as
//! `SHA-256(label | text)`, which is also how it is looked up: with 202 random bits no slower hash is needed, and looking up a
//! digest gives nothing away by its timing.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::random::{self, NoRandomness};

const RANDOM_LEN: usize = 34;
const CHECK_LEN: usize = 6;
pub(super) const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text cannot be such a secret: wrong length, alphabet or check characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mistyped;

/// One kind of such secrets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Begins the text.
    pub prefix: &'static str,
    /// Begins what is hashed; ends in 00.
    pub label: &'static [u8],
}

impl Form {
    /// Characters of such a text.
    pub(super) const fn text_len(self) -> usize {
        self.prefix.len() + RANDOM_LEN + CHECK_LEN
    }

    /// A new one.
    pub(super) fn generate(self) -> Result<Zeroizing<String>, NoRandomness> {
        let mut text = Zeroizing::new(String::with_capacity(self.text_len()));
        text.push_str(self.prefix);
        let random_end = self.prefix.len() + RANDOM_LEN;
        let mut drawn = Zeroizing::new([0; 64]);
        while text.len() < random_end {
            random::fill(drawn.as_mut_slice())?;
            // 248 = 4 × 62: taking the remainder of a larger byte would favour the first 8 characters.
            for byte in drawn.iter().filter(|byte| **byte < 248).take(random_end - text.len()) {
                text.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
        let check = check(text.as_bytes());
        text.extend(check.map(char::from));
        Ok(text)
    }

    /// The digest of what a caller sent. Nothing of the text is kept, so no copy of it is made either.
    pub(super) fn digest_sent(self, text: &str) -> Result<[u8; 32], Mistyped> {
        let (body, sent) = text.split_at_checked(self.prefix.len() + RANDOM_LEN).ok_or(Mistyped)?;
        let random = body.strip_prefix(self.prefix).ok_or(Mistyped)?;
        let known = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_whole = known && sent.as_bytes() == check(body.as_bytes());
        if is_whole { Ok(self.digest(text)) } else { Err(Mistyped) }
    }

    /// What is stored instead.
    pub(super) fn digest(self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.label).chain_update(text).finalize().into()
    }
}

pub(super) fn check(body: &[u8]) -> [u8; CHECK_LEN] {
    let mut rest = crc32fast::hash(body);
    let mut digits = [b'0'; CHECK_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}
