//! `GET /v1/statistics`: what was asked, by whom, with what result, over time.
//!
//! ```text
//! ?resolution=minute|hour|day   &from=<seconds since 1970>   &to=<…>   [&endpoint=<uuid>] [&object=<uuid>] [&operation=…]
//! ```
//!
//! `from` defaults to 60 buckets ago, `to` to now. Rows without an object count whole requests and their latency; rows with
//! one count its fields and bytes.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use crate::appliance::{Appliance, StatisticsQuery, StatisticsRow};
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::Resolution;
use crate::domain::timestamp::{Now, Timestamp};

use super::credentials::Arrival;
use super::line::hop;
use super::{Answer, problem};

/// Buckets shown when nothing is said.
const BUCKETS_DEFAULT: u64 = 60;

/// Answers one query.
pub(super) async fn answer(appliance: Arc<Appliance>, arrival: Arrival, query: String) -> Answer {
    match rows(&appliance, &arrival, &query).await {
        Err(refusal) => problem::answer(&refusal),
        Ok((resolution, rows, truncated)) => {
            let rows: Vec<_> = rows.iter().map(row).collect();
            let whole = json!({ "resolution": resolution.name(), "rows": rows, "truncated": truncated });
            problem::respond(StatusCode::OK, "application/json", whole.to_string().into_bytes())
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
        operational.sign_in(&peer, now)?.may_read_statistics()?;
        let (rows, truncated) = operational.statistics(query)?;
        Ok((query.resolution, rows, truncated))
    })
    .await
}

fn row(row: &StatisticsRow) -> serde_json::Value {
    let outcome = match row.series.outcome {
        0 => "done",
        number => Code::from_number(number).map_or("unknown", Code::as_str),
    };
    json!({
        "start": Timestamp::from_seconds(row.start).to_string(),
        "endpoint": row.series.endpoint.to_string(),
        "object": row.series.object.map(|id| id.to_string()),
        "operation": row.series.operation.map(Operation::name),
        "outcome": outcome,
        "requests": row.counters.requests,
        "fields": row.counters.fields,
        "bytes": row.counters.bytes,
        "latency_sum_us": row.counters.latency_sum_us,
        "latency_max_us": row.counters.latency_max_us,
    })
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
            _ => return Err(refuse("The query knows resolution, from, to, endpoint, object and operation.")),
        }
    }
    let span = parsed.resolution.seconds() * BUCKETS_DEFAULT;
    let first = parsed.to.seconds().saturating_sub(span);
    parsed.from = from.unwrap_or(Timestamp::from_seconds(first));
    Ok(parsed)
}
