//! The time that budgets go by: a thief who can set the clock must gain no field by it.

use std::time::Duration;

use super::timestamp::{Now, Timestamp};

/// How far the wall's clock may be from the stop-watch before it is no longer believed.
pub const CLOCK_APART_MAX: Duration = Duration::from_secs(3_600);

/// The time budgets go by: the wall's as far as the stop-watch, which ran since `started`, bears it out. So a clock that is set
/// forward frees nothing, and one that is set back prolongs no raise. `started` is the later of the clock and the last block
/// when the appliance was unlocked.
#[must_use]
pub fn trusted_time(now: Now, started: Now) -> Timestamp {
    let run = now.instant.saturating_duration_since(started.instant);
    let apart = run.saturating_sub(CLOCK_APART_MAX);
    now.time.clamp(started.time.plus(apart), started.time.plus(run).plus(CLOCK_APART_MAX))
}

/// The two times a budget goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetTime {
    /// As far as the clock is borne out by the stop-watch: raises end by it.
    pub at: Timestamp,
    /// The same, but standing still while the clock is not trusted: hours slide out by it.
    pub refilled_to: Timestamp,
}

impl From<Timestamp> for BudgetTime {
    fn from(time: Timestamp) -> Self {
        Self { at: time, refilled_to: time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::HOUR_S;

    const fn at(hour: u64) -> Timestamp {
        Timestamp::from_seconds(hour * HOUR_S + 1_800)
    }

    #[test]
    fn a_clock_is_believed_as_far_as_the_stop_watch_goes() {
        let started = Now { time: at(100), instant: std::time::Instant::now() };
        let after = |hours: u64, time: Timestamp| {
            let run = Duration::from_secs(hours * HOUR_S);
            trusted_time(Now { time, instant: started.instant + run }, started)
        };
        assert_eq!(after(3, at(103)), at(103));
        assert_eq!(after(3, at(104)), at(104), "a corrected clock");
        assert_eq!(after(3, at(200)), at(104), "a clock that was set forward");
        assert_eq!(after(3, at(50)), at(102), "a clock that was set back");
        assert_eq!(after(0, at(50)), at(100), "a clock that was wrong from the start");
        assert_eq!(after(24, at(200)), at(125));
    }
}
