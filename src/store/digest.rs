//! The state digest recomputed from what lies on the disk, and what a difference means.
//!
//! Reading every row costs one HMAC each and happens at every unlock. Opening every row costs several times that, and
//! happens only when the digest is wrong, to tell damage, which can be named, from rows put back or taken out, which
//! cannot.

use std::ops::Bound;

use super::disk::Rows;
use super::error::StoreError;
use super::keys::StoreKeys;
use super::table::{OUTSIDE_DIGEST, RowName, Table, split};
use crate::crypto::derive::MacKey;
use crate::crypto::digest::StateDigest;

/// Most rows a verdict names.
pub const DAMAGED_ROWS_NAMED_MAX: usize = 1_000;

/// How what lies on the disk compares with what the last block describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Intact,
    /// It differs, and these rows, at most [`DAMAGED_ROWS_NAMED_MAX`] of them, do not open. Whether other rows were put
    /// back or taken out besides cannot be told.
    Damaged(Vec<RowName>),
    /// It differs, and every row opens: rows were put back or taken out.
    Altered,
}

/// The sum over every row of the digest, and how many those are.
pub(super) fn recompute(rows: &Rows, state_key: &MacKey) -> Result<(StateDigest, u64), StoreError> {
    let (mut digest, mut count) = (StateDigest::default(), 0);
    each(rows, |place, stored| {
        let (table, key) = split(place);
        digest.add(state_key, table, key, stored);
        count += 1;
    })?;
    Ok((digest, count))
}

/// Tries to open every row of the digest. The boot row was authenticated before.
pub(super) fn examine(rows: &Rows, keys: &StoreKeys) -> Result<Verdict, StoreError> {
    let (boot, mut damaged) = (Table::Boot.place(&[]), Vec::new());
    each(rows, |place, stored| {
        if place != boot && damaged.len() < DAMAGED_ROWS_NAMED_MAX && keys.open(place, stored).is_err() {
            damaged.push(RowName::at(place));
        }
    })?;
    Ok(if damaged.is_empty() { Verdict::Altered } else { Verdict::Damaged(damaged) })
}

/// Walks the rows of every table number but those outside the digest, those of no table included: a forged row shows.
fn each(rows: &Rows, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
    let (outside, behind) = (OUTSIDE_DIGEST.start().to_be_bytes(), (OUTSIDE_DIGEST.end() + 1).to_be_bytes());
    let before = (Bound::Unbounded, Bound::Excluded(outside.as_slice()));
    let after = (Bound::Included(behind.as_slice()), Bound::Unbounded);
    for (from, to) in [before, after] {
        for row in rows.between(from, to)? {
            let (place, stored) = row?;
            visit(place.value(), stored.value());
        }
    }
    Ok(())
}
