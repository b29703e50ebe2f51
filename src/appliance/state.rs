//! What can be done at all, and why no more than that.

use std::sync::Arc;

use super::health::StateName;
use super::operational::Operational;
use super::rollback::Rollback;

/// Why the appliance is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockReason {
    /// It was just started.
    Started,
    /// An operator locked it.
    ByOperator,
    /// The token was away for longer than cached keys may serve.
    DegradedTooLong,
    /// The last unlock failed; the sentence says why and what to do.
    UnlockFailed(String),
    /// Rows of the store do not open; they are named.
    Damaged(Vec<String>),
    /// The store is not the one the token last knew.
    Rollback(Rollback),
}

/// What can be done at all.
pub enum State {
    /// There is no store yet: only an init is possible.
    Unprovisioned,
    /// There is a store, and no key to read it.
    Locked(LockReason),
    /// Unlocked.
    Operational(Arc<Operational>),
}

impl State {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Unprovisioned => StateName::Unprovisioned,
            Self::Locked(_) => StateName::Locked,
            Self::Operational(operational) if operational.absence.lock().is_some() => StateName::Degraded,
            Self::Operational(_) => StateName::Operational,
        }
    }
}
