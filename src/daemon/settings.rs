//! From the configuration's words to the appliance's settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::appliance::{Access, JournalLimits, KeyringLimits, Outside, Policies, Settings};
use crate::config::{Config, PinSource, TokenName};
use crate::domain::budget::DefaultBudgets;
use crate::domain::key_due::RotationPolicy;
use crate::domain::limits::{RateLimits, RequestLimits};
use crate::domain::roll_up::StatisticsRetention;
use crate::domain::timestamp::Now;
use crate::hsm::{TokenChoice, TokenConfig};

use super::memory::MemoryProtection;

const MIB: usize = 1 << 20;

/// What the appliance is told.
///
/// # Errors
/// A sentence, when the configuration names no PIN.
pub(super) fn settings(
    config: &Config,
    memory: MemoryProtection,
    credentials: Option<&Path>,
    clock: fn() -> Now,
    notify: Box<dyn Fn() + Send + Sync>,
) -> Result<Settings, String> {
    let Config { state, tls, token, store, keyring, degraded, journal, statistics, .. } = config;
    Ok(Settings {
        state_directory: state.directory.clone(),
        cache_bytes: large(store.cache_mib).saturating_mul(MIB),
        escrow_path: store.escrow_path.clone(),
        token: TokenConfig {
            module: token.module.clone(),
            choice: match &token.name {
                TokenName::Label(label) => TokenChoice::Label(label.clone()),
                TokenName::Serial(serial) => TokenChoice::Serial(serial.clone()),
            },
            worker_sessions: token.worker_sessions.into(),
            deadline: token.deadline,
        },
        pin_file: pin_file(token.pin.as_ref(), credentials)?,
        server_names: tls.server_names.iter().map(|name| name.to_str().into_owned()).collect(),
        outside: Outside {
            ca: config.pki.outside_ca.clone(),
            crl: config.pki.outside_crl.clone(),
            server_certificate: config.pki.server_certificate.clone(),
        },
        keyring: KeyringLimits { entries_max: large(keyring.entries_max), ttl: keyring.ttl },
        degraded_max: degraded.duration_max,
        journal: JournalLimits {
            flush_after: journal.flush,
            buffer_records_max: large(journal.buffer_records_max),
            strict: journal.strict,
        },
        disk_reserve_bytes: u64::from(journal.disk_reserve_mib) << 20,
        checkpoint_every: journal.checkpoint_every,
        retention: journal.retention,
        statistics: StatisticsRetention {
            minute_days: statistics.minute_days,
            hour_days: statistics.hour_days,
            day_days: statistics.day_days,
            month_years: statistics.month_years,
        },
        sessions: config.sessions.limits(),
        policies: ArcSwap::from_pointee(policies_of(config)),
        access: ArcSwap::from_pointee(access_of(config)),
        policy_files: ArcSwap::from_pointee(config.policies.files),
        memory_protection: if memory.is_locked { "locked" } else { "not locked" }.into(),
        clock,
        notify,
    })
}

/// What a reload may change.
pub(super) fn policies_of(config: &Config) -> Policies {
    let limits = &config.policies.limits;
    Policies {
        request_limits: RequestLimits {
            body_bytes_max: limits.request.body_bytes_max,
            published_body_bytes_max: limits.request.published_body_bytes_max,
            field_bytes_max: limits.request.field_bytes_max,
            items_max: large(limits.request.items_max),
        },
        rate_limits: RateLimits {
            requests_per_s: limits.key.requests_per_s,
            requests_burst: limits.key.requests_burst,
            fields_per_s: limits.key.fields_per_s,
            fields_burst: limits.key.fields_burst,
        },
        budgets: DefaultBudgets {
            api_key_fields_per_day: limits.budget.api_key_fields_per_day.into(),
            endpoint_fields_per_day: limits.budget.endpoint_fields_per_day.into(),
            api_key_indexed_per_day: limits.index_budget.api_key_fields_per_day.into(),
            endpoint_indexed_per_day: limits.index_budget.endpoint_fields_per_day.into(),
            api_key_missed_per_day: limits.reencrypt_budget.api_key_fields_per_day.into(),
            endpoint_missed_per_day: limits.reencrypt_budget.endpoint_fields_per_day.into(),
        },
        in_flight_per_certificate_max: large(config.tls.requests_in_flight_per_certificate_max),
        default_algorithm: config.policies.crypto.default_algorithm,
        rotation: RotationPolicy {
            automatic: config.policies.crypto.automatic_rotation,
            after_days: config.policies.crypto.rotate_after_days,
        },
    }
}

/// Who may do what; a reload may change it.
pub(super) fn access_of(config: &Config) -> Access {
    Access { rules: Arc::clone(&config.policies.access), utc_offset: config.access.utc_offset }
}

fn pin_file(pin: Option<&PinSource>, credentials: Option<&Path>) -> Result<PathBuf, String> {
    match (pin, credentials) {
        (Some(PinSource::File(path)), _) => Ok(path.clone()),
        (Some(PinSource::Credential(name)), Some(directory)) => Ok(directory.join(name)),
        (Some(PinSource::Credential(name)), None) => Err(format!(
            "token.pin_credential is {name}, but there is no $CREDENTIALS_DIRECTORY; start gembok as a unit with \
             LoadCredentialEncrypted={name}, or name a pin_file"
        )),
        (None, _) => {
            Err("[token] names neither pin_file nor pin_credential, so it could never be unlocked; add one"
                .into())
        }
    }
}

fn large(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
