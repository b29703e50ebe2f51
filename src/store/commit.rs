//! One commit: seal, check what was expected, change, carry the state digest on, close the block, make it durable. Only
//! then does anything in memory move.

use redb::ReadableTable;

use super::batch::{Batch, Expectation, Journalled};
use super::boot::{BOOT_BYTES_MAX, Boot};
use super::error::StoreError;
use super::journal::{Committed, Head};
use super::keys::StoreKeys;
use super::table::{self, RowName, Table, split};
use super::{Inner, Revision};
use crate::crypto::derive::MacKey;
use crate::crypto::digest::StateDigest;
use crate::crypto::random::Nonces;
use crate::crypto::record::Record;

/// What only the writer needs. It moves on after the database's commit has succeeded, never before.
pub(super) struct Chain {
    pub(super) digest: StateDigest,
    pub(super) gate: Gate,
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
    pub(super) pending: Option<(StateDigest, Committed)>,
    /// The state digest was disputed before it.
    pub(super) disputed: bool,
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
    leaves: Vec<u8>,
    journalled: Journalled,
    /// The block's header and body are sealed once their place is known.
    nonces: Nonces,
}

impl Sealed {
    pub(super) fn of(batch: Batch, keys: &StoreKeys) -> Result<Self, StoreError> {
        let journalled = batch.check()?;
        let Batch { time_us, expectations, changes, boot, leaves, .. } = batch;
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
        Ok(Self { time_us, expectations, changes: sealed, boot, leaves, journalled, nonces })
    }
}

impl Inner {
    /// Writes `batch` on top of `digest`; returns the digest after it, and the block. On an error nothing was changed, save
    /// for [`StoreError::Disk`], after which nobody knows; `pending` is what would have been returned.
    pub(super) fn apply(
        &self,
        mut batch: Sealed,
        digest: StateDigest,
        pending: &mut Option<(StateDigest, Committed)>,
    ) -> Result<(StateDigest, Committed), StoreError> {
        let head = *self.head.read();
        let epoch = next_epoch(&head, batch.boot.as_ref())?;
        let transaction = self.disk.write()?;
        let mut writing = Writing { rows: transaction.rows()?, state_key: &self.keys.state, digest };
        for expectation in &batch.expectations {
            writing.check(expectation)?;
        }
        for (place, stored) in &batch.changes {
            match stored {
                Some(stored) => writing.put(place, stored)?,
                None => writing.delete(place)?,
            }
        }
        let digest = writing.digest;
        let header = head.close(epoch, batch.time_us, &batch.journalled, digest.seal(&self.keys.state));
        let key = header.first_sequence.to_be_bytes();
        for (table, plaintext) in
            [(Table::Blocks, header.to_bytes().as_slice()), (Table::BlockBodies, batch.leaves.as_slice())]
        {
            let nonce = batch.nonces.next()?;
            let stored = self.keys.sealing().seal_with(nonce, table.number(), &key, plaintext)?;
            writing.put(&table.place(&key), &stored)?;
        }
        drop(writing);
        let after = (digest, Committed { header, hash: header.hash() });
        *pending = Some(after);
        transaction.commit()?;
        Ok(after)
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
        let stored = self.keys.sealing().seal_with(nonce, Table::Checkpoints.number(), key, checkpoint)?;
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
            if let Some(old) = old {
                self.digest.remove(self.state_key, table, key, old.value());
            }
            self.digest.add(self.state_key, table, key, stored);
        }
        Ok(())
    }

    fn delete(&mut self, place: &[u8]) -> Result<(), StoreError> {
        let (table, key) = split(place);
        let old = self.rows.remove(place).map_err(StoreError::disk("delete a record"))?;
        if let Some(old) = old.filter(|_| table::in_state_digest(table)) {
            self.digest.remove(self.state_key, table, key, old.value());
        }
        Ok(())
    }
}
