//! A batch: what one commit expects, changes and records. It holds all or nothing, and at least one record of the journal:
//! no change without a trace.

use zeroize::Zeroizing;

use super::Revision;
use super::boot::Boot;
use super::error::StoreError;
use super::table::{BATCH_CHANGES_MAX, BLOCK_BYTES_MAX, KEY_BYTES_MAX, RowName, Table, VALUE_BYTES_MAX};
use super::turn::{Resealed, ResealedRow};
use crate::crypto::block::{self, Leaf, Leaves};

/// Collected changes; nothing happens before [`super::Store::commit`].
pub struct Batch {
    pub(super) time_us: u64,
    pub(super) expectations: Vec<Expectation>,
    pub(super) changes: Vec<Change>,
    pub(super) boot: Option<Boot>,
    pub(super) leaves: Vec<u8>,
    /// Whether it is the one that the next generation of the store key begins with.
    pub(super) turns: bool,
    pub(super) resealed: Vec<ResealedRow>,
    count: u64,
}

/// What must hold about a row before the batch changes anything.
pub(super) struct Expectation {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    /// `None`: the row is not there.
    pub(super) at: Option<Revision>,
}

/// One change; they apply in the order they were added.
pub(super) struct Change {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    /// `None` deletes.
    pub(super) value: Option<Zeroizing<Vec<u8>>>,
}

/// The journal side of a batch that was found acceptable.
pub(super) struct Journalled {
    pub(super) count: u32,
    pub(super) root: [u8; 32],
}

impl Batch {
    /// An empty batch closed at `time_us`, microseconds since 1970 UTC.
    #[must_use]
    pub const fn new(time_us: u64) -> Self {
        Self {
            time_us,
            expectations: Vec::new(),
            changes: Vec::new(),
            boot: None,
            leaves: Vec::new(),
            turns: false,
            resealed: Vec::new(),
            count: 0,
        }
    }

    /// Expects that row `key` is not there.
    #[must_use]
    pub fn expect_absent(mut self, table: Table, key: &[u8]) -> Self {
        self.expectations.push(Expectation { table, key: key.to_vec(), at: None });
        self
    }

    /// Expects that row `key` is still the one that was read as `revision`.
    #[must_use]
    pub fn expect_at(mut self, table: Table, key: &[u8], revision: Revision) -> Self {
        self.expectations.push(Expectation { table, key: key.to_vec(), at: Some(revision) });
        self
    }

    /// Puts `value`, at most [`VALUE_BYTES_MAX`], into row `key`, whether it is there or not.
    #[must_use]
    pub fn put(mut self, table: Table, key: &[u8], value: impl Into<Zeroizing<Vec<u8>>>) -> Self {
        self.changes.push(Change { table, key: key.to_vec(), value: Some(value.into()) });
        self
    }

    /// Takes row `key` out, if it is there.
    #[must_use]
    pub fn delete(mut self, table: Table, key: &[u8]) -> Self {
        self.changes.push(Change { table, key: key.to_vec(), value: None });
        self
    }

    /// Replaces the boot row.
    #[must_use]
    pub fn put_boot(mut self, boot: Boot) -> Self {
        self.boot = Some(boot);
        self
    }

    /// Begins with the next generation of the store key, for which [`super::Store::turn_on`] has added up every row. Its boot
    /// row names that one.
    #[must_use]
    pub fn turn(mut self, boot: Boot) -> Self {
        self.turns = true;
        self.put_boot(boot)
    }

    /// Puts rows that were sealed anew in their place, but those that were written meanwhile.
    #[must_use]
    pub fn reseal(mut self, resealed: Resealed) -> Self {
        self.resealed = resealed.rows;
        self
    }

    /// Adds one record to the journal: its kind (1 access, 2 audit, 3 gap), the version of its body, and the body.
    #[must_use]
    pub fn record(mut self, kind: u16, version: u16, body: &[u8]) -> Self {
        block::write_leaf(&mut self.leaves, kind, version, body);
        self.count += 1;
        self
    }

    /// Adds `count` records that were written with [`block::write_leaf`] already.
    #[must_use]
    pub fn records(mut self, mut leaves: Vec<u8>, count: u32) -> Self {
        if self.leaves.is_empty() {
            self.leaves = leaves;
        } else {
            self.leaves.append(&mut leaves);
        }
        self.count += u64::from(count);
        self
    }

    /// Holds every limit, and makes the Merkle tree over the records.
    pub(super) fn check(&self) -> Result<Journalled, StoreError> {
        if self.changes.len() > BATCH_CHANGES_MAX {
            return Err(StoreError::refused("it has more changes than BATCH_CHANGES_MAX; split it"));
        }
        for Expectation { table, key, .. } in &self.expectations {
            check_row(*table, key, "its boot row is not subject to expectations")?;
        }
        for change in &self.changes {
            change.check()?;
        }
        if self.leaves.len() > BLOCK_BYTES_MAX {
            return Err(StoreError::refused("its records are longer than BLOCK_BYTES_MAX; split it"));
        }
        let leaves: Vec<Leaf<'_>> = Leaves::new(&self.leaves)
            .collect::<Result<_, _>>()
            .map_err(|malformed| StoreError::refused(malformed.0))?;
        let count = u32::try_from(leaves.len())
            .map_err(|_| StoreError::refused("a block cannot count that many records; split it"))?;
        if u64::from(count) != self.count {
            return Err(StoreError::refused("it announces another count of records than it holds"));
        }
        if count == 0 {
            return Err(StoreError::refused("it holds no record, and nothing is changed without a trace"));
        }
        Ok(Journalled { count, root: block::merkle_root(leaves.iter().map(|leaf| leaf.bytes)) })
    }
}

impl Change {
    fn check(&self) -> Result<(), StoreError> {
        check_row(self.table, &self.key, "the boot row is written with put_boot")?;
        let refused = |why| Err(StoreError::Refused { row: Some(RowName::new(self.table, &self.key)), why });
        match (self.table, &self.value) {
            (Table::Blocks, _) => refused("block headers are written by the store and kept for ever"),
            (Table::BlockBodies, Some(_)) => refused("block bodies are written by the store"),
            (_, Some(value)) if value.len() > VALUE_BYTES_MAX => {
                refused("its value is longer than VALUE_BYTES_MAX")
            }
            _ => Ok(()),
        }
    }
}

fn check_row(table: Table, key: &[u8], boot: &'static str) -> Result<(), StoreError> {
    let why = match (table, key.len()) {
        (Table::Boot, _) => boot,
        (_, 0) => "its key is empty",
        (_, length) if length > KEY_BYTES_MAX => "its key is longer than KEY_BYTES_MAX",
        _ => return Ok(()),
    };
    Err(StoreError::Refused { row: Some(RowName::new(table, key)), why })
}
