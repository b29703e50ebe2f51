//! `gembok budget`: how much may be decrypted, indexed, and missed by a reencrypt, in 24 hours.

use clap::{Args, Subcommand};

use crate::desk::request;

#[derive(Subcommand)]
pub(super) enum Budget {
    /// Show the budgets of an endpoint and its API keys, and what is used of them
    Show {
        #[arg(long)]
        project: String,
        #[arg(long)]
        endpoint: String,
    },
    /// Give an endpoint or an API key a budget of its own
    Set {
        #[command(flatten)]
        of: BudgetOf,
        /// Of which fields; of a reencrypt those that did not open
        #[arg(long, value_name = "OPERATION", value_parser = ["decrypt", "index", "reencrypt"])]
        operation: Option<String>,
        /// Fields in 24 hours
        #[arg(long, value_name = "N", required_unless_present = "default")]
        fields: Option<u64>,
        /// The policy's again
        #[arg(long, conflicts_with = "fields")]
        default: bool,
    },
    /// Give an endpoint or an API key more for a time; it ends by itself
    Raise {
        #[command(flatten)]
        of: BudgetOf,
        /// Of which fields; of a reencrypt those that did not open
        #[arg(long, value_name = "OPERATION", value_parser = ["decrypt", "index", "reencrypt"])]
        operation: Option<String>,
        /// Fields in 24 hours while it lasts
        #[arg(long, value_name = "N")]
        fields: u64,
        /// How long, like 8h; s, m, h and d are known
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        seconds: u64,
    },
}

#[derive(Args)]
pub(super) struct BudgetOf {
    /// The endpoint's project
    #[arg(long, requires = "endpoint")]
    project: Option<String>,
    #[arg(long, requires = "project", required_unless_present = "api_key")]
    endpoint: Option<String>,
    /// Instead of an endpoint's, that of one of its API keys, by its id
    #[arg(long, conflicts_with_all = ["project", "endpoint"], value_name = "ID")]
    api_key: Option<String>,
}

impl From<Budget> for request::Request {
    fn from(verb: Budget) -> Self {
        Self::Budget(match verb {
            Budget::Show { project, endpoint } => request::Budget::Show { project, endpoint },
            Budget::Set { of, operation, fields, default: _ } => {
                request::Budget::Set { of: of.into(), operation, fields_per_day: fields }
            }
            Budget::Raise { of, operation, fields, seconds } => {
                request::Budget::Raise { of: of.into(), operation, fields_per_day: fields, seconds }
            }
        })
    }
}

impl From<BudgetOf> for request::BudgetOf {
    fn from(of: BudgetOf) -> Self {
        let BudgetOf { project, endpoint, api_key } = of;
        match api_key {
            Some(id) => Self::ApiKey { id },
            // Without an API key both were required.
            None => {
                Self::Endpoint { project: project.unwrap_or_default(), name: endpoint.unwrap_or_default() }
            }
        }
    }
}

/// `90s`, `45m`, `8h`, `2d`.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time; write it like 90s, 45m, 8h or 2d");
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(
            [seconds("90s"), seconds("45m"), seconds("8h"), seconds("2d")],
            [90, 2_700, 28_800, 172_800].map(Ok)
        );
        for wrong in
            ["", "8", "h", "8 h", "-1h", "8w", "8é", "99999999999999999999h", "18446744073709551615d"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
