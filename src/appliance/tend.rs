//! What has to be looked after while nobody asks for anything: keys whose time is over, the daily CRL, a token that went
//! away. Called every second by housekeeping; blocks.

use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;
use crate::hsm::TokenError;

use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::pki::CRL_VALID_FOR;
use super::unlock::unwrap_store_key;
use super::{Appliance, LockReason};

/// How often the CRL is signed anew; it is valid seven times as long.
const CRL_EVERY: Duration = Duration::from_secs(86_400);
/// Waits between tries to heal: the first, doubling to the last.
const HEAL_WAIT_FIRST: Duration = Duration::from_secs(1);
const HEAL_WAIT_LAST: Duration = Duration::from_secs(30);

/// Probes in a row that a token may leave unanswered before it counts as away.
const PROBES_UNANSWERED_MAX: u32 = 3;

/// What tending remembers from one second to the next.
#[derive(Default)]
pub struct Tending {
    unanswered: u32,
    heal_at: Option<(std::time::Instant, Duration)>,
    crl_signed: Option<crate::domain::timestamp::Timestamp>,
}

impl Appliance {
    /// Looks after everything once.
    pub fn tend(&self, tending: &mut Tending, now: Now) {
        const { assert!(CRL_EVERY.as_secs() * 2 < CRL_VALID_FOR.as_secs()) };
        let Ok(operational) = self.unlocked() else {
            *tending = Tending::default();
            return;
        };
        operational.keyring.forget_expired(now.instant);
        Self::tend_crl(&operational, tending, now);
        self.tend_token(operational, tending, now);
    }

    fn tend_token(&self, operational: Arc<Operational>, tending: &mut Tending, now: Now) {
        if !operational.token.is_away() {
            // A probe is what finds out that a token nobody needed has gone, or hangs.
            let patience = tending.unanswered < PROBES_UNANSWERED_MAX;
            match operational.token.probe() {
                Err(TokenError::Deadline | TokenError::Busy) if patience => {
                    tending.unanswered += 1;
                    return;
                }
                Err(TokenError::Away(_) | TokenError::Deadline | TokenError::Busy) => {}
                _ => {
                    tending.unanswered = 0;
                    return;
                }
            }
        }
        let since = *operational.degraded.lock().get_or_insert_with(|| {
            tracing::error!(
                serve_s = operational.settings.degraded_max.as_secs(),
                "the token is away: keys in memory serve, cold keys are refused"
            );
            now.instant
        });
        if now.instant.duration_since(since) >= operational.settings.degraded_max {
            let _one_at_a_time = self.transition.lock();
            // An operator may have locked, and even unlocked again, while we waited for our turn.
            if self.unlocked().is_ok_and(|current| Arc::ptr_eq(&current, &operational)) {
                self.leave(operational, LockReason::DegradedTooLong);
            }
            return;
        }
        let (at, wait) = *tending.heal_at.get_or_insert((now.instant, HEAL_WAIT_FIRST));
        if now.instant < at {
            return;
        }
        match operational.heal() {
            Ok(()) => {
                tracing::info!(away_s = now.instant.duration_since(since).as_secs(), "the token is back");
                *operational.degraded.lock() = None;
                *tending = Tending::default();
                (self.settings.notify)();
            }
            Err(stop) => {
                tracing::warn!(%stop, retry_s = wait.as_secs(), "the token could not be healed yet");
                tending.heal_at = Some((now.instant + wait, (wait * 2).min(HEAL_WAIT_LAST)));
            }
        }
    }

    fn tend_crl(operational: &Operational, tending: &mut Tending, now: Now) {
        let signed = *tending.crl_signed.get_or_insert(now.time);
        if now.time.since(signed) < CRL_EVERY || operational.token.is_away() {
            return;
        }
        match operational.refresh_crl(now) {
            Ok(()) => tending.crl_signed = Some(now.time),
            Err(stop) => tracing::error!(%stop, "the CRL could not be signed"),
        }
    }
}

impl Operational {
    /// Starts the token over and proves that it still holds our master key: the stored store key must unwrap to the one in
    /// memory. Then signs the list that revocations during the absence could not have signed.
    fn heal(&self) -> Result<(), Stop> {
        self.token.heal().map_err(super::unlock::said)?;
        let current = self.boot.current_store_key;
        let entry = self.boot.store_keys.iter().find(|entry| entry.generation == current);
        let entry = entry.ok_or_else(|| Fault::new("the boot row lacks the store key it calls current"))?;
        let unwrapped = unwrap_store_key(&self.master_keys, current, &entry.wrapped)?;
        if !bool::from(unwrapped.expose().ct_eq(self.store_key.expose())) {
            return Err(
                Fault::new("the token came back with another master key; put the right one in").into()
            );
        }
        match self.refresh_crl(self.now()) {
            Err(Stop::Refused(refusal)) if refusal.code == Code::TokenAway => {
                Err(Fault::new("the token went away again").into())
            }
            other => other,
        }
    }
}
