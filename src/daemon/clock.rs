//! The clock. Read here and nowhere else; everybody below is told.

use std::time::{Instant, SystemTime};

use crate::domain::timestamp::{Now, Timestamp};

/// Both clocks, now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
pub(crate) fn now() -> Now {
    Now { time: Timestamp::from_system(SystemTime::now()), instant: Instant::now() }
}
