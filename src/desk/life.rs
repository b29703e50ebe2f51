//! The lives of projects, objects and endpoints: what can be asked of them, and the way to the appliance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance;
use crate::appliance::{Appliance, Leave, Place, Stop, Target};
use crate::domain::access::Act;
use crate::domain::life::{Noun, Step};
use crate::domain::timestamp::Now;

use super::answer::Done;
use super::perform::{bad, name};

/// What is to become of one.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Life {
    /// For good.
    Delete,
    /// What it is for.
    Describe {
        /// One line of at most 200 characters; nothing any more without.
        text: Option<String>,
    },
    /// In service again.
    Reinstate,
    /// Another name, for which the old one is free.
    Rename {
        /// New where it is.
        to: String,
    },
    /// Out of service until it is reinstated.
    Retire,
}

/// Of a project.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfProject {
    /// Its name.
    pub name: String,
    /// What is to become of it.
    pub step: Life,
}

/// Of an object or an endpoint.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfOne {
    /// Its project's name.
    pub project: String,
    /// Its name.
    pub name: String,
    /// What is to become of it.
    pub step: Life,
}

impl Life {
    const fn step(&self) -> Step {
        match self {
            Self::Delete => Step::Delete,
            Self::Describe { .. } => Step::Describe,
            Self::Reinstate => Step::Reinstate,
            Self::Rename { .. } => Step::Rename,
            Self::Retire => Step::Retire,
        }
    }

    fn perform(self, appliance: &Appliance, leave: Leave, place: Place<'_>, now: Now) -> Result<Done, Stop> {
        let life = match self {
            Self::Delete => appliance::Life::Delete,
            Self::Describe { text } => {
                let text = text.filter(|text| !text.is_empty());
                let told =
                    |not: crate::domain::description::NotADescription| bad(format!("That is none: {not}."));
                appliance::Life::Describe(text.map(|text| text.parse()).transpose().map_err(told)?)
            }
            Self::Reinstate => appliance::Life::Reinstate,
            Self::Rename { to } => appliance::Life::Rename(name(&to)?),
            Self::Retire => appliance::Life::Retire,
        };
        appliance.unlocked()?.live(leave, place, life, now)?;
        Ok(Done::Changed)
    }
}

impl OfProject {
    pub(super) fn act(&self) -> (Act, Target) {
        (self.step.step().act(Noun::Project), Target::Project(self.name.clone()))
    }

    pub(super) fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let Self { name, step } = self;
        step.perform(appliance, leave, Place::Project(&name), now)
    }
}

impl OfOne {
    pub(super) fn object_act(&self) -> (Act, Target) {
        let (project, name) = (self.project.clone(), self.name.clone());
        (self.step.step().act(Noun::Object), Target::Object { project, name })
    }

    pub(super) fn endpoint_act(&self) -> (Act, Target) {
        let (project, name) = (self.project.clone(), self.name.clone());
        (self.step.step().act(Noun::Endpoint), Target::Endpoint { project, name })
    }

    pub(super) fn object_step(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let Self { project, name, step } = self;
        step.perform(appliance, leave, Place::Object { project: &project, name: &name }, now)
    }

    pub(super) fn endpoint_step(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let Self { project, name, step } = self;
        step.perform(appliance, leave, Place::Endpoint { project: &project, name: &name }, now)
    }
}
