//! `GET /metrics`: OpenMetrics-style text for a scraper with a user's certificate. Counts are since the start of the
//! process and name no endpoint or object (the statistics do that), save where a certificate's end names its identity.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use http::StatusCode;

use crate::appliance::{Appliance, ClockVerdict, Standing, State};
use crate::domain::access::Act;
use crate::domain::expiry::Ending;
use crate::domain::operation::Operation;
use crate::domain::refusal::Code;
use crate::domain::statistics::Counters;
use crate::domain::timestamp::Timestamp;

use super::credentials::Arrival;
use super::health::leave_by_certificate;
use super::line::hop;
use super::{Answer, problem};

/// Answers a scrape.
pub(super) async fn answer(appliance: Arc<Appliance>, arrival: Arrival) -> Answer {
    if let Err(refusal) = leave_by_certificate(&appliance, &arrival, Act::MetricsRead).await {
        return problem::answer(&refusal);
    }
    // Some of it is read from the store.
    match hop(move || Ok(text(&appliance))).await {
        Err(refusal) => problem::answer(&refusal),
        Ok(text) => problem::respond(StatusCode::OK, "text/plain; version=0.0.4", text.into_bytes()),
    }
}

fn text(appliance: &Appliance) -> String {
    let mut out = String::new();
    let health = appliance.health();
    let mut gauge = |name: &str, help: &str, value: u64| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    let present = health.token.as_ref().is_some_and(|token| token.present);
    gauge("gembok_token_present", "Whether the token answers.", present.into());
    if let Some(clock) = health.clock {
        let trusted = clock == ClockVerdict::Trusted;
        gauge("gembok_clock_trusted", "Whether the wall's clock is believed.", trusted.into());
    }
    gauge("gembok_data_keys", "Data keys in memory.", health.data_keys as u64);
    gauge("gembok_refused_locked", "Requests answered locked.", health.refused_locked);
    if let Some(journal) = &health.journal {
        gauge("gembok_journal_next_sequence", "Sequence number of the next record.", journal.next_sequence);
        gauge(
            "gembok_journal_trouble",
            "Whether requests on data are refused as journal-full.",
            journal.trouble.is_some().into(),
        );
        gauge("gembok_journal_unrecorded", "Records that found no place.", journal.unrecorded);
        if let Some(disk) = journal.disk {
            gauge("gembok_disk_free_bytes", "Free space of the store's disk.", disk.free_bytes);
            gauge("gembok_disk_reserve_bytes", "What requests on data leave alone.", disk.reserve_bytes);
        }
    }
    let exhausted = |budget: &&(_, Standing)| budget.1.used >= budget.1.fields_per_day;
    let (strained, exhausted) =
        (health.strained_budgets.len(), health.strained_budgets.iter().filter(exhausted).count());
    gauge("gembok_budgets_strained", "Budgets of which four fifths are used.", strained as u64);
    gauge("gembok_budgets_exhausted", "Budgets that are used up.", exhausted as u64);
    let help = "Recoveries under way that make an account the admin and can still be refused.";
    gauge("gembok_recoveries", help, health.recoveries.len() as u64);
    if let Some(destructions) = &health.destructions {
        let help = "Key versions whose destruction is scheduled.";
        gauge("gembok_key_destructions", help, destructions.count as u64);
        let help = "Key versions whose rows do not open.";
        gauge("gembok_key_versions_damaged", help, destructions.damaged as u64);
    }
    let certificates =
        "Until the end of our certificates and CRL, and of the newest certificate of each client.";
    let api_keys = "Until the end of API keys that somebody may need.";
    let (keys, others): (Vec<_>, Vec<_>) =
        health.expiries.iter().partition(|expiry| matches!(expiry.of, Ending::ApiKey(_)));
    for (name, help, expiries) in [
        ("gembok_certificate_ends_in_seconds", certificates, others),
        ("gembok_api_key_ends_in_seconds", api_keys, keys),
    ] {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for expiry in expiries {
            // No name stands in a label: ids need no escaping, and what counts as a name may change.
            let _ = writeln!(out, "{name}{{of=\"{}\"}} {}", expiry.of, expiry.left_s(health.time));
        }
    }
    let (name, help) =
        ("gembok_key_destroyed_in_seconds", "Until the next key versions are destroyed that are scheduled.");
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for next in health.destructions.iter().flat_map(|destructions| &destructions.next) {
        let seconds = |time: Timestamp| i64::try_from(time.seconds()).unwrap_or(i64::MAX);
        let left_s = seconds(next.at).saturating_sub(seconds(health.time));
        let (key_id, version) = (next.place.key_id, next.place.version);
        let _ = writeln!(out, "{name}{{key=\"{key_id:08x}\",version=\"{version}\"}} {left_s}");
    }
    let State::Operational(operational) = &*appliance.state() else { return out };
    let mut totals: Vec<_> = operational.recorder().totals().into_iter().collect();
    totals.sort_unstable_by_key(|((operation, outcome), _)| (*operation, *outcome));
    for (name, help) in [
        ("gembok_requests_total", "Requests, by operation and outcome."),
        ("gembok_fields_total", "Items of those requests."),
        ("gembok_request_seconds_total", "Time taken by those requests."),
    ] {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for ((operation, outcome), counters) in &totals {
            let operation = operation.map_or("unknown", Operation::name);
            let outcome = Code::from_number(*outcome).map_or("done", Code::as_str);
            let labels = format!("{{operation=\"{operation}\",outcome=\"{outcome}\"}}");
            let _ = match name {
                "gembok_requests_total" => writeln!(out, "{name}{labels} {}", counters.requests),
                "gembok_fields_total" => writeln!(out, "{name}{labels} {}", counters.fields),
                _ => {
                    let (whole, rest) =
                        (counters.latency_sum_us / 1_000_000, counters.latency_sum_us % 1_000_000);
                    writeln!(out, "{name}{labels} {whole}.{rest:06}")
                }
            };
        }
    }
    durations(&mut out, &totals);
    out
}

/// A histogram of latencies for each operation, by octaves: whatever came of the requests.
fn durations(out: &mut String, totals: &[((Option<Operation>, u16), Counters)]) {
    let mut by_operation: BTreeMap<Option<Operation>, Counters> = BTreeMap::new();
    for ((operation, _), counters) in totals {
        by_operation.entry(*operation).or_default().add(counters);
    }
    let name = "gembok_request_duration_seconds";
    let _ = writeln!(out, "# HELP {name} Latency of requests, by operation.\n# TYPE {name} histogram");
    for (operation, counters) in &by_operation {
        let operation = operation.map_or("unknown", Operation::name);
        let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        for (edge_us, requests) in counters.latencies.octaves() {
            let edge = seconds(edge_us);
            let _ = writeln!(out, "{name}_bucket{{operation=\"{operation}\",le=\"{edge}\"}} {requests}");
        }
        let (requests, sum) = (counters.requests, seconds(counters.latency_sum_us));
        let _ = writeln!(out, "{name}_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {requests}");
        let _ = writeln!(out, "{name}_sum{{operation=\"{operation}\"}} {sum}");
        let _ = writeln!(out, "{name}_count{{operation=\"{operation}\"}} {requests}");
    }
}
