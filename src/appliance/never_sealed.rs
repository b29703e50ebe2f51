//! Whether anything was ever encrypted for an object. Nobody counts that on the way of a request, but the journal has it: each
//! field that was carried out is in the statistics of its day, in the commit of its block, for as long as the journal is known
//! to have everything. So the answer is proved or it is no.
//!
//! The row `recorded-since` of the counters says from when on that is so: since the init, the last end that was not clean, or
//! the last new epoch.

use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::{Resolution, Series};
use crate::domain::timestamp::Timestamp;
use crate::store::{Scan, Table};

use super::fault::Stop;
use super::operational::Operational;

/// The row in the counters: a moment.
pub(super) const RECORDED_SINCE: &[u8] = b"recorded-since";
/// Rows of statistics looked at for one answer.
const ROWS_READ_MAX: usize = 500_000;
/// Rows read at a time.
const PAGE_ROWS: usize = 1_000;

impl Operational {
    /// Refuses unless it is certain that nothing was ever encrypted for `object`. What was under way when it was retired must be
    /// in the journal already.
    ///
    /// # Errors
    /// `object-in-use`, which says why; `journal-full` while the journal is behind.
    pub(super) fn check_never_sealed(&self, object: &Object) -> Result<(), Stop> {
        let refuse = |why: &'static str| Err(Refusal::new(Code::ObjectInUse).detail(why).into());
        if self.recorder().trouble().is_some() || self.recorder().is_paused() {
            return Err(Code::JournalFull.into());
        }
        let since: Option<Timestamp> = self.read(Table::Counters, RECORDED_SINCE)?;
        if since.is_none_or(|since| object.created <= since) {
            return refuse(
                "The object is older than what the journal is sure of: after it an end was not clean, or a new epoch began.",
            );
        }
        let mut read = 0;
        // Days are written with each block, and go into their months.
        for resolution in [Resolution::Day, Resolution::Month] {
            let prefix = [resolution as u8];
            let first = resolution.bucket(object.created).to_be_bytes();
            let mut after = [prefix.as_slice(), &first].concat();
            loop {
                let range = Scan { prefix: &prefix, after: Some(&after), limit: PAGE_ROWS };
                let page = self.store.scan(Table::Statistics, range)?;
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
                read += page.len();
                for (row_key, _) in &page {
                    // What a row is about stands in its key, so one that is damaged tells it as well.
                    let Some((_, series)) = Series::from_row_key(row_key) else { continue };
                    let seals = series.operation.is_none_or(Operation::seals);
                    if series.object == Some(object.id) && seals && series.outcome == 0 {
                        return refuse(
                            "Something was encrypted for it; the statistics tell when and by whom.",
                        );
                    }
                }
                if read > ROWS_READ_MAX {
                    return refuse(
                        "There are too many statistics since it was made to be sure that nothing was.",
                    );
                }
            }
        }
        Ok(())
    }
}
