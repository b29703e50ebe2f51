//! The store key at the desk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, Stop};
use crate::domain::actor::Actor;
use crate::domain::timestamp::Now;

use super::answer::Done;
use super::life::description;

/// Verbs on the key that seals the store.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoreKey {
    /// The next generation seals from now on; what older ones sealed is sealed anew, then they are destroyed.
    Rotate {
        /// Why, for the audit trail: one line of at most 200 characters.
        #[serde(default)]
        reason: Option<String>,
    },
}

impl StoreKey {
    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let Self::Rotate { reason } = self;
        let reason = description(reason)?;
        Ok(Done::StoreKey(appliance.unlocked()?.rotate_store_key(actor, reason.as_ref(), now)?.into()))
    }
}
