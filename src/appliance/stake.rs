//! What a reencrypt has at stake: one field of the budgets of what did not open, of its API key and of its endpoint.
//!
//! Whether an envelope opens tells whether a guessed context fits it, so nothing is opened before its failure was paid for. One
//! field is taken before the first item is looked at. It goes on to the next item when that opened, and is spent when it
//! did not; then another one is taken before anything more is opened. So requests at once, however many, never learn of more
//! misses than there were fields; a million rows that open cost nothing, and hold as many fields as there are requests under way.
//! What a crash finds in hand counts as spent, because it was reserved durably before.

use std::sync::Arc;

use crate::domain::budget::Counted;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::{Now, Timestamp};

use super::fault::{Fault, Stop};
use super::known_key::KnownKey;
use super::operational::Operational;
use super::spending::{Purse, Taken};

/// A field in hand, put back where it was not spent.
pub struct Stake {
    known: Arc<KnownKey>,
    hand: Hand,
}

/// What is in hand.
enum Hand {
    /// Nothing: another field must be had before anything is opened.
    Empty,
    /// A field.
    Held(Taken),
    /// Nothing any more, and why.
    Refused(Refusal),
}

impl Hand {
    fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Held(_) => Ok(()),
            Self::Refused(why) => Err(why.clone()),
            Self::Empty => {
                Err(Stop::from(Fault::new("an envelope was to be opened with nothing at stake")).told())
            }
        }
    }
}

impl Stake {
    /// The field that the admission took, if any.
    pub(super) fn new(known: &Arc<KnownKey>, held: Option<Taken>) -> Self {
        let mut stake = Self { known: Arc::clone(known), hand: Hand::Empty };
        if let Some(taken) = held {
            stake.hold(taken);
        }
        stake
    }

    /// Whether it is known that an item may be opened, or why not: from memory. Else [`Operational::renew_stake`] must tell.
    pub(super) fn is_settled(&mut self, time: Timestamp) -> bool {
        if matches!(self.hand, Hand::Empty)
            && let Some(taken) = self.purse().take(1, time)
        {
            self.hold(taken);
        }
        !matches!(self.hand, Hand::Empty)
    }

    /// Leave to open one envelope.
    ///
    /// # Errors
    /// `budget-exhausted`; `journal-full` where no more could be reserved; `fault` where nobody asked whether it is settled.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.hand.check()
    }

    /// What was opened did not: the field is spent.
    pub(super) fn lose(&mut self) {
        if matches!(self.hand, Hand::Held(_)) {
            self.hand = Hand::Empty;
            self.purse().release_one();
        }
    }

    fn hold(&mut self, taken: Taken) {
        self.hand = Hand::Held(taken);
        self.purse().hold_one();
    }

    fn purse(&self) -> &Purse {
        self.known.purse_of(Counted::Missed)
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        if let Hand::Held(taken) = &self.hand {
            self.purse().put_back(taken);
            self.purse().release_one();
        }
    }
}

impl Operational {
    /// Takes another field by way of the store, or keeps why there is none: the items that are left are refused with that.
    /// Blocks for one commit.
    pub(super) fn renew_stake(&self, stake: &mut Stake, now: Now) {
        match self.charge(stake.purse(), 1, now) {
            Ok(taken) => stake.hold(taken),
            Err(stop) => stake.hand = Hand::Refused(stop.told()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::appliance::budgets::Budgets;
    use crate::domain::budget::{DefaultBudgets, HOUR_S};
    use crate::domain::id::{ApiKeyId, EndpointId};
    use crate::domain::refusal::Code;
    use crate::store::Batch;
    use crate::store::failing_disk::Failing;

    #[test]
    fn an_empty_hand_opens_nothing() {
        let code = |hand: Hand| hand.check().map_err(|refusal| refusal.code);
        assert_eq!(code(Hand::Empty), Err(Code::Fault));
        let why = Refusal::new(Code::BudgetExhausted);
        assert_eq!(code(Hand::Refused(why)), Err(Code::BudgetExhausted));
        assert_eq!(code(Hand::Held(Taken::of(&[]))), Ok(()));
    }

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
        (0..2).for_each(|_| purse.hold_one());
        assert_eq!(wait(), Duration::from_secs(1));
        // One opened, and its field is there again; the other did not.
        purse.put_back(&held[0]);
        assert_eq!((wait(), wait()), (Duration::ZERO, Duration::from_secs(1)));
        (0..2).for_each(|_| purse.release_one());
        assert_eq!(wait(), Duration::from_secs(24 * HOUR_S));
    }
}
