//! How the keys below the master key are: which are being replaced, and how far that is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{KeysHealth, Rewrapping};

/// What is under way among the keys.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysStatus {
    /// Projects whose keys are being wrapped anew by the newest version of their KEK.
    pub rewrapping: Vec<RewrappingLine>,
    /// Why that does not go on at present.
    pub trouble: Option<String>,
}

/// A project whose keys are being wrapped anew.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewrappingLine {
    /// Its name.
    pub project: String,
    /// How far that is.
    pub keys: RewrappedKeys,
}

/// How far the keys of a project are with the newest version of its KEK.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewrappedKeys {
    /// Wrapped by it.
    pub done: u64,
    /// Of so many; not known at the beginning.
    pub of: Option<u64>,
}

impl From<Rewrapping> for RewrappedKeys {
    fn from(rewrapping: Rewrapping) -> Self {
        let Rewrapping { done, of } = rewrapping;
        Self { done, of }
    }
}

impl From<KeysHealth> for KeysStatus {
    fn from(health: KeysHealth) -> Self {
        let line = |(project, keys): (String, Rewrapping)| RewrappingLine { project, keys: keys.into() };
        Self { rewrapping: health.rewrapping.into_iter().map(line).collect(), trouble: health.trouble }
    }
}
