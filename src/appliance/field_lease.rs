//! A lease of fields in one word, `end u32, seconds since 1970 | fields left u32`, so that one exchange checks and takes.
//!
//! Its end is what a lease is known by: what was taken out of it goes back as long as there is none of another end, also while all
//! that was left is away to be reserved anew.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::timestamp::Timestamp;

/// What is left of a reservation, and until when.
pub(super) struct FieldLease(AtomicU64);

impl FieldLease {
    /// None yet.
    pub(super) const fn empty() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes `fields` and returns the lease's end, unless that is past or less is left.
    pub(super) fn take(&self, fields: u32, now_s: u32) -> Option<u32> {
        let took = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let (end, left) = split(word);
            (now_s < end && left >= fields).then(|| word - u64::from(fields))
        });
        took.ok().map(|word| split(word).0)
    }

    /// Puts fields into the lease of that end; `false` where it has been replaced.
    #[must_use]
    pub(super) fn put_back(&self, fields: u32, end: u32) -> bool {
        let put = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let (current, left) = split(word);
            let left = left.checked_add(fields).filter(|_| current == end)?;
            Some(join(end, left))
        });
        put.is_ok()
    }

    /// Takes all that is left, and says with which end; what was taken before may still come back.
    pub(super) fn take_away(&self) -> (u32, u32) {
        split(self.0.fetch_and(join(u32::MAX, 0), Ordering::AcqRel))
    }

    /// Puts another in its place, and returns end and rest of the one that was there.
    pub(super) fn replace(&self, end: u32, left: u32) -> (u32, u32) {
        split(self.0.swap(join(end, left), Ordering::AcqRel))
    }

    /// Fields that are left.
    pub(super) fn left(&self) -> u32 {
        split(self.0.load(Ordering::Acquire)).1
    }
}

/// A time as leases know it; one behind the year 2106 is no earlier than any end.
pub(super) fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.seconds()).unwrap_or(u32::MAX)
}

const fn join(end: u32, left: u32) -> u64 {
    (end as u64) << 32 | left as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_goes_back_while_the_rest_is_away_and_not_into_another() {
        let lease = FieldLease::empty();
        assert_eq!((lease.replace(100, 10), lease.left()), ((0, 0), 10));
        assert_eq!((lease.take(3, 99), lease.take(8, 99), lease.take(1, 100)), (Some(100), None, None));
        assert_eq!((lease.take_away(), lease.left()), ((100, 7), 0));
        assert!(lease.put_back(2, 100) && lease.put_back(7, 100) && !lease.put_back(1, 101));
        assert_eq!(lease.replace(101, 5), (100, 9));
        assert!(!lease.put_back(1, 100) && lease.put_back(1, 101));
        assert_eq!(lease.left(), 6);
        assert!(!lease.put_back(u32::MAX, 101), "more than a lease can hold");
    }
}
