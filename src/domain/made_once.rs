//! What was made by a request that carried a key of its asker's (`Idempotency-Key`), so that the request, sent again, makes
//! nothing a second time.

use std::time::Duration;

use minicbor::Decode;
use minicbor::Encode;
use minicbor::bytes::ByteVec;

use super::id::UserId;
use super::timestamp::Timestamp;

/// How long a request is known again.
pub const KEPT_FOR: Duration = Duration::from_secs(86_400);
/// Requests of one asker that are known again, at most.
pub const PER_ASKER_MAX: usize = 4_096;
/// Characters of a key at most; visible ASCII.
pub const KEY_CHARS_MAX: usize = 255;

/// A request that made something, as it is stored under its [`MadeOnce::row_key`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MadeOnce {
    /// When.
    #[n(0)]
    pub time: Timestamp,
    /// SHA-256 of the request: method, path and members.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub request: [u8; 32],
    /// The id of what was made, where it has one.
    #[n(2)]
    pub id: Option<String>,
    /// The answer, JSON; absent where it held what is shown once, or where an end came between making and keeping.
    #[n(3)]
    pub answer: Option<ByteVec>,
}

impl MadeOnce {
    /// `user id 16 | HMAC of the key under the name key 16`.
    #[must_use]
    pub fn row_key(asker: UserId, key: [u8; 16]) -> [u8; 32] {
        let mut row_key = [0; 32];
        row_key[..16].copy_from_slice(asker.as_bytes());
        row_key[16..].copy_from_slice(&key);
        row_key
    }

    /// Whether it is known no longer.
    #[must_use]
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        now.micros().saturating_sub(self.time.micros())
            > u64::try_from(KEPT_FOR.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    #[test]
    fn it_is_known_for_a_day_and_reads_back() {
        let made = MadeOnce {
            time: Timestamp::from_seconds(1_795_844_001),
            request: [7; 32],
            id: Some("id".into()),
            answer: None,
        };
        assert_eq!(cbor::decode(&cbor::encode(&made)), Ok(made.clone()));
        let at = |seconds: u64| Timestamp::from_seconds(1_795_844_001 + seconds);
        assert!(!made.is_forgotten(at(86_400)) && made.is_forgotten(at(86_401)));
        // A clock that went back forgets nothing.
        assert!(!made.is_forgotten(Timestamp::from_seconds(5)));
    }
}
