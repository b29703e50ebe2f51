//! Who walks along the journal. A walk reads thousands of blocks on a thread that others wait for, so people take turns: one at
//! a time each, and few in all.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::id::UserId;
use crate::domain::refusal::{Code, Refusal};

/// People who walk at a time.
const WALKERS_MAX: usize = 2;

/// Those who walk now.
#[derive(Clone, Default)]
pub(super) struct Walkers(Arc<Mutex<BTreeSet<UserId>>>);

/// A turn; it ends with it.
pub(super) struct Turn {
    walkers: Walkers,
    user: UserId,
}

impl Walkers {
    /// A turn for a person; whoever stands at the machine needs none.
    ///
    /// # Errors
    /// `too-many-in-flight`.
    pub(super) fn turn(&self, actor: Actor) -> Result<Option<Turn>, Refusal> {
        let Actor::User(user) = actor else { return Ok(None) };
        let mut walking = self.0.lock();
        if walking.len() >= WALKERS_MAX || !walking.insert(user) {
            return Err(Refusal::new(Code::TooManyInFlight)
                .detail("The audit trail is being read, by you or by as many as may at a time."));
        }
        Ok(Some(Turn { walkers: self.clone(), user }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.walkers.0.lock().remove(&self.user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_take_turns_and_the_machine_needs_none() {
        let walkers = Walkers::default();
        let turn = |id| walkers.turn(Actor::User(UserId::from_bytes([id; 16])));
        let first = turn(1).unwrap().unwrap();
        assert_eq!(turn(1).err().map(|no| no.code), Some(Code::TooManyInFlight), "one each");
        let second = turn(2).unwrap().unwrap();
        assert_eq!(turn(3).err().map(|no| no.code), Some(Code::TooManyInFlight), "two in all");
        assert!(walkers.turn(Actor::Local(0)).unwrap().is_none());
        drop((first, second));
        assert!(turn(3).unwrap().is_some());
    }
}
