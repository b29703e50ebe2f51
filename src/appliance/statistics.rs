//! Reading statistics back.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, ObjectId, ProjectId};
use crate::domain::name::Name;
use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::statistics::{Resolution, Series};
use crate::domain::statistics_report::{Dimension, Group, Grouping, Report, Sums};
use crate::domain::timestamp::Timestamp;
use crate::domain::trace::Departed;
use crate::store::{Row, Scan, StoreError, Table};

use super::access::Visible;
use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Rows of one answer at most.
const ROWS_MAX: usize = 10_000;
/// Stored rows that are read for one answer at most.
const ROWS_READ_MAX: usize = 500_000;
/// Rows read at a time.
const PAGE_ROWS: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct StatisticsQuery {
    /// How long the buckets are.
    pub resolution: Resolution,
    /// The first moment of interest; its bucket counts whole.
    pub from: Timestamp,
    /// The moment after the last; the bucket before it counts whole.
    pub to: Timestamp,
    /// What the rows of the answer are told apart by.
    pub grouping: Grouping,
    /// What counts.
    pub only: StatisticsFilter,
}

/// Which rows count: those that meet everything that is said.
#[derive(Debug, Clone, Default)]
pub struct StatisticsFilter {
    /// Of endpoints of these projects.
    pub projects: Option<BTreeSet<ProjectId>>,
    /// Of these endpoints.
    pub endpoints: Option<BTreeSet<EndpointId>>,
    /// Of one object: items only, no whole requests.
    pub object: Option<ObjectId>,
    /// Of one operation.
    pub operation: Option<Operation>,
    /// Of one result: 0 done, else a code's number.
    pub outcome: Option<u16>,
}

impl StatisticsFilter {
    /// Keeps to what somebody may read. What is asked for beyond that counts as if it were not there.
    pub fn keep_to(&mut self, visible: Visible) {
        let Visible::Of(visible) = visible else { return };
        self.projects = Some(match self.projects.take() {
            Some(asked) => asked.intersection(&visible).copied().collect(),
            None => visible,
        });
    }
}

/// What a query found.
#[derive(Debug)]
pub struct StatisticsFound {
    /// The first second of the first bucket.
    pub from: Timestamp,
    /// The second behind the last bucket.
    pub to: Timestamp,
    /// From where on the rows of this resolution are all there; none where none went yet.
    pub kept_from: Option<Timestamp>,
    /// In order of time, then of ids; at most 10,000.
    pub rows: Vec<StatisticsRow>,
    /// The sums.
    pub report: Report,
    /// Stored rows that do not open: what they counted is in no sum.
    pub damaged: u64,
}

/// One row of an answer. Where its group has no project, endpoint or object, or there is none any more, it has no name.
#[derive(Debug)]
pub struct StatisticsRow {
    /// What it is about.
    pub group: Group,
    /// The project's name.
    pub project_name: Option<Name>,
    /// The endpoint's name.
    pub endpoint_name: Option<Name>,
    /// The object's name.
    pub object_name: Option<Name>,
    /// How much. By object, a row without one has whole requests, and items whose object is none of the project's.
    pub sums: Sums,
}

impl Operational {
    /// What a query finds. What is in the open block comes with its commit, some milliseconds later.
    ///
    /// # Errors
    /// `bad-request` when it would read more than 500,000 stored rows; the store's. A damaged row is counted as such, and named
    /// in the log.
    pub fn statistics(&self, query: &StatisticsQuery) -> Result<StatisticsFound, Stop> {
        let StatisticsQuery { resolution, from, to, grouping, .. } = *query;
        let first = resolution.bucket(from);
        // The bucket of the last moment before `to`, whole.
        let last = Timestamp::from_micros(to.micros().saturating_sub(1));
        let end = if to > from { resolution.bucket_after(last) } else { first };
        let mut reading = Reading {
            appliance: self,
            query,
            report: Report::new(grouping, ROWS_MAX),
            names: Names::default(),
            read: 0,
            damaged: 0,
        };
        reading.rows(resolution, first, end)?;
        if resolution == Resolution::Month {
            reading.rows(Resolution::Day, first, end)?;
        }
        let Reading { mut report, mut names, damaged, .. } = reading;
        report.finish();
        let rows = std::mem::take(&mut report.rows).into_iter();
        let rows = rows.map(|(group, sums)| names.row(self, group, sums)).collect::<Result<_, Stop>>()?;
        let kept_from = self.statistics_kept()?.of(resolution);
        Ok(StatisticsFound {
            from: Timestamp::from_seconds(first),
            to: Timestamp::from_seconds(end),
            kept_from: (kept_from > 0).then(|| Timestamp::from_seconds(kept_from)),
            rows,
            report,
            damaged,
        })
    }

    /// The filter for names: of a project, of one of its endpoints, of one of its objects.
    ///
    /// # Errors
    /// `not-found`.
    pub fn statistics_of(
        &self,
        project: Option<&str>,
        endpoint: Option<&str>,
        object: Option<&str>,
    ) -> Result<StatisticsFilter, Stop> {
        let mut only = StatisticsFilter::default();
        let Some(project) = project else { return Ok(only) };
        let id = self.project_named(project)?.id;
        only.projects = Some(BTreeSet::from([id]));
        if let Some(endpoint) = endpoint {
            only.endpoints = Some(BTreeSet::from([self.endpoint_named(project, endpoint)?.id]));
        }
        if let Some(object) = object {
            let found = self.object_named(id, object)?.ok_or_else(|| not_found("object", object))?;
            only.object = Some(found.id);
        }
        Ok(only)
    }
}

/// A query under way.
struct Reading<'a> {
    appliance: &'a Operational,
    query: &'a StatisticsQuery,
    report: Report,
    names: Names,
    read: usize,
    damaged: u64,
}

impl Reading<'_> {
    /// Adds in the rows of a resolution from `first` to before `end`; those of days into the query's months.
    fn rows(&mut self, resolution: Resolution, first: u64, end: u64) -> Result<(), Stop> {
        if self.query.only.projects.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(());
        }
        let prefix = [resolution as u8];
        let mut after = [prefix.as_slice(), &first.to_be_bytes()].concat();
        loop {
            let range = Scan { prefix: &prefix, after: Some(&after), limit: PAGE_ROWS };
            let page = self.appliance.store.scan(Table::Statistics, range)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (row_key, row) in page {
                let Some((start, series)) = Series::from_row_key(&row_key) else { continue };
                if start >= end {
                    return Ok(());
                }
                self.row(start, &series, row)?;
            }
        }
    }

    fn row(&mut self, start: u64, series: &Series, row: Result<Row, StoreError>) -> Result<(), Stop> {
        self.read += 1;
        if self.read > ROWS_READ_MAX {
            let detail =
                "The period has more than 500,000 rows: ask for a shorter one, or for a longer resolution.";
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        let StatisticsFilter { projects, endpoints, object, operation, outcome } = &self.query.only;
        let is_wanted = endpoints.as_ref().is_none_or(|ids| ids.contains(&series.endpoint))
            && object.is_none_or(|id| Some(id) == series.object)
            && operation.is_none_or(|operation| Some(operation) == series.operation)
            && outcome.is_none_or(|outcome| outcome == series.outcome);
        if !is_wanted {
            return Ok(());
        }
        let mut project = None;
        if projects.is_some() || self.query.grouping.has(Dimension::Project) {
            let endpoint = self.names.endpoint(self.appliance, series.endpoint)?;
            project = endpoint.map(|endpoint| endpoint.project);
        }
        if !projects.as_ref().is_none_or(|ids| project.is_some_and(|id| ids.contains(&id))) {
            return Ok(());
        }
        match Listed::of(row)?.decode()? {
            Listed::Sound(counters) => {
                let bucket = self.query.resolution.bucket(Timestamp::from_seconds(start));
                self.report.count(bucket, project, series, &counters);
            }
            Listed::Damaged(row) => {
                tracing::error!(%row, "a row of the statistics is lost");
                self.damaged += 1;
            }
        }
        Ok(())
    }
}

/// What was looked up for one answer, each once; no more of it than the catalog and the rows have.
#[derive(Default)]
struct Names {
    projects: HashMap<ProjectId, Option<Name>>,
    endpoints: HashMap<EndpointId, Option<Known>>,
    objects: HashMap<ObjectId, Option<Name>>,
}

/// An endpoint, also one that was deleted; that one has no name any more.
struct Known {
    project: ProjectId,
    name: Option<Name>,
}

impl Names {
    fn row(&mut self, appliance: &Operational, group: Group, sums: Sums) -> Result<StatisticsRow, Stop> {
        let endpoint = group.endpoint.map(|id| self.endpoint(appliance, id)).transpose()?.flatten();
        Ok(StatisticsRow {
            group,
            endpoint_name: endpoint.and_then(|endpoint| endpoint.name.clone()),
            project_name: group.project.map(|id| self.project(appliance, id)).transpose()?.flatten(),
            object_name: group.object.map(|id| self.object(appliance, id)).transpose()?.flatten(),
            sums,
        })
    }

    fn endpoint(&mut self, appliance: &Operational, id: EndpointId) -> Result<Option<&Known>, Stop> {
        Ok(match self.endpoints.entry(id) {
            Entry::Occupied(known) => known.into_mut().as_ref(),
            Entry::Vacant(place) => {
                let found = appliance.look_up::<Endpoint>(Table::Endpoints, id.as_bytes())?;
                let known = found.and_then(Listed::sound);
                let known = known.map(|Endpoint { project, name, .. }| Known { project, name: Some(name) });
                let departed = || appliance.look_up::<Departed>(Table::Traces, &Departed::row_key(id));
                place
                    .insert(match known {
                        Some(known) => Some(known),
                        None => departed()?
                            .and_then(Listed::sound)
                            .map(|Departed { project, .. }| Known { project, name: None }),
                    })
                    .as_ref()
            }
        })
    }

    fn project(&mut self, appliance: &Operational, id: ProjectId) -> Result<Option<Name>, Stop> {
        if let Some(known) = self.projects.get(&id) {
            return Ok(known.clone());
        }
        let project = appliance.look_up::<Project>(Table::Projects, id.as_bytes())?;
        let name = project.and_then(Listed::sound).map(|project| project.name);
        Ok(self.projects.entry(id).or_insert(name).clone())
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
