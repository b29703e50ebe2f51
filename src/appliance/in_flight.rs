//! Requests under way: how many one certificate may have at a time, over all its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::refusal::{Code, LimitMet, Refusal};

use super::admission::Enrolled;

/// Counts the requests under way of one certificate. Clones count together.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<AtomicUsize>);

/// A place among the requests a certificate may have under way; given back when dropped.
pub struct InFlight(Gauge);

impl Gauge {
    /// Takes one of `places`.
    ///
    /// # Errors
    /// `too-many-in-flight` when all are taken.
    pub(super) fn enter(&self, places: usize) -> Result<InFlight, Refusal> {
        let entered = InFlight(self.clone());
        if self.0.fetch_add(1, Ordering::AcqRel) < places {
            return Ok(entered);
        }
        let limit = LimitMet {
            name: "requests-under-way",
            quota: places as u64,
            unit: Some("concurrent-requests"),
            window_s: None,
            left: Some(0),
        };
        Err(Refusal { limit: Some(Box::new(limit)), ..Refusal::new(Code::TooManyInFlight) })
    }
}

impl Enrolled {
    /// Takes a place among the certificate's requests under way.
    ///
    /// # Errors
    /// `too-many-in-flight` when all `places` are taken.
    pub fn enter(&self, places: usize) -> Result<InFlight, Refusal> {
        self.in_flight.enter(places)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_also_by_one_that_was_refused() {
        let gauge = Gauge::default();
        let first = gauge.enter(1);
        assert!(first.is_ok());
        assert_eq!(gauge.enter(1).err().map(|refusal| refusal.code), Some(Code::TooManyInFlight));
        drop(first);
        assert!(gauge.enter(1).is_ok());
    }
}
