//! What a reencrypt has at stake: one field of the budgets of what did not open, of its API key and of its endpoint.
//!
//! Whether an envelope opens tells whether a guessed context fits it, so nothing is opened before its failure was paid for. One
//! field is taken before the first item is looked at. It goes on to the next item when that opened, and is spent when it
//! did not; then another one is taken before anything more is opened. So requests at once, however many, never learn of more
//! misses than there were fields; a million rows that open cost nothing, and hold as many fields as there are requests under way.
//! What a crash finds in hand counts as spent, because it was reserved durably before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::budget::Counted;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::{Now, Timestamp};

use super::known_key::KnownKey;
use super::operational::Operational;
use super::spending::{Purse, Taken};

/// A field in hand, put back where it was not spent.
pub struct Stake {
    known: Arc<KnownKey>,
    held: Option<Taken>,
    /// Why there is none any more.
    refused: Option<Refusal>,
}

impl Stake {
    /// The field that the admission took, if any.
    pub(super) fn new(known: &Arc<KnownKey>, held: Option<Taken>) -> Self {
        let mut stake = Self { known: Arc::clone(known), held: None, refused: None };
        if let Some(taken) = held {
            stake.hold(taken);
        }
        stake
    }

    /// Whether it is known that an item may be opened, or why not: from memory. Else [`Operational::stake_again`] must tell.
    pub(super) fn is_settled(&mut self, time: Timestamp) -> bool {
        if self.held.is_none()
            && self.refused.is_none()
            && let Some(taken) = self.purse().take(1, time)
        {
            self.hold(taken);
        }
        self.held.is_some() || self.refused.is_some()
    }

    /// Leave to open one envelope.
    ///
    /// # Errors
    /// `budget-exhausted`; `journal-full` where no more could be reserved.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// What was opened did not: the field is spent.
    pub(super) fn lose(&mut self) {
        if self.held.take().is_some() {
            self.count_held(false);
        }
    }

    fn hold(&mut self, taken: Taken) {
        self.held = Some(taken);
        self.count_held(true);
    }

    fn count_held(&self, more: bool) {
        for spending in self.purse().both() {
            if more {
                spending.at_stake.fetch_add(1, Ordering::AcqRel);
            } else {
                spending.at_stake.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn purse(&self) -> &Purse {
        self.known.purse_of(Counted::Missed)
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        if let Some(taken) = self.held.take() {
            self.purse().put_back(&taken);
            self.count_held(false);
        }
    }
}

impl Operational {
    /// Takes another field by way of the store, or keeps why there is none: the items that are left are refused with that.
    /// Blocks for one commit.
    pub(super) fn renew_stake(&self, stake: &mut Stake, now: Now) {
        match self.charge(stake.purse(), 1, now) {
            Ok(taken) => stake.hold(taken),
            Err(stop) => stake.refused = Some(stop.told()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::appliance::budgets::Budgets;
    use crate::appliance::fault::Stop;
    use crate::domain::budget::{DefaultBudgets, HOUR_S};
    use crate::domain::id::{ApiKeyId, EndpointId};
    use crate::store::Batch;
    use crate::store::failing_disk::Failing;

    #[test]
    fn who_waits_for_what_requests_under_way_hold_comes_back_in_a_second() {
        let time = Timestamp::from_seconds(HOUR_S);
        let defaults = DefaultBudgets { api_key_missed_per_day: 2, ..DefaultBudgets::default() };
        let (_disk, _file, store) = Failing::store(Batch::new(1).record(2, 1, b"made"));
        let budgets = Budgets::load(&store, Now { time, instant: Instant::now() }, true, defaults).unwrap();
        let (endpoint, key) = (EndpointId::from_bytes([1; 16]), ApiKeyId::from_bytes([2; 16]));
        let purse = budgets.purse(endpoint, key, Counted::Missed);
        let charge = || budgets.charge(&purse, 1, |of| of.default_of(defaults), time.into(), &store);
        let wait = || match charge().err() {
            Some(Stop::Refused(refusal)) => refusal.retry_after.unwrap(),
            _ => Duration::ZERO,
        };
        let held = [charge().unwrap(), charge().unwrap()];
        assert_eq!(wait(), Duration::from_secs(24 * HOUR_S));
        purse.api_key.at_stake.fetch_add(2, Ordering::AcqRel);
        assert_eq!(wait(), Duration::from_secs(1));
        // One opened, and its field is there again; the other did not.
        purse.put_back(&held[0]);
        assert_eq!((wait(), wait()), (Duration::ZERO, Duration::from_secs(1)));
        purse.api_key.at_stake.fetch_sub(2, Ordering::AcqRel);
        assert_eq!(wait(), Duration::from_secs(24 * HOUR_S));
    }
}
