//! What the appliance is told from outside: once, and what a reload may change.

use std::path::PathBuf;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::crypto::algorithm::Algorithm;
use crate::domain::budget::DefaultBudgets;
use crate::domain::key_due::RotationPolicy;
use crate::domain::limits::{RateLimits, RequestLimits};
use crate::domain::roll_up::StatisticsRetention;
use crate::domain::session::SessionLimits;
use crate::domain::timestamp::Now;
use crate::hsm::TokenConfig;

use super::access::Access;
use super::keyring::KeyringLimits;
use super::outside::Outside;
use super::recorder::JournalLimits;

/// Everything the appliance is told from outside.
pub struct Settings {
    /// Where the store file ([`Settings::store_path`]) and `pki/` lie.
    pub state_directory: PathBuf,
    /// Bytes of the store kept in memory.
    pub cache_bytes: usize,
    /// Where every wrapped key is kept a second time, if it is.
    pub escrow_path: Option<PathBuf>,
    /// Which token, through which module.
    pub token: TokenConfig,
    /// The file that holds the token's PIN; made at init.
    pub pin_file: PathBuf,
    /// Names and addresses in the server's certificate, until an operator says others.
    pub server_names: Vec<String>,
    /// What comes from a CA outside.
    pub outside: Outside,
    /// Keys in memory.
    pub keyring: KeyringLimits,
    /// How long cached keys may serve without a token.
    pub degraded_max: Duration,
    /// How records are gathered.
    pub journal: JournalLimits,
    /// Bytes of the disk that requests on data leave alone.
    pub disk_reserve_bytes: u64,
    /// How often a checkpoint is made at least, while the chain grows.
    pub checkpoint_every: Duration,
    /// How long records are kept before they are pruned, once exported; never pruned without.
    pub retention: Option<Duration>,
    /// How long statistics are kept.
    pub statistics: StatisticsRetention,
    /// How long sessions live, and how many there may be.
    pub sessions: SessionLimits,
    /// What may change while it runs.
    pub policies: ArcSwap<Policies>,
    /// Who may do what; [`Appliance::govern`] changes it.
    pub access: ArcSwap<Access>,
    /// What memory protection the process got, for health.
    pub memory_protection: String,
    /// Both clocks.
    pub clock: fn() -> Now,
    /// Called when certificates or the CRL have changed on disk, or the state has: the listeners follow.
    pub notify: Box<dyn Fn() + Send + Sync>,
}

impl Settings {
    /// The store's file.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.state_directory.join("gembok.redb")
    }
}

/// What a reload of the configuration puts in force at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// What a request may hold.
    pub request_limits: RequestLimits,
    /// What an API key may do unless it says otherwise.
    pub rate_limits: RateLimits,
    /// How many fields an API key and an endpoint may decrypt, and index, in 24 hours unless they say otherwise.
    pub budgets: DefaultBudgets,
    /// Requests one certificate may have under way.
    pub in_flight_per_certificate_max: usize,
    /// What a key version is made with unless its maker says otherwise.
    pub default_algorithm: Algorithm,
    /// When the next key version takes over by itself.
    pub rotation: RotationPolicy,
}
