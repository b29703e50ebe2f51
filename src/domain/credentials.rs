//! What an account signs in with beside certificates: a password, a second factor, and the one-time link that sets them.
//!
//! ```text
//! { 0: { 0: salt 16, 1: hash 32, 2: memory KiB, 3: passes, 4: lanes, 5: set µs },
//!   1: { 0: secret 20, 1: made µs, 2: last step that was used, 3: [ SHA-256 of a recovery code 32 … ], 4: confirmed },
//!   2: { 0: SHA-256 of the token 32, 1: expires µs, 2: made by, 3: the user who made it, 4: takes the second factor away },
//!   3: the second factor is demanded since µs, 4: as 1, a second factor that waits to be confirmed }
//!
//! token of a link: "gbr_" | 34 base62 | 6 base62 of the check      digest: SHA-256("gembok/reset/v1" 00 | text)
//! ```

use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::password::{Cost, HASH_LEN, SALT_LEN};
use crate::crypto::random::NoRandomness;
use crate::crypto::totp::SECRET_LEN;

use super::checked_text::{Form, Mistyped};
use super::id::UserId;
use super::timestamp::Timestamp;

const LINK: Form = Form { prefix: "gbr_", label: b"gembok/reset/v1\0" };
/// How long a one-time link can be used.
pub const LINK_LIVES: Duration = Duration::from_secs(24 * 3_600);

/// Everything of one account, stored under its user id. No derive lets it speak.
#[derive(Encode, Decode, Default)]
#[cbor(map)]
pub struct Credentials {
    /// None until a link has set one.
    #[n(0)]
    pub password: Option<StoredPassword>,
    /// The second factor.
    #[n(1)]
    pub totp: Option<StoredTotp>,
    /// The live link, if there is one.
    #[n(2)]
    pub link: Option<StoredLink>,
    /// Since when no password counts without a second factor, if an admin demands one.
    #[n(3)]
    pub totp_enforced: Option<Timestamp>,
    /// A second factor that its user has made and not confirmed yet: [`Self::totp`] counts until then.
    #[n(4)]
    pub pending: Option<StoredTotp>,
}

/// A password, hashed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct StoredPassword {
    /// Random.
    #[n(0)]
    pub salt: ByteArray<SALT_LEN>,
    /// By Argon2id.
    #[n(1)]
    pub hash: ByteArray<HASH_LEN>,
    /// Of the hash.
    #[n(2)]
    pub memory_kib: u32,
    /// Of the hash.
    #[n(3)]
    pub passes: u32,
    /// Of the hash.
    #[n(4)]
    pub lanes: u32,
    /// When it was set.
    #[n(5)]
    pub set: Timestamp,
}

/// A second factor.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct StoredTotp {
    /// Shared with an authenticator app.
    #[n(0)]
    pub secret: ByteArray<SECRET_LEN>,
    /// When it was made.
    #[n(1)]
    pub made: Timestamp,
    /// The latest step of which a code was taken: none counts twice.
    #[n(2)]
    pub last_step: u64,
    /// Digests of recovery codes that were not used yet.
    #[n(3)]
    pub recovery: Vec<ByteArray<32>>,
    /// Whether a code of it was ever shown; until then it is not asked for.
    #[n(4)]
    pub is_confirmed: bool,
}

/// A one-time link.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct StoredLink {
    /// Of its token.
    #[n(0)]
    pub digest: ByteArray<32>,
    /// From when it is refused.
    #[n(1)]
    pub expires: Timestamp,
    /// Who made it, as audit records say it.
    #[n(2)]
    pub made_by: String,
    /// The same, where that was a user.
    #[n(3)]
    pub maker: Option<UserId>,
    /// Whether using it takes the second factor away.
    #[n(4)]
    pub drops_totp: bool,
    /// Whether two persons wanted it already: then nobody has to confirm the account.
    #[n(5)]
    pub is_seconded: bool,
}

/// The secret text of a one-time link.
pub struct LinkToken(Zeroizing<String>);

impl StoredPassword {
    /// What its hash cost.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        Cost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes }
    }
}

impl StoredTotp {
    /// What is stored of a recovery code, however it is written: SHA-256 of its letters and digits, in capitals.
    #[must_use]
    pub fn recovery_digest(code: &str) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(b"gembok/recovery/v1\0");
        for letter in code.chars().filter(char::is_ascii_alphanumeric) {
            hash.update([letter.to_ascii_uppercase() as u8]);
        }
        hash.finalize().into()
    }
}

impl Credentials {
    /// The second factor that a password does not count without.
    #[must_use]
    pub fn second_factor(&self) -> Option<&StoredTotp> {
        self.totp.as_ref().filter(|totp| totp.is_confirmed)
    }

    /// Whether a password alone does: there is no second factor, and none is demanded.
    #[must_use]
    pub fn password_suffices(&self) -> bool {
        self.second_factor().is_none() && self.totp_enforced.is_none()
    }
}

impl LinkToken {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    pub fn generate() -> Result<Self, NoRandomness> {
        LINK.generate().map(Self)
    }

    /// The digest of what a caller sent.
    ///
    /// # Errors
    /// [`Mistyped`] when it cannot be a link's token.
    pub fn digest_sent(text: &str) -> Result<[u8; 32], Mistyped> {
        LINK.digest_sent(text)
    }

    /// What is stored instead.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        LINK.digest(&self.0)
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
