//! The verbs on index roots: begin and end their rotation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, Stop, Target};
use crate::domain::access::Act;
use crate::domain::actor::Actor;
use crate::domain::timestamp::Now;

use super::answer::Done;

/// Verbs on the index roots of objects.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Index {
    /// The next version; answers carry the values under both from now on.
    RotateRoot {
        /// The object's project.
        project: String,
        /// The object.
        object: String,
    },
    /// The version before goes: what was made under it is found no more.
    FinishRotation {
        /// The object's project.
        project: String,
        /// The object.
        object: String,
    },
}

impl Index {
    pub(super) fn act(&self) -> (Act, Target) {
        let (act, project, object) = match self {
            Self::RotateRoot { project, object } => (Act::IndexRotateRoot, project, object),
            Self::FinishRotation { project, object } => (Act::IndexFinishRotation, project, object),
        };
        (act, Target::Object { project: project.clone(), name: object.clone() })
    }

    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        let view = match self {
            Self::RotateRoot { project, object } => {
                appliance.rotate_index_root(actor, &project, &object, now)?
            }
            Self::FinishRotation { project, object } => {
                appliance.finish_index_rotation(actor, &project, &object, now)?
            }
        };
        Ok(Done::Object(view.into()))
    }
}
