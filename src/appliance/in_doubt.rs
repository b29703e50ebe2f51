//! Blocks whose commit failed and may have landed all the same. While the store cannot be opened again nobody knows; and a block
//! that is written once more though it is there would count every request of it twice.

use zeroize::Zeroizing;

use crate::store::{Store, StoreError};

use super::block::Block;
use super::committer::Committer;
use super::key_uses::Folding;
use super::recorder::Waiting;

/// Blocks looked at at a time.
const PAGE_BLOCKS: usize = 16;

/// A block that may be durable or not.
pub(super) struct InDoubt {
    /// No record of it has a lower number.
    from: u64,
    leaves: Zeroizing<Vec<u8>>,
    count: usize,
    folding: Option<Folding>,
}

impl InDoubt {
    /// The block of the first `count` records, whose commit failed just now.
    pub(super) fn of(records: &[Waiting], count: usize, from: u64, folding: Option<Folding>) -> Self {
        let block = Block::gather(records[..count].iter().map(|waiting| &waiting.record));
        Self { from, leaves: Zeroizing::new(block.into_leaves()), count, folding }
    }

    /// Whether it lies in the journal.
    fn has_landed(&self, store: &Store) -> Result<bool, StoreError> {
        let mut next = self.from;
        while next < store.head().next_sequence {
            let blocks = store.blocks(next, PAGE_BLOCKS)?;
            if blocks.is_empty() {
                return Ok(false);
            }
            for block in blocks {
                match block {
                    Ok(block) if block.leaves.as_ref() == Some(&self.leaves) => return Ok(true),
                    Ok(block) => next = block.header.first_sequence + u64::from(block.header.count),
                    // Some other's: what was written a moment ago was read back when the store was opened.
                    Err(StoreError::Damaged { row, .. }) => {
                        let first = row.key().try_into().map_or(next, u64::from_be_bytes);
                        next = next.max(first).saturating_add(1);
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(false)
    }
}

impl Committer {
    /// Finds out what became of a block in doubt, if there is one. Whether it landed: then its records are done with, and
    /// there may be others behind them.
    ///
    /// # Errors
    /// The store's, while it cannot be told; the block stays in doubt.
    pub(super) fn settle(
        &self,
        in_doubt: &mut Option<InDoubt>,
        records: &mut Vec<Waiting>,
    ) -> Result<bool, StoreError> {
        let Some(doubt) = in_doubt else { return Ok(false) };
        if self.store.is_stopped() {
            self.store.recover()?;
        }
        let landed = doubt.has_landed(&self.store)?;
        tracing::warn!(landed, "a block whose commit failed was looked for in the journal");
        if let Some(InDoubt { count, folding, .. }) = in_doubt.take().filter(|_| landed) {
            self.folded(folding, &records[..count]);
            self.committed(records.drain(..count));
        }
        Ok(landed)
    }
}
