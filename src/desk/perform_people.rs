//! The verbs on people and access policies, from words to the appliance and back.

use std::net::IpAddr;

use crate::appliance::{Appliance, Asker, Leave, MemberView, Stop, Target, UserShown, Wondering};
use crate::domain::access::Decision;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;
use crate::domain::user;

use super::answer::Done;
use super::people::{Account, AccountShown, Explained, MemberLine, RuleLine};
use super::perform::{act, bad, id, moment, name, page, role};
use super::request;
use super::view::{all, told};

impl request::User {
    pub(super) fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        Ok(match self {
            Self::Create { name: new, role: given } => {
                Done::User(appliance.create_user(leave, name(&new)?, role(&given)?, now)?.into())
            }
            Self::List { after, limit } => {
                Done::Users(appliance.users(&page(after.as_ref(), limit)?)?.into())
            }
            Self::Show { name } => Done::UserShown(appliance.user(&name)?.into()),
            Self::Enable { name } => {
                appliance.enable_user(leave.actor(), &name, now)?;
                Done::Changed
            }
            Self::Disable { name } => {
                appliance.disable_user(leave, &name, now)?;
                Done::Changed
            }
            Self::Delete { name } => {
                appliance.delete_user(leave, &name, now)?;
                Done::Changed
            }
            Self::ChangeRole { name, role: given } => {
                appliance.change_role(leave, &name, role(&given)?, now)?;
                Done::Changed
            }
            Self::Reset { name, drop_totp } => {
                Done::Link(appliance.reset_user(leave, &name, drop_totp, now)?.into())
            }
            Self::EnforceTotp { name, demanded } => {
                appliance.enforce_totp(leave, &name, demanded, now)?;
                Done::Changed
            }
            Self::AskConfirmation { name } => {
                Done::Approval(Box::new(appliance.ask_confirmation(leave, &name, now)?.into()))
            }
            Self::Recover { name } => appliance.recover_user(leave, &name, now)?.into(),
        })
    }
}

impl request::Member {
    pub(super) fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        Ok(match self {
            Self::Add { project, user } => {
                appliance.add_member(leave, &project, &user, now)?;
                Done::Changed
            }
            Self::Propose { project, user } => {
                Done::Approval(Box::new(appliance.propose_member(leave, &project, &user, now)?.into()))
            }
            Self::List { project, after, limit } => {
                Done::Members(appliance.members(&project, &page(after.as_ref(), limit)?)?.into())
            }
            Self::Remove { project, user } => {
                appliance.remove_member(leave, &project, &user, now)?;
                Done::Changed
            }
        })
    }
}

impl request::Policy {
    pub(super) fn perform(self, appliance: &Appliance, now: Now) -> Result<Done, Stop> {
        let Self::Explain { who, act: word, on, address, time } = self;
        let address = address.as_deref().map(|text| {
            text.parse::<IpAddr>()
                .map_err(|_| bad(format!("{text:?} is no address, such as 10.0.0.7 or fd00::7.")))
        });
        let wondering = Wondering {
            who: asker(&who)?,
            act: act(&word)?,
            target: target(&on)?,
            address: address.transpose()?,
            time: time.as_deref().map(moment).transpose()?.unwrap_or(now.time),
        };
        let (decision, but) = appliance.unlocked()?.explain(&wondering)?;
        let Decision { is_allowed, rules, broken } = decision;
        let rules = rules.into_iter().map(|rule| RuleLine {
            id: rule.id,
            effect: if rule.forbids { "forbid" } else { "permit" }.into(),
            why: rule.why,
            alasan: rule.alasan,
        });
        let rules = rules.collect();
        Ok(Done::Explained(Explained { allowed: is_allowed, rules, broken, but }))
    }
}

fn asker(text: &str) -> Result<Asker, Refusal> {
    let wrong = || bad(format!("{text:?} is nobody: write local, user:NAME or endpoint:PROJECT/NAME."));
    match text.split_once(':') {
        None if text == "local" => Ok(Asker::Local),
        Some(("user", name)) => Ok(Asker::User(name.into())),
        Some(("endpoint", path)) => {
            let (project, name) = path.split_once('/').ok_or_else(wrong)?;
            Ok(Asker::Endpoint { project: project.into(), name: name.into() })
        }
        _ => Err(wrong()),
    }
}

pub(super) fn target(text: &str) -> Result<Target, Refusal> {
    let wrong = || {
        bad(format!(
            "{text:?} is nothing acts are done on: write appliance, project:NAME, object:PROJECT/NAME, \
             endpoint:PROJECT/NAME, user:NAME, role:ROLE or approval:ID."
        ))
    };
    let below = |path: &str| {
        let (project, name) = path.split_once('/').ok_or_else(wrong)?;
        Ok((project.to_owned(), name.to_owned()))
    };
    match text.split_once(':') {
        None if text == "appliance" => Ok(Target::Appliance),
        Some(("project", name)) => Ok(Target::Project(name.into())),
        Some(("object", path)) => below(path).map(|(project, name)| Target::Object { project, name }),
        Some(("endpoint", path)) => below(path).map(|(project, name)| Target::Endpoint { project, name }),
        Some(("user", name)) => Ok(Target::User(name.into())),
        Some(("role", name)) => role(name).map(Target::Role),
        Some(("approval", text)) => id(text).map(Target::Approval),
        _ => Err(wrong()),
    }
}

impl From<user::User> for Account {
    fn from(user: user::User) -> Self {
        let user::User { id, name, role, created, disabled, unconfirmed, .. } = user;
        Self {
            id: id.to_string(),
            name: name.to_string(),
            role: role.to_string(),
            created: created.to_string(),
            disabled: told(disabled),
            unconfirmed: told(unconfirmed),
        }
    }
}

impl From<UserShown> for AccountShown {
    fn from(shown: UserShown) -> Self {
        let UserShown { user, projects, certificates } = shown;
        Self { user: user.into(), projects, certificates: all(certificates) }
    }
}

impl From<MemberView> for MemberLine {
    fn from(view: MemberView) -> Self {
        let MemberView { user, since } = view;
        Self {
            id: user.id.to_string(),
            name: user.name.to_string(),
            since: since.to_string(),
            disabled: told(user.disabled),
        }
    }
}
