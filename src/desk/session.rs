//! Sessions and one-time links at the desk: what can be asked, what comes back, and the way to the appliance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{self, Appliance, Leave, LinkMade, SessionView, Stop, Target};
use crate::domain::access::Act;
use crate::domain::id::SessionId;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::answer::{Done, Listed, Page, ShownOnce};
use super::perform::id;

/// Verbs on sessions.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Session {
    /// The live ones of a user.
    List {
        /// Their name.
        user: String,
    },
    /// From now on.
    End {
        /// As lists show it.
        id: String,
    },
}

/// A session in an answer.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLine {
    /// Never changes.
    pub id: String,
    /// Name of the account.
    pub user: String,
    /// From where it began.
    pub address: String,
    /// Since when.
    pub created: String,
    /// When it was last used, to the minute.
    pub seen: String,
    /// When it ends, if it is not used again.
    pub ends: String,
}

/// A one-time link.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Whose password it sets.
    pub user: String,
    /// Shown once.
    pub token: ShownOnce,
    /// Behind the control plane's address.
    pub path: ShownOnce,
    /// From when it is refused.
    pub expires: String,
}

impl Session {
    /// What the access policies are asked.
    pub(super) fn act(&self) -> Result<(Act, Target), Refusal> {
        Ok(match self {
            Self::List { user } => (Act::SessionList, Target::User(user.clone())),
            Self::End { id: ended } => (Act::SessionEnd, Target::Session(id(ended)?)),
        })
    }

    pub(super) fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        Ok(match self {
            Self::List { user } => {
                let live = appliance.sessions(&user, now)?.into_iter();
                let items = live.map(|view| Listed::Sound(view.into())).collect();
                // As few as one user may have.
                Done::Sessions(Page { items, next: None })
            }
            Self::End { id: ended } => {
                appliance.end_session(leave, id::<SessionId>(&ended)?, now)?;
                Done::Changed
            }
        })
    }
}

impl From<SessionView> for SessionLine {
    fn from(view: SessionView) -> Self {
        let SessionView { id, user, address, created, seen, ends } = view;
        Self {
            id: id.to_string(),
            user,
            address,
            created: created.to_string(),
            seen: seen.to_string(),
            ends: ends.to_string(),
        }
    }
}

impl From<LinkMade> for Link {
    fn from(made: LinkMade) -> Self {
        let LinkMade { token, user, expires } = made;
        let path = zeroize::Zeroizing::new(format!("/reset#{}", token.expose()));
        Self {
            user,
            token: ShownOnce::new(token.expose()),
            path: ShownOnce::new(&path),
            expires: expires.to_string(),
        }
    }
}

impl From<appliance::Recovery> for Done {
    fn from(recovery: appliance::Recovery) -> Self {
        match recovery {
            appliance::Recovery::Asked(view) => Self::Approval(Box::new((*view).into())),
            appliance::Recovery::Done(made) => Self::Link(made.into()),
        }
    }
}
