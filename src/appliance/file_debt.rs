//! What is destroyed leaves its row, and lies in the store's file still: a database keeps in its free pages, and in corners of
//! others, what was written there once. So whatever takes a wrapped key out of a row notes in the same commit that the file owes
//! that, and the file is written anew behind it: once for all that there is, and for what is under way as well, because it is a pause
//! for everybody.

use std::time::{Duration, Instant};

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Compacted, Table};

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// The row of the counters: since when.
const OWED: &[u8] = b"destroyed-in-file";
/// Another: when it was written anew last, each time later than the time before.
const WRITTEN: &[u8] = b"file-written";
/// From one writing to the next at least, and so many times as long as the last one took: whoever destroys again and again makes
/// others wait for a hundredth of the time.
const REST_MIN: Duration = Duration::from_secs(60);
const REST_PER_PAUSE: u32 = 99;
/// How long it waits for what is under way and will leave something to be forgotten, too.
const PATIENCE: Duration = Duration::from_secs(600);
/// Until it is tried again where the file could not be written.
const AGAIN_AFTER: Duration = Duration::from_secs(3_600);
/// The same where it could not be looked at whether it is owed: that costs nobody a pause.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is remembered from one second to the next; nothing of it is missed after a crash.
#[derive(Default)]
pub(super) struct FileDebt {
    found: Option<Instant>,
    not_before: Option<Instant>,
}

/// Which writing of the file was the last, and whether it is to be written again.
pub(super) struct Writings {
    last: Option<Listed<Timestamp>>,
    owed: bool,
}

impl Writings {
    /// Whether what was destroyed when the file had been `written` last lies in it still. What others destroyed since, and owe,
    /// says nothing of that.
    pub(super) fn leave(&self, written: Option<Timestamp>) -> bool {
        match (written, &self.last) {
            (Some(before), Some(Listed::Sound(last))) => before == *last,
            (Some(before), None) => before == Timestamp::default() && self.owed,
            // Destroyed before anybody wrote that down, or while the note was damaged: there is a new note since.
            (None, Some(Listed::Sound(_))) => false,
            (_, Some(Listed::Damaged(_))) | (None, None) => self.owed,
        }
    }
}

impl Operational {
    /// Notes within a change, which takes a wrapped key away, that the file has it still.
    pub(super) fn owe_file(&self, batch: Batch, now: Now) -> Result<Batch, Stop> {
        Ok(match self.file_owes()? {
            Some(Listed::Sound(_)) => batch,
            _ => batch.put(Table::Counters, OWED, cbor::encode(&now.time)),
        })
    }

    /// Since when something destroyed lies in the file, if it does.
    pub(super) fn file_owes(&self) -> Result<Option<Listed<Timestamp>>, Stop> {
        self.look_up(Table::Counters, OWED)
    }

    /// When the file was written anew last, for what is destroyed in this change; the moment 0 where it never was. Not told where
    /// the note of it is damaged.
    pub(super) fn file_written(&self) -> Result<Option<Timestamp>, Stop> {
        Ok(self.look_up(Table::Counters, WRITTEN)?.map_or(Some(Timestamp::default()), Listed::sound))
    }

    /// What is known of writings of the file.
    pub(super) fn file_writings(&self) -> Result<Writings, Stop> {
        Ok(Writings { last: self.look_up(Table::Counters, WRITTEN)?, owed: self.file_owes()?.is_some() })
    }

    /// Writes the file anew where it owes that, by a clock that is trusted. `is_sweeping` says that keys are being looked through that
    /// may be due to be destroyed.
    pub(super) fn tend_file(&self, debt: &mut FileDebt, is_sweeping: bool, now: Now) {
        if debt.not_before.is_some_and(|at| now.instant < at) || !self.clock_is_trusted() {
            return;
        }
        match self.is_file_due(debt, is_sweeping, now) {
            Ok(true) => {}
            Ok(false) => return,
            Err(stop) => {
                tracing::error!(%stop, "it cannot be looked at whether the store's file has a destroyed key still");
                debt.not_before = Some(now.instant + LOOK_AGAIN_AFTER);
                return;
            }
        }
        let began = Instant::now();
        match self.pay_file(now) {
            Ok(()) => {
                let took = began.elapsed();
                let rest = took.saturating_mul(REST_PER_PAUSE).max(REST_MIN);
                *debt = FileDebt { found: None, not_before: Some(now.instant + took + rest) };
            }
            Err(stop) => {
                tracing::error!(
                    %stop,
                    "the store's file could not be written anew, so a destroyed key lies in it still; see that the \
                     disk has as much room again as the file takes"
                );
                debt.not_before = Some(now.instant + AGAIN_AFTER);
            }
        }
    }

    /// Whether it is owed, and nothing is waited for any more that will be owed, too.
    fn is_file_due(&self, debt: &mut FileDebt, is_sweeping: bool, now: Now) -> Result<bool, Stop> {
        if self.file_owes()?.is_none() {
            debt.found = None;
            return Ok(false);
        }
        let found = *debt.found.get_or_insert(now.instant);
        let is_patient = now.instant.saturating_duration_since(found) < PATIENCE;
        Ok(!(is_patient && (is_sweeping || self.is_rewrapping()? || self.is_resealing()?)))
    }

    fn pay_file(&self, now: Now) -> Result<(), Stop> {
        // Nothing is destroyed while it is written: the note that goes then is of what is not in it any more.
        let _changes = self.changing.lock();
        let since = self.file_owes()?;
        let pause = self.recorder().begin_compaction();
        tracing::info!(
            "the store's file is written anew without a destroyed key; requests that need it wait"
        );
        let rewritten = self.store.rewrite();
        drop(pause);
        let Compacted { before_bytes, after_bytes } = rewritten?;
        tracing::info!(before_bytes, after_bytes, "the store's file was written anew");
        let audit = AuditRecord::new(now.time, Actor::System, "store.rewrite")
            .with("before-bytes", before_bytes)
            .with("after-bytes", after_bytes);
        let audit = match since {
            Some(Listed::Sound(since)) => audit.with("since", since),
            _ => audit,
        };
        self.change(now, |batch| {
            let before = self.file_written()?.unwrap_or_default();
            // A clock that was set back makes no two of them one.
            let written = now.time.max(before.plus(Duration::from_micros(1)));
            let batch = batch.put(Table::Counters, WRITTEN, cbor::encode(&written));
            Ok((batch.delete(Table::Counters, OWED), audit, ()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RowName;

    #[test]
    fn what_was_destroyed_before_the_last_writing_is_out_whatever_others_owe() {
        let at = Timestamp::from_seconds;
        let never = Timestamp::default();
        for owed in [false, true] {
            let of = |last| Writings { last, owed };
            let damaged = || Some(Listed::Damaged(RowName::new(Table::Counters, WRITTEN)));
            assert_eq!(of(None).leave(Some(never)), owed);
            assert_eq!(of(None).leave(None), owed, "a store of before");
            assert!(!of(Some(Listed::Sound(at(5)))).leave(Some(never)));
            assert!(!of(Some(Listed::Sound(at(5)))).leave(Some(at(4))));
            assert!(!of(Some(Listed::Sound(at(5)))).leave(None));
            assert!(of(Some(Listed::Sound(at(5)))).leave(Some(at(5))), "it is behind it");
            assert_eq!(of(damaged()).leave(Some(at(5))), owed);
        }
    }
}
