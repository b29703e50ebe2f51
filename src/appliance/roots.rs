//! Index roots: what an object's blind indexes are made under. The first is made when its schema first declares an indexed
//! field, wrapped under its project's KEK, apart from the data keys: to give up search gives up nothing else.

use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::Binding;
use crate::domain::cbor;
use crate::domain::object::Object;
use crate::domain::root_version::RootVersion;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Scan, Table};

use super::fault::Stop;
use super::kek::WrapsNow;
use super::listed::Listed;
use super::operational::Operational;

/// Versions of a root that there are at a time: while one is rotated, the one before.
pub(super) const ROOT_VERSIONS_MAX: usize = 2;

/// A version of an index root without its key.
pub struct RootVersionView {
    /// From 1; it stands in index values.
    pub version: u32,
    /// When it was made.
    pub created: Timestamp,
}

impl From<RootVersion> for RootVersionView {
    fn from(version: RootVersion) -> Self {
        Self { version: version.version, created: version.created }
    }
}

impl Operational {
    /// The versions of an object's index root, oldest first; a damaged one by its row's name. None where it never had an
    /// indexed field.
    ///
    /// # Errors
    /// The store's.
    pub fn root_versions(&self, object: &Object) -> Result<Vec<Listed<RootVersion>>, Stop> {
        // One more than there may be, so that nothing is ever overlooked.
        let limit = ROOT_VERSIONS_MAX + 1;
        let range = Scan { prefix: &object.key_id.to_be_bytes(), after: None, limit };
        let rows = self.store.scan(Table::IndexRoots, range)?;
        rows.into_iter().map(|(_, row)| Listed::of(row)?.decode()).collect()
    }

    /// Adds the first version of an object's index root, if it is to have one and has none.
    pub(super) fn with_first_root(
        &self,
        batch: Batch,
        object: &Object,
        wraps: Option<&WrapsNow>,
        now: Now,
    ) -> Result<Batch, Stop> {
        let Some(wraps) = wraps.filter(|_| object.is_indexed()) else { return Ok(batch) };
        if !self.root_versions(object)?.is_empty() {
            return Ok(batch);
        }
        let batch = put_new(batch, &new_root(object, 1, wraps, now)?);
        Ok(self.wait_for_escrow(batch, Table::IndexRoots, &object.key_place(1).row_key()))
    }

    /// Takes every version of an object's index root out.
    pub(super) fn without_roots(&self, batch: Batch, object: &Object) -> Result<Batch, Stop> {
        let mut roots = Vec::new();
        self.each_listed(Table::IndexRoots, &object.key_id.to_be_bytes(), |row_key, _| {
            roots.push(row_key.to_vec());
            Ok(())
        })?;
        Ok(roots.iter().fold(batch, |batch, row_key| batch.delete(Table::IndexRoots, row_key)))
    }
}

/// A new version of an object's root, wrapped under its project's KEK.
pub(super) fn new_root(
    object: &Object,
    version: u32,
    wraps: &WrapsNow,
    now: Now,
) -> Result<RootVersion, Stop> {
    let kek = wraps.key();
    let ids = (*object.project.as_bytes(), *object.id.as_bytes());
    let binding = Binding::index_root(ids.0, ids.1, object.key_id, version, kek.version());
    Ok(RootVersion {
        key_id: object.key_id,
        version,
        kek_version: kek.version(),
        wrapped: kek.wrap(&SecretKey::generate()?, &binding)?.to_bytes(),
        created: now.time,
        next_floor: None,
    })
}

pub(super) fn put_new(batch: Batch, root: &RootVersion) -> Batch {
    let row_key = root.place().row_key();
    batch.expect_absent(Table::IndexRoots, &row_key).put(Table::IndexRoots, &row_key, cbor::encode(root))
}
