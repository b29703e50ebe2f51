//! API keys: what can be asked of them, what comes back, and the way between.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::appliance::{self, Appliance, NewApiKey, Rotation, Stop, Target};
use crate::domain::access::Act;
use crate::domain::actor::Actor;
use crate::domain::limits::RateLimits;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::acts::endpoint_of;
use super::answer::Done;
use super::budget::Budget;
use super::perform::{id, moment_to_come, name, page};
use super::view::{all, told};

/// Verbs on API keys.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ApiKey {
    /// The answer shows it once.
    Create {
        /// Its endpoint's project.
        project: String,
        /// Its endpoint.
        endpoint: String,
        /// What its owner calls it.
        label: String,
        /// RFC 3339; never without.
        expires: Option<String>,
        /// The policy's defaults where nothing is said.
        #[serde(default)]
        limits: Limits,
    },
    /// A page of an endpoint's.
    List {
        /// Its project's name.
        project: String,
        /// Its name.
        endpoint: String,
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// With its endpoint and its budgets.
    Show {
        /// As lists show it.
        id: String,
    },
    /// After a new epoch disabled it.
    Enable {
        /// As lists show it.
        id: String,
    },
    /// Another end.
    Expire {
        /// As lists show it.
        id: String,
        /// RFC 3339, and still to come; never without.
        expires: Option<String>,
    },
    /// Other limits, from now on.
    Limits {
        /// As lists show it.
        id: String,
        /// As they are where nothing is said.
        limits: Limits,
    },
    /// From now on.
    Revoke {
        /// As lists show it.
        id: String,
    },
    /// Another in its place; the answer shows that once.
    Rotate {
        /// As lists show it.
        id: String,
        /// For how long both count.
        overlap_s: u64,
        /// Of the new one, RFC 3339; after as long as the old one was made for without.
        expires: Option<String>,
    },
}

/// How much an API key may do.
#[derive(JsonSchema, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests a second on average.
    pub requests_per_s: Option<u32>,
    /// Requests at once.
    pub requests_burst: Option<u32>,
    /// Fields a second on average.
    pub fields_per_s: Option<u32>,
    /// Fields at once.
    pub fields_burst: Option<u32>,
}

/// An API key: everything but the key.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyShown {
    /// What records and lists call it.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub created: String,
    /// From when it is refused.
    pub expires: Option<String>,
    /// Since when it is refused.
    pub revoked: Option<String>,
    /// Since when it waits to be enabled again.
    pub disabled: Option<String>,
    /// Requests a second on average.
    pub requests_per_s: u32,
    /// Requests at once.
    pub requests_burst: u32,
    /// Fields a second on average.
    pub fields_per_s: u32,
    /// Fields at once.
    pub fields_burst: u32,
    /// The id of the one that it takes the place of.
    pub replaces: Option<String>,
    /// The id of the one that takes its place.
    pub replaced_by: Option<String>,
    /// When it was used last, to the minute or so.
    pub last_used: Option<String>,
    /// From which address.
    pub last_used_from: Option<String>,
}

/// An API key with what belongs to it.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyWhole {
    /// Everything but the key.
    pub api_key: ApiKeyShown,
    /// Its endpoint's project; none where a damaged row does not tell it.
    pub project: Option<String>,
    /// Its endpoint, likewise.
    pub endpoint: Option<String>,
    /// How much it may have decrypted and indexed in 24 hours, and how much that is to be reencrypted may not open.
    pub budgets: Vec<Budget>,
}

/// An API key with its text, once.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeApiKey {
    /// Everything but the key.
    pub api_key: ApiKeyShown,
    /// The key.
    pub text: ShownOnce,
}

/// An API key that takes the place of another, with its text, once.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotatedApiKey {
    /// The new one, but its text.
    pub api_key: ApiKeyShown,
    /// Its text.
    pub text: ShownOnce,
    /// The old one, with its end.
    pub replaced: ApiKeyShown,
}

/// The text of an API key on its only way out. It can be written into an answer and taken out of it again, and nothing
/// else: not printed by accident, not copied.
pub struct ShownOnce(Zeroizing<String>);

impl ShownOnce {
    /// A copy of `text` that is wiped when it has been shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Serialize for ShownOnce {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl JsonSchema for ShownOnce {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ShownOnce".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for ShownOnce {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

impl ApiKey {
    pub(super) fn act(&self) -> Result<(Act, Target), Refusal> {
        Ok(match self {
            Self::Create { project, endpoint, .. } => (Act::ApiKeyCreate, endpoint_of(project, endpoint)),
            Self::List { project, endpoint, .. } => (Act::ApiKeyList, endpoint_of(project, endpoint)),
            Self::Show { id: of } => (Act::ApiKeyShow, Target::ApiKey(id(of)?)),
            Self::Enable { id: of } => (Act::ApiKeyEnable, Target::ApiKey(id(of)?)),
            Self::Expire { id: of, .. } => (Act::ApiKeyExpire, Target::ApiKey(id(of)?)),
            Self::Limits { id: of, .. } => (Act::ApiKeyLimits, Target::ApiKey(id(of)?)),
            Self::Revoke { id: of } => (Act::ApiKeyRevoke, Target::ApiKey(id(of)?)),
            Self::Rotate { id: of, .. } => (Act::ApiKeyRotate, Target::ApiKey(id(of)?)),
        })
    }

    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let defaults = appliance.settings().policies.load().rate_limits;
        let appliance = appliance.unlocked()?;
        let end =
            |expires: Option<String>| expires.as_deref().map(|text| moment_to_come(text, now)).transpose();
        Ok(match self {
            Self::Create { project, endpoint, label, expires, limits } => {
                let new = NewApiKey {
                    label: name(&label)?,
                    expires: end(expires)?,
                    limits: Some(limits.over(defaults)),
                };
                let (api_key, text) = appliance.create_api_key(actor, &project, &endpoint, new, now)?;
                let text = ShownOnce::new(text.expose());
                Done::ApiKeyMade(Box::new(MadeApiKey { api_key: api_key.into(), text }))
            }
            Self::List { project, endpoint, after, limit } => Done::ApiKeys(
                appliance.api_keys_page(&project, &endpoint, &page(after.as_ref(), limit)?)?.into(),
            ),
            Self::Show { id: of } => {
                Done::ApiKeyShown(Box::new(appliance.api_key_shown(id(&of)?, now)?.into()))
            }
            Self::Enable { id: enabled } => {
                appliance.enable_api_key(actor, id(&enabled)?, now)?;
                Done::Changed
            }
            Self::Expire { id: of, expires } => {
                Done::ApiKey(Box::new(appliance.expire_api_key(actor, id(&of)?, end(expires)?, now)?.into()))
            }
            Self::Limits { id: of, limits } => {
                let over = |present| limits.over(present);
                Done::ApiKey(Box::new(appliance.limit_api_key(actor, id(&of)?, over, now)?.into()))
            }
            Self::Revoke { id: revoked } => {
                appliance.revoke_api_key(actor, id(&revoked)?, now)?;
                Done::Changed
            }
            Self::Rotate { id: of, overlap_s, expires } => {
                let rotation = Rotation { overlap: Duration::from_secs(overlap_s), expires: end(expires)? };
                let rotated = appliance.rotate_api_key(actor, id(&of)?, rotation, now)?;
                let text = ShownOnce::new(rotated.text.expose());
                let (api_key, replaced) = (rotated.new.into(), rotated.old.into());
                Done::ApiKeyRotated(Box::new(RotatedApiKey { api_key, text, replaced }))
            }
        })
    }
}

impl Limits {
    fn over(&self, present: RateLimits) -> RateLimits {
        RateLimits {
            requests_per_s: self.requests_per_s.unwrap_or(present.requests_per_s),
            requests_burst: self.requests_burst.unwrap_or(present.requests_burst),
            fields_per_s: self.fields_per_s.unwrap_or(present.fields_per_s),
            fields_burst: self.fields_burst.unwrap_or(present.fields_burst),
        }
    }
}

impl From<appliance::ApiKeyShown> for ApiKeyWhole {
    fn from(shown: appliance::ApiKeyShown) -> Self {
        let appliance::ApiKeyShown { api_key, endpoint, budgets } = shown;
        let (project, endpoint) = endpoint.unzip();
        Self { api_key: api_key.into(), project, endpoint, budgets: all(budgets) }
    }
}

impl From<appliance::ApiKeyView> for ApiKeyShown {
    fn from(view: appliance::ApiKeyView) -> Self {
        let RateLimits { requests_per_s, requests_burst, fields_per_s, fields_burst } = view.limits;
        Self {
            id: view.id.to_string(),
            label: view.label.to_string(),
            created: view.created.to_string(),
            expires: told(view.expires),
            revoked: told(view.revoked),
            disabled: told(view.disabled),
            requests_per_s,
            requests_burst,
            fields_per_s,
            fields_burst,
            replaces: view.replaces.map(|id| id.to_string()),
            replaced_by: view.replaced_by.map(|id| id.to_string()),
            last_used: told(view.last_used.map(|last| last.time)),
            last_used_from: view.last_used.map(|last| last.address.to_string()),
        }
    }
}
