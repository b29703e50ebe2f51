//! Approvals: asking for a second person, and what becomes of what was asked. What an approval leads to is done where it is
//! given ([`super::second_person`]).

use crate::crypto::hex::to_hex;
use crate::crypto::random;
use crate::domain::access::Asked;
use crate::domain::actor::Actor;
use crate::domain::approval::{
    APPROVAL_WAITS_MAX, APPROVALS_KEPT_MAX, APPROVALS_WAITING_MAX, APPROVALS_WAITING_PER_REQUESTER_MAX,
    Approval, Destruction, Kind, State,
};
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::{ApprovalId, ProjectId, UserId};
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::{Batch, Table};

use super::access::Leave;
use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::members::check_owner;
use super::operational::Operational;
use super::wanted::Wanted;

/// An approval in a list, with names for ids where there still are any.
pub struct ApprovalView {
    /// As it is stored.
    pub approval: Approval,
    /// How it stands now.
    pub standing: &'static str,
    /// The account it is about.
    pub subject: String,
    /// The project it is about.
    pub project: Option<String>,
    /// Who asked.
    pub requester: String,
    /// Of a confirmation: the credential that it is about.
    pub credential: Option<String>,
    /// Of a destruction: the object whose key it is about.
    pub object: Option<String>,
}

/// Every row, with its key.
type Rows = Vec<(Vec<u8>, Listed<Approval>)>;

impl Operational {
    /// Asks the members of a project, or of an orphan an officer, to let a user in.
    ///
    /// # Errors
    /// `not-found` for project or user; `bad-request` for a user whose role owns no projects; `already-exists` for one who is a
    /// member, or for whom somebody has asked already; `too-many-approvals`.
    pub fn propose_member(
        &self,
        leave: Leave,
        project: &str,
        user: &str,
        now: Now,
    ) -> Result<ApprovalView, Stop> {
        let project = self.project_named(project)?.id;
        let asked = self.change(now, |batch| {
            let user = self.user_named(user)?;
            check_owner(&user)?;
            if self.member(project, user.id)?.is_some() {
                return Err(taken("This user is a member already."));
            }
            let wanted = Wanted::of(Kind::Member, user.id, Some(project));
            if let Some(same) = self.waiting_for(&wanted, now.time)? {
                let id = same.id;
                return Err(taken(format!("The same was asked for already, and waits: approval {id}.")));
            }
            self.check_asks(user_of(leave.actor()), now)?;
            let (batch, asked) =
                self.ask(batch, wanted, user_of(leave.actor()), leave.actor().to_string(), now)?;
            let audit = ask_audit(&asked, leave.actor(), "member.propose", now);
            Ok((batch, audit, asked))
        })?;
        self.approval_view(asked, now.time)
    }

    /// Refuses more to whoever has so many that wait. What a link or a certificate gave rise to is nobody's request.
    pub(super) fn check_asks(&self, requester: Option<UserId>, now: Now) -> Result<(), Stop> {
        let Some(requester) = requester else { return Ok(()) };
        let sound = self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound());
        let own = sound.filter(|approval| approval.requester == Some(requester));
        let waiting = own.filter(|approval| approval.is_waiting(now.time)).count();
        if waiting < APPROVALS_WAITING_PER_REQUESTER_MAX {
            return Ok(());
        }
        let detail = format!(
            "{waiting} requests of yours wait for a second person; there may be {APPROVALS_WAITING_PER_REQUESTER_MAX} of one requester."
        );
        Err(Refusal::new(Code::TooManyApprovals).detail(detail).into())
    }

    /// Puts a request into a batch, and takes out those that were kept long enough.
    pub(super) fn ask(
        &self,
        mut batch: Batch,
        wanted: Wanted,
        requester: Option<UserId>,
        asked_by: String,
        now: Now,
    ) -> Result<(Batch, Approval), Stop> {
        let (mut waiting, mut kept, mut ended) = (0, 0, Vec::new());
        for (row_key, approval) in self.all_approvals()? {
            match approval {
                Listed::Sound(approval) if approval.may_go(now.time) => {
                    batch = batch.delete(Table::Approvals, &row_key);
                    continue;
                }
                Listed::Sound(approval) if approval.is_waiting(now.time) => waiting += 1,
                Listed::Sound(over) if !over.is_open(now.time) => {
                    ended.push((over.turn_to_go(now.time), row_key));
                }
                Listed::Sound(_) | Listed::Damaged(_) => {}
            }
            kept += 1;
        }
        ended.sort_unstable();
        // Else whoever asks and withdraws would keep everybody from asking. The audit trail has them all.
        let over = (kept + 1usize).saturating_sub(APPROVALS_KEPT_MAX).min(ended.len());
        batch = ended.iter().take(over).fold(batch, |batch, (_, row)| batch.delete(Table::Approvals, row));
        if waiting >= APPROVALS_WAITING_MAX || kept - over >= APPROVALS_KEPT_MAX {
            return Err(Code::TooManyApprovals.into());
        }
        let Wanted { kind, subject, project, destruction } = wanted;
        let approval = Approval {
            id: ApprovalId::from_random(random::bytes()?),
            kind,
            subject,
            project,
            requester,
            asked_by,
            asked: now.time,
            expires: now.time.plus(APPROVAL_WAITS_MAX),
            state: State::Waiting,
            decided: None,
            decided_by: None,
            destruction,
        };
        Ok((put(batch, &approval), approval))
    }

    /// Every approval, the newest first; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn approvals(&self, now: Now) -> Result<Vec<Listed<ApprovalView>>, Stop> {
        let (mut sound, mut views) = (Vec::new(), Vec::new());
        for (_, listed) in self.all_approvals()? {
            match listed {
                Listed::Sound(approval) => sound.push(approval),
                Listed::Damaged(row) => views.push(Listed::Damaged(row)),
            }
        }
        sound.sort_by_key(|approval| std::cmp::Reverse((approval.asked, approval.id)));
        for approval in sound {
            views.push(Listed::Sound(self.approval_view(approval, now.time)?));
        }
        Ok(views)
    }

    /// One approval.
    ///
    /// # Errors
    /// `not-found`.
    pub fn approval(&self, id: ApprovalId, now: Now) -> Result<ApprovalView, Stop> {
        self.approval_view(self.approval_row(id)?, now.time)
    }

    /// The second person says no.
    ///
    /// # Errors
    /// `not-found`, `approval-ended`.
    pub fn refuse_approval(&self, leave: Leave, id: ApprovalId, now: Now) -> Result<ApprovalView, Stop> {
        self.end_approval(leave, id, State::Refused, "approval.refuse", now)
    }

    /// Whoever asked wants it no more.
    ///
    /// # Errors
    /// `not-found`, `approval-ended`.
    pub fn withdraw_approval(&self, leave: Leave, id: ApprovalId, now: Now) -> Result<ApprovalView, Stop> {
        self.end_approval(leave, id, State::Withdrawn, "approval.withdraw", now)
    }

    fn end_approval(
        &self,
        leave: Leave,
        id: ApprovalId,
        state: State,
        act: &'static str,
        now: Now,
    ) -> Result<ApprovalView, Stop> {
        // What was approved and not yet done is a right, too.
        let ended = self.withdraw(now, |batch| {
            let approval = self.approval_row(id)?;
            // A recovery may be stopped until it is used.
            let is_stopped = approval.kind == Kind::Recovery && approval.is_open(now.time);
            let approval = if is_stopped { approval } else { self.waiting(id, now.time)? };
            if state == State::Refused
                && let Actor::User(id) = leave.actor()
                && let Some(user) = self.who_counts(id)?.filter(|user| user.role == Role::User)
            {
                // Whose yes would not count has no no, either.
                self.check_standing(&user, &approval)?;
            }
            let ended = approval.decide(state, leave.actor(), now.time);
            let audit = ask_audit(&ended, leave.actor(), act, now);
            Ok((put(batch, &ended), audit, ended))
        })?;
        self.approval_view(ended, now.time)
    }

    /// Puts into a batch the end of everything that waits about an account, or was asked by it.
    pub(super) fn end_approvals_of(&self, mut batch: Batch, user: UserId, now: Now) -> Result<Batch, Stop> {
        for approval in self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound()) {
            let concerns = approval.subject == user || approval.requester == Some(user);
            if concerns && (approval.is_waiting(now.time) || approval.is_open(now.time)) {
                batch = put(batch, &approval.decide(State::Withdrawn, Actor::System, now.time));
            }
        }
        Ok(batch)
    }

    /// Puts into a batch the end of everything that waits about a project.
    pub(super) fn end_approvals_about(
        &self,
        mut batch: Batch,
        project: ProjectId,
        now: Now,
    ) -> Result<Batch, Stop> {
        for approval in self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound()) {
            if approval.project == Some(project) && approval.is_waiting(now.time) {
                batch = put(batch, &approval.decide(State::Withdrawn, Actor::System, now.time));
            }
        }
        Ok(batch)
    }

    /// What waits of the same kind about the same.
    pub(super) fn waiting_for(&self, wanted: &Wanted, now: Timestamp) -> Result<Option<Approval>, Stop> {
        let mut all = self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound());
        Ok(all.find(|approval| wanted.is_same(approval) && approval.is_waiting(now)))
    }

    /// What was approved of that kind about the same, and is still open.
    pub(super) fn approved(&self, wanted: &Wanted, now: Timestamp) -> Result<Option<Approval>, Stop> {
        let mut all = self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound());
        Ok(all.find(|approval| {
            (approval.kind, approval.subject) == (wanted.kind, wanted.subject) && approval.is_open(now)
        }))
    }

    /// One that waits for its second person.
    pub(super) fn waiting(&self, id: ApprovalId, now: Timestamp) -> Result<Approval, Stop> {
        let approval = self.approval_row(id)?;
        if approval.is_waiting(now) {
            return Ok(approval);
        }
        let standing = approval.standing(now);
        Err(Refusal::new(Code::ApprovalEnded).detail(format!("The request is {standing}.")).into())
    }

    /// An approval, as policies see it.
    pub(super) fn asked(&self, id: ApprovalId) -> Result<Asked, Stop> {
        let Approval { kind, subject, requester, project, .. } = self.approval_row(id)?;
        let projects = match (kind, project) {
            (Kind::Member | Kind::Destruction, project) => project.into_iter().collect(),
            (Kind::Confirmation, _) => self.memberships(subject)?.into_iter().collect(),
            (Kind::Recovery, _) => Vec::new(),
        };
        let is_orphan = match project {
            Some(project) => self.is_orphan(project)?,
            None => false,
        };
        Ok(Asked { id, kind, subject, requester, projects, is_orphan })
    }

    /// Whether no member is left who could let somebody in: none that may come in and is confirmed.
    pub(super) fn is_orphan(&self, project: ProjectId) -> Result<bool, Stop> {
        let mut members = Vec::new();
        self.each(Table::Members, project.as_bytes(), |row_key, _| {
            members.extend(row_key.last_chunk::<16>().map(|id| UserId::from_bytes(*id)));
            Ok(())
        })?;
        for id in members {
            let user = self.look_up::<User>(Table::Users, id.as_bytes())?.and_then(Listed::sound);
            let decides = |user: &User| {
                user.role == Role::User && user.disabled.is_none() && user.unconfirmed.is_none()
            };
            if user.as_ref().is_some_and(decides) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn approval_row(&self, id: ApprovalId) -> Result<Approval, Stop> {
        self.read(Table::Approvals, id.as_bytes())?.ok_or_else(|| not_found("approval", &id.to_string()))
    }

    /// Bounded by [`APPROVALS_KEPT_MAX`].
    pub(super) fn all_approvals(&self) -> Result<Rows, Stop> {
        let mut all = Vec::new();
        self.each_listed(Table::Approvals, &[], |row_key, row| {
            all.push((row_key.to_vec(), row.decode()?));
            Ok(())
        })?;
        Ok(all)
    }

    pub(super) fn approval_view(&self, approval: Approval, now: Timestamp) -> Result<ApprovalView, Stop> {
        let name = |id: UserId| -> Result<String, Stop> {
            let user = self.look_up::<User>(Table::Users, id.as_bytes())?.and_then(Listed::sound);
            Ok(user.map_or_else(|| format!("user:{id}"), |user| user.name.to_string()))
        };
        let project = match approval.project {
            Some(id) => {
                let row = self.look_up::<Project>(Table::Projects, id.as_bytes())?.and_then(Listed::sound);
                Some(row.map_or_else(|| id.to_string(), |project| project.name.to_string()))
            }
            None => None,
        };
        let object = match &approval.destruction {
            Some(Destruction { object, .. }) => {
                let row = self.look_up::<Object>(Table::Objects, object.as_bytes())?.and_then(Listed::sound);
                Some(row.map_or_else(|| object.to_string(), |object| object.name.to_string()))
            }
            None => None,
        };
        Ok(ApprovalView {
            object,
            standing: approval.standing(now),
            subject: name(approval.subject)?,
            requester: approval.requester.map_or_else(|| Ok(approval.asked_by.clone()), name)?,
            project,
            credential: self.handed(&approval)?,
            approval,
        })
    }
}

impl Operational {
    /// The credential that a confirmation is about: what its second person asks the account's owner for.
    fn handed(&self, approval: &Approval) -> Result<Option<String>, Stop> {
        if approval.kind != Kind::Confirmation {
            return Ok(None);
        }
        let user = self.look_up::<User>(Table::Users, approval.subject.as_bytes())?.and_then(Listed::sound);
        Ok(user.and_then(|user| match (user.handed_certificate, user.handed_password) {
            (Some(spki), _) => Some(format!("certificate {}", to_hex(&spki))),
            (None, Some(set)) => Some(format!("password set by a link at {set}")),
            (None, None) => None,
        }))
    }
}

/// Puts an approval into a batch.
pub(super) fn put(batch: Batch, approval: &Approval) -> Batch {
    batch.put(Table::Approvals, approval.id.as_bytes(), cbor::encode(approval))
}

/// What is recorded of an approval.
pub(super) fn ask_audit(approval: &Approval, actor: Actor, act: &'static str, now: Now) -> AuditRecord {
    let audit = AuditRecord::new(now.time, actor, act)
        .with("approval", approval.id)
        .with("kind", approval.kind)
        .with("user", approval.subject)
        .with("asked-by", &approval.asked_by);
    let audit = match approval.project {
        Some(project) => audit.with("project", project),
        None => audit,
    };
    match &approval.destruction {
        Some(asked) => audit.with("object", asked.object).with_key(asked.place()).with("days", asked.days),
        None => audit,
    }
}

pub(super) fn taken(detail: impl Into<String>) -> Stop {
    Refusal::new(Code::AlreadyExists).detail(detail.into()).into()
}

/// The user that an actor is; none for the operator.
pub(super) const fn user_of(actor: Actor) -> Option<UserId> {
    match actor {
        Actor::User(id) => Some(id),
        Actor::Endpoint(_) | Actor::Local(_) | Actor::System => None,
    }
}
