//! An endpoint whole, and the networks it may come from: what can be asked, and what comes back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{self, Appliance, Listed, Stop, Target};
use crate::domain::access::Act;
use crate::domain::actor::Actor;
use crate::domain::network::Network;
use crate::domain::timestamp::Now;

use super::acts::endpoint_of;
use super::answer::{self, ApiKey, Budget, Certificate, Done, Endpoint};
use super::perform::bad;
use super::view::all;

/// Verbs on the networks an endpoint may come from.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Networks {
    /// These and no others, from now on.
    Set {
        /// The endpoint's project.
        project: String,
        /// Its name.
        name: String,
        /// Like `10.20.0.0/16` or `fd00::/8`; from anywhere without any.
        networks: Vec<String>,
    },
    /// As they are.
    Show {
        /// The endpoint's project.
        project: String,
        /// Its name.
        name: String,
    },
}

/// An endpoint with all that belongs to it.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointShown {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// From where it may come; from anywhere where there are none.
    pub networks: Vec<String>,
    /// What it may do, by object.
    pub grants: Vec<Granted>,
    /// Grants, or objects they are on, that cannot be read.
    pub damaged_grants: Vec<String>,
    /// Its API keys.
    pub api_keys: Vec<answer::Listed<ApiKey>>,
    /// Every certificate it has or had.
    pub certificates: Vec<Certificate>,
    /// Its budget, and those of its API keys.
    pub budgets: Vec<Budget>,
}

/// What an endpoint may do on one object.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The object's name.
    pub object: String,
    /// Of `encrypt`, `decrypt`, `reencrypt` and `index`.
    pub operations: Vec<String>,
}

impl Networks {
    pub(super) fn act(&self) -> (Act, Target) {
        match self {
            Self::Set { project, name, .. } => (Act::EndpointNetworksSet, endpoint_of(project, name)),
            Self::Show { project, name } => (Act::EndpointNetworksShow, endpoint_of(project, name)),
        }
    }

    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        let networks = match self {
            Self::Set { project, name, networks } => {
                let parse = |text: &String| text.parse::<Network>().map_err(|not| bad(format!("{not}.")));
                let networks = networks.iter().map(parse).collect::<Result<_, _>>()?;
                appliance.set_networks(actor, &project, &name, networks, now)?
            }
            Self::Show { project, name } => appliance.networks(&project, &name)?,
        };
        Ok(Done::Networks(networks.iter().map(ToString::to_string).collect()))
    }
}

impl From<appliance::EndpointShown> for EndpointShown {
    fn from(shown: appliance::EndpointShown) -> Self {
        let appliance::EndpointShown { endpoint, grants, api_keys, certificates, networks, budgets } = shown;
        let (mut by_object, mut damaged_grants) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
        for grant in grants {
            match grant {
                Listed::Sound(grant) => {
                    by_object
                        .entry(grant.object_name.to_string())
                        .or_default()
                        .push(grant.operation.to_string());
                }
                Listed::Damaged(row) => damaged_grants.push(row.to_string()),
            }
        }
        let grants = by_object.into_iter().map(|(object, operations)| Granted { object, operations });
        Self {
            endpoint: endpoint.into(),
            networks: networks.iter().map(ToString::to_string).collect(),
            grants: grants.collect(),
            damaged_grants,
            api_keys: all(api_keys),
            certificates: all(certificates),
            budgets: all(budgets),
        }
    }
}
