//! What the verbs on budgets, and the status, tell of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A budget of decrypted fields.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// `API key` or `endpoint`, and its id.
    pub of: String,
    /// The endpoint's name, or the API key's label.
    pub name: String,
    /// Fields in 24 hours, with the raise that is in force.
    pub fields_per_day: u64,
    /// Fields used in the last 24 hours.
    pub used: u64,
    /// Its own size; none where the policy's counts.
    pub own_fields_per_day: Option<u64>,
    /// When the raise in force ends.
    pub raised_until: Option<String>,
}

/// A budget that is nearly used up.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrainedBudget {
    /// `API key` or `endpoint`, and its id.
    pub of: String,
    /// Fields in 24 hours.
    pub fields_per_day: u64,
    /// Fields used in the last 24 hours.
    pub used: u64,
}
