//! The pause that a compaction is. Whoever meets a full journal because of it waits and is not refused. It is over when what
//! gathered during the compaction is durable and nobody waits any more: those who waited would fill the journal again, and
//! others would be refused beside them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a pause may outlast its compaction: with a disk that slow, or that much load, refusing is the better answer.
const CATCHING_UP_MAX: Duration = Duration::from_secs(30);

/// How long after a pause a full journal is its doing still: whoever was let go last may find it so.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Whether there is a pause, and who waits for its end.
#[derive(Default)]
pub(super) struct Pause(Mutex<State>);

#[derive(Default)]
struct State {
    /// Under way or about to begin.
    compactions: usize,
    /// The last one has ended, and the journal is not yet as it was.
    catching_up: Option<CatchingUp>,
    /// When the last one was over.
    over: Option<Instant>,
    waiting: usize,
}

struct CatchingUp {
    since: Instant,
    /// What gathered during the compaction is.
    is_durable: bool,
}

impl Pause {
    /// A compaction begins; it ends when what this returns is dropped.
    pub(super) fn begin(&self) -> Compaction<'_> {
        self.0.lock().compactions += 1;
        Compaction(self)
    }

    /// Whether there is one; `is_well` says whether the journal can catch up at all.
    pub(super) fn is_under_way(&self, now: Instant, is_well: impl FnOnce() -> bool) -> bool {
        let state = self.0.lock();
        if state.compactions > 0 {
            return true;
        }
        let just_now = state.over.is_some_and(|over| now.saturating_duration_since(over) < AFTERMATH);
        let soon = state
            .catching_up
            .as_ref()
            .is_some_and(|catching_up| now.saturating_duration_since(catching_up.since) < CATCHING_UP_MAX);
        drop(state);
        (soon || just_now) && is_well()
    }

    /// Begins to wait for its end. If there is no pause, this is nothing.
    pub(super) fn wait(&self) -> PauseWait<'_> {
        let mut state = self.0.lock();
        let waits = state.compactions > 0 || state.catching_up.is_some();
        state.waiting += usize::from(waits);
        PauseWait(waits.then_some(self))
    }

    /// Since when the journal catches up, to be asked before it gathers its next block.
    pub(super) fn catching_up_since(&self) -> Option<Instant> {
        self.0.lock().catching_up.as_ref().map(|catching_up| catching_up.since)
    }

    /// What gathered until `since` is durable.
    pub(super) fn caught_up(&self, since: Instant) {
        let mut state = self.0.lock();
        if let Some(catching_up) = state.catching_up.as_mut().filter(|catching_up| catching_up.since == since)
        {
            catching_up.is_durable = true;
        }
        state.settle();
    }
}

impl State {
    fn settle(&mut self) {
        if self.waiting == 0 && self.catching_up.as_ref().is_some_and(|catching_up| catching_up.is_durable) {
            self.catching_up = None;
            self.over = Some(Instant::now());
        }
    }
}

/// A compaction under way.
#[must_use = "it ends when this is dropped"]
pub(super) struct Compaction<'a>(&'a Pause);

impl Drop for Compaction<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.compactions -= 1;
        state.catching_up = Some(CatchingUp { since: Instant::now(), is_durable: false });
    }
}

/// A request that waits for the end of a pause, which does not end before it does.
#[must_use = "it waits until this is dropped"]
pub struct PauseWait<'a>(Option<&'a Pause>);

impl Drop for PauseWait<'_> {
    fn drop(&mut self) {
        if let Some(pause) = self.0 {
            let mut state = pause.0.lock();
            state.waiting -= 1;
            state.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_when_the_backlog_is_durable_and_nobody_waits() {
        let pause = Pause::default();
        let is_on = || pause.is_under_way(Instant::now() + AFTERMATH, || true);
        let since = || pause.catching_up_since().unwrap();
        drop(pause.wait());
        assert!(!is_on());
        let (first, second) = (pause.begin(), pause.begin());
        let waits = pause.wait();
        drop(first);
        let early = since();
        pause.caught_up(early);
        assert!(is_on() && pause.is_under_way(Instant::now(), || false), "the second one has not ended");
        drop(second);
        assert!(
            !pause.is_under_way(Instant::now(), || false),
            "a journal in trouble catches up with nothing"
        );
        pause.caught_up(early);
        drop(waits);
        assert!(is_on(), "only what gathered during the first is durable");
        let waits = pause.wait();
        pause.caught_up(since());
        assert!(is_on(), "one still waits");
        assert!(!pause.is_under_way(since() + CATCHING_UP_MAX, || true), "not for ever");
        drop(waits);
        assert!(!is_on());
        assert!(pause.is_under_way(Instant::now(), || true), "what it left behind is its own still");
        assert_eq!(pause.catching_up_since(), None);
    }
}
