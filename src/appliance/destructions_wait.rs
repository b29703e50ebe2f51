//! An hour in which no key is destroyed, after an unlock that found the clock ahead of the journal. Nobody can tell a clock that
//! was set forward while we were away from a machine that was off. What falls due by it is gone for ever, so it waits: somebody
//! may set the clock right, and a clock that goes back by itself then is not trusted. The wait is a row from the first commit of
//! that unlock on: only an hour unlocked in one piece ends it, or an operator's word that the clock is right.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Store, StoreError, Table};

use super::fault::Stop;
use super::operational::Operational;
use super::witness::time_of;

/// How far the clock may be ahead of the journal's end at an unlock before destructions wait, and how long they do.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);
const WAITS: Duration = Duration::from_secs(3_600);
/// When the end of a wait could not be written down, it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// The row that is there while they wait: since when.
const ROW: &[u8] = b"destructions-wait";

/// The wait of this unlocked time, if there is one: until when by the stop-watch.
pub(super) struct DestructionsWait(Mutex<Option<Instant>>);

/// How far the clock is ahead of the last time that is not in doubt, where that is too far and no wait is written down yet. The
/// newest checkpoint says what that time is where the journal is later: no checkpoint is signed before the clock was looked at,
/// and a block may be written in the second between a jump and that look.
pub(super) fn ahead(store: &Store, known: Timestamp, now: Now) -> Result<Option<Duration>, Stop> {
    if is_written(store)? {
        return Ok(None);
    }
    let witnessed = store.newest_checkpoint()?.and_then(|stored| time_of(&stored));
    let ahead = now.time.since(witnessed.map_or(known, |witnessed| witnessed.min(known)));
    Ok((ahead > AHEAD_MAX).then_some(ahead))
}

/// Adds the wait to the first commit of an unlock and to its record.
pub(super) fn note(batch: Batch, audit: AuditRecord, ahead: Duration, now: Now) -> (Batch, AuditRecord) {
    let (ahead_s, waits_s) = (ahead.as_secs(), WAITS.as_secs());
    tracing::warn!(
        ahead_s,
        waits_s,
        "the clock is ahead of the end of the journal: keys whose destruction is due are not destroyed before the wait is over; \
         see that the clock is right, or cancel the destruction"
    );
    let audit = audit.with("clock-ahead-s", ahead_s).with("destructions-wait-s", waits_s);
    (batch.put(Table::Counters, ROW, cbor::encode(&now.time)), audit)
}

/// Takes the wait out of the store.
pub(super) fn end(batch: Batch) -> Batch {
    batch.delete(Table::Counters, ROW)
}

/// A row that does not open was one.
fn is_written(store: &Store) -> Result<bool, Stop> {
    match store.get(Table::Counters, ROW) {
        Ok(row) => Ok(row.is_some()),
        Err(StoreError::Damaged { .. }) => Ok(true),
        Err(other) => Err(other.into()),
    }
}

impl DestructionsWait {
    /// Begins the hour anew where a wait is written down.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn start(store: &Store, now: Now) -> Result<Self, Stop> {
        Ok(Self(Mutex::new(is_written(store)?.then(|| now.instant + WAITS))))
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.0.lock().is_some()
    }

    pub(super) fn forget(&self) {
        *self.0.lock() = None;
    }

    fn is_over(&self, now: Now) -> bool {
        self.0.lock().is_some_and(|until| now.instant >= until)
    }
}

impl Operational {
    /// Whether keys are destroyed now whose time is over.
    pub(super) fn may_destroy(&self) -> bool {
        self.clock_is_trusted() && !self.destructions_wait.is_under_way()
    }

    /// Ends the wait when its hour is over.
    pub(super) fn tend_destructions_wait(&self, now: Now) {
        if !self.destructions_wait.is_over(now) || !self.clock_is_trusted() {
            return;
        }
        let ended = self.change(now, |batch| {
            let audit = AuditRecord::new(now.time, Actor::System, "clock.waited");
            Ok((end(batch), audit, ()))
        });
        match ended {
            Ok(()) => {
                self.destructions_wait.forget();
                self.keys_due.soon.store(true, Ordering::Release);
                tracing::info!("keys whose destruction is due are destroyed from now on");
            }
            Err(stop) => {
                tracing::error!(%stop, "that destructions go on could not be written down; it is tried again");
                *self.destructions_wait.0.lock() = Some(now.instant + RETRY_AFTER);
            }
        }
    }
}
