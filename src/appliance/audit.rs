//! Reading the journal back: who changed what, when.

use crate::crypto::block::Leaves;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::store::{RowName, StoreError};

use super::export::DAMAGE_NAMED_MAX;
use super::fault::{Fault, Stop};
use super::operational::Operational;

/// Blocks read at a time; each may have a body of a mebibyte and more.
const PAGE_BLOCKS: usize = 16;
/// Entries of one answer at most.
pub(super) const AUDIT_ENTRIES_MAX: usize = 1_000;

/// One audit record and its place in the chain.
pub struct AuditEntry {
    /// Its sequence number.
    pub sequence: u64,
    /// What happened.
    pub record: AuditRecord,
}

/// A page of the audit trail.
pub struct AuditPage {
    /// In order.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u64>,
    /// The first record that was not pruned; where it lies behind the page's beginning, those before are gone.
    pub pruned_to: u64,
    /// Rows of blocks on the way that do not open, the first hundred: what was in them is lost, and nothing says that the
    /// block behind one follows the block before it.
    pub damaged: Vec<RowName>,
}

impl Operational {
    /// Audit records from sequence number `from` on, at most `limit` and [`AUDIT_ENTRIES_MAX`]. The chain is checked on the
    /// way: each block follows the one before by number and by hash, and has its records. A damaged one is named and left out.
    ///
    /// # Errors
    /// A fault when a block on the way is missing or another; it is named.
    pub fn audit(&self, from: u64, limit: usize) -> Result<AuditPage, Stop> {
        let limit = limit.clamp(1, AUDIT_ENTRIES_MAX);
        let mut entries = Vec::new();
        let pruned_to = self.pruned_to()?;
        let from = from.max(pruned_to);
        // `from` may lie inside a block.
        let mut at = self.store.block_at(from)?.unwrap_or(from);
        let (mut damaged, mut is_behind_damage) = (Vec::new(), false);
        let mut before: Option<[u8; 32]> = None;
        loop {
            let blocks = self.store.blocks(at, PAGE_BLOCKS)?;
            if blocks.is_empty() {
                return Ok(AuditPage { entries, next: None, pruned_to, damaged });
            }
            for block in blocks {
                let block = match block {
                    Ok(block) => block,
                    Err(StoreError::Damaged { row, .. }) => {
                        at = row.key().try_into().map_or(u64::MAX, u64::from_be_bytes).saturating_add(1);
                        (before, is_behind_damage) = (None, true);
                        if damaged.len() < DAMAGE_NAMED_MAX {
                            damaged.push(row);
                        }
                        continue;
                    }
                    Err(other) => return Err(other.into()),
                };
                if std::mem::take(&mut is_behind_damage) {
                    at = block.header.first_sequence;
                }
                let follows = before.is_none_or(|hash| hash == block.header.previous);
                if block.header.first_sequence != at || !follows {
                    return Err(Fault::new(format!("the journal's chain is broken at record {at}")).into());
                }
                let end = block.header.first_sequence + u64::from(block.header.count);
                before = Some(block.header.hash());
                let Some(leaves) = block.leaves.as_ref() else {
                    // A prune moves its row in the commit that takes the records out; what lies behind it was taken away.
                    if end <= self.pruned_to()? {
                        at = end;
                        continue;
                    }
                    return Err(Fault::new(format!(
                        "the journal's records from {at} on were taken away: no prune did that. Keep the store as it is, \
                         and run gembok audit check"
                    ))
                    .into());
                };
                at = end;
                for (sequence, leaf) in (block.header.first_sequence..).zip(Leaves::new(leaves)) {
                    let leaf = leaf.map_err(|malformed| Fault::new(malformed.to_string()))?;
                    if leaf.kind != audit_record::KIND || sequence < from {
                        continue;
                    }
                    if entries.len() == limit {
                        return Ok(AuditPage { entries, next: Some(sequence), pruned_to, damaged });
                    }
                    entries.push(AuditEntry { sequence, record: cbor::decode(leaf.body)? });
                }
            }
        }
    }
}
