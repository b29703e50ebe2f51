//! Every wrapped key in a second place, before it seals anything: the escrow log ([`super::escrow_file`]), on another disk, where
//! one is configured.
//!
//! ```text
//! unlock ──> the log is read and checked ──> keys that are missing in it are appended ──> new keys, one after the other
//! new key version ── pre_active, and noted ──> in the log, synced ──> active, in a commit of its own
//! next store key ── in the boot row ──> in the log, synced ──> its turn
//! ```
//!
//! The key version before goes on sealing until then. While the log cannot be written everything that there is goes on, and what is
//! new waits. A key is in the log by its row as it lies in the store, sealed and wrapped: whoever has the log alone reads nothing.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::crypto::escrow::Entry;
use crate::domain::cbor;
use crate::domain::project::Kek;
use crate::domain::timestamp::Now;
use crate::store::{Boot, Row, Scan, Table};

use super::escrow_file::EscrowFile;
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;
use super::slice::Trouble;
use super::under_kek::KINDS;

/// Rows looked at, and entries appended, in one go.
const PAGE_ROWS: usize = 1_000;
/// How long the second waits for the first.
const PATIENCE: Duration = Duration::from_millis(200);
/// Until a log that could not be read or written is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Until keys without a copy are counted again; a few of them are counted at once.
const COUNT_EVERY: Duration = Duration::from_secs(3_600);
const COUNT_FEW_EVERY: Duration = Duration::from_secs(10);
const FEW_KEYS: u64 = 10_000;

/// What is remembered of the log.
#[derive(Default)]
pub(super) struct Escrow {
    /// Whoever works on it; who comes second leaves it to the first.
    state: Mutex<State>,
    told: Mutex<Told>,
    trouble: Trouble,
}

#[derive(Default)]
enum State {
    /// Nobody knows what is in it.
    #[default]
    Unread,
    CatchingUp(Box<CatchingUp>),
    Ready(Box<Ready>),
    /// There is none: keys are counted instead.
    None(Counting),
}

struct CatchingUp {
    ready: Ready,
    /// Beginnings of the hashes of what is in it: table and row key.
    logged: HashSet<[u8; 8]>,
    /// Which of [`tables`], and behind which row.
    at: (usize, Vec<u8>),
}

struct Ready {
    file: EscrowFile,
    /// What waited, and is in it.
    appended: HashSet<(Table, Vec<u8>)>,
}

#[derive(Default)]
struct Counting {
    after: Vec<u8>,
    count: u64,
    again: Option<Instant>,
}

#[derive(Default)]
struct Told {
    entries: u64,
    /// Of the store key, that a boot row in the log names.
    generations: BTreeSet<u32>,
    /// Whether it lies where the store does.
    same_disk: bool,
    /// Keys of which there is no copy.
    only_here: Option<u64>,
    again: Option<Instant>,
}

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscrowHealth {
    /// Where the log lies, if there is one.
    pub path: Option<String>,
    /// Entries in it.
    pub entries: u64,
    /// Key versions that wait to be in it, of the first 1,000 keys that do.
    pub waiting: u64,
    /// Whether it lies on the store's own file system, so that one dead disk takes both. Two partitions of one disk do not show.
    pub same_disk: bool,
    /// Key versions that would be lost with the store's disk; not known at the beginning. Where a log is kept and well: those that wait.
    pub only_here: Option<u64>,
    /// Why nothing can be added at present.
    pub trouble: Option<String>,
}

/// Tables whose rows are in the log, beside the boot row.
pub(super) fn tables() -> impl Iterator<Item = Table> {
    std::iter::once(Table::Keks).chain(KINDS.iter().map(|kind| kind.table))
}

fn fingerprint(table: u16, key: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(table.to_be_bytes()).chain_update(key).finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// Whether there is a key in a row that anybody could use.
fn has_key(table: Table, row_key: &[u8], row: Listed<Row>) -> bool {
    if table == Table::Keks {
        let kek = row.read_at(table, row_key, cbor::decode::<Kek>).sound();
        return kek.is_some_and(|kek| kek.gone.is_none());
    }
    let kind = KINDS.iter().find(|kind| kind.table == table);
    let stored = kind.and_then(|kind| kind.read_at(row_key, row).sound());
    stored.is_some_and(|stored| stored.wrapped().is_some())
}

impl Operational {
    /// Whether new keys wait for a copy.
    pub(super) fn keeps_escrow(&self) -> bool {
        self.settings.escrow_path.is_some()
    }

    /// How it is.
    pub(super) fn escrow_health(&self) -> EscrowHealth {
        let told = self.escrow.told.lock();
        let waiting = self.waiting_for_escrow().unwrap_or_default();
        let waiting = waiting.iter().filter(|(table, _)| *table == Table::KeyVersions).count() as u64;
        let path = self.settings.escrow_path.as_ref().map(|path| path.display().to_string());
        let (entries, same_disk, trouble) = (told.entries, told.same_disk, self.escrow.trouble.told());
        let only_here = if path.is_some() && trouble.is_none() { Some(waiting) } else { told.only_here };
        EscrowHealth { path, entries, waiting, same_disk, only_here, trouble }
    }

    /// Whether a boot row with this generation of the store key is in the log, or none is kept.
    pub(super) fn is_in_escrow(&self, generation: u32) -> bool {
        !self.keeps_escrow() || self.escrow.told.lock().generations.contains(&generation)
    }

    /// Goes on with what is to be in the log, and activates what is. Whoever comes second leaves it to the first.
    pub(super) fn tend_escrow(&self, now: Now) {
        // Not for long: whoever makes a key may keep changes out, and the first may wait for just that.
        let Some(mut state) = self.escrow.state.try_lock_for(PATIENCE) else { return };
        if self.escrow.told.lock().again.is_some_and(|again| now.instant < again) {
            return;
        }
        let done = self.go_on_with_escrow(&mut state, now);
        if done.is_err() {
            *state = State::Unread;
        }
        if let Some(trouble) = self.escrow.trouble.note(&done) {
            tracing::error!(trouble, "new keys wait: they cannot be added to the escrow log at present");
        }
        self.escrow.told.lock().again = done.is_err().then(|| now.instant + AGAIN_AFTER);
    }

    /// The same behind a verb that made a key, where a log is kept.
    pub(super) fn escrow_at_once(&self, now: Now) {
        if self.keeps_escrow() {
            self.tend_escrow(now);
        }
    }

    fn go_on_with_escrow(&self, state: &mut State, now: Now) -> Result<(), Stop> {
        self.for_a_slice(|| {
            match std::mem::take(state) {
                State::Unread if self.keeps_escrow() => {
                    *state = State::CatchingUp(Box::new(self.read_log()?));
                }
                State::Unread => *state = State::None(Counting::default()),
                State::CatchingUp(under_way) => *state = self.catch_up(*under_way)?,
                State::Ready(mut ready) => {
                    let logged = self.log_new(&mut ready)?;
                    *state = State::Ready(ready);
                    self.activate_all(&logged, now)?;
                    return Ok(false);
                }
                State::None(counting) => {
                    let (counting, has_more) = self.count(counting, now)?;
                    *state = State::None(counting);
                    if !has_more {
                        self.activate_all(&self.waiting_for_escrow()?, now)?;
                    }
                    return Ok(has_more);
                }
            }
            Ok(true)
        })
    }

    /// Reads what there is. The first entry says whose it is.
    fn read_log(&self) -> Result<CatchingUp, Stop> {
        let path = self.settings.escrow_path.clone().unwrap_or_default();
        let (mut logged, mut generations) = (HashSet::new(), BTreeSet::new());
        let mut is_first = true;
        let file = EscrowFile::open(&path, |entry| {
            let boot = (entry.table == Table::Boot.number()).then(|| Boot::logged(entry.value)).flatten();
            if is_first && boot.as_ref().is_none_or(|boot| boot.appliance_id != self.boot.appliance_id) {
                return Err(Fault::new(format!(
                    "{} is not the escrow log of this appliance; configure another escrow_path",
                    path.display()
                ))
                .into());
            }
            is_first = false;
            generations.extend(boot.iter().flat_map(|boot| &boot.store_keys).map(|key| key.generation));
            logged.insert(fingerprint(entry.table, entry.key));
            Ok(())
        })?;
        let same_disk = file.lies_beside(&self.settings.state_directory);
        let mut told = self.escrow.told.lock();
        if same_disk && !told.same_disk {
            tracing::warn!(
                log = %path.display(),
                "the escrow log lies on the file system of the store: a dead disk takes both; let escrow_path be on another disk"
            );
        }
        (told.generations, told.same_disk) = (generations, same_disk);
        drop(told);
        let mut ready = Ready { file, appended: HashSet::new() };
        // First of all what opens the rest.
        self.log_boot(&mut ready)?;
        Ok(CatchingUp { ready, logged, at: (0, Vec::new()) })
    }

    /// Appends a page of what is missing.
    fn catch_up(&self, mut under_way: CatchingUp) -> Result<State, Stop> {
        let Some(table) = tables().nth(under_way.at.0) else {
            self.escrow.told.lock().entries = under_way.ready.file.entries;
            let waiting = self.waiting_for_escrow()?.into_iter();
            let is_in = |(table, row_key): &(Table, Vec<u8>)| {
                under_way.logged.contains(&fingerprint(table.number(), row_key))
            };
            under_way.ready.appended = waiting.filter(is_in).collect();
            tracing::info!(entries = under_way.ready.file.entries, "every key is in the escrow log");
            return Ok(State::Ready(Box::new(under_way.ready)));
        };
        let after = (!under_way.at.1.is_empty()).then_some(under_way.at.1.as_slice());
        let rows = self.store.scan(table, Scan { prefix: &[], after, limit: PAGE_ROWS })?;
        under_way.at = match rows.last() {
            Some((last, _)) if rows.len() == PAGE_ROWS => (under_way.at.0, last.clone()),
            _ => (under_way.at.0 + 1, Vec::new()),
        };
        let mut missing = Vec::new();
        for (row_key, row) in rows {
            if has_key(table, &row_key, Listed::of(row)?)
                && !under_way.logged.contains(&fingerprint(table.number(), &row_key))
            {
                missing.push((table, row_key));
            }
        }
        let appended: Vec<_> = missing.iter().map(|(table, key)| fingerprint(table.number(), key)).collect();
        self.log_rows(&mut under_way.ready, missing)?;
        under_way.logged.extend(appended);
        Ok(State::CatchingUp(Box::new(under_way)))
    }

    /// Appends the boot row if it names a generation of the store key that none in the log does.
    fn log_boot(&self, ready: &mut Ready) -> Result<(), Stop> {
        let boot = self.store.boot()?;
        let generations: BTreeSet<u32> = boot.store_keys.iter().map(|key| key.generation).collect();
        if generations.is_subset(&self.escrow.told.lock().generations) {
            return Ok(());
        }
        self.log_rows(ready, vec![(Table::Boot, Vec::new())])?;
        self.escrow.told.lock().generations.extend(generations);
        Ok(())
    }

    /// Appends rows as they lie.
    fn log_rows(&self, ready: &mut Ready, rows: Vec<(Table, Vec<u8>)>) -> Result<(), Stop> {
        let mut found = Vec::with_capacity(rows.len());
        for (table, row_key) in rows {
            if let Some(stored) = self.store.sealed(table, &row_key)? {
                found.push((table, row_key, stored));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        ready.file.append(found.iter().map(|(table, row_key, stored)| Entry {
            table: table.number(),
            key: row_key,
            value: stored,
        }))?;
        self.escrow.told.lock().entries = ready.file.entries;
        Ok(())
    }

    /// Appends what is new: boot row, and what waits, which is returned.
    fn log_new(&self, ready: &mut Ready) -> Result<Vec<(Table, Vec<u8>)>, Stop> {
        self.log_boot(ready)?;
        let waiting = self.waiting_for_escrow()?;
        let new = waiting.iter().filter(|row| !ready.appended.contains(*row)).cloned();
        // A KEK first: what it wraps leads nowhere without it.
        let (keks, others): (Vec<_>, Vec<_>) = new.partition(|(table, _)| *table == Table::Keks);
        self.log_rows(ready, [keks, others].concat())?;
        ready.appended.clear();
        ready.appended.extend(waiting.iter().cloned());
        Ok(waiting)
    }

    /// Counts on; whether there is more to count now.
    fn count(&self, mut counting: Counting, now: Now) -> Result<(Counting, bool), Stop> {
        if counting.again.is_some_and(|again| now.instant < again) {
            return Ok((counting, false));
        }
        let after = (!counting.after.is_empty()).then_some(counting.after.as_slice());
        let rows = self.store.scan(Table::KeyVersions, Scan { prefix: &[], after, limit: PAGE_ROWS })?;
        let is_last = rows.len() < PAGE_ROWS;
        for (row_key, row) in rows {
            counting.count += u64::from(has_key(Table::KeyVersions, &row_key, Listed::of(row)?));
            counting.after = row_key;
        }
        if is_last {
            self.escrow.told.lock().only_here = Some(counting.count);
            let every = if counting.count < FEW_KEYS { COUNT_FEW_EVERY } else { COUNT_EVERY };
            counting = Counting { again: Some(now.instant + every), ..Counting::default() };
        }
        Ok((counting, !is_last))
    }
}
