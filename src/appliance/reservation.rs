//! A reservation of fields of one budget, from the moment it is planned until it is durable. Requests go on meanwhile: they put back
//! what they had in hand, and none of that may be lost, else rows that all open would use a budget up.
//!
//! So all that is left of the lease is away, and its end stays, for what comes back. That may be taken again at once: it was
//! reserved, and no plan gives back what was in hand.

use crate::domain::budget::{Budget, HOUR_S, Hour, Spender, WARNING_PERCENT};
use crate::domain::budget_time::BudgetTime;
use crate::domain::refusal::Refusal;

use super::spending::{Kept, Spending, Standing};

/// The longest lease is this part of the budget: the most that a crash forfeits. An end in order forfeits nothing.
const LEASES_OF_A_BUDGET: u64 = 64;

/// A reservation that is not durable yet. Until it is, what was left of the lease is away; dropped without [`Plan::install`] or
/// [`Plan::abandon`], that is forfeited, because nobody knows what is on the disk. One at a time of each budget.
pub(super) struct Plan<'a> {
    spending: &'a Spending,
    /// The row to store.
    pub(super) budget: Budget,
    hour: u64,
    /// End of the lease that it makes.
    pub(super) end: u32,
    /// Fields newly reserved.
    reserved: u64,
    /// Of them, at once used.
    pub(super) taken: u64,
    /// End and rest of the lease that was there.
    emptied: (u32, u32),
    /// What had come late, and goes back with it.
    late: Vec<Hour>,
    standing: Standing,
}

/// A budget that has room for what is asked.
struct Room {
    /// Without what is leased and not used.
    budget: Budget,
    hour: u64,
    limit: u64,
    used: u64,
}

impl Spending {
    /// Whether there is enough for `fields`; no lease is touched.
    ///
    /// # Errors
    /// `batch-over-budget`, `budget-exhausted`.
    pub(super) fn check(&self, fields: u64, default: u64, time: BudgetTime) -> Result<(), Refusal> {
        self.room(&self.kept.lock(), self.lease.left(), (fields, default), time).map(|_| ())
    }

    /// Reserves enough for `fields` and, where there is room, for those to come.
    ///
    /// # Errors
    /// `batch-over-budget`, `budget-exhausted`; nothing has changed then.
    pub(super) fn plan(&self, fields: u64, default: u64, time: BudgetTime) -> Result<Plan<'_>, Refusal> {
        let mut kept = self.kept.lock();
        let emptied = self.lease.take_away();
        let room = self.room(&kept, emptied.1, (fields, default), time);
        let Room { mut budget, hour, limit, used } = room.inspect_err(|_| self.bring_back(emptied))?;
        let enough = kept.next_fields.min(limit / LEASES_OF_A_BUDGET).max(fields);
        let reserved = enough.min(limit.saturating_sub(used));
        budget.reserve(hour, reserved);
        let hour_end = (time.at.seconds() / HOUR_S + 1) * HOUR_S;
        let end_s = budget.raise_at(time.at).map_or(hour_end, |raise| hour_end.min(raise.until.seconds()));
        Ok(Plan {
            spending: self,
            budget,
            hour,
            end: u32::try_from(end_s).unwrap_or(u32::MAX),
            reserved,
            taken: fields,
            emptied,
            late: std::mem::take(&mut kept.late),
            standing: Standing { fields_per_day: limit, used: used + fields },
        })
    }

    /// Empties the lease and changes the budget itself: its size or its raise.
    pub(super) fn amend(&self, time: BudgetTime, change: impl FnOnce(&mut Budget)) -> Plan<'_> {
        let mut kept = self.kept.lock();
        let emptied = self.lease.take_away();
        let mut budget = kept.without(emptied.1);
        change(&mut budget);
        let hour = budget.hour_of(time.refilled_to);
        let standing = Standing { fields_per_day: budget.limit(0, time.at), used: budget.used(hour) };
        let late = std::mem::take(&mut kept.late);
        Plan { spending: self, budget, hour, end: 0, reserved: 0, taken: 0, emptied, late, standing }
    }

    fn room(
        &self,
        kept: &Kept,
        leased: u32,
        (fields, default): (u64, u64),
        time: BudgetTime,
    ) -> Result<Room, Refusal> {
        let budget = kept.without(leased);
        let hour = budget.hour_of(time.refilled_to);
        let (limit, used) = (budget.limit(default, time.at), budget.used(hour));
        let left = limit.saturating_sub(used);
        if fields > left {
            return Err(self.refusal(fields, left, &budget, default, time));
        }
        Ok(Room { budget, hour, limit, used })
    }

    /// Puts back what was left of a lease that was not replaced.
    fn bring_back(&self, (end, left): (u32, u32)) {
        if !self.lease.put_back(left, end) {
            tracing::error!(of = %self.spender, left, "a lease was replaced while it was away; what was left of it counts as used");
        }
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

    /// Fields that were reserved before and not used, which go back with it.
    pub(super) fn given_back(&self) -> u64 {
        self.late.iter().fold(self.emptied.1.into(), |sum, late| sum + late.fields)
    }

    /// It is durable: what was reserved may be used.
    pub(super) fn install(self) {
        let Standing { fields_per_day, used } = self.standing;
        let warning = used.saturating_mul(100) >= fields_per_day.saturating_mul(WARNING_PERCENT);
        let mut kept = self.spending.kept.lock();
        kept.budget = self.budget;
        if self.reserved > 0 {
            kept.next_fields = kept.next_fields.max(self.reserved).saturating_mul(2);
            if warning && !kept.warned {
                let of = self.spending.spender;
                tracing::warn!(%of, used, fields_per_day, "a budget is four fifths used");
            }
            kept.warned = warning;
        }
        let left = u32::try_from(self.reserved - self.taken).unwrap_or(u32::MAX);
        // What came back meanwhile is in the lease that was there: it stays in that, or is given back with the next.
        let goes_on = self.end == self.emptied.0 && self.hour == kept.leased_hour;
        if !(goes_on && self.spending.lease.put_back(left, self.end)) {
            let replaced = self.spending.lease.replace(self.end, left);
            kept.is_replaced(replaced);
        }
        kept.leased_hour = self.hour;
    }

    /// It was never written: everything is as before.
    pub(super) fn abandon(self) {
        let mut kept = self.spending.kept.lock();
        self.late.into_iter().for_each(|late| kept.come_late(late));
        self.spending.bring_back(self.emptied);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::appliance::budgets::{Budgets, put};
    use crate::appliance::fault::Stop;
    use crate::appliance::spending::{Purse, Taken};
    use crate::domain::actor::Actor;
    use crate::domain::audit_record::{self, AuditRecord};
    use crate::domain::budget::{Counted, DefaultBudgets};
    use crate::domain::cbor;
    use crate::domain::id::{ApiKeyId, EndpointId};
    use crate::domain::refusal::Code;
    use crate::domain::timestamp::{Now, Timestamp};
    use crate::store::failing_disk::Failing;
    use crate::store::{Batch, Store};

    /// Fields of each budget here: too few for a lease of more than what is asked.
    const LIMIT: u64 = 20;
    const TIME: Timestamp = Timestamp::from_seconds(HOUR_S);

    fn defaults() -> DefaultBudgets {
        let (api_key_missed_per_day, endpoint_missed_per_day) = (LIMIT, LIMIT);
        DefaultBudgets { api_key_missed_per_day, endpoint_missed_per_day, ..DefaultBudgets::default() }
    }

    /// One endpoint's and its API keys' budgets of what did not open, and the store they are in.
    struct Till {
        store: Store,
        budgets: Budgets,
    }

    impl Till {
        fn new() -> Self {
            let (_, _, store) = Failing::store(Batch::new(1).record(2, 1, b"made"));
            Self { budgets: Self::load(&store), store }
        }

        fn load(store: &Store) -> Budgets {
            Budgets::load(store, Now { time: TIME, instant: Instant::now() }, true, defaults()).unwrap()
        }

        fn purse(&self, api_key: u8) -> Purse {
            let (endpoint, api_key) = (EndpointId::from_bytes([1; 16]), ApiKeyId::from_bytes([api_key; 16]));
            self.budgets.purse(endpoint, api_key, Counted::Missed)
        }

        fn charge_at(&self, purse: &Purse, time: Timestamp) -> Result<Taken, Stop> {
            let default_of = |of: Spender| of.default_of(defaults());
            self.budgets.charge(purse, 1, default_of, time.into(), &self.store)
        }

        fn charge(&self, purse: &Purse) -> Taken {
            self.charge_at(purse, TIME).unwrap()
        }

        /// Gives a budget another size, durably.
        fn set(&self, of: &Spending, fields_per_day: u64) {
            let _one_at_a_time = self.budgets.reserving.lock();
            let plan = of.amend(TIME.into(), |budget| budget.fields_per_day = Some(fields_per_day));
            let audit = cbor::encode(&AuditRecord::new(TIME, Actor::System, "test.set"));
            let batch = Batch::new(TIME.micros()).record(audit_record::KIND, audit_record::VERSION, &audit);
            self.store.commit(put(batch, &plan)).unwrap();
            plan.install();
        }
    }

    /// What is used of the endpoint's budget and of the API key's.
    fn used(purse: &Purse, time: Timestamp) -> [u64; 2] {
        purse.both().map(|of| of.standing(LIMIT, time.into()).used)
    }

    #[test]
    fn what_comes_back_while_a_lease_is_away_was_not_used_whatever_becomes_of_the_plan() {
        let till = Till::new();
        let purse = till.purse(2);
        let mut hand: Vec<Taken> = (0..4).map(|_| till.charge(&purse)).collect();
        let mut back = || purse.put_back(&hand.pop().unwrap());
        back();
        let plan = purse.endpoint.plan(1, LIMIT, TIME.into()).unwrap();
        assert_eq!(plan.given_back(), 1);
        back();
        // Who comes meanwhile need not wait for it.
        let again = purse.take(1, TIME).unwrap();
        purse.put_back(&again);
        plan.install();
        assert_eq!(used(&purse, TIME), [2 + 1, 2], "two are in hand, and the plan took one");
        let plan = purse.endpoint.plan(1, LIMIT, TIME.into()).unwrap();
        back();
        plan.abandon();
        assert_eq!(used(&purse, TIME), [1 + 1, 1]);
        back();
        assert_eq!(used(&purse, TIME), [1, 0]);
    }

    #[test]
    fn one_that_has_nothing_left_takes_nothing_from_its_endpoint() {
        let till = Till::new();
        let (good, used_up) = (till.purse(2), till.purse(3));
        till.set(&used_up.api_key, 1);
        // What it took did not open.
        till.charge(&used_up);
        let hand: Vec<Taken> = (0..3).map(|_| till.charge(&good)).collect();
        hand[1..].iter().for_each(|taken| good.put_back(taken));
        let of_endpoint = good.endpoint.lease.left();
        assert_eq!(of_endpoint, 2);
        let in_hand = Cell::new(hand.into_iter().next());
        // A good row opens just when the other has been asked about.
        let default_of = |of: Spender| {
            if of == used_up.api_key.spender {
                assert_eq!(good.endpoint.lease.left(), of_endpoint, "nobody else has less meanwhile");
                in_hand.take().iter().for_each(|taken| good.put_back(taken));
            }
            of.default_of(defaults())
        };
        let refused = till.budgets.charge(&used_up, 1, default_of, TIME.into(), &till.store);
        assert!(matches!(refused, Err(Stop::Refused(why)) if why.code == Code::BudgetExhausted));
        assert!(in_hand.take().is_none());
        assert_eq!((used(&good, TIME), good.endpoint.lease.left()), ([1, 0], of_endpoint + 1));
    }

    #[test]
    fn what_was_taken_before_the_hour_turned_comes_back_and_an_end_in_order_writes_that() {
        let till = Till::new();
        let purse = till.purse(2);
        let hand: Vec<Taken> = (0..3).map(|_| till.charge(&purse)).collect();
        let later = Timestamp::from_seconds(2 * HOUR_S);
        till.charge_at(&purse, later).unwrap();
        assert_eq!(used(&purse, later), [4, 4]);
        // While the next is on its way, and when there is none.
        let plan = purse.endpoint.plan(1, LIMIT, later.into()).unwrap();
        hand[..2].iter().for_each(|taken| purse.put_back(taken));
        plan.install();
        purse.put_back(&hand[2]);
        assert_eq!(used(&purse, later), [2, 1]);
        // None of it lasts longer than the hour it was reserved in.
        assert!(purse.take(1, later).is_none());
        till.budgets.give_back(later.into(), &till.store).unwrap();
        let stored = Till::load(&till.store);
        let key = stored.of(purse.api_key.spender).standing(LIMIT, later.into()).used;
        let endpoint = stored.of(purse.endpoint.spender).standing(LIMIT, later.into()).used;
        assert_eq!([endpoint, key], [2, 1]);
    }

    #[test]
    fn what_comes_back_after_a_budget_was_made_smaller_goes_to_nobody_beyond_it() {
        let till = Till::new();
        let purse = till.purse(2);
        let hand: Vec<Taken> = (0..3).map(|_| till.charge(&purse)).collect();
        till.set(&purse.api_key, 2);
        hand[..2].iter().for_each(|taken| purse.put_back(taken));
        assert!(purse.take(1, TIME).is_none(), "only what is reserved by its size now");
        assert_eq!(used(&purse, TIME), [1, 1]);
        till.charge(&purse);
        assert!(till.charge_at(&purse, TIME).is_err());
        purse.put_back(&hand[2]);
        till.charge(&purse);
        assert!(till.charge_at(&purse, TIME).is_err());
        assert_eq!(used(&purse, TIME), [2, 2]);
    }

    #[test]
    fn of_many_at_once_exactly_what_is_spent_is_used_and_never_more_than_there_is() {
        let till = Till::new();
        let used_up = till.purse(3);
        till.set(&used_up.api_key, 1);
        till.charge(&used_up);
        let (spent, held) = (AtomicU64::new(1), AtomicU64::new(1));
        let one = |number: u64| {
            let purse = till.purse(2);
            for turn in 0..200 {
                let taken = purse.take(1, TIME).map_or_else(|| till.charge_at(&purse, TIME), Ok);
                let Ok(taken) = taken else { continue };
                assert!(held.fetch_add(1, Ordering::SeqCst) < LIMIT, "more than there is");
                if turn % 100 == number * 10 {
                    spent.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                std::thread::yield_now();
                held.fetch_sub(1, Ordering::SeqCst);
                purse.put_back(&taken);
            }
        };
        std::thread::scope(|threads| {
            (0..8).for_each(|number| drop(threads.spawn(move || one(number))));
            threads.spawn(|| (0..400).for_each(|_| assert!(till.charge_at(&used_up, TIME).is_err())));
            threads.spawn(|| (0..50).for_each(|_| till.set(&used_up.endpoint, LIMIT)));
        });
        let spent = spent.into_inner();
        assert!(spent > 8, "{spent}");
        assert_eq!(used(&till.purse(2), TIME), [spent, spent - 1]);
        till.budgets.give_back(TIME.into(), &till.store).unwrap();
        let stored = Till::load(&till.store);
        assert_eq!(stored.of(used_up.endpoint.spender).standing(LIMIT, TIME.into()).used, spent);
    }
}
