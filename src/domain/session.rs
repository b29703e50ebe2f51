//! A session: a person signed in by password, until it is idle for too long, too old, or ended.
//!
//! ```text
//! token: "gbs_" | 34 base62 | 6 base62 of the check       stored under SHA-256("gembok/session/v1" 00 | text)
//! ```

use std::time::Duration;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::crypto::random::NoRandomness;

use super::checked_text::{Form, Mistyped};
use super::id::{SessionId, UserId};
use super::timestamp::Timestamp;

const FORM: Form = Form { prefix: "gbs_", label: b"gembok/session/v1\0" };

/// The secret text of a session, to be sent with each request.
pub struct SessionToken(Zeroizing<String>);

/// SHA-256 under the session label: the row key.
pub type SessionDigest = [u8; 32];

/// How long sessions live, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a request.
    pub idle_max: Duration,
    /// In all.
    pub age_max: Duration,
    /// Of one user; the one that was idle longest makes room.
    pub per_user_max: usize,
    /// Of all users.
    pub sessions_max: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            idle_max: Duration::from_secs(900),
            age_max: Duration::from_secs(36_000),
            per_user_max: 8,
            sessions_max: 1_024,
        }
    }
}

/// A session as it is stored under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Session {
    /// What lists and records call it.
    #[n(0)]
    pub id: SessionId,
    /// Whose it is.
    #[n(1)]
    pub user: UserId,
    /// Since when.
    #[n(2)]
    pub created: Timestamp,
    /// From where, when it began.
    #[n(3)]
    pub address: String,
}

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    pub fn generate() -> Result<Self, NoRandomness> {
        FORM.generate().map(Self)
    }

    /// Whether a text says of itself that it is one.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(FORM.prefix)
    }

    /// The digest of what a caller sent.
    ///
    /// # Errors
    /// [`Mistyped`] when it cannot be a session's token.
    pub fn digest_sent(text: &str) -> Result<SessionDigest, Mistyped> {
        FORM.digest_sent(text)
    }

    /// What is stored instead.
    #[must_use]
    pub fn digest(&self) -> SessionDigest {
        FORM.digest(&self.0)
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Session {
    /// From when on it counts no more, if no request comes; `seen` is when the last one came.
    #[must_use]
    pub fn ends(&self, seen: Timestamp, limits: SessionLimits) -> Timestamp {
        seen.plus(limits.idle_max).min(self.created.plus(limits.age_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_idle_or_old_whichever_is_first() {
        let limits = SessionLimits {
            idle_max: Duration::from_secs(10),
            age_max: Duration::from_secs(100),
            ..SessionLimits::default()
        };
        let at = Timestamp::from_seconds;
        let session = Session {
            id: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            created: at(1_000),
            address: "10.0.0.1".into(),
        };
        assert_eq!(session.ends(at(1_000), limits), at(1_010));
        assert_eq!(session.ends(at(1_095), limits), at(1_100));
    }

    #[test]
    fn a_token_is_no_api_key_and_leads_to_its_digest() {
        let token = SessionToken::generate().unwrap();
        assert!(token.expose().starts_with("gbs_"));
        assert_eq!(SessionToken::digest_sent(token.expose()), Ok(token.digest()));
        assert!(SessionToken::digest_sent(&token.expose().replace("gbs_", "gbk_")).is_err());
        assert!(crate::domain::api_key::ApiKeyText::digest_sent(token.expose()).is_err());
    }
}
