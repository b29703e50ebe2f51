//! The log: lines about what happened, never about what was in it. To standard error, for the journal to keep.

use std::panic::{self, PanicHookInfo};

use tracing::{error, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// The log at work.
pub struct Telemetry {
    targets: reload::Handle<Targets, Registry>,
}

/// Starts the log and takes over panics. Once per process.
///
/// # Errors
/// When a log is already running.
pub fn start(log: &Log) -> Result<Telemetry, TryInitError> {
    let (filter, targets) = reload::Layer::new(targets(log.level));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()?;
    panic::set_hook(Box::new(report_panic));
    Ok(Telemetry { targets })
}

impl Telemetry {
    /// Writes lines from `level` on.
    pub fn set_level(&self, level: LogLevel) {
        if let Err(error) = self.targets.reload(targets(level)) {
            error!(%error, "the log's level stays as it was");
        }
    }
}

fn targets(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Other crates' talk may quote requests, headers and API keys among them: never below a warning.
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("gembok", ours)
}

/// Says where, and not what: a panic's message may quote the data it failed on.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Every panic has a place today; the type allows for none.
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    error!(place, thread, "panic; report this place as a bug");
}
