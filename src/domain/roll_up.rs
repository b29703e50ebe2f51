//! How long statistics are kept: minutes for days, hours for weeks, days for years, months for ever, or as the operator
//! says. Each resolution is counted by itself, so what goes of one is still in those above it; days move into their month.

use minicbor::{Decode, Encode};

use super::statistics::Resolution;
use super::timestamp::Timestamp;

const DAY_S: u64 = 86_400;
const MONTHS_OF_YEAR: u64 = 12;

/// How long the rows of each resolution are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsRetention {
    /// Minutes, in days.
    pub minute_days: u32,
    /// Hours, in days.
    pub hour_days: u32,
    /// Days, in days; then they are part of their month.
    pub day_days: u32,
    /// Months, in years; for ever without.
    pub month_years: Option<u32>,
}

impl Default for StatisticsRetention {
    fn default() -> Self {
        Self { minute_days: 2, hour_days: 60, day_days: 3 * 366, month_years: None }
    }
}

impl StatisticsRetention {
    /// The first bucket that stays, seconds since 1970; none where all do. What goes was over for at least as long as it is to
    /// be kept.
    #[must_use]
    pub fn horizon(&self, resolution: Resolution, now: Timestamp) -> Option<u64> {
        let days = match resolution {
            Resolution::Minute => self.minute_days,
            Resolution::Hour => self.hour_days,
            Resolution::Day => self.day_days,
            Resolution::Month => {
                return self
                    .month_years
                    .map(|years| resolution.bucket_before(now, u64::from(years) * MONTHS_OF_YEAR));
            }
        };
        let then = now.seconds().saturating_sub(u64::from(days) * DAY_S);
        Some(resolution.bucket(Timestamp::from_seconds(then)))
    }
}

/// From where on the rows of each resolution are all there: the first second of a bucket, since 1970; 0 where none went yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct KeptFrom {
    /// Of minutes.
    #[n(0)]
    pub minute: u64,
    /// Of hours.
    #[n(1)]
    pub hour: u64,
    /// Of days.
    #[n(2)]
    pub day: u64,
    /// Of months: their rows and the days that are left of them, added.
    #[n(3)]
    pub month: u64,
}

impl KeptFrom {
    /// That of one resolution.
    #[must_use]
    pub const fn of(&self, resolution: Resolution) -> u64 {
        match resolution {
            Resolution::Minute => self.minute,
            Resolution::Hour => self.hour,
            Resolution::Day => self.day,
            Resolution::Month => self.month,
        }
    }

    /// The same after what was before `start` went; it never goes back.
    #[must_use]
    pub fn moved(mut self, resolution: Resolution, start: u64) -> Self {
        let from = match resolution {
            Resolution::Minute => &mut self.minute,
            Resolution::Hour => &mut self.hour,
            Resolution::Day => &mut self.day,
            Resolution::Month => &mut self.month,
        };
        *from = start.max(*from);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_was_over_long_enough() {
        let retention = StatisticsRetention { month_years: Some(2), ..StatisticsRetention::default() };
        // 2026-11-28T05:33:21Z
        let now = Timestamp::from_seconds(1_795_844_001);
        let horizon = |resolution| retention.horizon(resolution, now);
        assert_eq!(horizon(Resolution::Minute), Some(1_795_844_001 / 60 * 60 - 2 * DAY_S));
        assert_eq!(horizon(Resolution::Hour), Some(1_795_844_001 / 3_600 * 3_600 - 60 * DAY_S));
        assert_eq!(horizon(Resolution::Day), Some(1_795_824_000 - 1_098 * DAY_S));
        assert_eq!(horizon(Resolution::Month), Some(1_730_419_200), "2024-11-01");
        assert_eq!(StatisticsRetention::default().horizon(Resolution::Month, now), None);
        assert_eq!(retention.horizon(Resolution::Day, Timestamp::default()), Some(0));
    }

    #[test]
    fn what_went_stays_gone() {
        let kept = KeptFrom::default().moved(Resolution::Hour, 7_200).moved(Resolution::Hour, 3_600);
        assert_eq!(kept, KeptFrom { hour: 7_200, ..KeptFrom::default() });
        assert_eq!(Resolution::ALL.map(|resolution| kept.of(resolution)), [0, 7_200, 0, 0]);
    }
}
