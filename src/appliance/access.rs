//! Access policies in force, and leave to act by them. A [`Leave`] is made here and nowhere else, after the policies have
//! said yes; whoever acts for somebody takes one.
//!
//! The data plane does not come by here: its decisions are made with what admission knows of an endpoint, and remembered
//! ([`super::admission`]).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use time::UtcOffset;

use crate::domain::access::{AccessRules, Act, Circumstances, Decision, On, Person, Question, Tenant, Who};
use crate::domain::actor::Actor;
use crate::domain::id::ProjectId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};

use super::accounts::SignedIn;
use super::catalog::{ProjectView, not_found};
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;
use super::page::{Page, PageWanted};
use super::target::Target;
use super::{Appliance, State};

/// What is put in force together.
#[derive(Debug, Clone)]
pub struct Access {
    /// The policies.
    pub rules: Arc<AccessRules>,
    /// By which they read the time of day.
    pub utc_offset: UtcOffset,
}

/// Leave for what was asked, for one actor. Spent by acting.
pub struct Leave(Actor);

/// Whose statistics somebody may read.
pub enum Visible {
    /// Everyone's.
    All,
    /// Those of these projects.
    Of(BTreeSet<ProjectId>),
}

impl Leave {
    /// Who acts, for the audit record.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        self.0
    }
}

impl Access {
    /// Where and when, as policies read it.
    pub(super) fn circumstances(&self, address: Option<IpAddr>, time: Timestamp) -> Circumstances {
        Circumstances::new(address, time, self.utc_offset)
    }

    /// What the policies say.
    pub(super) fn decide(&self, who: &Who, act: Act, on: &On, circumstances: Circumstances) -> Decision {
        self.rules.decide(&Question { who, act, on, circumstances })
    }

    /// The same as leave or refusal. What was refused is in the log, with the rules that did.
    fn leave(&self, actor: Actor, who: &Who, act: Act, on: &On, at: Circumstances) -> Result<(), Stop> {
        let decision = self.decide(who, act, on, at);
        if !decision.broken.is_empty() {
            return Err(broken(&decision).into());
        }
        if decision.is_allowed {
            return Ok(());
        }
        let rules: Vec<&str> = decision.rules.iter().map(|rule| rule.id.as_str()).collect();
        tracing::warn!(%actor, %act, rules = rules.join(" "), "the access policies refused an act");
        Err(Refusal::new(Code::Forbidden).detail(format!("{act}: {decision}")).into())
    }
}

/// A rule that cannot be evaluated refuses everything it may be about, and the operator has to mend it.
pub(super) fn broken(decision: &Decision) -> Fault {
    Fault::new(format!(
        "access policies cannot be evaluated: {}; correct access.cedar, and send SIGHUP",
        decision.broken.join(", ")
    ))
}

impl Appliance {
    /// Puts access policies in force: from the return on nothing is decided by the old ones.
    pub fn govern(&self, access: Access) {
        self.settings.access.store(Arc::new(access));
        if let State::Operational(operational) = &*self.state() {
            operational.forget_decisions();
        }
    }

    /// Leave for the one who opened the local socket, as `uid`, to do all of `acts`.
    ///
    /// # Errors
    /// `forbidden`, `not-found`; `wrong-state` when what it is about can only be found in an unlocked appliance.
    pub fn leave_local(&self, uid: u32, acts: &[(Act, Target)], now: Now) -> Result<Leave, Stop> {
        let (actor, who) = (Actor::Local(uid), Who::Operator(uid));
        let access = self.settings.access.load();
        let at = access.circumstances(None, now.time);
        for (act, target) in acts {
            let on = match target {
                Target::Appliance => On::Appliance,
                Target::Role(role) => On::Role(*role),
                target => self.unlocked()?.target(target)?,
            };
            access.leave(actor, &who, *act, &on, at)?;
        }
        Ok(Leave(actor))
    }

    /// Whether the one who opened the local socket, as `uid`, may do something that it has not asked for; a no is nobody's
    /// attempt, and is not in the log.
    ///
    /// # Errors
    /// `not-found`; `wrong-state` when the appliance is locked.
    pub fn may_local(&self, uid: u32, act: Act, target: &Target) -> Result<bool, Stop> {
        let access = self.settings.access.load();
        let on = self.unlocked()?.target(target)?;
        let at = access.circumstances(None, (self.settings.clock)().time);
        Ok(access.decide(&Who::Operator(uid), act, &on, at).is_allowed)
    }
}

impl Operational {
    /// Leave for a user to do all of `acts`. Who may not even see a project, or who there is, is told of what it may not do
    /// there what it would be told if there were none.
    ///
    /// # Errors
    /// `forbidden`, `not-found`.
    pub fn leave(&self, signed_in: &SignedIn, acts: &[(Act, Target)]) -> Result<Leave, Stop> {
        let actor = Actor::User(signed_in.person().id);
        let access = self.settings.access.load();
        let (who, at) = (Who::User(signed_in.person().clone()), signed_in.circumstances(&access));
        let sees = |act, on: &On| access.decide(&who, act, on, at).is_allowed;
        for (act, target) in acts {
            let found = self.target(target);
            let on = found.as_ref().ok();
            let refused = match &found {
                Ok(on) => access.leave(actor, &who, *act, on, at),
                Err(stop) => Err(stop.clone()),
            };
            let Err(stop) = refused else { continue };
            return Err(match target {
                Target::Project(name)
                | Target::Endpoint { project: name, .. }
                | Target::Object { project: name, .. } => {
                    // By itself: what is missing in a project one sees is told as missing.
                    let project = self.tenant_named(name).ok().map(On::Project);
                    let is_seen = project.is_some_and(|project| sees(Act::ProjectShow, &project));
                    if is_seen { stop } else { not_found("project", name) }
                }
                Target::Approval(id) => {
                    let is_seen = on.is_some_and(|approval| sees(Act::ApprovalShow, approval));
                    if is_seen { stop } else { not_found("approval", &id.to_string()) }
                }
                Target::Session(id) if !sees(Act::UserList, &On::Appliance) => {
                    not_found("session", &id.to_string())
                }
                // Of itself everybody may know.
                Target::User(name) if name == signed_in.who().0 => stop,
                Target::Account(_) | Target::User(_) | Target::Certificate(_) | Target::ApiKey(_)
                    if !sees(Act::UserList, &On::Appliance) =>
                {
                    Code::Forbidden.into()
                }
                _ => stop,
            });
        }
        Ok(Leave(actor))
    }

    /// Whether a user may do something that it has not asked for; a no is nobody's attempt, and is not in the log.
    ///
    /// # Errors
    /// `not-found`.
    pub fn may(&self, signed_in: &SignedIn, act: Act, target: &Target) -> Result<bool, Stop> {
        let access = self.settings.access.load();
        let (who, at) = (Who::User(signed_in.person().clone()), signed_in.circumstances(&access));
        Ok(access.decide(&who, act, &self.target(target)?, at).is_allowed)
    }

    /// Whose statistics a user may read: everyone's, or those of its projects; none where it is a member of none.
    ///
    /// # Errors
    /// `forbidden` when it could read nobody's, whatever it were a member of.
    pub fn visible_statistics(&self, signed_in: &SignedIn) -> Result<Visible, Stop> {
        match self.visible(signed_in, Act::StatisticsReadAll, Act::StatisticsRead)? {
            Visible::Of(projects) if projects.is_empty() && !self.could_read_statistics(signed_in) => {
                // Which rule it is that keeps all of them.
                self.leave(signed_in, &[(Act::StatisticsReadAll, Target::Appliance)])?;
                Ok(Visible::All)
            }
            visible => Ok(visible),
        }
    }

    /// The same of the projects that the user `name` is a member of: anyone's to who may read everyone's, else one's own.
    ///
    /// # Errors
    /// `forbidden` for another's; `not-found`.
    pub fn visible_statistics_of(&self, signed_in: &SignedIn, name: &str) -> Result<Visible, Stop> {
        match self.visible_statistics(signed_in)? {
            Visible::Of(own) if signed_in.who().0 == name => return Ok(Visible::Of(own)),
            // Before it is told whether there is anybody of that name.
            Visible::Of(_) => {
                self.leave(signed_in, &[(Act::StatisticsReadAll, Target::Appliance)])?;
            }
            Visible::All => {}
        }
        self.memberships_of(name)
    }

    /// The projects that a user is a member of.
    ///
    /// # Errors
    /// `not-found`.
    pub fn memberships_of(&self, name: &str) -> Result<Visible, Stop> {
        Ok(Visible::Of(self.memberships(self.user_named(name)?.id)?))
    }

    /// Whether a user could read the statistics of a project if it were a member of one.
    fn could_read_statistics(&self, signed_in: &SignedIn) -> bool {
        let access = self.settings.access.load();
        let own = Tenant { id: ProjectId::from_bytes([0; 16]), name: String::new() };
        let who = Who::User(Person { projects: vec![own.id], ..signed_in.person().clone() });
        let at = signed_in.circumstances(&access);
        access.decide(&who, Act::StatisticsRead, &On::Project(own), at).is_allowed
    }

    /// The projects that a user may see.
    ///
    /// # Errors
    /// `forbidden` where a rule keeps all of them.
    pub fn projects_seen_by(
        &self,
        signed_in: &SignedIn,
        wanted: &PageWanted,
    ) -> Result<Page<ProjectView>, Stop> {
        match self.visible(signed_in, Act::ProjectList, Act::ProjectShow)? {
            Visible::All => self.projects(wanted),
            Visible::Of(projects) => {
                let views =
                    projects.into_iter().map(|id| self.project_view(id)).filter_map(Result::transpose);
                let views = views.map(|view| view.map(Listed::Sound)).collect::<Result<_, _>>()?;
                Ok(wanted.of(views, |view| *view.id.as_bytes()))
            }
        }
    }

    /// Everything, to whoever may do `all` on the appliance; else what `each` is allowed on, of one's projects.
    fn visible(&self, signed_in: &SignedIn, all: Act, each: Act) -> Result<Visible, Stop> {
        let access = self.settings.access.load();
        let (who, at) = (Who::User(signed_in.person().clone()), signed_in.circumstances(&access));
        let decision = access.decide(&who, all, &On::Appliance, at);
        if decision.is_allowed {
            return Ok(Visible::All);
        }
        let mut visible = BTreeSet::new();
        for id in &signed_in.person().projects {
            let Some(tenant) = self.tenant(*id)? else { continue };
            if access.decide(&who, each, &On::Project(tenant), at).is_allowed {
                visible.insert(*id);
            }
        }
        if visible.is_empty() && !(decision.rules.is_empty() && decision.broken.is_empty()) {
            // A rule forbids it: that is another thing than being a member of nothing.
            access.leave(Actor::User(signed_in.person().id), &who, all, &On::Appliance, at)?;
        }
        Ok(Visible::Of(visible))
    }

    /// Lets nobody believe any more what was decided before.
    pub(super) fn forget_decisions(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
    }
}
