//! Floor 2, one of the two outside worlds: the database. It moves bytes and knows no noun: [`Store::get`], [`Store::scan`]
//! and [`Store::commit`] of a [`Batch`], all or nothing, narrow enough for another database to take redb's place.
//!
//! | file | holds |
//! |---|---|
//! | `file` | the file, locked: the boot row, `initialise`, `unlock` |
//! | `boot` | the boot row, the only clear one |
//! | `keys` | the store key's generations at work |
//! | `table` | table numbers, limits, row names |
//! | `by_key` | one row, or many as they were at one moment |
//! | `batch` | what a commit expects, changes and records |
//! | `commit` | one commit, from sealing to durable |
//! | `journal` | the chain of blocks |
//! | `digest` | the state digest recomputed, and the verdict |
//! | `turn` | from one generation of the store key to the next |
//! | `migration` | the way up from older layouts |
//! | `disk`, `settled` | redb, and a damaged file of its that is only read |
//! | `error` | what can go wrong, and what to do |
//!
//! Every value but the boot row is sealed with its table and key as associated data ([`crate::crypto::record`]), so a record
//! that is altered, cut or moved does not open and harms no other. That rows were put back or taken out shows in the state
//! digest ([`crate::crypto::digest`]), which each commit carries on and seals into its block header.

mod batch;
mod boot;
mod by_key;
mod chain;
mod commit;
#[cfg(test)]
mod counted;
mod digest;
mod disk;
mod error;
#[cfg(test)]
pub(crate) mod failing_disk;
mod file;
mod journal;
mod keys;
#[cfg(test)]
mod killed_migration;
mod making;
mod migration;
mod settled;
mod table;
mod turn;
#[cfg(test)]
mod turned_on_failing_disk;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

pub use batch::Batch;
pub use boot::{
    BOOT_BYTES_MAX, Blob, Boot, CaKeyEntry, CheckpointKeyEntry, MasterKeyEntry, MasterKeyState, ShareSet,
    StoreKeyEntry,
};
pub use digest::{DAMAGED_ROWS_NAMED_MAX, Verdict};
pub use disk::Compacted;
pub use error::StoreError;
pub use file::{StoreFile, Unlocked};
pub use journal::{Block, Committed, Descent, Head};
pub use keys::StoreKeys;
pub use making::kept_damaged;
pub use migration::{FORMAT_VERSION, Ladder, Step};
pub use table::{
    BATCH_CHANGES_MAX, BLOCK_BYTES_MAX, KEY_BYTES_MAX, RowName, SCAN_ROWS_MAX, Table, VALUE_BYTES_MAX,
};

pub use turn::Resealed;

use crate::crypto::record::NONCE_LEN;
use commit::{Chain, Failed, Gate, Landing, Sealed};
use disk::{Disk, guarded};

/// The unlocked store. Clones share one; the keys are wiped with the last.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    disk: Arc<Disk>,
    /// Exchanged by a turn to another generation, with `chain` held.
    keys: RwLock<Arc<StoreKeys>>,
    /// Held through a commit: one writer at a time.
    chain: Mutex<Chain>,
    /// Apart from `chain`, so that nobody waits for a disk to learn where the chain stands.
    head: RwLock<Head>,
    recoveries: AtomicU64,
    #[cfg(test)]
    counted: counted::Counted,
}

impl Inner {
    fn new(disk: Arc<Disk>, keys: StoreKeys, chain: Chain, head: Head) -> Self {
        let keys = RwLock::new(Arc::new(keys));
        Self {
            disk,
            keys,
            chain: Mutex::new(chain),
            head: RwLock::new(head),
            recoveries: AtomicU64::new(0),
            #[cfg(test)]
            counted: counted::Counted::default(),
        }
    }

    /// The keys in force. To be asked behind a look at the disk, never before it: then they open whatever was seen.
    fn keys(&self) -> Arc<StoreKeys> {
        Arc::clone(&self.keys.read())
    }
}

/// What a row was at one time: its record's nonce, drawn anew at each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; NONCE_LEN]);

/// A row that was read and found authentic.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// For [`Batch::expect_at`].
    pub revision: Revision,
    /// The plaintext.
    pub value: Zeroizing<Vec<u8>>,
}

/// Which rows of a table [`Store::scan`] returns, in order of key.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// What their keys begin with; empty for all.
    pub prefix: &'a [u8],
    /// Only rows behind this key: the last one of the page before.
    pub after: Option<&'a [u8]>,
    /// Most rows to return; never more than [`SCAN_ROWS_MAX`].
    pub limit: usize,
}

impl Row {
    fn open(keys: &StoreKeys, place: &[u8], stored: &[u8]) -> Result<Self, StoreError> {
        let opened = keys.open(place, stored)?;
        Ok(Self { revision: Revision(opened.nonce), value: opened.value })
    }
}

impl Store {
    /// Reads rows of one table in order of key. A damaged row stands in its place as the error that names it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for the boot table, [`StoreError::Disk`].
    #[expect(
        clippy::type_complexity,
        reason = "a name would hide that each row is there or damaged by itself"
    )]
    pub fn scan(
        &self,
        table: Table,
        range: Scan<'_>,
    ) -> Result<Vec<(Vec<u8>, Result<Row, StoreError>)>, StoreError> {
        refuse_boot(table)?;
        let prefix = table.place(range.prefix);
        let after = range.after.map(|key| table.place(key)).filter(|after| *after >= prefix);
        let from = after.as_deref().map_or(Bound::Included(prefix.as_slice()), Bound::Excluded);
        guarded("read records", || {
            let rows = self.0.disk.read()?;
            let keys = self.0.keys();
            let mut found = Vec::new();
            for row in rows.between(from, Bound::Unbounded)?.take(range.limit.min(SCAN_ROWS_MAX)) {
                let (place, stored) = row?;
                if !place.value().starts_with(&prefix) {
                    break;
                }
                let (_, key) = table::split(place.value());
                found.push((key.to_vec(), Row::open(&keys, place.value(), stored.value())));
            }
            Ok(found)
        })
    }

    /// Commits `batch` and the block made of its records, all or nothing, and durable when this returns. The block's time is
    /// the batch's or, if that is later, the last block's.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] and [`StoreError::Refused`] changed nothing; so did [`StoreError::Damaged`], for a row a
    /// revision was expected of, and [`StoreError::NoRandomness`]. [`StoreError::Disputed`] after a verdict nobody accepted.
    /// After [`StoreError::Disk`] it is not known what is durable: every further commit is [`StoreError::Stopped`] until
    /// [`Store::recover`] has found out.
    pub fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.write(batch, false)
    }

    /// Commits `batch` on top of what lies on the disk now, whatever the verdict was: no row is removed or repaired, and
    /// the state digest goes on from here. The batch says who took that upon them. A file whose structure is damaged is
    /// kept as `.redb-damaged`; its rows are brought into a new one first.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn accept_damage(&self, batch: Batch) -> Result<Committed, StoreError> {
        guarded("read records", || {
            if self.0.disk.rebuild()?.is_some() {
                // A row under a key that rotted lies elsewhere now.
                let (digest, _) = digest::recompute(&self.0.disk.read()?, &self.0.keys().state)?;
                self.0.chain.lock().digest = digest;
            }
            Ok(())
        })?;
        self.write(batch, true)
    }

    /// Keeps a checkpoint of the chain under `key`, and takes out those that `thinned` names: durable when this returns, and
    /// in no block, because a block would move the head that the checkpoint speaks of.
    ///
    /// # Errors
    /// [`StoreError::Disputed`], [`StoreError::Stopped`], [`StoreError::NoRandomness`], [`StoreError::Disk`]; after the last,
    /// commits go on: nothing that they rest on was touched.
    pub fn keep_checkpoint(
        &self,
        key: &[u8],
        checkpoint: &[u8],
        thinned: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let chain = self.0.chain.lock();
        chain.gate.admit(false)?;
        guarded("keep a checkpoint", || self.0.keep_checkpoint(key, checkpoint, thinned))
    }

    /// The row key that stands for `name`, as [`StoreKeys::name_key`].
    #[must_use]
    pub fn name_key(&self, table: Table, parent: &[u8; 16], name: &str) -> [u8; 16] {
        self.0.keys().name_key(table, parent, name)
    }

    /// Where the chain stands. Never waits for a commit.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.0.head.read()
    }

    /// After the database or the disk failed: opens the file anew and looks what came of the last write. Commits go on then;
    /// the block of a write that failed is returned if it did become durable. Waits for whoever reads.
    ///
    /// # Errors
    /// The file's, as [`StoreFile::open`]; [`StoreError::Stopped`] when its last block is neither the one before the write
    /// nor the write's: somebody exchanged the file.
    pub fn recover(&self) -> Result<Option<Committed>, StoreError> {
        let mut chain = self.0.chain.lock();
        guarded("open the file again", || self.0.disk.reopen())?;
        let end = guarded("read records", || journal::end(&self.0.disk.read()?, &self.0.keys()))?;
        let last = end.and_then(|end| end.header).map_or([0; 32], |header| header.hash());
        let (pending, disputed) = match &chain.gate {
            Gate::Open => (None, false),
            Gate::Disputed => (None, true),
            Gate::Stopped(failed) => (failed.pending.clone(), failed.disputed),
        };
        let landed = pending.as_ref().filter(|landing| landing.committed.hash == last);
        if landed.is_none() && last != self.0.head.read().hash {
            let why = "its last block is not the one this process wrote; restart the service".to_owned();
            return Err(StoreError::Stopped { why });
        }
        let disputed = disputed && landed.is_none();
        let committed = landed.map(|landing| landing.committed);
        if let Some(Landing { digest, committed, keys }) = landed.cloned() {
            chain.digest = digest;
            *self.0.head.write() = Head::after(&committed.header);
            if let Some(keys) = keys {
                *self.0.keys.write() = keys;
            }
        }
        // What it has added up may be of before the failure.
        chain.turn = None;
        // What was read since the failure may not hold.
        self.0.recoveries.fetch_add(1, Ordering::AcqRel);
        chain.gate = if disputed { Gate::Disputed } else { Gate::Open };
        Ok(committed)
    }

    /// Whether a write failed and [`Store::recover`] has not succeeded since. Waits for a commit under way.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.0.chain.lock().gate, Gate::Stopped(_))
    }

    /// How often [`Store::recover`] has succeeded: rows read before may be others after it.
    #[must_use]
    pub fn recoveries(&self) -> u64 {
        self.0.recoveries.load(Ordering::Acquire)
    }

    /// Writes the file anew, so that nothing is left in it of what its rows held before. Reads and commits wait as long as it
    /// takes, and as much room is needed beside as the rows take.
    ///
    /// # Errors
    /// As [`Store::compact`], save that commits go on where the file could not be copied; it is the old one then, or the new one.
    pub fn rewrite(&self) -> Result<Compacted, StoreError> {
        let mut chain = self.0.chain.lock();
        chain.gate.admit(true)?;
        let mut came_back = false;
        let rewritten = guarded("rewrite", || {
            let rewritten = self.0.disk.rewrite();
            came_back = true;
            rewritten
        });
        // Where there was no room for another file, the old one is open still and as good as before.
        if came_back && self.0.disk.is_open() {
            return rewritten;
        }
        rewritten.inspect_err(|error| {
            let disputed = matches!(chain.gate, Gate::Disputed);
            chain.gate = Gate::Stopped(Box::new(Failed { why: error.to_string(), pending: None, disputed }));
        })
    }

    /// Gives unused space of the file back to the file system. Reads and commits wait as long as it takes.
    ///
    /// # Errors
    /// [`StoreError::Disk`], after which commits are [`StoreError::Stopped`] until [`Store::recover`];
    /// [`StoreError::Stopped`].
    pub fn compact(&self) -> Result<Compacted, StoreError> {
        let mut chain = self.0.chain.lock();
        // Nothing of the state changes, so a disputed one may be compacted too.
        chain.gate.admit(true)?;
        guarded("compact", || self.0.disk.compact()).inspect_err(|error| {
            let disputed = matches!(chain.gate, Gate::Disputed);
            chain.gate = Gate::Stopped(Box::new(Failed { why: error.to_string(), pending: None, disputed }));
        })
    }

    fn write(&self, batch: Batch, accepts: bool) -> Result<Committed, StoreError> {
        let keys = if batch.turns { self.0.chain.lock().turned_keys()? } else { self.0.keys() };
        let turns = batch.turns.then(|| Arc::clone(&keys));
        #[cfg(test)]
        self.0.counted.written(batch.changes.len());
        let mut batch = Sealed::of(batch, keys)?;
        let mut chain = self.0.chain.lock();
        chain.gate.admit(accepts)?;
        if turns.is_none() {
            batch.catch_up(&self.0.keys())?;
        }
        let mut pending = None;
        match guarded("commit", || self.0.apply(batch, &chain, turns, &mut pending)) {
            Ok((Landing { digest, committed, keys }, sums)) => {
                chain.landed(digest, sums, keys.is_some());
                if let Some(keys) = keys {
                    *self.0.keys.write() = keys;
                }
                *self.0.head.write() = Head::after(&committed.header);
                Ok(committed)
            }
            Err(error) => {
                if let StoreError::Disk { doing, why } = &error {
                    let disputed = matches!(chain.gate, Gate::Disputed);
                    chain.gate =
                        Gate::Stopped(Box::new(Failed { why: format!("{doing}: {why}"), pending, disputed }));
                }
                Err(error)
            }
        }
    }
}

fn refuse_boot(table: Table) -> Result<(), StoreError> {
    match table {
        Table::Boot => Err(StoreError::refused("the boot row is read with boot")),
        _ => Ok(()),
    }
}
