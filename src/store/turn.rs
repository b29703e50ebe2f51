//! From one generation of the store key to the next, while rows are read and written:
//!
//! ```text
//! begin_turn   the next generation is known beside the others, and seals nothing yet
//! turn_on      rows are added up under its state key, a part at a time; what is committed meanwhile is followed
//! a batch that turns: boot row, state digest and everything from there on are the next generation's, in one commit
//! reseal       rows of older generations are sealed anew, a page at a time, none of them changed
//! forget       what no row names any more is known no longer
//! ```
//!
//! What is added up is added up twice, by the state key in force, too: a row that was altered on the disk since the last block
//! must not become one that the next generation vouches for.

use std::ops::Bound;
use std::sync::Arc;

use super::Store;
use super::disk::{Rows, guarded};
use super::error::StoreError;
use super::keys::StoreKeys;
use super::table::{OUTSIDE_DIGEST, SCAN_ROWS_MAX, Table, split};
use crate::crypto::derive::MacKey;
use crate::crypto::digest::StateDigest;
use crate::crypto::record::{NONCE_LEN, Record};

/// A turn under way. It is in memory only: after a failure it begins anew.
pub(super) struct Turn {
    next: Arc<StoreKeys>,
    /// Where it goes on; rows before that are added up.
    from: Bound<Vec<u8>>,
    is_whole: bool,
    sums: Sums,
}

/// What was added up, by the state key in force and by the next.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    present: StateDigest,
    next: StateDigest,
}

/// What a commit changes of the rows that a turn has added up.
pub(super) struct Following<'a> {
    turn: &'a Turn,
    pub(super) sums: Sums,
}

impl Turn {
    fn new(next: Arc<StoreKeys>) -> Self {
        Self { next, from: Bound::Unbounded, is_whole: false, sums: Sums::default() }
    }

    /// Goes on for `rows_max` rows. Whether all are added up.
    fn add_up(&mut self, rows: &Rows<'_>, state_key: &MacKey, rows_max: usize) -> Result<bool, StoreError> {
        let outside = OUTSIDE_DIGEST.start().to_be_bytes();
        let behind = (OUTSIDE_DIGEST.end() + 1).to_be_bytes();
        let mut left = rows_max;
        while !self.is_whole {
            let is_before = match &self.from {
                Bound::Unbounded => true,
                Bound::Excluded(place) | Bound::Included(place) => place.as_slice() < outside.as_slice(),
            };
            let to = if is_before { Bound::Excluded(outside.as_slice()) } else { Bound::Unbounded };
            let from = self.from.clone();
            for row in rows.between(from.as_ref().map(Vec::as_slice), to)? {
                if left == 0 {
                    return Ok(false);
                }
                let (place, stored) = row?;
                let (table, key) = split(place.value());
                self.sums.present.add(state_key, table, key, stored.value());
                self.sums.next.add(&self.next.state, table, key, stored.value());
                self.from = Bound::Excluded(place.value().to_vec());
                left -= 1;
            }
            if is_before {
                self.from = Bound::Included(behind.to_vec());
            } else {
                self.is_whole = true;
            }
        }
        Ok(true)
    }

    fn covers(&self, place: &[u8]) -> bool {
        self.is_whole
            || match &self.from {
                Bound::Unbounded => false,
                Bound::Excluded(last) => place <= last.as_slice(),
                Bound::Included(next) => place < next.as_slice(),
            }
    }

    /// The next generation's keys.
    pub(super) const fn next(&self) -> &Arc<StoreKeys> {
        &self.next
    }

    /// The state digest by the next state key, once every row is in it and they are those of `digest`.
    pub(super) fn digest(&self, digest: StateDigest) -> Result<StateDigest, StoreError> {
        if !self.is_whole {
            return Err(StoreError::refused("its turn has not added up every row"));
        }
        if self.sums.present == digest { Ok(self.sums.next) } else { Err(StoreError::Altered) }
    }

    pub(super) const fn follow(&self) -> Following<'_> {
        Following { turn: self, sums: self.sums }
    }

    /// A commit that was followed is durable.
    pub(super) const fn followed(&mut self, sums: Sums) {
        self.sums = sums;
    }
}

impl Following<'_> {
    /// A row of the digest is `new` where it was `old`.
    pub(super) fn change(
        &mut self,
        state_key: &MacKey,
        place: &[u8],
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) {
        if !self.turn.covers(place) {
            return;
        }
        let (table, key) = split(place);
        for (sum, by) in [(&mut self.sums.present, state_key), (&mut self.sums.next, &self.turn.next.state)] {
            if let Some(old) = old {
                sum.remove(by, table, key, old);
            }
            if let Some(new) = new {
                sum.add(by, table, key, new);
            }
        }
    }
}

/// Rows of older generations, sealed anew and not yet in their place.
pub struct Resealed {
    pub(super) rows: Vec<ResealedRow>,
    /// What to go on behind; none at the end.
    pub next: Option<Vec<u8>>,
    /// Rows on the way that do not open: they stay as they are.
    pub damaged: u64,
}

pub(super) struct ResealedRow {
    pub(super) place: Vec<u8>,
    /// Of the record that was sealed anew: one that was written meanwhile stays.
    pub(super) was: [u8; NONCE_LEN],
    pub(super) stored: Vec<u8>,
}

impl Resealed {
    /// How many there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }
}

impl Store {
    /// Begins a turn: `present` are the keys in force with the next generation beside them, `next` the same of which that one
    /// seals. A turn that was under way is given up.
    ///
    /// # Errors
    /// [`StoreError::Keys`] when they do not fit; [`StoreError::Disputed`], [`StoreError::Stopped`].
    pub fn begin_turn(&self, present: StoreKeys, next: StoreKeys) -> Result<(), StoreError> {
        let mut chain = self.0.chain.lock();
        chain.gate.admit(false)?;
        if present.current() != self.0.keys().current() || next.current() == present.current() {
            return Err(StoreError::Keys("they are not those of a turn from the generation in force"));
        }
        *self.0.keys.write() = Arc::new(present);
        chain.turn = Some(Turn::new(Arc::new(next)));
        Ok(())
    }

    /// Adds up `rows_max` more rows for the turn under way; commits wait meanwhile. Whether all are added up.
    ///
    /// # Errors
    /// [`StoreError::Refused`] without a turn, [`StoreError::Disputed`], [`StoreError::Stopped`], [`StoreError::Disk`].
    pub fn turn_on(&self, rows_max: usize) -> Result<bool, StoreError> {
        let mut chain = self.0.chain.lock();
        chain.gate.admit(false)?;
        let keys = self.0.keys();
        let turn = chain.turn.as_mut().ok_or(StoreError::refused("no turn is under way"))?;
        guarded("read records", || turn.add_up(&self.0.disk.read()?, &keys.state, rows_max))
            .inspect_err(|_| chain.turn = None)
    }

    /// Whether a turn is under way.
    #[must_use]
    pub fn is_turning(&self) -> bool {
        self.0.chain.lock().turn.is_some()
    }

    /// Gives up the turn under way.
    pub fn give_up_turn(&self) {
        self.0.chain.lock().turn = None;
    }

    /// Seals rows of older generations anew, from behind `after` on: at most `rows_max` of them and about `bytes_max` bytes,
    /// found among [`SCAN_ROWS_MAX`] rows. [`super::Batch::reseal`] puts them in their place.
    ///
    /// # Errors
    /// [`StoreError::Disk`], [`StoreError::NoRandomness`].
    pub fn reseal(&self, after: &[u8], rows_max: usize, bytes_max: usize) -> Result<Resealed, StoreError> {
        let boot = Table::Boot.place(&[]);
        guarded("read records", || {
            let rows = self.0.disk.read()?;
            let keys = self.0.keys();
            let mut found = Resealed { rows: Vec::new(), next: None, damaged: 0 };
            let (mut looked, mut bytes) = (0, 0);
            for row in rows.between(Bound::Excluded(after), Bound::Unbounded)? {
                let (place, stored) = row?;
                if looked >= SCAN_ROWS_MAX || found.rows.len() >= rows_max || bytes >= bytes_max {
                    return Ok(found);
                }
                looked += 1;
                found.next = Some(place.value().to_vec());
                let generation = Record::parse(stored.value()).map(|record| record.generation);
                if place.value() == boot || generation == Ok(keys.current()) {
                    continue;
                }
                let Ok(opened) = keys.open(place.value(), stored.value()) else {
                    found.damaged += 1;
                    continue;
                };
                let (table, key) = split(place.value());
                let sealed = keys.sealing().seal(table, key, &opened.value)?;
                bytes += sealed.len();
                found.rows.push(ResealedRow {
                    place: place.value().to_vec(),
                    was: opened.nonce,
                    stored: sealed,
                });
            }
            found.next = None;
            Ok(found)
        })
    }

    /// Knows no other keys than these any more, of which the same generation seals. Waits for whoever reads.
    ///
    /// # Errors
    /// [`StoreError::Keys`] when another generation seals, or a turn is under way.
    pub fn forget(&self, keys: StoreKeys) -> Result<(), StoreError> {
        let chain = self.0.chain.lock();
        if keys.current() != self.0.keys().current() || chain.turn.is_some() {
            return Err(StoreError::Keys("another generation seals, or is about to"));
        }
        // Whoever reads by now has found no row of theirs that is not sealed anew meanwhile.
        self.0.disk.alone(|| *self.0.keys.write() = Arc::new(keys));
        Ok(())
    }

    /// Whether generations besides the one that seals are known, and no turn is under way.
    #[must_use]
    pub fn knows_older_keys(&self) -> bool {
        let chain = self.0.chain.lock();
        chain.turn.is_none() && self.0.keys().generations() > 1
    }

    /// How many rows there are, of all tables.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn rows(&self) -> Result<u64, StoreError> {
        guarded("read records", || self.0.disk.read()?.count())
    }
}
