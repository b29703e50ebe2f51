//! Floor 3: the verbs. The only floor that joins store, token and rules.
//!
//! ```text
//! Unprovisioned ── init ──> Operational ⇄ Degraded        the token went away, and came back
//!                              │  ↑  │
//!                        lock  ↓  │  ↓  degraded too long
//!                            Locked ── unlock
//! ```
//!
//! Each state carries only what is legal in it: there is no store key, no token session and no data key outside
//! [`Operational`], and no verb on data outside it either. `Degraded` is `Operational` without its token: keys in memory
//! serve until their time is over, everything else is refused until the token is back.
//!
//! Everything here may block, except the functions named `recall_*`, [`Operational::encrypt`], [`Operational::decrypt`],
//! [`Operational::reencrypt`] and [`Operational::index`], which look in memory only and may run on an async worker.

mod access;
mod accounts;
mod activating;
mod admission;
mod ahead;
mod api_key_shown;
mod api_keys;
mod approval_places;
mod approvals;
mod approver_view;
mod audit;
mod audit_filter;
mod block;
mod bounds;
mod buckets;
mod budget_verbs;
mod budgets;
mod ca_keys;
mod ca_left;
mod ca_roll;
mod catalog;
mod certificates;
mod clock;
mod clock_verdict;
mod closed_keys;
mod committer;
mod compact;
mod company;
mod decrypt;
mod deleting;
mod destructions;
mod destructions_wait;
mod disk_reserve;
mod done;
mod enable;
mod encrypt;
mod endpoint_shown;
mod enrollment;
mod epoch;
mod escrow;
mod escrow_file;
mod exclusive;
mod expiries;
mod explain;
mod export;
mod failures;
mod fault;
mod field_lease;
mod file_debt;
mod folding;
mod fresh_minute;
mod frozen;
mod give_back;
mod grants;
mod hashing;
mod health;
mod in_doubt;
mod in_flight;
mod index;
mod kek;
mod key_destruction;
mod key_life;
mod key_proof;
mod key_shown;
mod key_summary;
mod key_sweep;
mod key_turns;
mod key_uses;
mod keyring;
mod keys_health;
mod known_key;
mod last_uses;
mod lease;
mod listed;
mod lives;
mod lock;
mod looks;
mod members;
mod memo;
mod meters;
mod movers;
mod networks;
mod never_sealed;
mod operate;
mod operational;
mod outside;
mod own;
mod owners;
mod page;
mod pause;
mod pki;
mod policies_noted;
mod proof_page;
mod proof_place;
mod provision;
mod recorder;
#[cfg(test)]
mod recounted;
#[cfg(test)]
mod recounted_after_failures;
mod recovery;
mod reencrypt;
mod refused;
mod renewal;
mod repeats;
mod reseal;
mod reservation;
mod reset;
mod retention;
mod revocations;
mod revoking;
mod rewrap;
mod rewrap_page;
mod roll_up;
mod rollback;
mod root_rotation;
mod roots;
mod rotating;
mod rotation;
mod schema;
mod second_person;
mod served;
mod server_certificate;
mod server_names;
mod sessions;
mod settings;
mod sign_in;
mod signing_request;
mod single_flight;
mod slice;
mod spending;
mod stake;
mod state;
mod statistics;
mod store_key;
mod store_key_ring;
mod subjects;
mod target;
mod tend;
mod tenure;
mod trace;
mod under_kek;
mod unlock;
mod used_up;
mod user_renewal;
mod users;
mod uses_shown;
mod verdicts;
mod versions;
mod walk;
mod walkers;
mod wanted;
mod watch;
mod wear;
mod witness;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::refusal::{Code, Refusal};
use crate::hsm::PinBackoff;
use crate::store::StoreFile;

pub use crate::store::Compacted;
pub use access::{Access, Leave, Visible};
pub use accounts::SignedIn;
pub use admission::{Admitted, Caller, Denied, Enrolled};
pub use ahead::{NewKek, SignedAhead};
pub use api_key_shown::ApiKeyShown;
pub use api_keys::{ApiKeyView, NewApiKey};
pub use approvals::ApprovalView;
pub use approver_view::KeyAtStake;
pub use audit::{AuditEntry, AuditKind, AuditPage, AuditQuery, AuditedActor, AuditedThing};
pub use budget_verbs::{BudgetOf, BudgetView};
pub use budgets::Budgets;
pub use ca_roll::{CA_OVERLAP, CaView, RetiringView};
pub use catalog::{KeyVersionView, NewObject, ObjectView, ProjectView};
pub use certificates::{CertificateView, Issued};
pub use clock_verdict::ClockVerdict;
pub use closed_keys::KeyWatch;
pub use decrypt::{OpeningKeys, OpeningNeed, Sealed};
pub use destructions::{DestructionAhead, DestructionsHealth, HeldBack};
pub use disk_reserve::{DiskReserve, DiskSpace};
pub use done::Done;
pub use encrypt::{Field, SealingKeys};
pub use endpoint_shown::EndpointShown;
pub use enrollment::EndpointView;
pub use escrow::EscrowHealth;
pub use escrow_file::{EscrowRead, read_escrow};
pub use exclusive::{Once, OnceKey};
pub use explain::{Asker, Wondering};
pub use export::{Export, ExportWanted, Exported, Selection};
pub use fault::{Fault, Stop};
pub use frozen::{FreezeWatch, FrozenView};
pub use grants::GrantView;
pub use health::{Health, JournalHealth, StateName, TokenHealth};
pub use in_flight::InFlight;
pub use index::{IndexKeys, IndexNeed, Indexed, Searched, ToIndex};
pub use key_life::{KeyOf, Window, Windows};
pub use key_proof::{FailedKey, KeyKind, KeysProved, ProofWanted, StoredKey, Unproved};
pub use key_shown::{KeyShown, StandsAgainst};
pub use key_summary::{KeyAges, KeySummary};
pub use key_turns::DueKey;
pub use keyring::{KeyringLimits, KeysInMemory};
pub use keys_health::KeysHealth;
pub use known_key::KnownKey;
pub use listed::Listed;
pub use lives::{Life, Place};
pub use members::MemberView;
pub use operate::{Decrypt, Encrypt, Index, Operate};
pub use operational::Operational;
pub use outside::Outside;
pub use own::ShownAgain;
pub use page::{LIST_ROWS_MAX, Page, PageWanted};
pub use pki::PkiFiles;
pub use provision::Provisioned;
pub use recorder::{FIELDS_UNRECORDED_MAX, JournalLimits, Recorder, Room, Tell, Totals};
pub use recovery::{Recovery, RecoveryUnderWay};
pub use reencrypt::{Aged, Reencrypt, Renewed, Renewing, RenewingKeys, RenewingNeed};
pub use refused::{REFUSED_ACT, RefusedAct};
pub use reset::{LinkMade, LinkUsed, SecondFactor};
pub use retention::{PruneUntil, Pruned};
pub use revoking::{Reach, Withdrawn};
pub use rewrap::Rewrapping;
pub use rollback::{Acceptance, Rollback, WentPast};
pub use roots::RootVersionView;
pub use rotating::{Rotated, Rotation};
pub use rotation::NextKey;
pub use schema::NewSchema;
pub use served::Served;
pub use server_names::ServerNames;
pub use sessions::{SessionView, Showing};
pub use settings::{Policies, Settings};
pub use sign_in::{PasswordShown, SessionBegun};
pub use signing_request::RequestedKey;
pub use spending::{Purse, Standing};
pub use state::{LockReason, State};
pub use statistics::{StatisticsFilter, StatisticsFound, StatisticsQuery, StatisticsRow};
pub use store_key::{StoreKeyHealth, Wait};
pub use target::Target;
pub use tend::Tending;
pub use trace::{Detail, Trace, TraceWanted, UseOf, Used};
pub use users::UserShown;
pub use uses_shown::UsesShown;
pub use walkers::Reader;
pub use watch::Watch;
pub use wear::{KeyName, WornKey};
pub use witness::WitnessHealth;

/// The appliance. One per process; shared by every edge.
pub struct Appliance {
    settings: Arc<Settings>,
    state: ArcSwap<State>,
    /// One init, unlock or lock at a time. The file stays open, and so ours, while the process lives.
    transition: Mutex<Transition>,
    /// Whether the boot row says `sandbox`, once there is one; that never changes. Before an unlock it is a claim.
    sandbox: OnceLock<bool>,
    /// Requests answered `locked`: nobody can be named for them, so they are only counted.
    refused_locked: AtomicU64,
}

struct Transition {
    file: StoreFile,
    backoff: PinBackoff,
}

impl Appliance {
    /// Opens the store file. The appliance is `Unprovisioned` or `Locked` then; [`Appliance::unlock`] goes on.
    ///
    /// # Errors
    /// A fault when the file cannot be opened: also when another process has it; or when an exchange of the server's
    /// certificate that a crash interrupted cannot be ended.
    pub fn open(settings: Settings) -> Result<Self, Fault> {
        let path = settings.store_path();
        let fault = |error: crate::store::StoreError| Fault::new(error.to_string());
        let file = StoreFile::open(&path, settings.cache_bytes).map_err(fault)?;
        let sandbox = OnceLock::new();
        let state = match file.boot().map_err(fault)? {
            None => State::Unprovisioned,
            Some(boot) => {
                let _ = sandbox.set(boot.sandbox);
                State::Locked(LockReason::Started)
            }
        };
        PkiFiles::below(&settings.state_directory).settle_server()?;
        Ok(Self {
            settings: Arc::new(settings),
            state: ArcSwap::from_pointee(state),
            transition: Mutex::new(Transition { file, backoff: PinBackoff::new() }),
            sandbox,
            refused_locked: AtomicU64::new(0),
        })
    }

    /// What it was told from outside.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether its store is a sandbox, or it has none yet. Before an unlock it is the boot row's claim.
    #[must_use]
    pub fn may_be_sandbox(&self) -> bool {
        self.sandbox.get().is_none_or(|sandbox| *sandbox)
    }

    /// The state at this moment.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// The unlocked appliance, for the data plane.
    ///
    /// # Errors
    /// `locked`, with when to try again; it is counted.
    pub fn operational(&self) -> Result<Arc<Operational>, Refusal> {
        match &**self.state.load() {
            State::Operational(operational) => Ok(Arc::clone(operational)),
            State::Unprovisioned | State::Locked(_) => {
                self.refused_locked.fetch_add(1, Ordering::Relaxed);
                Err(Code::Locked.into())
            }
        }
    }

    /// The unlocked appliance, for the control plane and the operator.
    ///
    /// # Errors
    /// `wrong-state`, which names the state.
    pub fn unlocked(&self) -> Result<Arc<Operational>, Refusal> {
        match &**self.state.load() {
            State::Operational(operational) => Ok(Arc::clone(operational)),
            State::Unprovisioned => Err(Refusal::new(Code::WrongState)
                .detail("The appliance is unprovisioned; make it with gembok init first.")),
            State::Locked(_) => Err(Refusal::new(Code::WrongState)
                .detail("The appliance is locked; unlock it with gembok unlock first.")),
        }
    }

    fn enter(&self, state: State) {
        tracing::info!(state = state.name().as_str(), "state");
        self.state.store(Arc::new(state));
        (self.settings.notify)();
    }
}
