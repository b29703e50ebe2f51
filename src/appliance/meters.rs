//! How much one API key may do: requests and fields per second, each with its burst. A meter takes all that is asked or
//! refuses, and says when to come again.
//!
//! Each is a leaky bucket, kept as one number: the moment at which it will have run empty (GCRA). Taking is one atomic
//! exchange; a refusal takes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::domain::limits::RateLimits;
use crate::domain::refusal::{Code, LimitMet, Refusal};

const SECOND_NS: u64 = 1_000_000_000;

/// The meters of one API key. They outlive catalog revisions, or any change would refill them.
pub(super) struct Meters {
    limits: RateLimits,
    requests: Meter,
    fields: Meter,
}

impl Meters {
    /// Full ones.
    pub(super) fn new(limits: RateLimits, now: Instant) -> Self {
        Self {
            limits,
            requests: Meter::new(limits.requests_per_s, limits.requests_burst, now),
            fields: Meter::new(limits.fields_per_s, limits.fields_burst, now),
        }
    }

    /// What they were made with.
    pub(super) fn limits(&self) -> RateLimits {
        self.limits
    }

    /// Takes one request, or says when one may come.
    pub(super) fn take_request(&self, now: Instant) -> Result<(), Refusal> {
        self.requests.take(1, now).map_err(|short| {
            let limit = self.requests.met("requests", short.left);
            Refusal {
                limit: Some(Box::new(limit)),
                ..Refusal::new(Code::RequestsLimited).retry_after(short.wait)
            }
        })
    }

    /// Takes all the fields of a request or none.
    pub(super) fn take_fields(&self, fields: usize, now: Instant) -> Result<(), Refusal> {
        let fields = fields as u64;
        self.fields.take(fields, now).map_err(|short| {
            let limit = Some(Box::new(self.fields.met("fields", short.left)));
            let burst = self.fields.burst;
            if fields > burst {
                return Refusal { limit, ..Refusal::new(Code::BatchOverBurst) }.detail(format!(
                    "The batch has {fields} fields; the API key's fields burst is {burst}."
                ));
            }
            Refusal { limit, ..Refusal::new(Code::FieldsLimited).retry_after(short.wait) }
        })
    }
}

/// A leaky bucket.
struct Meter {
    /// What `empty_at` counts from.
    origin: Instant,
    /// Nanoseconds after the origin at which all that was taken will have run out.
    empty_at: AtomicU64,
    /// Nanoseconds in which one runs out.
    each_ns: u64,
    per_s: u64,
    burst: u64,
}

/// There is not as much left.
#[derive(Debug, PartialEq, Eq)]
struct Short {
    left: u64,
    wait: Duration,
}

impl Meter {
    fn new(per_s: u32, burst: u32, now: Instant) -> Self {
        let (per_s, burst) = (u64::from(per_s.max(1)), u64::from(burst.max(1)));
        Self { origin: now, empty_at: AtomicU64::new(0), each_ns: (SECOND_NS / per_s).max(1), per_s, burst }
    }

    fn take(&self, count: u64, now: Instant) -> Result<(), Short> {
        let now =
            u64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX / 2);
        let (adds, holds) = (count.saturating_mul(self.each_ns), self.burst * self.each_ns);
        let taken = self.empty_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |empty_at| {
            let empty_at = empty_at.max(now).saturating_add(adds);
            (empty_at - now <= holds).then_some(empty_at)
        });
        taken.map(drop).map_err(|empty_at| {
            let held = empty_at.saturating_sub(now);
            let over = held.saturating_add(adds).saturating_sub(holds);
            Short { left: holds.saturating_sub(held) / self.each_ns, wait: Duration::from_nanos(over) }
        })
    }

    fn met(&self, name: &'static str, left: u64) -> LimitMet {
        let window_s = self.burst.div_ceil(self.per_s);
        LimitMet { name, quota: self.burst, unit: None, window_s: Some(window_s), left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_the_rate() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let meter = Meter::new(10, 30, start);
        assert_eq!(meter.take(30, start), Ok(()));
        let wait = Duration::from_millis(100);
        assert_eq!(meter.take(1, start), Err(Short { left: 0, wait }));
        assert_eq!(meter.take(1, after(99)), Err(Short { left: 0, wait: Duration::from_millis(1) }));
        assert_eq!(meter.take(1, after(100)), Ok(()));
        // All or nothing: what was refused was not taken.
        assert_eq!(meter.take(6, after(600)), Err(Short { left: 5, wait }));
        assert_eq!(meter.take(5, after(600)), Ok(()));
        // Never more than the burst, however long nobody asked.
        assert_eq!(meter.take(31, after(1 << 30)).unwrap_err().left, 30);
        assert_eq!(meter.take(30, after(1 << 30)), Ok(()));
    }

    #[test]
    fn a_request_that_arrived_earlier_takes_no_more_than_was_there() {
        let start = Instant::now();
        let meter = Meter::new(1, 2, start);
        assert_eq!(meter.take(2, start + Duration::from_secs(10)), Ok(()));
        assert!(meter.take(1, start + Duration::from_secs(9)).is_err());
    }

    #[test]
    fn the_largest_limits_do_not_overflow() {
        let start = Instant::now();
        let meter = Meter::new(u32::MAX, u32::MAX, start);
        assert_eq!(meter.take(u64::from(u32::MAX), start), Ok(()));
        assert!(meter.take(u64::MAX, start).is_err());
        let slow = Meter::new(1, u32::MAX, start);
        assert_eq!(slow.take(u64::from(u32::MAX), start), Ok(()));
    }

    #[test]
    fn a_refusal_tells_the_limit_it_met() {
        let start = Instant::now();
        let limits = RateLimits { requests_per_s: 1, requests_burst: 1, fields_per_s: 5, fields_burst: 10 };
        let meters = Meters::new(limits, start);
        assert_eq!(meters.take_request(start), Ok(()));
        assert_eq!(meters.take_request(start).unwrap_err().code, Code::RequestsLimited);
        let over = meters.take_fields(11, start).unwrap_err();
        assert_eq!((over.code, over.retry_after), (Code::BatchOverBurst, None));
        assert_eq!(over.limit.unwrap().left, 10, "a batch that could never go took nothing");
        assert_eq!(meters.take_fields(7, start), Ok(()));
        let short = meters.take_fields(4, start).unwrap_err();
        assert_eq!((short.code, short.retry_after), (Code::FieldsLimited, Some(Duration::from_millis(200))));
        let limit = short.limit.unwrap();
        assert_eq!((limit.quota, limit.window_s, limit.left), (10, Some(2), 3));
    }
}
