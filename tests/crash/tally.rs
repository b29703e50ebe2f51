//! What the rounds of kills came to, and which phase none of them fell into yet.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::phase::Phase;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: usize,
    hit: BTreeMap<Phase, usize>,
    pub(crate) slowest_restart: Duration,
    /// Kills aimed at a start that came too late.
    pub(crate) late: usize,
    /// Times `SoftHSM` was killed while it rewrote its token's file, and that was put back from a copy.
    pub(crate) token_put_back: usize,
}

impl Tally {
    pub(crate) fn count(&mut self, hit: &[Phase], acknowledged: usize) {
        for phase in hit {
            *self.hit.entry(*phase).or_default() += 1;
        }
        self.acknowledged += acknowledged;
    }

    /// A phase that no kill fell into yet.
    pub(crate) fn missed(&self) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| !self.hit.contains_key(phase))
    }

    /// As text: each phase, and how often.
    pub(crate) fn hits(&self) -> String {
        let hits: Vec<String> = self.hit.iter().map(|(phase, times)| format!("{phase} {times}")).collect();
        hits.join(", ")
    }
}
