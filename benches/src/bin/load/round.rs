//! One round: some connections, a warm-up, a measured window, and what happened in it.
//!
//! Each load thread has a single-threaded runtime and its share of the connections, closed loop:
//! a connection sends when it was answered. An answer counts when it came inside the window, and
//! the server's processor time is read at both edges of it; what is in flight at one edge weighs
//! against what is in flight at the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::client::TlsStream;

use crate::plan::{Scenario, Session, WARM_UP};
use crate::process::{Memory, Usage};
use crate::target::Target;
use crate::wire::{Reader, Request};

/// Longest wait for all connections to be up, and for the last answers after the window.
const GRACE: Duration = Duration::from_secs(20);

/// Failures in a row after which a connection gives up for the round.
const FAILURES_MAX: u32 = 5;

/// Pause of a connection that failed, so that a broken server is not also flooded.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Between two looks at the server's memory.
const MINUTE: Duration = Duration::from_secs(60);

/// Longest latency recorded, in nanoseconds.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// What one round measured.
pub struct Outcome {
    pub window: Duration,
    pub tally: Tally,
    pub usage: Usage,
    /// At the end of the window.
    pub memory: Memory,
    /// Resident memory at the end of each minute of it, in KiB.
    pub minutes_kib: Vec<u64>,
}

/// What the connections counted; all but the errors only inside the window.
pub struct Tally {
    pub answered: u64,
    pub resumed: u64,
    pub latency_ns: Histogram<u64>,
    pub errors: u64,
    pub first_error: Option<String>,
}

impl Tally {
    fn new() -> Result<Tally, String> {
        Ok(Tally {
            answered: 0,
            resumed: 0,
            latency_ns: Histogram::new_with_bounds(100, LATENCY_MAX_NS, 3)
                .map_err(|error| error.to_string())?,
            errors: 0,
            first_error: None,
        })
    }

    fn answer(&mut self, latency: Duration, resumed: bool) {
        self.answered += 1;
        self.resumed += u64::from(resumed);
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_MAX_NS);
        self.latency_ns.saturating_record(latency_ns);
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    fn merge(&mut self, other: &Tally) -> Result<(), String> {
        self.answered += other.answered;
        self.resumed += other.resumed;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        self.latency_ns.add(&other.latency_ns).map_err(|error| error.to_string())
    }
}

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

/// What the connections are to do, and what they and the conductor tell each other.
struct Stage {
    target: Arc<Target>,
    scenario: Scenario,
    request: Request,
    /// Between two requests of a connection; none where it sends when it was answered.
    pace: Option<Duration>,
    phase: AtomicU8,
    /// Connections that were answered once, or gave up.
    ready: AtomicUsize,
}

impl Stage {
    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
    }
}

/// Puts `target` under the load of `scenario` for one round, from at most `threads_max` threads.
///
/// # Errors
///
/// The server's process is gone, or the load itself cannot run. What the server answers wrongly
/// is not an error here: it is counted in the tally.
pub fn run(
    target: &Arc<Target>,
    scenario: &Scenario,
    request: Request,
    threads_max: usize,
    pace: Option<Duration>,
) -> Result<Outcome, String> {
    let stage = Arc::new(Stage {
        target: target.clone(),
        scenario: *scenario,
        request,
        pace,
        phase: AtomicU8::new(WARMING),
        ready: AtomicUsize::new(0),
    });
    let threads = threads_max.clamp(1, scenario.connections);
    let workers: Vec<_> = (0..threads)
        .map(|index| {
            let share = (scenario.connections + index) / threads;
            let stage = stage.clone();
            thread::spawn(move || work(&stage, index, share))
        })
        .collect();

    let measured = stage.measure();
    stage.enter(STOPPING);

    let mut tally = Tally::new()?;
    for worker in workers {
        let counted = worker.join().map_err(|_| "a load thread panicked")??;
        tally.merge(&counted)?;
    }
    let (window, usage, memory, minutes_kib) = measured?;
    Ok(Outcome { window, tally, usage, memory, minutes_kib })
}

impl Stage {
    fn measure(&self) -> Result<(Duration, Usage, Memory, Vec<u64>), String> {
        let start = Instant::now();
        while self.ready.load(Ordering::Relaxed) < self.scenario.connections && start.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(WARM_UP);

        let pid = self.target.pid;
        let gone = |error| format!("reading what process {pid} uses: {error}");
        let before = Usage::read(pid).map_err(gone)?;
        let start = Instant::now();
        self.enter(MEASURING);
        let mut minutes_kib = Vec::new();
        let mut left = self.scenario.window;
        while left >= MINUTE {
            thread::sleep(MINUTE);
            left -= MINUTE;
            let memory = Memory::read(pid).map_err(gone)?;
            minutes_kib.push(memory.resident_kib);
            eprintln!("minute {}: rss {:.1} MiB", minutes_kib.len(), memory.resident_kib as f64 / 1_024.0);
        }
        thread::sleep(left);
        let memory = Memory::read(pid).map_err(gone)?;
        let after = Usage::read(pid).map_err(gone)?;
        self.enter(STOPPING);
        Ok((start.elapsed(), after.since(before), memory, minutes_kib))
    }

    /// One client: connects, is answered, and again, until the conductor says stop.
    async fn drive(&self, tally: &RefCell<Tally>, seed: u64) {
        let mut request = self.request.clone();
        let mut draw = Draw(seed);
        let kept = self.scenario.session == Session::KeptAlive;
        let client = self.target.client(self.scenario.session);
        let mut reader = Reader::new();
        let mut answered_once = false;
        let mut failures = 0;
        while self.phase() != STOPPING && failures < FAILURES_MAX {
            let mut start = Instant::now();
            let (mut stream, resumed) = match client.connect().await {
                Ok(connected) => connected,
                Err(error) => {
                    tally.borrow_mut().fail(error);
                    failures += 1;
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                }
            };
            let mut checked = answered_once && !kept;
            loop {
                request.turn_to(draw.next());
                let is_last = match self.exchange(&request, &mut stream, &mut reader, checked).await {
                    Ok(is_last) => {
                        if self.phase() == MEASURING {
                            tally.borrow_mut().answer(start.elapsed(), resumed);
                        }
                        is_last
                    }
                    Err(error) => {
                        tally.borrow_mut().fail(error);
                        failures += 1;
                        tokio::time::sleep(AFTER_FAILURE).await;
                        break;
                    }
                };
                failures = 0;
                checked = true;
                if !answered_once {
                    answered_once = true;
                    self.ready.fetch_add(1, Ordering::Relaxed);
                }
                if !kept || is_last || self.phase() == STOPPING {
                    break;
                }
                start = match self.pace {
                    None => Instant::now(),
                    // From when it was due: a server that stalls must not make the load wait with it unseen.
                    Some(pace) => {
                        let due = start + pace;
                        tokio::time::sleep_until(due.into()).await;
                        due
                    }
                };
            }
            // The server may have hung up first; whatever mattered was answered.
            let _ = stream.shutdown().await;
        }
        if !answered_once {
            self.ready.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends the request and judges the answer, closely unless this client was `checked` before. Whether the server ends
    /// the connection with it.
    async fn exchange(
        &self,
        request: &Request,
        stream: &mut TlsStream<TcpStream>,
        reader: &mut Reader,
        checked: bool,
    ) -> Result<bool, String> {
        let written = async {
            stream.write_all(&request.bytes).await?;
            stream.flush().await
        };
        written.await.map_err(|error| format!("writing: {error}"))?;
        let answer = reader.next(stream).await?;
        if checked {
            request.accept(self.target.kind, &answer)?;
        } else {
            request.accept_closely(self.target.kind, &answer)?;
        }
        Ok(answer.is_last)
    }
}

/// Numbers that look random and are the same in each run (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// One load thread with its share of the connections.
fn work(stage: &Arc<Stage>, index: usize, connections: usize) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("starting a load thread: {error}"))?;
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let tasks = LocalSet::new();
    for connection in 0..connections {
        let (stage, tally) = (stage.clone(), tally.clone());
        let seed = (index * connections + connection) as u64 + 1;
        tasks.spawn_local(async move { stage.drive(&tally, seed).await });
    }
    let limit = GRACE + WARM_UP + stage.scenario.window + GRACE;
    let done = runtime.block_on(async { tokio::time::timeout(limit, tasks).await });
    let mut tally = tally.replace(Tally::new()?);
    if done.is_err() {
        tally.fail(format!("still unanswered after {} s", limit.as_secs()));
    }
    Ok(tally)
}
