//! What the appliance says of itself: a word for machines that must not know more, the whole for those who may.

use std::sync::atomic::Ordering;

use crate::domain::budget::Spender;
use crate::domain::expiry::Expiry;
use crate::domain::timestamp::Timestamp;
use crate::store::kept_damaged;

use super::ca_roll::CaView;
use super::clock_verdict::ClockVerdict;
use super::destructions::DestructionsHealth;
use super::disk_reserve::DiskSpace;
use super::key_turns::DueKey;
use super::keys_health::KeysHealth;
use super::recovery::RecoveryUnderWay;
use super::spending::Standing;
use super::wear::WornKey;
use super::witness::WitnessHealth;
use super::{Appliance, LockReason, State};

/// A state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateName {
    /// No store yet.
    Unprovisioned,
    /// No key to read it.
    Locked,
    /// All well.
    Operational,
    /// The token is away; keys in memory serve.
    Degraded,
}

impl StateName {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unprovisioned => "unprovisioned",
            Self::Locked => "locked",
            Self::Operational => "operational",
            Self::Degraded => "degraded",
        }
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The whole.
pub struct Health {
    /// The state.
    pub state: StateName,
    /// Why it is locked, and what to do.
    pub reason: Option<String>,
    /// Made by one person alone, never to hold real data. While it is locked, what the boot row claims: nothing has
    /// authenticated it yet.
    pub sandbox: bool,
    /// Whether the token answers.
    pub token: Option<TokenHealth>,
    /// The chain and the journal.
    pub journal: Option<JournalHealth>,
    /// What is thought of the clock.
    pub clock: Option<ClockVerdict>,
    /// Checkpoints and anchor.
    pub witness: Option<WitnessHealth>,
    /// Data keys in memory.
    pub data_keys: usize,
    /// Requests answered `locked` since the start.
    pub refused_locked: u64,
    /// Budgets of which four fifths are used or more.
    pub strained_budgets: Vec<(Spender, Standing)>,
    /// Keys that have been used half as often as they may be.
    pub worn_keys: Vec<WornKey>,
    /// Keys that are being replaced.
    pub keys: Option<KeysHealth>,
    /// Key versions whose next one is due and could not be made yet.
    pub due_keys: Vec<DueKey>,
    /// Key versions whose destruction is scheduled.
    pub destructions: Option<DestructionsHealth>,
    /// Recoveries that can still be refused.
    pub recoveries: Vec<RecoveryUnderWay>,
    /// When certificates and the CRL end, our own and the newest of each client.
    pub expiries: Vec<Expiry>,
    /// Which CA signs, and how many certificates hang on one that is on its way out.
    pub ca: Option<CaView>,
    /// A damaged file that was kept when its damage was accepted, and has every wrapped key of then.
    pub kept_file: Option<String>,
    /// By which clock.
    pub time: Timestamp,
    /// What protects memory.
    pub memory: String,
}

/// How the token is.
pub struct TokenHealth {
    /// Its serial number.
    pub serial: String,
    /// Whether it answers.
    pub present: bool,
    /// Why it counts as away, or could not be healed the last time; then what to do.
    pub trouble: Option<String>,
    /// The MK generation that wraps.
    pub master_key_generation: u32,
    /// The KCV recorded when it was made; for eyes only.
    pub kcv: String,
}

/// How the journal is.
pub struct JournalHealth {
    /// Counts restores.
    pub epoch: u32,
    /// Of the next record.
    pub next_sequence: u64,
    /// When the last block was closed.
    pub last_block: Timestamp,
    /// Why requests on data are refused as `journal-full` at present.
    pub trouble: Option<String>,
    /// Records that found no place since the start.
    pub unrecorded: u64,
    /// Its disk.
    pub disk: Option<DiskSpace>,
}

impl Health {
    /// Without what it tells of endpoints, API keys and people: for who may not read everyone's statistics, such as an officer.
    #[must_use]
    pub fn without_clients(mut self) -> Self {
        self.strained_budgets.clear();
        self.expiries.retain(|expiry| !expiry.of.is_of_a_client());
        self
    }

    /// What ends soon or has ended, with the mark it has passed: days before its end, 0 after it. The most urgent first.
    #[must_use]
    pub fn expiring(&self) -> Vec<(&Expiry, u64)> {
        let mark = |expiry| Expiry::mark_days(expiry, self.time).map(|mark| (expiry, mark));
        let mut expiring: Vec<_> = self.expiries.iter().filter_map(mark).collect();
        expiring.sort_by_key(|(expiry, _)| expiry.not_after);
        expiring
    }
}

impl Appliance {
    /// The state in one word.
    #[must_use]
    pub fn state_name(&self) -> StateName {
        self.state.load().name()
    }

    /// Whether requests on data are served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &**self.state.load() {
            // Those who come in a pause are served after it.
            State::Operational(operational) => {
                let recorder = operational.recorder();
                recorder.check_room().is_ok() || recorder.is_paused()
            }
            State::Unprovisioned | State::Locked(_) => false,
        }
    }

    /// The whole.
    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.state.load();
        let mut health = Health {
            state: state.name(),
            reason: None,
            sandbox: self.sandbox.get().copied().unwrap_or(false),
            token: None,
            journal: None,
            clock: None,
            witness: None,
            data_keys: 0,
            refused_locked: self.refused_locked.load(Ordering::Relaxed),
            strained_budgets: Vec::new(),
            worn_keys: Vec::new(),
            keys: None,
            due_keys: Vec::new(),
            destructions: None,
            recoveries: Vec::new(),
            expiries: self.expiries(),
            ca: None,
            kept_file: kept_damaged(&self.settings.store_path()).map(|path| path.display().to_string()),
            time: (self.settings.clock)().time,
            memory: self.settings.memory_protection.clone(),
        };
        match &**state {
            State::Unprovisioned => {}
            State::Locked(reason) => health.reason = Some(reason.to_string()),
            State::Operational(operational) => {
                let head = operational.store.head();
                let kcv = operational.boot.master_keys.last().map(|key| crate::crypto::kcv::Kcv(key.kcv));
                health.sandbox = operational.is_sandbox();
                health.clock = Some(operational.clock());
                health.data_keys = operational.keys_in_memory().data_keys;
                health.strained_budgets = operational.strained_budgets(operational.now());
                health.worn_keys = operational.worn_keys();
                health.keys = Some(operational.keys_health());
                health.due_keys = operational.due_keys();
                health.destructions = Some(operational.destructions_health());
                match operational.recoveries() {
                    Ok(recoveries) => health.recoveries = recoveries,
                    Err(stop) => tracing::error!(%stop, "nobody knows whether a recovery is under way"),
                }
                health.ca = operational.ca().ok();
                health.token = Some(TokenHealth {
                    serial: operational.token.serial().to_owned(),
                    present: !operational.token.is_away(),
                    trouble: operational.absence.lock().as_ref().map(|absence| absence.trouble.clone()),
                    master_key_generation: operational
                        .master_keys
                        .last()
                        .map_or(0, crate::hsm::MasterKey::generation),
                    kcv: kcv.map(|kcv| kcv.to_string()).unwrap_or_default(),
                });
                health.witness = Some(operational.witness_health());
                health.journal = Some(JournalHealth {
                    epoch: head.epoch,
                    next_sequence: head.next_sequence,
                    last_block: Timestamp::from_micros(head.time_us),
                    trouble: operational.recorder().trouble(),
                    unrecorded: operational.recorder().unrecorded(),
                    disk: operational.recorder().disk(),
                });
            }
        }
        health
    }
}

/// What happened, then what to do.
impl std::fmt::Display for LockReason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Started => out.write_str("started and not unlocked yet; run gembok unlock"),
            Self::ByOperator => out.write_str("locked by an operator; run gembok unlock"),
            Self::DegradedTooLong => {
                out.write_str("the token was away for too long; bring it back, then run gembok unlock")
            }
            Self::UnlockFailed(why) => write!(out, "the last unlock failed: {why}"),
            Self::Damaged(rows) => write!(
                out,
                "rollback or damage: the store is not what its last block describes, and these rows do not open: {}; \
                 restore a backup, or look at what was lost and run gembok unlock --accept-damage: others may have been put \
                 back besides, so it opens a new epoch, in which users, endpoints and API keys are disabled until each is \
                 enabled again and budgets count as spent",
                rows.join(", ")
            ),
            Self::Rollback(what) => write!(
                out,
                "rollback: {what}; restore a backup, or look at what was lost and, in a sandbox, run gembok unlock \
                 --accept-rollback: it opens a new epoch, in which users, endpoints and API keys are disabled until each is \
                 enabled again and budgets count as spent"
            ),
        }
    }
}
