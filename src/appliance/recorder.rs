//! The open block: access records wait here, at most a few milliseconds, to become durable together. A record that somebody
//! waits for is committed as soon as it has its `company`, with all that gathered meanwhile. The thread that commits is in
//! `committer`.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::domain::access_record::AccessRecord;
use crate::domain::operation::{Operation, Operations};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::Counters;
use crate::domain::timestamp::Now;
use crate::store::Store;

use super::committer::Committer;
use super::disk_reserve::{DiskReserve, DiskSpace};
use super::fault::{Fault, Stop};
use super::key_uses::Uses;
use super::pause::{Compaction, Pause, PauseWait};
use super::tenure;

/// Most fields carried out whose records are not yet durable: what an unclean end can lose, and a gap states. Half a second
/// at full speed.
pub const FIELDS_UNRECORDED_MAX: u64 = 1 << 18;

/// How long whoever prunes waits for a fold, and between two looks whether it is done.
const FOLD_WAIT: Duration = Duration::from_secs(10);
const FOLD_LOOK: Duration = Duration::from_millis(5);

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

pub(super) struct Shared {
    pub(super) limits: JournalLimits,
    open: Mutex<Open>,
    /// What [`Open::refuses`] said last.
    refuses: AtomicBool,
    news: Condvar,
    pub(super) totals: Mutex<Totals>,
    /// Fields that have room: carried out, or about to be, and not yet durable.
    pub(super) fields: AtomicU64,
    pub(super) pause: Pause,
    /// Uses of key versions, folded from what is durable.
    pub(super) uses: Mutex<Uses>,
    /// Somebody waits until they are folded.
    pub(super) folds_now: AtomicBool,
    /// Rows of the statistics were taken out: what is remembered of them may not hold.
    pub(super) statistics_went: AtomicBool,
}

/// Committed since the start, by operation and outcome of the whole request: for metrics, which forget at a restart.
pub type Totals = HashMap<(Option<Operation>, u16), Counters, RandomState>;

/// How whoever waits for a record is told what became of it: durable, or why not. Called once, from the journal's thread
/// or from within [`Recorder::record_strict`]; it must not block.
pub type Tell = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

#[derive(Default)]
pub(super) struct Open {
    pub(super) records: Vec<Waiting>,
    /// The records and their groups: what their memory grows with.
    pub(super) weight: usize,
    pub(super) unrecorded: u64,
    /// Records of them that somebody waits for.
    pub(super) waited_for: usize,
    /// As many as that are not kept waiting for more.
    pub(super) enough: usize,
    pub(super) closing: bool,
    /// The thread has ended: nothing more becomes durable.
    pub(super) closed: bool,
    /// Why the last commit failed, until one succeeds.
    pub(super) trouble: Option<String>,
    /// The disk, as it was measured last.
    pub(super) disk: Option<DiskSpace>,
}

/// Room for the fields of one request, taken before they are carried out and given back when their record is durable, or when
/// nothing came of them.
#[must_use = "room is held until it is given to a record"]
pub struct Room {
    shared: Arc<Shared>,
    fields: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.fields.fetch_sub(self.fields, Ordering::AcqRel);
    }
}

pub(super) struct Waiting {
    pub(super) record: AccessRecord,
    pub(super) room: Option<Room>,
    pub(super) tell: Option<Tell>,
}

impl Waiting {
    pub(super) fn weight(&self) -> usize {
        1 + self.record.groups.len()
    }

    /// Nobody gets an answer that could not be recorded. The record, where it is kept, says so too, beside what was done.
    pub(super) fn fail(&mut self) {
        if let Some(tell) = self.tell.take() {
            self.record.outcome = Some(Code::JournalFull);
            tell(Err(Code::JournalFull.into()));
        }
    }
}

impl Open {
    fn is_short(&self) -> bool {
        self.disk.is_some_and(DiskSpace::is_short)
    }

    /// Whether no request may begin.
    fn refuses(&self, limits: &JournalLimits) -> bool {
        self.weight >= limits.buffer_records_max || self.trouble.is_some() || self.is_short()
    }
}

/// The open block under its lock. Letting go of it publishes whether requests may begin, so that asking takes no lock.
pub(super) struct Turn<'a> {
    shared: &'a Shared,
    open: MutexGuard<'a, Open>,
}

impl Shared {
    pub(super) fn open(&self) -> Turn<'_> {
        Turn { shared: self, open: self.open.lock() }
    }
}

impl Turn<'_> {
    /// Lets go until there is news, at most until `deadline`; whether that came first.
    pub(super) fn wait_until(&mut self, deadline: Instant) -> bool {
        self.publish();
        self.shared.news.wait_until(&mut self.open, deadline).timed_out()
    }

    /// Says so already before it lets go.
    pub(super) fn publish(&self) {
        let refuses = self.open.refuses(&self.shared.limits);
        // Mostly nothing has changed; then the line stays in every processor's cache.
        if self.shared.refuses.load(Ordering::Relaxed) != refuses {
            self.shared.refuses.store(refuses, Ordering::Release);
        }
    }
}

impl Deref for Turn<'_> {
    type Target = Open;

    fn deref(&self) -> &Open {
        &self.open
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Open {
        &mut self.open
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}

impl Recorder {
    /// Starts the thread. `clock` is asked for the time of each block.
    ///
    /// # Errors
    /// The store's, when the opening cannot be journalled; the system's, when it gives no thread.
    pub fn start(
        store: Store,
        limits: JournalLimits,
        reserve: DiskReserve,
        clock: fn() -> Now,
    ) -> Result<Self, Stop> {
        let uses = Uses::load(&store, clock())?;
        tenure::open(&store, FIELDS_UNRECORDED_MAX, clock())?;
        let shared = Arc::new(Shared {
            limits,
            open: Mutex::default(),
            refuses: AtomicBool::new(false),
            news: Condvar::new(),
            totals: Mutex::default(),
            fields: AtomicU64::new(0),
            pause: Pause::default(),
            uses: Mutex::new(uses),
            folds_now: AtomicBool::new(false),
            statistics_went: AtomicBool::new(false),
        });
        let committer = Committer::new(Arc::clone(&shared), store, reserve, clock);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || committer.run())
            .map_err(|error| Fault::new(format!("the journal's thread cannot be started: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Whether `operation` is answered only after its block is durable.
    #[must_use]
    pub fn is_strict(&self, operation: Operation) -> bool {
        self.shared.limits.strict.has(operation)
    }

    /// Whether a record more may wait. Asked before a request is carried out, so that none goes unrecorded: not while the
    /// buffer is full, not while what waits cannot be made durable, and not from the disk's reserve.
    ///
    /// # Errors
    /// `journal-full`.
    pub fn check_room(&self) -> Result<(), Refusal> {
        if self.shared.refuses.load(Ordering::Acquire) { Err(Code::JournalFull.into()) } else { Ok(()) }
    }

    /// Whether waiting a little is all it takes: the store is being compacted, or the journal catches up after it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.pause.is_under_way(Instant::now(), || self.trouble().is_none())
    }

    /// Waits for the end of a pause, if there is one: it does not end before what this returns is dropped.
    pub fn wait_in_pause(&self) -> PauseWait<'_> {
        self.shared.pause.wait()
    }

    /// Says that the store is being compacted, until what this returns is dropped.
    pub(super) fn begin_compaction(&self) -> Compaction<'_> {
        self.shared.pause.begin()
    }

    /// Takes room for the fields of one request; at most [`FIELDS_UNRECORDED_MAX`] have it at once.
    ///
    /// # Errors
    /// `journal-full`.
    pub fn take_room(&self, fields: usize) -> Result<Room, Refusal> {
        let room = Room { shared: Arc::clone(&self.shared), fields: fields as u64 };
        let taken = self.shared.fields.fetch_add(room.fields, Ordering::AcqRel);
        if taken + room.fields > FIELDS_UNRECORDED_MAX { Err(Code::JournalFull.into()) } else { Ok(room) }
    }

    /// Puts a record into the open block, with the room of what it records. What was done always finds a place, because room
    /// was taken before; refusals beyond twice the limit, or while the disk has no more than its reserve, are only counted,
    /// so that neither memory nor disk can be filled with them.
    pub fn record(&self, record: AccessRecord, room: Option<Room>) {
        self.put(Waiting { record, room, tell: None });
    }

    /// The same for a record that somebody waits for: it waits for its company alone, and `tell` says when it is durable, or
    /// `journal-full` when that failed. What failed stays in the buffer, with that outcome.
    pub fn record_strict(&self, record: AccessRecord, room: Option<Room>, tell: Tell) {
        self.put(Waiting { record, room, tell: Some(tell) });
    }

    fn put(&self, mut waiting: Waiting) {
        let mut open = self.shared.open();
        // The next try is a second away, and need not succeed.
        if open.trouble.is_some() {
            waiting.fail();
        }
        let full = open.weight >= self.shared.limits.buffer_records_max.saturating_mul(2);
        let refused = waiting.record.groups.is_empty();
        if open.closed || refused && (full || open.is_short()) {
            open.unrecorded += waiting.record.requests();
            drop(open);
            waiting.fail();
            return;
        }
        let is_waited_for = waiting.tell.is_some();
        open.waited_for += usize::from(is_waited_for);
        open.weight += waiting.weight();
        open.records.push(waiting);
        let is_news = is_waited_for && (open.waited_for == 1 || open.waited_for == open.enough);
        if open.records.len() == 1 || is_news {
            drop(open);
            self.shared.news.notify_one();
        }
    }

    /// Says that something else could not be made durable: nobody is let in until a block was committed again. The refusals
    /// that follow make the journal try.
    pub(super) fn report_trouble(&self, why: String) {
        self.shared.open().trouble.get_or_insert(why);
    }

    /// Requests whose records found no place since the start.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.shared.open.lock().unrecorded
    }

    /// Why requests on data are refused as `journal-full` at present, if they are.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let open = self.shared.open.lock();
        let short = || {
            open.disk.filter(|disk| disk.is_short()).map(|disk| {
                format!(
                    "{} MiB are free on the disk and {} MiB are its reserve (journal.disk_reserve_mib); free some space",
                    disk.free_bytes >> 20,
                    disk.reserve_bytes >> 20
                )
            })
        };
        open.trouble.clone().or_else(short)
    }

    /// The disk, as it was measured last, at most about a second ago.
    #[must_use]
    pub fn disk(&self) -> Option<DiskSpace> {
        self.shared.open.lock().disk
    }

    /// Uses of key versions, as far as they are folded and beyond.
    pub(super) fn uses(&self) -> MutexGuard<'_, Uses> {
        self.shared.uses.lock()
    }

    /// Waits until the uses in every record before `to` are folded: then its record may go. Blocks.
    ///
    /// # Errors
    /// `journal-full` when that does not come to be.
    pub(super) fn fold_uses(&self, to: u64) -> Result<(), Refusal> {
        let start = Instant::now();
        while !self.uses().are_folded(to) {
            if start.elapsed() >= FOLD_WAIT {
                return Err(Code::JournalFull.into());
            }
            self.shared.folds_now.store(true, Ordering::Release);
            self.shared.news.notify_one();
            std::thread::sleep(FOLD_LOOK);
        }
        Ok(())
    }

    /// Says that somebody else changed rows of the statistics.
    pub(super) fn forget_statistics(&self) {
        self.shared.statistics_went.store(true, Ordering::Release);
    }

    /// What was committed since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.totals.lock().clone()
    }

    /// Commits what waits and ends the thread. A commit that fails now is not tried again: what waited is lost, and the next
    /// unlock says so by a gap.
    pub fn close(&self) {
        self.shared.open().closing = true;
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
