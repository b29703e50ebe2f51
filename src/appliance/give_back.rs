//! What was leased of budgets and not used goes back when an unlocked time ends in order. So only a crash forfeits
//! any of it, and an operator who locks and unlocks takes nothing from anybody's day.

use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::budget_time::BudgetTime;
use crate::domain::cbor;
use crate::store::{Batch, Store};

use super::budgets::{Budgets, put};
use super::fault::Stop;
use super::operational::Operational;
use super::reservation::Plan;

impl Budgets {
    /// Empties every lease and counts what was left in it, and what came back to none, as not used, durably, in one commit. To be called when nobody is at
    /// work any more. Blocks.
    ///
    /// # Errors
    /// `journal-full` when it cannot be made durable: it counts as used then, as after a crash.
    pub fn give_back(&self, time: BudgetTime, store: &Store) -> Result<(), Stop> {
        let _one_at_a_time = self.reserving.lock();
        let unused: Vec<_> = self.all().into_iter().filter(|spending| spending.has_unused()).collect();
        if unused.is_empty() {
            return Ok(());
        }
        let plans: Vec<Plan<'_>> = unused.iter().map(|spending| spending.amend(time, |_| ())).collect();
        let audit = AuditRecord::new(time.at, Actor::System, "budget.give-back")
            .with("budgets", plans.len())
            .with("fields", plans.iter().map(Plan::given_back).sum::<u64>());
        let batch = Batch::new(time.at.micros()).record(
            audit_record::KIND,
            audit_record::VERSION,
            &cbor::encode(&audit),
        );
        let batch = plans.iter().fold(batch, put);
        store.commit(batch).map_err(|error| Stop::unreserved(error, "what goes back to budgets"))?;
        plans.into_iter().for_each(Plan::install);
        Ok(())
    }
}

impl Operational {
    /// Gives back what was leased of budgets and not used.
    pub(super) fn give_back_budgets(&self) {
        let time = self.budget_time(self.now());
        if let Err(stop) = self.budgets.give_back(time, &self.store) {
            tracing::warn!(%stop, "what was leased of budgets did not go back; it counts as used");
        }
    }
}
