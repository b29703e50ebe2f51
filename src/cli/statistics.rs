//! `gembok statistics`: what was asked, by whom, with what result, over time, as a table with a bar.

use std::fmt::Write;

use clap::Args;

use crate::desk::request;
use crate::desk::statistics::{Counts, StatisticsLine, StatisticsTable};

use super::heads;
use super::say_answer::{self as say, fixed};
use super::table::{Cells, aligned};
use super::words::Pair;

/// Characters of the longest bar.
const BAR: u64 = 20;
/// What is counted of each row.
const COUNTS: [Pair; 9] = [
    heads::REQUESTS,
    heads::REFUSED,
    heads::FIELDS,
    heads::FAILED,
    heads::BYTES,
    heads::P50,
    heads::P95,
    heads::P99,
    heads::MAX,
];

#[derive(Args)]
pub(super) struct Statistics {
    /// Only what endpoints of this project asked
    #[arg(long)]
    project: Option<String>,
    /// Only what this endpoint of the project asked
    #[arg(long, requires = "project")]
    endpoint: Option<String>,
    /// Only items of this object of the project: fields and bytes, no whole requests
    #[arg(long, requires = "project")]
    object: Option<String>,
    /// Only what is of the projects that this user is a member of; another's is for admins and auditors
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A moment like 2026-11-28T05:00:00Z, a date, or how long ago: 90m, 24h, 7d
    #[arg(long, default_value = "24h", value_name = "TIME")]
    from: String,
    /// Likewise; now without
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// minute, hour, day or month; without, the shortest of which the period has at most 120
    #[arg(long)]
    resolution: Option<String>,
    /// What rows are told apart by, with commas between: time, project, endpoint, object, operation, outcome
    #[arg(long, default_value = "time", value_name = "WORDS")]
    group: String,
}

impl From<Statistics> for request::Request {
    fn from(wanted: Statistics) -> Self {
        let Statistics { project, endpoint, object, user, from, to, resolution, group } = wanted;
        Self::Statistics(request::Statistics {
            project,
            endpoint,
            object,
            user,
            from: Some(from),
            to,
            resolution,
            group: Some(group),
        })
    }
}

/// The answer for eyes.
pub(super) fn text(found: &StatisticsTable) -> String {
    let mut text = format!("{}\n", say::period(&found.from, &found.to, found.group.join(", ")));
    if found.group.iter().any(|word| word == "time") {
        let _ = writeln!(text, "{}", say::resolution(&found.resolution));
    }
    if let Some(kept_from) = found.kept_from.as_ref().filter(|kept_from| **kept_from > found.from) {
        let _ = writeln!(text, "{}", say::gone(&found.resolution, kept_from));
    }
    let mut first: Cells = found.group.iter().map(|word| (head(word).to_string(), false)).collect();
    first.extend(COUNTS.map(|head| (head.to_string(), true)));
    // Where whole requests do not count, fields are what there is to see.
    let measure: fn(&Counts) -> u64 =
        if found.totals.requests > 0 { |counts| counts.requests } else { |counts| counts.fields };
    let most = found.rows.iter().map(|row| measure(&row.counts)).max().unwrap_or(0);
    let mut lines = vec![first];
    for row in &found.rows {
        let mut cells: Cells = found.group.iter().map(|word| (label(row, word), false)).collect();
        cells.extend(numbers(&row.counts));
        cells.push((bar(measure(&row.counts), most), false));
        lines.push(cells);
    }
    let mut total: Cells = found.group.iter().map(|_| (String::new(), false)).collect();
    if let Some((first, _)) = total.first_mut() {
        *first = fixed::TOTAL.to_string();
    }
    total.extend(numbers(&found.totals));
    lines.push(total);
    text.push_str(&aligned(&lines));
    for (outcome, requests) in found.outcomes.iter().filter(|(outcome, _)| *outcome != "done") {
        let _ = writeln!(text, "{}", say::refused(thousands(*requests), outcome));
    }
    let (counted, requests) = (found.totals.latency_counted, found.totals.requests);
    if counted < requests {
        let _ = writeln!(text, "{}", say::percentiles(thousands(counted), thousands(requests)));
    }
    if found.damaged > 0 {
        let _ = writeln!(text, "{}", say::damaged_rows(thousands(found.damaged)));
    }
    if found.truncated {
        let _ = writeln!(text, "{}", fixed::MORE_ROWS);
    }
    text
}

/// Of a column that rows are told apart by.
fn head(word: &str) -> Pair {
    match word {
        "time" => heads::TIME,
        "project" => heads::PROJECT,
        "endpoint" => heads::ENDPOINT,
        "object" => heads::OBJECT,
        "operation" => heads::OPERATION,
        _ => heads::OUTCOME,
    }
}

fn label(row: &StatisticsLine, word: &str) -> String {
    let value = match word {
        "time" => &row.start,
        "project" => &row.project,
        "endpoint" => &row.endpoint,
        "object" => &row.object,
        "operation" => &row.operation,
        _ => &row.outcome,
    };
    value.clone().unwrap_or_else(|| "-".into())
}

fn numbers(counts: &Counts) -> [(String, bool); 9] {
    let latency = |latency_us: Option<u64>| latency_us.map_or_else(|| "-".into(), duration);
    let max = (counts.requests > 0).then_some(counts.latency_max_us);
    [
        thousands(counts.requests),
        thousands(counts.refused),
        thousands(counts.fields),
        thousands(counts.failed),
        thousands(counts.bytes),
        latency(counts.latency_p50_us),
        latency(counts.latency_p95_us),
        latency(counts.latency_p99_us),
        latency(max),
    ]
    .map(|cell| (cell, true))
}

/// `1,234,567`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits or a little more, in the unit that suits.
fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        100_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{} s", thousands(us / 1_000_000), us % 1_000_000 / 100_000),
    }
}

/// As long as the number is large, beside the largest; what is there at all shows.
fn bar(number: u64, most: u64) -> String {
    let length = u128::from(number) * u128::from(BAR) / u128::from(most.max(1));
    let length = usize::try_from(length).unwrap_or(0).max(usize::from(number > 0));
    "#".repeat(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        let durations = [0, 999, 1_234, 99_999, 123_456, 1_234_567, 1_000_000_000_000];
        let told = ["0 µs", "999 µs", "1.2 ms", "99.9 ms", "123 ms", "1.2 s", "1,000,000.0 s"];
        assert_eq!(durations.map(duration), told);
        assert_eq!([bar(0, 10), bar(1, 1_000), bar(5, 10), bar(0, 0)], ["", "#", "##########", ""]);
        assert_eq!(bar(u64::MAX, u64::MAX).len(), 20);
    }
}
