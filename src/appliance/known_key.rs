//! An API key as an enrolment remembers it: with its meters, and with what it spends from.

use std::sync::Arc;

use crate::domain::api_key::{ApiKey, ApiKeyDigest};
use crate::domain::budget::Counted;

use super::meters::Meters;
use super::operate::Operate;
use super::spending::Purse;

/// An API key with its meters.
pub struct KnownKey {
    pub(super) digest: ApiKeyDigest,
    pub(super) api_key: ApiKey,
    pub(super) meters: Arc<Meters>,
    /// In the order of [`Counted::ALL`].
    pub(super) purses: [Purse; Counted::ALL.len()],
}

impl KnownKey {
    /// What an operation spends from, if it is one that has a budget.
    pub(super) fn purse<Op: Operate>(&self) -> Option<&Purse> {
        Op::COUNTED.map(|counted| self.purse_of(counted))
    }

    /// What fields of this kind are spent from.
    pub(super) fn purse_of(&self, counted: Counted) -> &Purse {
        &self.purses[counted as usize]
    }
}
