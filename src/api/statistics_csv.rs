//! Statistics as CSV (RFC 4180) with a line of names, for spreadsheets. Nothing in it needs quotes: names have none but
//! letters, digits, dots, underscores and hyphens, and begin with a letter or digit.

use std::fmt::Write;

use crate::appliance::{StatisticsFound, StatisticsQuery, StatisticsRow};
use crate::domain::name::Name;
use crate::domain::operation::Operation;
use crate::domain::statistics_report::{Dimension, PERCENTILES};

use super::statistics::{outcome_name, start};

/// The content type.
pub(super) const TYPE: &str = "text/csv; charset=utf-8; header=present";

/// The rows of an answer, no totals; what a row does not tell is empty.
pub(super) fn text(query: &StatisticsQuery, found: &StatisticsFound) -> Vec<u8> {
    let mut out = String::new();
    for dimension in query.grouping.dimensions() {
        match dimension {
            Dimension::Time => out.push_str("start,"),
            // Writing to a String cannot fail.
            Dimension::User | Dimension::Project | Dimension::Endpoint | Dimension::Object => {
                let _ = write!(out, "{0},{0}_name,", dimension.name());
            }
            Dimension::Operation | Dimension::Outcome => {
                let _ = write!(out, "{},", dimension.name());
            }
        }
    }
    out.push_str("requests,refused,fields,failed,bytes,latency_sum_us,latency_max_us");
    for per_cent in PERCENTILES {
        let _ = write!(out, ",latency_p{per_cent}_us");
    }
    out.push_str("\r\n");
    for found in &found.rows {
        row(&mut out, query, found);
    }
    out.into_bytes()
}

fn row(out: &mut String, query: &StatisticsQuery, row: &StatisticsRow) {
    let group = &row.group;
    for dimension in query.grouping.dimensions() {
        let _ = match dimension {
            Dimension::Time => write!(out, "{},", group.start.map(start).unwrap_or_default()),
            Dimension::User => named(out, group.user, row.user_name.as_ref()),
            Dimension::Project => named(out, group.project, row.project_name.as_ref()),
            Dimension::Endpoint => named(out, group.endpoint, row.endpoint_name.as_ref()),
            Dimension::Object => named(out, group.object, row.object_name.as_ref()),
            Dimension::Operation => write!(out, "{},", group.operation.map_or("", Operation::name)),
            Dimension::Outcome => write!(out, "{},", group.outcome.map_or("", outcome_name)),
        };
    }
    let (sums, counters) = (&row.sums, &row.sums.counters);
    let _ = write!(
        out,
        "{},{},{},{},{},{},{}",
        counters.requests,
        sums.refused,
        counters.fields,
        sums.failed,
        counters.bytes,
        counters.latency_sum_us,
        counters.latency_max_us
    );
    for per_cent in PERCENTILES {
        let _ = match sums.latency_us(per_cent) {
            Some(latency_us) => write!(out, ",{latency_us}"),
            None => write!(out, ","),
        };
    }
    out.push_str("\r\n");
}

fn named(out: &mut String, id: Option<impl std::fmt::Display>, name: Option<&Name>) -> std::fmt::Result {
    if let Some(id) = id {
        write!(out, "{id}")?;
    }
    write!(out, ",{},", name.map_or("", Name::as_str))
}
