//! The store's file before and while it is unlocked. Locked, it gives out the boot row and nothing else; what opens the
//! rest is a [`StoreKeys`], and the boot row's MAC is the first thing it is used for.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::batch::Batch;
use super::boot::Boot;
use super::commit::{Chain, Gate};
use super::digest::{self, Verdict};
use super::disk::{Disk, guarded};
use super::error::StoreError;
use super::journal::{self, Head};
use super::keys::StoreKeys;
use super::making::make_whole;
use super::migration::{FORMAT_VERSION, Ladder};
use super::table::Table;
use super::{Inner, Store};
use crate::crypto::digest::StateDigest;

/// The open file, exclusively ours.
pub struct StoreFile {
    disk: Arc<Disk>,
    /// The store that is unlocked now, if any: two would fork the chain.
    unlocked: Mutex<Weak<Inner>>,
}

/// What unlocking found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// How the rows compare with the last block.
    pub verdict: Verdict,
    /// Rows in the state digest, the boot row included.
    pub rows: u64,
}

impl StoreFile {
    /// Opens the store at `path`, with at most `cache_bytes` of it in memory. A missing file is made, mode 0600; its
    /// directory must exist.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Unopenable`], [`StoreError::NotAStore`], [`StoreError::NewerFormat`],
    /// [`StoreError::OlderFormat`], [`StoreError::Disk`].
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        Self::open_by(path, cache_bytes, Ladder::OURS)
    }

    /// The same by another ladder.
    ///
    /// # Errors
    /// Those of [`StoreFile::open`].
    pub fn open_by(path: &Path, cache_bytes: usize, ladder: Ladder) -> Result<Self, StoreError> {
        guarded("open the file", || {
            make_whole(path, |path| Disk::open(path, cache_bytes, ladder).map(drop))?;
            Disk::open(path, cache_bytes, ladder).map(Self::on)
        })
    }

    pub(super) fn on(disk: Disk) -> Self {
        Self { disk: Arc::new(disk), unlocked: Mutex::new(Weak::new()) }
    }

    /// The boot row as it claims to be: its MAC is not checked before [`StoreFile::unlock`]. `None` in an empty store.
    ///
    /// # Errors
    /// [`StoreError::BootMalformed`], [`StoreError::Disk`].
    pub fn boot(&self) -> Result<Option<Boot>, StoreError> {
        guarded("read the boot row", || {
            let rows = self.disk.read()?;
            let row = rows.at(&Table::Boot.place(&[]))?;
            row.map(|row| Boot::claimed(row.value())).transpose()
        })
    }

    /// Fills an empty store: boot row, the changes of `first`, and its records as block 0, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::AlreadyInitialised`] when any row is there; else as [`Store::commit`].
    pub fn initialise(&self, boot: Boot, keys: StoreKeys, first: Batch) -> Result<Store, StoreError> {
        let mut unlocked = self.unlocked.lock();
        let is_empty = guarded("read records", || {
            let rows = self.disk.read()?;
            let first = rows.between(Bound::Unbounded, Bound::Unbounded)?.next().transpose()?;
            Ok(first.is_none())
        })?;
        if !is_empty {
            return Err(StoreError::AlreadyInitialised);
        }
        let head = Head::genesis(boot.appliance_id, boot.epoch);
        let store = self.store(keys, Chain::new(StateDigest::default(), Gate::Open), head);
        store.commit(first.put_boot(boot))?;
        *unlocked = Arc::downgrade(&store.0);
        Ok(store)
    }

    /// Authenticates the boot row, finds the chain's head, recomputes the state digest and compares. The store is handed
    /// out whatever the verdict; unless that is [`Verdict::Intact`] it is read-only until [`Store::accept_damage`].
    ///
    /// # Errors
    /// [`StoreError::BootAltered`] first of all; [`StoreError::NotInitialised`], [`StoreError::AlreadyUnlocked`],
    /// [`StoreError::Keys`] when the keys' current generation is not the boot row's, [`StoreError::ChainMissing`],
    /// [`StoreError::Damaged`] for the last block's header where none before it opens that the chain could go on from,
    /// [`StoreError::NewerFormat`], [`StoreError::Disk`].
    pub fn unlock(&self, keys: StoreKeys) -> Result<(Store, Unlocked), StoreError> {
        let mut unlocked = self.unlocked.lock();
        if unlocked.strong_count() > 0 {
            return Err(StoreError::AlreadyUnlocked);
        }
        let (head, digest, found) = guarded("read records", || self.examine(&keys))?;
        let gate = if found.verdict == Verdict::Intact { Gate::Open } else { Gate::Disputed };
        let store = self.store(keys, Chain::new(digest, gate), head);
        *unlocked = Arc::downgrade(&store.0);
        Ok((store, found))
    }

    fn examine(&self, keys: &StoreKeys) -> Result<(Head, StateDigest, Unlocked), StoreError> {
        let rows = self.disk.read()?;
        let boot_row = rows.at(&Table::Boot.place(&[]))?.ok_or(StoreError::NotInitialised)?;
        let boot = Boot::authentic(boot_row.value(), &keys.boot)?;
        if boot.current_store_key != keys.current() {
            return Err(StoreError::Keys("the boot row names another current generation"));
        }
        if boot.format_version > FORMAT_VERSION {
            return Err(StoreError::NewerFormat { found: boot.format_version, known: FORMAT_VERSION });
        }
        let end = journal::end(&rows, keys)?.ok_or(StoreError::ChainMissing)?;
        let head = end.head(boot.appliance_id, boot.epoch);
        let (digest, count) = digest::recompute(&rows, &keys.state)?;
        let verdict = match end.header {
            Some(header) if end.lost.is_empty() && digest.seal(&keys.state) == header.state => {
                if self.disk.rot().is_some() { Verdict::Rotten } else { Verdict::Intact }
            }
            // The header that described the rows is lost, so nobody can say whether other rows were put back.
            _ if !end.lost.is_empty() => digest::examine(&rows, keys)?.with(end.lost),
            _ => digest::examine(&rows, keys)?,
        };
        Ok((head, digest, Unlocked { verdict, rows: count }))
    }

    fn store(&self, keys: StoreKeys, chain: Chain, head: Head) -> Store {
        Store(Arc::new(Inner::new(Arc::clone(&self.disk), keys, chain, head)))
    }
}
