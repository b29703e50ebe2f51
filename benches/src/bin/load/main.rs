//! The load program: drives two servers in alternating rounds and divides one by the other.
//!
//! ```text
//! main     arguments; rounds in turn; exit status
//! plan     which scenarios, how long
//! target   a server, and a client of it over mutual TLS
//! wire     request bytes, answers read and judged
//! round    connections, warm-up, window
//! process  processor time and memory from /proc
//! report   medians, paired ratios, the table, summary.json
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod plan;
mod process;
mod report;
mod round;
mod target;
mod wire;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;

use crate::plan::{Plan, Scenario};
use crate::report::{Report, Role, Run};
use crate::target::{Identity, Kind, Target};
use crate::wire::Request;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure a candidate against a reference, both on this machine.
#[derive(Parser)]
struct Arguments {
    /// What the candidate is; `echo` measures the noise of the harness itself.
    #[arg(long, value_enum, default_value = "gembok")]
    candidate: Kind,
    /// <https://host:port> of the candidate.
    #[arg(long)]
    candidate_url: String,
    /// Process id of the candidate.
    #[arg(long)]
    candidate_pid: u32,
    /// <https://host:port> of the reference echo.
    #[arg(long)]
    reference_url: String,
    /// Process id of the reference echo.
    #[arg(long)]
    reference_pid: u32,
    /// CA of both servers' certificates, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// Client certificate chain, PEM.
    #[arg(long)]
    cert: PathBuf,
    /// Private key of the client certificate, PEM.
    #[arg(long)]
    key: PathBuf,
    /// API key; from the environment, so that no process list shows it.
    #[arg(long, env = "GEMBOK_API_KEY", hide_env_values = true)]
    api_key: String,
    /// Endpoint the API key belongs to.
    #[arg(long, default_value = "absensi")]
    endpoint: String,
    /// Object to encrypt for.
    #[arg(long, default_value = "karyawan")]
    object: String,
    /// Threads that make the load; one per processor it may use, unless told otherwise.
    #[arg(long)]
    threads: Option<usize>,
    /// How much to measure.
    #[arg(long, value_enum, default_value = "full")]
    plan: Plan,
    /// File the figures are written to.
    #[arg(long)]
    summary: PathBuf,
}

fn main() -> ExitCode {
    match Arguments::parse().measure() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(errors) => {
            eprintln!(
                "{errors} requests failed, so the figures above do not count; \
                 the first error of each round stands in the summary under runs"
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("the measurement stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// Runs the whole plan, prints and writes the report; says how many requests failed.
    fn measure(&self) -> Result<u64, Box<dyn Error>> {
        let identity = Arc::new(Identity::read(&self.ca, &self.cert, &self.key)?);
        let target =
            |kind, url, pid| Ok::<_, Box<dyn Error>>(Arc::new(Target::new(kind, url, pid, &identity)?));
        let candidate = target(self.candidate, &self.candidate_url, self.candidate_pid)?;
        let reference = target(Kind::Echo, &self.reference_url, self.reference_pid)?;

        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let mut report = Report::new(self.candidate, self.plan);
        for scenario in self.plan.scenarios() {
            for round in 0..scenario.rounds {
                let mut turns = [(Role::Candidate, &candidate), (Role::Reference, &reference)];
                // Who goes first changes each round, so that a machine growing slower or faster
                // favours neither.
                if round % 2 == 1 {
                    turns.reverse();
                }
                for (role, target) in turns {
                    let request = self.request(&candidate.authority, &scenario);
                    let outcome = round::run(target, &scenario, request, threads)?;
                    let run = Run::new(role, round, &scenario, &outcome);
                    eprintln!("{run}");
                    if let (0, Some(error)) = (run.requests, &run.first_error) {
                        return Err(format!("no request was answered as it should be: {error}").into());
                    }
                    report.runs.push(run);
                }
            }
        }
        println!("{report}");
        std::fs::write(&self.summary, report.summary()?)?;
        Ok(report.errors())
    }

    /// The same bytes for both servers, `Host` included.
    fn request(&self, authority: &str, scenario: &Scenario) -> Request {
        let path = format!("/v1/endpoints/{}/encrypt", self.endpoint);
        Request::encrypt(authority, &path, &self.api_key, &self.object, scenario.fields)
    }
}
