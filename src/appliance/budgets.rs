//! Budgets of decrypted and of indexed fields, and of those that did not open: what bounds the loss when an API key and its
//! certificate are stolen. A decrypt is charged to the budgets of its API key and of its endpoint, both of which must allow all
//! of its fields, before the first is opened; an index to two others of theirs; a reencrypt, field by field (`stake.rs`), to two more.
//!
//! What is charged is durable before it is used: fields are reserved in the store in leases that grow with use, and used up
//! in memory. A crash forfeits what is left of a lease and never gives back what was used; an end in order (`give_back.rs`)
//! forfeits nothing. Budgets go by a time that no setting of the clock moves back, or ahead of the stop-watch, and do not
//! refill while the clock is not trusted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::budget::{Budget, Counted, DefaultBudgets, HOUR_S, Spender};
use crate::domain::budget_time::{BudgetTime, trusted_time};
use crate::domain::cbor;
use crate::domain::id::{ApiKeyId, EndpointId};
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Scan, Store, StoreError, Table};

use super::fault::Stop;
use super::operational::Operational;
use super::reservation::Plan;
use super::spending::{Purse, Spending, Taken};

/// Rows read at a time when the appliance is unlocked.
const PAGE_ROWS: usize = 1_000;

/// The budgets of every API key and endpoint that ever asked for anything. As many as the catalog has of those, and no more.
pub struct Budgets {
    known: Mutex<HashMap<Spender, Arc<Spending>>>,
    /// One reservation at a time.
    pub(super) reserving: Mutex<()>,
    /// When the appliance was unlocked, by the later of the clock and the last block; or when an operator said that the clock
    /// is right. Every decrypt asks it, so without a lock; it is changed under that of `refilled_to`.
    started: ArcSwap<Now>,
    refilled_to: Mutex<Timestamp>,
}

impl Budgets {
    /// Reads every budget. A row that does not open counts as spent whole in this hour, so that damage never gives anybody a
    /// new budget; an operator may raise it. What its own size was is lost with it, so `defaults` say what the whole is.
    /// Where the clock is trusted though it is behind the journal, an operator has said that it is right.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn load(
        store: &Store,
        now: Now,
        clock_is_trusted: bool,
        defaults: DefaultBudgets,
    ) -> Result<Self, Stop> {
        let journal = Timestamp::from_micros(store.head().time_us);
        let time = if clock_is_trusted { now.time } else { now.time.max(journal) };
        let started = Now { time, ..now };
        let mut known = HashMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let range = Scan { prefix: b"", after: after.as_deref(), limit: PAGE_ROWS };
            let rows = store.scan(Table::Budgets, range)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (key, row) in rows {
                let Some(spender) = Spender::from_row_key(&key) else { continue };
                let budget = row.and_then(|row| {
                    let name = || crate::store::RowName::new(Table::Budgets, &key);
                    cbor::decode(&row.value)
                        .map_err(|_| StoreError::Damaged { row: name(), why: "it is no budget" })
                });
                let mut budget = budget.unwrap_or_else(|error| {
                    tracing::error!(%error, of = %spender, "a budget is lost; it counts as spent for 24 hours");
                    let mut spent = Budget::default();
                    spent.exhaust(spender.default_of(defaults), time);
                    spent
                });
                if clock_is_trusted {
                    budget.come_back_to(time.seconds() / HOUR_S);
                }
                known.insert(spender, Arc::new(Spending::new(spender, budget)));
            }
        }
        Ok(Self {
            known: Mutex::new(known),
            reserving: Mutex::new(()),
            started: ArcSwap::from_pointee(started),
            refilled_to: Mutex::new(time),
        })
    }

    /// The time budgets go by. While the clock is not trusted they do not refill.
    pub fn time(&self, now: Now, clock_is_trusted: bool) -> BudgetTime {
        let mut refilled_to = self.refilled_to.lock();
        let at = self.clock_time(now);
        if clock_is_trusted {
            *refilled_to = at.max(*refilled_to);
        }
        BudgetTime { at, refilled_to: *refilled_to }
    }

    /// The time leases and raises end by: the clock's, as far as the stop-watch bears it out.
    pub fn clock_time(&self, now: Now) -> Timestamp {
        trusted_time(now, **self.started.load())
    }

    /// An operator says that the clock is right.
    pub fn acknowledge_clock(&self, now: Now) {
        let _nothing_is_reserved = self.reserving.lock();
        let mut refilled_to = self.refilled_to.lock();
        self.started.store(Arc::new(now));
        *refilled_to = now.time;
        drop(refilled_to);
        for spending in self.all() {
            spending.come_back_to(now.time);
        }
    }

    /// The one account of a spender.
    pub(super) fn of(&self, spender: Spender) -> Arc<Spending> {
        let mut known = self.known.lock();
        let new = || Arc::new(Spending::new(spender, Budget::default()));
        Arc::clone(known.entry(spender).or_insert_with(new))
    }

    /// What a request with this API key of this endpoint spends from.
    #[must_use]
    pub fn purse(&self, endpoint: EndpointId, api_key: ApiKeyId, counted: Counted) -> Purse {
        Purse {
            endpoint: self.of(Spender::endpoint(endpoint, counted)),
            api_key: self.of(Spender::api_key(api_key, counted)),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Spending>> {
        self.known.lock().values().map(Arc::clone).collect()
    }

    /// Forgets the accounts of those who are no more.
    pub(super) fn forget(&self, spenders: &[Spender]) {
        let _nothing_is_reserved = self.reserving.lock();
        self.known.lock().retain(|spender, _| !spenders.contains(spender));
    }

    /// Takes `fields` for a request whose leases do not have them, and reserves more. Blocks for one commit.
    ///
    /// # Errors
    /// `budget-exhausted`, `batch-over-budget`, and `journal-full` when the reservation cannot be made durable; nothing is
    /// charged then.
    pub fn charge(
        &self,
        purse: &Purse,
        fields: usize,
        default_of: impl Fn(Spender) -> u64,
        time: BudgetTime,
        store: &Store,
    ) -> Result<Taken, Stop> {
        let _one_at_a_time = self.reserving.lock();
        if let Some(taken) = purse.take(fields, time.at) {
            return Ok(taken);
        }
        // Nobody is told to wait for one budget where the other takes longer, or will never do; of two alike, the endpoint's.
        let longest = |refusal: &Refusal| refusal.retry_after.unwrap_or(Duration::MAX);
        let told = |refusals: Vec<Refusal>| refusals.into_iter().rev().max_by_key(longest);
        let fields = fields as u64;
        // No lease is emptied for a request that is refused: else one that has nothing left would keep others from theirs.
        let why_not = |of: &Spending| of.check(fields, default_of(of.spender), time).err();
        if let Some(refusal) = told(purse.both().into_iter().filter_map(why_not).collect()) {
            return Err(refusal.into());
        }
        let (mut plans, mut refusals): (Vec<Plan<'_>>, Vec<Refusal>) = (Vec::with_capacity(2), Vec::new());
        for spending in purse.both() {
            match spending.plan(fields, default_of(spending.spender), time) {
                Ok(plan) => plans.push(plan),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if let Some(refusal) = told(refusals) {
            plans.into_iter().for_each(Plan::abandon);
            return Err(refusal.into());
        }
        let audit = AuditRecord::new(time.at, Actor::System, "budget.lease");
        let audit = plans.iter().fold(audit, |audit, plan| match plan.spender() {
            Spender::ApiKey(id) | Spender::ApiKeyIndexes(id) | Spender::ApiKeyMisses(id) => {
                audit.with("api-key", id).with("api-key-fields", plan.reserved())
            }
            Spender::Endpoint(id) | Spender::EndpointIndexes(id) | Spender::EndpointMisses(id) => {
                audit.with("endpoint", id).with("endpoint-fields", plan.reserved())
            }
        });
        let audit = match purse.counted() {
            Counted::Decrypted => audit,
            counted @ (Counted::Indexed | Counted::Missed) => audit.with("operation", counted.operation()),
        };
        let batch = Batch::new(time.at.micros()).record(
            audit_record::KIND,
            audit_record::VERSION,
            &cbor::encode(&audit),
        );
        let batch = plans.iter().fold(batch, |batch, plan| put(batch, plan));
        // After a failure the leases stay empty: what they held counts as used.
        store.commit(batch).map_err(|error| Stop::unreserved(error, purse.counted().fields()))?;
        let taken = Taken::of(&plans);
        plans.into_iter().for_each(Plan::install);
        Ok(taken)
    }
}

pub(super) fn put(batch: Batch, plan: &Plan<'_>) -> Batch {
    batch.put(Table::Budgets, &plan.spender().row_key(), cbor::encode(&plan.budget))
}

impl Operational {
    /// The time budgets go by.
    pub(super) fn budget_time(&self, now: Now) -> BudgetTime {
        self.budgets.time(now, self.clock_is_trusted())
    }

    /// Takes a request's fields from both its budgets, by way of the store. Where that cannot be made durable, nothing else can.
    pub(super) fn charge(&self, purse: &Purse, fields: usize, now: Now) -> Result<Taken, Stop> {
        // Nothing is reserved any more once what was leased goes back.
        self.check_not_ended()?;
        let (time, default_of) = (self.budget_time(now), |spender| self.default_budget(spender));
        let charged = self.budgets.charge(purse, fields, default_of, time, &self.store);
        if charged.as_ref().is_err_and(Stop::is_journal_full) {
            let fields = purse.counted().fields();
            self.recorder().report_trouble(format!("{fields} could not be reserved in their budgets"));
        }
        charged
    }

    /// The policy's size of a spender's budget.
    pub(super) fn default_budget(&self, spender: Spender) -> u64 {
        spender.default_of(self.policies().budgets)
    }
}
