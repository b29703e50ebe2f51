//! The chain of blocks as the store keeps it: a header and a body per commit, both sealed as records at their first
//! sequence number, headers for ever, bodies until retention takes them.

use std::ops::Bound;

use zeroize::Zeroizing;

use super::batch::Journalled;
use super::digest::DAMAGED_ROWS_NAMED_MAX;
use super::disk::Rows;
use super::error::StoreError;
use super::keys::StoreKeys;
use super::table::{self, RowName, SCAN_ROWS_MAX, Table};
use crate::crypto::block::{BlockHeader, Leaf, Leaves, merkle_root};

/// Where the chain stands: what the next block links to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The chain's id: the appliance's.
    pub chain: [u8; 16],
    /// Counts restores.
    pub epoch: u32,
    /// Sequence number of the next record.
    pub next_sequence: u64,
    /// Hash of the last header; zero bytes before the first.
    pub hash: [u8; 32],
    /// Time of the last header, microseconds since 1970 UTC; the next is never earlier.
    pub time_us: u64,
}

/// A block that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its header.
    pub header: BlockHeader,
    /// The header's hash.
    pub hash: [u8; 32],
}

/// A block as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its header.
    pub header: BlockHeader,
    /// Its leaves one behind the other, checked against the header's root and count; `None` once they were pruned.
    pub leaves: Option<Zeroizing<Vec<u8>>>,
}

impl Head {
    /// The head before the first block.
    pub(super) const fn genesis(chain: [u8; 16], epoch: u32) -> Self {
        Self { chain, epoch, next_sequence: 0, hash: [0; 32], time_us: 0 }
    }

    /// The head after `header`.
    pub(super) fn after(header: &BlockHeader) -> Self {
        Self {
            chain: header.chain,
            epoch: header.epoch,
            next_sequence: header.first_sequence.saturating_add(u64::from(header.count)),
            hash: header.hash(),
            time_us: header.time_us,
        }
    }

    /// The header that comes next.
    pub(super) fn close(
        &self,
        epoch: u32,
        time_us: u64,
        journalled: &Journalled,
        state: [u8; 32],
    ) -> BlockHeader {
        BlockHeader {
            chain: self.chain,
            epoch,
            first_sequence: self.next_sequence,
            count: journalled.count,
            time_us: time_us.max(self.time_us),
            previous: self.hash,
            root: journalled.root,
            state,
        }
    }
}

/// How the chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The last header that opens.
    pub(super) header: Option<BlockHeader>,
    /// Those behind it, which do not.
    pub(super) lost: Vec<RowName>,
    /// Behind the last record there can have been, as far as anybody knows.
    pub(super) next_sequence: u64,
}

/// Most headers that are looked at from the end back for one that opens.
const LOST_HEADERS_MAX: usize = DAMAGED_ROWS_NAMED_MAX;

impl End {
    /// The head that goes on from here. What is lost keeps its numbers: no record is ever given one that another had.
    pub(super) fn head(&self, chain: [u8; 16], epoch: u32) -> Head {
        let last = self.header.as_ref().map_or_else(|| Head::genesis(chain, epoch), Head::after);
        Head { next_sequence: self.next_sequence, ..last }
    }
}

/// How the chain ends; `None` when there is no block at all.
///
/// # Errors
/// [`StoreError::Damaged`] when the last headers are more than can be looked at, or at a place where no block can be.
pub(super) fn end(rows: &Rows<'_>, keys: &StoreKeys) -> Result<Option<End>, StoreError> {
    let (first, last) = (Table::Blocks.place(&[]), Table::BlockBodies.place(&[]));
    let mut end = End { header: None, lost: Vec::new(), next_sequence: 0 };
    for row in rows.between(Bound::Included(&first), Bound::Excluded(&last))?.rev() {
        let (place, stored) = row?;
        match open_header(keys, place.value(), stored.value()) {
            Ok(header) => {
                end.next_sequence = end.next_sequence.max(Head::after(&header).next_sequence);
                end.header = Some(header);
                break;
            }
            Err(StoreError::Damaged { .. })
                if end.lost.len() < LOST_HEADERS_MAX && first_sequence(place.value()) < SEQUENCE_MAX =>
            {
                let behind = behind_lost(rows, keys, first_sequence(place.value()))?;
                end.next_sequence = end.next_sequence.max(behind);
                end.lost.push(RowName::at(place.value()));
            }
            Err(other) => return Err(other),
        }
    }
    if !end.lost.is_empty() {
        end.next_sequence = end.next_sequence.max(last_witnessed(rows, keys)?);
    }
    Ok((end.header.is_some() || !end.lost.is_empty()).then_some(end))
}

/// Behind the records of a block whose header is lost: its body counts them, if it opens.
fn behind_lost(rows: &Rows<'_>, keys: &StoreKeys, first: u64) -> Result<u64, StoreError> {
    let place = Table::BlockBodies.place(&first.to_be_bytes());
    let counted = rows.at(&place)?.and_then(|stored| {
        let opened = keys.open(&place, stored.value()).ok()?;
        u64::try_from(Leaves::new(&opened.value).count()).ok()
    });
    Ok(first.saturating_add(counted.unwrap_or(1).max(1)))
}

/// Behind the last record that a checkpoint of the store stands for; 0 when none opens.
fn last_witnessed(rows: &Rows<'_>, keys: &StoreKeys) -> Result<u64, StoreError> {
    let (first, end) = (Table::Checkpoints.place(&[]), (Table::Checkpoints.number() + 1).to_be_bytes());
    for row in rows.between(Bound::Included(&first), Bound::Excluded(&end))?.rev().take(LOST_HEADERS_MAX) {
        let (place, stored) = row?;
        if keys.open(place.value(), stored.value()).is_ok() {
            return Ok(first_sequence(place.value()));
        }
    }
    Ok(0)
}

/// The newest checkpoint that opens.
pub(super) fn newest_checkpoint(
    rows: &Rows<'_>,
    keys: &StoreKeys,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    // No number is longer than eight bytes.
    let (first, last) = (Table::Checkpoints.place(&[]), Table::Checkpoints.place(&[0xff; 9]));
    for row in rows.between(Bound::Included(&first), Bound::Excluded(&last))?.rev() {
        let (place, stored) = row?;
        match keys.open(place.value(), stored.value()) {
            Ok(row) => return Ok(Some(row.value)),
            Err(StoreError::Damaged { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// The block that holds record `sequence`.
pub(super) fn block_of(
    rows: &Rows<'_>,
    keys: &StoreKeys,
    sequence: u64,
) -> Result<Option<Block>, StoreError> {
    let (first, last) = (Table::Blocks.place(&[]), Table::Blocks.place(&sequence.to_be_bytes()));
    let mut headers = rows.between(Bound::Included(&first), Bound::Included(&last))?;
    let Some(row) = headers.next_back() else { return Ok(None) };
    let (place, stored) = row?;
    let header = open_header(keys, place.value(), stored.value())?;
    if Head::after(&header).next_sequence <= sequence {
        return Ok(None);
    }
    with_leaves(rows, keys, header).map(Some)
}

/// Blocks whose first sequence is `from` or later.
pub(super) fn blocks(
    rows: &Rows<'_>,
    keys: &StoreKeys,
    from: u64,
    limit: usize,
) -> Result<Vec<Result<Block, StoreError>>, StoreError> {
    let (first, last) = (Table::Blocks.place(&from.to_be_bytes()), Table::BlockBodies.place(&[]));
    rows.between(Bound::Included(&first), Bound::Excluded(&last))?
        .take(limit.min(SCAN_ROWS_MAX))
        .map(|row| {
            let (place, stored) = row?;
            let header = open_header(keys, place.value(), stored.value());
            Ok(header.and_then(|header| with_leaves(rows, keys, header)))
        })
        .collect()
}

/// Numbers behind this are no records': it is far beyond what a chain comes to, and leaves room to count on.
const SEQUENCE_MAX: u64 = 1 << 62;

/// What came between a head that was noted and the one there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// This many blocks, each following the one before.
    Unbroken(u64),
    /// The chain has not come as far as the noted head.
    Behind,
    /// The chain went another way before the noted head.
    Apart,
    /// The header that should be the noted head's is damaged; it begins at this sequence number.
    Unreadable(u64),
    /// A header after the noted head is damaged, missing, or follows another than the one before it; it should begin at this
    /// sequence number.
    Broken(u64),
}

/// Walks the headers from `noted` to `head`.
pub(super) fn descent(
    rows: &Rows,
    keys: &StoreKeys,
    noted: &Head,
    head: &Head,
) -> Result<Descent, StoreError> {
    if (noted.epoch, noted.next_sequence) > (head.epoch, head.next_sequence)
        || noted.next_sequence > head.next_sequence
    {
        return Ok(Descent::Behind);
    }
    let (first, end) = (Table::Blocks.place(&[]), Table::BlockBodies.place(&[]));
    let from = Table::Blocks.place(&noted.next_sequence.to_be_bytes());
    let mut last = match rows.between(Bound::Included(&first), Bound::Excluded(&from))?.next_back() {
        None => Head::genesis(noted.chain, noted.epoch),
        Some(row) => {
            let (place, stored) = row?;
            match open_header(keys, place.value(), stored.value()) {
                Ok(header) => Head::after(&header),
                Err(StoreError::Damaged { .. }) => {
                    return Ok(Descent::Unreadable(first_sequence(place.value())));
                }
                Err(other) => return Err(other),
            }
        }
    };
    if (last.epoch, last.next_sequence, last.hash) != (noted.epoch, noted.next_sequence, noted.hash) {
        return Ok(Descent::Apart);
    }
    let mut blocks = 0;
    for row in rows.between(Bound::Included(&from), Bound::Excluded(&end))? {
        let (place, stored) = row?;
        let header = match open_header(keys, place.value(), stored.value()) {
            Ok(header) => header,
            Err(StoreError::Damaged { .. }) => return Ok(Descent::Broken(last.next_sequence)),
            Err(other) => return Err(other),
        };
        let follows = header.previous == last.hash
            && header.first_sequence == last.next_sequence
            && header.chain == last.chain
            && header.epoch >= last.epoch
            && header.time_us >= last.time_us;
        if !follows {
            return Ok(Descent::Broken(last.next_sequence));
        }
        last = Head::after(&header);
        blocks += 1;
    }
    Ok(Descent::Unbroken(blocks))
}

/// The first sequence of the block at or before record `sequence`.
pub(super) fn block_at(rows: &Rows, sequence: u64) -> Result<Option<u64>, StoreError> {
    let (first, last) = (Table::Blocks.place(&[]), Table::Blocks.place(&sequence.to_be_bytes()));
    let mut headers = rows.between(Bound::Included(&first), Bound::Included(&last))?;
    headers.next_back().map(|row| row.map(|(place, _)| first_sequence(place.value()))).transpose()
}

/// The first sequence of the first block whose body is there.
pub(super) fn first_body(rows: &Rows) -> Result<Option<u64>, StoreError> {
    let (first, end) = (Table::BlockBodies.place(&[]), Table::Statistics.place(&[]));
    let mut bodies = rows.between(Bound::Included(&first), Bound::Excluded(&end))?;
    bodies.next().map(|row| row.map(|(place, _)| first_sequence(place.value()))).transpose()
}

/// Headers of blocks whose first sequence is `from` or later.
#[expect(
    clippy::type_complexity,
    reason = "a name would hide that each header is there or damaged by itself"
)]
pub(super) fn headers(
    rows: &Rows,
    keys: &StoreKeys,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Result<BlockHeader, StoreError>)>, StoreError> {
    let (first, last) = (Table::Blocks.place(&from.to_be_bytes()), Table::BlockBodies.place(&[]));
    rows.between(Bound::Included(&first), Bound::Excluded(&last))?
        .take(limit.min(SCAN_ROWS_MAX))
        .map(|row| {
            let (place, stored) = row?;
            let at = first_sequence(place.value());
            let header = open_header(keys, place.value(), stored.value());
            Ok((at, header.and_then(|header| in_its_place(header, at, place.value()))))
        })
        .collect()
}

/// A place binds a record to its row, so only who has the store key can make another header stand here.
fn in_its_place(header: BlockHeader, at: u64, place: &[u8]) -> Result<BlockHeader, StoreError> {
    if header.first_sequence == at {
        return Ok(header);
    }
    Err(StoreError::Damaged { row: RowName::at(place), why: "it is the header of another block" })
}

/// Of a block's place; a forged place of another length counts as the end of the journal.
fn first_sequence(place: &[u8]) -> u64 {
    let (_, key) = table::split(place);
    key.try_into().map_or(u64::MAX, u64::from_be_bytes)
}

fn open_header(keys: &StoreKeys, place: &[u8], stored: &[u8]) -> Result<BlockHeader, StoreError> {
    let opened = keys.open(place, stored)?;
    BlockHeader::parse(&opened.value)
        .map_err(|malformed| StoreError::Damaged { row: RowName::at(place), why: malformed.0 })
}

pub(super) fn with_leaves(
    rows: &Rows<'_>,
    keys: &StoreKeys,
    header: BlockHeader,
) -> Result<Block, StoreError> {
    let place = Table::BlockBodies.place(&header.first_sequence.to_be_bytes());
    let Some(stored) = rows.at(&place)? else { return Ok(Block { header, leaves: None }) };
    let bytes = keys.open(&place, stored.value())?.value;
    let damaged = |why| StoreError::Damaged { row: RowName::at(&place), why };
    let leaves: Vec<Leaf<'_>> =
        Leaves::new(&bytes).collect::<Result<_, _>>().map_err(|malformed| damaged(malformed.0))?;
    if leaves.len() as u64 != u64::from(header.count)
        || merkle_root(leaves.iter().map(|leaf| leaf.bytes)) != header.root
    {
        return Err(damaged("its records are not those its block header was made over"));
    }
    Ok(Block { header, leaves: Some(bytes) })
}
