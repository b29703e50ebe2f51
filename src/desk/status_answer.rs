//! What `status` answers: the whole health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::StrainedBudget;
use super::certificate_answer::Ca;
use super::clock_answer::ClockStatus;
use super::destructions_answer::DestructionsStatus;
use super::keys_answer::KeysStatus;

/// The whole health.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// `unprovisioned`, `locked`, `operational` or `degraded`.
    pub state: String,
    /// Why it is locked, and what to do.
    pub reason: Option<String>,
    /// Made by one person alone, never to hold real data. Told while locked, too.
    pub sandbox: bool,
    /// Whether the token answers.
    pub token: Option<TokenStatus>,
    /// The chain and the journal.
    pub journal: Option<JournalStatus>,
    /// `trusted`, or what is wrong with the clock and what to do.
    pub clock: Option<String>,
    /// The same for who says it in another language.
    #[serde(default)]
    pub clock_verdict: Option<ClockStatus>,
    /// Checkpoints and anchor.
    pub witness: Option<WitnessStatus>,
    /// Data keys in memory.
    pub data_keys: usize,
    /// Requests answered `locked` since the start.
    pub refused_locked: u64,
    /// Budgets of which four fifths are used or more; none for who may not read everyone's statistics.
    pub strained_budgets: Vec<StrainedBudget>,
    /// Keys that have been used half as often as they may be.
    pub worn_keys: Vec<WornKey>,
    /// Keys that are being replaced.
    pub keys: Option<KeysStatus>,
    /// Key versions whose next one is due and could not be made yet.
    #[serde(default)]
    pub due_keys: Vec<DueKey>,
    /// Key versions whose destruction is scheduled.
    #[serde(default)]
    pub destructions: Option<DestructionsStatus>,
    /// Recoveries that can still be refused.
    #[serde(default)]
    pub recoveries: Vec<RecoveryUnderWay>,
    /// Certificates, API keys and lists that end soon or have ended, the most urgent first; only the appliance's own for who may not
    /// read everyone's statistics.
    pub expiring: Vec<Expiring>,
    /// Which CA signs, and how many certificates hang on one that is on its way out.
    pub ca: Option<Ca>,
    /// A damaged file that was kept when its damage was accepted. It has every wrapped key of then, whatever was destroyed since:
    /// to be taken away by hand once somebody has looked into it. Told while locked, too.
    #[serde(default)]
    pub kept_file: Option<String>,
    /// What protects memory.
    pub memory: String,
}

/// How the token is.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenStatus {
    /// Its serial number.
    pub serial: String,
    /// Whether it answers.
    pub present: bool,
    /// Why it counts as away, then what to do.
    pub trouble: Option<String>,
    /// The MK generation that wraps.
    pub master_key_generation: u32,
    /// For eyes only.
    pub kcv: String,
}

/// How the journal is.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalStatus {
    /// Counts restores.
    pub epoch: u32,
    /// Of the next record.
    pub next_sequence: u64,
    /// When the last block was closed.
    pub last_block: String,
    /// Why requests on data are refused as `journal-full` at present.
    pub trouble: Option<String>,
    /// Records that found no place since the start.
    pub unrecorded: u64,
    /// Free space of the store's disk.
    pub disk_free_bytes: Option<u64>,
    /// What requests on data leave alone of it.
    pub disk_reserve_bytes: Option<u64>,
}

/// Whether the chain is witnessed.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessStatus {
    /// Of the key that signs checkpoints in this epoch: SHA-256 of the public key, as `audit key` shows it.
    pub checkpoint_key: String,
    /// The next record when the newest checkpoint was signed.
    pub checkpoint_sequence: Option<u64>,
    /// When it was signed.
    pub checkpoint_time: Option<String>,
    /// Since when none could be made.
    pub failing_since: Option<String>,
    /// Why not.
    pub trouble: Option<String>,
}

/// A key that should be rotated.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WornKey {
    /// Which.
    pub key: String,
    /// Uses so far; reserved ones count.
    pub uses: u64,
    /// Uses at which it refuses.
    pub uses_max: u64,
}

/// A key version whose next one is due.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DueKey {
    /// Which.
    pub key: String,
    /// `age`, `uses`, `window` or `compromised`: then it encrypts nothing until the next one is made.
    pub why: String,
}

/// A recovery that makes an account the admin, if nobody refuses it.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryUnderWay {
    /// The approval by which it is refused.
    pub approval: String,
    /// Who would be an admin.
    pub user: String,
    /// `waiting` for an officer, or `approved`.
    pub state: String,
    /// When it was asked.
    pub asked: String,
    /// Until when an admin who can sign in holds it up, once it is approved.
    pub held_until: Option<String>,
    /// From when on there is nothing of it any more.
    pub expires: String,
}

/// Something that ends soon.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiring {
    /// `ca`, `crl`, `server`, or the identity of an endpoint or user.
    pub of: String,
    /// `project/endpoint`, or the user's name.
    pub name: Option<String>,
    /// SHA-256 of a client's public key, hex.
    pub spki: Option<String>,
    /// Last moment.
    pub not_after: String,
    /// Whole days until then, rounded down; negative after it.
    pub days_left: i64,
    /// Which mark it has passed: so many days before its end, 0 after it.
    pub mark_days: u64,
    /// What to do.
    pub hint: String,
}
