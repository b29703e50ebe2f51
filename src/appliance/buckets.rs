//! What buckets of the statistics hold, as far as the journal's thread remembers it: nobody else writes a bucket that is open
//! (`roll_up`), so what it wrote last need not be read, opened and decoded again for the next block.
//!
//! What is remembered is never ahead of the store: sums get in when their commit is durable, and all are forgotten when one
//! failed, when the store was opened again, and when old rows were taken out.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::domain::cbor;
use crate::domain::statistics::{Counters, ROW_KEY_LEN};
use crate::store::{Row, RowName, Store, StoreError, Table};

use super::fresh_minute::FreshMinute;

/// Counters that are remembered, bytes of their own: some 28,000 rows of objects. Tables have places that are free beside.
const REMEMBERED_BYTES_MAX: usize = 3 << 20;

/// The row key of a bucket.
pub(super) type BucketKey = [u8; ROW_KEY_LEN];
/// Buckets, and what is to be added to them or what they hold.
pub(super) type Rows = HashMap<BucketKey, Counters, RandomState>;

/// What is remembered. Those that were written last, and those before them: half of the room each.
#[derive(Default)]
pub(super) struct Buckets {
    recent: Rows,
    recent_bytes: usize,
    earlier: Rows,
    /// What is in a batch that is not durable yet.
    coming: Vec<(BucketKey, Counters)>,
    minute: FreshMinute,
    /// Of the store, when they were remembered.
    recoveries: u64,
}

impl Buckets {
    /// Adds `rows` to what the store holds of each; what each comes to, in order of key. Nothing is written yet.
    ///
    /// # Errors
    /// A fault of the disk, when what it holds so far cannot be read.
    pub(super) fn add_up(
        &mut self,
        store: &Store,
        rows: Rows,
    ) -> Result<&[(BucketKey, Counters)], StoreError> {
        let recoveries = store.recoveries();
        if recoveries != self.recoveries {
            self.forget();
            self.recoveries = recoveries;
        }
        self.coming = Vec::with_capacity(rows.len());
        let mut asked = Vec::new();
        for (key, added) in rows {
            if let Some(mut counters) = self.take(&key) {
                counters.add(&added);
                self.coming.push((key, counters));
            } else if self.minute.is_first(store, &key)? {
                self.coming.push((key, added));
            } else {
                asked.push((key, added));
            }
        }
        asked.sort_unstable_by_key(|(key, _)| *key);
        let found = store.get_each(Table::Statistics, asked.iter().map(|(key, _)| key))?;
        for ((key, added), found) in asked.into_iter().zip(found) {
            let mut counters = opened(&key, found)?;
            counters.add(&added);
            self.coming.push((key, counters));
        }
        self.coming.sort_unstable_by_key(|(key, _)| *key);
        Ok(&self.coming)
    }

    /// The batch is durable.
    pub(super) fn keep(&mut self) {
        for (key, counters) in std::mem::take(&mut self.coming) {
            self.recent_bytes += bytes_of(&counters);
            self.recent.insert(key, counters);
            if self.recent_bytes >= REMEMBERED_BYTES_MAX / 2 {
                self.earlier = std::mem::take(&mut self.recent);
                self.recent_bytes = 0;
            }
        }
    }

    /// Nobody knows what the store holds.
    pub(super) fn forget(&mut self) {
        (self.recent, self.earlier, self.coming) = (Rows::default(), Rows::default(), Vec::new());
        self.recent_bytes = 0;
    }

    /// Bytes and rows that are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        let all = self.recent.values().chain(self.earlier.values());
        (all.map(bytes_of).sum(), self.recent.len() + self.earlier.len())
    }

    /// What is remembered of a bucket; it comes back with the sum.
    fn take(&mut self, key: &BucketKey) -> Option<Counters> {
        if let Some(counters) = self.recent.remove(key) {
            self.recent_bytes -= bytes_of(&counters);
            return Some(counters);
        }
        self.earlier.remove(key)
    }
}

fn bytes_of(counters: &Counters) -> usize {
    size_of::<(BucketKey, Counters)>() + counters.latencies.heap_bytes()
}

/// What a bucket holds so far.
pub(super) fn stored(store: &Store, row_key: &[u8]) -> Result<Counters, StoreError> {
    opened(row_key, store.get(Table::Statistics, row_key))
}

/// The same, as it was found. One that does not open is counted from zero again: the journal has the truth, and a damaged
/// statistic must not stop it.
fn opened(row_key: &[u8], found: Result<Option<Row>, StoreError>) -> Result<Counters, StoreError> {
    let lost = |why: &str| {
        tracing::error!(row = %RowName::new(Table::Statistics, row_key), why, "a row of the statistics is lost");
        Counters::default()
    };
    match found {
        Ok(None) => Ok(Counters::default()),
        Ok(Some(row)) => Ok(cbor::decode(&row.value).unwrap_or_else(|_| lost("it is not what was written"))),
        Err(StoreError::Damaged { why, .. }) => Ok(lost(why)),
        Err(other) => Err(other),
    }
}
