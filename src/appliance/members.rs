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
    /// `not-found` for project or user, `bad-request` for a user whose role owns no projects.
    pub fn add_member(&self, leave: Leave, project: &str, user: &str, now: Now) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        self.change_if_any(now, |batch| {
            let user = self.user_named(user)?;
            check_owner(&user)?;
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

    /// Ends a membership, a damaged one too. One that is not there leaves no record.
    ///
    /// # Errors
    /// `not-found` for project or user.
    pub fn remove_member(&self, leave: Leave, project: &str, user: &str, now: Now) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        self.withdraw_if_any(now, |batch| {
            let user = self.user_named(user)?;
            let row_key = Member::row_key(project, user.id);
            if self.look_up::<Member>(Table::Members, &row_key)?.is_none() {
                return Ok(None);
            }
            let audit = member_audit(&leave, "member.remove", project, user.id, now);
            Ok(Some((batch.delete(Table::Members, &row_key), audit)))
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
