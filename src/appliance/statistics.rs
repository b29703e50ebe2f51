//! Reading statistics back.

use crate::domain::cbor;
use crate::domain::id::{EndpointId, ObjectId};
use crate::domain::operation::Operation;
use crate::domain::statistics::{Counters, Resolution, Series};
use crate::domain::timestamp::Timestamp;
use crate::store::{Scan, Table};

use super::fault::Stop;
use super::operational::Operational;

/// Rows of one answer at most.
pub(super) const STATISTICS_ROWS_MAX: usize = 10_000;
/// Rows read at a time.
const PAGE_ROWS: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct StatisticsQuery {
    /// How long the buckets are.
    pub resolution: Resolution,
    /// The first moment of interest.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
    /// One endpoint only.
    pub endpoint: Option<EndpointId>,
    /// One object only.
    pub object: Option<ObjectId>,
    /// One operation only.
    pub operation: Option<Operation>,
}

/// One bucket of one series.
#[derive(Debug, Clone, Copy)]
pub struct StatisticsRow {
    /// Its first second, since 1970.
    pub start: u64,
    /// What is counted.
    pub series: Series,
    /// How much.
    pub counters: Counters,
}

impl Operational {
    /// The rows of a query, in order of time, at most [`STATISTICS_ROWS_MAX`], and whether that cut it short. What is in
    /// the open block comes with its commit, some milliseconds later.
    ///
    /// # Errors
    /// A fault when a row is damaged; it is named.
    pub fn statistics(&self, query: StatisticsQuery) -> Result<(Vec<StatisticsRow>, bool), Stop> {
        let first = query.resolution.bucket(query.from);
        let mut after = [[query.resolution as u8].as_slice(), &first.to_be_bytes()].concat();
        let mut found = Vec::new();
        loop {
            let prefix = [query.resolution as u8];
            let range = Scan { prefix: &prefix, after: Some(&after), limit: PAGE_ROWS };
            let page = self.store.scan(Table::Statistics, range)?;
            let Some((last, _)) = page.last() else { return Ok((found, false)) };
            after.clone_from(last);
            for (row_key, row) in page {
                let Some((start, series)) = Series::from_row_key(&row_key) else { continue };
                if start >= query.to.seconds() {
                    return Ok((found, false));
                }
                let wanted = query.endpoint.is_none_or(|id| id == series.endpoint)
                    && query.object.is_none_or(|id| Some(id) == series.object)
                    && query.operation.is_none_or(|operation| Some(operation) == series.operation);
                if !wanted {
                    continue;
                }
                if found.len() == STATISTICS_ROWS_MAX {
                    return Ok((found, true));
                }
                found.push(StatisticsRow { start, series, counters: cbor::decode(&row?.value)? });
            }
        }
    }
}
