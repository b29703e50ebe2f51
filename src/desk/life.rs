//! The lives of projects, objects and endpoints: what can be asked of them, and the way to the appliance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{self, Appliance, Leave, Place, Stop, Target};
use crate::domain::access::Act;
use crate::domain::description::{Description, NotADescription};
use crate::domain::life::{Noun, Step};
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::answer::Done;
use super::perform::{bad, name as new_name};

/// What is to become of a project.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LifeOfProject {
    /// For good.
    Delete {
        /// Its name.
        name: String,
    },
    /// What it is for.
    Describe {
        /// Its name.
        name: String,
        /// One line of at most 200 characters; nothing any more without.
        text: Option<String>,
    },
    /// In service again.
    Reinstate {
        /// Its name.
        name: String,
    },
    /// Another name, for which the old one is free.
    Rename {
        /// Its name.
        name: String,
        /// New in the appliance.
        to: String,
    },
    /// Out of service until it is reinstated.
    Retire {
        /// Its name.
        name: String,
    },
}

/// What is to become of an object or an endpoint.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LifeOf {
    /// For good.
    Delete {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// What it is for.
    Describe {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
        /// One line of at most 200 characters; nothing any more without.
        text: Option<String>,
    },
    /// In service again.
    Reinstate {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// Another name, for which the old one is free.
    Rename {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
        /// New in the project.
        to: String,
    },
    /// Out of service until it is reinstated.
    Retire {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
}

impl LifeOfProject {
    pub(super) fn act(&self) -> (Act, Target) {
        let (step, name) = match self {
            Self::Delete { name } => (Step::Delete, name),
            Self::Describe { name, .. } => (Step::Describe, name),
            Self::Reinstate { name } => (Step::Reinstate, name),
            Self::Rename { name, .. } => (Step::Rename, name),
            Self::Retire { name } => (Step::Retire, name),
        };
        (step.act(Noun::Project), Target::Project(name.clone()))
    }

    pub(super) fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let (name, life) = match self {
            Self::Delete { name } => (name, appliance::Life::Delete),
            Self::Describe { name, text } => (name, appliance::Life::Describe(description(text)?)),
            Self::Reinstate { name } => (name, appliance::Life::Reinstate),
            Self::Rename { name, to } => (name, appliance::Life::Rename(new_name(&to)?)),
            Self::Retire { name } => (name, appliance::Life::Retire),
        };
        appliance.unlocked()?.live(leave, Place::Project(&name), life, now)?;
        Ok(Done::Changed)
    }
}

impl LifeOf {
    pub(super) fn object_act(&self) -> (Act, Target) {
        let (step, project, name) = self.parts();
        (step.act(Noun::Object), Target::Object { project, name })
    }

    pub(super) fn endpoint_act(&self) -> (Act, Target) {
        let (step, project, name) = self.parts();
        (step.act(Noun::Endpoint), Target::Endpoint { project, name })
    }

    fn parts(&self) -> (Step, String, String) {
        let (step, project, name) = match self {
            Self::Delete { project, name } => (Step::Delete, project, name),
            Self::Describe { project, name, .. } => (Step::Describe, project, name),
            Self::Reinstate { project, name } => (Step::Reinstate, project, name),
            Self::Rename { project, name, .. } => (Step::Rename, project, name),
            Self::Retire { project, name } => (Step::Retire, project, name),
        };
        (step, project.clone(), name.clone())
    }

    pub(super) fn object_step(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let (_, project, name) = self.parts();
        let place = Place::Object { project: &project, name: &name };
        appliance.unlocked()?.live(leave, place, self.life()?, now)?;
        Ok(Done::Changed)
    }

    pub(super) fn endpoint_step(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let (_, project, name) = self.parts();
        let place = Place::Endpoint { project: &project, name: &name };
        appliance.unlocked()?.live(leave, place, self.life()?, now)?;
        Ok(Done::Changed)
    }

    fn life(self) -> Result<appliance::Life, Refusal> {
        Ok(match self {
            Self::Delete { .. } => appliance::Life::Delete,
            Self::Describe { text, .. } => appliance::Life::Describe(description(text)?),
            Self::Reinstate { .. } => appliance::Life::Reinstate,
            Self::Rename { to, .. } => appliance::Life::Rename(new_name(&to)?),
            Self::Retire { .. } => appliance::Life::Retire,
        })
    }
}

pub(super) fn description(text: Option<String>) -> Result<Option<Description>, Refusal> {
    let told = |not: NotADescription| bad(format!("That is none: {not}."));
    text.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose().map_err(told)
}
