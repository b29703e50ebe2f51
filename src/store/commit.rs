//! One commit: seal, check what was expected, change, carry the state digest on, close the block, make it durable. Only
//! then does anything in memory move.

use std::sync::Arc;

use redb::ReadableTable;

use super::batch::{Batch, Expectation, Journalled};
use super::boot::{BOOT_BYTES_MAX, Boot};
use super::error::StoreError;
use super::journal::{Committed, Head};
use super::keys::StoreKeys;
use super::table::{self, RowName, Table, split};
use super::turn::{Following, ResealedRow, Sums, Turn};
use super::{Inner, Revision};
use crate::crypto::derive::MacKey;
use crate::crypto::digest::StateDigest;
use crate::crypto::random::Nonces;
use crate::crypto::record::Record;

/// What only the writer needs. It moves on after the database's commit has succeeded, never before.
pub(super) struct Chain {
    pub(super) digest: StateDigest,
    pub(super) gate: Gate,
    /// To another generation of the store key, if one is under way.
    pub(super) turn: Option<Turn>,
}

/// What the chain is once a commit is durable.
#[derive(Clone)]
pub(super) struct Landing {
    pub(super) digest: StateDigest,
    pub(super) committed: Committed,
    /// Those of the next generation, if it begins with this commit.
    pub(super) keys: Option<Arc<StoreKeys>>,
}

/// Whether writes are let through.
pub(super) enum Gate {
    /// They are.
    Open,
    /// Unlocking found the state digest wrong; only an acceptance is let through.
    Disputed,
    /// A write failed, and nobody knows what is on the disk.
    Stopped(Box<Failed>),
}

/// What is to be known of a write that failed, until [`super::Store::recover`] has looked.
pub(super) struct Failed {
    pub(super) why: String,
    /// What the chain is if the write did become durable.
    pub(super) pending: Option<Landing>,
    /// The state digest was disputed before it.
    pub(super) disputed: bool,
}

impl Chain {
    pub(super) const fn new(digest: StateDigest, gate: Gate) -> Self {
        Self { digest, gate, turn: None }
    }

    /// The keys that a batch which turns is sealed with.
    pub(super) fn turned_keys(&self) -> Result<Arc<StoreKeys>, StoreError> {
        let turn = self.turn.as_ref().ok_or(StoreError::refused("no turn is under way"))?;
        Ok(Arc::clone(turn.next()))
    }

    /// A commit is durable; `has_turned` if the next generation began with it.
    pub(super) fn landed(&mut self, digest: StateDigest, sums: Option<Sums>, has_turned: bool) {
        (self.digest, self.gate) = (digest, Gate::Open);
        if has_turned {
            self.turn = None;
        }
        if let (Some(turn), Some(sums)) = (&mut self.turn, sums) {
            turn.followed(sums);
        }
    }
}

impl Gate {
    pub(super) fn admit(&self, accepts: bool) -> Result<(), StoreError> {
        match self {
            Self::Open => Ok(()),
            Self::Disputed if accepts => Ok(()),
            Self::Disputed => Err(StoreError::Disputed),
            Self::Stopped(failed) => Err(StoreError::Stopped { why: failed.why.clone() }),
        }
    }
}

/// A batch with its values sealed: all of the work that needs no turn at the disk.
pub(super) struct Sealed {
    time_us: u64,
    expectations: Vec<Expectation>,
    /// Places with their new stored bytes, or `None` to delete.
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    boot: Option<Boot>,
    resealed: Vec<ResealedRow>,
    leaves: Vec<u8>,
    journalled: Journalled,
    /// What it was sealed with.
    keys: Arc<StoreKeys>,
    /// The block's header and body are sealed once their place is known.
    nonces: Nonces,
}

impl Sealed {
    pub(super) fn of(batch: Batch, keys: Arc<StoreKeys>) -> Result<Self, StoreError> {
        let journalled = batch.check()?;
        let Batch { time_us, expectations, changes, boot, leaves, resealed, .. } = batch;
        let puts = changes.iter().filter(|change| change.value.is_some()).count();
        let mut nonces = Nonces::draw(puts + 2)?;
        let mut sealed = Vec::with_capacity(changes.len() + 1);
        for change in changes {
            let stored = match &change.value {
                Some(value) => {
                    let number = change.table.number();
                    Some(keys.sealing().seal_with(nonces.next()?, number, &change.key, value)?)
                }
                None => None,
            };
            sealed.push((change.table.place(&change.key), stored));
        }
        if let Some(boot) = &boot {
            if boot.current_store_key != keys.current() {
                return Err(StoreError::refused("its boot row names another current store key generation"));
            }
            let row = boot.to_row(&keys.boot);
            if row.len() > BOOT_BYTES_MAX {
                return Err(StoreError::refused("its boot row is longer than BOOT_BYTES_MAX"));
            }
            sealed.push((Table::Boot.place(&[]), Some(row)));
        }
        Ok(Self { time_us, expectations, changes: sealed, boot, resealed, leaves, journalled, keys, nonces })
    }

    /// Seals it anew if another generation has begun since: nothing is written under one that may be gone soon.
    pub(super) fn catch_up(&mut self, keys: &Arc<StoreKeys>) -> Result<(), StoreError> {
        if self.keys.current() == keys.current() {
            return Ok(());
        }
        let boot = Table::Boot.place(&[]);
        if self.boot.is_some() {
            return Err(StoreError::Conflict { row: RowName::at(&boot) });
        }
        let changes = self.changes.iter_mut().filter_map(|(place, stored)| Some((place, stored.as_mut()?)));
        let resealed = self.resealed.iter_mut().map(|row| (&mut row.place, &mut row.stored));
        for (place, stored) in changes.chain(resealed) {
            let opened = self.keys.open(place, stored)?;
            let (table, key) = split(place);
            *stored = keys.sealing().seal(table, key, &opened.value)?;
        }
        self.keys = Arc::clone(keys);
        Ok(())
    }
}

impl Inner {
    /// Writes `batch` on top of `chain`; returns what that is after it, and what a turn that is under way has added up then.
    /// With `turns` the next generation of the store key begins with it. On an error nothing was changed, save for
    /// [`StoreError::Disk`], after which nobody knows; `pending` is what would have been returned.
    pub(super) fn apply(
        &self,
        mut batch: Sealed,
        chain: &Chain,
        turns: Option<Arc<StoreKeys>>,
        pending: &mut Option<Landing>,
    ) -> Result<(Landing, Option<Sums>), StoreError> {
        let head = *self.head.read();
        let epoch = next_epoch(&head, batch.boot.as_ref())?;
        let keys = Arc::clone(&batch.keys);
        let (digest, following) = match (&chain.turn, &turns) {
            // As it was added up until now, by the key that comes.
            (Some(turn), Some(next)) if Arc::ptr_eq(turn.next(), next) => (turn.digest(chain.digest)?, None),
            (_, Some(_)) => return Err(StoreError::refused("its turn was given up")),
            (turn, None) => (chain.digest, turn.as_ref().map(Turn::follow)),
        };
        let transaction = self.disk.write()?;
        let mut writing = Writing { rows: transaction.rows()?, state_key: &keys.state, digest, following };
        for expectation in &batch.expectations {
            writing.check(expectation)?;
        }
        for (place, stored) in &batch.changes {
            match stored {
                Some(stored) => writing.put(place, stored)?,
                None => writing.delete(place)?,
            }
        }
        for row in &batch.resealed {
            writing.reseal(row)?;
        }
        let (digest, sums) = (writing.digest, writing.following.as_ref().map(|following| following.sums));
        let header = head.close(epoch, batch.time_us, &batch.journalled, digest.seal(&keys.state));
        let key = header.first_sequence.to_be_bytes();
        for (table, plaintext) in
            [(Table::Blocks, header.to_bytes().as_slice()), (Table::BlockBodies, batch.leaves.as_slice())]
        {
            let nonce = batch.nonces.next()?;
            let stored = keys.sealing().seal_with(nonce, table.number(), &key, plaintext)?;
            writing.put(&table.place(&key), &stored)?;
        }
        drop(writing);
        let committed = Committed { header, hash: header.hash() };
        let after = Landing { digest, committed, keys: turns };
        *pending = Some(after.clone());
        transaction.commit()?;
        Ok((after, sums))
    }
}

impl Inner {
    /// Writes one row of the checkpoints and takes others out. No block, no state digest.
    pub(super) fn keep_checkpoint(
        &self,
        key: &[u8],
        checkpoint: &[u8],
        thinned: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let nonce = Nonces::draw(1)?.next()?;
        let stored = self.keys().sealing().seal_with(nonce, Table::Checkpoints.number(), key, checkpoint)?;
        let transaction = self.disk.write()?;
        let mut rows = transaction.rows()?;
        let place = Table::Checkpoints.place(key);
        rows.insert(place.as_slice(), stored.as_slice()).map_err(StoreError::disk("write a record"))?;
        for key in thinned {
            let place = Table::Checkpoints.place(key);
            rows.remove(place.as_slice()).map_err(StoreError::disk("delete a record"))?;
        }
        drop(rows);
        transaction.commit()
    }
}

/// The epoch of the next block. A boot row may only be replaced by one of the same chain, and epochs only count up.
fn next_epoch(head: &Head, boot: Option<&Boot>) -> Result<u32, StoreError> {
    match boot {
        None => Ok(head.epoch),
        Some(boot) if boot.appliance_id != head.chain => {
            Err(StoreError::refused("its boot row is another appliance's"))
        }
        Some(boot) if boot.epoch < head.epoch => {
            Err(StoreError::refused("its boot row goes back to an earlier epoch"))
        }
        Some(boot) => Ok(boot.epoch),
    }
}

/// The rows within a transaction, and the state digest that follows their changes.
struct Writing<'a> {
    rows: redb::Table<'a, &'static [u8], &'static [u8]>,
    state_key: &'a MacKey,
    digest: StateDigest,
    following: Option<Following<'a>>,
}

impl Writing<'_> {
    fn check(&self, expectation: &Expectation) -> Result<(), StoreError> {
        let place = expectation.table.place(&expectation.key);
        let found = self.rows.get(place.as_slice()).map_err(StoreError::disk("read a record"))?;
        let holds = match (&found, expectation.at) {
            (None, None) => true,
            (Some(found), Some(Revision(nonce))) => {
                let record = Record::parse(found.value()).map_err(|malformed| StoreError::Damaged {
                    row: RowName::at(&place),
                    why: malformed.0,
                })?;
                *record.nonce == nonce
            }
            _ => false,
        };
        if holds { Ok(()) } else { Err(StoreError::Conflict { row: RowName::at(&place) }) }
    }

    fn put(&mut self, place: &[u8], stored: &[u8]) -> Result<(), StoreError> {
        let (table, key) = split(place);
        let old = self.rows.insert(place, stored).map_err(StoreError::disk("write a record"))?;
        if table::in_state_digest(table) {
            let old = old.as_ref().map(redb::AccessGuard::value);
            if let Some(old) = old {
                self.digest.remove(self.state_key, table, key, old);
            }
            self.digest.add(self.state_key, table, key, stored);
            if let Some(following) = &mut self.following {
                following.change(self.state_key, place, old, Some(stored));
            }
        }
        Ok(())
    }

    /// Puts a row that was sealed anew in its place, if it is still the one that it was made of.
    fn reseal(&mut self, row: &ResealedRow) -> Result<(), StoreError> {
        let is_same = {
            let found = self.rows.get(row.place.as_slice()).map_err(StoreError::disk("read a record"))?;
            found.is_some_and(|found| {
                Record::parse(found.value()).is_ok_and(|record| *record.nonce == row.was)
            })
        };
        if is_same { self.put(&row.place, &row.stored) } else { Ok(()) }
    }

    fn delete(&mut self, place: &[u8]) -> Result<(), StoreError> {
        let (table, key) = split(place);
        let old = self.rows.remove(place).map_err(StoreError::disk("delete a record"))?;
        if let Some(old) = old.filter(|_| table::in_state_digest(table)) {
            self.digest.remove(self.state_key, table, key, old.value());
            if let Some(following) = &mut self.following {
                following.change(self.state_key, place, Some(old.value()), None);
            }
        }
        Ok(())
    }
}
