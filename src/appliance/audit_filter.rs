//! Which records of the journal a question is about. Records have ids; names are looked up once, and what belongs to a project
//! is found out by what its ids are of.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::access::On;
use crate::domain::actor::Actor;
use crate::domain::api_key::ApiKey;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, ObjectId, ProjectId, UserId};
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Timestamp;
use crate::store::Table;

use super::audit::{AuditQuery, AuditedActor, AuditedThing, is_refused};
use super::catalog::not_found;
use super::certificates::unhex;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::target::Target;

/// Ids remembered while one question is answered.
const REMEMBERED_MAX: usize = 100_000;

/// A question, ready to be held against records.
pub(super) struct Sieve<'a> {
    appliance: &'a Operational,
    query: &'a AuditQuery,
    /// Who has to have acted, as records say it.
    actor: Option<String>,
    /// What a record has to have one of, in its actor or its details.
    on: Option<Vec<String>>,
    project: Option<Project>,
}

struct Project {
    id: ProjectId,
    name: String,
    /// Whether an id belongs to it.
    known: HashMap<String, bool>,
    endpoints_of_keys: HashMap<String, EndpointId>,
}

impl<'a> Sieve<'a> {
    /// # Errors
    /// `not-found` for what is named; `bad-request` for something outside of the project that the question is about.
    pub(super) fn new(appliance: &'a Operational, query: &'a AuditQuery) -> Result<Self, Stop> {
        let project = match &query.project {
            None => None,
            Some(name) => {
                let mut endpoints_of_keys = HashMap::new();
                appliance.each(Table::ApiKeys, &[], |_, row| {
                    let ApiKey { id, endpoint, .. } = cbor::decode(&row.value)?;
                    endpoints_of_keys.insert(id.to_string(), endpoint);
                    Ok(())
                })?;
                let id = appliance.project_named(name)?.id;
                Some(Project { id, name: name.clone(), known: HashMap::new(), endpoints_of_keys })
            }
        };
        let on = match &query.on {
            None => None,
            Some(AuditedThing::Id(id)) => Some(vec![id.clone()]),
            Some(AuditedThing::Named(target)) => {
                // Who may read of one project learns of nothing else whether it is there.
                let is_inside = match (target, &query.project) {
                    (_, None) => true,
                    (Target::Object { project, .. } | Target::Endpoint { project, .. }, Some(own)) => {
                        project == own
                    }
                    (Target::Project(project), Some(own)) => project == own,
                    _ => false,
                };
                if !is_inside {
                    return Err(Refusal::new(Code::BadRequest)
                        .detail("Of one project, name an object or an endpoint in it, or an id.")
                        .into());
                }
                let id = match appliance.target(target)? {
                    On::Project(tenant) => tenant.id.to_string(),
                    On::Endpoint(thing) => thing.id.to_string(),
                    On::Object(thing) => thing.id.to_string(),
                    On::User(person) => person.id.to_string(),
                    On::Appliance | On::Approval { .. } | On::Role(_) => String::new(),
                };
                let id = match target {
                    // By itself, not by whom it belongs to.
                    Target::ApiKey(id) => id.to_string(),
                    Target::Certificate(spki) => spki.clone(),
                    _ => id,
                };
                Some(vec![id, target.to_string()])
            }
        };
        let own = project.as_ref().map(|project| (project.id, project.name.as_str()));
        let actor = query.actor.as_ref().map(|actor| appliance.recorded_actor(actor, own)).transpose()?;
        Ok(Self { appliance, query, actor, on, project })
    }

    /// Whether a record, in the words of an audit record, is one of those asked for.
    pub(super) fn takes(&mut self, is_access: bool, record: &AuditRecord) -> Result<bool, Stop> {
        let AuditQuery { act, outcome, since, until, .. } = self.query;
        let is_one = self.actor.as_ref().is_none_or(|actor| *actor == record.actor)
            && act.as_ref().is_none_or(|act| acts(record).any(|word| word.starts_with(act.as_str())))
            && since.is_none_or(|since: Timestamp| record.time >= since)
            && until.is_none_or(|until: Timestamp| record.time < until)
            && outcome.as_ref().is_none_or(|outcome| ended(is_access, record, outcome))
            && self.on.as_ref().is_none_or(|wanted| {
                words(record).any(|word| wanted.iter().any(|wanted| !wanted.is_empty() && wanted == word))
            });
        if !is_one {
            return Ok(false);
        }
        let Some(project) = &mut self.project else { return Ok(true) };
        project.concerns(self.appliance, record)
    }
}

impl Operational {
    /// Who is meant, as records say it. Who may read of one project learns of nobody else whether it is there.
    fn recorded_actor(&self, actor: &AuditedActor, own: Option<(ProjectId, &str)>) -> Result<String, Stop> {
        let elsewhere = || -> Stop {
            let detail =
                "Of one project, name a member or an endpoint in it, or write the id as records have it.";
            Refusal::new(Code::BadRequest).detail(detail).into()
        };
        match actor {
            AuditedActor::Recorded(text) => Ok(text.clone()),
            AuditedActor::Endpoint { project, .. } if own.is_some_and(|(_, own)| own != project) => {
                Err(elsewhere())
            }
            AuditedActor::Endpoint { project, name } => {
                Ok(Actor::Endpoint(self.endpoint_thing(project, name)?.id).to_string())
            }
            AuditedActor::User(name) => {
                let id = self.id_of(Table::Users, &[0; 16], name)?.map(UserId::from_bytes);
                let Some((project, _)) = own else {
                    return Ok(Actor::User(id.ok_or_else(|| not_found("user", name))?).to_string());
                };
                let id = id.ok_or_else(elsewhere)?;
                if self.member(project, id)?.is_none() {
                    return Err(elsewhere());
                }
                Ok(Actor::User(id).to_string())
            }
        }
    }
}

impl Project {
    fn concerns(&mut self, appliance: &Operational, record: &AuditRecord) -> Result<bool, Stop> {
        if is_refused(record) {
            let on = record.details.value("on").unwrap_or_default();
            let below = |kind: &str| {
                on.strip_prefix(kind)
                    .and_then(|rest| rest.strip_prefix(&self.name))
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            if on.strip_prefix("project:") == Some(&self.name) || below("object:") || below("endpoint:") {
                return Ok(true);
            }
        }
        let words: Vec<&str> = words(record).collect();
        for word in words {
            if self.owns(appliance, word)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn owns(&mut self, appliance: &Operational, word: &str) -> Result<bool, Stop> {
        let is_digest = word.len() == 64;
        if !is_digest && word.len() != 36 {
            return Ok(false);
        }
        if let Some(known) = self.known.get(word) {
            return Ok(*known);
        }
        let endpoint_of = |id: &[u8]| -> Result<Option<ProjectId>, Stop> {
            let endpoint = appliance.look_up::<Endpoint>(Table::Endpoints, id)?.and_then(Listed::sound);
            Ok(endpoint.map(|endpoint| endpoint.project))
        };
        let of = if is_digest {
            let certificate = match unhex(word) {
                Some(spki) => {
                    appliance.look_up::<Certificate>(Table::Certificates, &spki)?.and_then(Listed::sound)
                }
                None => None,
            };
            match certificate.and_then(|certificate| certificate.endpoint) {
                Some(id) => endpoint_of(id.as_bytes())?,
                None => None,
            }
        } else {
            let Ok(uuid) = Uuid::parse_str(word) else { return Ok(false) };
            let object = appliance
                .look_up::<Object>(Table::Objects, ObjectId::from(uuid).as_bytes())?
                .and_then(Listed::sound);
            match (object, self.endpoints_of_keys.get(word)) {
                (Some(object), _) => Some(object.project),
                (None, Some(endpoint)) => endpoint_of(endpoint.as_bytes())?,
                (None, None) if ProjectId::from(uuid) == self.id => Some(self.id),
                (None, None) => endpoint_of(uuid.as_bytes())?,
            }
        };
        let owns = of == Some(self.id);
        if self.known.len() < REMEMBERED_MAX {
            self.known.insert(word.to_owned(), owns);
        }
        Ok(owns)
    }
}

/// What was done, or tried.
fn acts(record: &AuditRecord) -> impl Iterator<Item = &str> {
    let tried = record.details.value("act").filter(|_| is_refused(record));
    std::iter::once(record.act.as_str()).chain(tried)
}

fn ended(is_access: bool, record: &AuditRecord, wanted: &str) -> bool {
    if is_access {
        let groups = record.details.value("groups").unwrap_or_default();
        return record.details.value("outcome") == Some(wanted)
            || groups.split([' ', ',']).any(|word| word == wanted);
    }
    let code = record.details.value("code").filter(|_| is_refused(record));
    code.unwrap_or("done") == wanted
}

/// Ids and the like that a record has: whole details, and the parts of those that list some.
fn words(record: &AuditRecord) -> impl Iterator<Item = &str> {
    let whole = record.details.values();
    let actor = record.actor.split_once(':').map(|(_, id)| id);
    whole.flat_map(|value| std::iter::once(value).chain(value.split([' ', ',', ':']))).chain(actor)
}
