//! How long a block that somebody waits for stays open. A commit costs nearly the same for one record as for a hundred, so
//! whoever waits has company: until three of four that were about have come. The fourth comes while the block is written, so
//! that neither the processors nor the disk stand still. Who is alone waits for nobody.
//!
//! ```text
//!            about = told by the last commit + waiting at its end
//! block k    ███████ gathered ███████│── commit ──│
//! block k+1                          │███ gathered ███████│── commit ──│
//! ```
//!
//! With half of them a block would have what comes during a commit anyway; with all of them everybody would stand still for it.

use std::time::{Duration, Instant};

use super::recorder::Waiting;

/// The longest that company is waited for, when it stays away.
const PATIENCE_MAX: Duration = Duration::from_millis(2);
/// Commits that company may take: a shorter one is not worth a longer wait.
const PATIENCE_COMMITS: u32 = 4;

/// Those who wait for their records, as the last commit found them.
#[derive(Default)]
pub(super) struct Company {
    about: usize,
    told: usize,
    began: Option<Instant>,
    took: Duration,
}

impl Company {
    /// So many are not kept waiting for more.
    pub(super) fn enough(&self) -> usize {
        (self.about * 3 / 4).max(1)
    }

    /// How long fewer are.
    pub(super) fn patience(&self) -> Duration {
        self.took.saturating_mul(PATIENCE_COMMITS).min(PATIENCE_MAX)
    }

    /// A commit of these begins.
    pub(super) fn begin(&mut self, records: &[Waiting]) {
        self.told = records.iter().filter(|waiting| waiting.tell.is_some()).count();
        self.began = Some(Instant::now());
    }

    /// It has ended, and so many wait already.
    pub(super) fn end(&mut self, waiting: usize) {
        self.about = self.told + waiting;
        self.took = self.began.take().map_or(Duration::ZERO, |began| began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(told: usize, waiting: usize, took: Duration) -> Company {
        let mut company = Company { told, began: Instant::now().checked_sub(took), ..Company::default() };
        company.end(waiting);
        company
    }

    #[test]
    fn who_is_alone_waits_for_nobody_and_many_wait_for_most() {
        assert_eq!(Company::default().enough(), 1);
        let commit = Duration::from_micros(500);
        for (told, waiting, enough) in
            [(0, 0, 1), (1, 0, 1), (1, 1, 1), (2, 1, 2), (4, 0, 3), (100, 100, 150)]
        {
            assert_eq!(after(told, waiting, commit).enough(), enough, "{told} and {waiting}");
        }
    }

    #[test]
    fn patience_has_its_end() {
        assert_eq!(Company::default().patience(), Duration::ZERO);
        assert_eq!(after(9, 9, Duration::from_secs(1)).patience(), PATIENCE_MAX);
    }
}
