//! Lock: drop every key. It needs no token, waits for no disk and cannot fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::operational::Operational;
use super::{Appliance, LockReason, State};

/// How long a lock waits for requests at work: longer than a call to the token takes.
const REQUESTS_MAY_TAKE: Duration = Duration::from_secs(5);
/// How long a shutdown waits for an unlock that is under way: nothing of it is lost.
const TRANSITION_MAY_TAKE: Duration = Duration::from_secs(3);
/// How often it looks whether they are done.
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Appliance {
    /// Locks. Requests at work finish; the keys are wiped with the last of them.
    ///
    /// # Errors
    /// `wrong-state` when it is not unlocked.
    pub fn lock(&self, actor: Actor, now: Now) -> Result<(), Refusal> {
        let _one_at_a_time = self.transition.lock();
        let operational = self.unlocked()?;
        self.keep_out(&operational, LockReason::ByOperator);
        // Not before: locking is what one does when something is wrong, and a disk may keep whoever writes for ever.
        let audit = AuditRecord::new(now.time, actor, "appliance.lock");
        if let Err(stop) = operational.change(now, |batch| Ok((batch, audit, ()))) {
            tracing::error!(%stop, "the lock could not be journalled");
        }
        Self::settle(&operational);
        Ok(())
    }

    /// Makes the journal durable before the process ends.
    pub fn shut_down(&self) {
        let Some(_one_at_a_time) = self.transition.try_lock_for(TRANSITION_MAY_TAKE) else {
            tracing::warn!("an unlock is waiting for the token; the process ends without it");
            return;
        };
        let operational = self.unlocked();
        if let Ok(operational) = operational {
            self.leave(operational, LockReason::Started);
        }
    }

    /// Ends an unlocked time: nobody new comes in, those at work finish, the keys go; then what was leased of budgets and not
    /// used goes back, and the journal becomes durable. A request whose body is still on its way is not at work: it holds
    /// nothing, and will be refused as locked.
    pub(super) fn leave(&self, operational: Arc<Operational>, reason: LockReason) {
        self.keep_out(&operational, reason);
        Self::settle(&operational);
    }

    /// What needs neither disk nor token: nobody new comes in, those at work finish, the keys go.
    fn keep_out(&self, operational: &Arc<Operational>, reason: LockReason) {
        self.enter(State::Locked(reason));
        let until = Instant::now() + REQUESTS_MAY_TAKE;
        while Arc::strong_count(operational) > 1 && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        // Whoever comes later, with a body that was late, is refused and was not waited for.
        let waited_in_vain = Instant::now() >= until;
        operational.end();
        let at_work = Arc::strong_count(operational) - 1;
        if waited_in_vain && at_work > 0 {
            tracing::warn!(at_work, "locked before every request was done; those left are refused");
        }
    }

    /// What is to be durable of an unlocked time that has ended.
    fn settle(operational: &Operational) {
        operational.give_back_budgets();
        operational.record_all_repeats();
        operational.recorder().close();
        // The last word on where the chain stood. A token that is away must not hold up a lock.
        let _ = operational.bear_witness(operational.now());
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
