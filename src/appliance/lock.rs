//! Lock: drop every key. It needs no token and cannot fail.

use std::sync::Arc;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::operational::Operational;
use super::{Appliance, LockReason, State};

impl Appliance {
    /// Locks. Requests under way finish; the keys are wiped with the last of them.
    ///
    /// # Errors
    /// `wrong-state` when it is not unlocked.
    pub fn lock(&self, actor: Actor, now: Now) -> Result<(), Refusal> {
        let _one_at_a_time = self.transition.lock();
        let operational = self.unlocked()?;
        let audit = AuditRecord::new(now.time, actor, "appliance.lock");
        if let Err(stop) = operational.change(now, |batch| Ok((batch, audit, ()))) {
            // Locking is what one does when something is wrong: it must not wait for a disk.
            tracing::error!(%stop, "the lock could not be journalled");
        }
        self.leave(&operational, LockReason::ByOperator);
        Ok(())
    }

    /// Makes the journal durable before the process ends.
    pub fn shut_down(&self) {
        let _one_at_a_time = self.transition.lock();
        let state = self.state();
        if let State::Operational(operational) = &*state {
            self.leave(operational, LockReason::Started);
        }
    }

    pub(super) fn leave(&self, operational: &Arc<Operational>, reason: LockReason) {
        self.enter(State::Locked(reason));
        operational.recorder().close();
        if let Err(error) = operational.token.close() {
            tracing::error!(%error, "the token could not be closed");
        }
    }
}

impl From<&State> for Refusal {
    fn from(state: &State) -> Self {
        Self::new(Code::WrongState).detail(format!("The appliance is {}.", state.name()))
    }
}
