//! `GET /v1/statistics`: what was asked, by whom, with what result, over time.
//!
//! ```text
//! ?resolution=minute|hour|day   &from=<seconds since 1970>   &to=<…>
//!    [&endpoint=<uuid>] [&object=<uuid>] [&operation=encrypt|decrypt|…] [&outcome=done|<code>]
//! ```
//!
//! `from` defaults to 60 buckets ago, `to` to now. A row has the members it counts and no others:
//!
//! ```text
//! object null    requests latency_sum_us latency_max_us    whole requests, by the request's outcome
//! object null    fields bytes                              items whose object the project does not have
//! object <uuid>  fields bytes                              items of that object, by the item's outcome
//! ```
//!
//! Whoever may not read everyone's gets the rows of the projects it is a member of.
//!
//! A batch over three objects is one request. `endpoint_name` and `object_name` are null when there is none any more, or
//! never was one.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use crate::appliance::{Appliance, StatisticsQuery, StatisticsRow};
use crate::domain::name::Name;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::Resolution;
use crate::domain::timestamp::{Now, Timestamp};

use super::credentials::Arrival;
use super::line::hop;
use super::{Answer, problem};

/// Buckets shown when nothing is said.
const BUCKETS_DEFAULT: u64 = 60;
/// The outcome that is no refusal.
const DONE: &str = "done";

/// Answers one query.
pub(super) async fn answer(appliance: Arc<Appliance>, arrival: Arrival, query: String) -> Answer {
    match rows(&appliance, &arrival, &query).await {
        Err(refusal) => problem::answer(&refusal),
        Ok((resolution, rows, truncated)) => {
            let rows: Vec<_> = rows.iter().map(row).collect();
            let whole = json!({ "resolution": resolution.name(), "rows": rows, "truncated": truncated });
            let answer = problem::respond(StatusCode::OK, "application/json", whole.to_string().into_bytes());
            problem::witnessed(answer, &appliance)
        }
    }
}

async fn rows(
    appliance: &Appliance,
    arrival: &Arrival,
    query: &str,
) -> Result<(Resolution, Vec<StatisticsRow>, bool), Refusal> {
    let operational = appliance.unlocked()?;
    let peer = arrival.peer.clone().ok_or(Code::CertificateMissing)?;
    let now = arrival.now;
    let query = parse(query, now)?;
    hop(move || {
        let visible = operational.visible_statistics(&operational.sign_in(&peer, now)?)?;
        let (rows, truncated) = operational.statistics(query, &visible)?;
        Ok((query.resolution, rows, truncated))
    })
    .await
}

fn row(row: &StatisticsRow) -> serde_json::Value {
    let outcome = match row.series.outcome {
        0 => DONE,
        number => Code::from_number(number).map_or("unknown", Code::as_str),
    };
    let mut told = json!({
        "start": Timestamp::from_seconds(row.start).to_string(),
        "endpoint": row.series.endpoint.to_string(),
        "endpoint_name": row.endpoint_name.as_ref().map(Name::as_str),
        "object": row.series.object.map(|id| id.to_string()),
        "object_name": row.object_name.as_ref().map(Name::as_str),
        "operation": row.series.operation.map(Operation::name),
        "outcome": outcome,
    });
    if row.counters.requests > 0 {
        told["requests"] = row.counters.requests.into();
        told["latency_sum_us"] = row.counters.latency_sum_us.into();
        told["latency_max_us"] = row.counters.latency_max_us.into();
    }
    if row.counters.fields > 0 {
        told["fields"] = row.counters.fields.into();
        told["bytes"] = row.counters.bytes.into();
    }
    told
}

fn outcome_number(word: &str) -> Option<u16> {
    let code = || Code::ALL.iter().find(|code| code.as_str() == word).map(|code| code.number());
    if word == DONE { Some(0) } else { code() }
}

fn parse(query: &str, now: Now) -> Result<StatisticsQuery, Refusal> {
    let refuse = |what: &'static str| Refusal::new(Code::BadRequest).detail(what);
    let mut parsed = StatisticsQuery {
        resolution: Resolution::Minute,
        from: Timestamp::default(),
        to: now.time.plus(std::time::Duration::from_secs(1)),
        endpoint: None,
        object: None,
        operation: None,
        outcome: None,
    };
    let mut from = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| refuse("Write the query as name=value&name=value."))?;
        let seconds = || value.parse().map(Timestamp::from_seconds);
        match name {
            "resolution" => {
                parsed.resolution =
                    value.parse().map_err(|()| refuse("resolution is minute, hour or day."))?;
            }
            "from" => from = Some(seconds().map_err(|_| refuse("from is a number of seconds since 1970."))?),
            "to" => parsed.to = seconds().map_err(|_| refuse("to is a number of seconds since 1970."))?,
            "endpoint" => parsed.endpoint = Some(value.parse().map_err(|_| refuse("endpoint is a UUID."))?),
            "object" => parsed.object = Some(value.parse().map_err(|_| refuse("object is a UUID."))?),
            "operation" => {
                parsed.operation = Some(
                    value
                        .parse()
                        .map_err(|()| refuse("operation is encrypt, decrypt, reencrypt or index."))?,
                );
            }
            "outcome" => {
                let number = outcome_number(value);
                parsed.outcome =
                    Some(number.ok_or_else(|| refuse("outcome is done or the code of a problem."))?);
            }
            _ => {
                return Err(refuse(
                    "The query knows resolution, from, to, endpoint, object, operation and outcome.",
                ));
            }
        }
    }
    let span = parsed.resolution.seconds() * BUCKETS_DEFAULT;
    let first = parsed.to.seconds().saturating_sub(span);
    parsed.from = from.unwrap_or(Timestamp::from_seconds(first));
    Ok(parsed)
}
