//! Who walks along the journal. A walk reads thousands of blocks on a thread that others wait for, so people take turns: one at
//! a time each, and few in all. Who keeps an eye on the whole appliance has turns that nobody else takes: else two users who
//! read of their projects again and again would keep the auditor out of the trail. Who finds all of them taken waits for a
//! moment, in the order of coming, so that a turn that ends goes to who waited and not to who asks most often.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::domain::actor::Actor;
use crate::domain::id::UserId;
use crate::domain::refusal::{Code, Refusal};

/// People who walk at a time: so many who may read all of the trail, and as many others.
const WALKERS_MAX: usize = 2;
/// People who wait for a turn, of each sort: each holds a thread meanwhile.
const WAITING_MAX: usize = 16;
/// How long somebody waits for a turn.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// Who wants to read the journal.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// Who.
    pub actor: Actor,
    /// Whether all of the trail is theirs to read, whatever they read of it now.
    pub sees_all: bool,
}

impl From<Actor> for Reader {
    /// Somebody of whom no more is known.
    fn from(actor: Actor) -> Self {
        Self { actor, sees_all: false }
    }
}

/// Those who walk now, and those who wait.
#[derive(Clone, Default)]
pub(super) struct Walkers(Arc<Hall>);

#[derive(Default)]
struct Hall {
    /// Of who may read all, and of the others.
    sorts: Mutex<[Sort; 2]>,
    changed: Condvar,
}

#[derive(Default)]
struct Sort {
    walking: BTreeSet<UserId>,
    waiting: VecDeque<UserId>,
}

/// A turn; it ends with it.
pub(super) struct Turn {
    walkers: Walkers,
    user: UserId,
    sort: usize,
}

impl Walkers {
    /// A turn for a person, who may have to wait for it; whoever stands at the machine needs none. Blocks.
    ///
    /// # Errors
    /// `trail-busy`.
    pub(super) fn turn(&self, reader: Reader) -> Result<Option<Turn>, Refusal> {
        let Actor::User(user) = reader.actor else { return Ok(None) };
        let at = usize::from(!reader.sees_all);
        let until = Instant::now() + TURN_WAIT;
        let mut sorts = self.0.sorts.lock();
        if sorts.iter().any(|sort| sort.walking.contains(&user) || sort.waiting.contains(&user)) {
            return Err(Refusal::new(Code::TrailBusy)
                .detail("You read the journal already, by another request: one at a time each."));
        }
        if sorts[at].waiting.len() >= WAITING_MAX {
            return Err(Code::TrailBusy.into());
        }
        sorts[at].waiting.push_back(user);
        loop {
            let Sort { walking, waiting } = &mut sorts[at];
            if walking.len() < WALKERS_MAX && waiting.front() == Some(&user) {
                waiting.pop_front();
                walking.insert(user);
                // There may be a place for who is next, too.
                self.0.changed.notify_all();
                return Ok(Some(Turn { walkers: self.clone(), user, sort: at }));
            }
            if self.0.changed.wait_until(&mut sorts, until).timed_out() {
                sorts[at].waiting.retain(|waiting| *waiting != user);
                self.0.changed.notify_all();
                return Err(Code::TrailBusy.into());
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.walkers.0.sorts.lock()[self.sort].walking.remove(&self.user);
        self.walkers.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn reader(id: u8, sees_all: bool) -> Reader {
        Reader { actor: Actor::User(UserId::from_bytes([id; 16])), sees_all }
    }

    #[test]
    fn people_take_turns_and_the_machine_needs_none() {
        let walkers = Walkers::default();
        let turn = |id| walkers.turn(reader(id, false));
        let first = turn(1).unwrap().unwrap();
        let again = turn(1).err().unwrap();
        assert_eq!(again.code, Code::TrailBusy);
        assert!(again.detail.unwrap().contains("already"), "one each");
        let second = turn(2).unwrap().unwrap();
        assert_eq!(turn(3).err().map(|no| no.code), Some(Code::TrailBusy), "two in all");
        let machine = Reader { actor: Actor::Local(0), sees_all: true };
        assert!(walkers.turn(machine).unwrap().is_none());
        drop((first, second));
        assert!(turn(3).unwrap().is_some());
    }

    #[test]
    fn who_may_read_all_has_turns_of_its_own() {
        let walkers = Walkers::default();
        let others = [1, 2].map(|id| walkers.turn(reader(id, false)).unwrap().unwrap());
        let auditors = [3, 4].map(|id| walkers.turn(reader(id, true)).unwrap().unwrap());
        assert_eq!(walkers.turn(reader(5, true)).err().map(|no| no.code), Some(Code::TrailBusy));
        drop(others);
        assert!(walkers.turn(reader(6, false)).unwrap().is_some());
        drop(auditors);
    }

    #[test]
    fn a_turn_that_ends_goes_to_who_waits() {
        let walkers = Walkers::default();
        let [first, second] = [1, 2].map(|id| walkers.turn(reader(id, false)).unwrap().unwrap());
        let theirs = walkers.clone();
        let waits = thread::spawn(move || {
            loop {
                // Whoever is refused on a slow machine asks again.
                if let Ok(turn) = theirs.turn(reader(3, false)) {
                    return turn.unwrap();
                }
            }
        });
        let is_waiting = || walkers.0.sorts.lock()[1].waiting.contains(&UserId::from_bytes([3; 16]));
        while !is_waiting() {
            thread::yield_now();
        }
        drop(first);
        let third = waits.join().unwrap();
        assert_eq!(walkers.0.sorts.lock()[1].walking.len(), 2);
        drop((second, third));
        assert!(walkers.0.sorts.lock().iter().all(|sort| sort.walking.is_empty() && sort.waiting.is_empty()));
    }
}
