//! Refusals that repeat themselves: the first is recorded at once, those like it that follow are only counted and recorded
//! once a second as one, with their number. So whoever is refused without an end fills no journal, and no refusal goes
//! uncounted.
//!
//! Alike are refusals of one certificate, API key, operation and code in which nothing was done: their number is bounded by
//! the catalog. What reached an object is always recorded by itself; that is bounded by the API key's rate. On the control
//! plane alike are those of one actor, act and code ([`super::refused`]).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::access_record::{AccessRecord, Repeated};
use crate::domain::id::ApiKeyId;
use crate::domain::operation::Operation;
use crate::domain::refusal::Code;

/// How often those alike are recorded.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// A record that may stand for others like it.
pub(super) trait Repeating: Sized {
    /// What those alike have in common.
    type Like: Eq + Hash;
    /// What is kept of those it stands for, beside the last one.
    type Sum: Default;

    /// None for one that is always recorded by itself.
    fn like(&self) -> Option<Self::Like>;

    /// The same, standing for those that `earlier` stood for, too.
    fn after(self, earlier: Option<Self>, sum: &mut Self::Sum) -> Self;
}

/// Refusals that wait to be recorded as one.
pub(super) struct Repeats<R: Repeating>(Mutex<HashMap<R::Like, Repeat<R>>>);

/// What access records have in common that are recorded as one.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Like {
    certificate: [u8; 32],
    api_key: Option<ApiKeyId>,
    operation: Option<Operation>,
    code: Code,
}

struct Repeat<R: Repeating> {
    recorded: Instant,
    /// The last one, standing for all of them.
    waiting: Option<R>,
    sum: R::Sum,
}

impl<R: Repeating> Default for Repeats<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Repeating> Repeats<R> {
    /// Takes in a record; gives what is to be recorded now, if anything.
    pub(super) fn fold(&self, record: R, now: Instant) -> Option<R> {
        let Some(like) = record.like() else { return Some(record) };
        let mut repeats = self.0.lock();
        let Some(repeat) = repeats.get_mut(&like) else {
            repeats.insert(like, Repeat { recorded: now, waiting: None, sum: R::Sum::default() });
            return Some(record);
        };
        let earlier = repeat.waiting.take();
        repeat.waiting = Some(record.after(earlier, &mut repeat.sum));
        repeat.record_if_due(now)
    }

    /// What has waited long enough; forgets those that no longer repeat themselves.
    pub(super) fn due(&self, now: Instant) -> Vec<R> {
        let mut due = Vec::new();
        self.0.lock().retain(|_, repeat| {
            let is_over = repeat.waiting.is_none() && repeat.is_due(now);
            due.extend(repeat.record_if_due(now));
            !is_over
        });
        due
    }

    /// Everything that waits.
    pub(super) fn all(&self) -> Vec<R> {
        self.0.lock().drain().filter_map(|(_, repeat)| repeat.waiting).collect()
    }
}

impl Repeating for AccessRecord {
    type Like = Like;
    /// Latencies, microseconds.
    type Sum = u64;

    fn like(&self) -> Option<Like> {
        let code = self.outcome.filter(|_| self.groups.is_empty())?;
        let Self { certificate, api_key, operation, .. } = *self;
        Some(Like { certificate, api_key, operation, code })
    }

    fn after(self, earlier: Option<Self>, latencies_us: &mut u64) -> Self {
        let latency_us = self.latency_us;
        *latencies_us = latencies_us.saturating_add(latency_us);
        let Some(earlier) = earlier else { return self };
        let mut repeated = earlier.repeated.unwrap_or_else(|| {
            let mut first = Repeated { latency_max_us: earlier.latency_us, ..Repeated::default() };
            first.latencies.count(earlier.latency_us, 1);
            Box::new(first)
        });
        repeated.more = repeated.more.saturating_add(1);
        repeated.latencies.count(latency_us, 1);
        repeated.latency_max_us = repeated.latency_max_us.max(latency_us);
        let mean_us = *latencies_us / (u64::from(repeated.more) + 1);
        Self { repeated: Some(repeated), latency_us: mean_us, ..self }
    }
}

impl<R: Repeating> Repeat<R> {
    fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.recorded) >= RECORD_EVERY
    }

    fn record_if_due(&mut self, now: Instant) -> Option<R> {
        if !self.is_due(now) {
            return None;
        }
        let record = self.waiting.take()?;
        self.recorded = now;
        self.sum = R::Sum::default();
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access_record::{Groups, count_item};
    use crate::domain::id::EndpointId;
    use crate::domain::latency::Histogram;
    use crate::domain::timestamp::Timestamp;

    fn record(code: Option<Code>, latency_us: u64) -> AccessRecord {
        AccessRecord {
            time: Timestamp::from_seconds(latency_us),
            endpoint: EndpointId::from_bytes([1; 16]),
            api_key: None,
            certificate: [2; 32],
            address: [127, 0, 0, 1].into(),
            operation: None,
            latency_us,
            outcome: code,
            groups: Groups::new(),
            repeated: None,
        }
    }

    #[test]
    fn a_flood_is_one_record_a_second_and_none_goes_uncounted() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let mut recorded: Vec<AccessRecord> = (0..10_000)
            .filter_map(|at| {
                repeats.fold(record(Some(Code::ApiKeyUnknown), 7), start + Duration::from_millis(at))
            })
            .collect();
        assert_eq!(recorded.len(), 10);
        assert_eq!(recorded[0], record(Some(Code::ApiKeyUnknown), 7));
        recorded.extend(repeats.due(start + Duration::from_secs(11)));
        assert_eq!(recorded.iter().map(AccessRecord::requests).sum::<u64>(), 10_000);
        assert!(recorded.iter().all(|record| record.latency_us == 7));
        assert!(repeats.due(start + Duration::from_secs(12)).is_empty());
        assert!(repeats.0.lock().is_empty(), "who has stopped is forgotten");
    }

    #[test]
    fn the_last_stands_for_all_with_their_mean() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        for latency_us in [1, 10, 20] {
            repeats.fold(record(Some(Code::ApiKeyUnknown), latency_us), now);
        }
        let all = repeats.all();
        let last = record(Some(Code::ApiKeyUnknown), 20);
        let mut latencies = Histogram::default();
        latencies.count(10, 1);
        latencies.count(20, 1);
        let repeated = Some(Box::new(Repeated { more: 1, latencies, latency_max_us: 20 }));
        assert_eq!(all, [AccessRecord { latency_us: 15, repeated, ..last }]);
        assert!(repeats.all().is_empty());
    }

    #[test]
    fn what_differs_or_was_done_is_recorded_by_itself() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let mut opened = record(Some(Code::CannotOpen), 1);
        count_item(&mut opened.groups, None, 0, None, Some(Code::CannotOpen), 0);
        for _ in 0..3 {
            assert!(repeats.fold(record(None, 1), now).is_some());
            assert!(repeats.fold(opened.clone(), now).is_some());
        }
        let other = AccessRecord { certificate: [3; 32], ..record(Some(Code::ApiKeyUnknown), 1) };
        let key = Some(ApiKeyId::from_bytes([4; 16]));
        for first in [
            record(Some(Code::ApiKeyUnknown), 1),
            record(Some(Code::RequestsLimited), 1),
            AccessRecord { operation: Some(Operation::Decrypt), ..record(Some(Code::ApiKeyUnknown), 1) },
            AccessRecord { api_key: key, ..record(Some(Code::ApiKeyUnknown), 1) },
            other,
        ] {
            assert!(repeats.fold(first.clone(), now).is_some());
            assert!(repeats.fold(first, now).is_none());
        }
    }
}
