//! The second person's yes. A [`Seconded`] is made here and nowhere else, after everything that makes a second person was
//! looked at, and what needs two persons takes one: so nothing of the kind is done on the word of one.
//!
//! The access policies say who may decide what (a member, an officer; never who asked, nor whom it is about). What they cannot
//! see is asked here, where changes are made one at a time: that the second person was what it is before the request was made,
//! so that nobody is made one for the purpose; and that the account spoken of is still the one that was meant.

use crate::domain::actor::Actor;
use crate::domain::approval::{Approval, Kind, OFFICER_SEASONS, State};
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::id::{ApprovalId, ProjectId, UserId};
use crate::domain::member::Member;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::{Batch, Table};

use super::access::Leave;
use super::approvals::{ApprovalView, ask_audit, put};
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::members::check_owner;
use super::operational::Operational;

/// What two persons want: one asked, another approved. Spent by doing it.
pub(super) struct Seconded {
    approval: Approval,
    /// The account it is about, as it is now.
    subject: User,
}

impl Seconded {
    /// What they want, to be done now.
    pub(super) fn spend(self) -> Approval {
        self.approval
    }
}

impl Operational {
    /// The second person says yes, and it is done in the same commit; what its requester has to fetch stays open for it.
    ///
    /// # Errors
    /// `not-found`; `approval-ended`, also where the account has changed hands since; `not-a-second-person`; `wrong-key-state` where
    /// a key version cannot be destroyed from where it stands now.
    pub fn give_approval(&self, leave: Leave, id: ApprovalId, now: Now) -> Result<ApprovalView, Stop> {
        let mut doomed = None;
        let given = self.change_keys(now, |batch| {
            let seconded = self.second(leave.actor(), id, now.time)?;
            let given = seconded.approval.clone();
            let audit = ask_audit(&given, leave.actor(), "approval.give", now);
            let batch = put(batch, &given);
            let batch = match given.kind {
                Kind::Member => self.let_in(batch, seconded, leave.actor(), now)?,
                Kind::Confirmation => confirm(batch, seconded, leave.actor(), now),
                Kind::Recovery => batch,
                Kind::Destruction => {
                    let (batch, version) = self.schedule_destruction(batch, seconded, leave.actor(), now)?;
                    doomed = Some(version);
                    batch
                }
            };
            Ok((batch, audit, given))
        })?;
        if let Some(version) = doomed {
            self.witness_withdrawal(now);
            self.follow(&version);
        }
        let is_recovery = given.kind == Kind::Recovery;
        let view = self.approval_view(given, now.time)?;
        if is_recovery {
            view.approval.warn_of_recovery(&view.subject);
        }
        Ok(view)
    }

    /// Why an approval could not be given by a user now, beside what the access policies say; none where it could.
    pub(super) fn objection(
        &self,
        by: UserId,
        id: ApprovalId,
        now: Timestamp,
    ) -> Result<Option<String>, Stop> {
        match self.second(Actor::User(by), id, now) {
            Ok(_) => Ok(None),
            Err(Stop::Refused(refusal)) => {
                Ok(Some(refusal.detail.map_or_else(|| refusal.code.title().to_owned(), Into::into)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Makes sure of the second person.
    fn second(&self, actor: Actor, id: ApprovalId, now: Timestamp) -> Result<Seconded, Stop> {
        let approval = self.waiting(id, now)?;
        let Actor::User(approver) = actor else {
            return Err(no("A second person signs in to the control plane."));
        };
        if approval.requester == Some(approver) || approval.subject == approver {
            return Err(no("Whoever asked, or whom it is about, is not the second person."));
        }
        let approver = self.who_counts(approver)?.filter(|user| user.unconfirmed.is_none());
        let approver = approver.ok_or_else(|| no("The second person has to be confirmed itself."))?;
        let subject = self.who_counts(approval.subject)?;
        let subject = subject.filter(|user| user.handed_over.is_none_or(|since| since <= approval.asked));
        let subject = subject.ok_or_else(|| ended("The account has changed since it was asked."))?;
        if let Some(requester) = approval.requester
            && self.who_counts(requester)?.is_none()
        {
            return Err(ended("Whoever asked may not come in any more."));
        }
        if let (Kind::Destruction, Some(requester), Some(project)) =
            (approval.kind, approval.requester, approval.project)
            && (self.member(project, requester)?.is_none() || subject.unconfirmed.is_some())
        {
            return Err(ended("Whoever asked is no confirmed member of the project any more."));
        }
        self.check_standing(&approver, &approval)?;
        if approval.kind == Kind::Recovery {
            self.check_seasoned(&approver, now)?;
        }
        let approval = approval.decide(State::Approved, actor, now);
        Ok(Seconded { approval, subject })
    }

    /// Refuses a second person who was not one when the request was made.
    pub(super) fn check_standing(&self, approver: &User, approval: &Approval) -> Result<(), Stop> {
        let project = approval.project;
        match (approver.role, approval.kind) {
            (Role::Officer, Kind::Member) => {
                let is_orphan = project.map(|project| self.is_orphan(project)).transpose()?;
                if is_orphan != Some(true) {
                    return Err(no("This project has members; one of them decides."));
                }
            }
            (Role::Officer, Kind::Confirmation | Kind::Recovery | Kind::Destruction) => {}
            (Role::User, Kind::Member | Kind::Destruction) => {
                self.check_members_before(approver.id, project, approval.asked)?;
            }
            (Role::User, Kind::Confirmation) => {
                // Of each: who could put an account into a project of his own, and answer for it there, would be its second
                // person everywhere.
                // Whoever takes the account into a project of his own after the request has no say in it.
                let mut projects = Vec::new();
                for project in self.memberships(approval.subject)? {
                    let member = self.member(project, approval.subject)?;
                    projects.extend(member.filter(|one| one.created < approval.asked).map(|_| project));
                }
                if projects.is_empty() {
                    return Err(no("The account is a member of no project; an officer decides."));
                }
                self.check_members_before(approver.id, projects, approval.asked)?;
            }
            _ => return Err(no("An account of this role is not the second person for that.")),
        }
        if approver.appointed() >= approval.asked {
            return Err(no("The second person's account, and its role, have to be older than the request."));
        }
        Ok(())
    }

    /// Whoever asks for a recovery appoints officers, too: where another was there before, one of a moment ago is no second person.
    /// Where there is none, somebody has to be the first.
    fn check_seasoned(&self, officer: &User, now: Timestamp) -> Result<(), Stop> {
        if now.since(officer.appointed()) >= OFFICER_SEASONS {
            return Ok(());
        }
        let mut is_there_another = false;
        self.each_listed(Table::Users, &[], |_, row| {
            let other = row.decode::<User>()?.sound();
            is_there_another |= other.is_some_and(|other| {
                other.role == Role::Officer
                    && other.disabled.is_none()
                    && other.appointed() < officer.appointed()
            });
            Ok(())
        })?;
        if is_there_another {
            return Err(no(
                "An officer decides about a recovery a day after it was appointed, where another was there before it.",
            ));
        }
        Ok(())
    }

    fn check_members_before(
        &self,
        approver: UserId,
        projects: impl IntoIterator<Item = ProjectId>,
        asked: Timestamp,
    ) -> Result<(), Stop> {
        for project in projects {
            let member = self.member(project, approver)?;
            if member.is_none_or(|member| member.created >= asked) {
                return Err(no(
                    "The second person has to be a member, since before the request, of the project, or of each \
                               project of the account; or an officer decides where there is none.",
                ));
            }
        }
        Ok(())
    }

    /// An account that may come in.
    pub(super) fn who_counts(&self, id: UserId) -> Result<Option<User>, Stop> {
        let user = self.look_up::<User>(Table::Users, id.as_bytes())?.and_then(Listed::sound);
        Ok(user.filter(|user| user.disabled.is_none()))
    }

    /// Two persons make a member.
    fn let_in(&self, batch: Batch, seconded: Seconded, actor: Actor, now: Now) -> Result<Batch, Stop> {
        let Seconded { approval, subject } = seconded;
        check_owner(&subject)?;
        let project =
            approval.project.ok_or_else(|| Fault::new("an approval of a member names no project"))?;
        if self.member(project, subject.id)?.is_some() {
            return Ok(batch);
        }
        let audit = beside(&approval, &subject, actor, "member.add", now).with("project", project);
        let member = cbor::encode(&Member { created: now.time });
        Ok(record(batch.put(Table::Members, &Member::row_key(project, subject.id), member), &audit))
    }
}

/// Two persons give an account its full rights back.
fn confirm(batch: Batch, seconded: Seconded, actor: Actor, now: Now) -> Batch {
    let Seconded { approval, subject } = seconded;
    let audit = beside(&approval, &subject, actor, "user.confirm", now);
    let confirmed = User { unconfirmed: None, handed_certificate: None, handed_password: None, ..subject };
    record(batch.put(Table::Users, confirmed.id.as_bytes(), cbor::encode(&confirmed)), &audit)
}

/// The record of what an approval did, beside the one that it was given.
fn beside(approval: &Approval, subject: &User, actor: Actor, act: &'static str, now: Now) -> AuditRecord {
    AuditRecord::new(now.time, actor, act)
        .with("user", subject.id)
        .with("approval", approval.id)
        .with("asked-by", &approval.asked_by)
}

pub(super) fn record(batch: Batch, audit: &AuditRecord) -> Batch {
    batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(audit))
}

pub(super) fn no(detail: &'static str) -> Stop {
    Refusal::new(Code::NotASecondPerson).detail(detail).into()
}

pub(super) fn ended(detail: &'static str) -> Stop {
    Refusal::new(Code::ApprovalEnded).detail(detail).into()
}
