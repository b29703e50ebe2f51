//! Numbers of a configuration file with their range: a limit of zero, or one that is no limit, is an error where it stands.

use std::fmt::Display;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Milliseconds from `MIN` to `MAX`.
pub(super) fn millis<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
) -> Result<Duration, D::Error> {
    within::<D, MIN, MAX>(from, "milliseconds").map(Duration::from_millis)
}

/// Seconds from `MIN` to `MAX`.
pub(super) fn seconds<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
) -> Result<Duration, D::Error> {
    within::<D, MIN, MAX>(from, "seconds").map(Duration::from_secs)
}

/// A count or a size from `MIN` to `MAX`, in the unit that its key names.
pub(super) fn count<'de, D, T, const MIN: u64, const MAX: u64>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64, Error: Display>,
{
    T::try_from(within::<D, MIN, MAX>(from, "")?).map_err(D::Error::custom)
}

fn within<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
    unit: &str,
) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    if (MIN..=MAX).contains(&number) {
        return Ok(number);
    }
    let space = if unit.is_empty() { "" } else { " " };
    Err(D::Error::custom(format_args!("{number} is outside {MIN} to {MAX}{space}{unit}")))
}
