//! A long run at half load: does memory stay, is every request answered, what is the slowest hundredth?

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::plan::{ONE_FIELD_CONNECTIONS, Scenario, Session};
use crate::round;
use crate::target::Target;
use crate::wire::Request;

/// Of full load, to learn what half of it is.
const PROBE: Duration = Duration::from_secs(10);
/// Minutes over which memory is compared, at both ends.
const MINUTES: usize = 10;

/// What a soak has shown.
#[derive(Serialize)]
pub struct Soak {
    minutes: u64,
    full_requests_per_s: f64,
    requests: u64,
    requests_per_s: f64,
    cpu_us_per_request: f64,
    p50_us: f64,
    p99_us: f64,
    pub errors: u64,
    first_error: Option<String>,
    minutes_rss_mib: Vec<f64>,
    /// Mean of the last ten minutes over that of minutes 10 to 20; null under 30 minutes.
    rss_ratio: Option<f64>,
}

/// Probes the candidate at full load, then keeps half of that up for `minutes`.
///
/// # Errors
///
/// As those of a round.
pub fn run(
    candidate: &Arc<Target>,
    minutes: u64,
    threads: usize,
    request: impl Fn(&Scenario) -> Request,
) -> Result<Soak, String> {
    let scenario = |window| Scenario {
        session: Session::KeptAlive,
        connections: ONE_FIELD_CONNECTIONS,
        fields: 1,
        rounds: 1,
        window,
    };
    let probe = scenario(PROBE);
    let full = round::run(candidate, &probe, request(&probe), threads, None)?;
    let full_requests_per_s = full.tally.answered as f64 / full.window.as_secs_f64();
    let pace = Duration::from_secs_f64(ONE_FIELD_CONNECTIONS as f64 / (full_requests_per_s.max(1.0) / 2.0));
    eprintln!("full load is {full_requests_per_s:.0}/s; half of it for {minutes} minutes …");
    let long = scenario(Duration::from_secs(minutes * 60));
    let outcome = round::run(candidate, &long, request(&long), threads, Some(pace))?;
    let tally = outcome.tally;
    let quantile_us = |q| tally.latency_ns.value_at_quantile(q) as f64 / 1_000.0;
    let minutes_rss_mib: Vec<f64> = outcome.minutes_kib.iter().map(|kib| *kib as f64 / 1_024.0).collect();
    Ok(Soak {
        minutes,
        full_requests_per_s,
        requests: tally.answered,
        requests_per_s: tally.answered as f64 / outcome.window.as_secs_f64(),
        cpu_us_per_request: outcome.usage.server.as_secs_f64() * 1e6 / tally.answered.max(1) as f64,
        p50_us: quantile_us(0.50),
        p99_us: quantile_us(0.99),
        errors: full.tally.errors + tally.errors,
        first_error: full.tally.first_error.or(tally.first_error),
        rss_ratio: rss_ratio(&minutes_rss_mib),
        minutes_rss_mib,
    })
}

fn rss_ratio(minutes: &[f64]) -> Option<f64> {
    if minutes.len() < 3 * MINUTES {
        return None;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    Some(mean(&minutes[minutes.len() - MINUTES..]) / mean(&minutes[MINUTES..2 * MINUTES]))
}

impl Display for Soak {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} minutes at {:.0}/s (full load is {:.0}/s): {} requests, {} errors, cpu {:.2} µs, p50 {:.0} µs, p99 {:.0} µs",
            self.minutes,
            self.requests_per_s,
            self.full_requests_per_s,
            self.requests,
            self.errors,
            self.cpu_us_per_request,
            self.p50_us,
            self.p99_us,
        )?;
        if let Some(error) = &self.first_error {
            writeln!(f, "the first error: {error}")?;
        }
        match self.rss_ratio {
            Some(ratio) => {
                let met = if ratio <= 1.05 { "yes" } else { "no" };
                write!(
                    f,
                    "resident memory, last ten minutes over minutes 10 to 20: {ratio:.3}; target ≤ 1.05, met: {met}"
                )
            }
            None => write!(f, "too short to compare resident memory: that takes 30 minutes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rss_ratio;

    #[test]
    fn memory_is_compared_after_it_has_settled() {
        assert_eq!(rss_ratio(&[40.0; 29]), None);
        let grown: Vec<f64> = (0..60).map(|minute| if minute < 50 { 40.0 } else { 44.0 }).collect();
        assert_eq!(rss_ratio(&grown), Some(1.1));
        let settling: Vec<f64> = (0..60).map(|minute| if minute < 10 { 20.0 } else { 40.0 }).collect();
        assert_eq!(rss_ratio(&settling), Some(1.0));
    }
}
