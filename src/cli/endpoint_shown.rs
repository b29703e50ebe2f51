//! An endpoint whole, and the networks it may come from.

use clap::Subcommand;

use crate::desk::answer::EndpointShown;
use crate::desk::request;

use super::api_key;
use super::columns::{Table, all};
use super::heads;
use super::say_answer::{self as say, fixed};
use super::show::{budgets, certificates, endpoints};

#[derive(Subcommand)]
pub(super) enum Networks {
    /// Let an endpoint come from these networks and from nowhere else, from now on
    Set {
        name: String,
        #[arg(long)]
        project: String,
        /// Like `10.20.0.0/16` or `fd00::/8`
        #[arg(required_unless_present = "any", value_name = "NETWORK")]
        networks: Vec<String>,
        /// From anywhere again
        #[arg(long, conflicts_with = "networks")]
        any: bool,
    },
    /// Show them
    Show {
        name: String,
        #[arg(long)]
        project: String,
    },
}

impl From<Networks> for request::Networks {
    fn from(verb: Networks) -> Self {
        match verb {
            Networks::Set { name, project, networks, any: _ } => Self::Set { project, name, networks },
            Networks::Show { name, project } => Self::Show { project, name },
        }
    }
}

/// For eyes.
pub(super) fn networks(networks: &[String]) -> String {
    let from = if networks.is_empty() { fixed::ANYWHERE.to_string() } else { networks.join(" ") };
    say::may_come_from(from).into()
}

/// For eyes.
pub(super) fn text(shown: &EndpointShown) -> String {
    let mut granted = Table::new([heads::OBJECT, heads::OPERATIONS]);
    for grant in &shown.grants {
        granted.row([grant.object.clone(), grant.operations.join(" ")]);
    }
    for row in &shown.damaged_grants {
        granted.row([format!("{} {row}", heads::DAMAGED), String::new()]);
    }
    format!(
        "{}\n{}\n\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}",
        endpoints([Ok(&shown.endpoint)]),
        networks(&shown.networks),
        fixed::GRANTS,
        granted.text(),
        fixed::API_KEYS,
        api_key::table(all(&shown.api_keys)),
        fixed::CERTIFICATES,
        certificates(shown.certificates.iter().map(Ok)),
        fixed::BUDGETS,
        budgets(&shown.budgets)
    )
}
