//! Fields of one budget that were reserved durably and not used yet, good until a moment: what is taken for a request without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a lease holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leased {
    /// When it is over; seconds since 1970.
    pub(super) end_s: u32,
    /// Fields left.
    pub(super) fields: u32,
}

/// `end u32, seconds since 1970 | fields left u32` in one word, so that one exchange checks and takes.
pub(super) struct Lease(AtomicU64);

impl Lease {
    /// One that has nothing.
    pub(super) const fn empty() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes `fields` and returns the lease's end, unless that is past or less is left.
    pub(super) fn take(&self, fields: u32, now_s: u32) -> Option<u32> {
        let took = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let found = Leased::of(word);
            (now_s < found.end_s && found.fields >= fields).then(|| word - u64::from(fields))
        });
        took.ok().map(|word| Leased::of(word).end_s)
    }

    /// Puts fields back into the lease they came from; where that has been replaced, they stay used.
    pub(super) fn put_back(&self, fields: u32, end_s: u32) {
        let put = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let found = Leased::of(word);
            let fields = found.fields.checked_add(fields).filter(|_| found.end_s == end_s)?;
            Some(Leased { end_s, fields }.word())
        });
        // An error is a lease that was replaced meanwhile.
        let _ = put;
    }

    /// Takes all of it.
    pub(super) fn take_all(&self) -> Leased {
        Leased::of(self.0.swap(0, Ordering::AcqRel))
    }

    /// It holds this from now on.
    pub(super) fn install(&self, leased: Leased) {
        self.0.store(leased.word(), Ordering::Release);
    }

    /// Fields left, over or not.
    pub(super) fn left(&self) -> u32 {
        Leased::of(self.0.load(Ordering::Acquire)).fields
    }
}

impl Leased {
    const fn word(self) -> u64 {
        (self.end_s as u64) << 32 | self.fields as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
    const fn of(word: u64) -> Self {
        Self { end_s: (word >> 32) as u32, fields: word as u32 }
    }
}
