//! What was done with data, traced through the journal for a report: by summary, by source, or request by request.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::ControlFlow;

use crate::crypto::pseudonym::Pseudonym;
use crate::domain::access_record::{self, AccessRecord, Group, Outcome, Subjects};
use crate::domain::api_key::ApiKey;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{ApiKeyId, EndpointId, ObjectId, ProjectId};
use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, RowName, Table};

use super::access::Leave;
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;
use super::walk::Walk;
use super::walkers::Reader;

/// Rows of a trace at most.
const ROWS_MAX: usize = 10_000;
/// Walks of a trace at most; each is bounded.
const WALKS_MAX: usize = 64;
/// Subjects that all rows of a trace name together.
const SUBJECTS_MAX: usize = 50_000;

/// What is to be traced. Everything that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct TraceWanted {
    /// Only what endpoints of this project did, by name.
    pub project: Option<String>,
    /// Only what this endpoint of the project did, by name.
    pub endpoint: Option<String>,
    /// Only by this API key.
    pub api_key: Option<ApiKeyId>,
    /// Only with this certificate.
    pub certificate: Option<[u8; 32]>,
    /// Only what is about this subject of the project, or may be.
    pub subject: Option<Pseudonym>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Where a trace before broke off.
    pub from: Option<u64>,
    /// What a row is of.
    pub detail: Detail,
}

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Endpoint, object, operation and outcome.
    #[default]
    Summary,
    /// These, and API key, certificate, address and key version.
    Source,
    /// One request.
    Event,
}

/// What is alike in a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UseOf {
    /// Place in the chain, where a row is one request.
    pub sequence: Option<u64>,
    /// Who.
    pub endpoint: EndpointId,
    /// By which.
    pub api_key: Option<ApiKeyId>,
    /// With which.
    pub certificate: Option<[u8; 32]>,
    /// From where.
    pub address: Option<IpAddr>,
    /// On what; none where no object was reached.
    pub object: Option<ObjectId>,
    /// Of its key.
    pub key_version: Option<u32>,
    /// What; none where it was refused before it said.
    pub operation: Option<Operation>,
    /// With what result.
    pub outcome: Outcome,
}

/// How much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Requests.
    pub requests: u64,
    /// Fields.
    pub fields: u64,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Whom they were about.
    pub subjects: BTreeSet<Pseudonym>,
    /// Whether there are subjects that no record, or not this trace, names.
    pub are_more: bool,
}

/// What a trace found.
pub struct Trace {
    /// In order.
    pub rows: Vec<(UseOf, Used)>,
    /// Where the next one goes on, if this one came to its bounds.
    pub next: Option<u64>,
    /// The first record that was not pruned.
    pub pruned_to: u64,
    /// Rows of blocks that do not open.
    pub damaged: Vec<RowName>,
    /// What endpoints, objects and API keys are called: `project/name`, `name`, label.
    pub names: HashMap<uuid::Uuid, String>,
}

/// A trace under way.
struct Tracing<'a> {
    appliance: &'a Operational,
    wanted: &'a TraceWanted,
    project: Option<ProjectId>,
    endpoint: Option<EndpointId>,
    projects: HashMap<EndpointId, Option<ProjectId>>,
    rows: BTreeMap<UseOf, Used>,
    subjects: usize,
}

impl Operational {
    /// Traces what `wanted` describes.
    ///
    /// # Errors
    /// `not-found` for project or endpoint; as [`Operational::audit`].
    pub fn trace(&self, reader: impl Into<Reader>, wanted: &TraceWanted) -> Result<Trace, Stop> {
        let _turn = self.walkers.turn(reader.into())?;
        let project = wanted.project.as_deref().map(|name| self.project_named(name)).transpose()?;
        let endpoint = match (&wanted.project, &wanted.endpoint) {
            (Some(project), Some(name)) => Some(self.endpoint_thing(project, name)?.id),
            _ => None,
        };
        let mut tracing = Tracing {
            appliance: self,
            wanted,
            project: project.map(|project| project.id),
            endpoint,
            projects: HashMap::new(),
            rows: BTreeMap::new(),
            subjects: 0,
        };
        let (mut next, mut damaged) = (wanted.from, Vec::new());
        let mut walks = 0;
        let pruned_to = loop {
            let walk = Walk { from: next, is_backward: false, since: wanted.since, until: wanted.until };
            let walked = self.walk(walk, &mut |sequence, leaf| {
                if leaf.kind != access_record::KIND {
                    return Ok(ControlFlow::Continue(()));
                }
                let record = AccessRecord::read(leaf.body)
                    .ok_or_else(|| Fault::new("an access record in the journal does not read"))?;
                tracing.take(sequence, &record)
            })?;
            damaged.extend(walked.damaged);
            next = walked.next;
            walks += 1;
            if next.is_none() || walks == WALKS_MAX || tracing.is_full() {
                break walked.pruned_to;
            }
        };
        let rows: Vec<(UseOf, Used)> = tracing.rows.into_iter().collect();
        let names = self.names_in(&rows)?;
        Ok(Trace { rows, next, pruned_to, damaged, names })
    }

    /// Records that somebody looked a subject up: whoever can ask could try values.
    ///
    /// # Errors
    /// The store's.
    pub fn record_look_up(
        &self,
        leave: &Leave,
        project: &str,
        subject: Pseudonym,
        now: Now,
    ) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        let audit = AuditRecord::new(now.time, leave.actor(), "report.subject")
            .with("project", project)
            .with("subject", subject);
        let batch = Batch::new(now.time.micros());
        self.store.commit(batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit)))?;
        Ok(())
    }

    fn names_in(&self, rows: &[(UseOf, Used)]) -> Result<HashMap<uuid::Uuid, String>, Stop> {
        let mut names = HashMap::new();
        for (of, _) in rows {
            if let Entry::Vacant(place) = names.entry(of.endpoint.uuid()) {
                let endpoint = self.look_up::<Endpoint>(Table::Endpoints, of.endpoint.as_bytes())?;
                if let Some(endpoint) = endpoint.and_then(Listed::sound) {
                    let project =
                        self.tenant(endpoint.project)?.map_or_else(String::new, |project| project.name);
                    place.insert(format!("{project}/{}", endpoint.name));
                }
            }
            if let Some(id) = of.object.filter(|id| !names.contains_key(&id.uuid())) {
                let object = self.look_up::<Object>(Table::Objects, id.as_bytes())?.and_then(Listed::sound);
                names.extend(object.map(|object| (id.uuid(), object.name.to_string())));
            }
        }
        if rows.iter().any(|(of, _)| of.api_key.is_some()) {
            self.each(Table::ApiKeys, &[], |_, row| {
                let ApiKey { id, label, .. } = cbor::decode(&row.value)?;
                names.insert(id.uuid(), label.to_string());
                Ok(())
            })?;
        }
        Ok(names)
    }
}

impl Tracing<'_> {
    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX
    }

    fn take(&mut self, sequence: u64, record: &AccessRecord) -> Result<ControlFlow<()>, Stop> {
        let TraceWanted { since, until, api_key, certificate, .. } = self.wanted;
        let is_one = self.endpoint.is_none_or(|endpoint| endpoint == record.endpoint)
            && api_key.is_none_or(|id| record.api_key == Some(id))
            && certificate.is_none_or(|spki| spki == record.certificate)
            && since.is_none_or(|since| record.time >= since)
            && until.is_none_or(|until| record.time < until);
        if !is_one || !self.is_of_project(record.endpoint)? {
            return Ok(ControlFlow::Continue(()));
        }
        if self.is_full() {
            return Ok(ControlFlow::Break(()));
        }
        for group in &record.groups {
            if self.is_about(group) {
                self.add(sequence, record, Some(group));
            }
        }
        // Who was refused before anything was touched tried something, and processed nothing.
        if record.groups.is_empty() && self.wanted.detail == Detail::Source {
            self.add(sequence, record, None);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn is_of_project(&mut self, endpoint: EndpointId) -> Result<bool, Stop> {
        let Some(wanted) = self.project else { return Ok(true) };
        if let Some(known) = self.projects.get(&endpoint) {
            return Ok(*known == Some(wanted));
        }
        let found = self.appliance.look_up::<Endpoint>(Table::Endpoints, endpoint.as_bytes())?;
        let project = found.and_then(Listed::sound).map(|endpoint| endpoint.project);
        self.projects.insert(endpoint, project);
        Ok(project == Some(wanted))
    }

    fn is_about(&self, group: &Group) -> bool {
        let Some(subject) = self.wanted.subject else { return true };
        match group.subjects.as_deref() {
            Some(Subjects::Named(named)) => named.contains(&subject),
            // Nobody can say that it is not.
            Some(Subjects::Many) => true,
            None => false,
        }
    }

    fn add(&mut self, sequence: u64, record: &AccessRecord, group: Option<&Group>) {
        let is_summary = self.wanted.detail == Detail::Summary;
        let of = UseOf {
            sequence: (self.wanted.detail == Detail::Event).then_some(sequence),
            endpoint: record.endpoint,
            api_key: record.api_key.filter(|_| !is_summary),
            certificate: (!is_summary).then_some(record.certificate),
            address: (!is_summary).then_some(record.address),
            object: group.and_then(|group| group.object),
            key_version: group.map(|group| group.key_version).filter(|_| !is_summary),
            operation: record.operation,
            outcome: group.map_or(record.outcome, |group| group.outcome),
        };
        let used = self.rows.entry(of).or_insert_with(|| Used {
            requests: 0,
            fields: 0,
            first: record.time,
            last: record.time,
            subjects: BTreeSet::new(),
            are_more: false,
        });
        used.requests += record.requests();
        used.fields += group.map_or(0, |group| u64::from(group.fields));
        (used.first, used.last) = (used.first.min(record.time), used.last.max(record.time));
        match group.and_then(|group| group.subjects.as_deref()) {
            Some(Subjects::Many) => used.are_more = true,
            Some(Subjects::Named(named)) if self.wanted.detail == Detail::Source => {
                for subject in named {
                    if self.subjects >= SUBJECTS_MAX {
                        used.are_more |= !used.subjects.contains(subject);
                    } else if used.subjects.insert(*subject) {
                        self.subjects += 1;
                    }
                }
            }
            _ => {}
        }
    }
}
