//! Who asks: whoever stands at the machine, or a user who has signed in. The policies are asked alike for both; only lists
//! of what one may see differ.

use crate::appliance::{Appliance, Leave, Reader, RefusedAct, SignedIn, Stop, Target};
use crate::domain::access::Act;
use crate::domain::actor::Actor;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;

/// Who asks.
pub enum Asker {
    /// Whom the local socket admitted, by uid.
    Local(u32),
    /// Who signed in over the control plane.
    User(SignedIn),
}

impl Asker {
    /// Leave to do all of `acts`.
    pub(super) fn leave(
        &self,
        appliance: &Appliance,
        acts: &[(Act, Target)],
        now: Now,
    ) -> Result<Leave, Stop> {
        match self {
            Self::Local(uid) => appliance.leave_local(*uid, acts, now),
            Self::User(signed_in) => appliance.unlocked()?.leave(signed_in, acts),
        }
    }

    /// Whoever signed in, where that is the user `name`.
    pub(super) fn itself(&self, name: &str) -> Option<&SignedIn> {
        match self {
            Self::User(signed_in) if signed_in.who().0 == name => Some(signed_in),
            Self::User(_) | Self::Local(_) => None,
        }
    }

    /// Leaves the record of an act that was refused, named by the first of `acts`.
    pub(super) fn record_refused(&self, appliance: &Appliance, acts: &[(Act, Target)], code: Code, now: Now) {
        let Some((act, on)) = acts.first() else { return };
        let (actor, address) = match self {
            Self::Local(uid) => (Actor::Local(*uid), None),
            Self::User(signed_in) => (signed_in.actor(), Some(signed_in.address())),
        };
        let (actor, act, on) = (actor.to_string(), act.to_string(), Some(on.to_string()));
        appliance.record_refused(RefusedAct { actor, act, on, address, code }, now);
    }

    /// As who it reads the journal: who may read all of it waits for no others.
    pub(super) fn reader(&self, appliance: &Appliance) -> Result<Reader, Stop> {
        let actor = match self {
            Self::Local(uid) => Actor::Local(*uid),
            Self::User(signed_in) => signed_in.actor(),
        };
        let sees_all = self.may_do(appliance, Act::AuditRead, Target::Appliance)?;
        Ok(Reader { actor, sees_all })
    }

    /// Whether the policies let it do something that it has not asked for.
    pub(super) fn may_do(&self, appliance: &Appliance, act: Act, on: Target) -> Result<bool, Stop> {
        match self {
            Self::Local(uid) => appliance.may_local(*uid, act, &on),
            Self::User(signed_in) => appliance.unlocked()?.may(signed_in, act, &on),
        }
    }

    /// Whether it may: for what an answer shows beside the thing itself.
    pub(super) fn may(&self, appliance: &Appliance, act: Act, on: Target) -> Result<bool, Stop> {
        match self {
            // Who stands at the machine and may see a thing sees all of it.
            Self::Local(_) => Ok(true),
            Self::User(signed_in) => appliance.unlocked()?.may(signed_in, act, &on),
        }
    }
}
