//! Who spends fields of a budget, and of what: those it decrypts, those it makes index values of, and those that a reencrypt
//! could not open are three budgets. NIK can be guessed one by one, so the second bounds how many guesses a stolen API key is
//! worth; and whether a context fits a stolen ciphertext can be asked by reencrypting it, so the third bounds that.

use super::id::{ApiKeyId, EndpointId};
use super::operation::Operation;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Fields that come out in clear.
    Decrypted,
    /// Fields that an index value is told of.
    Indexed,
    /// Fields that came to be reencrypted and did not open.
    Missed,
}

/// Whose budget, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Spender {
    /// One credential's decrypted fields.
    ApiKey(ApiKeyId),
    /// Those of all credentials of one client system.
    Endpoint(EndpointId),
    /// One credential's indexed fields.
    ApiKeyIndexes(ApiKeyId),
    /// Those of all credentials of one client system.
    EndpointIndexes(EndpointId),
    /// Those that one credential had reencrypted and that did not open.
    ApiKeyMisses(ApiKeyId),
    /// Those of all credentials of one client system.
    EndpointMisses(EndpointId),
}

/// What an API key and an endpoint may decrypt, index, and miss, unless they have a value of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultBudgets {
    /// Fields decrypted in 24 hours, of each API key.
    pub api_key_fields_per_day: u64,
    /// Fields decrypted in 24 hours, of each endpoint.
    pub endpoint_fields_per_day: u64,
    /// Fields indexed in 24 hours, of each API key.
    pub api_key_indexed_per_day: u64,
    /// Fields indexed in 24 hours, of each endpoint.
    pub endpoint_indexed_per_day: u64,
    /// Fields that did not open for a reencrypt in 24 hours, of each API key.
    pub api_key_missed_per_day: u64,
    /// Fields that did not open for a reencrypt in 24 hours, of each endpoint.
    pub endpoint_missed_per_day: u64,
}

impl Default for DefaultBudgets {
    fn default() -> Self {
        Self {
            api_key_fields_per_day: 100_000,
            endpoint_fields_per_day: 200_000,
            api_key_indexed_per_day: 100_000,
            endpoint_indexed_per_day: 200_000,
            api_key_missed_per_day: 10_000,
            endpoint_missed_per_day: 20_000,
        }
    }
}

impl Counted {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Decrypted, Self::Indexed, Self::Missed];

    /// The operation whose fields it counts.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Decrypted => Operation::Decrypt,
            Self::Indexed => Operation::Index,
            Self::Missed => Operation::Reencrypt,
        }
    }

    /// What its fields are.
    #[must_use]
    pub const fn fields(self) -> &'static str {
        match self {
            Self::Decrypted => "decrypted fields",
            Self::Indexed => "indexed fields",
            Self::Missed => "fields that did not open",
        }
    }
}

impl Spender {
    /// An API key's budget.
    #[must_use]
    pub const fn api_key(id: ApiKeyId, counted: Counted) -> Self {
        match counted {
            Counted::Decrypted => Self::ApiKey(id),
            Counted::Indexed => Self::ApiKeyIndexes(id),
            Counted::Missed => Self::ApiKeyMisses(id),
        }
    }

    /// An endpoint's budget.
    #[must_use]
    pub const fn endpoint(id: EndpointId, counted: Counted) -> Self {
        match counted {
            Counted::Decrypted => Self::Endpoint(id),
            Counted::Indexed => Self::EndpointIndexes(id),
            Counted::Missed => Self::EndpointMisses(id),
        }
    }

    /// What its budget counts.
    #[must_use]
    pub const fn counted(self) -> Counted {
        match self {
            Self::ApiKey(_) | Self::Endpoint(_) => Counted::Decrypted,
            Self::ApiKeyIndexes(_) | Self::EndpointIndexes(_) => Counted::Indexed,
            Self::ApiKeyMisses(_) | Self::EndpointMisses(_) => Counted::Missed,
        }
    }

    /// The row key.
    #[must_use]
    pub fn row_key(self) -> [u8; 17] {
        let (kind, id) = match &self {
            Self::ApiKey(id) => (1, id.as_bytes()),
            Self::Endpoint(id) => (2, id.as_bytes()),
            Self::ApiKeyIndexes(id) => (3, id.as_bytes()),
            Self::EndpointIndexes(id) => (4, id.as_bytes()),
            Self::ApiKeyMisses(id) => (5, id.as_bytes()),
            Self::EndpointMisses(id) => (6, id.as_bytes()),
        };
        let mut key = [kind; 17];
        key[1..].copy_from_slice(id);
        key
    }

    /// The spender of a row key.
    #[must_use]
    pub fn from_row_key(key: &[u8]) -> Option<Self> {
        let (kind, id) = key.split_first()?;
        let id: [u8; 16] = id.try_into().ok()?;
        match kind {
            1 => Some(Self::ApiKey(ApiKeyId::from_bytes(id))),
            2 => Some(Self::Endpoint(EndpointId::from_bytes(id))),
            3 => Some(Self::ApiKeyIndexes(ApiKeyId::from_bytes(id))),
            4 => Some(Self::EndpointIndexes(EndpointId::from_bytes(id))),
            5 => Some(Self::ApiKeyMisses(ApiKeyId::from_bytes(id))),
            6 => Some(Self::EndpointMisses(EndpointId::from_bytes(id))),
            _ => None,
        }
    }

    /// The word for its kind.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ApiKey(_) | Self::ApiKeyIndexes(_) | Self::ApiKeyMisses(_) => "API key",
            Self::Endpoint(_) | Self::EndpointIndexes(_) | Self::EndpointMisses(_) => "endpoint",
        }
    }

    /// The name of the limit in `RateLimit` fields.
    #[must_use]
    pub const fn limit_name(self) -> &'static str {
        match self {
            Self::ApiKey(_) => "decrypted-fields-api-key",
            Self::Endpoint(_) => "decrypted-fields-endpoint",
            Self::ApiKeyIndexes(_) => "indexed-fields-api-key",
            Self::EndpointIndexes(_) => "indexed-fields-endpoint",
            Self::ApiKeyMisses(_) => "missed-fields-api-key",
            Self::EndpointMisses(_) => "missed-fields-endpoint",
        }
    }

    /// The policy's size for it.
    #[must_use]
    pub const fn default_of(self, defaults: DefaultBudgets) -> u64 {
        match self {
            Self::ApiKey(_) => defaults.api_key_fields_per_day,
            Self::Endpoint(_) => defaults.endpoint_fields_per_day,
            Self::ApiKeyIndexes(_) => defaults.api_key_indexed_per_day,
            Self::EndpointIndexes(_) => defaults.endpoint_indexed_per_day,
            Self::ApiKeyMisses(_) => defaults.api_key_missed_per_day,
            Self::EndpointMisses(_) => defaults.endpoint_missed_per_day,
        }
    }
}

impl std::fmt::Display for Spender {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ApiKey(id) => write!(out, "API key {id}"),
            Self::Endpoint(id) => write!(out, "endpoint {id}"),
            Self::ApiKeyIndexes(id) => write!(out, "API key {id}, indexed fields"),
            Self::EndpointIndexes(id) => write!(out, "endpoint {id}, indexed fields"),
            Self::ApiKeyMisses(id) => write!(out, "API key {id}, fields that did not open"),
            Self::EndpointMisses(id) => write!(out, "endpoint {id}, fields that did not open"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_keys_lead_back() {
        let id = [7; 16];
        for counted in Counted::ALL {
            for spender in [
                Spender::api_key(ApiKeyId::from_bytes(id), counted),
                Spender::endpoint(EndpointId::from_bytes(id), counted),
            ] {
                assert_eq!(Spender::from_row_key(&spender.row_key()), Some(spender));
                assert_eq!(spender.counted(), counted);
            }
        }
        assert_eq!(Spender::from_row_key(&[7; 17]), None);
        assert_eq!(Spender::from_row_key(&[1; 16]), None);
    }
}
