//! Reports for the duties of UU PDP (Law 27 of 2022): what was processed, one person's trail, an incident, how the appliance
//! stands. A report is facts and tables of plain words; [`super::report_page`] writes it as a page, [`super::report_csv`] for
//! spreadsheets. Columns, facts and values are stable English words, which the page translates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{
    Appliance, Detail, Leave, Operational, Stop, Target, Trace, TraceWanted, UseOf, Used,
};
use crate::crypto::hex::{from_hex, to_hex};
use crate::domain::access::Act;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::{Now, Timestamp};

use super::answer::Done;
use super::asker::Asker;
use super::perform::{bad, id, moment};
use super::report_posture;
use super::subject::SubjectOf;

/// In place of a project's name: all of them.
pub(super) const EVERY: &str = "*";

/// Which report.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReportWanted {
    /// Which endpoints did what on which objects in a period (article 31).
    Processing(Period),
    /// What was done with one person's data (article 32).
    Subject {
        /// The project's name.
        project: String,
        /// Who.
        subject: SubjectOf,
        /// RFC 3339; from the first record on without.
        #[serde(default)]
        since: Option<String>,
        /// RFC 3339; up to now without.
        #[serde(default)]
        until: Option<String>,
        /// Where a report before broke off.
        #[serde(default)]
        from: Option<u64>,
    },
    /// What an endpoint, API key or certificate did, from where, to whom (article 46).
    Incident {
        /// The project's name; all without.
        #[serde(default)]
        project: Option<String>,
        /// An endpoint of the project.
        #[serde(default)]
        endpoint: Option<String>,
        /// An API key, as lists show it.
        #[serde(default)]
        api_key: Option<String>,
        /// A certificate, by its digest.
        #[serde(default)]
        certificate: Option<String>,
        /// RFC 3339.
        #[serde(default)]
        since: Option<String>,
        /// RFC 3339.
        #[serde(default)]
        until: Option<String>,
        /// Where a report before broke off.
        #[serde(default)]
        from: Option<u64>,
    },
    /// What protects the data at this moment (article 35).
    Posture,
    /// What is offered for erasure, and what is not yet (articles 43 to 45).
    Erasure,
}

/// A time, of one project or of all.
#[derive(JsonSchema, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The project's name; all without.
    #[serde(default)]
    pub project: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub since: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub until: Option<String>,
    /// Where a report before broke off.
    #[serde(default)]
    pub from: Option<u64>,
}

/// A report.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// `processing`, `subject`, `incident`, `posture` or `erasure`.
    pub kind: String,
    /// When it was made.
    pub made: String,
    /// The appliance's id.
    pub appliance: String,
    /// What the newest checkpoint comes to: the sequence number that comes next.
    pub checkpoint_sequence: Option<u64>,
    /// When that was signed.
    pub checkpoint_time: Option<String>,
    /// SHA-256 of the public key that signs checkpoints.
    pub checkpoint_key: String,
    /// Names and values, in order.
    pub facts: Vec<(String, String)>,
    /// Rows.
    pub tables: Vec<Table>,
    /// Words of what has to be said beside.
    pub notes: Vec<String>,
    /// Where the next report goes on, if this one came to its bounds.
    pub next: Option<u64>,
}

/// Rows of a report.
#[derive(JsonSchema, Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What they are of.
    pub name: String,
    /// What stands in them.
    pub columns: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
}

impl ReportWanted {
    /// Reports are read from the journal: one project's are its members' to read.
    pub(super) fn act(&self) -> (Act, Target) {
        let project = match self {
            Self::Processing(period) => period.project.as_ref(),
            Self::Subject { project, .. } => Some(project),
            Self::Incident { project, .. } => project.as_ref(),
            Self::Posture | Self::Erasure => None,
        };
        (Act::AuditRead, project.cloned().map_or(Target::Appliance, Target::Project))
    }

    pub(super) fn perform(
        self,
        (of, asker): (&Appliance, &Asker),
        leave: Leave,
        now: Now,
    ) -> Result<Done, Stop> {
        let (reader, appliance) = (asker.reader(of)?, of.unlocked()?);
        // So that what it tells is signed for.
        if let Err(why) = appliance.bear_witness(now) {
            tracing::warn!(%why, "a report goes on without a checkpoint of the present head");
        }
        let kind = match &self {
            Self::Processing(_) => "processing",
            Self::Subject { .. } => "subject",
            Self::Incident { .. } => "incident",
            Self::Posture => "posture",
            Self::Erasure => "erasure",
        };
        let mut report = blank(of, &appliance, kind, now);
        match self {
            Self::Processing(Period { project, since, until, from }) => {
                let wanted = TraceWanted {
                    project,
                    since: parsed(since.as_deref())?,
                    until: parsed(until.as_deref())?,
                    from,
                    ..TraceWanted::default()
                };
                report.add_period(&wanted);
                report.add_trace("processing", appliance.trace(reader, &wanted)?, Detail::Summary);
            }
            Self::Subject { project, subject, since, until, from } => {
                let subject = subject.find(&appliance, &project)?;
                appliance.record_look_up(&leave, &project, subject, now)?;
                let wanted = TraceWanted {
                    subject: Some(subject),
                    project: Some(project),
                    since: parsed(since.as_deref())?,
                    until: parsed(until.as_deref())?,
                    from,
                    detail: Detail::Event,
                    ..TraceWanted::default()
                };
                report.add_period(&wanted);
                report.fact("subject", subject);
                report.add_trace("trail", appliance.trace(reader, &wanted)?, Detail::Event);
            }
            Self::Incident { project, endpoint, api_key, certificate, since, until, from } => {
                if endpoint.is_some() && project.is_none() {
                    return Err(bad("Name the project of the endpoint, too.".into()).into());
                }
                let digest = |text: &String| {
                    from_hex(text)
                        .ok_or_else(|| bad("A certificate is named by 64 lower-case hex digits.".into()))
                };
                let wanted = TraceWanted {
                    api_key: api_key.as_deref().map(id).transpose()?,
                    certificate: certificate.as_ref().map(digest).transpose()?,
                    project,
                    endpoint,
                    since: parsed(since.as_deref())?,
                    until: parsed(until.as_deref())?,
                    from,
                    detail: Detail::Source,
                    ..TraceWanted::default()
                };
                report.add_period(&wanted);
                report.add_trace("uses", appliance.trace(reader, &wanted)?, Detail::Source);
            }
            Self::Posture => report_posture::add(&mut report, of, &appliance)?,
            Self::Erasure => {
                report.note("erasure-offered");
                report.note("erasure-not-yet");
            }
        }
        Ok(Done::Report(Box::new(report)))
    }
}

fn blank(of: &Appliance, appliance: &Operational, kind: &str, now: Now) -> Report {
    let witness = of.health().witness;
    let checkpoint = witness.as_ref().and_then(|witness| witness.checkpoint);
    Report {
        kind: kind.to_owned(),
        made: now.time.to_string(),
        appliance: appliance.id().to_string(),
        checkpoint_sequence: checkpoint.map(|(sequence, _)| sequence),
        checkpoint_time: checkpoint.map(|(_, time)| time.to_string()),
        checkpoint_key: witness.map_or_else(String::new, |witness| to_hex(&witness.checkpoint_key)),
        facts: Vec::new(),
        tables: Vec::new(),
        notes: if appliance.is_sandbox() { vec!["sandbox".into()] } else { Vec::new() },
        next: None,
    }
}

fn parsed(text: Option<&str>) -> Result<Option<Timestamp>, Refusal> {
    text.map(moment).transpose()
}

impl Report {
    pub(super) fn fact(&mut self, name: &str, value: impl ToString) {
        self.facts.push((name.to_owned(), value.to_string()));
    }

    fn note(&mut self, word: &str) {
        self.notes.push(word.to_owned());
    }

    pub(super) fn table(&mut self, name: &str, columns: &[&str], rows: Vec<Vec<String>>) {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        self.tables.push(Table { name: name.to_owned(), columns, rows });
    }

    fn add_period(&mut self, wanted: &TraceWanted) {
        self.fact("project", wanted.project.as_deref().unwrap_or(EVERY));
        if let Some(endpoint) = &wanted.endpoint {
            self.fact("endpoint", endpoint);
        }
        if let Some(id) = wanted.api_key {
            self.fact("api-key", id);
        }
        if let Some(spki) = &wanted.certificate {
            self.fact("certificate", to_hex(spki));
        }
        self.fact("since", wanted.since.map_or_else(|| "beginning".into(), |since| since.to_string()));
        self.fact("until", wanted.until.map_or_else(|| "now".into(), |until| until.to_string()));
    }

    fn add_trace(&mut self, name: &str, trace: Trace, detail: Detail) {
        let Trace { rows, next, pruned_to, damaged, names } = trace;
        let called = |id: uuid::Uuid| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let fields: u64 = rows.iter().map(|(_, used)| used.fields).sum();
        self.fact("fields", fields);
        self.next = next;
        if next.is_some() {
            self.note("incomplete");
        }
        if pruned_to > 0 {
            self.fact("pruned-to", pruned_to);
            self.note("pruned");
        }
        if !damaged.is_empty() {
            self.note("damaged");
        }
        let mut subjects: BTreeMap<String, u64> = BTreeMap::new();
        let mut are_more = false;
        let mut cells = Vec::with_capacity(rows.len());
        for (of, used) in &rows {
            are_more |= used.are_more;
            for subject in &used.subjects {
                *subjects.entry(subject.to_string()).or_default() += 1;
            }
            cells.push(row(of, used, detail, &called));
        }
        self.table(name, columns(detail), cells);
        if are_more {
            self.note(if detail == Detail::Event { "perhaps" } else { "more-subjects" });
        }
        if detail == Detail::Source {
            self.fact("subjects", subjects.len());
            let rows = subjects.into_iter().map(|(subject, uses)| vec![subject, uses.to_string()]);
            self.table("subjects", &["subject", "rows"], rows.collect());
        }
    }
}

const fn columns(detail: Detail) -> &'static [&'static str] {
    match detail {
        Detail::Summary => {
            &["endpoint", "object", "operation", "outcome", "requests", "fields", "first", "last"]
        }
        Detail::Source => &[
            "endpoint",
            "api-key",
            "certificate",
            "address",
            "object",
            "key-version",
            "operation",
            "outcome",
            "requests",
            "fields",
            "subjects",
            "first",
            "last",
        ],
        Detail::Event => &[
            "sequence",
            "time",
            "endpoint",
            "api-key",
            "address",
            "object",
            "operation",
            "outcome",
            "fields",
            "certainty",
        ],
    }
}

fn row(of: &UseOf, used: &Used, detail: Detail, called: &dyn Fn(uuid::Uuid) -> String) -> Vec<String> {
    let endpoint = called(of.endpoint.uuid());
    let object = of.object.map_or_else(|| "—".to_owned(), |id| called(id.uuid()));
    let operation = of.operation.map_or("unsaid", |operation| operation.name()).to_owned();
    let outcome = of.outcome.map_or("done", |code| code.as_str()).to_owned();
    let api_key = of.api_key.map_or_else(String::new, |id| called(id.uuid()));
    let address = of.address.map_or_else(String::new, |address| address.to_string());
    let (requests, fields) = (used.requests.to_string(), used.fields.to_string());
    let (first, last) = (used.first.to_string(), used.last.to_string());
    match detail {
        Detail::Summary => vec![endpoint, object, operation, outcome, requests, fields, first, last],
        Detail::Source => {
            let certificate = of.certificate.as_ref().map_or_else(String::new, |spki| to_hex(spki));
            let version = of.key_version.map_or_else(String::new, |version| version.to_string());
            let more = if used.are_more { "+" } else { "" };
            let subjects = format!("{}{more}", used.subjects.len());
            vec![
                endpoint,
                api_key,
                certificate,
                address,
                object,
                version,
                operation,
                outcome,
                requests,
                fields,
                subjects,
                first,
                last,
            ]
        }
        Detail::Event => {
            let sequence = of.sequence.map_or_else(String::new, |sequence| sequence.to_string());
            let certainty = if used.are_more { "perhaps" } else { "certain" };
            vec![
                sequence,
                first,
                endpoint,
                api_key,
                address,
                object,
                operation,
                outcome,
                fields,
                certainty.to_owned(),
            ]
        }
    }
}
