//! The second factor: codes of six digits that change every 30 seconds (RFC 6238 over RFC 4226). With HMAC-SHA-1, because
//! authenticator apps know nothing else for certain; what is broken in SHA-1 is not what HMAC needs of it.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::random::{self, NoRandomness};

/// Seconds of a step.
pub const STEP_S: u64 = 30;
/// Digits of a code.
pub const DIGITS: usize = 6;
/// Bytes of a secret: as many as the hash has (RFC 4226 §4).
pub const SECRET_LEN: usize = 20;
/// Steps that a clock may be off, either way.
const SKEW_STEPS: u64 = 1;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that an authenticator app shares with us.
pub struct TotpSecret(Zeroizing<[u8; SECRET_LEN]>);

impl TotpSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        random::fill(secret.as_mut_slice())?;
        Ok(Self(secret))
    }

    /// One that was stored.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; SECRET_LEN]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The bytes, to be stored.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    /// As apps take it: base32 (RFC 4648 §6) without padding.
    #[must_use]
    pub fn base32(&self) -> Zeroizing<String> {
        // 20 bytes are 32 characters, with nothing left over.
        let mut text = Zeroizing::new(String::with_capacity(SECRET_LEN / 5 * 8));
        for group in self.0.chunks_exact(5) {
            let bits = group.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
            for shift in (0..8).rev() {
                text.push(char::from(BASE32[(bits >> (shift * 5) & 31) as usize]));
            }
        }
        text
    }

    /// The code of a step, of which the last [`DIGITS`] digits count.
    #[must_use]
    pub fn code(&self, step: u64) -> u32 {
        // No length of a key is wrong for HMAC; padded here to a block of the hash, none can be refused (RFC 2104 §2).
        let mut block = Zeroizing::new([0; 64]);
        block[..SECRET_LEN].copy_from_slice(self.0.as_slice());
        let mut hmac = Hmac::<Sha1>::new((&*block).into());
        hmac.update(&step.to_be_bytes());
        let tag: [u8; 20] = hmac.finalize().into_bytes().into();
        let at = usize::from(tag[19] & 15);
        let bits = tag[at..at + 4].iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        (bits & 0x7fff_ffff) % 1_000_000
    }

    /// The step of which `code` is the code at `seconds` since 1970, a step early or late, and later than `used`: a step counts
    /// once.
    #[must_use]
    pub fn step_of(&self, code: &str, seconds: u64, used: u64) -> Option<u64> {
        if code.len() != DIGITS || !code.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let sent: u32 = code.parse().ok()?;
        let now = seconds / STEP_S;
        let steps = now.saturating_sub(SKEW_STEPS)..=now + SKEW_STEPS;
        // Each is reckoned, so that the time tells nothing of which.
        steps.fold(None, |found, step| {
            let fits = self.code(step) == sent && step > used;
            if fits && found.is_none() { Some(step) } else { found }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890")
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of eight digits.
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(rfc().code(seconds / STEP_S), code, "{seconds}");
        }
        assert_eq!(&**rfc().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_step_counts_once_and_a_step_early_or_late() {
        let secret = rfc();
        for (seconds, fits) in [(29, true), (30, true), (59, true), (89, true), (90, false)] {
            assert_eq!(secret.step_of("287082", seconds, 0).is_some(), fits, "{seconds}");
        }
        assert_eq!(secret.step_of("287082", 59, 0), Some(1));
        assert_eq!(secret.step_of("287082", 59, 1), None, "used");
        for wrong in ["287083", "28708", "2870822", " 87082", "+87082", ""] {
            assert_eq!(secret.step_of(wrong, 59, 0), None, "{wrong}");
        }
    }
}
