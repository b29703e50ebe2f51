//! What the verbs on the journal answer: the audit trail, exports, prunes and the keys to verify them with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page of the audit trail.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditPage {
    /// In the order asked for.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u64>,
    /// The first record that was not pruned.
    pub pruned_to: u64,
    /// Names of rows of blocks on the way that cannot be read, the first hundred.
    pub damaged: Vec<String>,
}

/// One change.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its place in the chain.
    pub sequence: u64,
    /// `audit`, or `access` for a request on data.
    pub kind: String,
    /// When.
    pub time: String,
    /// Who: `local:<uid>`, `user:<uuid>`, `system`.
    pub actor: String,
    /// What.
    pub act: String,
    /// On what, with what.
    pub details: std::collections::BTreeMap<String, String>,
}

/// What stands at the end of an export that now begins.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportBegun {
    /// Each on one line.
    pub checkpoints: Vec<String>,
    /// SPKI in DER, hex.
    pub keys: Vec<String>,
}

/// An export that is complete.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportEnded {
    /// For saying that it is kept.
    pub id: String,
    /// Its first record.
    pub first: u64,
    /// Behind the last one asked for.
    pub next: u64,
    /// Blocks in it.
    pub blocks: u64,
    /// Blocks that could not be read.
    pub damaged: u64,
    /// The first hundred of them.
    pub damage: Vec<String>,
}

/// How far exports reach.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportKept {
    /// Behind the last record that may be pruned.
    pub prunable_to: u64,
}

/// What a prune did.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// First record that went.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// Blocks that lost their records.
    pub blocks: u64,
}

/// A key that signs checkpoints.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointKey {
    /// SHA-256 of the public key.
    pub fingerprint: String,
    /// The public key.
    pub pem: String,
}
