//! Reading statistics back.

use std::collections::HashMap;

use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, ObjectId, ProjectId};
use crate::domain::name::Name;
use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::statistics::{Counters, Resolution, Series};
use crate::domain::timestamp::Timestamp;
use crate::store::{Scan, Table};

use super::access::Visible;
use super::fault::Stop;
use super::listed::Listed;
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
    /// One result only: 0 done, else a code's number.
    pub outcome: Option<u16>,
}

/// One bucket of one series.
#[derive(Debug, Clone)]
pub struct StatisticsRow {
    /// Its first second, since 1970.
    pub start: u64,
    /// What is counted.
    pub series: Series,
    /// What its endpoint is called, if there still is one.
    pub endpoint_name: Option<Name>,
    /// What its object is called, if there still is one.
    pub object_name: Option<Name>,
    /// How much. In a row without an object whole requests, and items whose object is none of the project's; in a row
    /// with one that object's items. Every other counter is zero.
    pub counters: Counters,
}

impl Operational {
    /// The rows of a query that are `visible`, in order of time, at most [`STATISTICS_ROWS_MAX`], and whether that cut it short. What is in
    /// the open block comes with its commit, some milliseconds later.
    ///
    /// # Errors
    /// The store's. A damaged row is left out, and named in the log.
    pub fn statistics(
        &self,
        query: StatisticsQuery,
        visible: &Visible,
    ) -> Result<(Vec<StatisticsRow>, bool), Stop> {
        let first = query.resolution.bucket(query.from);
        let mut after = [[query.resolution as u8].as_slice(), &first.to_be_bytes()].concat();
        let mut found = Vec::new();
        let mut names = Names::default();
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
                    && query.operation.is_none_or(|operation| Some(operation) == series.operation)
                    && query.outcome.is_none_or(|outcome| outcome == series.outcome);
                if !wanted || !visible.has(names.project(self, series.endpoint)?) {
                    continue;
                }
                if found.len() == STATISTICS_ROWS_MAX {
                    return Ok((found, true));
                }
                let counters = match Listed::of(row)?.decode()? {
                    Listed::Sound(counters) => counters,
                    Listed::Damaged(row) => {
                        tracing::error!(%row, "a row of the statistics is lost");
                        continue;
                    }
                };
                found.push(StatisticsRow {
                    start,
                    series,
                    endpoint_name: names.endpoint(self, series.endpoint)?,
                    object_name: series.object.map(|id| names.object(self, id)).transpose()?.flatten(),
                    counters,
                });
            }
        }
    }
}

/// What endpoints and objects are called, looked up for one answer, each once; no more of them than there are in its rows and
/// in those that its asker may not see.
#[derive(Default)]
struct Names {
    endpoints: HashMap<EndpointId, Option<(Name, ProjectId)>>,
    objects: HashMap<ObjectId, Option<Name>>,
}

impl Names {
    fn endpoint(&mut self, appliance: &Operational, id: EndpointId) -> Result<Option<Name>, Stop> {
        Ok(self.known(appliance, id)?.map(|(name, _)| name))
    }

    fn project(&mut self, appliance: &Operational, id: EndpointId) -> Result<Option<ProjectId>, Stop> {
        Ok(self.known(appliance, id)?.map(|(_, project)| project))
    }

    fn known(&mut self, appliance: &Operational, id: EndpointId) -> Result<Option<(Name, ProjectId)>, Stop> {
        if let Some(known) = self.endpoints.get(&id) {
            return Ok(known.clone());
        }
        let endpoint = appliance.look_up::<Endpoint>(Table::Endpoints, id.as_bytes())?;
        let known = endpoint.and_then(Listed::sound).map(|endpoint| (endpoint.name, endpoint.project));
        Ok(self.endpoints.entry(id).or_insert(known).clone())
    }

    fn object(&mut self, appliance: &Operational, id: ObjectId) -> Result<Option<Name>, Stop> {
        if let Some(known) = self.objects.get(&id) {
            return Ok(known.clone());
        }
        let object = appliance.look_up::<Object>(Table::Objects, id.as_bytes())?;
        let name = object.and_then(Listed::sound).map(|object| object.name);
        Ok(self.objects.entry(id).or_insert(name).clone())
    }
}
