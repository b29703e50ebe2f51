//! What one API key or endpoint may still decrypt, index or miss without asking the store: fields of its budget that were reserved durably
//! and not used yet, good until the hour they were reserved in is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::budget::{Budget, Counted, HOUR_S, Spender, WARNING_PERCENT, WINDOW_S};
use crate::domain::budget_time::BudgetTime;
use crate::domain::refusal::{Code, LimitMet, Refusal};
use crate::domain::timestamp::Timestamp;

use super::budget_lease::{Lease, Leased};

/// Fields of the first lease; each further one is twice as long.
const FIRST_FIELDS: u64 = 64;
/// The longest lease is this part of the budget: the most that a crash forfeits. An end in order forfeits nothing.
const LEASES_OF_A_BUDGET: u64 = 64;
/// When to come again where only what requests under way have at stake is missing.
const STAKES_COME_BACK_IN: Duration = Duration::from_secs(1);

/// The budget of one spender, as it is stored, and what of it is leased.
pub(super) struct Spending {
    pub(super) spender: Spender,
    lease: Lease,
    /// Fields that requests under way have in hand, and mostly put back.
    at_stake: AtomicU64,
    /// Locked only for moments, never while the store is asked.
    kept: Mutex<Kept>,
}

struct Kept {
    budget: Budget,
    /// The hour the lease was reserved in.
    leased_hour: u64,
    /// Fields of the next lease.
    next_fields: u64,
    warned: bool,
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
    ends_s: [u32; 2],
}

/// A reservation that is not durable yet. Until it is, the lease is empty; dropped without [`Plan::install`], what was leased
/// is forfeited, because nobody knows what is on the disk.
pub(super) struct Plan<'a> {
    spending: &'a Spending,
    /// The row to store.
    pub(super) budget: Budget,
    hour: u64,
    /// When the lease is to be over; seconds since 1970.
    end_s: u32,
    /// Fields newly reserved.
    reserved: u64,
    /// Of them, at once used.
    taken: u64,
    /// What was there before, for a refusal that changed nothing.
    emptied: Leased,
    standing: Standing,
}

impl Spending {
    pub(super) fn new(spender: Spender, budget: Budget) -> Self {
        let kept = Kept { budget, leased_hour: 0, next_fields: FIRST_FIELDS, warned: false };
        Self { spender, lease: Lease::empty(), at_stake: AtomicU64::new(0), kept: Mutex::new(kept) }
    }

    /// Whether it has fields that were leased and not used.
    pub(super) fn has_leased(&self) -> bool {
        self.lease.left() > 0
    }

    /// How it stands at `time`.
    pub(super) fn standing(&self, default: u64, time: BudgetTime) -> Standing {
        let kept = self.kept.lock();
        let mut budget = kept.budget.clone();
        budget.give_back(kept.leased_hour, self.lease.left().into());
        let used = budget.used(budget.hour_of(time.refilled_to));
        Standing { fields_per_day: budget.limit(default, time.at), used }
    }

    /// An operator says what time it is: nothing counts into hours to come any more, and no lease lasts until then.
    pub(super) fn come_back_to(&self, time: Timestamp) {
        let mut kept = self.kept.lock();
        // What was leased counts as used.
        self.lease.take_all();
        kept.leased_hour = 0;
        kept.budget.come_back_to(time.seconds() / HOUR_S);
    }

    /// Its own size and its raise, as stored.
    pub(super) fn budget(&self) -> Budget {
        self.kept.lock().budget.clone()
    }

    /// Reserves enough for `fields` and, where there is room, for those to come.
    ///
    /// # Errors
    /// `batch-over-budget`, `budget-exhausted`; nothing has changed then.
    pub(super) fn plan(&self, fields: u64, default: u64, time: BudgetTime) -> Result<Plan<'_>, Refusal> {
        let emptied = self.lease.take_all();
        let kept = self.kept.lock();
        let mut budget = kept.budget.clone();
        budget.give_back(kept.leased_hour, emptied.fields.into());
        let hour = budget.hour_of(time.refilled_to);
        let (limit, used) = (budget.limit(default, time.at), budget.used(hour));
        let left = limit.saturating_sub(used);
        if fields > left {
            self.lease.install(emptied);
            return Err(self.refusal(fields, left, &budget, default, time));
        }
        let enough = kept.next_fields.min(limit / LEASES_OF_A_BUDGET).max(fields);
        let reserved = enough.min(left);
        budget.reserve(hour, reserved);
        let hour_end = (time.at.seconds() / HOUR_S + 1) * HOUR_S;
        let end_s = budget.raise_at(time.at).map_or(hour_end, |raise| hour_end.min(raise.until.seconds()));
        Ok(Plan {
            spending: self,
            budget,
            hour,
            end_s: u32::try_from(end_s).unwrap_or(u32::MAX),
            reserved,
            taken: fields,
            emptied,
            standing: Standing { fields_per_day: limit, used: used + fields },
        })
    }

    /// Empties the lease and changes the budget itself: its size or its raise.
    pub(super) fn amend(&self, time: BudgetTime, change: impl FnOnce(&mut Budget)) -> Plan<'_> {
        let emptied = self.lease.take_all();
        let kept = self.kept.lock();
        let mut budget = kept.budget.clone();
        budget.give_back(kept.leased_hour, emptied.fields.into());
        change(&mut budget);
        let hour = budget.hour_of(time.refilled_to);
        let standing = Standing { fields_per_day: budget.limit(0, time.at), used: budget.used(hour) };
        Plan { spending: self, budget, hour, end_s: 0, reserved: 0, taken: 0, emptied, standing }
    }

    fn refusal(&self, fields: u64, left: u64, budget: &Budget, default: u64, time: BudgetTime) -> Refusal {
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

impl Plan<'_> {
    /// Whose it is.
    pub(super) fn spender(&self) -> Spender {
        self.spending.spender
    }

    /// Fields newly reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Fields that were leased and not used, which go back with it.
    pub(super) fn given_back(&self) -> u64 {
        self.emptied.fields.into()
    }

    /// It is durable: what was reserved may be used.
    pub(super) fn install(self) {
        let Standing { fields_per_day, used } = self.standing;
        let warning = used.saturating_mul(100) >= fields_per_day.saturating_mul(WARNING_PERCENT);
        let mut kept = self.spending.kept.lock();
        kept.budget = self.budget;
        kept.leased_hour = self.hour;
        if self.reserved > 0 {
            kept.next_fields = kept.next_fields.max(self.reserved).saturating_mul(2);
            if warning && !kept.warned {
                let of = self.spending.spender;
                tracing::warn!(%of, used, fields_per_day, "a budget is four fifths used");
            }
            kept.warned = warning;
        }
        let fields = u32::try_from(self.reserved - self.taken).unwrap_or(u32::MAX);
        self.spending.lease.install(Leased { end_s: self.end_s, fields });
    }

    /// It was never written: everything is as before.
    pub(super) fn abandon(self) {
        self.spending.lease.install(self.emptied);
    }
}

impl Taken {
    /// What was taken by way of the store: of the endpoint's plan and the API key's.
    pub(super) fn of(plans: &[Plan<'_>]) -> Self {
        let mut ends_s = [0; 2];
        for (end_s, plan) in ends_s.iter_mut().zip(plans) {
            *end_s = plan.end_s;
        }
        Self { fields: plans.first().map_or(0, |plan| u32::try_from(plan.taken).unwrap_or(u32::MAX)), ends_s }
    }
}

impl Purse {
    /// Takes `fields` from both leases or from none; nothing when one has not as many, or its time is over.
    #[must_use]
    pub fn take(&self, fields: usize, time: Timestamp) -> Option<Taken> {
        let fields = u32::try_from(fields).ok()?;
        let now_s = u32::try_from(time.seconds()).unwrap_or(u32::MAX);
        let first = self.endpoint.lease.take(fields, now_s)?;
        let Some(second) = self.api_key.lease.take(fields, now_s) else {
            self.endpoint.lease.put_back(fields, first);
            return None;
        };
        Some(Taken { fields, ends_s: [first, second] })
    }

    /// Puts back what a request took that is refused after all.
    pub fn put_back(&self, taken: &Taken) {
        self.endpoint.lease.put_back(taken.fields, taken.ends_s[0]);
        self.api_key.lease.put_back(taken.fields, taken.ends_s[1]);
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

    #[test]
    fn a_reservation_that_is_not_durable_is_journal_full_and_leaves_no_lease() {
        let defaults = DefaultBudgets::default();
        let time = Timestamp::from_seconds(HOUR_S);
        let stored = |store: &Store| {
            let now = Now { time, instant: Instant::now() };
            let budgets = Budgets::load(store, now, true, defaults).unwrap();
            budgets.of(Spender::ApiKey(KEY)).standing(defaults.api_key_fields_per_day, time.into()).used
        };
        let (mut landed, mut lost) = (0, 0);
        for operations in 0.. {
            let (disk, _file, store) = Failing::store(Batch::new(1).record(2, 1, b"made"));
            let budgets =
                Budgets::load(&store, Now { time, instant: Instant::now() }, true, defaults).unwrap();
            let purse = budgets.purse(EndpointId::from_bytes([1; 16]), KEY, Counted::Decrypted);
            let charge =
                |fields| budgets.charge(&purse, fields, |of| of.default_of(defaults), time.into(), &store);
            charge(1).unwrap();
            assert_eq!(stored(&store), FIRST_FIELDS);
            disk.let_through(operations);
            // More than is left of the first lease, which goes back with this.
            let charged = charge(100);
            if charged.is_ok() {
                break;
            }
            assert!(charged.is_err_and(|stop| stop.is_journal_full()), "{operations}");
            // Nobody knows whether the first lease went back: nothing of it may be used.
            assert!(purse.take(1, time).is_none(), "{operations}");
            // Nor while the store is stopped.
            assert!(charge(1).is_err_and(|stop| stop.is_journal_full()));
            disk.let_through(i64::MAX);
            match store.recover().unwrap() {
                Some(_) => landed += 1,
                None => lost += 1,
            }
            // What was in it counts as used, whatever the disk says.
            charge(1).unwrap();
            let used = purse.api_key.standing(defaults.api_key_fields_per_day, time.into()).used;
            assert_eq!(used, FIRST_FIELDS + 1);
            assert!(stored(&store) >= used);
        }
        assert!(lost > 3, "the disk never failed: {landed} landed");
    }
}
