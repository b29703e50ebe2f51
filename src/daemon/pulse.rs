//! What moves on a connection, in a few numbers, and whether it has taken too long. One timer per connection looks at them
//! now and then; nothing is armed per request.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Refused;
use super::connection::{End, Times};
use super::purse::{Purse, TooManyWait};

/// Times are milliseconds since it was born, plus one; zero is never.
pub(super) struct Pulse {
    born: Instant,
    times: Times,
    purse: Arc<Purse>,
    under_way: AtomicU32,
    /// The header that is awaited, or on its way while nothing else is.
    head_since_ms: AtomicU64,
    /// A header of HTTP/2 that began and has not ended, whatever else is under way.
    open_header_since_ms: AtomicU64,
    moved_ms: AtomicU64,
    /// The other end takes nothing of what is to be sent.
    blocked_since_ms: AtomicU64,
    untaken: Untaken,
    /// Why its next answer is the last, over HTTP/1.1; or why it broke off.
    asked: OnceLock<End>,
}

/// Answers that were made and not handed to TLS yet, in two ages: those since the last turn, and those before it. What is
/// still there of the older ones at the next turn has waited for a whole answer's time at least, and twice that at most.
#[derive(Default)]
struct Untaken {
    by_age: [AtomicU32; 2],
    younger: AtomicU32,
    turned_ms: AtomicU64,
}

pub(super) enum Verdict {
    LookAgain(Instant),
    Over(End),
}

impl Pulse {
    /// A connection whose first header is awaited.
    pub(super) fn new(times: Times, purse: Arc<Purse>) -> Self {
        Self {
            born: Instant::now(),
            times,
            purse,
            under_way: AtomicU32::new(0),
            head_since_ms: AtomicU64::new(1),
            open_header_since_ms: AtomicU64::new(0),
            moved_ms: AtomicU64::new(1),
            blocked_since_ms: AtomicU64::new(0),
            untaken: Untaken::default(),
            asked: OnceLock::new(),
        }
    }

    /// When it is to be looked at for the first time.
    pub(super) fn first_look(&self) -> Instant {
        self.born + self.times.header.min(self.times.age_max).min(self.times.answer)
    }

    /// A header is complete: its request is under way until the value is dropped.
    pub(super) fn begin(pulse: &Arc<Self>) -> UnderWay {
        pulse.under_way.fetch_add(1, Ordering::Relaxed);
        pulse.head_since_ms.store(0, Ordering::Relaxed);
        UnderWay(Arc::clone(pulse))
    }

    /// The next answer says so; the first reason stays.
    pub(super) fn ask_to_finish(&self, why: End) {
        let _ = self.asked.set(why);
    }

    pub(super) fn asked(&self) -> Option<End> {
        self.asked.get().copied()
    }

    pub(super) fn move_bytes(&self, may_begin_header: bool) {
        if self.under_way.load(Ordering::Relaxed) != 0 {
            return;
        }
        let now = self.now_ms();
        self.moved_ms.store(now, Ordering::Relaxed);
        if may_begin_header {
            self.head_since_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).ok();
        }
    }

    /// Whether a header of HTTP/2 is open.
    pub(super) fn mark_open_header(&self, is_open: bool) {
        self.mark(&self.open_header_since_ms, is_open);
    }

    /// Whether bytes wait that the other end does not take.
    pub(super) fn mark_blocked(&self, is_blocked: bool) {
        self.mark(&self.blocked_since_ms, is_blocked);
    }

    fn mark(&self, since_ms: &AtomicU64, is_so: bool) {
        match (since_ms.load(Ordering::Relaxed), is_so) {
            (0, true) => since_ms.store(self.now_ms(), Ordering::Relaxed),
            (1.., false) => since_ms.store(0, Ordering::Relaxed),
            _ => {}
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let now = Instant::now();
        let Times { header, idle, answer, age_max } = self.times;
        let since = |ms: &AtomicU64, limit: Duration| match ms.load(Ordering::Relaxed) {
            0 => None,
            since => Some(self.born + Duration::from_millis(since) + limit),
        };
        if self.is_untaken_for_too_long() || since(&self.blocked_since_ms, answer).is_some_and(|at| now >= at)
        {
            return Verdict::Over(End::NotTaken);
        }
        if since(&self.open_header_since_ms, header).is_some_and(|at| now >= at) {
            return Verdict::Over(End::HeaderTooSlow);
        }
        let age_at = self.born + age_max;
        // A header that begins after this look is met by the next one before its time is over.
        let next_look = match self.asked() {
            Some(_) => now + header.min(answer),
            None if now >= age_at => return Verdict::Over(End::Aged),
            None => age_at.min(now + header.min(answer)),
        };
        let head_since = self.head_since_ms.load(Ordering::Relaxed);
        let (since, limit, end) = match (self.under_way.load(Ordering::Relaxed), head_since) {
            (1.., _) => return Verdict::LookAgain(next_look),
            (0, 0) => (self.moved_ms.load(Ordering::Relaxed), idle, End::Idle),
            (0, since) => (since, header, End::HeaderTooSlow),
        };
        let over_at = self.born + Duration::from_millis(since) + limit;
        if now >= over_at { Verdict::Over(end) } else { Verdict::LookAgain(over_at.min(next_look)) }
    }

    /// Turns the ages when it is time.
    fn is_untaken_for_too_long(&self) -> bool {
        let now = self.now_ms();
        let turned = self.untaken.turned_ms.load(Ordering::Relaxed);
        if u128::from(now.saturating_sub(turned)) < self.times.answer.as_millis() {
            return false;
        }
        let older = 1 - self.untaken.younger.load(Ordering::Relaxed);
        if self.untaken.by_age[older as usize].load(Ordering::Relaxed) != 0 {
            return true;
        }
        self.untaken.younger.store(older, Ordering::Relaxed);
        self.untaken.turned_ms.store(now, Ordering::Relaxed);
        false
    }

    /// Since it was born.
    pub(super) fn elapsed(&self) -> Duration {
        self.born.elapsed()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).map_or(u64::MAX, |ms| ms.saturating_add(1))
    }
}

/// A request whose answer is not made yet, or of whose answer there are more pieces to come.
pub(super) struct UnderWay(Arc<Pulse>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.moved_ms.store(self.0.now_ms(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a request holds of its client's memory.
pub(super) struct Holding {
    pulse: Arc<Pulse>,
    bytes: u64,
    /// Which age its answer counts to, once it is made.
    age: Option<u32>,
}

impl Holding {
    /// Takes `bytes`, or waits for them.
    ///
    /// # Errors
    /// [`Refused::TooManyWait`].
    pub(super) async fn take(pulse: &Arc<Pulse>, bytes: u64) -> Result<Self, Refused> {
        if !pulse.purse.try_take(bytes) {
            pulse.purse.take(bytes).await.map_err(|TooManyWait| Refused::TooManyWait)?;
        }
        Ok(Self { pulse: Arc::clone(pulse), bytes, age: None })
    }

    /// The answer is made, or another piece of it; from now on its client's time to take it runs.
    pub(super) fn answer(&mut self) {
        self.wait();
        let age = self.pulse.untaken.younger.load(Ordering::Relaxed);
        self.pulse.untaken.by_age[age as usize].fetch_add(1, Ordering::Relaxed);
        self.age = Some(age);
    }

    /// It is not the client that is waited for.
    pub(super) fn wait(&mut self) {
        if let Some(age) = self.age.take() {
            self.pulse.untaken.by_age[age as usize].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.wait();
        self.pulse.purse.give_back(self.bytes);
    }
}
