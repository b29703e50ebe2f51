//! What the store tells of its chain of blocks and of the checkpoints that bear witness to it.

use zeroize::Zeroizing;

use super::Store;
use super::disk::guarded;
use super::error::StoreError;
use super::journal::{self, Block, Descent, Head};
use crate::crypto::block::BlockHeader;

impl Store {
    /// The block that holds record `sequence`; `None` when none does.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names its header or its body, [`StoreError::Disk`].
    pub fn block(&self, sequence: u64) -> Result<Option<Block>, StoreError> {
        guarded("read a block", || journal::block_of(&self.0.disk.read()?, &self.0.keys(), sequence))
    }

    /// Blocks whose first sequence is `from` or later, in order, at most `limit` and [`SCAN_ROWS_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Disk`]; a damaged block stands in its place as the error that names it.
    pub fn blocks(&self, from: u64, limit: usize) -> Result<Vec<Result<Block, StoreError>>, StoreError> {
        guarded("read blocks", || journal::blocks(&self.0.disk.read()?, &self.0.keys(), from, limit))
    }

    /// The first sequence of the block at or before record `sequence`, by its place alone; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn block_at(&self, sequence: u64) -> Result<Option<u64>, StoreError> {
        guarded("read a block", || journal::block_at(&self.0.disk.read()?, sequence))
    }

    /// The first sequence of the first block whose body is there, by its place alone; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn first_body(&self) -> Result<Option<u64>, StoreError> {
        guarded("read a block", || journal::first_body(&self.0.disk.read()?))
    }

    /// Headers of blocks whose first sequence is `from` or later, in order, at most `limit` and [`SCAN_ROWS_MAX`], each with
    /// the first sequence it lies at.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; a damaged header stands in its place as the error that names it.
    #[expect(
        clippy::type_complexity,
        reason = "a name would hide that each header is there or damaged by itself"
    )]
    pub fn headers(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Result<BlockHeader, StoreError>)>, StoreError> {
        guarded("read block headers", || journal::headers(&self.0.disk.read()?, &self.0.keys(), from, limit))
    }

    /// The leaves of the block that `header` heads, checked against it; `None` once they were pruned.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the body, [`StoreError::Disk`].
    pub fn leaves(&self, header: &BlockHeader) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        guarded("read a block", || {
            journal::with_leaves(&self.0.disk.read()?, &self.0.keys(), *header).map(|block| block.leaves)
        })
    }

    /// The newest checkpoint that was kept and opens.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn newest_checkpoint(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        guarded("read a checkpoint", || journal::newest_checkpoint(&self.0.disk.read()?, &self.0.keys()))
    }

    /// How the chain's head descends from one that was noted before: the header that `hash` is of must be in the chain and
    /// end at `next_sequence` in `epoch`, and from it to the head each header must follow the one before.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn descent(&self, epoch: u32, next_sequence: u64, hash: [u8; 32]) -> Result<Descent, StoreError> {
        let noted = Head { chain: self.head().chain, epoch, next_sequence, hash, time_us: 0 };
        guarded("read block headers", || {
            journal::descent(&self.0.disk.read()?, &self.0.keys(), &noted, &self.head())
        })
    }
}
