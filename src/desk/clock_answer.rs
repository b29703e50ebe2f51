//! What `status` and health answer of the clock: the verdict and its moments, for whoever says it in a language of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::ClockVerdict;

use super::view::told;

/// What is thought of the wall's clock.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStatus {
    /// `trusted`; `behind` the end of the journal; `jumped` while it was watched; `lost` where what was known of it does not open.
    pub verdict: String,
    /// What the clock showed then; none where it is trusted.
    pub shows: Option<String>,
    /// The time that is not in doubt: the end of the journal, or, of one that jumped, what it should have shown.
    pub known: Option<String>,
}

impl From<ClockVerdict> for ClockStatus {
    fn from(verdict: ClockVerdict) -> Self {
        Self { verdict: verdict.name().into(), shows: told(verdict.shows()), known: told(verdict.known()) }
    }
}
