//! Access records that become durable together: one commit carries the block and the statistics folded from it, so that
//! statistics always equal a recount of the journal.

use crate::crypto::block::write_leaf;
use crate::crypto::data_key::buffer_capacity;
use crate::domain::access_record::{self, AccessRecord};
use crate::domain::cbor;
use crate::domain::statistics::{Counters, Fold};
use crate::domain::timestamp::Now;
use crate::store::{BATCH_CHANGES_MAX, BLOCK_BYTES_MAX, Batch, RowName, Store, StoreError, Table};

/// Bytes of leaves at which a block is closed; the last record may go beyond it.
const BYTES_ENOUGH: usize = 1 << 20;
/// What most leaves have.
const LEAF_BYTES_ABOUT: usize = 192;
/// Rows of statistics at which a block is closed; the last record may go beyond it.
const ROWS_ENOUGH: usize = 20_000;

/// Records, and what they add to the statistics.
pub(super) struct Block {
    leaves: Vec<u8>,
    fold: Fold,
    /// Records in it.
    pub(super) count: usize,
}

impl Block {
    /// As many of `records`, from the first on, as make a block.
    pub(super) fn gather<'a>(records: impl ExactSizeIterator<Item = &'a AccessRecord>) -> Self {
        const { assert!(BYTES_ENOUGH * 8 <= BLOCK_BYTES_MAX) };
        const { assert!(ROWS_ENOUGH * 2 <= BATCH_CHANGES_MAX) };
        let leaves_bytes = (records.len() * LEAF_BYTES_ABOUT).min(BYTES_ENOUGH);
        let leaves = Vec::with_capacity(buffer_capacity(leaves_bytes));
        let mut block = Self { leaves, fold: Fold::default(), count: 0 };
        let mut body = Vec::with_capacity(LEAF_BYTES_ABOUT);
        for record in records {
            body.clear();
            record.write(&mut body);
            write_leaf(&mut block.leaves, access_record::KIND, access_record::VERSION, &body);
            block.fold.count(record);
            block.count += 1;
            if block.leaves.len() >= BYTES_ENOUGH || block.fold.rows_at_most() >= ROWS_ENOUGH {
                break;
            }
        }
        block
    }

    /// The batch that makes it durable. Nothing is written yet.
    ///
    /// # Errors
    /// A fault of the disk, when what the statistics hold so far cannot be read.
    pub(super) fn into_batch(self, store: &Store, now: Now) -> Result<Batch, StoreError> {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        let mut batch = Batch::new(now.time.micros()).records(self.leaves, count);
        for (row_key, added) in self.fold.rows() {
            let mut counters = stored(store, &row_key)?;
            counters.add(&added);
            batch = batch.put(Table::Statistics, &row_key, cbor::encode(&counters));
        }
        Ok(batch)
    }
}

/// What a bucket holds so far. One that does not open is counted from zero again: the journal has the truth, and a damaged
/// statistic must not stop it.
pub(super) fn stored(store: &Store, row_key: &[u8]) -> Result<Counters, StoreError> {
    let lost = |why: &str| {
        tracing::error!(row = %RowName::new(Table::Statistics, row_key), why, "a row of the statistics is lost");
        Counters::default()
    };
    match store.get(Table::Statistics, row_key) {
        Ok(None) => Ok(Counters::default()),
        Ok(Some(row)) => Ok(cbor::decode(&row.value).unwrap_or_else(|_| lost("it is not what was written"))),
        Err(StoreError::Damaged { why, .. }) => Ok(lost(why)),
        Err(other) => Err(other),
    }
}
