//! The open block: access records wait here, at most a few milliseconds, to become durable together. A record that somebody
//! waits for is committed at once, with all that gathered behind it while the commit before was under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::domain::access_record::{AccessRecord, outcome_number};
use crate::domain::operation::{Operation, Operations};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::Counters;
use crate::domain::timestamp::Now;
use crate::store::Store;

use super::block::Block;

/// How long to wait before a commit that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How records are gathered.
#[derive(Debug, Clone, Copy)]
pub struct JournalLimits {
    /// How long a record may wait for others.
    pub flush_after: Duration,
    /// Records, and groups of items in them, that may wait; beyond it requests are refused.
    pub buffer_records_max: usize,
    /// Operations that are answered only after their block is durable.
    pub strict: Operations,
}

/// Takes access records from every worker and commits them from one thread.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    limits: JournalLimits,
    open: Mutex<Open>,
    news: Condvar,
    totals: Mutex<Totals>,
}

/// Committed since the start, by operation and outcome of the whole request: for metrics, which forget at a restart.
pub type Totals = HashMap<(Option<Operation>, u16), Counters>;

/// How whoever waits for a record is told what became of it: durable, or why not. Called once, from the journal's thread
/// or from within [`Recorder::record_strict`]; it must not block.
pub type Tell = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

#[derive(Default)]
struct Open {
    records: Vec<Waiting>,
    /// The records and their groups: what their memory grows with.
    weight: usize,
    unrecorded: u64,
    /// Somebody waits for one of the records.
    urgent: bool,
    closing: bool,
    /// The thread has ended: nothing more becomes durable.
    closed: bool,
    /// Why the last commit failed, until one succeeds.
    trouble: Option<String>,
}

struct Waiting {
    record: AccessRecord,
    tell: Option<Tell>,
}

impl Waiting {
    const fn weight(&self) -> usize {
        1 + self.record.groups.len()
    }

    /// Nobody gets an answer that could not be recorded. The record, where it is kept, says so too, beside what was done.
    fn fail(&mut self) {
        if let Some(tell) = self.tell.take() {
            self.record.outcome = Some(Code::JournalFull);
            tell(Err(Code::JournalFull.into()));
        }
    }
}

impl Recorder {
    /// Starts the thread. `clock` is asked for the time of each block.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn start(store: Store, limits: JournalLimits, clock: fn() -> Now) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            limits,
            open: Mutex::default(),
            news: Condvar::new(),
            totals: Mutex::default(),
        });
        let thread = std::thread::Builder::new().name("journal".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(&store, clock)
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Whether `operation` is answered only after its block is durable.
    #[must_use]
    pub fn is_strict(&self, operation: Operation) -> bool {
        self.shared.limits.strict.has(operation)
    }

    /// Whether a record more may wait. Asked before a request is carried out, so that none goes unrecorded: not while the
    /// buffer is full, and not while what waits cannot be made durable.
    ///
    /// # Errors
    /// `journal-full`.
    pub fn check_room(&self) -> Result<(), Refusal> {
        let open = self.shared.open.lock();
        let full = open.weight >= self.shared.limits.buffer_records_max;
        if full || open.trouble.is_some() { Err(Code::JournalFull.into()) } else { Ok(()) }
    }

    /// Puts a record into the open block. What was done always finds room, because room was asked for before; refusals beyond
    /// twice the limit are only counted, so that a disk that fails cannot fill the memory.
    pub fn record(&self, record: AccessRecord) {
        self.put(Waiting { record, tell: None });
    }

    /// The same for a record that somebody waits for: it is committed at once, and `tell` says when it is durable, or
    /// `journal-full` when that failed. What failed stays in the buffer, with that outcome.
    pub fn record_strict(&self, record: AccessRecord, tell: Tell) {
        self.put(Waiting { record, tell: Some(tell) });
    }

    fn put(&self, mut waiting: Waiting) {
        let mut open = self.shared.open.lock();
        // The next try is a second away, and need not succeed.
        if open.trouble.is_some() {
            waiting.fail();
        }
        if open.closed || open.weight >= self.shared.limits.buffer_records_max.saturating_mul(2) {
            open.unrecorded += 1;
            drop(open);
            waiting.fail();
            return;
        }
        let is_urgent = waiting.tell.is_some() && !open.urgent;
        open.urgent |= is_urgent;
        open.weight += waiting.weight();
        open.records.push(waiting);
        if open.records.len() == 1 || is_urgent {
            drop(open);
            self.shared.news.notify_one();
        }
    }

    /// Records that found no room since the start.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.shared.open.lock().unrecorded
    }

    /// Why records cannot be made durable at present, if they cannot.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.open.lock().trouble.clone()
    }

    /// What was committed since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.totals.lock().clone()
    }

    /// Commits what waits and ends the thread. A commit that fails now is not tried again: what waited is lost, and said.
    pub fn close(&self) {
        self.shared.open.lock().closing = true;
        self.shared.news.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // A panicked journal thread has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn run(&self, store: &Store, clock: fn() -> Now) {
        loop {
            let (mut records, closing) = self.wait();
            while !records.is_empty() {
                let block = Block::gather(records.iter().map(|waiting| &waiting.record));
                let count = block.count;
                match block.commit(store, clock()) {
                    Ok(()) => self.committed(records.drain(..count)),
                    Err(why) => {
                        tracing::error!(records = records.len(), %why, "access records could not be committed");
                        if !self.keep(&mut records, why.to_string()) {
                            return;
                        }
                    }
                }
            }
            if closing {
                self.end();
                return;
            }
        }
    }

    /// Waits for a first record, then as long as it may wait for others: not at all where somebody waits for one.
    fn wait(&self) -> (Vec<Waiting>, bool) {
        let mut open = self.open.lock();
        while open.records.is_empty() && !open.closing {
            self.news.wait(&mut open);
        }
        let until = Instant::now() + self.limits.flush_after;
        while !open.urgent && !open.closing {
            if self.news.wait_until(&mut open, until).timed_out() {
                break;
            }
        }
        open.urgent = false;
        open.weight = 0;
        (std::mem::take(&mut open.records), open.closing)
    }

    /// Durable: whoever waits is told, and what there was is counted.
    fn committed(&self, records: impl Iterator<Item = Waiting>) {
        if self.open.lock().trouble.take().is_some() {
            tracing::info!("access records are committed again");
        }
        let mut totals = self.totals.lock();
        for Waiting { record, tell } in records {
            if let Some(tell) = tell {
                tell(Ok(()));
            }
            let total = totals.entry((record.operation, outcome_number(record.outcome))).or_default();
            total.add(&Counters {
                requests: 1,
                latency_sum_us: record.latency_us,
                latency_max_us: record.latency_us,
                ..Counters::default()
            });
            for group in &record.groups {
                total.add(&Counters {
                    fields: group.fields.into(),
                    bytes: group.bytes,
                    ..Counters::default()
                });
            }
        }
    }

    /// Not durable: whoever waits is told, and the records go back to the front of the buffer, in order, until the next try:
    /// nothing is lost while the process lives. `false` when there will be none, because the journal is closing.
    fn keep(&self, records: &mut Vec<Waiting>, why: String) -> bool {
        let mut open = self.open.lock();
        open.trouble = Some(why);
        records.append(&mut open.records);
        // Told under the lock: who is refused now and comes again is refused by `check_room`.
        records.iter_mut().for_each(Waiting::fail);
        open.urgent = false;
        if open.closing {
            open.closed = true;
            open.unrecorded += records.len() as u64;
            return false;
        }
        open.weight = records.iter().map(Waiting::weight).sum();
        open.records = std::mem::take(records);
        self.news.wait_for(&mut open, RETRY_AFTER);
        true
    }

    /// The last records were committed; one that came meanwhile is too late.
    fn end(&self) {
        let mut open = self.open.lock();
        open.closed = true;
        open.unrecorded += open.records.len() as u64;
        let mut late = std::mem::take(&mut open.records);
        drop(open);
        late.iter_mut().for_each(Waiting::fail);
    }
}
