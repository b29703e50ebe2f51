//! What one API key or endpoint may still decrypt, index or miss without asking the store: fields of its budget that were reserved durably
//! and not used yet, good until the hour they were reserved in is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::budget::{Budget, Counted, HOUR_S, Hour, Spender, WINDOW_S};
use crate::domain::budget_time::BudgetTime;
use crate::domain::refusal::{Code, LimitMet, Refusal};
use crate::domain::timestamp::Timestamp;

use super::field_lease::{FieldLease, seconds};
use super::reservation::Plan;

/// Fields of the first lease; each further one is twice as long.
pub(super) const FIRST_FIELDS: u64 = 64;
/// When to come again where only what requests under way have at stake is missing.
const STAKES_COME_BACK_IN: Duration = Duration::from_secs(1);

/// The budget of one spender, as it is stored, and what of it is leased.
pub(super) struct Spending {
    pub(super) spender: Spender,
    pub(super) lease: FieldLease,
    /// Fields that requests under way have in hand, and mostly put back.
    at_stake: AtomicU64,
    /// Locked only for moments, never while the store is asked.
    pub(super) kept: Mutex<Kept>,
}

/// What is known of a budget beside its lease, whose end changes only while this is locked.
pub(super) struct Kept {
    pub(super) budget: Budget,
    /// The hour the lease was reserved in.
    pub(super) leased_hour: u64,
    /// End and hour of the lease before it: requests under way may have something of that.
    before: (u32, u64),
    /// What came back to no lease, by the hour it was reserved in: the next reservation gives it back.
    pub(super) late: Vec<Hour>,
    /// Fields of the next lease.
    pub(super) next_fields: u64,
    pub(super) warned: bool,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Fields in 24 hours, with the raise that is in force.
    pub fields_per_day: u64,
    /// Fields used in the last 24 hours; what a crash forfeited counts as used.
    pub used: u64,
}

/// Whom a request spends for: both must allow.
pub struct Purse {
    pub(super) endpoint: Arc<Spending>,
    pub(super) api_key: Arc<Spending>,
}

/// Fields that were taken, to be put back if the request is refused all the same.
pub struct Taken {
    fields: u32,
    /// Of the leases they came from, the endpoint's and the API key's: by them a lease is known again. Seconds since 1970.
    ends: [u32; 2],
}

impl Spending {
    pub(super) fn new(spender: Spender, budget: Budget) -> Self {
        let kept = Kept {
            budget,
            leased_hour: 0,
            before: (0, 0),
            late: Vec::new(),
            next_fields: FIRST_FIELDS,
            warned: false,
        };
        Self { spender, lease: FieldLease::empty(), at_stake: AtomicU64::new(0), kept: Mutex::new(kept) }
    }

    /// Whether it has fields that were reserved and not used.
    pub(super) fn has_unused(&self) -> bool {
        self.lease.left() > 0 || !self.kept.lock().late.is_empty()
    }

    /// How it stands at `time`.
    pub(super) fn standing(&self, default: u64, time: BudgetTime) -> Standing {
        let budget = self.kept.lock().without(self.lease.left());
        let used = budget.used(budget.hour_of(time.refilled_to));
        Standing { fields_per_day: budget.limit(default, time.at), used }
    }

    /// An operator says what time it is: nothing counts into hours to come any more, and no lease lasts until then.
    pub(super) fn come_back_to(&self, time: Timestamp) {
        let mut kept = self.kept.lock();
        // What is leased counts as used, and so does what requests under way have of it: it counts into another hour now.
        self.lease.replace(0, 0);
        (kept.leased_hour, kept.before) = (0, (0, 0));
        kept.budget = kept.without(0);
        kept.late.clear();
        kept.budget.come_back_to(time.seconds() / HOUR_S);
    }

    /// Puts fields back into the lease they came from, or, where that has been replaced, among what is to be given back.
    fn put_back(&self, fields: u32, end: u32) {
        if self.lease.put_back(fields, end) {
            return;
        }
        let mut kept = self.kept.lock();
        // Once more, now that nobody replaces it. What is of neither stays used.
        if !self.lease.put_back(fields, end) && kept.before.0 == end {
            let hour = kept.before.1;
            kept.come_late(Hour { hour, fields: fields.into() });
        }
    }

    /// Its own size and its raise, as stored.
    pub(super) fn budget(&self) -> Budget {
        self.kept.lock().budget.clone()
    }

    /// Why `fields` are too many for `budget`, which has `left`.
    pub(super) fn refusal(
        &self,
        fields: u64,
        left: u64,
        budget: &Budget,
        default: u64,
        time: BudgetTime,
    ) -> Refusal {
        let (of, limit, base) = (self.spender.kind(), budget.limit(default, time.at), budget.base(default));
        let what = self.spender.counted().fields();
        let met = |quota: u64| {
            let (name, window_s) = (self.spender.limit_name(), Some(WINDOW_S));
            Some(Box::new(LimitMet { name, quota, unit: None, window_s, left: Some(left.min(quota)) }))
        };
        if fields > limit {
            return Refusal { limit: met(limit), ..Refusal::new(Code::BatchOverBudget) }.detail(format!(
                "The batch has {fields} fields; the {of}'s budget is {limit} {what} in 24 hours."
            ));
        }
        let Some(wait) = budget.fits_in(fields, default, time) else {
            return Refusal { limit: met(base), ..Refusal::new(Code::BatchOverBudget) }.detail(format!(
                "The batch has {fields} fields; of the {of}'s raised budget {left} are left, and before more are free \
                 the raise is over and the budget is {base} {what} in 24 hours."
            ));
        };
        let at_stake = self.at_stake.load(Ordering::Acquire);
        let wait = if fields <= left.saturating_add(at_stake) { wait.min(STAKES_COME_BACK_IN) } else { wait };
        let wants = match self.spender.counted() {
            Counted::Decrypted | Counted::Indexed => format!("the request has {fields}"),
            Counted::Missed if at_stake > 0 => format!("requests under way hold {at_stake}"),
            Counted::Missed => "nothing is opened to be reencrypted without one".to_owned(),
        };
        Refusal { limit: met(limit), ..Refusal::new(Code::BudgetExhausted).retry_after(wait) }
            .detail(format!("The {of}'s budget of {limit} {what} in 24 hours has {left} left; {wants}."))
    }
}

impl Kept {
    /// The budget without what is left of its lease and what came late, as nothing of it was used.
    pub(super) fn without(&self, leased: u32) -> Budget {
        let mut budget = self.budget.clone();
        budget.give_back(self.leased_hour, leased.into());
        self.late.iter().for_each(|late| budget.give_back(late.hour, late.fields));
        budget
    }

    /// The lease that was there has been replaced, with so much left in it.
    pub(super) fn is_replaced(&mut self, (end, left): (u32, u32)) {
        // Behind an amendment there is none.
        if end > 0 {
            self.before = (end, self.leased_hour);
            self.come_late(Hour { hour: self.leased_hour, fields: left.into() });
        }
    }

    /// Fields came back to no lease.
    pub(super) fn come_late(&mut self, late: Hour) {
        if late.fields == 0 {
            return;
        }
        match self.late.iter_mut().find(|known| known.hour == late.hour) {
            Some(known) => known.fields += late.fields,
            None => self.late.push(late),
        }
    }
}

impl Taken {
    /// What was taken by way of the store: of the endpoint's plan and the API key's.
    pub(super) fn of(plans: &[Plan<'_>]) -> Self {
        let mut ends = [0; 2];
        for (end, plan) in ends.iter_mut().zip(plans) {
            *end = plan.end;
        }
        Self { fields: plans.first().map_or(0, |plan| u32::try_from(plan.taken).unwrap_or(u32::MAX)), ends }
    }
}

impl Purse {
    /// Takes `fields` from both leases or from none; nothing when one has not as many, or its time is over.
    #[must_use]
    pub fn take(&self, fields: usize, time: Timestamp) -> Option<Taken> {
        let fields = u32::try_from(fields).ok()?;
        let now_s = seconds(time);
        // The API key's first: one that has nothing left takes nothing out of its endpoint's for a moment.
        let of_api_key = self.api_key.lease.take(fields, now_s)?;
        let Some(of_endpoint) = self.endpoint.lease.take(fields, now_s) else {
            self.api_key.put_back(fields, of_api_key);
            return None;
        };
        Some(Taken { fields, ends: [of_endpoint, of_api_key] })
    }

    /// Puts back what a request took that is refused after all.
    pub fn put_back(&self, taken: &Taken) {
        self.endpoint.put_back(taken.fields, taken.ends[0]);
        self.api_key.put_back(taken.fields, taken.ends[1]);
    }

    /// A request under way has one field of both in hand.
    pub(super) fn hold_one(&self) {
        for spending in self.both() {
            spending.at_stake.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// It has it no more: it was spent or put back.
    pub(super) fn release_one(&self) {
        for spending in self.both() {
            spending.at_stake.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// What it is spent on.
    pub(super) fn counted(&self) -> Counted {
        self.api_key.spender.counted()
    }

    /// Both.
    pub(super) fn both(&self) -> [&Spending; 2] {
        [&self.endpoint, &self.api_key]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::appliance::budgets::Budgets;
    use crate::domain::budget::DefaultBudgets;
    use crate::domain::id::{ApiKeyId, EndpointId};
    use crate::domain::timestamp::Now;
    use crate::store::failing_disk::Failing;
    use crate::store::{Batch, Store};

    const KEY: ApiKeyId = ApiKeyId::from_bytes([2; 16]);
    const TIME: Timestamp = Timestamp::from_seconds(HOUR_S);

    #[test]
    fn a_reservation_that_is_not_durable_is_journal_full_and_leaves_no_lease() {
        let defaults = DefaultBudgets::default();
        let load = |store: &Store| {
            Budgets::load(store, Now { time: TIME, instant: Instant::now() }, true, defaults).unwrap()
        };
        let stored = |store: &Store| {
            let budgets = load(store);
            budgets.of(Spender::ApiKey(KEY)).standing(defaults.api_key_fields_per_day, TIME.into()).used
        };
        let (mut landed, mut lost) = (0, 0);
        for operations in 0.. {
            let (disk, _file, store) = Failing::store(Batch::new(1).record(2, 1, b"made"));
            let budgets = load(&store);
            let purse = budgets.purse(EndpointId::from_bytes([1; 16]), KEY, Counted::Decrypted);
            let charge =
                |fields| budgets.charge(&purse, fields, |of| of.default_of(defaults), TIME.into(), &store);
            let in_hand = charge(1).unwrap();
            assert_eq!(stored(&store), FIRST_FIELDS);
            disk.let_through(operations);
            // More than is left of the first lease, which goes back with this.
            let charged = charge(100);
            if charged.is_ok() {
                break;
            }
            assert!(charged.is_err_and(|stop| stop.is_journal_full()), "{operations}");
            // Nobody knows whether the first lease went back: nothing of it may be used.
            assert!(purse.take(1, TIME).is_none(), "{operations}");
            // Nor while the store is stopped.
            assert!(charge(1).is_err_and(|stop| stop.is_journal_full()));
            disk.let_through(i64::MAX);
            match store.recover().unwrap() {
                Some(_) => landed += 1,
                None => lost += 1,
            }
            // What was in it counts as used, whatever the disk says.
            charge(1).unwrap();
            let used = purse.api_key.standing(defaults.api_key_fields_per_day, TIME.into()).used;
            assert_eq!(used, FIRST_FIELDS + 1);
            assert!(stored(&store) >= used);
            // But not what was in hand and came back.
            purse.put_back(&in_hand);
            let used = purse.api_key.standing(defaults.api_key_fields_per_day, TIME.into()).used;
            assert_eq!(used, FIRST_FIELDS);
            assert!(stored(&store) >= used);
        }
        assert!(lost > 3, "the disk never failed: {landed} landed");
    }
}
