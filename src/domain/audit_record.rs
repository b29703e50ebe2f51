//! An audit record: one control-plane change, committed in the same batch as the change itself; or one act that was refused, in a
//! batch with nothing else.
//!
//! Kind 2, version 1. The body is deterministic CBOR:
//!
//! ```text
//! { 0: time µs, 1: actor, 2: act, 3: { name: value … } (shorter names first, then by their bytes) }
//! ```
//!
//! `actor` is text (`local:0`, `user:<uuid>`, `system`), `act` is noun and verb (`api-key.create`). Details are text and
//! never a secret.

use minicbor::{Decode, Encode};

use super::actor::Actor;
use super::description::Description;
use super::details::Details;
use super::key_place::KeyPlace;
use super::timestamp::Timestamp;

/// The record's kind in its leaf.
pub const KIND: u16 = 2;
/// The body's version in its leaf.
pub const VERSION: u16 = 1;

/// The actor where nobody is known.
pub const NOBODY: &str = "nobody";

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AuditRecord {
    /// When.
    #[n(0)]
    pub time: Timestamp,
    /// Who.
    #[n(1)]
    pub actor: String,
    /// What: noun, point, verb.
    #[n(2)]
    pub act: String,
    /// On what, with what.
    #[n(3)]
    pub details: Details,
}

impl AuditRecord {
    /// `actor` did `act`.
    #[must_use]
    pub fn new(time: Timestamp, actor: Actor, act: &'static str) -> Self {
        Self { time, actor: actor.to_string(), act: act.to_owned(), details: Details::default() }
    }

    /// `act`, by whom its maker cannot say.
    #[must_use]
    pub fn of_nobody(time: Timestamp, act: &'static str) -> Self {
        Self { time, actor: NOBODY.to_owned(), act: act.to_owned(), details: Details::default() }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.details.insert(name, value.to_string());
        self
    }

    /// The same with which key version it was.
    #[must_use]
    pub fn with_key(self, place: KeyPlace) -> Self {
        self.with("key-id", format!("{:08x}", place.key_id)).with("version", place.version)
    }

    /// The same with the reason that was given, if any was.
    #[must_use]
    pub fn with_reason(self, why: Option<&Description>) -> Self {
        match why {
            Some(why) => self.with("reason", why),
            None => self,
        }
    }
}
