//! Whether a row of the open minute is the first of its bucket: then there is nothing to read. Where every request meets another
//! object most rows of a minute are, and more than can be remembered.
//!
//! A minute that had no row when it was first met has those that were asked about since, and maybe not even all of them, for a
//! commit may fail. So a set that says *maybe* too often does: it costs a reading, and loses nothing.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::domain::statistics::Resolution;
use crate::store::{Scan, Store, StoreError, Table};

use super::buckets::BucketKey;

/// Bits of the set, 512 KiB: of 500,000 rows a minute one in twenty is read for nothing.
const BITS: usize = 1 << 22;
const WORD_BITS: usize = u64::BITS as usize;

/// The latest minute that was met.
#[derive(Default)]
pub(super) struct FreshMinute {
    /// Its first second, since 1970.
    start: Option<u64>,
    /// It had no row then.
    is_fresh: bool,
    /// Two bits for each row that was asked about.
    seen: Vec<u64>,
    hasher: RandomState,
}

impl FreshMinute {
    /// Whether it is certain that the store holds no such row. Whoever asks is about to put it there.
    ///
    /// # Errors
    /// A fault of the disk.
    pub(super) fn is_first(&mut self, store: &Store, key: &BucketKey) -> Result<bool, StoreError> {
        let [resolution, start @ ..] = *key.first_chunk::<9>().unwrap_or(&[0; 9]);
        if resolution != Resolution::Minute as u8 {
            return Ok(false);
        }
        let start = u64::from_be_bytes(start);
        if self.start.is_none_or(|latest| latest < start) {
            self.begin(store, start)?;
        }
        // Of an earlier one, which a clock that was put back meets again, nothing is known.
        Ok(self.start == Some(start) && self.is_fresh && self.see(key))
    }

    fn begin(&mut self, store: &Store, start: u64) -> Result<(), StoreError> {
        let prefix: Vec<u8> = [Resolution::Minute as u8].into_iter().chain(start.to_be_bytes()).collect();
        let rows = store.scan(Table::Statistics, Scan { prefix: &prefix, after: None, limit: 1 })?;
        (self.start, self.is_fresh) = (Some(start), rows.is_empty());
        self.seen.clear();
        self.seen.resize(BITS / WORD_BITS, 0);
        Ok(())
    }

    /// Whether it was certainly not seen before; it was now.
    fn see(&mut self, key: &BucketKey) -> bool {
        let hash = self.hasher.hash_one(key);
        let mut is_new = false;
        for half in [hash, hash >> 32] {
            // Less than BITS.
            let bit = usize::try_from(half & (BITS as u64 - 1)).unwrap_or(0);
            let (word, mask) = (bit / WORD_BITS, 1 << (bit % WORD_BITS));
            is_new |= self.seen[word] & mask == 0;
            self.seen[word] |= mask;
        }
        is_new
    }
}
