//! The verbs on budgets, and what they, and the status, tell of them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, BudgetOf, Stop};
use crate::domain::actor::Actor;
use crate::domain::budget::Counted;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::answer::Done;
use super::perform::{bad, id};
use super::request;
use super::view::all;

/// A budget of decrypted or of indexed fields, or of those that did not open for a reencrypt.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// `API key` or `endpoint`, and its id.
    pub of: String,
    /// The endpoint's name, or the API key's label.
    pub name: String,
    /// What it counts the fields of: `decrypt`, `index`, or `reencrypt`, of which it counts what did not open.
    pub operation: String,
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

impl request::Budget {
    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        Ok(Done::Budgets(match self {
            Self::Show { project, endpoint } => all(appliance.budgets(&project, &endpoint, now)?),
            Self::Set { of, operation, fields_per_day } => {
                let counted = counted(operation.as_deref())?;
                vec![appliance.set_budget(actor, &of.parse()?, counted, fields_per_day, now)?.into()]
            }
            Self::Raise { of, operation, fields_per_day, seconds } => {
                let (of, counted) = (of.parse()?, counted(operation.as_deref())?);
                let lasts = Duration::from_secs(seconds);
                vec![appliance.raise_budget(actor, &of, counted, fields_per_day, lasts, now)?.into()]
            }
        }))
    }
}

impl request::BudgetOf {
    fn parse(&self) -> Result<BudgetOf<'_>, Refusal> {
        Ok(match self {
            Self::Endpoint { project, name } => BudgetOf::Endpoint { project, name },
            Self::ApiKey { id: text } => BudgetOf::ApiKey(id(text)?),
        })
    }
}

fn counted(operation: Option<&str>) -> Result<Counted, Refusal> {
    let Some(word) = operation else { return Ok(Counted::Decrypted) };
    let known = Counted::ALL.into_iter().find(|counted| counted.operation().name() == word);
    known.ok_or_else(|| bad(format!("{word:?} has no budget; decrypt, index and reencrypt have one.")))
}
