//! From rounds to figures: medians, ratios of paired rounds, the table of targets, summary.json.
//!
//! A ratio is taken within each round, where the two servers ran one after the other, and the
//! median of those is reported: a machine that is slow for a minute is slow for both.

use std::fmt::{self, Display, Formatter};
use std::thread;

use serde::Serialize;
use serde_json::{Value, json};

use crate::plan::{BATCH_CONNECTIONS, BATCH_FIELDS, ONE_FIELD_CONNECTIONS, Plan, Scenario, Session};
use crate::round::Outcome;
use crate::target::Kind;
use crate::targets::Earlier;

/// Which of the two servers of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Candidate,
    Reference,
}

/// The raw figures of one round of one server.
#[derive(Serialize)]
pub struct Run {
    pub role: Role,
    pub round: usize,
    #[serde(flatten)]
    pub scenario: Scenario,
    pub window_s: f64,
    pub requests: u64,
    pub requests_per_s: f64,
    pub cpu_us_per_request: f64,
    pub load_cpu_us_per_request: f64,
    /// Processors' worth of work by anyone else on the machine, kernel included.
    pub other_cores: f64,
    /// Processors' worth of time the hypervisor gave to others.
    pub stolen_cores: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub resumed_share: f64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub rss_mib: f64,
    pub peak_rss_mib: f64,
}

impl Run {
    pub fn new(role: Role, round: usize, scenario: &Scenario, outcome: &Outcome) -> Run {
        let window_s = outcome.window.as_secs_f64();
        let (tally, usage) = (&outcome.tally, outcome.usage);
        let answered = tally.answered.max(1) as f64;
        let quantile_us = |q| tally.latency_ns.value_at_quantile(q) as f64 / 1_000.0;
        let other = usage.machine.saturating_sub(usage.server + usage.load);
        Run {
            role,
            round,
            scenario: *scenario,
            window_s,
            requests: tally.answered,
            requests_per_s: tally.answered as f64 / window_s,
            cpu_us_per_request: usage.server.as_secs_f64() * 1e6 / answered,
            load_cpu_us_per_request: usage.load.as_secs_f64() * 1e6 / answered,
            other_cores: other.as_secs_f64() / window_s,
            stolen_cores: usage.stolen.as_secs_f64() / window_s,
            p50_us: quantile_us(0.50),
            p99_us: quantile_us(0.99),
            resumed_share: tally.resumed as f64 / answered,
            errors: tally.errors,
            first_error: tally.first_error.clone(),
            rss_mib: outcome.memory.resident_kib as f64 / 1_024.0,
            peak_rss_mib: outcome.memory.peak_kib as f64 / 1_024.0,
        }
    }

    fn belongs_to(&self, scenario: &Scenario) -> bool {
        self.scenario.session == scenario.session
            && self.scenario.connections == scenario.connections
            && self.scenario.fields == scenario.fields
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} round {} {:?}: {:.0}/s, cpu {:.2} µs, p50 {:.0} µs, p99 {:.0} µs, rss {:.1} MiB",
            self.scenario,
            self.round + 1,
            self.role,
            self.requests_per_s,
            self.cpu_us_per_request,
            self.p50_us,
            self.p99_us,
            self.rss_mib,
        )?;
        match &self.first_error {
            Some(error) => write!(f, ", {} ERRORS, first: {error}", self.errors),
            None => Ok(()),
        }
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let session = match self.session {
            Session::KeptAlive => "kept alive",
            Session::FullHandshake => "full handshake each",
            Session::ResumedHandshake => "resumed handshake each",
        };
        let text = format!("{} × {} field, {session}", self.connections, self.fields);
        f.pad(&text)
    }
}

/// All runs so far, and what they mean.
pub struct Report {
    pub runs: Vec<Run>,
    pub candidate: Kind,
    reference: Kind,
    plan: Plan,
    pub earlier: Earlier,
}

impl Report {
    pub fn new(candidate: Kind, reference: Kind, plan: Plan, earlier: Earlier) -> Report {
        Report { runs: Vec::new(), candidate, reference, plan, earlier }
    }

    /// The first scenario in one line: throughput ratio, p99 ratio, requests/s and resident MiB of the candidate.
    pub fn ratios(&self) -> String {
        let Some(first) = self.plan.scenarios().into_iter().next() else { return String::new() };
        let figures = [
            self.ratio(&first, |run| run.requests_per_s),
            self.ratio(&first, |run| run.p99_us),
            self.median(Role::Candidate, &first, |run| run.requests_per_s),
            self.of(Role::Candidate, &first).map(|run| run.rss_mib).reduce(f64::max),
        ];
        figures.map(|figure| figure.map_or("null".into(), |figure| format!("{figure:.4}"))).join(" ") + "\n"
    }

    pub fn errors(&self) -> u64 {
        self.runs.iter().map(|run| run.errors).sum()
    }

    /// The summary as JSON. Figures this version cannot measure are null.
    pub fn summary(&self) -> serde_json::Result<String> {
        let scenarios: Vec<Value> = self
            .plan
            .scenarios()
            .iter()
            .map(|scenario| {
                json!({
                    "scenario": scenario,
                    "candidate": self.medians(Role::Candidate, scenario),
                    "reference": self.medians(Role::Reference, scenario),
                    "cpu_ratio": self.ratio(scenario, |run| run.cpu_us_per_request),
                    "throughput_ratio": self.ratio(scenario, |run| run.requests_per_s),
                    "p99_ratio": self.ratio(scenario, |run| run.p99_us),
                })
            })
            .collect();
        let figures = self.figures();
        serde_json::to_string_pretty(&json!({
            "one_field_cpu_ratio_c64": figures.cpu_ratio,
            "one_field_ratio_c64": figures.throughput_ratio,
            "one_field_p99_ratio_c64": figures.p99_ratio,
            "batch100_fields_per_s": figures.batch_fields_per_s,
            "million_objects_ratio": self.earlier.million_objects_ratio,
            "million_misses_ratio": self.earlier.million_misses_ratio,
            "million_misses_per_s": self.earlier.million_misses_per_s,
            "million_rss_mib": self.earlier.million_rss_mib,
            "million_misses_rss_mib": self.earlier.million_misses_rss_mib,
            "startup_million_s": self.earlier.startup_million_s,
            "strict_ratio_c256": self.earlier.strict_ratio_c256,
            "strict_bound_ratio_c256": self.earlier.strict_bound_ratio_c256,
            "strict_p99_ratio_c256": self.earlier.strict_p99_ratio_c256,
            "commit_us": self.earlier.commit_us,
            "rss_mib": figures.rss_mib,
            "candidate": self.candidate,
            "reference": self.reference,
            "plan": self.plan,
            "cores": cores(),
            "errors": self.errors(),
            "scenarios": scenarios,
            "runs": self.runs,
        }))
    }

    pub fn figures(&self) -> Figures {
        let one_field = one_field();
        Figures {
            cpu_ratio: self.ratio(&one_field, |run| run.cpu_us_per_request),
            throughput_ratio: self.ratio(&one_field, |run| run.requests_per_s),
            p99_ratio: self.ratio(&one_field, |run| run.p99_us),
            batch_fields_per_s: self
                .median(Role::Candidate, &batch(), |run| run.requests_per_s)
                .map(|requests_per_s| requests_per_s * BATCH_FIELDS as f64),
            rss_mib: self.of(Role::Candidate, &one_field).map(|run| run.rss_mib).reduce(f64::max),
        }
    }

    fn of(&self, role: Role, scenario: &Scenario) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.role == role && run.belongs_to(scenario))
    }

    pub fn median(&self, role: Role, scenario: &Scenario, figure: fn(&Run) -> f64) -> Option<f64> {
        median(self.of(role, scenario).map(figure).collect())
    }

    fn medians(&self, role: Role, scenario: &Scenario) -> Value {
        let median = |figure| self.median(role, scenario, figure);
        json!({
            "requests_per_s": median(|run| run.requests_per_s),
            "cpu_us_per_request": median(|run| run.cpu_us_per_request),
            "p50_us": median(|run| run.p50_us),
            "p99_us": median(|run| run.p99_us),
            "rss_mib": median(|run| run.rss_mib),
            "resumed_share": median(|run| run.resumed_share),
        })
    }

    /// Median over rounds of candidate / reference.
    fn ratio(&self, scenario: &Scenario, figure: fn(&Run) -> f64) -> Option<f64> {
        let pairs = self.of(Role::Candidate, scenario).filter_map(|candidate| {
            let reference = self.of(Role::Reference, scenario).find(|run| run.round == candidate.round)?;
            let divisor = figure(reference);
            (divisor > 0.0).then(|| figure(candidate) / divisor)
        });
        median(pairs.collect())
    }
}

/// The figures the first targets speak of.
pub struct Figures {
    pub cpu_ratio: Option<f64>,
    pub throughput_ratio: Option<f64>,
    pub p99_ratio: Option<f64>,
    pub batch_fields_per_s: Option<f64>,
    pub rss_mib: Option<f64>,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_scenarios(f)?;
        // What the targets are ratios to is the echo.
        if self.reference == Kind::Echo { self.write_targets(f) } else { Ok(()) }
    }
}

impl Report {
    fn write_scenarios(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = match (self.candidate, self.reference) {
            (Kind::Gembok, Kind::Echo) => "gembok / echo",
            (Kind::Gembok, Kind::Gembok) => "candidate / reference",
            (Kind::Echo, _) => "echo 1 / echo",
        };
        writeln!(f, "\nMedians over rounds, {name}; CPU is the server's own, user + system.\n")?;
        writeln!(
            f,
            "{:<40} {:>19} {:>19} {:>19} {:>19} {:>8}",
            "connections × fields", "requests/s", "CPU µs", "p50 µs", "p99 µs", "resumed"
        )?;
        for scenario in self.plan.scenarios() {
            let pair = |figure: fn(&Run) -> f64, decimals: usize| {
                let [a, b] = [Role::Candidate, Role::Reference].map(|role| {
                    self.median(role, &scenario, figure)
                        .map_or("–".into(), |value| format!("{value:.decimals$}"))
                });
                format!("{a} / {b}")
            };
            let resumed = self
                .median(Role::Candidate, &scenario, |run| run.resumed_share)
                .map_or("–".into(), |share| format!("{:.0}%", share * 100.0));
            writeln!(
                f,
                "{:<40} {:>19} {:>19} {:>19} {:>19} {:>8}",
                scenario,
                pair(|run| run.requests_per_s, 0),
                pair(|run| run.cpu_us_per_request, 2),
                pair(|run| run.p50_us, 0),
                pair(|run| run.p99_us, 0),
                resumed,
            )?;
        }
        Ok(())
    }
}

pub fn one_field() -> Scenario {
    Scenario {
        session: Session::KeptAlive,
        connections: ONE_FIELD_CONNECTIONS,
        fields: 1,
        rounds: 0,
        window: std::time::Duration::ZERO,
    }
}

fn batch() -> Scenario {
    Scenario { connections: BATCH_CONNECTIONS, fields: BATCH_FIELDS, ..one_field() }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(values[values.len() / 2 - 1], upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
