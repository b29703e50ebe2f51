//! One asks, the others wait for the same answer. Work under different keys goes on side by side.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Waiting threads at most, all keys together: waiting costs a thread, and other work needs some too.
pub(super) const WAITING_MAX: usize = 256;

/// Work under way, by its key.
pub(super) struct SingleFlight<K, V> {
    patience: Duration,
    under_way: Mutex<UnderWay<K, V>>,
}

struct UnderWay<K, V> {
    flights: HashMap<K, Arc<Flight<V>>>,
    waiting: usize,
}

struct Flight<V> {
    landed: Mutex<Landing<V>>,
    signal: Condvar,
}

enum Landing<V> {
    UnderWay,
    Done(V),
    /// The one who asked broke off; whoever waits gets nothing.
    Lost,
}

impl<K: Clone + Eq + Hash, V: Clone> SingleFlight<K, V> {
    /// Nothing under way; who waits for another's answer waits for at most `patience`.
    #[must_use]
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, under_way: Mutex::new(UnderWay { flights: HashMap::new(), waiting: 0 }) }
    }

    /// Does `work`, or waits for who is doing it under this key already and gives that answer. `None` when waiting was in
    /// vain, or too many wait already. Blocks.
    pub(super) fn run(&self, key: K, work: impl FnOnce() -> V) -> Option<V> {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.flights.get(&key).map(Arc::clone) {
            if under_way.waiting >= WAITING_MAX {
                return None;
            }
            under_way.waiting += 1;
            drop(under_way);
            let answer = flight.wait(Instant::now() + self.patience);
            self.under_way.lock().waiting -= 1;
            return answer;
        }
        let flight = Arc::new(Flight { landed: Mutex::new(Landing::UnderWay), signal: Condvar::new() });
        under_way.flights.insert(key.clone(), Arc::clone(&flight));
        drop(under_way);
        let pilot = Pilot { all: self, key, flight };
        let answer = work();
        *pilot.flight.landed.lock() = Landing::Done(answer.clone());
        Some(answer)
    }
}

impl<V: Clone> Flight<V> {
    fn wait(&self, until: Instant) -> Option<V> {
        let mut landed = self.landed.lock();
        loop {
            match &*landed {
                Landing::Done(answer) => return Some(answer.clone()),
                Landing::Lost => return None,
                Landing::UnderWay => {
                    if self.signal.wait_until(&mut landed, until).timed_out() {
                        return None;
                    }
                }
            }
        }
    }
}

/// Who does the work. However it ends, nobody waits for it longer than that.
struct Pilot<'a, K: Clone + Eq + Hash, V> {
    all: &'a SingleFlight<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
}

impl<K: Clone + Eq + Hash, V> Drop for Pilot<'_, K, V> {
    fn drop(&mut self) {
        // Off the list first: who comes from here on asks anew.
        self.all.under_way.lock().flights.remove(&self.key);
        let mut landed = self.flight.landed.lock();
        if matches!(*landed, Landing::UnderWay) {
            *landed = Landing::Lost;
        }
        self.flight.signal.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::thread::{scope, yield_now};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn wait_until(is_so: impl Fn() -> bool) {
        while !is_so() {
            yield_now();
        }
    }

    #[test]
    fn a_hundred_who_miss_one_key_ask_once_and_another_key_does_not_wait() {
        let flights: SingleFlight<u32, usize> = SingleFlight::new(LONG);
        let asked = AtomicUsize::new(0);
        let (release, released) = channel::<()>();
        scope(|scope| {
            let flights = &flights;
            let asked = &asked;
            let first = scope.spawn(move || {
                flights.run(1, || {
                    released.recv().unwrap();
                    asked.fetch_add(1, Ordering::SeqCst) + 7
                })
            });
            wait_until(|| flights.under_way.lock().flights.contains_key(&1));
            let others: Vec<_> = (0..100)
                .map(|_| scope.spawn(|| flights.run(1, || asked.fetch_add(1, Ordering::SeqCst) + 7)))
                .collect();
            wait_until(|| flights.under_way.lock().waiting == 100);
            assert_eq!(flights.run(2, || 2), Some(2));
            release.send(()).unwrap();
            assert_eq!(first.join().unwrap(), Some(7));
            for other in others {
                assert_eq!(other.join().unwrap(), Some(7));
            }
        });
        assert_eq!(asked.into_inner(), 1);
        assert_eq!(flights.run(1, || 9), Some(9), "what has landed is not remembered");
    }

    #[test]
    fn who_waits_in_vain_or_behind_too_many_gets_nothing() {
        let flights: SingleFlight<u32, ()> = SingleFlight::new(Duration::from_millis(10));
        let (release, released) = channel::<()>();
        scope(|scope| {
            let flights = &flights;
            scope.spawn(move || flights.run(1, || released.recv().unwrap()));
            wait_until(|| flights.under_way.lock().flights.contains_key(&1));
            assert_eq!(flights.run(1, || ()), None);
            flights.under_way.lock().waiting = WAITING_MAX;
            let began = Instant::now();
            assert_eq!(flights.run(1, || ()), None);
            assert!(began.elapsed() < LONG);
            flights.under_way.lock().waiting = 0;
            release.send(()).unwrap();
        });
        assert_eq!(flights.under_way.lock().waiting, 0);
    }

    #[test]
    fn who_breaks_off_leaves_nobody_waiting() {
        let flights: SingleFlight<u32, ()> = SingleFlight::new(LONG);
        scope(|scope| {
            let flights = &flights;
            let broken = scope.spawn(move || {
                let work = || {
                    wait_until(|| flights.under_way.lock().waiting == 1);
                    std::panic::resume_unwind(Box::new(()))
                };
                catch_unwind(AssertUnwindSafe(|| flights.run(1, work))).is_err()
            });
            wait_until(|| flights.under_way.lock().flights.contains_key(&1));
            assert_eq!(flights.run(1, || ()), None);
            assert!(broken.join().unwrap());
        });
        assert_eq!(flights.run(1, || ()), Some(()));
    }
}
