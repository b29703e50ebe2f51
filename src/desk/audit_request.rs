//! Which records of the journal are asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::appliance::{AuditKind, AuditQuery, AuditedActor, AuditedThing, Target};
use crate::domain::access::Act;
use crate::domain::refusal::Refusal;

use super::perform::{bad, moment};
use super::perform_people::target;

/// Entries of a page where nothing is said.
const LIMIT: u32 = 100;

/// Which records, in which order. Everything that is said must hold.
#[derive(JsonSchema, Serialize, Deserialize, Default, Clone)]
#[serde(deny_unknown_fields)]
pub struct AuditWanted {
    /// The first sequence number of interest; with `newest` the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Entries at most; 100 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Newest first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newest: bool,
    /// `audit`, `access` or `all`; audit without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who: a user's name, `PROJECT/ENDPOINT`, or as records say it: `user:<uuid>`, `endpoint:<uuid>`, `local:0`, `system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What an act begins with, such as `user.`; of requests on data the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// On what: `object:PROJECT/NAME` and the like, or an id, a digest or a pseudonym as records have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// `done`, or the code of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// RFC 3339: at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// RFC 3339: before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only what concerns this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

impl AuditWanted {
    /// One project's is its members' to read; everything only who may read everything.
    pub(super) fn act(&self) -> (Act, Target) {
        let on = self.project.clone().map_or(Target::Appliance, Target::Project);
        (Act::AuditRead, on)
    }

    pub(super) fn parse(self) -> Result<AuditQuery, Refusal> {
        let kind = match self.kind.as_deref() {
            None | Some("audit") => AuditKind::Audit,
            Some("access") => AuditKind::Access,
            Some("all") => AuditKind::All,
            Some(_) => return Err(bad("A kind is audit, access or all.".into())),
        };
        let limit = self.limit.unwrap_or(LIMIT);
        if limit == 0 {
            return Err(bad("A page has at least one entry.".into()));
        }
        Ok(AuditQuery {
            from: self.from,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            newest_first: self.newest,
            kind,
            actor: self.actor.as_deref().map(actor).transpose()?,
            act: self.act,
            on: self.on.as_deref().map(thing).transpose()?,
            outcome: self.outcome,
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            project: self.project,
        })
    }
}

/// By name, or as records say it.
fn actor(text: &str) -> Result<AuditedActor, Refusal> {
    let below = |path: &str| {
        let (project, name) = path.split_once('/')?;
        Some(AuditedActor::Endpoint { project: project.to_owned(), name: name.to_owned() })
    };
    let recorded = || AuditedActor::Recorded(text.to_owned());
    let known = match text.split_once(':') {
        None if matches!(text, "system" | "nobody") => Some(recorded()),
        None if text.contains('/') => below(text),
        None => Some(AuditedActor::User(text.to_owned())),
        Some(("local", uid)) => uid.parse::<u32>().is_ok().then(recorded),
        Some(("user" | "endpoint", id)) if id.parse::<Uuid>().is_ok() => Some(recorded()),
        Some(("user", name)) => Some(AuditedActor::User(name.to_owned())),
        Some(("endpoint", path)) => below(path),
        Some(_) => None,
    };
    known.ok_or_else(|| {
        bad(format!(
            "{text:?} is nobody: write a user's name, PROJECT/ENDPOINT, or as records say it, such as local:0 or system."
        ))
    })
}

/// By name where a kind is said before it; by what records have otherwise.
fn thing(text: &str) -> Result<AuditedThing, Refusal> {
    let Some((kind, rest)) = text.split_once(':') else { return Ok(AuditedThing::Id(text.to_owned())) };
    Ok(match kind {
        "certificate" => AuditedThing::Named(Target::Certificate(rest.to_owned())),
        "api-key" | "approval" | "subject" => AuditedThing::Id(rest.to_owned()),
        _ => AuditedThing::Named(target(text)?),
    })
}
