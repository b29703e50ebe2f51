//! An approval: what one person has asked for and a second one decides. It waits for a bounded time, is decided once, and
//! whoever asks for it, or whom it is about, is never the second person.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::description::Description;
use super::id::{ApprovalId, ObjectId, ProjectId, UserId};
use super::key_place::KeyPlace;
use super::timestamp::Timestamp;

/// How long a request waits for its second person.
pub const APPROVAL_WAITS_MAX: Duration = Duration::from_secs(72 * 3_600);
/// How long whoever could refuse a recovery has to do so, from when it was approved.
pub const ADMIN_MAY_REFUSE: Duration = Duration::from_secs(24 * 3_600);
/// How long after its appointment an officer decides about a recovery, where another officer was there before it.
pub const OFFICER_SEASONS: Duration = Duration::from_secs(24 * 3_600);
/// How long one that was decided or has expired is kept for lists, from when it was asked, of a destruction from when its key
/// was to go; the audit trail keeps it longer.
pub const APPROVAL_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Requests that may wait at a time.
pub const APPROVALS_WAITING_MAX: usize = 256;
/// The same of one requester, who takes no more of the places; what a certificate or a link of theirs gave rise to is theirs, too.
pub const APPROVALS_WAITING_PER_REQUESTER_MAX: usize = 16;
/// Requests that are kept, those that wait included.
pub const APPROVALS_KEPT_MAX: usize = 1_024;

/// What needs a second person; the numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// An account becomes a member of a project, asked for by somebody who is none.
    #[n(0)]
    Member,
    /// An account whose credentials another person had in hand gets its full rights back.
    #[n(1)]
    Confirmation,
    /// All admins are lost: an account becomes an admin and gets a new password.
    #[n(2)]
    Recovery,
    /// A key version is destroyed, after a time.
    #[n(3)]
    Destruction,
}

/// What became of it; the numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// For its second person.
    #[n(0)]
    Waiting,
    /// By a second person.
    #[n(1)]
    Approved,
    /// By a second person.
    #[n(2)]
    Refused,
    /// By whoever asked, or because what it was about has changed.
    #[n(3)]
    Withdrawn,
    /// Approved, and done by whoever asked.
    #[n(4)]
    Used,
}

/// An approval as it is stored under its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Approval {
    /// Never changes.
    #[n(0)]
    pub id: ApprovalId,
    /// What is asked.
    #[n(1)]
    pub kind: Kind,
    /// The account it is about; whoever asked, where it is about none.
    #[n(2)]
    pub subject: UserId,
    /// The project it is about, where it is about one.
    #[n(3)]
    pub project: Option<ProjectId>,
    /// Who asked; none where that was the operator.
    #[n(4)]
    pub requester: Option<UserId>,
    /// The same as audit records say it.
    #[n(5)]
    pub asked_by: String,
    /// When.
    #[n(6)]
    pub asked: Timestamp,
    /// From when on nobody can approve it any more; of a recovery that was approved, from when on nobody can fetch it.
    #[n(7)]
    pub expires: Timestamp,
    /// What became of it.
    #[n(8)]
    pub state: State,
    /// When that was.
    #[n(9)]
    pub decided: Option<Timestamp>,
    /// By whom, as audit records say it.
    #[n(10)]
    pub decided_by: Option<String>,
    /// Of a destruction: what of.
    #[n(11)]
    pub destruction: Option<Destruction>,
}

/// A key version that somebody wants to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Destruction {
    /// Its object.
    #[n(0)]
    pub object: ObjectId,
    /// Its key.
    #[n(1)]
    pub key_id: u32,
    /// From 1.
    #[n(2)]
    pub version: u32,
    /// How long it waits, from the second person's yes on.
    #[n(3)]
    pub days: u16,
    /// In the words of whoever asked.
    #[n(4)]
    pub why: Option<Description>,
}

impl Destruction {
    /// Which key version it is.
    #[must_use]
    pub const fn place(&self) -> KeyPlace {
        KeyPlace::new(self.key_id, self.version)
    }
}

impl Kind {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Member, Self::Confirmation, Self::Recovery, Self::Destruction];

    /// Of the [`APPROVALS_WAITING_MAX`] places, those that no other kind takes.
    #[must_use]
    pub const fn places_kept(self) -> usize {
        match self {
            Self::Member | Self::Confirmation | Self::Destruction => 48,
            Self::Recovery => 16,
        }
    }

    /// The word in policies, records and lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Confirmation => "confirmation",
            Self::Recovery => "recovery",
            Self::Destruction => "destruction",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Approval {
    /// Whether it waits for its second person now.
    #[must_use]
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        self.state == State::Waiting && now < self.expires
    }

    /// Whether it may go: it waits no more, and was kept long enough.
    #[must_use]
    pub fn may_go(&self, now: Timestamp) -> bool {
        !self.is_waiting(now) && now.since(self.key_goes().unwrap_or(self.asked)) > APPROVAL_KEPT
    }

    /// When the key goes whose destruction was approved.
    fn key_goes(&self) -> Option<Timestamp> {
        let (destruction, decided) = self.destruction.as_ref().zip(self.decided)?;
        let wait = Duration::from_secs(u64::from(destruction.days) * 24 * 3_600);
        (self.state == State::Approved).then(|| decided.plus(wait))
    }

    /// In which order those that are over go where there is no room: the oldest first, and last those of destructions that can
    /// still be taken back, because that is where people look for them.
    #[must_use]
    pub fn turn_to_go(&self, now: Timestamp) -> (bool, Timestamp) {
        (self.key_goes().is_some_and(|at| now < at), self.asked)
    }

    /// Whether it was approved, and what was approved can still be had.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == State::Approved && now < self.expires
    }

    /// How it stands, in one word.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> &'static str {
        match self.state {
            State::Waiting if now < self.expires => "waiting",
            State::Waiting => "expired",
            State::Approved if self.kind == Kind::Recovery && now >= self.expires => "expired",
            State::Approved => "approved",
            State::Refused => "refused",
            State::Withdrawn => "withdrawn",
            State::Used => "used",
        }
    }

    /// The same, decided. A recovery can be fetched for as long as it could wait, from the end of the time in which it may be
    /// refused on: however late it was approved.
    #[must_use]
    pub fn decide(self, state: State, by: impl ToString, now: Timestamp) -> Self {
        let expires = match (self.kind, state) {
            (Kind::Recovery, State::Approved) => {
                self.expires.max(now.plus(ADMIN_MAY_REFUSE).plus(APPROVAL_WAITS_MAX))
            }
            _ => self.expires,
        };
        Self { expires, state, decided: Some(now), decided_by: Some(by.to_string()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    fn asked(at: u64) -> Approval {
        Approval {
            id: ApprovalId::from_bytes([1; 16]),
            kind: Kind::Member,
            subject: UserId::from_bytes([2; 16]),
            project: Some(ProjectId::from_bytes([3; 16])),
            requester: None,
            asked_by: "local:0".into(),
            asked: Timestamp::from_seconds(at),
            expires: Timestamp::from_seconds(at).plus(APPROVAL_WAITS_MAX),
            state: State::Waiting,
            decided: None,
            decided_by: None,
            destruction: None,
        }
    }

    #[test]
    fn it_waits_for_three_days_and_is_kept_for_thirty() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let approval = asked(1_000);
        let end = 1_000 + 72 * 3_600;
        assert!(approval.is_waiting(at(end - 1)) && !approval.is_waiting(at(end)));
        assert_eq!((approval.standing(at(end - 1)), approval.standing(at(end))), ("waiting", "expired"));
        let gone = 1_000 + 30 * 24 * 3_600;
        assert!(!approval.may_go(at(gone)) && approval.may_go(at(gone + 1)));
        let given = approval.decide(State::Approved, "user:x", at(2_000));
        assert!(!given.is_waiting(at(2_001)) && given.is_open(at(end - 1)) && !given.is_open(at(end)));
        assert_eq!(given.standing(at(end)), "approved");
    }

    #[test]
    fn a_recovery_can_be_fetched_for_three_days_after_the_day_in_which_it_may_be_refused() {
        let (at, hour) = (Timestamp::from_seconds, 3_600);
        let waiting = Approval { kind: Kind::Recovery, project: None, ..asked(1_000) };
        let end = 1_000 + (71 + 24 + 72) * hour;
        let given = waiting.decide(State::Approved, "user:x", at(1_000 + 71 * hour));
        assert!(given.is_open(at(end - 1)) && !given.is_open(at(end)));
        assert_eq!((given.standing(at(end - 1)), given.standing(at(end))), ("approved", "expired"));
        let used = given.decide(State::Used, "local:0", at(end - 1));
        assert_eq!((used.expires, used.standing(at(end))), (at(end), "used"));
    }

    #[test]
    fn that_of_a_destruction_is_kept_while_its_key_waits_and_thirty_days_more() {
        let (at, day) = (Timestamp::from_seconds, 24 * 3_600);
        let destruction =
            Destruction { object: ObjectId::from_bytes([4; 16]), key_id: 5, version: 6, days: 90, why: None };
        let waiting = Approval { kind: Kind::Destruction, destruction: Some(destruction), ..asked(1_000) };
        let waits = |approval: &Approval, second| approval.turn_to_go(at(second)).0;
        let refused = waiting.clone().decide(State::Refused, "user:x", at(2_000));
        assert!(refused.may_go(at(1_001 + 30 * day)) && !waits(&refused, 2_001));
        assert!(!waits(&waiting, 2_001), "nobody has said yes");
        let given = waiting.decide(State::Approved, "user:x", at(2_000));
        assert!(waits(&given, 1_999 + 90 * day) && !waits(&given, 2_000 + 90 * day));
        assert!(given.turn_to_go(at(2_001)) > refused.turn_to_go(at(2_001)));
        assert!(!given.may_go(at(2_000 + 120 * day)) && given.may_go(at(2_001 + 120 * day)));
    }

    #[test]
    fn it_is_stored_as_it_was() {
        let approval = asked(7).decide(State::Refused, "user:x", Timestamp::from_seconds(8));
        assert_eq!(cbor::decode(&cbor::encode(&approval)), Ok(approval));
    }
}
