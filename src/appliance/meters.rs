//! How much one API key may do: requests and fields per second, each with its burst. A meter takes all that is asked or
//! refuses, and says when to come again. The leaky buckets are governor's; the time is the one that was passed in.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

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
        self.requests
            .take(1, now)
            .map_err(|short| self.requests.refuse("requests", Code::RequestsLimited, short))
    }

    /// Takes all the fields of a request or none.
    pub(super) fn take_fields(&self, fields: usize, now: Instant) -> Result<(), Refusal> {
        self.fields.take(fields, now).map_err(|short| match short {
            Short::Until { .. } => self.fields.refuse("fields", Code::FieldsLimited, short),
            Short::Never => self.fields.refuse("fields", Code::BatchOverBurst, short).detail(format!(
                "The batch has {fields} fields; the API key's fields burst is {}.",
                self.fields.burst
            )),
        })
    }
}

/// A leaky bucket.
struct Meter {
    /// What `arrivals` counts from.
    origin: Instant,
    arrivals: Arrivals,
    bucket: RateLimiter<NotKeyed, InMemoryState, Arrivals, NoOpMiddleware<Nanos>>,
    per_s: NonZeroU32,
    burst: NonZeroU32,
}

/// A clock that only knows what it was told: the latest arrival. One that comes late finds no more than was there.
#[derive(Clone, Default)]
struct Arrivals(Arc<AtomicU64>);

impl Clock for Arrivals {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Acquire))
    }
}

/// There is not as much left.
#[derive(Debug, PartialEq, Eq)]
enum Short {
    /// But there will be.
    Until { left: u64, wait: Duration },
    /// And there never is.
    Never,
}

impl Meter {
    fn new(per_s: u32, burst: u32, now: Instant) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let (per_s, burst, arrivals) = (at_least_one(per_s), at_least_one(burst), Arrivals::default());
        let quota = Quota::per_second(per_s).allow_burst(burst);
        let bucket = RateLimiter::direct_with_clock(quota, arrivals.clone());
        Self { origin: now, arrivals, bucket, per_s, burst }
    }

    fn take(&self, count: usize, now: Instant) -> Result<(), Short> {
        let since = now.saturating_duration_since(self.origin).as_nanos();
        self.arrivals.0.fetch_max(u64::try_from(since).unwrap_or(u64::MAX / 2), Ordering::AcqRel);
        let count = u32::try_from(count).map_err(|_| Short::Never)?;
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match self.bucket.check_n(count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(self.arrivals.now());
                let each_ns = u128::from((SECOND_NS / u64::from(self.per_s.get())).max(1));
                let lacking = u64::try_from(wait.as_nanos().div_ceil(each_ns)).unwrap_or(u64::MAX);
                Err(Short::Until { left: u64::from(count.get()).saturating_sub(lacking), wait })
            }
            Err(_) => Err(Short::Never),
        }
    }

    fn refuse(&self, name: &'static str, code: Code, short: Short) -> Refusal {
        let (left, wait) = match short {
            Short::Until { left, wait } => (Some(left), Some(wait)),
            Short::Never => (None, None),
        };
        let window_s = u64::from(self.burst.get().div_ceil(self.per_s.get()));
        let limit =
            LimitMet { name, quota: self.burst.get().into(), unit: None, window_s: Some(window_s), left };
        let refusal = Refusal { limit: Some(Box::new(limit)), ..Refusal::new(code) };
        match wait {
            Some(wait) => refusal.retry_after(wait),
            None => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(left: u64, wait_ms: u64) -> Result<(), Short> {
        Err(Short::Until { left, wait: Duration::from_millis(wait_ms) })
    }

    #[test]
    fn a_burst_goes_at_once_and_then_the_rate() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let meter = Meter::new(10, 30, start);
        assert_eq!(meter.take(30, start), Ok(()));
        assert_eq!(meter.take(1, start), until(0, 100));
        assert_eq!(meter.take(1, after(99)), until(0, 1));
        assert_eq!(meter.take(1, after(100)), Ok(()));
        // All or nothing: what was refused was not taken.
        assert_eq!(meter.take(6, after(600)), until(5, 100));
        assert_eq!(meter.take(5, after(600)), Ok(()));
        // Never more than the burst, however long nobody asked.
        assert_eq!(meter.take(31, after(1 << 30)), Err(Short::Never));
        assert_eq!(meter.take(30, after(1 << 30)), Ok(()));
        assert_eq!(meter.take(0, after(1 << 30)), Ok(()));
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
        assert_eq!(meter.take(u32::MAX as usize, start), Ok(()));
        assert_eq!(meter.take(usize::MAX, start), Err(Short::Never));
        let slow = Meter::new(1, u32::MAX, start);
        assert_eq!(slow.take(u32::MAX as usize, start), Ok(()));
        assert!(slow.take(u32::MAX as usize, start).is_err());
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
        assert_eq!(over.limit.unwrap().quota, 10);
        assert_eq!(meters.take_fields(7, start), Ok(()), "a batch that could never go took nothing");
        let short = meters.take_fields(4, start).unwrap_err();
        assert_eq!((short.code, short.retry_after), (Code::FieldsLimited, Some(Duration::from_millis(200))));
        let limit = short.limit.unwrap();
        assert_eq!((limit.quota, limit.window_s, limit.left), (10, Some(2), Some(3)));
    }
}
