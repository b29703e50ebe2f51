//! A moment, in microseconds since 1970 UTC. Read from the clock at the edges and passed down: nothing below floor 5 asks
//! what time it is.

use std::time::{Duration, Instant, SystemTime};

use minicbor::{Decode, Encode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] u64);

impl Timestamp {
    /// The moment `micros` microseconds after 1970.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The moment `seconds` seconds after 1970.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// A reading of the system clock; moments before 1970 become 1970.
    #[must_use]
    pub fn from_system(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier`; nothing when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The date and time for `X.509` and the like; 9999 for what the calendar cannot hold.
    #[must_use]
    pub fn date_time(self) -> OffsetDateTime {
        i64::try_from(self.seconds())
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(time::macros::datetime!(9999-12-31 23:59:59 UTC))
    }
}

/// A reading of both clocks: the wall's for records, dates and expiry; the monotonic one for lifetimes and latencies, which
/// a corrected wall clock must not stretch.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// By the wall.
    pub time: Timestamp,
    /// By the stop-watch.
    pub instant: Instant,
}

/// RFC 3339 in UTC, to the second.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.date_time().format(&Rfc3339).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_rfc_3339() {
        assert_eq!(Timestamp::from_seconds(1_795_000_000).to_string(), "2026-11-18T11:06:40Z");
        assert_eq!(Timestamp::from_micros(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
