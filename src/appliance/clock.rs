//! Whether the wall's clock can be believed. One that is behind the journal, or that ran away from the stop-watch by more
//! than an hour, is not, until an operator says that it is right: the control plane only reads then, budgets do not refill,
//! and the data plane serves.

use std::time::{Duration, Instant};

use minicbor::{Decode, Encode};
use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Store, StoreError, Table};

use super::fault::Stop;
use super::operational::Operational;

/// How far both clocks may part. Corrections by a time service stay far below it.
const JUMP_MAX: Duration = Duration::from_secs(3_600);
/// How far the clock may be ahead of the journal's end at an unlock before destructions wait, and how long they do.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);
const DESTRUCTIONS_WAIT: Duration = Duration::from_secs(3_600);
/// How far the wall's clock may be behind the last block.
const BEHIND_MAX: Duration = Duration::from_secs(60);
/// The row of the last acknowledgement, in the table of counters.
const ROW: &[u8] = b"clock-acknowledged";

/// What is thought of the wall's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// It can be believed.
    Trusted,
    /// It shows a time before one that was there already.
    Behind {
        /// What it shows.
        shows: Timestamp,
        /// What was there.
        known: Timestamp,
    },
    /// It was set, by more than an hour, while we ran.
    Jumped {
        /// What it shows.
        shows: Timestamp,
        /// What it should show by the stop-watch.
        expected: Timestamp,
    },
}

/// What happened, then what to do.
impl std::fmt::Display for ClockVerdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shows, known, what) = match self {
            Self::Trusted => return out.write_str("trusted"),
            Self::Behind { shows, known } => (shows, known, "but the journal was written until"),
            Self::Jumped { shows, expected } => (shows, expected, "but by the stop-watch it should be"),
        };
        write!(
            out,
            "the clock shows {shows}, {what} {known}; correct it, or, if it is right, run gembok clock acknowledge"
        )
    }
}

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
    /// A reading that was believed.
    believed: Now,
    acknowledged: Option<Acknowledged>,
}

impl Watch {
    fn judge(&self, journal: Timestamp, now: Now) -> ClockVerdict {
        // Nothing but an acknowledgement restores trust: a clock that jumped there and back has shown wrong times in between.
        if self.verdict != ClockVerdict::Trusted {
            return self.verdict;
        }
        let known = match self.acknowledged {
            Some(acknowledged) if journal <= acknowledged.journal => acknowledged.time,
            _ => journal,
        };
        let shows = now.time;
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

impl ClockWatch {
    /// Begins to watch, with a first judgement by the last block's time.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn start(store: &Store, now: Now) -> Result<Self, Stop> {
        let acknowledged = match store.get(Table::Counters, ROW) {
            Ok(row) => row.map(|row| cbor::decode(&row.value)).transpose()?,
            Err(StoreError::Damaged { .. }) => None,
            Err(other) => return Err(other.into()),
        };
        let watch = Self(Mutex::new(Watch { verdict: ClockVerdict::Trusted, believed: now, acknowledged }));
        watch.look(store, now);
        Ok(watch)
    }

    /// Looks at both clocks. Called every second.
    pub(super) fn look(&self, store: &Store, now: Now) {
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
}

/// From when on destructions are carried out, where that is not at once. Nobody can tell a clock that was set forward while we were
/// away from a machine that was off. What falls due by it is gone for ever, so it waits: somebody may set the clock right, and a
/// clock that goes back by itself then is not trusted.
pub(super) fn destroys_from(journal: Timestamp, now: Now) -> Option<Instant> {
    let ahead = now.time.since(journal);
    (ahead > AHEAD_MAX).then(|| {
        let (ahead_s, waits_s) = (ahead.as_secs(), DESTRUCTIONS_WAIT.as_secs());
        tracing::warn!(
            ahead_s,
            waits_s,
            "the clock is ahead of the end of the journal: keys whose destruction is due are not destroyed before the wait is \
             over; see that the clock is right, or cancel the destruction"
        );
        now.instant + DESTRUCTIONS_WAIT
    })
}

impl Operational {
    /// Whether keys are destroyed now whose time is over.
    pub(super) fn may_destroy(&self, now: Now) -> bool {
        self.clock_is_trusted() && self.destroys_from.is_none_or(|from| now.instant >= from)
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

    /// An operator's word that the clock is right now. Where it is trusted already, nothing is recorded.
    ///
    /// # Errors
    /// The store's.
    pub fn acknowledge_clock(&self, actor: Actor, now: Now) -> Result<(), Stop> {
        self.clock.look(&self.store, now);
        let verdict = self.clock();
        if verdict == ClockVerdict::Trusted {
            return Ok(());
        }
        let journal = Timestamp::from_micros(self.store.head().time_us);
        let acknowledged = Acknowledged { time: now.time, journal };
        self.change(now, |batch| {
            let audit = AuditRecord::new(now.time, actor, "clock.acknowledge").with("verdict", verdict);
            Ok((batch.put(Table::Counters, ROW, cbor::encode(&acknowledged)), audit, ()))
        })?;
        let acknowledged = Some(acknowledged);
        *self.clock.0.lock() = Watch { verdict: ClockVerdict::Trusted, believed: now, acknowledged };
        self.budgets.acknowledge_clock(now);
        tracing::warn!(shows = %now.time, "an operator acknowledged the clock");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn watch(at_s: u64) -> (Watch, Instant) {
        let instant = Instant::now();
        let believed = Now { time: Timestamp::from_seconds(at_s), instant };
        (Watch { verdict: ClockVerdict::Trusted, believed, acknowledged: None }, instant)
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
