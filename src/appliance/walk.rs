//! A walk along the journal, block by block, forward or back. The chain is checked on the way: each block follows the one before
//! by number and by hash, and has its records. A damaged block is named and left out. However long the journal is, a walk ends
//! after a bounded number of blocks and says where the next one goes on.

use std::ops::ControlFlow;

use crate::crypto::block::{Leaf, Leaves};
use crate::domain::timestamp::Timestamp;
use crate::store::{Block, RowName, StoreError};

use super::export::DAMAGE_NAMED_MAX;
use super::fault::{Fault, Stop};
use super::operational::Operational;

/// Blocks read at a time; each may have a body of a mebibyte and more.
const PAGE_BLOCKS: usize = 16;
/// Blocks of one walk at most.
const BLOCKS_MAX: u64 = 8_192;
/// Records of one walk at most, by the block.
const RECORDS_MAX: u64 = 200_000;
/// A record's time is before its block was closed, by as much as its request took.
const REQUESTS_TAKE_AT_MOST_S: u64 = 3_600;

/// Is shown a record and its sequence number.
pub(super) type Visit<'v> = dyn FnMut(u64, &Leaf<'_>) -> Result<ControlFlow<()>, Stop> + 'v;

/// Which records, in which order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Walk {
    /// Where it begins: the first record going forward, the last going back; from the end of the journal without.
    pub from: Option<u64>,
    /// Newest first.
    pub is_backward: bool,
    /// Only what was recorded at this moment or later.
    pub since: Option<Timestamp>,
    /// Only what was recorded before this moment.
    pub until: Option<Timestamp>,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walked {
    /// Where the next one begins, if there may be more.
    pub next: Option<u64>,
    /// The first record that was not pruned.
    pub pruned_to: u64,
    /// Rows of blocks on the way that do not open, the first hundred.
    pub damaged: Vec<RowName>,
}

/// One under way.
struct Way<'a> {
    walk: Walk,
    appliance: &'a Operational,
    pruned_to: u64,
    damaged: Vec<RowName>,
    blocks: u64,
    records: u64,
}

impl Operational {
    /// Shows every record of `walk` to `visit`, until that breaks: the walk goes on at that record then.
    ///
    /// # Errors
    /// A fault when a block on the way is missing or another; it is named. And those of `visit`.
    pub(super) fn walk(&self, walk: Walk, visit: &mut Visit<'_>) -> Result<Walked, Stop> {
        let pruned_to = self.pruned_to()?;
        let mut way = Way { walk, appliance: self, pruned_to, damaged: Vec::new(), blocks: 0, records: 0 };
        let next = if walk.is_backward { way.back(visit)? } else { way.forth(visit)? };
        let Way { pruned_to, damaged, .. } = way;
        Ok(Walked { next, pruned_to, damaged })
    }

    /// The first record of the first block that was closed at `since` or later, as near as headers tell.
    fn first_since(&self, since: Timestamp, from: u64) -> Result<u64, Stop> {
        let (mut low, mut high) = (from, self.store.head().next_sequence.max(from));
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(at) = self.store.block_at(middle)? else { return Ok(low) };
            match self.store.headers(at, 1)?.pop() {
                Some((_, Ok(header))) if header.time_us < since.micros() => {
                    low = (at + u64::from(header.count)).max(middle + 1);
                }
                // A damaged one may be either; earlier is never wrong.
                _ => high = at.max(low).min(middle),
            }
        }
        Ok(low)
    }
}

impl Way<'_> {
    fn forth(&mut self, visit: &mut Visit<'_>) -> Result<Option<u64>, Stop> {
        let store = &self.appliance.store;
        let mut from = self.walk.from.unwrap_or(0).max(self.pruned_to);
        if let Some(since) = self.walk.since {
            from = self.appliance.first_since(since, from)?;
        }
        // `from` may lie inside a block.
        let mut at = store.block_at(from)?.unwrap_or(from);
        let (mut before, mut is_behind_damage): (Option<[u8; 32]>, bool) = (None, false);
        loop {
            let blocks = store.blocks(at, PAGE_BLOCKS)?;
            if blocks.is_empty() {
                return Ok(None);
            }
            for block in blocks {
                if self.is_enough() {
                    return Ok(Some(at));
                }
                let block = match block {
                    Ok(block) => block,
                    Err(StoreError::Damaged { row, .. }) => {
                        at = row.key().try_into().map_or(u64::MAX, u64::from_be_bytes).saturating_add(1);
                        (before, is_behind_damage) = (None, true);
                        self.name(row);
                        continue;
                    }
                    Err(other) => return Err(other.into()),
                };
                if std::mem::take(&mut is_behind_damage) {
                    at = block.header.first_sequence;
                }
                let follows = before.is_none_or(|hash| hash == block.header.previous);
                if block.header.first_sequence != at || !follows {
                    return Err(broken(at));
                }
                before = Some(block.header.hash());
                at += u64::from(block.header.count);
                if self.is_too_late(&block) {
                    return Ok(None);
                }
                if let Some(next) = self.show(&block, visit, &|sequence| sequence >= from)? {
                    return Ok(Some(next));
                }
            }
        }
    }

    fn back(&mut self, visit: &mut Visit<'_>) -> Result<Option<u64>, Stop> {
        let store = &self.appliance.store;
        let from = self.walk.from.unwrap_or(u64::MAX);
        let mut from = from.min(store.head().next_sequence.saturating_sub(1));
        if let Some(until) = self.walk.until {
            let after = Timestamp::from_seconds(until.seconds().saturating_add(REQUESTS_TAKE_AT_MOST_S));
            from = from.min(self.appliance.first_since(after, self.pruned_to)?);
        }
        let mut at = store.block_at(from)?;
        let mut behind: Option<(u64, [u8; 32])> = None;
        while let Some(place) = at.filter(|_| from >= self.pruned_to) {
            if self.is_enough() {
                // The last record of the block that would come next.
                return Ok(store
                    .headers(place, 1)?
                    .pop()
                    .and_then(|(_, header)| header.ok())
                    .map_or(Some(place), |header| Some(place + u64::from(header.count) - 1)));
            }
            let block = match store.blocks(place, 1)?.pop() {
                Some(Ok(block)) => block,
                Some(Err(StoreError::Damaged { row, .. })) => {
                    self.name(row);
                    self.blocks += 1;
                    behind = None;
                    at = place.checked_sub(1).map(|below| store.block_at(below)).transpose()?.flatten();
                    continue;
                }
                Some(Err(other)) => return Err(other.into()),
                None => return Ok(None),
            };
            let (first, end) =
                (block.header.first_sequence, block.header.first_sequence + u64::from(block.header.count));
            if behind.is_some_and(|(next, previous)| next != end || previous != block.header.hash()) {
                return Err(broken(end));
            }
            behind = Some((first, block.header.previous));
            if end <= self.pruned_to
                || self.walk.since.is_some_and(|since| block.header.time_us < since.micros())
            {
                return Ok(None);
            }
            if let Some(next) = self.show(&block, visit, &|sequence| sequence <= from)? {
                return Ok(Some(next));
            }
            at = first.checked_sub(1).map(|below| store.block_at(below)).transpose()?.flatten();
        }
        Ok(None)
    }

    /// Shows the records of a block; the one that it broke at, if it did.
    fn show(
        &mut self,
        block: &Block,
        visit: &mut Visit<'_>,
        is_wanted: &dyn Fn(u64) -> bool,
    ) -> Result<Option<u64>, Stop> {
        let first = block.header.first_sequence;
        self.blocks += 1;
        self.records += u64::from(block.header.count);
        let Some(leaves) = block.leaves.as_ref() else {
            // A prune moves its row in the commit that takes the records out; what lies behind it was taken away.
            if first + u64::from(block.header.count) <= self.appliance.pruned_to()? {
                return Ok(None);
            }
            return Err(Fault::new(format!(
                "the journal's records from {first} on were taken away: no prune did that. Keep the store as it is, and run \
                 gembok audit check"
            ))
            .into());
        };
        let leaves: Result<Vec<_>, _> = Leaves::new(leaves).collect();
        let leaves = leaves.map_err(|malformed| Fault::new(malformed.to_string()))?;
        let mut numbered: Vec<_> =
            (first..).zip(&leaves).filter(|(sequence, _)| is_wanted(*sequence)).collect();
        if self.walk.is_backward {
            numbered.reverse();
        }
        for (sequence, leaf) in numbered {
            if visit(sequence, leaf)?.is_break() {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    const fn is_enough(&self) -> bool {
        self.blocks >= BLOCKS_MAX || self.records >= RECORDS_MAX
    }

    fn is_too_late(&self, block: &Block) -> bool {
        let Some(until) = self.walk.until else { return false };
        block.header.time_us / 1_000_000 > until.seconds().saturating_add(REQUESTS_TAKE_AT_MOST_S)
    }

    fn name(&mut self, row: RowName) {
        if self.damaged.len() < DAMAGE_NAMED_MAX {
            self.damaged.push(row);
        }
    }
}

fn broken(at: u64) -> Stop {
    Fault::new(format!("the journal's chain is broken at record {at}")).into()
}
