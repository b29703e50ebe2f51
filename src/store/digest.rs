//! The state digest recomputed from what lies on the disk, and what a difference means.
//!
//! Reading every row costs one HMAC each and happens at every unlock. Opening every row costs several times that, and
//! happens only when the digest is wrong, to tell damage, which can be named, from rows put back or taken out, which
//! cannot.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism};

use super::disk::{Rows, guarded};
use super::error::StoreError;
use super::keys::StoreKeys;
use super::table::{OUTSIDE_DIGEST, RowName, Table, split};
use crate::crypto::derive::MacKey;
use crate::crypto::digest::StateDigest;

/// Most rows a verdict names.
pub const DAMAGED_ROWS_NAMED_MAX: usize = 1_000;

/// Most threads that read the store at unlock.
const THREADS_MAX: usize = 4;

/// How what lies on the disk compares with what the last block describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Intact,
    /// It differs, or the header that described it is lost, and these rows, at most [`DAMAGED_ROWS_NAMED_MAX`] of them, do
    /// not open. Whether other rows were put back or taken out besides cannot be told.
    Damaged(Vec<RowName>),
    /// It is the same, but other pages of the file are not as they were written. It is read, and written only once
    /// [`super::Store::accept_damage`] has brought its rows into a new one.
    Rotten,
    /// It differs, and every row opens: rows were put back or taken out.
    Altered,
}

impl Verdict {
    /// The same where `lost` rows outside the digest do not open either.
    pub(super) fn with(self, mut lost: Vec<RowName>) -> Self {
        if let Self::Damaged(rows) = self {
            lost.extend(rows);
        }
        lost.truncate(DAMAGED_ROWS_NAMED_MAX);
        Self::Damaged(lost)
    }
}

/// The sum over every row of the digest, and how many those are.
pub(super) fn recompute(rows: &Rows<'_>, state_key: &MacKey) -> Result<(StateDigest, u64), StoreError> {
    let parts = each(rows, |(digest, count): &mut (StateDigest, u64), place, stored| {
        let (table, key) = split(place);
        digest.add(state_key, table, key, stored);
        *count += 1;
    })?;
    Ok(parts.into_iter().fold((StateDigest::default(), 0), |(mut digest, count), (part, rows)| {
        digest.merge(part);
        (digest, count + rows)
    }))
}

/// Tries to open every row of the digest. The boot row was authenticated before.
pub(super) fn examine(rows: &Rows<'_>, keys: &StoreKeys) -> Result<Verdict, StoreError> {
    let boot = Table::Boot.place(&[]);
    let parts = each(rows, |damaged: &mut Vec<RowName>, place, stored| {
        if damaged.len() < DAMAGED_ROWS_NAMED_MAX && place != boot && keys.open(place, stored).is_err() {
            damaged.push(RowName::at(place));
        }
    })?;
    let mut damaged = parts.concat();
    damaged.sort();
    damaged.truncate(DAMAGED_ROWS_NAMED_MAX);
    Ok(if damaged.is_empty() { Verdict::Altered } else { Verdict::Damaged(damaged) })
}

/// Visits the rows of every table number but those outside the digest, those of no table included: a forged row shows.
/// Threads share the work, and each collects its part.
fn each<Part: Default + Send>(
    rows: &Rows<'_>,
    visit: impl Fn(&mut Part, &[u8], &[u8]) + Sync,
) -> Result<Vec<Part>, StoreError> {
    let (spans, next) = (spans(), AtomicUsize::new(0));
    let work = || {
        let mut part = Part::default();
        while let Some((from, to)) = spans.get(next.fetch_add(1, Ordering::Relaxed)) {
            for row in rows.between(as_slice(from), as_slice(to))? {
                let (place, stored) = row?;
                visit(&mut part, place.value(), stored.value());
            }
        }
        Ok(part)
    };
    let threads = available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| guarded("read records", work))).collect();
        workers
            .into_iter()
            .map(|worker| {
                worker.join().unwrap_or(Err(StoreError::Disk {
                    doing: "read records",
                    why: "a thread that read them failed".into(),
                }))
            })
            .collect()
    })
}

type Span = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The places of the digest in spans of a sixteenth of a table: row keys are random ids and digests, so their first byte
/// shares them out evenly. One span begins where the one before ends, so that none is left out.
fn spans() -> Vec<Span> {
    let in_digest = Table::ALL.into_iter().filter(|table| table.in_state_digest());
    let mut edges: Vec<Vec<u8>> = in_digest
        .flat_map(|table| (1..16).map(move |nibble| table.place(&[nibble << 4])).chain([table.place(&[])]))
        .collect();
    let outside = OUTSIDE_DIGEST.start().to_be_bytes().to_vec();
    edges.push(outside.clone());
    edges.push((OUTSIDE_DIGEST.end() + 1).to_be_bytes().to_vec());
    edges.sort();
    let from = edges.iter().cloned().map(Bound::Included);
    let to = edges.iter().cloned().map(Bound::Excluded);
    let spans = [Bound::Unbounded].into_iter().chain(from).zip(to.chain([Bound::Unbounded]));
    spans.filter(|(from, _)| *from != Bound::Included(outside.clone())).collect()
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use super::*;

    #[test]
    fn spans_leave_out_exactly_the_tables_outside_the_digest() {
        let spans = spans();
        let holds = |(from, to): &Span, place: &[u8]| {
            RangeBounds::<[u8]>::contains(&(as_slice(from), as_slice(to)), place)
        };
        let within = |place: &[u8]| spans.iter().filter(|span| holds(span, place)).count();
        for number in (0..=u16::MAX).step_by(7).chain(0..300) {
            let expected = usize::from(!OUTSIDE_DIGEST.contains(&number));
            for key in [&[][..], &[0], &[0x10], &[0x1F, 0xFF], &[0xF0], &[0xFF; 40]] {
                assert_eq!(
                    within(&[&number.to_be_bytes(), key].concat()),
                    expected,
                    "table {number} key {key:?}"
                );
            }
        }
        assert_eq!((within(&[]), within(&[0]), within(&[1]), within(&[0xFF])), (1, 1, 1, 1));
    }
}
