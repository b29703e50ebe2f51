//! The generations of the store key in memory. The boot row says which there are, and a verb and the housekeeping may both bring
//! one here; so whoever changes what is here, and whoever turns the store to another generation, does it with a [`Turning`] in
//! hand. There is one at a time, and no other change meanwhile: what the boot row says when it is read holds until it is let go.

use parking_lot::{Mutex, ReentrantMutex, ReentrantMutexGuard};

use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::WrappingKey;
use crate::store::StoreKeyEntry;

use super::exclusive::Turn;
use super::fault::{Fault, Stop};
use super::operational::Operational;

/// The right to turn the store key. It is the lock of changes, and no lock beside it: whoever keeps changes out when it asks for
/// a rotation would else wait for the housekeeping, and the housekeeping for it.
pub(super) struct Turning<'a> {
    _alone: ReentrantMutexGuard<'a, Turn>,
}

impl<'a> Turning<'a> {
    fn of(changing: &'a ReentrantMutex<Turn>) -> Self {
        Self { _alone: changing.lock() }
    }
}

/// The generations of the store key that rows name, unwrapped; each once.
pub(super) struct StoreKeyRing(Mutex<Vec<(u32, SecretKey)>>);

impl StoreKeyRing {
    pub(super) fn new(generations: Vec<(u32, SecretKey)>) -> Self {
        Self(Mutex::new(generations))
    }

    /// Whether `key` is generation `generation` as it is in memory.
    pub(super) fn is(&self, generation: u32, key: &SecretKey) -> bool {
        use subtle::ConstantTimeEq;
        let ring = self.0.lock();
        let known = ring.iter().find(|(known, _)| *known == generation);
        known.is_some_and(|(_, known)| bool::from(known.expose().ct_eq(key.expose())))
    }

    /// Takes in a generation that the boot row has from now on, in place of whatever was called so.
    pub(super) fn put(&self, _: &Turning<'_>, generation: u32, key: SecretKey) {
        let mut ring = self.0.lock();
        ring.retain(|(known, _)| *known != generation);
        ring.push((generation, key));
    }

    /// Has the generations that the boot row names, and no others. One that is absent is unwrapped; where that fails, nothing
    /// of what was there is forgotten.
    pub(super) fn follow(
        &self,
        _: &Turning<'_>,
        entries: &[StoreKeyEntry],
        mut unwrap: impl FnMut(&StoreKeyEntry) -> Result<SecretKey, Stop>,
    ) -> Result<(), Stop> {
        let is_known =
            |entry: &StoreKeyEntry| self.0.lock().iter().any(|(known, _)| *known == entry.generation);
        for entry in entries {
            // Nothing is locked here while the token is asked: whoever heals it looks at the ring.
            if !is_known(entry) {
                let key = unwrap(entry)?;
                self.0.lock().push((entry.generation, key));
            }
        }
        self.0.lock().retain(|(known, _)| entries.iter().any(|entry| entry.generation == *known));
        Ok(())
    }

    /// Shows what is here.
    pub(super) fn with<T>(&self, look: impl FnOnce(&[(u32, SecretKey)]) -> T) -> T {
        look(&self.0.lock())
    }

    /// A generation, to wrap with.
    pub(super) fn wrapping(&self, generation: u32) -> Result<WrappingKey, Stop> {
        self.with(|ring| {
            let key = ring.iter().find(|(known, _)| *known == generation);
            let key = key.ok_or_else(|| Fault::new("a generation of the store key is not in memory"))?;
            Ok(WrappingKey::new(generation, &key.1))
        })
    }
}

impl Operational {
    /// Keeps every other turn of the store key out, and every other change.
    pub(super) fn turning(&self) -> Turning<'_> {
        Turning::of(&self.changing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::take(&mut [byte; 32])
    }

    fn entries(generations: &[u32]) -> Vec<StoreKeyEntry> {
        let entry = |generation: &u32| StoreKeyEntry { generation: *generation, wrapped: Vec::new() };
        generations.iter().map(entry).collect()
    }

    fn generations(ring: &StoreKeyRing) -> Vec<u32> {
        ring.with(|ring| ring.iter().map(|(generation, _)| *generation).collect())
    }

    #[test]
    fn a_generation_is_there_once_whoever_brings_it() {
        let changing = ReentrantMutex::default();
        let turning = Turning::of(&changing);
        // The housekeeping is first, and unwraps it; then comes the verb that made it.
        let ring = StoreKeyRing::new(vec![(1, key(1))]);
        ring.follow(&turning, &entries(&[1, 2]), |_| Ok(key(2))).unwrap();
        ring.put(&turning, 2, key(2));
        assert_eq!(generations(&ring), [1, 2]);
        // The other way round nothing is unwrapped.
        let ring = StoreKeyRing::new(vec![(1, key(1))]);
        ring.put(&turning, 2, key(2));
        ring.follow(&turning, &entries(&[1, 2]), |_| panic!("it is there")).unwrap();
        assert_eq!(generations(&ring), [1, 2]);
        ring.follow(&turning, &entries(&[2]), |_| panic!("it is there")).unwrap();
        assert_eq!(generations(&ring), [2]);
    }

    #[test]
    fn what_a_failed_commit_left_does_not_pass_for_the_generation_that_came_of_it() {
        let changing = ReentrantMutex::default();
        let turning = Turning::of(&changing);
        let ring = StoreKeyRing::new(vec![(1, key(1)), (2, key(7))]);
        ring.put(&turning, 2, key(2));
        assert_eq!(generations(&ring), [1, 2]);
        assert!(ring.is(2, &key(2)) && !ring.is(2, &key(7)));
        assert!(ring.wrapping(2).is_ok() && ring.wrapping(3).is_err());
    }

    #[test]
    fn a_token_that_is_away_costs_nothing_that_is_in_memory() {
        let changing = ReentrantMutex::default();
        let turning = Turning::of(&changing);
        let ring = StoreKeyRing::new(vec![(1, key(1))]);
        let away = ring.follow(&turning, &entries(&[1, 2]), |_| Err(Fault::new("away").into()));
        assert!(away.is_err());
        assert_eq!(generations(&ring), [1]);
    }
}
