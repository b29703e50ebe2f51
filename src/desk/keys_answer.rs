//! How the keys below the master key are: which are being replaced, and how far that is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{EscrowHealth, KeysHealth, Rewrapping, StoreKeyHealth};

/// What is under way among the keys.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysStatus {
    /// Projects whose keys are being wrapped anew by the newest version of their KEK.
    pub rewrapping: Vec<RewrappingLine>,
    /// How the store key is; none where that cannot be read.
    pub store_key: Option<StoreKeyStatus>,
    /// The second place of every key.
    pub escrow: EscrowStatus,
    /// Why any of that does not go on at present.
    pub trouble: Option<String>,
}

/// Whether every wrapped key is kept a second time.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscrowStatus {
    /// Where the log lies; none where none is kept.
    pub path: Option<String>,
    /// Entries in it.
    pub entries: u64,
    /// Key versions that wait to be in it, and do not seal until then; of the first 1,000 keys that do.
    pub waiting: u64,
    /// Whether it lies on the store's own file system, so that one dead disk takes both. Two partitions of one disk do not show.
    pub same_disk: bool,
    /// Key versions that would be lost with the store's disk; not known at the beginning.
    pub only_here: Option<u64>,
    /// Why nothing can be added at present.
    pub trouble: Option<String>,
}

impl From<EscrowHealth> for EscrowStatus {
    fn from(health: EscrowHealth) -> Self {
        let EscrowHealth { path, entries, waiting, same_disk, only_here, trouble } = health;
        Self { path, entries, waiting, same_disk, only_here, trouble }
    }
}

/// How the key that seals the store is.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreKeyStatus {
    /// The generation that seals.
    pub generation: u32,
    /// The one that will, once every row is added up for it. It goes on by itself.
    pub coming: Option<u32>,
    /// What that one waits for: `rows` that are added up, the `escrow-log` that it has to be in, the `token` that is away, or
    /// `trouble`, which `trouble` of the keys and the log name; then it is tried again each minute.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// Those that rows still name.
    pub older: Vec<u32>,
    /// How many rows are sealed anew, of those there were when the generation began.
    pub resealed: Option<ResealedRows>,
}

/// How far the sealing anew is.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResealedRows {
    /// Sealed anew.
    pub done: u64,
    /// Of so many; what is written meanwhile need not be.
    pub of: u64,
}

impl From<StoreKeyHealth> for StoreKeyStatus {
    fn from(health: StoreKeyHealth) -> Self {
        let StoreKeyHealth { generation, coming, older, waits_for, resealed } = health;
        let waits_for = waits_for.map(|wait| wait.name().to_owned());
        let resealed = resealed.map(|(done, of)| ResealedRows { done, of });
        Self { generation, coming, waits_for, older, resealed }
    }
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
        let KeysHealth { rewrapping, store_key, escrow, trouble } = health;
        let store_key = store_key.map(StoreKeyStatus::from);
        Self {
            rewrapping: rewrapping.into_iter().map(line).collect(),
            store_key,
            escrow: escrow.into(),
            trouble,
        }
    }
}
