//! The load program: drives two servers in alternating rounds and divides one by the other.
//!
//! ```text
//! main     arguments; rounds in turn; exit status
//! plan     which scenarios, how long
//! target   a server, and a client of it over mutual TLS
//! wire     request bytes, answers read and judged
//! round    connections, warm-up, window
//! process  processor time and memory from /proc
//! soak     half load for long: memory, errors, p99
//! report   medians, paired ratios, summary.json
//! targets  the table of targets
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod plan;
mod process;
mod report;
mod round;
mod soak;
mod target;
mod targets;
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
use crate::wire::{Objects, Request};

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
    /// What it is measured against.
    #[arg(long, value_enum, default_value = "echo")]
    reference: Kind,
    /// <https://host:port> of the reference.
    #[arg(long, default_value = "https://localhost:0")]
    reference_url: String,
    /// Process id of the reference.
    #[arg(long, default_value_t = 0)]
    reference_pid: u32,
    /// Folder with the reference's `ca.pem`, `client.pem` and `client.key`, where it is not the candidate's.
    #[arg(long)]
    reference_client: Option<PathBuf>,
    /// The reference's API key, where it is not the candidate's.
    #[arg(long, env = "REFERENCE_API_KEY", hide_env_values = true)]
    reference_api_key: Option<String>,
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
    /// Instead of that object o0000000 and on, so many, uniformly at random.
    #[arg(long)]
    objects: Option<u32>,
    /// The same of the reference.
    #[arg(long)]
    reference_objects: Option<u32>,
    /// Threads that make the load; one per processor it may use, unless told otherwise.
    #[arg(long)]
    threads: Option<usize>,
    /// How much to measure.
    #[arg(long, value_enum, default_value = "full")]
    plan: Plan,
    /// Instead of a plan: this many minutes at half load, the candidate alone.
    #[arg(long)]
    soak: Option<u64>,
    /// File the figures are written to.
    #[arg(long)]
    summary: PathBuf,
    /// File for the first scenario's throughput ratio, p99 ratio, requests/s and resident MiB, in one line.
    #[arg(long)]
    ratios: Option<PathBuf>,
    /// JSON object of figures measured by runs before this one.
    #[arg(long)]
    figures: Option<PathBuf>,
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
        let candidate = Target::new(self.candidate, &self.candidate_url, self.candidate_pid, &identity)?;
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        if let Some(minutes) = self.soak {
            let candidate = Arc::new(candidate);
            let request = |scenario: &Scenario| self.request(Role::Candidate, &candidate.authority, scenario);
            let soak = soak::run(&candidate, minutes, threads, request)?;
            println!("{soak}");
            std::fs::write(&self.summary, serde_json::to_string_pretty(&soak)?)?;
            return Ok(soak.errors);
        }
        let identity = match &self.reference_client {
            Some(client) => Arc::new(Identity::read(
                &client.join("ca.pem"),
                &client.join("client.pem"),
                &client.join("client.key"),
            )?),
            None => identity,
        };
        let reference = Target::new(self.reference, &self.reference_url, self.reference_pid, &identity)?;
        let (candidate, reference) = (Arc::new(candidate), Arc::new(reference));
        let figures = self.figures.as_ref().map(std::fs::read_to_string).transpose()?;
        let figures = figures.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();

        let mut report = Report::new(self.candidate, self.reference, self.plan, figures);
        for scenario in self.plan.scenarios() {
            for round in 0..scenario.rounds {
                let mut turns = [(Role::Candidate, &candidate), (Role::Reference, &reference)];
                // Who goes first changes each round, so that a machine growing slower or faster
                // favours neither.
                if round % 2 == 1 {
                    turns.reverse();
                }
                for (role, target) in turns {
                    // The same bytes for an echo, `Host` included.
                    let request = self.request(role, &candidate.authority, &scenario);
                    let outcome = round::run(target, &scenario, request, threads, None)?;
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
        if let Some(ratios) = &self.ratios {
            std::fs::write(ratios, report.ratios())?;
        }
        Ok(report.errors())
    }

    fn request(&self, role: Role, authority: &str, scenario: &Scenario) -> Request {
        let path = format!("/v1/endpoints/{}/encrypt", self.endpoint);
        let (api_key, objects) = match role {
            Role::Candidate => (&self.api_key, self.objects),
            Role::Reference => {
                (self.reference_api_key.as_ref().unwrap_or(&self.api_key), self.reference_objects)
            }
        };
        let objects = objects.map_or_else(|| Objects::One(self.object.clone()), Objects::Numbered);
        Request::encrypt(authority, &path, api_key, &objects, scenario.fields)
    }
}
