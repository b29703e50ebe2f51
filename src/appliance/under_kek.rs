//! What is wrapped under a project's KEK: the one list of it. A table is added by a line of [`KINDS`], and what its rows are by
//! an [`UnderKek`].

use crate::crypto::wrapped_key::Binding;
use crate::domain::cbor::{self, NotCanonical};
use crate::domain::key_life::Wrapped;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::KeyVersion;
use crate::domain::refusal::Code;
use crate::domain::root_version::RootVersion;
use crate::store::{Row, Table};

use super::key_proof::KeyKind;
use super::listed::Listed;

/// A table of such rows. Their row keys are `key id u32 | version u32`.
pub(super) struct Kind {
    /// What the keys are for.
    pub(super) of: KeyKind,
    /// Where they lie.
    pub(super) table: Table,
    /// Reads one.
    pub(super) read: Read,
    /// What is told of one that was there when a request began and is no more.
    pub(super) gone: Code,
}

type Read = fn(&[u8]) -> Result<Box<dyn UnderKek>, NotCanonical>;

impl Kind {
    /// What lies at a row key of its table.
    pub(super) fn read_at(&self, row_key: &[u8], row: Listed<Row>) -> Listed<Box<dyn UnderKek>> {
        row.read_at(self.table, row_key, self.read)
    }
}

/// Data keys, by key version.
pub(super) const DATA_KEYS: Kind = Kind {
    of: KeyKind::DataKey,
    table: Table::KeyVersions,
    read: |row| Ok(Box::new(cbor::decode::<KeyVersion>(row)?)),
    gone: Code::KeyDestroyed,
};

/// Index roots. One that is gone is so because its rotation was finished.
pub(super) const INDEX_ROOTS: Kind = Kind {
    of: KeyKind::IndexRoot,
    table: Table::IndexRoots,
    read: |row| Ok(Box::new(cbor::decode::<RootVersion>(row)?)),
    gone: Code::Conflict,
};

/// Every table that holds keys wrapped under a KEK, in the order in which they are gone through. The numbers of the places are
/// stored while a rotation is under way: new ones come at the end.
pub(super) const KINDS: [Kind; 2] = [DATA_KEYS, INDEX_ROOTS];

/// A row with a key that a KEK wraps.
pub(super) trait UnderKek {
    /// Which it is.
    fn place(&self) -> KeyPlace;
    /// The KEK version that wraps its key, and the wrapped key; none where that was destroyed.
    fn wrapped(&self) -> Option<(u32, &[u8])>;
    /// What it is bound to under that version of the KEK.
    fn binding(&self, project: [u8; 16], object: [u8; 16], kek_version: u32) -> Binding;
    /// The row with its key wrapped by another version.
    fn rewrapped(&mut self, kek_version: u32, wrapped: Vec<u8>) -> Vec<u8>;
}

impl UnderKek for KeyVersion {
    fn place(&self) -> KeyPlace {
        KeyPlace::new(self.key_id, self.version)
    }

    fn wrapped(&self) -> Option<(u32, &[u8])> {
        self.life.wrapped().map(|wrapped| (wrapped.kek_version, wrapped.key.as_slice()))
    }

    fn binding(&self, project: [u8; 16], object: [u8; 16], kek_version: u32) -> Binding {
        Binding::data_key(self.algorithm, project, object, self.key_id, self.version, kek_version)
    }

    fn rewrapped(&mut self, kek_version: u32, wrapped: Vec<u8>) -> Vec<u8> {
        if let Some(stored) = self.life.wrapped_mut() {
            *stored = Wrapped { kek_version, key: wrapped };
        }
        cbor::encode(self)
    }
}

impl UnderKek for RootVersion {
    fn place(&self) -> KeyPlace {
        KeyPlace::new(self.key_id, self.version)
    }

    fn wrapped(&self) -> Option<(u32, &[u8])> {
        Some((self.kek_version, &self.wrapped))
    }

    fn binding(&self, project: [u8; 16], object: [u8; 16], kek_version: u32) -> Binding {
        Binding::index_root(project, object, self.key_id, self.version, kek_version)
    }

    fn rewrapped(&mut self, kek_version: u32, wrapped: Vec<u8>) -> Vec<u8> {
        (self.kek_version, self.wrapped) = (kek_version, wrapped);
        cbor::encode(self)
    }
}
