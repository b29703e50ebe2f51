//! `GET /v1/statistics`: what was asked, by whom, with what result, over time.
//!
//! ```text
//! ?resolution=minute|hour|day|month   &from=<seconds since 1970>   &to=<…>   [&group=<…>,<…>]   [&format=json|csv]
//!    [&project=<uuid>]… [&endpoint=<uuid>]… [&object=<uuid>] [&operation=encrypt|decrypt|…] [&outcome=done|<code>]
//!    [&user=<name>]
//! ```
//!
//! `from` defaults to 60 buckets ago, `to` to now; buckets count whole. `project` and `endpoint` may be given again: of any of
//! them. `group` names what rows are told apart by: `time`, `project`, `endpoint`, `object`, `operation`, `outcome`. Without
//! `time` there is one row for the whole period; without `group` rows are as they are stored, by all but the project.
//!
//! A row has of `start`, `project`, `endpoint`, `object` (with their names), `operation` and `outcome` those that it is told
//! apart by, and then the counts:
//!
//! ```text
//! requests refused     whole requests, and those of them that were refused; by the request's outcome
//! fields failed bytes  items, and those of them that were not carried out; bytes of plaintext; by the item's outcome
//! latency_sum_us latency_max_us latency_p50_us latency_p90_us latency_p95_us latency_p99_us     of whole requests
//! latency_counted      requests that the percentiles are of, where they are not all (rows of before there were any)
//! ```
//!
//! A batch over three objects is one request: requests and latencies stand in rows without an object, fields and bytes in
//! those of their object, or in the ones without where the project has no such object. A row that is told apart by object has
//! the members it counts and no others; names are null when there is none any more, or never was one. Percentiles are within
//! 12.5 %. `totals` are of everything that was asked for, with `outcomes`, the requests by outcome.
//!
//! At most 10,000 rows: then `truncated` is true, and `next_from` is the `from` of the rest, where rows are told apart by
//! time. A query that reads more than 500,000 stored rows is refused. `kept_from` says from where on the rows of this resolution
//! are all there; those of before are gone, and part of the longer ones.
//!
//! Whoever may not read everyone's gets what is of the projects it is a member of: rows, totals and CSV are as if there were
//! no other project, and empty for a member of none. `user` keeps to the projects that this user is a member of; whoever may not
//! read everyone's names itself, or is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::appliance::{
    Appliance, StatisticsFilter, StatisticsFound, StatisticsQuery, StatisticsRow, Target,
};
use crate::domain::access::Act;
use crate::domain::name::Name;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::Resolution;
use crate::domain::statistics_report::{Dimension, Grouping, PERCENTILES, Sums};
use crate::domain::timestamp::{Now, Timestamp};

use super::credentials::Arrival;
use super::line::hop;
use super::{Answer, problem, statistics_csv};

/// Buckets shown when nothing is said.
const BUCKETS_DEFAULT: u64 = 60;
/// The outcome that is no refusal.
const DONE: &str = "done";

/// Answers one query, in CSV where `wants_csv` or the query says so.
pub(super) async fn answer(
    appliance: Arc<Appliance>,
    arrival: Arrival,
    query: String,
    wants_csv: bool,
) -> Answer {
    match found(&appliance, &arrival, &query).await {
        Err(refusal) => problem::answer(&refusal),
        Ok((Asked { query, is_csv, user: _ }, found)) => {
            let answer = if is_csv.unwrap_or(wants_csv) {
                problem::respond(StatusCode::OK, statistics_csv::TYPE, statistics_csv::text(&query, &found))
            } else {
                let whole = whole(&query, &found).to_string().into_bytes();
                problem::respond(StatusCode::OK, "application/json", whole)
            };
            problem::witnessed(answer, &appliance)
        }
    }
}

async fn found(
    appliance: &Appliance,
    arrival: &Arrival,
    query: &str,
) -> Result<(Asked, StatisticsFound), Refusal> {
    let operational = appliance.unlocked()?;
    let proof = arrival.proof()?;
    let now = arrival.now;
    let mut asked = parse(query, now)?;
    hop(move || {
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        let visible = match &asked.user {
            Some(name) => operational.visible_statistics_of(&signed_in, name),
            None => operational.visible_statistics(&signed_in),
        };
        let visible =
            operational.noted(&signed_in, &[(Act::StatisticsReadAll, Target::Appliance)], visible)?;
        asked.query.only.keep_to(visible);
        let found = operational.statistics(&asked.query)?;
        Ok((asked, found))
    })
    .await
}

fn whole(query: &StatisticsQuery, found: &StatisticsFound) -> Value {
    let report = &found.report;
    let mut totals = Map::new();
    insert_counts(&mut totals, &report.totals, false);
    let outcomes = report.outcomes.iter();
    let outcomes =
        outcomes.map(|(outcome, requests)| (outcome_name(*outcome).to_owned(), Value::from(*requests)));
    totals.insert("outcomes".into(), Value::Object(outcomes.collect()));
    json!({
        "resolution": query.resolution.name(),
        "from": found.from.to_string(),
        "to": found.to.to_string(),
        "kept_from": found.kept_from.map(|time| time.to_string()),
        "group": query.grouping.dimensions().map(Dimension::name).collect::<Vec<_>>(),
        "rows": found.rows.iter().map(|found| row(query.grouping, found)).collect::<Vec<_>>(),
        "totals": totals,
        "truncated": report.is_cut,
        "damaged": found.damaged,
        "next_from": report.next_from,
    })
}

fn row(grouping: Grouping, row: &StatisticsRow) -> Value {
    let mut told = Map::new();
    let group = &row.group;
    let name = |name: &Option<Name>| Value::from(name.as_ref().map(Name::as_str));
    for dimension in grouping.dimensions() {
        let (value, its_name) = match dimension {
            Dimension::Time => {
                told.insert("start".into(), group.start.map(start).into());
                continue;
            }
            Dimension::Project => (group.project.map(|id| id.to_string()), Some(name(&row.project_name))),
            Dimension::Endpoint => (group.endpoint.map(|id| id.to_string()), Some(name(&row.endpoint_name))),
            Dimension::Object => (group.object.map(|id| id.to_string()), Some(name(&row.object_name))),
            Dimension::Operation => (group.operation.map(|operation| operation.name().into()), None),
            Dimension::Outcome => (group.outcome.map(|outcome| outcome_name(outcome).into()), None),
        };
        told.insert(dimension.name().into(), value.into());
        if let Some(its_name) = its_name {
            told.insert(format!("{}_name", dimension.name()), its_name);
        }
    }
    insert_counts(&mut told, &row.sums, grouping.has(Dimension::Object));
    told.into()
}

/// The counts; where `only_counted`, those that count anything.
fn insert_counts(told: &mut Map<String, Value>, sums: &Sums, only_counted: bool) {
    let counters = &sums.counters;
    let mut tell = |name: &str, count: Option<u64>| told.insert(name.into(), count.into());
    if !only_counted || counters.requests > 0 {
        tell("requests", Some(counters.requests));
        tell("refused", Some(sums.refused));
        tell("latency_sum_us", Some(counters.latency_sum_us));
        tell("latency_max_us", Some(counters.latency_max_us));
        for per_cent in PERCENTILES {
            tell(&format!("latency_p{per_cent}_us"), sums.latency_us(per_cent));
        }
        let counted = counters.latencies.requests();
        if counted != counters.requests {
            tell("latency_counted", Some(counted));
        }
    }
    if !only_counted || counters.fields > 0 {
        tell("fields", Some(counters.fields));
        tell("failed", Some(sums.failed));
        tell("bytes", Some(counters.bytes));
    }
}

/// A bucket's first second, in words.
pub(super) fn start(seconds: u64) -> String {
    Timestamp::from_seconds(seconds).to_string()
}

/// The word of an outcome.
pub(super) fn outcome_name(outcome: u16) -> &'static str {
    if outcome == 0 { DONE } else { Code::from_number(outcome).map_or("unknown", Code::as_str) }
}

fn outcome_number(word: &str) -> Option<u16> {
    let code = || Code::ALL.iter().find(|code| code.as_str() == word).map(|code| code.number());
    if word == DONE { Some(0) } else { code() }
}

/// A query, and the form of its answer where it says so.
struct Asked {
    query: StatisticsQuery,
    is_csv: Option<bool>,
    /// Whose projects.
    user: Option<String>,
}

fn parse(query: &str, now: Now) -> Result<Asked, Refusal> {
    let refuse = |what: &'static str| Refusal::new(Code::BadRequest).detail(what);
    let mut only = StatisticsFilter::default();
    let (mut resolution, mut grouping, mut is_csv) = (Resolution::Minute, Grouping::SERIES, None);
    let mut user = None;
    let (mut from, mut to) = (None, now.time.plus(std::time::Duration::from_secs(1)));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| refuse("Write the query as name=value&name=value."))?;
        let seconds = || value.parse().map(Timestamp::from_seconds);
        match name {
            "resolution" => {
                resolution =
                    value.parse().map_err(|()| refuse("resolution is minute, hour, day or month."))?;
            }
            "from" => from = Some(seconds().map_err(|_| refuse("from is a number of seconds since 1970."))?),
            "to" => to = seconds().map_err(|_| refuse("to is a number of seconds since 1970."))?,
            "group" => {
                // A comma may come as it is or encoded.
                grouping = value.replace("%2C", ",").parse().map_err(|()| {
                    refuse(
                        "group is one or more of time, project, endpoint, object, operation and outcome, with commas between.",
                    )
                })?;
            }
            "format" => {
                is_csv = Some(match value {
                    "csv" => true,
                    "json" => false,
                    _ => return Err(refuse("format is json or csv.")),
                });
            }
            "project" => {
                let id = value.parse().map_err(|_| refuse("project is a UUID."))?;
                only.projects.get_or_insert_with(BTreeSet::new).insert(id);
            }
            "endpoint" => {
                let id = value.parse().map_err(|_| refuse("endpoint is a UUID."))?;
                only.endpoints.get_or_insert_with(BTreeSet::new).insert(id);
            }
            "object" => only.object = Some(value.parse().map_err(|_| refuse("object is a UUID."))?),
            // No name has a character that needs an encoding.
            "user" => user = Some(value.to_owned()),
            "operation" => only.operation = Some(operation(value)?),
            "outcome" => {
                let number = outcome_number(value);
                only.outcome =
                    Some(number.ok_or_else(|| refuse("outcome is done or the code of a problem."))?);
            }
            _ => {
                return Err(refuse(
                    "The query knows resolution, from, to, group, format, project, endpoint, object, operation, outcome and user.",
                ));
            }
        }
    }
    let first = resolution.bucket_before(to, BUCKETS_DEFAULT);
    let from = from.unwrap_or(Timestamp::from_seconds(first));
    Ok(Asked { query: StatisticsQuery { resolution, from, to, grouping, only }, is_csv, user })
}

fn operation(word: &str) -> Result<Operation, Refusal> {
    let what = "operation is encrypt, decrypt, reencrypt or index.";
    word.parse().map_err(|()| Refusal::new(Code::BadRequest).detail(what))
}
