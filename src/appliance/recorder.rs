//! The open block: access records wait here, at most a few milliseconds, to become durable together. One commit carries
//! the block and the statistics folded from it, so that statistics always equal a recount of the journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::crypto::block::write_leaf;
use crate::domain::access_record::{self, AccessRecord, outcome_number};
use crate::domain::cbor;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::{Counters, Fold};
use crate::domain::timestamp::Now;
use crate::store::{BATCH_CHANGES_MAX, BLOCK_BYTES_MAX, Batch, Store, StoreError, Table};

use super::fault::Stop;

/// How long to wait before a commit that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes of leaves at which a block is closed; the last record may go beyond it.
const BLOCK_BYTES_ENOUGH: usize = 1 << 20;
/// Rows of statistics at which a block is closed; the last record may go beyond it.
const BLOCK_ROWS_ENOUGH: usize = 20_000;

/// How records are gathered.
#[derive(Debug, Clone, Copy)]
pub struct JournalLimits {
    /// How long a record may wait for others.
    pub flush_after: Duration,
    /// Records, and groups of items in them, that may wait; beyond it requests are refused.
    pub buffer_records_max: usize,
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

#[derive(Default)]
struct Open {
    records: Vec<AccessRecord>,
    /// The records and their groups: what their memory grows with.
    weight: usize,
    unrecorded: u64,
    closing: bool,
    /// Why the last commit failed, until one succeeds.
    trouble: Option<String>,
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
        let mut open = self.shared.open.lock();
        if open.weight >= self.shared.limits.buffer_records_max.saturating_mul(2) {
            open.unrecorded += 1;
            return;
        }
        open.weight += 1 + record.groups.len();
        open.records.push(record);
        if open.records.len() == 1 {
            self.shared.news.notify_one();
        }
    }

    /// Refusals that found no room since the start.
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
                let block = Block::gather(&records);
                let count = block.count;
                let committed = block.commit(store, clock());
                if committed.is_ok() {
                    self.total(&records[..count]);
                    records.drain(..count);
                }
                let mut open = self.open.lock();
                open.trouble = committed.err().map(|why| why.to_string());
                let Some(why) = &open.trouble else { continue };
                tracing::error!(records = records.len(), %why, "access records could not be committed");
                if open.closing {
                    return;
                }
                // Back to the front of the buffer, in order: nothing is lost while the process lives.
                records.append(&mut open.records);
                open.weight = records.iter().map(|record| 1 + record.groups.len()).sum();
                open.records = std::mem::take(&mut records);
                self.news.wait_for(&mut open, RETRY_AFTER);
            }
            if closing {
                return;
            }
        }
    }

    fn total(&self, records: &[AccessRecord]) {
        let mut totals = self.totals.lock();
        for record in records {
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

    /// Waits for a first record, then as long as it may wait for others.
    fn wait(&self) -> (Vec<AccessRecord>, bool) {
        let mut open = self.open.lock();
        while open.records.is_empty() && !open.closing {
            self.news.wait(&mut open);
        }
        if !open.closing {
            drop(open);
            std::thread::sleep(self.limits.flush_after);
            open = self.open.lock();
        }
        open.weight = 0;
        (std::mem::take(&mut open.records), open.closing)
    }
}

/// Records that become durable together, and what they add to the statistics.
struct Block {
    leaves: Vec<u8>,
    fold: Fold,
    count: usize,
}

impl Block {
    /// As many of `records`, from the first on, as make a block.
    fn gather(records: &[AccessRecord]) -> Self {
        const { assert!(BLOCK_BYTES_ENOUGH * 8 <= BLOCK_BYTES_MAX) };
        const { assert!(BLOCK_ROWS_ENOUGH * 2 <= BATCH_CHANGES_MAX) };
        let mut block = Self { leaves: Vec::new(), fold: Fold::default(), count: 0 };
        let mut body = Vec::new();
        for record in records {
            body.clear();
            record.write(&mut body);
            write_leaf(&mut block.leaves, access_record::KIND, access_record::VERSION, &body);
            block.fold.count(record);
            block.count += 1;
            if block.leaves.len() >= BLOCK_BYTES_ENOUGH || block.fold.rows_at_most() >= BLOCK_ROWS_ENOUGH {
                break;
            }
        }
        block
    }

    fn commit(self, store: &Store, now: Now) -> Result<(), Stop> {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        let mut batch = Batch::new(now.time.micros()).records(self.leaves, count);
        for (row_key, added) in self.fold.rows() {
            let mut counters = stored(store, &row_key)?;
            counters.add(&added);
            batch = batch.put(Table::Statistics, &row_key, cbor::encode(&counters));
        }
        store.commit(batch)?;
        Ok(())
    }
}

/// What a bucket holds so far. One that does not open is counted from zero again: the journal has the truth, and a damaged
/// statistic must not stop it.
fn stored(store: &Store, row_key: &[u8]) -> Result<Counters, Stop> {
    match store.get(Table::Statistics, row_key) {
        Ok(None) => Ok(Counters::default()),
        Ok(Some(row)) => Ok(cbor::decode(&row.value)?),
        Err(StoreError::Damaged { row, why }) => {
            tracing::error!(%row, why, "a row of the statistics is lost");
            Ok(Counters::default())
        }
        Err(other) => Err(other.into()),
    }
}
