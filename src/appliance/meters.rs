//! How much one API key may do: requests and fields per second, each with its burst. A meter takes all that is asked or
//! refuses, and says when to come again.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::domain::limits::RateLimits;
use crate::domain::refusal::{Code, LimitMet, Refusal};

/// The meters of one API key. They outlive catalog revisions, or any change would refill them.
pub(super) struct Meters {
    limits: RateLimits,
    requests: DefaultDirectRateLimiter,
    fields: DefaultDirectRateLimiter,
}

impl Meters {
    /// Full ones.
    pub(super) fn new(limits: RateLimits) -> Self {
        let limiter = |per_s: u32, burst: u32| {
            let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_second(at_least_one(per_s)).allow_burst(at_least_one(burst)))
        };
        Self {
            limits,
            requests: limiter(limits.requests_per_s, limits.requests_burst),
            fields: limiter(limits.fields_per_s, limits.fields_burst),
        }
    }

    /// What they were made with.
    pub(super) fn limits(&self) -> RateLimits {
        self.limits
    }

    /// Takes one request, or says when one may come.
    pub(super) fn take_request(&self) -> Result<(), Refusal> {
        self.requests.check().map_err(|until| {
            let RateLimits { requests_per_s: per_s, requests_burst: burst, .. } = self.limits;
            let limit = Some(LimitMet { name: "requests", per_s, burst });
            let wait = until.wait_time_from(DefaultClock::default().now());
            Refusal { limit, ..Refusal::new(Code::RequestsLimited).retry_after(wait) }
        })
    }

    /// Takes all the fields of a request or none.
    pub(super) fn take_fields(&self, fields: usize) -> Result<(), Refusal> {
        let Some(fields) = u32::try_from(fields).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        let RateLimits { fields_per_s: per_s, fields_burst: burst, .. } = self.limits;
        let limit = Some(LimitMet { name: "fields", per_s, burst });
        match self.fields.check_n(fields) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Err(Refusal { limit, ..Refusal::new(Code::FieldsLimited).retry_after(wait) })
            }
            Err(_) => Err(Refusal { limit, ..Refusal::new(Code::BatchOverBurst) }
                .detail(format!("The batch has {fields} fields; the API key's fields burst is {burst}."))),
        }
    }
}
