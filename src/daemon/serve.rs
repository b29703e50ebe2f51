//! The daemon's life: what is started in which order, what wakes it, and how it ends.
//!
//! ```text
//! configuration ─ log ─ memory ─ store ─ local socket ─ listeners (once there is a PKI) ─ unlock ─┐
//!                                                                                                 │
//!   every second: tend · something changed: listeners follow · SIGHUP: read again · SIGTERM, SIGINT: drain, flush, end
//! ```

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::clock::now;
use crate::appliance::{Acceptance, Appliance, LockReason, State, StateName, Stop, Tending};
use crate::ceremony::socket::LocalSocket;
use crate::config::{self, Config};
use crate::domain::actor::Actor;
use crate::domain::refusal::Code;

use super::planes::Planes;
use super::telemetry::{self, Telemetry};
use super::workers::Workers;
use super::{memory, settings};

/// Between two looks at everything.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// How long work on blocking threads may outlast everything else.
const STRAGGLERS_MAY_TAKE: Duration = Duration::from_secs(1);
/// Waits between tries to unlock while the token is away: the first, doubling to the last.
const UNLOCK_WAIT_FIRST: Duration = Duration::from_secs(1);
const UNLOCK_WAIT_LAST: Duration = Duration::from_secs(60);

/// Serves until told to stop by SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`]: what kept it from starting, or from going on, and what to do.
pub fn serve(file: &Path) -> Result<(), ServeError> {
    let config = Config::load(file).map_err(ServeError::of)?;
    let telemetry = telemetry::start(&config.log).map_err(ServeError::of)?;
    let memory = memory::protect(config.memory.lock).map_err(ServeError::of)?;
    if !memory.is_locked {
        tracing::warn!("memory is not locked, keys could reach the swap; this is for a sandbox only");
    }
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let changed = Arc::new(Notify::new());
    let notify = Arc::clone(&changed);
    let notify = Box::new(move || notify.notify_one());
    let settings =
        settings::settings(&config, memory, credentials.as_deref(), now, notify).map_err(ServeError)?;
    let directory = &settings.state_directory;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
        ServeError(format!(
            "{} cannot be made: {error}; make it, owned by this user, mode 0700",
            directory.display()
        ))
    })?;
    let appliance = Arc::new(Appliance::open(settings).map_err(ServeError::of)?);
    if appliance.state_name() != StateName::Unprovisioned {
        for finding in config.check(credentials.as_deref()) {
            tracing::warn!(place = finding.place, what = finding.what, hint = finding.hint, "look at this");
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| no_threads(&error))?;
    let outcome = runtime.block_on(Daemon { config, appliance, changed, telemetry }.run());
    // Something may be in a call that never comes back; it has had its time.
    runtime.shutdown_timeout(STRAGGLERS_MAY_TAKE);
    outcome
}

fn no_threads(error: &std::io::Error) -> ServeError {
    ServeError(format!("no threads can be started: {error}; raise the limit on tasks"))
}

/// Ends the process at once. PKCS#11 modules leave exit handlers behind, which crash while a call into the module has not
/// come back (`SoftHSM` and `OpenSSL` even without one). All that matters is durable or wiped by now.
pub fn end_process(status: u8) -> ! {
    signal_hook::low_level::exit(status.into())
}

struct Daemon {
    config: Config,
    appliance: Arc<Appliance>,
    /// Rung by the appliance: its state changed, or files of its PKI did.
    changed: Arc<Notify>,
    telemetry: Telemetry,
}

impl Daemon {
    async fn run(self) -> Result<(), ServeError> {
        let mut signals = Signals::listen()?;
        let socket = LocalSocket::bind(&self.config.local.socket).map_err(ServeError::of)?;
        tracing::info!(socket = %self.config.local.socket.display(), "listening for the operator");
        let (stop, _) = watch::channel(false);
        let workers = Workers::start().map_err(|error| no_threads(&error))?;
        let mut planes = Planes::new(&self.config, &self.appliance, workers);
        planes.probe().await?;
        planes.follow().await?;
        let local = tokio::spawn(socket.serve(Arc::clone(&self.appliance), now, told(&stop)));
        let tending = tokio::spawn(tend(Arc::clone(&self.appliance), told(&stop)));
        let unlocking = tokio::spawn(unlock_by_itself(Arc::clone(&self.appliance)));
        say(&[NotifyState::Ready]);

        let outcome = self.attend(&mut signals, &mut planes).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "cannot go on");
        }

        say(&[NotifyState::Stopping]);
        unlocking.abort();
        planes.close().await;
        stop.send_replace(true);
        ended("local socket", local).await;
        ended("housekeeping", tending).await;
        let appliance = Arc::clone(&self.appliance);
        ended("journal", spawn_blocking(move || appliance.shut_down())).await;
        tracing::info!("stopped");
        outcome
    }

    /// Until told to stop, or until it cannot go on.
    async fn attend(&self, signals: &mut Signals, planes: &mut Planes) -> Result<(), ServeError> {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hangup.recv() => self.reload(planes),
                () = self.changed.notified() => planes.follow().await?,
                () = planes.broken() => return Err(ServeError("a listener broke off by a bug; the log has the line".into())),
            }
        }
    }

    /// Reads everything again. A configuration or a PKI that is wrong anywhere changes nothing.
    fn reload(&self, planes: &mut Planes) {
        let next = match Config::load(&self.config.file) {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the configuration is wrong; the old one stays in force");
                return;
            }
        };
        if !planes.reload() {
            return;
        }
        self.appliance.settings().policies.store(Arc::new(settings::policies_of(&next)));
        self.appliance.govern(settings::access_of(&next));
        self.appliance.policies_read(next.policies.files);
        self.telemetry.set_level(next.log.level);
        let waiting = waiting_sections(&self.config, &next);
        if !waiting.is_empty() {
            tracing::warn!(
                sections = waiting.join(", "),
                "these sections changed and take effect at the next start"
            );
        }
        tracing::info!("configuration read again; policies, certificates and the log's level are in force");
    }
}

/// Sections with a change that has to wait for the next start.
fn waiting_sections(old: &Config, new: &Config) -> Vec<&'static str> {
    // What a reload has put in force does not wait.
    let requests_in_flight_per_certificate_max = new.tls.requests_in_flight_per_certificate_max;
    let tls = config::Tls { requests_in_flight_per_certificate_max, ..old.tls.clone() };
    let log = config::Log { level: new.log.level, ..old.log.clone() };
    let pairs = [
        ("state", old.state == new.state),
        ("local", old.local == new.local),
        ("data", old.data == new.data),
        ("control", old.control == new.control),
        ("tls", tls == new.tls),
        ("pki", old.pki == new.pki),
        ("token", old.token == new.token),
        ("store", old.store == new.store),
        ("keyring", old.keyring == new.keyring),
        ("degraded", old.degraded == new.degraded),
        ("journal", old.journal == new.journal),
        ("statistics", old.statistics == new.statistics),
        ("memory", old.memory == new.memory),
        ("log", log == new.log),
    ];
    pairs.into_iter().filter(|(_, same)| !same).map(|(section, _)| section).collect()
}

/// Unlocks after a start. What may pass at the token is tried again; anything else waits for the operator, because a wrong
/// PIN tried again may lock the token.
async fn unlock_by_itself(appliance: Arc<Appliance>) {
    let mut wait = UNLOCK_WAIT_FIRST;
    loop {
        let State::Locked(LockReason::Started | LockReason::UnlockFailed(_)) = &*appliance.state() else {
            return;
        };
        let unlocking = Arc::clone(&appliance);
        let tried =
            spawn_blocking(move || unlocking.unlock(Actor::System, Acceptance::default(), now())).await;
        match tried {
            Ok(Err(Stop::Refused(refusal))) if refusal.code == Code::TokenAway => {
                tracing::warn!(
                    retry_s = wait.as_secs(),
                    "the token may come round; the unlock is tried again"
                );
            }
            _ => return,
        }
        sleep(wait).await;
        wait = (wait * 2).min(UNLOCK_WAIT_LAST);
    }
}

async fn tend(appliance: Arc<Appliance>, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut ticks = interval(TEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tending = Tending::default();
    loop {
        tokio::select! {
            () = stop.as_mut() => return,
            _ = ticks.tick() => {}
        }
        let appliance = Arc::clone(&appliance);
        let tended = spawn_blocking(move || {
            appliance.tend(&mut tending, now());
            tending
        });
        tending = tended.await.unwrap_or_else(|_| {
            tracing::error!("housekeeping broke off by a bug; it goes on from the start");
            Tending::default()
        });
    }
}

fn told(stop: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut stop = stop.subscribe();
    async move { drop(stop.wait_for(|stop| *stop).await) }
}

async fn ended(what: &str, task: JoinHandle<()>) {
    if task.await.is_err() {
        tracing::error!(what, "broke off by a bug");
    }
}

/// To the service manager, where there is one.
fn say(word: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(word) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ServeError> {
        let listen =
            |kind| signal(kind).map_err(|error| ServeError(format!("signals cannot be received: {error}")));
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }
}

/// Why the daemon does not serve: what happened, then what to do.
#[derive(Debug)]
pub struct ServeError(pub(super) String);

impl ServeError {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}
