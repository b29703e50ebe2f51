//! Hashing passwords, one at a time: each takes 64 MiB, and all memory is locked. A few may wait for their turn; who finds them
//! all waiting is told to come again.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::crypto::password::{Cost, PasswordHash, SALT_LEN};
use crate::domain::refusal::Code;

use super::fault::{Fault, Stop};

/// Hashings that may wait or be at work.
const HASHINGS_MAX: usize = 8;

/// The one place where passwords are hashed.
#[derive(Default)]
pub(super) struct Hashing {
    turn: Mutex<()>,
    places_taken: AtomicUsize,
}

/// A place among those that wait; given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Hashing {
    /// Hashes a password. Blocks.
    ///
    /// # Errors
    /// `sign-ins-busy`.
    pub(super) fn hash(
        &self,
        password: &str,
        salt: &[u8; SALT_LEN],
        cost: Cost,
    ) -> Result<PasswordHash, Stop> {
        let place = Place(&self.places_taken);
        if self.places_taken.fetch_add(1, Ordering::AcqRel) >= HASHINGS_MAX {
            return Err(Code::SignInsBusy.into());
        }
        let turn = self.turn.lock();
        let hash = PasswordHash::of(password, salt, cost);
        drop((turn, place));
        hash.map_err(|error| Fault::new(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let (hashing, cost) = (Hashing::default(), Cost { memory_kib: 64, passes: 1, lanes: 1 });
        let turn = hashing.turn.lock();
        let barrier = Barrier::new(HASHINGS_MAX + 1);
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..HASHINGS_MAX)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        hashing.hash("x", &[0; 16], cost).is_ok()
                    })
                })
                .collect();
            barrier.wait();
            while hashing.places_taken.load(Ordering::Acquire) < HASHINGS_MAX {
                std::thread::yield_now();
            }
            let refused = hashing.hash("x", &[0; 16], cost).err();
            assert!(matches!(refused, Some(Stop::Refused(refusal)) if refusal.code == Code::SignInsBusy));
            drop(turn);
            assert!(waiting.into_iter().all(|one| one.join().unwrap()));
        });
        assert_eq!(hashing.places_taken.load(Ordering::Acquire), 0);
    }
}
