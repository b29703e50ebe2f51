//! Reading the journal back: who did what, on what, when, with what result. Access records are shown in the words of audit
//! records, so that one question goes to both.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::crypto::block::Leaf;
use crate::crypto::hex::to_hex;
use crate::crypto::pseudonym::Pseudonym;
use crate::domain::access_record::{self, AccessRecord, Subjects};
use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::timestamp::Timestamp;
use crate::store::RowName;

use super::audit_filter::Sieve;
use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::refused::REFUSED_ACT;
use super::target::Target;
use super::walk::{Walk, Walked};
use super::walkers::Reader;

/// Entries of one answer at most.
pub(super) const AUDIT_ENTRIES_MAX: usize = 1_000;
/// Pseudonyms that an entry names.
const SUBJECTS_TOLD_MAX: usize = 16;

/// Which records of the journal, in which order. Everything that is said must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// The first record of interest; with `newest_first` the last.
    pub from: Option<u64>,
    /// Entries at most; [`AUDIT_ENTRIES_MAX`] bounds it.
    pub limit: usize,
    /// Against the order they were made in.
    pub newest_first: bool,
    /// Which kind; audit records without.
    pub kind: AuditKind,
    /// Who.
    pub actor: Option<AuditedActor>,
    /// What its act begins with; of an access record that is the operation.
    pub act: Option<String>,
    /// On what, or by what.
    pub on: Option<AuditedThing>,
    /// `done`, or the code of a refusal: of the request, or of an item in it.
    pub outcome: Option<String>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Only what concerns this project, by name.
    pub project: Option<String>,
}

/// Kinds of records that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditKind {
    /// Requests on data.
    Access,
    /// Changes, and acts that were refused.
    #[default]
    Audit,
    /// Both.
    All,
}

/// Who is to have acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditedActor {
    /// As records say it, also of whoever was deleted.
    Recorded(String),
    /// A user, as it is called now.
    User(String),
    /// An endpoint, as it is called now.
    Endpoint {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
}

/// What records are to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditedThing {
    /// By name, as it is called now.
    Named(Target),
    /// By an id, a digest or a pseudonym, as records have it.
    Id(String),
}

/// One record and its place in the chain.
pub struct AuditEntry {
    /// Its sequence number.
    pub sequence: u64,
    /// Whether it is an access record.
    pub is_access: bool,
    /// What happened.
    pub record: AuditRecord,
}

/// A page of the audit trail.
pub struct AuditPage {
    /// In the order asked for.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins, if there may be one. A page may be empty and not the last: a look is bounded, too.
    pub next: Option<u64>,
    /// The first record that was not pruned; where it lies behind the page's beginning, those before are gone.
    pub pruned_to: u64,
    /// Rows of blocks on the way that do not open, the first hundred: what was in them is lost, and nothing says that the
    /// block behind one follows the block before it.
    pub damaged: Vec<RowName>,
}

impl AuditQuery {
    /// Audit records from sequence number `from` on, at most `limit`.
    #[must_use]
    pub fn of(from: u64, limit: usize) -> Self {
        Self { from: Some(from), limit, ..Self::default() }
    }
}

impl Operational {
    /// Records that `query` describes. The chain is checked on the way; a damaged block is named and left out.
    ///
    /// # Errors
    /// `not-found` for a project or a thing by name; `trail-busy`; a fault when a block on the way is missing or another; it is named.
    pub fn audit(&self, reader: impl Into<Reader>, query: &AuditQuery) -> Result<AuditPage, Stop> {
        let _turn = self.walkers.turn(reader.into())?;
        let limit = query.limit.clamp(1, AUDIT_ENTRIES_MAX);
        let mut sieve = Sieve::new(self, query)?;
        let mut entries = Vec::new();
        let walk = Walk {
            from: query.from,
            is_backward: query.newest_first,
            since: query.since,
            until: query.until,
        };
        let Walked { next, pruned_to, damaged } = self.walk(walk, &mut |sequence, leaf| {
            let Some((is_access, record)) = told(query.kind, leaf)? else {
                return Ok(ControlFlow::Continue(()));
            };
            if !sieve.takes(is_access, &record)? {
                return Ok(ControlFlow::Continue(()));
            }
            if entries.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            // All of its subjects were looked through; what is too long for eyes is cut.
            entries.push(AuditEntry { sequence, is_access, record }.into_shown());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(AuditPage { entries, next, pruned_to, damaged })
    }
}

/// A record in the words of an audit record, if it is of the kind.
fn told(kind: AuditKind, leaf: &Leaf<'_>) -> Result<Option<(bool, AuditRecord)>, Stop> {
    match (kind, leaf.kind) {
        (AuditKind::Audit | AuditKind::All, audit_record::KIND) => {
            Ok(Some((false, cbor::decode(leaf.body)?)))
        }
        (AuditKind::Access | AuditKind::All, access_record::KIND) => {
            let record = AccessRecord::read(leaf.body);
            let record = record.ok_or_else(|| Fault::new("an access record in the journal does not read"))?;
            Ok(Some((true, in_words(&record))))
        }
        _ => Ok(None),
    }
}

fn in_words(record: &AccessRecord) -> AuditRecord {
    let act = record.operation.map_or("unsaid", |operation| operation.name());
    let outcome = |outcome: access_record::Outcome| outcome.map_or("done", |code| code.as_str());
    let mut told = AuditRecord::new(record.time, Actor::Endpoint(record.endpoint), act)
        .with("outcome", outcome(record.outcome))
        .with("address", record.address)
        .with("certificate", to_hex(&record.certificate))
        .with("latency-us", record.latency_us);
    if let Some(id) = record.api_key {
        told = told.with("api-key", id);
    }
    if record.requests() > 1 {
        told = told.with("requests", record.requests());
    }
    if record.groups.is_empty() {
        return told;
    }
    let groups = record.groups.iter().map(|group| {
        let object = group.object.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let anew = group.anew.map_or_else(String::new, |anew| {
            let forced = if anew.forced { " forced" } else { "" };
            if anew.key_version > 0 { format!(" under {}{forced}", anew.key_version) } else { forced.into() }
        });
        format!("{object} {} {} {}{anew}", group.key_version, outcome(group.outcome), group.fields)
    });
    told = told
        .with("groups", groups.collect::<Vec<_>>().join(", "))
        .with("fields", record.groups.iter().map(|group| u64::from(group.fields)).sum::<u64>());
    let mut subjects = BTreeSet::new();
    let mut are_many = false;
    for group in &record.groups {
        match group.subjects.as_deref() {
            Some(Subjects::Named(named)) => subjects.extend(named.iter().copied()),
            Some(Subjects::Many) => are_many = true,
            None => {}
        }
    }
    if subjects.is_empty() && !are_many {
        return told;
    }
    let mut names: Vec<String> = subjects.into_iter().map(|subject: Pseudonym| subject.to_string()).collect();
    if are_many {
        names.push(access_record::MANY.to_owned());
    }
    told.with("subjects", names.join(" "))
}

impl AuditEntry {
    fn into_shown(self) -> Self {
        let Some(subjects) = self.record.details.value("subjects").filter(|_| self.is_access) else {
            return self;
        };
        let names: Vec<&str> = subjects.split(' ').collect();
        let others = names.len().saturating_sub(SUBJECTS_TOLD_MAX);
        if others == 0 {
            return self;
        }
        let cut = names[..SUBJECTS_TOLD_MAX].join(" ");
        let record = self.record.clone().with("subjects", cut).with("subjects-more", others);
        Self { record, ..self }
    }
}

/// Whether a record tells of something that was not done.
pub(super) fn is_refused(record: &AuditRecord) -> bool {
    record.act == REFUSED_ACT
}
