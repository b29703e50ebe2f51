//! Rows of the statistics whose time is over go, and days into the row of their month; daily, some thousand rows at a time.
//! Every commit of it is an audit record, and a row says from where on all is there.
//!
//! Nobody else writes these rows meanwhile: a block counts into the minute, hour and day in which its requests arrived, and
//! those stay for a day at least. Where records wait because the disk fails, nothing goes.

use std::collections::BTreeMap;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::roll_up::KeptFrom;
use crate::domain::statistics::{Counters, ROW_KEY_LEN, Resolution, Series};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Row, RowName, Scan, StoreError, Table};

use super::buckets::stored;
use super::fault::Stop;
use super::operational::Operational;

/// Counter: from where on the rows of each resolution are all there.
const KEPT: &[u8] = b"statistics-kept";
/// Rows that go in one commit: other commits wait meanwhile.
const ROWS_MAX: usize = 5_000;
/// Commits in a row; then everything else that is tended has its turn.
const COMMITS_AT_ONCE: usize = 4;

impl Operational {
    /// From where on the statistics are all there.
    ///
    /// # Errors
    /// The store's. Where the row is damaged nothing is known to be gone, and the next prune writes it anew.
    pub fn statistics_kept(&self) -> Result<KeptFrom, Stop> {
        match self.store.get(Table::Counters, KEPT) {
            Ok(row) => Ok(row.and_then(|row| cbor::decode(&row.value).ok()).unwrap_or_default()),
            Err(StoreError::Damaged { row, why }) => {
                tracing::error!(%row, why, "it is not known any more from where on the statistics are kept");
                Ok(KeptFrom::default())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Takes out what is old enough. Whether it is worth coming back at once.
    pub(super) fn tend_statistics(&self, now: Now) -> bool {
        if self.recorder().trouble().is_some() {
            return true;
        }
        for resolution in Resolution::ALL {
            let Some(horizon) = self.settings.statistics.horizon(resolution, now.time) else { continue };
            for _ in 0..COMMITS_AT_ONCE {
                match self.prune_statistics(resolution, horizon, now) {
                    Ok(rows) if rows < ROWS_MAX => break,
                    Ok(_) => {}
                    Err(stop) => {
                        tracing::error!(%stop, resolution = resolution.name(), "statistics could not be pruned");
                        return false;
                    }
                }
            }
            // More may be left of this one than had its turn.
            if self.has_statistics_before(resolution, horizon) {
                return true;
            }
        }
        false
    }

    fn has_statistics_before(&self, resolution: Resolution, horizon: u64) -> bool {
        let range = Scan { prefix: &[resolution as u8], after: None, limit: 1 };
        let first = self.store.scan(Table::Statistics, range).ok().and_then(|rows| rows.into_iter().next());
        first.and_then(|(key, _)| Series::from_row_key(&key)).is_some_and(|(start, _)| start < horizon)
    }

    /// One commit: rows of before `horizon` go, days into their months. How many went.
    fn prune_statistics(&self, resolution: Resolution, horizon: u64, now: Now) -> Result<usize, Stop> {
        let mut gone = 0;
        let pruned = self.change_if_any(now, |batch| {
            let range = Scan { prefix: &[resolution as u8], after: None, limit: ROWS_MAX };
            let mut old = self.store.scan(Table::Statistics, range)?;
            old.retain(|(key, _)| {
                // What is no row of ours goes, too: it would stand in the way for ever.
                Series::from_row_key(key).is_none_or(|(start, _)| start < horizon)
            });
            gone = old.len();
            let Some((last, _)) = old.last() else { return Ok(None) };
            let reached = match Series::from_row_key(last) {
                // The bucket may have more rows than these.
                Some((start, _)) if gone == ROWS_MAX => {
                    resolution.bucket_after(Timestamp::from_seconds(start)).min(horizon)
                }
                _ => horizon,
            };
            let mut batch = old.iter().fold(batch, |batch, (key, _)| batch.delete(Table::Statistics, key));
            let damaged =
                old.iter().filter(|(_, row)| matches!(row, Err(StoreError::Damaged { .. }))).count();
            if resolution == Resolution::Day {
                batch = self.add_to_months(batch, old)?;
            }
            let kept = self.statistics_kept()?.moved(resolution, reached);
            batch = batch.put(Table::Counters, KEPT, cbor::encode(&kept));
            let audit = AuditRecord::new(now.time, Actor::System, "statistics.prune")
                .with("resolution", resolution.name())
                .with("rows", gone)
                .with("before", Timestamp::from_seconds(reached));
            let audit = if damaged > 0 { audit.with("damaged", damaged) } else { audit };
            Ok(Some((batch, audit)))
        });
        // Also where that is said to have failed: it may have landed all the same. No bucket that went was open, but the clock
        // may be put back.
        self.recorder().forget_statistics();
        pruned.map(|()| gone)
    }

    /// Adds days to the rows of their months.
    fn add_to_months(
        &self,
        mut batch: Batch,
        days: Vec<(Vec<u8>, Result<Row, StoreError>)>,
    ) -> Result<Batch, Stop> {
        let mut months: BTreeMap<[u8; ROW_KEY_LEN], Counters> = BTreeMap::new();
        for (key, row) in days {
            let Some((start, series)) = Series::from_row_key(&key) else { continue };
            let counters: Counters = match row {
                Ok(row) => cbor::decode(&row.value)?,
                Err(StoreError::Damaged { .. }) => {
                    let row = RowName::new(Table::Statistics, &key);
                    tracing::error!(%row, "a day of the statistics is lost to its month");
                    continue;
                }
                Err(other) => return Err(other.into()),
            };
            let month = Resolution::Month.bucket(Timestamp::from_seconds(start));
            months.entry(series.row_key(Resolution::Month, month)).or_default().add(&counters);
        }
        for (key, added) in months {
            let mut counters = stored(&self.store, &key)?;
            counters.add(&added);
            batch = batch.put(Table::Statistics, &key, cbor::encode(&counters));
        }
        Ok(batch)
    }
}
