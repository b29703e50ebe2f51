//! What is asked of a second person, before it is an approval: to be compared with what was asked already.

use crate::domain::approval::{Approval, Destruction, Kind};
use crate::domain::id::{ProjectId, UserId};

/// What is asked of a second person.
#[derive(Clone)]
pub(super) struct Wanted {
    pub kind: Kind,
    pub subject: UserId,
    pub project: Option<ProjectId>,
    pub destruction: Option<Destruction>,
}

impl Wanted {
    /// What is about an account.
    pub(super) const fn of(kind: Kind, subject: UserId, project: Option<ProjectId>) -> Self {
        Self { kind, subject, project, destruction: None }
    }

    /// Whether an approval is about the same. Of a key version that is the same whoever asks.
    pub(super) fn is_same(&self, approval: &Approval) -> bool {
        match (&self.destruction, &approval.destruction) {
            (Some(wanted), Some(asked)) => wanted.place() == asked.place(),
            _ => {
                let wanted = (self.kind, self.subject, self.project);
                wanted == (approval.kind, approval.subject, approval.project)
            }
        }
    }
}
