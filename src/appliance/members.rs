//! Members of projects: the users who own one together.

use std::collections::BTreeSet;

use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::{ProjectId, UserId};
use crate::domain::member::Member;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::Table;

use super::access::Leave;
use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::page::{Page, PageWanted};

/// A member in a list.
pub struct MemberView {
    /// Who.
    pub user: User,
    /// Since when.
    pub since: Timestamp,
}

impl Operational {
    /// Makes a user a member of a project, on the word of one of its members or of the operator alone; whoever else wants that
    /// asks for it ([`Operational::propose_member`]). One that is a member already leaves no record.
    ///
    /// # Errors
    /// `not-found` for the project, and for whoever is no user of the role that owns projects: a member is told alike of who is not
    /// there and of who is something else.
    pub fn add_member(&self, leave: Leave, project: &str, user: &str, now: Now) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        self.change_if_any(now, |batch| {
            let nobody = || not_found("account of the role user called", user);
            let user = self.user_if_any(user)?.filter(|user| user.role == Role::User).ok_or_else(nobody)?;
            if self.member(project, user.id)?.is_some() {
                return Ok(None);
            }
            let row_key = Member::row_key(project, user.id);
            let audit = member_audit(&leave, "member.add", project, user.id, now);
            Ok(Some((
                batch.put(Table::Members, &row_key, cbor::encode(&Member { created: now.time })),
                audit,
            )))
        })
    }

    /// Ends a membership, a damaged one too.
    ///
    /// # Errors
    /// `not-found` for the project, and for whoever is no member, there or not.
    pub fn remove_member(&self, leave: Leave, project: &str, user: &str, now: Now) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        self.withdraw(now, |batch| {
            let nobody = || not_found("member", user);
            let id = self.user_if_any(user)?.ok_or_else(nobody)?.id;
            let row_key = Member::row_key(project, id);
            if self.look_up::<Member>(Table::Members, &row_key)?.is_none() {
                return Err(nobody());
            }
            let audit = member_audit(&leave, "member.remove", project, id, now);
            Ok((batch.delete(Table::Members, &row_key), audit, ()))
        })
    }

    /// Members of a project; one that is damaged, or whose account is, by that row's name.
    ///
    /// # Errors
    /// `not-found` for the project.
    pub fn members(&self, project: &str, wanted: &PageWanted) -> Result<Page<MemberView>, Stop> {
        let project = self.project_named(project)?.id;
        self.page(Table::Members, project.as_bytes(), wanted, |row_key, row| {
            Ok(match (row.decode::<Member>()?, Member::from_row_key(row_key)) {
                (Listed::Damaged(row), _) => Some(Listed::Damaged(row)),
                (Listed::Sound(member), Some((_, id))) => {
                    let user = self.look_up::<User>(Table::Users, id.as_bytes())?;
                    user.map(|user| user.map(|user| MemberView { user, since: member.created }))
                }
                (Listed::Sound(_), None) => None,
            })
        })
    }

    /// An account by its name, if it is there.
    fn user_if_any(&self, name: &str) -> Result<Option<User>, Stop> {
        match self.user_named(name) {
            Ok(user) => Ok(Some(user)),
            Err(Stop::Refused(refusal)) if refusal.code == Code::NotFound => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// A membership, if it is there and can be read.
    pub(super) fn member(&self, project: ProjectId, user: UserId) -> Result<Option<Member>, Stop> {
        let found = self.look_up::<Member>(Table::Members, &Member::row_key(project, user))?;
        Ok(found.and_then(Listed::sound))
    }

    /// The projects that a user is a member of. A damaged membership counts for nothing.
    pub(super) fn memberships(&self, user: UserId) -> Result<BTreeSet<ProjectId>, Stop> {
        let mut projects = BTreeSet::new();
        self.each(Table::Members, &[], |row_key, _| {
            projects.extend(
                Member::from_row_key(row_key)
                    .filter(|(_, member)| *member == user)
                    .map(|(project, _)| project),
            );
            Ok(())
        })?;
        Ok(projects)
    }
}

/// Refuses an account whose role owns no projects.
pub(super) fn check_owner(user: &User) -> Result<(), Refusal> {
    if user.role == Role::User {
        return Ok(());
    }
    let role = user.role;
    Err(Refusal::new(Code::BadRequest)
        .detail(format!("Only those whose role is user own projects; this one's is {role}.")))
}

fn member_audit(leave: &Leave, act: &'static str, project: ProjectId, user: UserId, now: Now) -> AuditRecord {
    AuditRecord::new(now.time, leave.actor(), act).with("project", project).with("user", user)
}
