//! Whether the wall's clock can be believed. One that is behind the journal, or that ran away from the stop-watch by more
//! than an hour, is not, until an operator says that it is right: the control plane only reads then, budgets do not refill,
//! nothing is destroyed, and the data plane serves. That it is not is written down before anything else is that could hide
//! it, so neither a lock nor a restart makes it trusted again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use minicbor::{Decode, Encode};
use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Store, StoreError, Table};

use super::clock_verdict::{ClockVerdict, Distrust};
use super::destructions_wait;
use super::fault::Stop;
use super::operational::Operational;

/// How far both clocks may part. Corrections by a time service stay far below it.
const JUMP_MAX: Duration = Duration::from_secs(3_600);
/// How far the wall's clock may be behind the last block.
const BEHIND_MAX: Duration = Duration::from_secs(60);
/// The row of the last acknowledgement, in the table of counters.
const ACKNOWLEDGED: &[u8] = b"clock-acknowledged";
/// The row that is there from when the clock is not trusted any more until it is acknowledged.
const DISTRUSTED: &[u8] = b"clock-distrusted";

/// An operator's word that the clock is right though the journal's time is ahead of it.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(map)]
struct Acknowledged {
    /// What the clock showed.
    #[n(0)]
    time: Timestamp,
    /// The journal's time, which is known to be too late up to here.
    #[n(1)]
    journal: Timestamp,
}

/// Watches both clocks.
pub(super) struct ClockWatch(Mutex<Watch>);

struct Watch {
    verdict: ClockVerdict,
    /// The store knows that, too.
    is_written: bool,
    /// That it could not be written was told.
    is_told: bool,
    /// A reading that was believed.
    believed: Now,
    acknowledged: Option<Acknowledged>,
}

impl Watch {
    /// As the store has it. What does not open was written down once: that it is trusted nobody knows.
    fn load(store: &Store, now: Now) -> Result<Self, Stop> {
        let acknowledged = match store.get(Table::Counters, ACKNOWLEDGED) {
            Ok(row) => row.map(|row| cbor::decode(&row.value)).transpose()?,
            Err(StoreError::Damaged { .. }) => None,
            Err(other) => return Err(other.into()),
        };
        let verdict = match store.get(Table::Counters, DISTRUSTED) {
            Ok(None) => ClockVerdict::Trusted,
            Ok(Some(row)) => cbor::decode::<Distrust>(&row.value)?.into(),
            Err(StoreError::Damaged { .. }) => {
                let known = Timestamp::from_micros(store.head().time_us);
                ClockVerdict::Lost { shows: now.time, known }
            }
            Err(other) => return Err(other.into()),
        };
        let is_written = verdict != ClockVerdict::Trusted;
        Ok(Self { verdict, is_written, is_told: false, believed: now, acknowledged })
    }

    /// The last time that is not in doubt: the journal's, unless an operator said that it was ahead.
    fn known(&self, journal: Timestamp) -> Timestamp {
        match self.acknowledged {
            Some(acknowledged) if journal <= acknowledged.journal => acknowledged.time,
            _ => journal,
        }
    }

    fn judge(&self, journal: Timestamp, now: Now) -> ClockVerdict {
        // Nothing but an acknowledgement restores trust: a clock that jumped there and back has shown wrong times in between.
        if self.verdict != ClockVerdict::Trusted {
            return self.verdict;
        }
        let (known, shows) = (self.known(journal), now.time);
        if known.since(shows) > BEHIND_MAX {
            return ClockVerdict::Behind { shows, known };
        }
        let expected = self.believed.time.plus(now.instant.duration_since(self.believed.instant));
        if expected.since(shows).max(shows.since(expected)) > JUMP_MAX {
            return ClockVerdict::Jumped { shows, expected };
        }
        ClockVerdict::Trusted
    }
}

/// What an unlock finds of the clock. Judged before anything is written by that clock, and noted in the first commit: what is
/// written after it begins at the clock's time, and shows no gap any more.
pub(super) struct ClockFound {
    verdict: ClockVerdict,
    is_written: bool,
    ahead: Option<Duration>,
}

impl ClockFound {
    /// Looks at the clock and at what the store knows of it.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn of(store: &Store, now: Now) -> Result<Self, Stop> {
        let watch = Watch::load(store, now)?;
        let journal = Timestamp::from_micros(store.head().time_us);
        let ahead = destructions_wait::ahead(store, watch.known(journal), now)?;
        Ok(Self { verdict: watch.judge(journal, now), is_written: watch.is_written, ahead })
    }

    /// Adds to the first commit of an unlock, and to its record, what is to be remembered.
    pub(super) fn note(self, batch: Batch, audit: AuditRecord, now: Now) -> (Batch, AuditRecord) {
        let (mut batch, mut audit) = (batch, audit);
        if let Some(distrust) = self.verdict.distrust() {
            audit = audit.with("clock", self.verdict);
            if !self.is_written {
                batch = batch.put(Table::Counters, DISTRUSTED, cbor::encode(&distrust));
            }
        }
        match self.ahead {
            Some(ahead) => destructions_wait::note(batch, audit, ahead, now),
            None => (batch, audit),
        }
    }
}

impl ClockWatch {
    /// Begins to watch, with what is written down and a first judgement by the last block's time.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn start(store: &Store, now: Now) -> Result<Self, Stop> {
        let watch = Watch::load(store, now)?;
        if watch.is_written {
            tracing::error!(verdict = %watch.verdict, "the clock is not trusted since before the unlock: changes are refused");
        }
        let watch = Self(Mutex::new(watch));
        watch.look(store, now);
        Ok(watch)
    }

    /// Looks at both clocks.
    fn look(&self, store: &Store, now: Now) {
        let mut watch = self.0.lock();
        let verdict = watch.judge(Timestamp::from_micros(store.head().time_us), now);
        if verdict != watch.verdict {
            tracing::error!(%verdict, "the clock is not trusted: changes are refused");
            watch.verdict = verdict;
        }
    }

    pub(super) fn verdict(&self) -> ClockVerdict {
        self.0.lock().verdict
    }

    /// What the store does not know yet.
    fn unwritten(&self) -> Option<ClockVerdict> {
        let watch = self.0.lock();
        (watch.verdict != ClockVerdict::Trusted && !watch.is_written).then_some(watch.verdict)
    }
}

impl Operational {
    /// Looks at both clocks, and writes down at once when the wall's is not trusted any more. Called every second, and before
    /// the end of the journal is witnessed: what is witnessed was written by a clock that was looked at.
    pub(super) fn watch_clock(&self, now: Now) {
        self.clock.look(&self.store, now);
        if self.clock.unwritten().is_none() {
            return;
        }
        // Nobody acknowledges it meanwhile: the row would come after that.
        let _one_at_a_time = self.changing.lock();
        let Some((verdict, distrust)) = self.clock.unwritten().and_then(|it| Some((it, it.distrust()?)))
        else {
            return;
        };
        let audit = AuditRecord::new(now.time, Actor::System, "clock.distrust").with("verdict", verdict);
        let batch = Batch::new(now.time.micros())
            .put(Table::Counters, DISTRUSTED, cbor::encode(&distrust))
            .record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit));
        let written = self.store.commit(batch);
        let mut watch = self.clock.0.lock();
        match written {
            Ok(_) => watch.is_written = true,
            Err(error) if !watch.is_told => {
                watch.is_told = true;
                tracing::error!(%error, "that the clock is not trusted could not be written down; it is tried again each second");
            }
            Err(_) => {}
        }
    }

    /// What is thought of the wall's clock.
    #[must_use]
    pub fn clock(&self) -> ClockVerdict {
        self.clock.verdict()
    }

    /// Whether what depends on the wall's clock may go on: budgets refill only then.
    #[must_use]
    pub fn clock_is_trusted(&self) -> bool {
        self.clock() == ClockVerdict::Trusted
    }

    /// Whether a change may be made by this clock. Ours may, because they were due before anybody could be asked; so may what
    /// takes a right away or locks, because a wrong clock must not protect a thief.
    ///
    /// # Errors
    /// `wrong-state`, with what is wrong with the clock and what to do.
    pub(super) fn check_clock(&self, actor: &str, act: &str) -> Result<(), Refusal> {
        let exempt = actor == Actor::System.to_string()
            || act.ends_with(".revoke")
            || [
                "appliance.lock",
                "key.cancel-destruction",
                "key.compromise",
                "key.disable",
                "clock.acknowledge",
                "member.remove",
                "subject.freeze",
                "user.delete",
                "user.disable",
            ]
            .contains(&act);
        match self.clock() {
            ClockVerdict::Trusted => Ok(()),
            _ if exempt => Ok(()),
            verdict => Err(Refusal::new(Code::WrongState).detail(format!("No change is made: {verdict}."))),
        }
    }

    /// An operator's word that the clock is right now: it is trusted, and destructions that wait after an unlock go on. Where
    /// neither is in question, nothing is recorded.
    ///
    /// # Errors
    /// The store's.
    pub fn acknowledge_clock(&self, actor: Actor, now: Now) -> Result<(), Stop> {
        // Until memory agrees with the store.
        let _one_at_a_time = self.changing.lock();
        self.clock.look(&self.store, now);
        let verdict = self.clock();
        let is_trusted = verdict == ClockVerdict::Trusted;
        if is_trusted && !self.destructions_wait.is_under_way() {
            return Ok(());
        }
        let journal = Timestamp::from_micros(self.store.head().time_us);
        let acknowledged = Acknowledged { time: now.time, journal };
        self.change(now, |batch| {
            let audit = AuditRecord::new(now.time, actor, "clock.acknowledge").with("verdict", verdict);
            let batch = destructions_wait::end(batch);
            if is_trusted {
                return Ok((batch, audit, ()));
            }
            let batch = batch.delete(Table::Counters, DISTRUSTED);
            Ok((batch.put(Table::Counters, ACKNOWLEDGED, cbor::encode(&acknowledged)), audit, ()))
        })?;
        self.destructions_wait.forget();
        self.keys_due.soon.store(true, Ordering::Release);
        if !is_trusted {
            let acknowledged = Some(acknowledged);
            let trusted = ClockVerdict::Trusted;
            *self.clock.0.lock() =
                Watch { verdict: trusted, is_written: false, is_told: false, believed: now, acknowledged };
            self.budgets.acknowledge_clock(now);
        }
        tracing::warn!(shows = %now.time, "an operator acknowledged the clock");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn watch(at_s: u64) -> (Watch, Instant) {
        let instant = Instant::now();
        let believed = Now { time: Timestamp::from_seconds(at_s), instant };
        let verdict = ClockVerdict::Trusted;
        (Watch { verdict, is_written: false, is_told: false, believed, acknowledged: None }, instant)
    }

    #[test]
    fn an_hour_is_forgiven_and_a_second_more_is_not_in_either_direction() {
        let (watch, start) = watch(100_000);
        let after = |wall_s: u64| Now {
            time: Timestamp::from_seconds(wall_s),
            instant: start + Duration::from_secs(1_000),
        };
        let judge = |wall_s| watch.judge(Timestamp::default(), after(wall_s));
        for fine in [101_000, 104_600, 97_400] {
            assert_eq!(judge(fine), ClockVerdict::Trusted, "{fine}");
        }
        for jumped in [104_601, 97_399] {
            assert!(matches!(judge(jumped), ClockVerdict::Jumped { .. }), "{jumped}");
        }
    }

    #[test]
    fn a_clock_behind_the_journal_is_not_believed_until_it_is_acknowledged() {
        let (mut watch, start) = watch(100_000);
        let journal = Timestamp::from_seconds(100_061);
        let now = |wall_s| Now { time: Timestamp::from_seconds(wall_s), instant: start };
        assert_eq!(watch.judge(Timestamp::from_seconds(100_060), now(100_000)), ClockVerdict::Trusted);
        assert!(matches!(watch.judge(journal, now(100_000)), ClockVerdict::Behind { .. }));
        let time = Timestamp::from_seconds(100_000);
        watch.acknowledged = Some(Acknowledged { time, journal });
        assert_eq!(watch.judge(journal, now(100_000)), ClockVerdict::Trusted);
        assert!(
            matches!(watch.judge(journal, now(99_939)), ClockVerdict::Behind { .. }),
            "not for ever earlier"
        );
        let later = Timestamp::from_seconds(100_062);
        assert!(
            matches!(watch.judge(later, now(100_000)), ClockVerdict::Behind { .. }),
            "the journal went on"
        );
    }

    #[test]
    fn coming_back_does_not_restore_trust() {
        let (mut watch, start) = watch(100_000);
        let now = |wall_s| Now { time: Timestamp::from_seconds(wall_s), instant: start };
        watch.verdict = watch.judge(Timestamp::default(), now(200_000));
        assert!(matches!(watch.judge(Timestamp::default(), now(100_000)), ClockVerdict::Jumped { .. }));
    }
}
