//! Exporting the journal, a page at a time: whoever carries the pages away holds the unlocked appliance only while one is
//! made, so a lock waits for a page and not for a slow reader.
//!
//! An export begins by having the present head signed, and goes on as far as that checkpoint, with headers alone behind what
//! was asked for: so nothing in it is behind the last signature. What cannot be read does not end it: the block is left out,
//! or stands without its records, and is named, so that a verification finds the same.

use std::collections::VecDeque;

use crate::crypto::block::{BlockHeader, Leaf, Leaves};
use crate::crypto::checkpoint::{Checkpoint, CheckpointKey};
use crate::crypto::export::{Item, Proved, Records, Trailer};
use crate::crypto::merkle::Tree;
use crate::domain::access_record;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::chain::PRUNE_ACT;
use crate::domain::id::EndpointId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Scan, StoreError, Table};

use super::fault::{Fault, Stop};
use super::operational::Operational;

/// A page is handed over when it has this many bytes.
const PAGE_BYTES_ENOUGH: usize = 256 << 10;
/// Headers read at a time.
const PAGE_BLOCKS: usize = 256;
/// Checkpoints in an export at most: that of its start, and the newest.
const CHECKPOINTS_MAX: usize = 1_024;
/// Damaged blocks that are named one by one.
pub(super) const DAMAGE_NAMED_MAX: usize = 100;

/// Which records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All of them, in whole blocks.
    Everything,
    /// Those of one kind, each with a proof.
    Kind(u16),
    /// The access records of one endpoint, each with a proof.
    Endpoint(EndpointId),
}

/// What to export.
#[derive(Debug, Clone, Copy)]
pub struct ExportWanted {
    /// First record; from the first that was not pruned without. The block that holds it is exported whole.
    pub from: Option<u64>,
    /// Last record; up to the present without.
    pub to: Option<u64>,
    /// Which of the records between.
    pub selection: Selection,
}

/// An export under way.
pub struct Export {
    id: u64,
    selection: Selection,
    first: u64,
    /// Where the next block begins.
    at: u64,
    /// Behind the last block whose records are wanted.
    wanted: u64,
    /// Behind the last block.
    end: u64,
    trailer: Trailer,
    ended: bool,
    blocks: u64,
    damage: Vec<String>,
    damaged: u64,
}

/// An export that is complete.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Its name for [`Operational::keep_export`].
    pub id: u64,
    /// Sequence number of its first record.
    pub first: u64,
    /// Behind the last record that was wanted.
    pub next: u64,
    /// Blocks in it.
    pub blocks: u64,
    /// Whether all records between are in it.
    pub is_whole: bool,
    /// What could not be read, the first hundred.
    pub damage: Vec<String>,
    /// How many blocks could not be read.
    pub damaged: u64,
}

impl Export {
    /// Its name from the start.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whether its last page was made.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// What its last item will be.
    #[must_use]
    pub const fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    fn damaged(&mut self, what: String) {
        tracing::error!(what, "the journal is damaged");
        self.damaged += 1;
        if self.damage.len() < DAMAGE_NAMED_MAX {
            self.damage.push(what);
        }
    }

    fn wants(&self, leaf: &Leaf<'_>) -> bool {
        let selected = match self.selection {
            Selection::Everything => true,
            Selection::Kind(kind) => leaf.kind == kind,
            Selection::Endpoint(endpoint) => {
                leaf.kind == access_record::KIND && access_record::endpoint_of(leaf.body) == Some(endpoint)
            }
        };
        // Without them nobody could tell what was pruned from what was taken away.
        selected || is_prune_record(leaf)
    }
}

impl Operational {
    /// Begins an export. The present head is signed first; while the token is away, what was signed before has to do.
    ///
    /// # Errors
    /// A refusal when there is no such record, [`StoreError`]s as faults.
    pub fn begin_export(&self, wanted: ExportWanted, now: Now) -> Result<Export, Stop> {
        let head = self.store.head();
        if let Err(why) = self.bear_witness(now) {
            tracing::warn!(%why, "an export goes on without a checkpoint of the present head");
        }
        let from = match wanted.from {
            Some(from) => from,
            None => self.pruned_to()?,
        };
        let last = wanted.to.unwrap_or(u64::MAX).min(head.next_sequence.saturating_sub(1));
        if from > last {
            let next = head.next_sequence;
            let detail =
                format!("There are records up to {} and none from {from} to {last}.", next.saturating_sub(1));
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        let first = self.store.block_at(from)?.unwrap_or(from);
        let (checkpoints, end) = self.checkpoints_for(first, last + 1)?;
        let keys = self.checkpoint_keys()?;
        Ok(Export {
            id: self.retention.name(now),
            selection: wanted.selection,
            first,
            at: first,
            wanted: last + 1,
            end,
            trailer: Trailer { checkpoints, keys },
            ended: false,
            blocks: 0,
            damage: Vec::new(),
            damaged: 0,
        })
    }

    /// The next bytes of an export; `None` after the last.
    ///
    /// # Errors
    /// [`StoreError::Disk`] as a fault.
    pub fn export_page(&self, export: &mut Export) -> Result<Option<Vec<u8>>, Stop> {
        if export.ended {
            return Ok(None);
        }
        let mut page = Vec::new();
        while page.len() < PAGE_BYTES_ENOUGH && export.at < export.end {
            let headers = self.store.headers(export.at, PAGE_BLOCKS)?;
            if headers.is_empty() {
                export.damaged(format!("the blocks from record {} on are missing", export.at));
                export.at = export.end;
            }
            for (first, header) in headers {
                if page.len() >= PAGE_BYTES_ENOUGH || export.at >= export.end {
                    break;
                }
                self.export_block(export, first, header, &mut page)?;
            }
        }
        if export.at >= export.end {
            Item::End(export.trailer.clone()).write(&mut page);
            export.ended = true;
        }
        Ok(Some(page))
    }

    fn export_block(
        &self,
        export: &mut Export,
        first: u64,
        header: Result<BlockHeader, StoreError>,
        page: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        if first > export.at {
            export.damaged(format!("records {} to {} are missing", export.at, first - 1));
        }
        let header = match header {
            Ok(header) => header,
            Err(error @ StoreError::Damaged { .. }) => {
                export.damaged(error.to_string());
                // The next one shows how many records are lost.
                export.at = first + 1;
                return Ok(());
            }
            Err(other) => return Err(other.into()),
        };
        export.at = first.saturating_add(header.count.into());
        export.blocks += 1;
        if first >= export.wanted {
            Item::Block { header, records: Records::Part(Vec::new()) }.write(page);
            return Ok(());
        }
        let leaves = match self.store.leaves(&header) {
            Ok(Some(leaves)) => leaves,
            Ok(None) => {
                if export.at > self.pruned_to()? {
                    export.damaged(format!("the records of the block at record {first} were taken away"));
                }
                Item::Block { header, records: Records::Pruned }.write(page);
                return Ok(());
            }
            Err(error @ StoreError::Damaged { .. }) => {
                export.damaged(error.to_string());
                Item::Block { header, records: Records::Pruned }.write(page);
                return Ok(());
            }
            Err(other) => return Err(other.into()),
        };
        let leaves: Vec<Leaf<'_>> = Leaves::new(&leaves)
            .collect::<Result<_, _>>()
            .map_err(|malformed| Fault::new(malformed.to_string()))?;
        let records = if export.selection == Selection::Everything {
            Records::Whole(leaves)
        } else {
            Records::Part(proved(&leaves, |leaf| export.wants(leaf)))
        };
        Item::Block { header, records }.write(page);
        Ok(())
    }

    /// Checkpoints that name the start or a block behind it, up to the first that stands for all that is wanted; and where
    /// the last of them stands, or the wanted end without.
    fn checkpoints_for(&self, first: u64, wanted: u64) -> Result<(Vec<Checkpoint>, u64), Stop> {
        let mut found: VecDeque<Checkpoint> = VecDeque::new();
        let mut start = None;
        let mut after = first.checked_sub(1).map(|before| before.to_be_bytes().to_vec());
        loop {
            let range = Scan { prefix: &[], after: after.as_deref(), limit: 1_000 };
            let rows = self.store.scan(Table::Checkpoints, range)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for checkpoint in rows.into_iter().filter_map(|(_, row)| read_checkpoint(&row.ok()?.value)) {
                let next = checkpoint.statement.next_sequence;
                if next == first {
                    start = Some(checkpoint);
                    continue;
                }
                found.push_back(checkpoint);
                if found.len() > CHECKPOINTS_MAX {
                    found.pop_front();
                }
                if next >= wanted {
                    let end = next;
                    return Ok((start.into_iter().chain(found).collect(), end));
                }
            }
        }
        Ok((start.into_iter().chain(found).collect(), wanted))
    }

    /// The public halves of the keys that sign checkpoints, of every epoch.
    ///
    /// # Errors
    /// A fault when the boot row holds one that is none.
    pub fn checkpoint_keys(&self) -> Result<Vec<CheckpointKey>, Stop> {
        let keys = self.boot.checkpoint_keys.iter().map(|entry| CheckpointKey::from_spki(&entry.spki));
        Ok(keys.collect::<Result<_, _>>().map_err(|malformed| Fault::new(malformed.0))?)
    }

    /// Takes note of an export whose last page was made, so that its keeper can say that it was kept.
    pub fn conclude_export(&self, export: Export) -> Exported {
        let exported = Exported {
            id: export.id,
            first: export.first,
            next: export.wanted,
            blocks: export.blocks,
            is_whole: export.selection == Selection::Everything,
            damage: export.damage,
            damaged: export.damaged,
        };
        self.retention.conclude(exported.clone());
        exported
    }
}

/// A stored checkpoint; `None` when it cannot be read.
pub(super) fn read_checkpoint(stored: &[u8]) -> Option<Checkpoint> {
    Checkpoint::parse(std::str::from_utf8(stored).ok()?).ok()
}

fn proved<'a>(leaves: &[Leaf<'a>], wants: impl Fn(&Leaf<'a>) -> bool) -> Vec<Proved<'a>> {
    if !leaves.iter().any(&wants) {
        return Vec::new();
    }
    let tree = Tree::over(leaves.iter().map(|leaf| leaf.bytes));
    let wanted = leaves.iter().enumerate().filter(|(_, leaf)| wants(leaf));
    wanted
        .filter_map(|(index, leaf)| {
            Some(Proved { index: u32::try_from(index).ok()?, leaf: *leaf, path: tree.path(index) })
        })
        .collect()
}

fn is_prune_record(leaf: &Leaf<'_>) -> bool {
    leaf.kind == audit_record::KIND
        && cbor::decode::<AuditRecord>(leaf.body).is_ok_and(|record| record.act == PRUNE_ACT)
}
