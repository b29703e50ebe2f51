//! An API key: the credential an endpoint sends with each request, beside its certificate.
//!
//! ```text
//! "gbk_" | 34 base62 | 6 base62 of CRC-32 (IEEE) over the 38 characters before
//! ```
//!
//! The form is that of every secret we make ([`super::checked_text`]): shown once, and kept as
//! `SHA-256("gembok/api-key/v1" 00 | text)`, which is also how it is looked up.

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::crypto::random::NoRandomness;

use super::checked_text::{Form, Mistyped};
use super::id::{ApiKeyId, EndpointId};
use super::limits::RateLimits;
use super::name::Name;
use super::timestamp::Timestamp;

const FORM: Form = Form { prefix: "gbk_", label: b"gembok/api-key/v1\0" };
/// Characters of an API key.
pub const TEXT_LEN: usize = FORM.text_len();

/// The secret text of an API key, well-formed.
pub struct ApiKeyText(Zeroizing<String>);

/// SHA-256 under the API-key label: the row key.
pub type ApiKeyDigest = [u8; 32];

impl ApiKeyText {
    /// A new API key.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    pub fn generate() -> Result<Self, NoRandomness> {
        FORM.generate().map(Self)
    }

    /// The digest of what a caller sent. Nothing of the text is kept, so no copy of it is made either.
    ///
    /// # Errors
    /// [`Mistyped`] when it cannot be an API key.
    pub fn digest_sent(text: &str) -> Result<ApiKeyDigest, Mistyped> {
        FORM.digest_sent(text)
    }

    /// What is stored instead.
    #[must_use]
    pub fn digest(&self) -> ApiKeyDigest {
        FORM.digest(&self.0)
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// An API key as it is stored under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ApiKey {
    /// What records and lists call it.
    #[n(0)]
    pub id: ApiKeyId,
    /// Whose it is.
    #[n(1)]
    pub endpoint: EndpointId,
    /// What its owner calls it.
    #[n(2)]
    pub label: Name,
    /// When it was made.
    #[n(3)]
    pub created: Timestamp,
    /// From when it is refused, if ever.
    #[n(4)]
    pub expires: Option<Timestamp>,
    /// Since when it is refused, if it is.
    #[n(5)]
    pub revoked: Option<Timestamp>,
    /// How much it may do.
    #[n(6)]
    pub limits: RateLimits,
    /// Since when it waits to be enabled again, if a new epoch disabled it.
    #[n(7)]
    pub disabled: Option<Timestamp>,
    /// The one that it takes the place of.
    #[n(8)]
    pub replaces: Option<ApiKeyId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::checked_text::{ALPHABET, check};

    #[test]
    fn the_check_is_zlibs_crc_in_base62() {
        // python3: zlib.crc32(b"gbk_" + b"0" * 34) is 4071643535.
        assert_eq!(check(format!("gbk_{}", "0".repeat(34)).as_bytes()), *b"4RYCTv");
        assert_eq!(check(b""), *b"000000");
    }

    #[test]
    fn every_single_typing_error_is_found() {
        let key = ApiKeyText::generate().unwrap();
        assert_eq!(key.expose().len(), TEXT_LEN);
        assert_eq!(ApiKeyText::digest_sent(key.expose()).unwrap(), key.digest());
        for at in 0..TEXT_LEN {
            let mut bent = key.expose().as_bytes().to_vec();
            bent[at] = if bent[at] == b'x' { b'y' } else { b'x' };
            assert!(ApiKeyText::digest_sent(std::str::from_utf8(&bent).unwrap()).is_err(), "character {at}");
        }
        for bad in ["", "gbk_", &key.expose()[1..], &format!("{}0", key.expose()), "gbk_é"] {
            assert!(ApiKeyText::digest_sent(bad).is_err());
        }
    }

    /// What a look-up compares are digests. If its time told how much of one is right, that would say nothing of the key.
    #[test]
    fn keys_that_begin_alike_have_digests_that_do_not() {
        let body = ApiKeyText::generate().unwrap().expose()[..38].to_owned();
        let (mut bits, mut longest, mut others) = (0, 0, 0);
        for at in 4..38 {
            for letter in ALPHABET {
                let mut near = body.clone();
                near.replace_range(at..=at, &char::from(*letter).to_string());
                if near == body {
                    continue;
                }
                let (one, other) = (FORM.digest(&body), FORM.digest(&near));
                others += 1;
                bits += one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
                longest = longest.max(one.iter().zip(other).take_while(|(a, b)| *a == b).count());
            }
        }
        let mean = bits / others;
        assert!((126..=130).contains(&mean), "half of the bits differ, {mean} of 256");
        assert!(longest <= 4, "{longest} bytes in common among {others}: no more than by chance");
    }

    #[test]
    fn no_character_is_favoured() {
        let mut seen = [0u32; 128];
        for _ in 0..2000 {
            for byte in ApiKeyText::generate().unwrap().expose()[4..38].bytes() {
                seen[usize::from(byte)] += 1;
            }
        }
        // 68,000 draws over 62 characters: 1,097 each, standard deviation 33; eight of them either way.
        for character in ALPHABET {
            let count = seen[usize::from(*character)];
            assert!((830..1365).contains(&count), "{} came {count} times", char::from(*character));
        }
    }
}
