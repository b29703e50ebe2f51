//! The policies an operator may tune without touching the machine: which algorithms, how much of everything, and who may do
//! what.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::crypto::algorithm::Algorithm;
use crate::domain::access::AccessRules;
use crate::domain::limits::ROTATE_AFTER_DAYS_MAX;
use crate::domain::policy_files::PolicyFiles;

use super::access;
use super::bounds::count;
use super::{ConfigError, parse_toml, read_text};

/// `crypto.toml`, `limits.toml` and `access.cedar` of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Where they were read.
    pub directory: PathBuf,
    /// `crypto.toml`
    pub crypto: CryptoPolicy,
    /// `limits.toml`
    pub limits: LimitsPolicy,
    /// `access.cedar`, read against `access.cedarschema`
    pub access: Arc<AccessRules>,
    /// The bytes of these files, by digest.
    pub files: PolicyFiles,
}

impl Policies {
    /// Reads all files; each must exist, because a policy that is silently the default is none.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key.
    pub fn load(directory: &Path) -> Result<Self, ConfigError> {
        let (crypto, limits) = (directory.join("crypto.toml"), directory.join("limits.toml"));
        // Each is read once: what is in force is what the digest is of.
        let (crypto_text, limits_text) = (read_text(&crypto)?, read_text(&limits)?);
        let access = access::load(directory)?;
        let policies = Self {
            directory: directory.to_owned(),
            crypto: parse_toml(&crypto, &crypto_text)?,
            limits: parse_toml(&limits, &limits_text)?,
            files: PolicyFiles::of(access.text(), &crypto_text, &limits_text),
            access,
        };
        policies.crypto.relate(&crypto)?;
        policies.limits.relate(&limits)?;
        Ok(policies)
    }
}

pub(super) fn default_directory() -> PathBuf {
    "policies".into()
}

/// Which algorithms new key versions may be made with. Existing ones keep theirs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CryptoPolicy {
    /// For a key version whose request names none.
    #[serde(deserialize_with = "algorithm")]
    pub default_algorithm: Algorithm,
    /// What a request may name.
    #[serde(deserialize_with = "algorithms")]
    pub offered_algorithms: Vec<Algorithm>,
    /// Days after which a key version is replaced by the next, unless its object says otherwise; 0 at any age.
    #[serde(default = "year", deserialize_with = "count::<_, _, 0, { ROTATE_AFTER_DAYS_MAX as u64 }>")]
    pub rotate_after_days: u32,
    /// Whether key versions that are due are replaced without anybody's word.
    #[serde(default = "yes")]
    pub automatic_rotation: bool,
}

const fn year() -> u32 {
    365
}

const fn yes() -> bool {
    true
}

impl CryptoPolicy {
    fn relate(&self, file: &Path) -> Result<(), ConfigError> {
        if self.offered_algorithms.contains(&self.default_algorithm) {
            return Ok(());
        }
        let what = format!("{} is the default but not offered", self.default_algorithm.name());
        Err(ConfigError::relation(
            file,
            "offered_algorithms",
            what,
            "offer the default too, or choose another",
        ))
    }
}

/// `limits.toml`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsPolicy {
    /// `[api_key]`: what an API key may do unless its own limits say otherwise.
    #[serde(rename = "api_key")]
    pub key: KeyLimits,
    /// `[budget]`: how much may be decrypted in 24 hours.
    pub budget: BudgetLimits,
    /// `[index_budget]`: how many index values may be told in 24 hours. Default 100,000 and 200,000.
    #[serde(default)]
    pub index_budget: BudgetLimits,
    /// `[reencrypt_budget]`: how much that comes to be reencrypted may not open in 24 hours. Default 10,000 and 20,000.
    #[serde(default = "BudgetLimits::of_misses")]
    pub reencrypt_budget: BudgetLimits,
    /// `[request]`: the largest request that is read.
    pub request: RequestShape,
}

/// Rates of one API key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLimits {
    /// Requests a second, sustained.
    #[serde(deserialize_with = "count::<_, _, 1, 1_000_000>")]
    pub requests_per_s: u32,
    /// Requests at once.
    #[serde(deserialize_with = "count::<_, _, 1, 1_000_000>")]
    pub requests_burst: u32,
    /// Fields a second, sustained.
    #[serde(deserialize_with = "count::<_, _, 1, 100_000_000>")]
    pub fields_per_s: u32,
    /// Fields at once.
    #[serde(deserialize_with = "count::<_, _, 1, 100_000_000>")]
    pub fields_burst: u32,
}

/// Fields that may be decrypted, or indexed, or not open, in 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetLimits {
    /// Of one API key.
    #[serde(deserialize_with = "count::<_, _, 1, 1_000_000_000>")]
    pub api_key_fields_per_day: u32,
    /// Of one endpoint, with all its API keys.
    #[serde(deserialize_with = "count::<_, _, 1, 1_000_000_000>")]
    pub endpoint_fields_per_day: u32,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self { api_key_fields_per_day: 100_000, endpoint_fields_per_day: 200_000 }
    }
}

impl BudgetLimits {
    const fn of_misses() -> Self {
        Self { api_key_fields_per_day: 10_000, endpoint_fields_per_day: 20_000 }
    }
}

/// Bounds of one request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestShape {
    /// Bytes of a v1 body.
    #[serde(deserialize_with = "count::<_, _, 1_024, 16_777_216>")]
    pub body_bytes_max: usize,
    /// Bytes of a body of the published contract.
    #[serde(deserialize_with = "count::<_, _, 1_024, 16_777_216>")]
    pub published_body_bytes_max: usize,
    /// Bytes of one plaintext.
    #[serde(deserialize_with = "count::<_, _, 1, 8_388_608>")]
    pub field_bytes_max: usize,
    /// Items of one batch.
    #[serde(deserialize_with = "count::<_, _, 1, 100_000>")]
    pub items_max: u32,
}

impl LimitsPolicy {
    fn relate(&self, file: &Path) -> Result<(), ConfigError> {
        // A batch of any size needs one field of the budget of misses, and more only as it misses.
        let Self { key, budget, index_budget, reencrypt_budget: _, request } = self;
        let say = |name, what: String, hint| Err(ConfigError::relation(file, name, what, hint));
        if request.items_max > key.fields_burst {
            return say(
                "request.items_max",
                format!("{} items, but a key's burst is {} fields", request.items_max, key.fields_burst),
                "a full batch could never be admitted; raise api_key.fields_burst or lower items_max",
            );
        }
        for (name, budget, done, hint) in [
            (
                "budget",
                budget,
                "decrypted",
                "a full batch could never be decrypted; raise the budget or lower request.items_max",
            ),
            (
                "index_budget",
                index_budget,
                "indexed",
                "a full batch could never be indexed; raise the budget or lower request.items_max",
            ),
        ] {
            let smaller = budget.api_key_fields_per_day.min(budget.endpoint_fields_per_day);
            if request.items_max > smaller {
                return say(
                    name,
                    format!(
                        "{smaller} {done} fields a day, but a batch has up to {} items",
                        request.items_max
                    ),
                    hint,
                );
            }
        }
        if key.requests_burst < key.requests_per_s || key.fields_burst < key.fields_per_s {
            return say(
                "api_key",
                "a burst is smaller than one second of its rate".into(),
                "a client that sends a second's worth at once would be refused; raise requests_burst or fields_burst",
            );
        }
        // An envelope adds at most 52 bytes, base64 a third, and the rest of the JSON fits 1 KiB.
        let one_field = (request.field_bytes_max + 52).div_ceil(3) * 4 + 1_024;
        for (name, body) in [
            ("request.body_bytes_max", request.body_bytes_max),
            ("request.published_body_bytes_max", request.published_body_bytes_max),
        ] {
            if body < one_field {
                return say(
                    name,
                    format!(
                        "{body} bytes, but one field of {} bytes needs {one_field}",
                        request.field_bytes_max
                    ),
                    "raise it, or lower request.field_bytes_max: what was sealed must also fit when it is opened",
                );
            }
        }
        Ok(())
    }
}

fn algorithm<'de, D: Deserializer<'de>>(from: D) -> Result<Algorithm, D::Error> {
    parse(&String::deserialize(from)?)
}

fn algorithms<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Algorithm>, D::Error> {
    Vec::<String>::deserialize(from)?.iter().map(|name| parse(name)).collect()
}

fn parse<E: serde::de::Error>(name: &str) -> Result<Algorithm, E> {
    name.parse().map_err(|()| {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        E::custom(format_args!("{name} is no algorithm; there are {known}"))
    })
}
