//! Budgets of decrypted fields over a real database and a clock that the test sets: they slide by the hour, never count low,
//! and cost the store next to nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gembok::appliance::{Budgets, Purse, Stop};
use gembok::domain::budget::{Budget, Counted, DefaultBudgets, HOUR_S, Hour, Raise, Spender};
use gembok::domain::budget_time::BudgetTime;
use gembok::domain::cbor;
use gembok::domain::id::{ApiKeyId, EndpointId};
use gembok::domain::refusal::{Code, Refusal};
use gembok::domain::timestamp::{Now, Timestamp};
use gembok::store::{Batch, Store, StoreFile, Table};
use support::Rig;

#[path = "store/support.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod support;

const ENDPOINT: EndpointId = EndpointId::from_bytes([1; 16]);
const KEY: ApiKeyId = ApiKeyId::from_bytes([2; 16]);
const OTHER_KEY: ApiKeyId = ApiKeyId::from_bytes([3; 16]);

/// A process: a store that was unlocked and the budgets read from it.
struct Process {
    rig: Rig,
    _file: StoreFile,
    store: Store,
    budgets: Budgets,
    defaults: DefaultBudgets,
}

const fn hour(number: u64) -> Timestamp {
    Timestamp::from_seconds(number * HOUR_S)
}

const fn minute(of_hour: u64, number: u64) -> Timestamp {
    Timestamp::from_seconds(of_hour * HOUR_S + number * 60)
}

impl Process {
    fn new(api_key_fields_per_day: u64, endpoint_fields_per_day: u64, time: Timestamp) -> Self {
        let (rig, file, store) = Rig::initialised();
        let defaults =
            DefaultBudgets { api_key_fields_per_day, endpoint_fields_per_day, ..DefaultBudgets::default() };
        let now = Now { time, instant: Instant::now() };
        let budgets = Budgets::load(&store, now, false, defaults).unwrap();
        Self { rig, _file: file, store, budgets, defaults }
    }

    /// Killed, and started again when the clock says `time`: what was only in memory is gone.
    fn restart(self, time: Timestamp) -> Self {
        let Self { rig, _file: held, store, budgets, defaults } = self;
        drop((budgets, store, held));
        let (file, store, _) = rig.unlocked();
        let now = Now { time, instant: Instant::now() };
        let budgets = Budgets::load(&store, now, false, defaults).unwrap();
        Self { rig, _file: file, store, budgets, defaults }
    }

    fn purse(&self, key: ApiKeyId) -> Purse {
        self.budgets.purse(ENDPOINT, key, Counted::Decrypted)
    }

    /// As the admission does it: from memory, or by way of the store.
    fn spend(&self, purse: &Purse, fields: usize, time: Timestamp) -> Result<(), Refusal> {
        if purse.take(fields, time).is_some() {
            return Ok(());
        }
        let charged =
            self.budgets.charge(purse, fields, |of| of.default_of(self.defaults), time.into(), &self.store);
        charged.map(drop).map_err(|stop| match stop {
            Stop::Refused(refusal) => refusal,
            Stop::Fault(fault) => panic!("{fault}"),
        })
    }

    fn decrypt(&self, fields: usize, time: Timestamp) -> Result<(), Refusal> {
        self.spend(&self.purse(KEY), fields, time)
    }

    fn stored(&self, spender: Spender) -> Budget {
        let row = self.store.get(Table::Budgets, &spender.row_key()).unwrap().unwrap();
        cbor::decode(&row.value).unwrap()
    }
}

#[track_caller]
fn exhausted(spent: Result<(), Refusal>) -> Duration {
    let refusal = spent.unwrap_err();
    assert_eq!(refusal.code, Code::BudgetExhausted, "{refusal}");
    refusal.retry_after.unwrap()
}

#[test]
fn a_budget_slides_by_the_hour() {
    let process = Process::new(100, 1_000, hour(1_000));
    assert_eq!(process.decrypt(60, minute(1_000, 59)), Ok(()));
    assert_eq!(process.decrypt(40, minute(1_001, 1)), Ok(()));
    for at in [minute(1_001, 2), hour(1_012), minute(1_023, 59)] {
        let wait = exhausted(process.decrypt(1, at));
        assert_eq!(at.plus(wait), hour(1_024), "the oldest hour slides out when the 24th after it begins");
    }
    // More than that hour frees has to wait for the next.
    assert_eq!(hour(1_012).plus(exhausted(process.decrypt(61, hour(1_012)))), hour(1_025));
    let over = process.decrypt(101, hour(1_012)).unwrap_err();
    assert_eq!((over.code, over.retry_after), (Code::BatchOverBudget, None));
    assert_eq!(process.decrypt(60, hour(1_024)), Ok(()));
    exhausted(process.decrypt(1, minute(1_024, 59)));
    assert_eq!(process.decrypt(40, hour(1_025)), Ok(()));
    assert_eq!(process.decrypt(100, hour(1_049)), Ok(()));
}

#[test]
fn indexed_fields_have_budgets_of_their_own_that_slide_alike() {
    let process = Process::new(100, 1_000, hour(1_000));
    let indexed = |process: &Process, fields, time| {
        process.spend(&process.budgets.purse(ENDPOINT, KEY, Counted::Indexed), fields, time)
    };
    assert_eq!(indexed(&process, 100_000, hour(1_000)), Ok(()));
    let refused = indexed(&process, 1, minute(1_000, 1)).unwrap_err();
    assert_eq!(refused.limit.map(|met| met.name), Some("indexed-fields-api-key"));
    // Neither takes from the other.
    assert_eq!(process.decrypt(100, hour(1_000)), Ok(()));
    assert_eq!(process.stored(Spender::ApiKeyIndexes(KEY)).used(1_000), 100_000);
    assert_eq!(process.stored(Spender::ApiKey(KEY)).used(1_000), 100);
    let process = process.restart(hour(1_001));
    let at = minute(1_023, 59);
    assert_eq!(at.plus(exhausted(indexed(&process, 1, at))), hour(1_024));
    assert_eq!(indexed(&process, 100_000, hour(1_024)), Ok(()));
}

#[test]
fn a_refusal_names_the_budget_and_what_is_left_and_charges_neither() {
    let process = Process::new(100, 150, hour(1_000));
    assert_eq!(process.decrypt(90, hour(1_000)), Ok(()));
    let refusal = process.decrypt(11, hour(1_000)).unwrap_err();
    let met = refusal.limit.unwrap();
    assert_eq!((met.name, met.quota, met.left), ("decrypted-fields-api-key", 100, Some(10)));
    assert_eq!(met.window_s, Some(86_400));
    let other = process.purse(OTHER_KEY);
    let refusal = process.spend(&other, 61, hour(1_000)).unwrap_err();
    let met = refusal.limit.unwrap();
    assert_eq!((met.name, met.quota, met.left), ("decrypted-fields-endpoint", 150, Some(60)));
    // Had the refusals been charged, these would not fit.
    assert_eq!(process.decrypt(10, hour(1_000)), Ok(()));
    assert_eq!(process.spend(&other, 50, hour(1_000)), Ok(()));
    exhausted(process.spend(&other, 1, hour(1_000)));
}

#[test]
fn nobody_is_told_to_wait_for_what_one_of_both_budgets_will_never_have_or_has_later() {
    let process = Process::new(100, 150, hour(1_000));
    assert_eq!(process.spend(&process.purse(OTHER_KEY), 100, hour(1_000)), Ok(()));
    // The endpoint's has 50 left and the rest tomorrow; the API key's never has as many.
    let refusal = process.decrypt(101, hour(1_001)).unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (Code::BatchOverBudget, None));
    assert_eq!(refusal.limit.unwrap().name, "decrypted-fields-api-key");
    // Both have to wait: as long as the later of them.
    assert_eq!(process.decrypt(50, hour(1_001)), Ok(()));
    let wait = exhausted(process.decrypt(51, hour(1_002)));
    assert_eq!(hour(1_002).plus(wait), hour(1_025));
}

#[test]
fn what_fits_only_into_a_raise_that_is_over_by_then_is_over_the_budget() {
    let process = Process::new(10, 1_000, hour(1_000));
    let raise = Raise { fields_per_day: 100, until: minute(1_001, 30) };
    let raised = Budget { raise: Some(raise), ..Budget::default() };
    let row = Batch::new(0).put(Table::Budgets, &Spender::ApiKey(KEY).row_key(), cbor::encode(&raised));
    process.store.commit(row.record(2, 1, b"audit")).unwrap();
    let process = process.restart(hour(1_000));
    assert_eq!(process.decrypt(60, hour(1_000)), Ok(()));
    assert_eq!(process.decrypt(40, hour(1_001)), Ok(()));
    let refusal = process.decrypt(50, hour(1_001)).unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (Code::BatchOverBudget, None), "{refusal}");
    assert!(refusal.to_string().contains("the budget is 10 decrypted fields"), "{refusal}");
    let met = refusal.limit.unwrap();
    assert_eq!((met.name, met.quota, met.left), ("decrypted-fields-api-key", 10, Some(0)));
    // What fits once the raise is over may be waited for: until both hours have slid out.
    assert_eq!(hour(1_001).plus(exhausted(process.decrypt(10, hour(1_001)))), hour(1_025));
    assert_eq!(process.decrypt(10, hour(1_025)), Ok(()));
}

#[test]
fn an_end_in_order_gives_back_what_was_leased_and_not_a_field_more() {
    let mut process = Process::new(64_000, 128_000, hour(1_000));
    let mut used = 0;
    for end in 1..=5 {
        for fields in [1, 70, 3 * end] {
            assert_eq!(process.decrypt(fields, minute(1_000, 5)), Ok(()));
            used += fields as u64;
        }
        let before = process.store.head().next_sequence;
        let leased = process.stored(Spender::ApiKey(KEY)).used(1_000);
        assert!(leased > used, "{leased} reserved, {used} used: nothing was left to give back");
        process.budgets.give_back(minute(1_000, 6).into(), &process.store).unwrap();
        assert_eq!(process.store.head().next_sequence, before + 1, "one record for both");
        for spender in [Spender::ApiKey(KEY), Spender::Endpoint(ENDPOINT)] {
            assert_eq!(process.stored(spender).hours, [Hour { hour: 1_000, fields: used }]);
        }
        // It is gone from memory, too: nothing is used that went back.
        assert!(process.purse(KEY).take(1, minute(1_000, 5)).is_none());
        process.budgets.give_back(minute(1_000, 6).into(), &process.store).unwrap();
        assert_eq!(process.store.head().next_sequence, before + 1, "there is nothing more to give back");
        process = process.restart(minute(1_000, 7));
    }
}

#[test]
fn a_clock_that_goes_back_gives_nothing_back() {
    let mut process = Process::new(100, 1_000, hour(1_000));
    assert_eq!(process.decrypt(100, minute(1_000, 30)), Ok(()));
    for at in [hour(999), hour(900), hour(0)] {
        exhausted(process.decrypt(1, at));
    }
    process = process.restart(hour(900));
    exhausted(process.decrypt(1, hour(900)));
    exhausted(process.decrypt(1, hour(1_023)));
    assert_eq!(process.decrypt(100, hour(1_024)), Ok(()));
    // Charged under a clock that is behind, it counts as of the newest hour.
    exhausted(process.decrypt(1, hour(1_000)));
    assert_eq!(process.stored(Spender::ApiKey(KEY)).hours, [Hour { hour: 1_024, fields: 100 }]);
}

#[test]
fn what_is_leased_counts_in_the_hour_it_is_used_in() {
    let process = Process::new(64_000, 64_000, hour(1_000));
    assert_eq!(process.decrypt(1, hour(1_000)), Ok(()));
    let leased = process.stored(Spender::ApiKey(KEY)).hours;
    assert!(leased[0].fields > 1, "{leased:?}");
    assert_eq!(process.decrypt(1, hour(1_001)), Ok(()));
    // What the first hour had not used went back.
    assert_eq!(process.stored(Spender::ApiKey(KEY)).hours[0], Hour { hour: 1_000, fields: 1 });
}

#[test]
fn kills_never_lower_a_budget_and_forfeit_a_lease_at_most() {
    const LIMIT: u64 = 6_400;
    const KILLS: u64 = 40;
    let mut process = Process::new(LIMIT, LIMIT * 2, hour(1_000));
    let (mut used, mut dice) = (0, 7u64);
    for kill in 0..KILLS {
        let purse = process.purse(KEY);
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for _ in 0..dice >> 58 {
            if process.spend(&purse, 3, hour(1_000)).is_ok() {
                used += 3;
            }
        }
        // The clock is wound back at every other start.
        let at = if kill % 2 == 0 { hour(1_000) } else { hour(500) };
        process = process.restart(at);
        let reserved = process.stored(Spender::ApiKey(KEY)).used(1_000);
        assert!(reserved >= used, "{reserved} reserved, {used} used");
        assert!(reserved <= used + (kill + 1) * (LIMIT / 64), "{reserved} reserved, {used} used");
    }
    let purse = process.purse(KEY);
    while process.spend(&purse, 1, hour(1_000)).is_ok() {
        used += 1;
    }
    assert!(used <= LIMIT, "{used}");
    assert!(used >= LIMIT - KILLS * (LIMIT / 64), "{used}");
    assert!(used > 3_000, "{used}: the kills had nothing to lose");
}

#[test]
fn a_whole_budget_costs_a_hundred_commits_and_not_a_field_is_lost_without_a_crash() {
    let process = Process::new(100_000, 200_000, hour(1_000));
    let (purse, before) = (process.purse(KEY), process.store.head().next_sequence);
    let mut used = 0;
    while process.spend(&purse, 1, minute(1_000, used / 2_000)).is_ok() {
        used += 1;
    }
    assert_eq!(used, 100_000);
    let commits = process.store.head().next_sequence - before;
    assert!(commits <= 100, "{commits}");
}

#[test]
fn many_at_once_take_no_more_than_there_is_and_leave_nothing() {
    let process = Process::new(10_000, 20_000, hour(1_000));
    let used = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let purse = process.purse(KEY);
                while process.spend(&purse, 1, hour(1_000)).is_ok() {
                    used.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(used.into_inner(), 10_000);
}

#[test]
fn what_a_refused_request_took_can_be_put_back() {
    let process = Process::new(6_400, 12_800, hour(1_000));
    let purse = process.purse(KEY);
    assert_eq!(process.decrypt(1, hour(1_000)), Ok(()));
    let taken = purse.take(5, hour(1_000)).unwrap();
    purse.put_back(&taken);
    // Into a lease that was replaced meanwhile nothing is put: it would be counted twice.
    let taken = purse.take(5, hour(1_000)).unwrap();
    assert_eq!(process.decrypt(1, hour(1_001)), Ok(()));
    purse.put_back(&taken);
    let hours = process.stored(Spender::ApiKey(KEY)).hours;
    assert_eq!(hours[0], Hour { hour: 1_000, fields: 6 });
    let left = usize::try_from(hours[1].fields - 1).unwrap();
    assert!(purse.take(left, hour(1_001)).is_some());
    assert!(purse.take(1, hour(1_001)).is_none());
}

#[test]
fn a_row_that_is_no_budget_counts_as_spent_for_a_day() {
    let process = Process::new(100, 1_000, hour(1_000));
    assert_eq!(process.decrypt(1, hour(1_000)), Ok(()));
    let lost = Batch::new(0)
        .put(Table::Budgets, &Spender::ApiKey(KEY).row_key(), b"lost".to_vec())
        .record(2, 1, b"audit");
    process.store.commit(lost).unwrap();
    let process = process.restart(hour(1_001));
    exhausted(process.decrypt(1, hour(1_001)));
    assert_eq!(process.spend(&process.purse(OTHER_KEY), 1, hour(1_001)), Ok(()));
    assert_eq!(process.decrypt(1, hour(1_025)), Ok(()));
}

#[test]
fn budgets_do_not_refill_by_a_clock_that_is_not_trusted_until_it_is_acknowledged() {
    let process = Process::new(100, 1_000, hour(1_000));
    let started = Instant::now();
    let after = |hours: u64, time| Now { time, instant: started + Duration::from_secs(hours * HOUR_S) };
    let spend = |time: BudgetTime| {
        let default_of = |of: Spender| of.default_of(process.defaults);
        process.budgets.charge(&process.purse(KEY), 100, default_of, time, &process.store).is_ok()
    };
    let time = |now, trusted| process.budgets.time(now, trusted);
    assert!(spend(time(after(0, hour(1_000)), true)));
    // It jumps two days ahead; and really a day passes.
    assert!(!spend(time(after(0, hour(1_048)), false)));
    let stopped = time(after(25, hour(1_073)), false);
    assert_eq!((stopped.at.seconds(), stopped.refilled_to), (hour(1_026).seconds(), hour(1_000)));
    assert!(!spend(stopped));
    // An operator says that it is right.
    let now = after(25, hour(1_073));
    process.budgets.acknowledge_clock(now);
    assert!(spend(time(now, true)));
    // Later it turns out to be far ahead, is put back and acknowledged: what was used still counts, for a day from there.
    let now = after(26, hour(1_030));
    assert!(!spend(time(now, false)));
    process.budgets.acknowledge_clock(now);
    assert!(!spend(time(now, true)));
    assert!(!spend(time(after(49, hour(1_053)), true)));
    assert!(spend(time(after(50, hour(1_054)), true)));
}
