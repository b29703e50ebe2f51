//! Access records that become durable together: one commit carries the block and the statistics folded from it, so that
//! statistics always equal a recount of the journal.

use crate::crypto::block::write_leaf;
use crate::crypto::data_key::buffer_capacity;
use crate::domain::access_record::{self, AccessRecord};
use crate::domain::cbor;
use crate::domain::statistics::Fold;
use crate::domain::timestamp::Now;
use crate::store::{BATCH_CHANGES_MAX, BLOCK_BYTES_MAX, Batch, Store, StoreError, Table};

use super::buckets::Buckets;

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

    /// What is written of its records.
    pub(super) fn into_leaves(self) -> Vec<u8> {
        self.leaves
    }

    /// The batch that makes it durable, with what `buckets` remembers or the store holds. Nothing is written yet.
    ///
    /// # Errors
    /// A fault of the disk, when what the statistics hold so far cannot be read.
    pub(super) fn into_batch(
        self,
        store: &Store,
        buckets: &mut Buckets,
        now: Now,
    ) -> Result<Batch, StoreError> {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        let mut batch = Batch::new(now.time.micros()).records(self.leaves, count);
        for (row_key, counters) in buckets.add_up(store, self.fold.rows())? {
            batch = batch.put(Table::Statistics, row_key, cbor::encode(counters));
        }
        Ok(batch)
    }
}
