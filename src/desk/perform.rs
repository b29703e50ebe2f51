//! From a request's words to a verb of the appliance and back. No rules here: what is allowed is decided below.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::appliance::{
    Acceptance, Appliance, Compacted, Leave, NewObject, PageWanted, PruneUntil, Stop, Target, WentPast,
};
use crate::crypto::algorithm::Algorithm;
use crate::domain::access::Act;
use crate::domain::actor::Actor;
use crate::domain::name::Name;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::Role;

use super::answer::{self, Answer, Done};
use super::asker::Asker;
use super::life::description;
use super::prepare::Prepared;
use super::request::{self, Granted, Request};
use super::view::all;

/// Objects, and endpoints, that a project is shown with; the lists of its own have all of them.
const PROJECT_SHOWS: u32 = 100;

impl Request {
    /// Does what `uid` asked, if the access policies allow it. Blocks.
    pub fn perform(self, appliance: &Appliance, uid: u32, now: Now) -> Answer {
        self.perform_for(appliance, &Asker::Local(uid), now).map_or_else(Answer::from, Answer::Done)
    }

    /// Does what was asked, if the access policies allow it to whoever asks. What they do not allow, and what the verb refuses of
    /// it, leaves a record. Blocks.
    ///
    /// # Errors
    /// `forbidden`, and the verb's own.
    pub fn perform_for(self, appliance: &Appliance, asker: &Asker, now: Now) -> Result<Done, Stop> {
        self.perform_with(appliance, asker, Prepared::Nothing, now)
    }

    /// The same with what was made ahead.
    ///
    /// # Errors
    /// As of [`Request::perform_for`].
    pub fn perform_with(
        self,
        appliance: &Appliance,
        asker: &Asker,
        prepared: Prepared,
        now: Now,
    ) -> Result<Done, Stop> {
        let wanted = match self {
            Self::Statistics(wanted) => Self::Statistics(wanted.of_asker(appliance, asker)),
            other => other,
        };
        let acts = wanted.acts()?;
        let done = wanted.carry_out((appliance, asker), &acts, prepared, now);
        if let Err(Stop::Refused(refusal)) = &done {
            asker.record_refused(appliance, &acts, refusal.code, now);
        }
        done
    }

    fn carry_out(
        self,
        (appliance, asker): (&Appliance, &Asker),
        acts: &[(Act, Target)],
        prepared: Prepared,
        now: Now,
    ) -> Result<Done, Stop> {
        if let (Self::Project(request::Project::List { after, limit }), Asker::User(signed_in)) =
            (&self, asker)
        {
            // Everybody lists projects; whose, the policies say.
            let seen = appliance.unlocked()?.projects_seen_by(signed_in, &page(after.as_ref(), *limit)?)?;
            return Ok(Done::Projects(seen.into()));
        }
        if let (Self::Statistics(wanted), Asker::User(signed_in)) = (&self, asker)
            && wanted.user.as_deref() == Some(signed_in.who().0)
        {
            // Everybody reads its own; whose those are, the policies say.
            let leave = asker.leave(appliance, &wanted.acts_of_own(), now)?;
            return self.dispatch((appliance, asker), leave, prepared, now);
        }
        let leave = asker.leave(appliance, acts, now).map_err(|stop| match &self {
            Self::Key(request::Key::Verify(wanted)) => wanted.narrower(stop),
            _ => stop,
        })?;
        self.dispatch((appliance, asker), leave, prepared, now)
    }

    fn dispatch(
        self,
        (appliance, asker): (&Appliance, &Asker),
        leave: Leave,
        prepared: Prepared,
        now: Now,
    ) -> Result<Done, Stop> {
        let actor = leave.actor();
        match self {
            Self::InitSandbox { admin, admin_csr, server_names } => {
                let made = appliance.init_sandbox(actor, name(&admin)?, &admin_csr, &server_names, now)?;
                Ok(Done::Initialised(made.into()))
            }
            Self::Unlock { accept_damage, accept_rollback } => {
                let acceptance = Acceptance { damage: accept_damage, rollback: accept_rollback };
                let past = appliance.unlock(actor, acceptance, now)?;
                Ok(if past == WentPast::default() { Done::Changed } else { Done::Unlocked(past.into()) })
            }
            Self::Lock => {
                appliance.lock(actor, now)?;
                Ok(Done::Changed)
            }
            Self::Status => {
                let health = appliance.health();
                let is_whole = asker.may(appliance, Act::StatisticsReadAll, Target::Appliance)?;
                let health = if is_whole { health } else { health.without_clients() };
                Ok(Done::Status(Box::new(health.into())))
            }
            Self::Project(verb) => verb.perform((appliance, asker), leave, prepared, now),
            Self::Object(verb) => verb.perform(appliance, leave, now),
            Self::Endpoint(verb) => verb.perform(appliance, leave, now),
            Self::Grant(verb) => verb.perform(appliance, actor, now),
            Self::ApiKey(verb) => verb.perform(appliance, actor, now),
            Self::Certificate(verb) => verb.perform((appliance, asker), actor, prepared, now),
            Self::Budget(verb) => verb.perform(appliance, actor, now),
            Self::ServerNames(verb) => verb.perform(appliance, actor, now),
            Self::Key(verb) => verb.perform((appliance, asker), leave, now),
            Self::Index(verb) => verb.perform(appliance, actor, now),
            Self::User(verb) => verb.perform(appliance, leave, now),
            Self::Approval(verb) => verb.perform(appliance, asker, leave, now),
            Self::Session(verb) => verb.perform(appliance, leave, now),
            Self::Report(wanted) => wanted.perform((appliance, asker), leave, now),
            Self::Subject(verb) => verb.perform(appliance, leave, now),
            Self::Policy(verb) => verb.perform(appliance, now),
            Self::Audit(verb) => verb.perform((appliance, asker), actor, now),
            Self::Statistics(wanted) => {
                Ok(Done::Statistics(Box::new(wanted.perform(appliance, asker, now)?)))
            }
            Self::Clock(request::Clock::Acknowledge) => {
                appliance.unlocked()?.acknowledge_clock(actor, now)?;
                Ok(Done::Changed)
            }
            Self::StoreKey(verb) => verb.perform(appliance, actor, now),
            Self::Store(request::Store::Compact) => {
                let Compacted { before_bytes, after_bytes } =
                    appliance.unlocked()?.compact_store(actor, now)?;
                Ok(Done::Compacted(answer::Compacted { before_bytes, after_bytes }))
            }
        }
    }
}

impl request::Project {
    fn perform(
        self,
        (of, asker): (&Appliance, &Asker),
        leave: Leave,
        prepared: Prepared,
        now: Now,
    ) -> Result<Done, Stop> {
        let appliance = of.unlocked()?;
        Ok(match self {
            Self::Create { name: new } => {
                let (actor, new) = (leave.actor(), name(&new)?);
                let made = match prepared.project() {
                    Some(ahead) => appliance.create_project_with(actor, new, ahead, now),
                    None => appliance.create_project(actor, new, now),
                };
                Done::Project(made?.into())
            }
            Self::List { after, limit } => {
                Done::Projects(appliance.projects(&page(after.as_ref(), limit)?)?.into())
            }
            Self::Show { name } => {
                let may = |act| asker.may(of, act, Target::Project(name.clone()));
                let first = PageWanted::new(None, Some(PROJECT_SHOWS))?;
                let objects = may(Act::ObjectList)?.then(|| appliance.objects(&name, &first)).transpose()?;
                let endpoints =
                    may(Act::EndpointList)?.then(|| appliance.endpoints(&name, &first)).transpose()?;
                Done::ProjectShown(answer::ProjectShown {
                    project: appliance.project(&name)?.into(),
                    more_objects: objects.as_ref().is_some_and(|page| page.next.is_some()),
                    more_endpoints: endpoints.as_ref().is_some_and(|page| page.next.is_some()),
                    objects: objects.map(|page| all(page.items)),
                    endpoints: endpoints.map(|page| all(page.items)),
                })
            }
            Self::RotateKek { name, reason } => {
                let reason = description(reason)?;
                Done::Project(appliance.rotate_kek(leave.actor(), &name, reason.as_ref(), now)?.into())
            }
            Self::Member(verb) => verb.perform(of, leave, now)?,
            Self::Life(life) => life.perform(of, leave, now)?,
        })
    }
}

impl request::Object {
    fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let (of, actor, appliance) = (appliance, leave.actor(), appliance.unlocked()?);
        Ok(match self {
            Self::Create { project, name: new, algorithm: wanted, required_context, schema } => {
                let algorithm = wanted.as_deref().map(algorithm).transpose()?;
                let schema = schema.unwrap_or_default().parse()?;
                let new = NewObject { name: name(&new)?, algorithm, required_context, schema };
                Done::Object(appliance.create_object(actor, &project, new, now)?.into())
            }
            Self::List { project, after, limit } => {
                Done::Objects(appliance.objects(&project, &page(after.as_ref(), limit)?)?.into())
            }
            Self::Show { project, name } => Done::Object(appliance.object(&project, &name)?.into()),
            Self::Schema(verb) => verb.perform(of, actor, now)?,
            Self::Rotation { project, name, after_days } => {
                appliance.set_rotation(actor, &project, &name, after_days, now)?;
                Done::Object(appliance.object(&project, &name)?.into())
            }
            Self::Life(life) => life.object_step(of, leave, now)?,
        })
    }
}

impl request::Endpoint {
    fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let (of, actor, appliance) = (appliance, leave.actor(), appliance.unlocked()?);
        Ok(match self {
            Self::Create { project, name: new } => {
                Done::Endpoint(appliance.create_endpoint(actor, &project, name(&new)?, now)?.into())
            }
            Self::List { project, after, limit } => {
                Done::Endpoints(appliance.endpoints(&project, &page(after.as_ref(), limit)?)?.into())
            }
            Self::Show { project, name } => {
                Done::EndpointShown(Box::new(appliance.endpoint_shown(&project, &name, now)?.into()))
            }
            Self::Networks(verb) => verb.perform(of, actor, now)?,
            Self::Enable { project, name } => {
                appliance.enable_endpoint(actor, &project, &name, now)?;
                Done::Changed
            }
            Self::Revoke { project, name } => {
                appliance.revoke_endpoint(actor, &project, &name, now)?;
                Done::Changed
            }
            Self::Life(life) => life.endpoint_step(of, leave, now)?,
        })
    }
}

impl request::Audit {
    fn perform(self, (of, asker): (&Appliance, &Asker), actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = of.unlocked()?;
        Ok(match self {
            Self::List(wanted) => Done::Audit(appliance.audit(asker.reader(of)?, &wanted.parse()?)?.into()),
            Self::Export(_) => return Err(bad("An export is a stream.".into()).into()),
            Self::ExportShow { id } => Done::ExportEnded(appliance.exported(export_id(&id)?)?.into()),
            Self::ExportKept { id, accept_damage } => {
                let prunable_to = appliance.keep_export(actor, export_id(&id)?, accept_damage, now)?;
                Done::ExportKept(answer::ExportKept { prunable_to })
            }
            Self::Keys => Done::CheckpointKeys(all(appliance.checkpoint_keys()?)),
            Self::Prune { to, before } => {
                let until = match (to, before) {
                    (Some(to), None) => PruneUntil::Record(to),
                    (None, Some(before)) => PruneUntil::Before(moment(&before)?),
                    _ => return Err(bad("Name a record or a moment to prune up to.".into()).into()),
                };
                Done::Pruned(appliance.prune(actor, until, usize::MAX, now)?.into())
            }
        })
    }
}

impl request::Grant {
    fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        Ok(match self {
            Self::Create(Granted { project, endpoint, object, operations: wanted }) => {
                appliance.grant(actor, &project, &endpoint, &object, &operations(&wanted)?, now)?;
                Done::Changed
            }
            Self::List { project, endpoint, after, limit } => {
                Done::Grants(appliance.grants(&project, &endpoint, &page(after.as_ref(), limit)?)?.into())
            }
            Self::Revoke(Granted { project, endpoint, object, operations: wanted }) => {
                appliance.revoke_grant(actor, &project, &endpoint, &object, &operations(&wanted)?, now)?;
                Done::Changed
            }
        })
    }
}

pub(super) fn page(after: Option<&String>, limit: Option<u32>) -> Result<PageWanted, Refusal> {
    PageWanted::new(after.map(String::as_str), limit)
}

pub(super) fn bad(detail: String) -> Refusal {
    Refusal::new(Code::BadRequest).detail(detail)
}

pub(super) fn name(text: &str) -> Result<Name, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::BadName).detail(format!("{text:?} is no name.")))
}

pub(super) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| bad(format!("{text:?} is no id: ids are UUIDs, as lists show them.")))
}

fn export_id(text: &str) -> Result<u64, Refusal> {
    text.parse()
        .map_err(|_| bad(format!("{text:?} is no export's id: it is a number, as Gembok-Export says it.")))
}

pub(super) fn role(text: &str) -> Result<Role, Refusal> {
    let known = Role::ALL.map(Role::name).join(", ");
    text.parse().map_err(|()| bad(format!("{text:?} is no role; there are {known}.")))
}

pub(super) fn act(text: &str) -> Result<Act, Refusal> {
    text.parse().map_err(|()| bad(format!("{text:?} is no act; policies/access.cedarschema lists them.")))
}

pub(super) fn algorithm(text: &str) -> Result<Algorithm, Refusal> {
    let known = Algorithm::ALL.map(Algorithm::name).join(", ");
    text.parse().map_err(|()| bad(format!("{text:?} is no algorithm; there are {known}.")))
}

fn operations(words: &[String]) -> Result<Vec<Operation>, Refusal> {
    if words.is_empty() {
        return Err(bad("No operation is named.".into()));
    }
    let known = Operation::ALL.map(Operation::name).join(", ");
    let parse = |word: &String| {
        word.parse().map_err(|()| bad(format!("{word:?} is no operation; there are {known}.")))
    };
    words.iter().map(parse).collect()
}

pub(super) fn moment(text: &str) -> Result<Timestamp, Refusal> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).map(OffsetDateTime::unix_timestamp);
    let seconds = parsed.ok().and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(|| {
        bad(format!("{text:?} is no moment; write it like 2030-12-31T23:59:59Z (RFC 3339)."))
    })?;
    Ok(Timestamp::from_seconds(seconds))
}

pub(super) fn moment_to_come(text: &str, now: Now) -> Result<Timestamp, Refusal> {
    let moment = moment(text)?;
    if moment <= now.time { Err(bad(format!("{text} is past already."))) } else { Ok(moment) }
}
