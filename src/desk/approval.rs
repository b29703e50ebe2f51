//! Approvals at the desk: what can be asked about them, what comes back, and the way to the appliance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{
    Appliance, ApprovalView, KeyAtStake as AtStake, Leave, Listed as Found, Operational, Stop, Target,
};
use crate::domain::access::Act;
use crate::domain::id::ApprovalId;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::answer::{Done, KeyVersion, Listed, Page};
use super::asker::Asker;
use super::perform::id;
use super::view::told;

/// Verbs on approvals.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Approval {
    /// Those that whoever asks may see.
    List,
    /// One of them.
    Show {
        /// As lists show it.
        id: String,
    },
    /// The second person's yes.
    Give {
        /// As lists show it.
        id: String,
    },
    /// The second person's no.
    Refuse {
        /// As lists show it.
        id: String,
    },
    /// By whoever asked for it.
    Withdraw {
        /// As lists show it.
        id: String,
    },
}

/// An approval in an answer.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLine {
    /// Never changes.
    pub id: String,
    /// `member`, `confirmation`, `recovery` or `destruction`.
    pub kind: String,
    /// Name of the account it is about; of a destruction, of whoever asked.
    pub user: String,
    /// Name of the project it is about.
    pub project: Option<String>,
    /// Who asked: a user's name, or `local:<uid>`.
    pub requester: String,
    /// When it was asked.
    pub asked: String,
    /// From when on nobody can approve it any more.
    pub expires: String,
    /// `waiting`, `expired`, `approved`, `refused`, `withdrawn` or `used`.
    pub state: String,
    /// When it was decided.
    pub decided: Option<String>,
    /// By whom, as audit records say it.
    pub decided_by: Option<String>,
    /// Of a confirmation: the credential that it is about, which somebody else had in hand; ask the account's owner whether it is
    /// the owner's now.
    #[serde(default)]
    pub credential: Option<String>,
    /// Of a destruction: the object whose key it is about.
    #[serde(default)]
    pub object: Option<String>,
    /// Of a destruction: the key version.
    #[serde(default)]
    pub version: Option<u32>,
    /// Of a destruction: how many days it waits after the second person's yes.
    #[serde(default)]
    pub days: Option<u16>,
    /// Of a destruction: why, in the words of whoever asked.
    #[serde(default)]
    pub reason: Option<String>,
    /// Of a destruction: what is at stake, for who may decide it while it waits, and for who may see the object.
    #[serde(default)]
    pub key: Option<KeyAtStake>,
}

/// A key version whose end is asked for, as it is now.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAtStake {
    /// As lists show it: its state and algorithm, how much was encrypted and decrypted under it, and when last.
    pub version: KeyVersion,
    /// Whether it is its object's newest.
    pub current: bool,
    /// When it would be destroyed if the second person said yes now; once that was said, when it will be, while it is by this approval.
    pub destroyed_at: Option<String>,
}

impl Approval {
    /// What the access policies are asked.
    pub(super) fn act(&self) -> Result<(Act, Target), Refusal> {
        let of = |text: &String| id::<ApprovalId>(text).map(Target::Approval);
        Ok(match self {
            Self::List => (Act::ApprovalList, Target::Appliance),
            Self::Show { id } => (Act::ApprovalShow, of(id)?),
            Self::Give { id } => (Act::ApprovalGive, of(id)?),
            Self::Refuse { id } => (Act::ApprovalRefuse, of(id)?),
            Self::Withdraw { id } => (Act::ApprovalWithdraw, of(id)?),
        })
    }

    pub(super) fn perform(
        self,
        appliance: &Appliance,
        asker: &Asker,
        leave: Leave,
        now: Now,
    ) -> Result<Done, Stop> {
        let unlocked = appliance.unlocked()?;
        Ok(Done::Approval(Box::new(match self {
            Self::List => {
                let mut seen = Vec::new();
                for listed in unlocked.approvals(now)? {
                    let is_seen = match &listed {
                        Found::Sound(view) => {
                            asker.may(appliance, Act::ApprovalShow, Target::Approval(view.approval.id))?
                        }
                        Found::Damaged(_) => asker.may(appliance, Act::StatusRead, Target::Appliance)?,
                    };
                    if !is_seen {
                        continue;
                    }
                    let key = match &listed {
                        Found::Sound(view) => at_stake(view, appliance, asker, now)?,
                        Found::Damaged(_) => None,
                    };
                    let listed = match Listed::from(listed) {
                        Listed::Sound(line) => Listed::Sound(ApprovalLine { key, ..line }),
                        damaged @ Listed::Damaged(_) => damaged,
                    };
                    seen.push(listed);
                }
                // All of them: they are bounded.
                return Ok(Done::Approvals(Page { items: seen, next: None }));
            }
            Self::Show { id: shown } => {
                let view = unlocked.approval(id(&shown)?, now)?;
                let key = at_stake(&view, appliance, asker, now)?;
                ApprovalLine { key, ..view.into() }
            }
            // Who decides sees what was decided about.
            Self::Give { id: given } => {
                ApprovalLine::whole(unlocked.give_approval(leave, id(&given)?, now)?, &unlocked, now)?
            }
            Self::Refuse { id: refused } => {
                ApprovalLine::whole(unlocked.refuse_approval(leave, id(&refused)?, now)?, &unlocked, now)?
            }
            Self::Withdraw { id: withdrawn } => {
                unlocked.withdraw_approval(leave, id(&withdrawn)?, now)?.into()
            }
        })))
    }
}

/// What is at stake, where whoever asks may know that: the second person while it waits, and who may see the object anyway.
fn at_stake(
    view: &ApprovalView,
    appliance: &Appliance,
    asker: &Asker,
    now: Now,
) -> Result<Option<KeyAtStake>, Stop> {
    let (Some(project), Some(object)) = (&view.project, &view.object) else { return Ok(None) };
    let may = |act, on| match asker.may(appliance, act, on) {
        // What is gone is nobody's to see.
        Err(Stop::Refused(_)) => Ok(false),
        answered => answered,
    };
    let decides = || may(Act::ApprovalGive, Target::Approval(view.approval.id));
    let object = Target::Object { project: project.clone(), name: object.clone() };
    if !(view.approval.is_waiting(now.time) && decides()? || may(Act::ObjectShow, object)?) {
        return Ok(None);
    }
    Ok(appliance.unlocked()?.key_at_stake(&view.approval, now)?.map(KeyAtStake::from))
}

impl ApprovalLine {
    /// With what is at stake.
    pub(super) fn whole(view: ApprovalView, appliance: &Operational, now: Now) -> Result<Self, Stop> {
        let key = appliance.key_at_stake(&view.approval, now)?.map(KeyAtStake::from);
        Ok(Self { key, ..view.into() })
    }
}

impl From<AtStake> for KeyAtStake {
    fn from(at_stake: AtStake) -> Self {
        let AtStake { version, is_current, destroyed_at } = at_stake;
        Self { version: version.into(), current: is_current, destroyed_at: told(destroyed_at) }
    }
}

impl From<ApprovalView> for ApprovalLine {
    fn from(view: ApprovalView) -> Self {
        let ApprovalView { approval, standing, subject, project, requester, credential, object } = view;
        let asked = approval.destruction.as_ref();
        Self {
            object,
            version: asked.map(|asked| asked.version),
            days: asked.map(|asked| asked.days),
            reason: asked.and_then(|asked| asked.why.as_ref()).map(ToString::to_string),
            id: approval.id.to_string(),
            kind: approval.kind.to_string(),
            user: subject,
            project,
            requester,
            asked: approval.asked.to_string(),
            expires: approval.expires.to_string(),
            state: standing.into(),
            decided: told(approval.decided),
            decided_by: approval.decided_by,
            credential,
            key: None,
        }
    }
}
