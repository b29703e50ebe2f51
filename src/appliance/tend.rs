//! What has to be looked after while nobody asks for anything: keys whose time is over, the daily CRL, a token that went
//! away. Called every second by housekeeping; blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::expiry::{Ending, Expiry, Told};
use crate::domain::timestamp::{Now, Timestamp};
use crate::hsm::{Class, TokenError};

use super::fault::{Fault, Stop};
use super::file_debt::FileDebt;
use super::key_sweep::KeySweep;
use super::operational::Operational;
use super::pki::CRL_VALID_FOR;
use super::unlock::{said, unwrap_store_key};
use super::{Appliance, LockReason};

/// How often the CRL is signed anew; it is valid seven times as long.
const CRL_EVERY: Duration = Duration::from_secs(86_400);
/// How often the ends of certificates are looked at.
const EXPIRIES_EVERY: Duration = Duration::from_secs(3_600);
/// How often records and statistics whose time is over are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(86_400);
/// Waits between tries to heal: the first, doubling to the last.
const HEAL_WAIT_FIRST: Duration = Duration::from_secs(1);
const HEAL_WAIT_LAST: Duration = Duration::from_secs(30);

/// So many probes in a row without a good answer, and the token counts as away.
const PROBES_UNANSWERED_MAX: u32 = 3;

/// What tending remembers from one second to the next.
#[derive(Default)]
pub struct Tending {
    unanswered: u32,
    heal_at: Option<(Instant, Duration)>,
    crl_signed: Option<Timestamp>,
    pruned: Option<Instant>,
    statistics_pruned: Option<Instant>,
    keys: KeySweep,
    file: FileDebt,
    expiries: ExpiryWatch,
}

/// What was said of the ends of certificates. It outlives a lock: nothing is said twice.
#[derive(Default)]
struct ExpiryWatch {
    looked: Option<(Timestamp, Instant)>,
    /// Whose certificates there are is known only then.
    was_unlocked: bool,
    told: Told,
}

/// A token that is away: since when, and what was last seen of it.
pub(super) struct Absence {
    pub(super) since: Instant,
    pub(super) trouble: String,
}

impl Appliance {
    /// Looks after everything once.
    pub fn tend(&self, tending: &mut Tending, now: Now) {
        const { assert!(CRL_EVERY.as_secs() * 2 < CRL_VALID_FOR.as_secs()) };
        if let Ok(operational) = self.unlocked() {
            // First: what comes after must not go by a clock that was set in this second.
            operational.watch_clock(now);
            // A list that has ended because nobody was there to sign it is nothing to tell of.
            Self::tend_crl(&operational, tending, now);
        }
        self.tend_expiries(&mut tending.expiries, now);
        let Ok(operational) = self.unlocked() else {
            *tending = Tending { expiries: std::mem::take(&mut tending.expiries), ..Tending::default() };
            return;
        };
        operational.keyring.forget_expired(now.instant);
        // With what each remembers of objects, and their wrapped keys.
        operational.enrolled.forget_but(operational.catalog_revision());
        operational.record_repeats(now.instant);
        operational.tend_policies(now);
        // Where the clock is not trusted in a moment, budgets stand still from here.
        operational.budget_time(now);
        operational.tend_witness(now);
        operational.tend_worn(now);
        Self::tend_journal(&operational, tending, now);
        Self::tend_statistics(&operational, tending, now);
        operational.tend_rewraps(now);
        operational.turn_worn(now);
        operational.tend_destructions_wait(now);
        operational.sweep_keys(&mut tending.keys, now);
        operational.tend_escrow(now);
        operational.tend_store_key(now);
        operational.tend_file(&mut tending.file, tending.keys.is_under_way(), now);
        self.tend_token(operational, tending, now);
    }

    /// Renews the server's certificate when that is due, and says in the log what is about to end, once at each of its marks.
    fn tend_expiries(&self, watch: &mut ExpiryWatch, now: Now) {
        let operational = self.unlocked().ok();
        // By either clock, so that one that is set shows at once.
        let is_fresh = watch.looked.is_some_and(|(time, instant)| {
            now.time >= time
                && now.time.since(time) < EXPIRIES_EVERY
                && now.instant.saturating_duration_since(instant) < EXPIRIES_EVERY
        });
        if is_fresh && watch.was_unlocked == operational.is_some() {
            return;
        }
        (watch.looked, watch.was_unlocked) = (Some((now.time, now.instant)), operational.is_some());
        if let Some(operational) = &operational
            && operational.clock_is_trusted()
            && !operational.token.is_away()
        {
            operational.finish_overdue_roll(now);
            operational.renew_server_certificate(now);
        }
        let mut expiries = self.expiries();
        // A locked appliance signs none, and the unlock does first of all.
        expiries.retain(|expiry| watch.was_unlocked || expiry.of != Ending::Crl);
        expiries.extend(operational.iter().flat_map(|operational| operational.destructions_ahead()));
        for (expiry, mark_days) in watch.told.news(&expiries, now.time) {
            expiry.say(mark_days, now.time);
        }
    }

    fn tend_token(&self, operational: Arc<Operational>, tending: &mut Tending, now: Now) {
        let Some(trouble) = operational.token_trouble(tending) else { return };
        let since = {
            let mut absence = operational.absence.lock();
            let known = absence.get_or_insert_with(|| {
                tracing::error!(
                    trouble,
                    serve_s = operational.settings.degraded_max.as_secs(),
                    "the token is away: keys in memory serve, cold keys are refused"
                );
                Absence { since: now.instant, trouble }
            });
            known.since
        };
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
                *operational.absence.lock() = None;
                // What was revoked during the absence could not be signed: it is due now.
                let expiries = std::mem::take(&mut tending.expiries);
                *tending = Tending { crl_signed: Some(Timestamp::default()), expiries, ..Tending::default() };
                Self::tend_crl(&operational, tending, now);
                (self.settings.notify)();
            }
            Err(stop) => {
                tracing::warn!(%stop, retry_s = wait.as_secs(), "the token could not be healed yet");
                *operational.absence.lock() = Some(Absence { since, trouble: stop.to_string() });
                tending.heal_at = Some((now.instant + wait, (wait * 2).min(HEAL_WAIT_LAST)));
            }
        }
    }

    fn tend_journal(operational: &Operational, tending: &mut Tending, now: Now) {
        let Some(kept) = operational.settings.retention else { return };
        // Nothing is old by a clock that cannot be right.
        if !operational.clock_is_trusted() {
            return;
        }
        if tending.pruned.is_some_and(|at| now.instant.saturating_duration_since(at) < PRUNE_EVERY) {
            return;
        }
        // A large prune goes on at the next second: nothing else here may wait for it.
        let has_more = operational.tend_retention(kept, now);
        tending.pruned = (!has_more).then_some(now.instant);
    }

    fn tend_statistics(operational: &Operational, tending: &mut Tending, now: Now) {
        // Nothing is old by a clock that cannot be right.
        if !operational.clock_is_trusted() {
            return;
        }
        if tending.statistics_pruned.is_some_and(|at| now.instant.saturating_duration_since(at) < PRUNE_EVERY)
        {
            return;
        }
        // What is left goes at the next second: nothing else here may wait for it.
        let has_more = operational.tend_statistics(now);
        tending.statistics_pruned = (!has_more).then_some(now.instant);
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

impl Expiry {
    fn say(&self, mark_days: u64, now: Timestamp) {
        let Self { of, not_after, .. } = self;
        let what = self.what();
        let name = self.name.as_deref().unwrap_or_default();
        let (days_left, hint) = (self.left_s(now).div_euclid(86_400), self.hint());
        match mark_days {
            0 => tracing::error!(%of, name, %not_after, hint, "{what}: it has ended"),
            1 => {
                tracing::error!(%of, name, %not_after, days_left, mark_days, hint, "{what}: it ends within a day");
            }
            _ => tracing::warn!(%of, name, %not_after, days_left, mark_days, hint, "{what}: it ends soon"),
        }
    }
}

impl Operational {
    /// Why the token counts as away, if it does. A probe is what finds out that a token nobody needed has gone, or hangs.
    fn token_trouble(&self, tending: &mut Tending) -> Option<String> {
        if let Some(code) = self.token.trouble() {
            return Some(TokenError::Away((*code).clone()).to_string());
        }
        let error = match self.token.probe() {
            Ok(()) => {
                tending.unanswered = 0;
                return None;
            }
            Err(error) => error,
        };
        tending.unanswered += 1;
        if error.class() == Class::Token || tending.unanswered >= PROBES_UNANSWERED_MAX {
            self.token.lose(&error.to_string());
            return Some(error.to_string());
        }
        None
    }

    /// Starts the token over and proves that it still holds our master key before anybody may use it: the stored store key
    /// must unwrap to the one in memory.
    fn heal(&self) -> Result<(), Stop> {
        let healing = self.token.heal().map_err(said)?;
        let boot = self.store.boot()?;
        let current = boot.current_store_key;
        let entry = boot.store_keys.iter().find(|entry| entry.generation == current);
        let entry = entry.ok_or_else(|| Fault::new("the boot row lacks the store key it calls current"))?;
        let master_keys =
            self.master_keys.iter().map(|key| healing.master_key(key.generation()).map_err(said));
        let master_keys: Vec<_> = master_keys.collect::<Result<_, _>>()?;
        let unwrapped = unwrap_store_key(&master_keys, current, &entry.wrapped)?;
        if !self.store_keys.is(current, &unwrapped) {
            return Err(
                Fault::new("the token came back with another master key; put the right one in").into()
            );
        }
        healing.trust();
        // What was taken away during the absence is not witnessed yet.
        self.witness_withdrawal(self.now());
        Ok(())
    }
}
