//! Recoveries that are under way, for whoever may refuse one: nobody is asked before an account becomes the admin, so health, status,
//! metrics and the log have to say it in time.

use crate::domain::approval::{ADMIN_MAY_REFUSE, Approval, Kind, State};
use crate::domain::id::ApprovalId;
use crate::domain::timestamp::Timestamp;

use super::fault::Stop;
use super::operational::Operational;

/// A recovery that waits for an officer, or can be fetched.
pub struct RecoveryUnderWay {
    /// By which it is refused.
    pub approval: ApprovalId,
    /// Who would be an admin.
    pub user: String,
    /// `waiting`, or `approved`.
    pub standing: &'static str,
    /// When it was asked.
    pub asked: Timestamp,
    /// Until when an admin who could sign in holds it up, once it is approved.
    pub held_until: Option<Timestamp>,
    /// From when on there is nothing of it any more.
    pub expires: Timestamp,
}

impl Operational {
    /// Every one, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn recoveries(&self) -> Result<Vec<RecoveryUnderWay>, Stop> {
        let now = self.now().time;
        let mut found: Vec<Approval> =
            self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound()).collect();
        found.retain(|one| one.kind == Kind::Recovery && (one.is_waiting(now) || one.is_open(now)));
        found.sort_by_key(|one| std::cmp::Reverse(one.asked));
        let under_way = found.into_iter().map(|one| {
            let (approval, asked, expires, held_until) = (one.id, one.asked, one.expires, one.held_until());
            let view = self.approval_view(one, now)?;
            let (user, standing) = (view.subject, view.standing);
            Ok(RecoveryUnderWay { approval, user, standing, asked, held_until, expires })
        });
        under_way.collect()
    }
}

impl Approval {
    /// Until when an admin who could sign in holds up a recovery that was approved.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        let decided = self.decided.filter(|_| self.state == State::Approved);
        decided.map(|decided| decided.plus(ADMIN_MAY_REFUSE))
    }

    /// Tells the log of a recovery that was asked for, or approved.
    pub(super) fn warn_of_recovery(&self, user: &str) {
        let approved = self.held_until().map(|until| until.to_string());
        tracing::warn!(
            approval = %self.id,
            user,
            held_until = approved,
            "a recovery is under way that makes an account the admin; an admin or officer stops it: gembok approval refuse"
        );
    }
}
