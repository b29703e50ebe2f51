//! `[statistics]`: how long they are kept.

use serde::{Deserialize, Deserializer};

use super::bounds::count;
use crate::domain::roll_up::StatisticsRetention;

/// `[statistics]`: how long the rows of each resolution are kept, whatever becomes of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Statistics {
    /// `minute_days`: minutes older than this go. 1 to 90, default 2.
    #[serde(deserialize_with = "count::<_, _, 1, 90>")]
    pub minute_days: u32,
    /// `hour_days`: hours older than this go. 1 to 1,098, default 60.
    #[serde(deserialize_with = "count::<_, _, 1, 1_098>")]
    pub hour_days: u32,
    /// `day_days`: days older than this become part of their month. 1 to 36,525, default 1,098: three years.
    #[serde(deserialize_with = "count::<_, _, 1, 36_525>")]
    pub day_days: u32,
    /// `month_years`: months older than this go; 0 for never. Up to 100, default 0.
    #[serde(deserialize_with = "years")]
    pub month_years: Option<u32>,
}

impl Default for Statistics {
    fn default() -> Self {
        let StatisticsRetention { minute_days, hour_days, day_days, month_years } =
            StatisticsRetention::default();
        Self { minute_days, hour_days, day_days, month_years }
    }
}

impl Statistics {
    /// What is wrong between them, with its key and what to do.
    pub(super) fn relate(&self) -> Option<(&'static str, String, &'static str)> {
        let Self { minute_days, hour_days, day_days, month_years } = *self;
        if hour_days < minute_days {
            let what = format!("{hour_days}, less than minute_days ({minute_days})");
            let hint = "hours are what is left when minutes are gone; raise hour_days or lower minute_days";
            return Some(("statistics.hour_days", what, hint));
        }
        if day_days < hour_days {
            let what = format!("{day_days}, less than hour_days ({hour_days})");
            let hint = "days are what is left when hours are gone; raise day_days or lower hour_days";
            return Some(("statistics.day_days", what, hint));
        }
        let years = month_years.filter(|years| years * DAYS_OF_YEAR < day_days)?;
        let what = format!("{years}, less than day_days ({day_days})");
        Some((
            "statistics.month_years",
            what,
            "months are what is left when days are gone; raise month_years or lower day_days",
        ))
    }
}

/// The longest.
const DAYS_OF_YEAR: u32 = 366;

fn years<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let years: u32 = count::<_, _, 0, 100>(from)?;
    Ok((years > 0).then_some(years))
}
