//! What of a request needs the token, made before every other change is kept out. Whoever may not ask for it costs the token
//! nothing; that it may not is told, and recorded, where the change is made.

use crate::appliance::{Appliance, NewKek, SignedAhead, Stop};
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;

use super::asker::Asker;
use super::perform::name;
use super::request::{self, Certificate, Request};

/// What was made ahead; it counts for nothing by itself.
#[derive(Default)]
pub enum Prepared {
    /// There was nothing to make, or somebody asks who will be refused.
    #[default]
    Nothing,
    /// For `project create`.
    Project(Box<NewKek>),
    /// For both verbs that issue certificates.
    Certificate(Box<SignedAhead>),
}

impl Request {
    /// Makes ahead what it needs of the token. Blocks.
    ///
    /// # Errors
    /// `token-away`, and faults; every other refusal is left to whoever performs it.
    pub fn prepare(&self, appliance: &Appliance, asker: &Asker, now: Now) -> Result<Prepared, Stop> {
        match self.made_ahead(appliance, asker, now) {
            Err(Stop::Refused(refusal)) if refusal.code != Code::TokenAway => Ok(Prepared::Nothing),
            made => made,
        }
    }

    fn made_ahead(&self, appliance: &Appliance, asker: &Asker, now: Now) -> Result<Prepared, Stop> {
        let leave = || asker.leave(appliance, &self.acts()?, now);
        Ok(match self {
            Self::Project(request::Project::Create { name: new }) => {
                let (leave, new) = (leave()?, name(new)?);
                let kek = appliance.unlocked()?.wrap_ahead(leave.actor(), &new, now)?;
                Prepared::Project(Box::new(kek))
            }
            Self::Object(request::Object::Create { project, .. })
            | Self::Key(request::Key::Rotate { project, .. }) => {
                leave()?;
                appliance.unlocked()?.unwrap_ahead(project, now)?;
                Prepared::Nothing
            }
            Self::Certificate(Certificate::Issue { project, endpoint, csr }) => {
                leave()?;
                let signed = appliance.unlocked()?.sign_ahead(project, endpoint, csr, now)?;
                Prepared::Certificate(Box::new(signed))
            }
            Self::Certificate(Certificate::IssueUser { user, csr }) => {
                leave()?;
                if let Some(signed_in) = asker.itself(user) {
                    appliance.unlocked()?.check_own_renewal(signed_in, now)?;
                }
                let signed = appliance.unlocked()?.sign_user_ahead(user, csr, now)?;
                Prepared::Certificate(Box::new(signed))
            }
            _ => Prepared::Nothing,
        })
    }
}

impl Prepared {
    pub(super) fn project(self) -> Option<NewKek> {
        match self {
            Self::Project(kek) => Some(*kek),
            Self::Nothing | Self::Certificate(_) => None,
        }
    }

    pub(super) fn certificate(self) -> Option<SignedAhead> {
        match self {
            Self::Certificate(signed) => Some(*signed),
            Self::Nothing | Self::Project(_) => None,
        }
    }
}
