//! A budget of fields: how much of what is protected may come out in clear within 24 hours, another one of how many index
//! values may be told, and a third of how much may come to be reencrypted and not open. Each API key and each endpoint has all three, and both of a kind
//! must allow. What was reserved is kept by the hour, and an hour slides out whole: a field counts from the moment it was
//! reserved until the 24th hour after its own begins.
//!
//! ```text
//! row key  1 | API key id 16, or 2 | endpoint id 16; of indexed fields 3 and 4, of those that did not open 5 and 6
//! { 0: fields per day (where it is not the policy's), 1: { 0: fields per day, 1: until µs } (a raise),
//!   2: [ [ hour since 1970, fields reserved ] … ] }
//! ```

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::budget_time::BudgetTime;
use super::timestamp::Timestamp;

pub use super::spender::{Counted, DefaultBudgets, Spender};

/// Buckets of a budget, one an hour.
pub const HOURS: u64 = 24;
/// Seconds of a bucket.
pub const HOUR_S: u64 = 3_600;
/// Seconds after which a bucket has slid out for certain.
pub const WINDOW_S: u64 = HOURS * HOUR_S;
/// Largest budget, fields in 24 hours.
pub const FIELDS_PER_DAY_MAX: u64 = 1_000_000_000;
/// How long a raise may last.
pub const RAISE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Percent of a budget at which somebody should look.
pub const WARNING_PERCENT: u64 = 80;

/// A budget as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Budget {
    /// Its own size, where it is not the policy's.
    #[n(0)]
    pub fields_per_day: Option<u64>,
    /// More for a time; it ends by itself.
    #[n(1)]
    pub raise: Option<Raise>,
    /// What was reserved, oldest hour first.
    #[n(2)]
    pub hours: Vec<Hour>,
}

/// More for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Raise {
    /// The size while it lasts.
    #[n(0)]
    pub fields_per_day: u64,
    /// Its end.
    #[n(1)]
    pub until: Timestamp,
}

/// What was reserved in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Hour {
    /// Hours since 1970.
    #[n(0)]
    pub hour: u64,
    /// Fields.
    #[n(1)]
    pub fields: u64,
}

impl Budget {
    /// Its size without a raise, in fields, where the policy says `default`.
    #[must_use]
    pub fn base(&self, default: u64) -> u64 {
        self.fields_per_day.unwrap_or(default)
    }

    /// Its size at `time`, in fields, where the policy says `default`.
    #[must_use]
    pub fn limit(&self, default: u64, time: Timestamp) -> u64 {
        let base = self.base(default);
        self.raise_at(time).map_or(base, |raise| raise.fields_per_day.max(base))
    }

    /// The raise in force at `time`.
    #[must_use]
    pub fn raise_at(&self, time: Timestamp) -> Option<Raise> {
        self.raise.filter(|raise| time < raise.until)
    }

    /// The hour `time` counts into: never one before an hour that was counted into already, so that a clock that goes back
    /// frees nothing.
    #[must_use]
    pub fn hour_of(&self, time: Timestamp) -> u64 {
        let newest = self.hours.last().map_or(0, |hour| hour.hour);
        newest.max(time.seconds() / HOUR_S)
    }

    /// Fields reserved that have not slid out by `hour`.
    #[must_use]
    pub fn used(&self, hour: u64) -> u64 {
        let counts = self.hours.iter().filter(|known| known.hour + HOURS > hour);
        counts.fold(0, |sum, known| sum.saturating_add(known.fields))
    }

    /// Reserves `fields` in `hour`, which is none before the newest, and forgets what has slid out.
    pub fn reserve(&mut self, hour: u64, fields: u64) {
        self.hours.retain(|known| known.hour + HOURS > hour);
        match self.hours.last_mut() {
            Some(newest) if newest.hour == hour => newest.fields = newest.fields.saturating_add(fields),
            _ => self.hours.push(Hour { hour, fields }),
        }
    }

    /// Counts all that it has at `time` as reserved, where the policy says `default`: nobody knows any more what was used.
    pub fn exhaust(&mut self, default: u64, time: Timestamp) {
        let hour = self.hour_of(time);
        let left = self.limit(default, time).saturating_sub(self.used(hour));
        if left > 0 {
            self.reserve(hour, left);
        }
    }

    /// Counts what was reserved in hours that have not come yet as reserved in `hour`: an operator says that the clock, which
    /// was ahead, is right now.
    pub fn come_back_to(&mut self, hour: u64) {
        let to_come = self.hours.iter().filter(|known| known.hour > hour);
        let fields = to_come.fold(0u64, |sum, known| sum.saturating_add(known.fields));
        self.hours.retain(|known| known.hour <= hour);
        if fields > 0 {
            self.reserve(hour, fields);
        }
    }

    /// Takes back what was reserved in `hour` and not used.
    pub fn give_back(&mut self, hour: u64, fields: u64) {
        if let Some(known) = self.hours.iter_mut().find(|known| known.hour == hour) {
            known.fields = known.fields.saturating_sub(fields);
        }
        self.hours.retain(|known| known.fields > 0);
    }

    /// How long it is until `fields`, which do not fit now, will: by the hours that slide out and the raise that ends. `None`
    /// where they will not, because the raise that has room for them is over before enough has slid out.
    #[must_use]
    pub fn fits_in(&self, fields: u64, default: u64, time: BudgetTime) -> Option<Duration> {
        let from = time.at.min(time.refilled_to);
        let slides_out = |known: &Hour| Timestamp::from_seconds((known.hour + HOURS) * HOUR_S);
        let mut ends = self.hours.iter().map(slides_out).filter(|end| *end > time.refilled_to);
        let fits = |end: &Timestamp| {
            let used = self.used(end.seconds() / HOUR_S);
            used.saturating_add(fields) <= self.limit(default, time.at.plus(end.since(from)))
        };
        ends.find(fits).map(|end| end.since(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    const fn at(hour: u64) -> Timestamp {
        Timestamp::from_seconds(hour * HOUR_S + 1_800)
    }

    fn spent(hours: &[(u64, u64)]) -> Budget {
        let mut budget = Budget::default();
        for (hour, fields) in hours {
            budget.reserve(*hour, *fields);
        }
        budget
    }

    #[test]
    fn an_hour_slides_out_whole_when_the_24th_after_it_begins() {
        let budget = spent(&[(100, 7), (101, 5)]);
        assert_eq!((budget.used(101), budget.used(123), budget.used(124), budget.used(125)), (12, 12, 5, 0));
    }

    #[test]
    fn a_clock_that_goes_back_frees_nothing() {
        let mut budget = spent(&[(100, 7)]);
        assert_eq!(budget.hour_of(at(40)), 100);
        budget.reserve(budget.hour_of(at(40)), 1);
        assert_eq!(budget.hours, [Hour { hour: 100, fields: 8 }]);
    }

    #[test]
    fn what_has_slid_out_is_forgotten_and_what_was_not_used_comes_back() {
        let mut budget = spent(&[(100, 7), (110, 3), (124, 1)]);
        assert_eq!(budget.hours, [Hour { hour: 110, fields: 3 }, Hour { hour: 124, fields: 1 }]);
        budget.give_back(110, 2);
        budget.give_back(124, 1);
        budget.give_back(50, 9);
        assert_eq!(budget.hours, [Hour { hour: 110, fields: 1 }]);
        let day: Vec<_> = (0..100).map(|hour| (hour, 1)).collect();
        assert_eq!(spent(&day).hours.len() as u64, HOURS);
    }

    #[test]
    fn what_was_reserved_in_hours_to_come_counts_from_now_when_the_clock_is_put_right() {
        let mut budget = spent(&[(100, 7), (105, 3), (106, 2)]);
        budget.come_back_to(103);
        assert_eq!(budget.hours, [Hour { hour: 100, fields: 7 }, Hour { hour: 103, fields: 5 }]);
        budget.come_back_to(103);
        assert_eq!((budget.used(103), budget.used(126), budget.used(127)), (12, 5, 0));
    }

    #[test]
    fn one_that_nobody_knows_is_spent_for_24_hours_and_a_raise_gives_more() {
        let raise = Some(Raise { fields_per_day: 50, until: at(110) });
        for (own, raise, limit) in [(None, None, 99), (Some(10), None, 10), (Some(10), raise, 50)] {
            let mut budget = Budget { fields_per_day: own, raise, ..spent(&[(90, 7)]) };
            budget.exhaust(99, at(100));
            budget.exhaust(99, at(100));
            assert_eq!((budget.used(100), budget.used(123), budget.used(124)), (limit, limit - 7, 0));
            let more = Some(Raise { fields_per_day: 70_000, until: at(101) });
            let raised = Budget { raise: more, ..budget };
            assert_eq!(raised.limit(99, at(100)) - raised.used(100), 70_000 - limit);
        }
        // What was reserved in an hour to come is no reason to reserve before it.
        let mut ahead = spent(&[(200, 7)]);
        ahead.exhaust(99, at(100));
        assert_eq!(ahead.hours, [Hour { hour: 200, fields: 99 }]);
    }

    #[test]
    fn a_raise_counts_until_its_end_and_never_lowers() {
        let mut budget = Budget { fields_per_day: Some(10), ..Budget::default() };
        budget.raise = Some(Raise { fields_per_day: 50, until: at(8) });
        assert_eq!((budget.limit(99, at(7)), budget.limit(99, at(8))), (50, 10));
        budget.fields_per_day = None;
        assert_eq!((budget.limit(99, at(7)), budget.limit(99, at(8))), (99, 99));
    }

    #[test]
    fn it_says_when_enough_will_have_slid_out() {
        let budget = spent(&[(100, 7), (105, 3)]);
        let hour = |number: u64| Timestamp::from_seconds(number * HOUR_S);
        let fits_at = |budget: &Budget, fields, default, time: Timestamp| {
            budget.fits_in(fields, default, time.into()).map(|wait| time.plus(wait))
        };
        assert_eq!(fits_at(&budget, 7, 10, at(106)), Some(hour(124)));
        assert_eq!(fits_at(&budget, 8, 10, at(106)), Some(hour(129)));
        // After the end of a raise the smaller size counts.
        let raise = Some(Raise { fields_per_day: 10, until: at(110) });
        let raised = Budget { fields_per_day: Some(5), raise, ..budget };
        assert_eq!(fits_at(&raised, 2, 0, at(106)), Some(hour(124)));
        assert_eq!(fits_at(&raised, 3, 0, at(106)), Some(hour(129)));
        assert_eq!(fits_at(&raised, 5, 0, at(106)), Some(hour(129)));
        assert_eq!(fits_at(&raised, 6, 0, at(106)), None, "more than there will be without the raise");
        let longer = Some(Raise { fields_per_day: 10, until: hour(125) });
        let raised = Budget { raise: longer, ..raised };
        assert_eq!(fits_at(&raised, 7, 0, at(106)), Some(hour(124)));
        assert_eq!(fits_at(&raised, 8, 0, at(106)), None);
        // While the clock is not trusted hours stand still, and a raise does not.
        let stands = BudgetTime { at: at(110), refilled_to: at(106) };
        assert_eq!(raised.fits_in(7, 0, stands), None);
        assert_eq!(raised.fits_in(3, 0, stands), Some(hour(129).since(at(106))));
    }

    #[test]
    fn rows_lead_back() {
        let mut budget = spent(&[(495_000, 64), (495_001, 1_562)]);
        for raise in [None, Some(Raise { fields_per_day: 1_000, until: at(5) })] {
            budget.raise = raise;
            assert_eq!(cbor::decode::<Budget>(&cbor::encode(&budget)), Ok(budget.clone()));
        }
        assert_eq!(cbor::decode::<Budget>(&cbor::encode(&Budget::default())), Ok(Budget::default()));
    }
}
