//! `gembok statistics`: what is asked, what it finds, and how the one becomes the other.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::appliance::{Appliance, StatisticsFound, StatisticsQuery, StatisticsRow, Stop};
use crate::domain::name::Name;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::Resolution;
use crate::domain::statistics_report::{Dimension, Grouping, Sums};
use crate::domain::timestamp::{Now, Timestamp};

use super::asker::Asker;
use super::perform::{bad, moment};

/// How far back when nothing is said.
const PERIOD_DEFAULT: Duration = Duration::from_secs(86_400);
/// The shortest buckets are taken of which the period has at most so many, when nothing is said.
const BUCKETS_MAX: u64 = 120;

/// What is asked.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Of endpoints of this project only.
    pub project: Option<String>,
    /// Of this endpoint of the project only.
    pub endpoint: Option<String>,
    /// Of this object of the project only.
    pub object: Option<String>,
    /// Of the projects that this user is a member of only; another's is for who may read everyone's.
    #[serde(default)]
    pub user: Option<String>,
    /// RFC 3339, a date (its midnight UTC), or how long ago, like 7d; 24 hours ago without.
    pub from: Option<String>,
    /// Likewise; now without.
    pub to: Option<String>,
    /// `minute`, `hour`, `day` or `month`; what gives at most 120 buckets without.
    pub resolution: Option<String>,
    /// What rows are told apart by, words with commas between; `time` without.
    pub group: Option<String>,
}

/// What was found.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsTable {
    /// How long the buckets are.
    pub resolution: String,
    /// The first second of the first.
    pub from: String,
    /// The second behind the last.
    pub to: String,
    /// From where on the rows of this resolution are all there.
    pub kept_from: Option<String>,
    /// What rows are told apart by.
    pub group: Vec<String>,
    /// In order.
    pub rows: Vec<StatisticsLine>,
    /// Of everything.
    pub totals: Counts,
    /// Requests by outcome: `done`, or the code of a refusal.
    pub outcomes: BTreeMap<String, u64>,
    /// Whether there are more rows than these.
    pub truncated: bool,
    /// Stored rows that do not open: what they counted is missing here.
    #[serde(default)]
    pub damaged: u64,
}

/// One row. What rows are not told apart by is none.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsLine {
    /// The first second of its bucket.
    pub start: Option<String>,
    /// The project's name, or its id where it has none any more.
    pub project: Option<String>,
    /// The endpoint's, likewise.
    pub endpoint: Option<String>,
    /// The object's, likewise; none also for whole requests.
    pub object: Option<String>,
    /// None also where it was not said.
    pub operation: Option<String>,
    /// `done`, or the code of a refusal.
    pub outcome: Option<String>,
    /// How much.
    pub counts: Counts,
}

/// Counts; latencies in microseconds, percentiles within 12.5 %.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Whole requests.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// Items.
    pub fields: u64,
    /// Those of them that were not carried out.
    pub failed: u64,
    /// Bytes of plaintext.
    pub bytes: u64,
    /// Of whole requests; none without any.
    pub latency_mean_us: Option<u64>,
    /// The slowest.
    pub latency_max_us: u64,
    /// Half of the requests took no longer.
    pub latency_p50_us: Option<u64>,
    /// Nine of ten took no longer.
    pub latency_p90_us: Option<u64>,
    /// 95 of 100 took no longer.
    pub latency_p95_us: Option<u64>,
    /// 99 of 100 took no longer.
    pub latency_p99_us: Option<u64>,
    /// Requests that the percentiles are of: all, but for rows of before there were any.
    pub latency_counted: u64,
}

impl Statistics {
    pub(super) fn perform(
        self,
        appliance: &Appliance,
        asker: &Asker,
        now: Now,
    ) -> Result<StatisticsTable, Stop> {
        let appliance = appliance.unlocked()?;
        let Self { project, endpoint, object, user, from, to, resolution, group } = self;
        if project.is_none() && (endpoint.is_some() || object.is_some()) {
            return Err(bad("Name the project of the endpoint or object, too.".into()).into());
        }
        let to = to.as_deref().map_or(Ok(now.time), |text| when(text, now))?;
        let from = from.as_deref().map_or(Ok(ago(to, PERIOD_DEFAULT)), |text| when(text, now))?;
        if from >= to {
            return Err(bad(format!("The period ends before it begins: from {from} to {to}.")).into());
        }
        let resolution = match resolution.as_deref() {
            None => fitting(from, to),
            Some(word) => word.parse().map_err(|()| {
                bad(format!("{word:?} is no resolution; there are minute, hour, day and month."))
            })?,
        };
        let grouping = match group.as_deref() {
            None => Grouping::TIME,
            Some(words) => words.parse().map_err(|()| {
                let known = Dimension::ALL.map(Dimension::name).join(", ");
                bad(format!("{words:?} is no grouping; name one or more of {known}, with commas between."))
            })?,
        };
        let mut only = appliance.statistics_of(project.as_deref(), endpoint.as_deref(), object.as_deref())?;
        if let Some(user) = user {
            only.keep_to(match asker {
                Asker::Local(_) => appliance.memberships_of(&user)?,
                Asker::User(signed_in) => appliance.visible_statistics_of(signed_in, &user)?,
            });
        }
        let query = StatisticsQuery { resolution, from, to, grouping, only };
        Ok(StatisticsTable::of(&query, appliance.statistics(&query)?))
    }
}

/// The shortest resolution of which the period has no more than [`BUCKETS_MAX`].
fn fitting(from: Timestamp, to: Timestamp) -> Resolution {
    let fits = |resolution: &Resolution| resolution.bucket_before(to, BUCKETS_MAX) <= from.seconds();
    Resolution::ALL.into_iter().find(fits).unwrap_or(Resolution::Month)
}

fn ago(time: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_micros(time.micros().saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
}

/// `2026-11-28T05:00:00Z`, `2026-11-28`, or `90m`, `24h`, `7d` ago.
fn when(text: &str, now: Now) -> Result<Timestamp, Refusal> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    if let Ok(date) = date {
        let seconds = OffsetDateTime::unix_timestamp(date.midnight().assume_utc());
        return Ok(Timestamp::from_seconds(u64::try_from(seconds).unwrap_or(0)));
    }
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return moment(text),
    };
    let number = text.get(..text.len() - 1).and_then(|number| number.parse::<u64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(unit)).ok_or_else(|| {
        Refusal::new(Code::BadRequest).detail(format!("{text:?} is no time; write it like 90m, 24h or 7d."))
    })?;
    Ok(ago(now.time, Duration::from_secs(seconds)))
}

impl StatisticsTable {
    fn of(query: &StatisticsQuery, found: StatisticsFound) -> Self {
        let report = found.report;
        Self {
            resolution: query.resolution.name().into(),
            from: found.from.to_string(),
            to: found.to.to_string(),
            kept_from: found.kept_from.map(|time| time.to_string()),
            group: query.grouping.dimensions().map(|dimension| dimension.name().into()).collect(),
            rows: found.rows.iter().map(StatisticsLine::from).collect(),
            totals: (&report.totals).into(),
            outcomes: report.outcomes.iter().map(|(code, requests)| (outcome(*code), *requests)).collect(),
            truncated: report.is_cut,
            damaged: found.damaged,
        }
    }
}

impl From<&StatisticsRow> for StatisticsLine {
    fn from(row: &StatisticsRow) -> Self {
        let group = &row.group;
        let named = |name: &Option<Name>, id: Option<String>| name.as_ref().map(Name::to_string).or(id);
        Self {
            start: group.start.map(|start| Timestamp::from_seconds(start).to_string()),
            project: named(&row.project_name, group.project.map(|id| id.to_string())),
            endpoint: named(&row.endpoint_name, group.endpoint.map(|id| id.to_string())),
            object: named(&row.object_name, group.object.map(|id| id.to_string())),
            operation: group.operation.map(|operation| Operation::name(operation).into()),
            outcome: group.outcome.map(outcome),
            counts: (&row.sums).into(),
        }
    }
}

impl From<&Sums> for Counts {
    fn from(sums: &Sums) -> Self {
        Self {
            requests: sums.counters.requests,
            refused: sums.refused,
            fields: sums.counters.fields,
            failed: sums.failed,
            bytes: sums.counters.bytes,
            latency_mean_us: sums.latency_mean_us(),
            latency_max_us: sums.counters.latency_max_us,
            latency_p50_us: sums.latency_us(50),
            latency_p90_us: sums.latency_us(90),
            latency_p95_us: sums.latency_us(95),
            latency_p99_us: sums.latency_us(99),
            latency_counted: sums.counters.latencies.requests(),
        }
    }
}

fn outcome(number: u16) -> String {
    let code = || Code::from_number(number).map_or("unknown", Code::as_str);
    if number == 0 { "done" } else { code() }.into()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_time_is_a_moment_a_date_or_so_long_ago() {
        let now = Now { time: Timestamp::from_seconds(1_795_844_001), instant: Instant::now() };
        let seconds = |text| when(text, now).map(Timestamp::seconds).ok();
        assert_eq!(seconds("2026-11-28T05:33:20Z"), Some(1_795_844_000));
        assert_eq!(seconds("2026-11-28"), Some(1_795_824_000));
        assert_eq!(seconds("90m"), Some(1_795_844_001 - 5_400));
        assert_eq!(seconds("2d"), Some(1_795_844_001 - 2 * 86_400));
        assert_eq!(seconds("99999d"), Some(0));
        for wrong in ["", "d", "7", "-1d", "2026-13-01", "7 d", "99999999999999999999d", "é", "7é"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_resolution_fits_the_period() {
        let to = Timestamp::from_seconds(1_795_844_001);
        let of = |hours: u64| fitting(ago(to, Duration::from_secs(hours * 3_600)), to);
        assert_eq!([of(1), of(2)], [Resolution::Minute; 2]);
        assert_eq!([of(3), of(24), of(119)], [Resolution::Hour; 3]);
        assert_eq!([of(125), of(100 * 24)], [Resolution::Day; 2]);
        assert_eq!([of(130 * 24), of(400_000)], [Resolution::Month; 2]);
    }
}
