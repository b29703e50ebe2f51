//! An object as one endpoint may have it: what is granted, and its key versions. A grant or a version that is damaged stands
//! for itself: whoever needs it is answered `fault`, and the rest serves.

use std::sync::Arc;

use crate::domain::grant::Grant;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::operation::{Operation, Operations};
use crate::domain::refusal::Code;
use crate::domain::root_version::RootVersion;
use crate::store::{RowName, Table};

use super::admission::{Denied, Enrolled};
use super::fault::Stop;
use super::listed::Listed;
use super::memo::CatalogRevision;
use super::operate::Operate;
use super::operational::Operational;

/// An object as one endpoint may use it.
pub struct Served {
    /// The object.
    pub object: Object,
    /// What it was read at.
    pub(super) revision: CatalogRevision,
    pub(super) granted: Operations,
    /// Those whose grant does not open: nobody knows whether they are granted.
    pub(super) lost: Operations,
    /// Those granted that the access policies deny, whatever the circumstances.
    pub(super) denied: Operations,
    pub(super) versions: Vec<Listed<KeyVersion>>,
    /// Of its index root, oldest first; none where no field is indexed.
    pub(super) roots: Vec<Listed<RootVersion>>,
}

impl Served {
    pub(super) fn for_operation<Op: Operate>(self: Arc<Self>) -> Result<Arc<Self>, Denied> {
        let code = if self.granted.has(Op::OPERATION) {
            if self.denied.has(Op::OPERATION) {
                Code::PolicyDenied
            } else if Op::OPERATION.takes_in() && self.object.retired.is_some() {
                Code::ObjectRetired
            } else {
                return Ok(self);
            }
        } else if self.lost.has(Op::OPERATION) {
            Code::Fault
        } else {
            Code::NotGranted
        };
        Err(Denied { code, object: Some(self.object.id) })
    }

    /// The version of the index root that values are made under, and the one before while it is being rotated.
    ///
    /// # Errors
    /// `field-not-indexed` where there is none; `fault` when the row of the newest is damaged; the log names it.
    pub(super) fn roots(&self) -> Result<(&RootVersion, Option<&RootVersion>), Code> {
        let mut newest_first = self.roots.iter().rev().map(|root| match root {
            Listed::Sound(root) => Ok(root),
            Listed::Damaged(_) => Err(Code::Fault),
        });
        let current = newest_first.next().ok_or(Code::FieldNotIndexed)??;
        // Where the one before is lost, nothing is found by it any more.
        Ok((current, newest_first.next().and_then(Result::ok)))
    }

    /// The key version that seals, if there is one in the catalog.
    ///
    /// # Errors
    /// `fault` when its row is damaged; the log names it.
    pub fn current(&self) -> Result<Option<&KeyVersion>, Code> {
        self.version(self.object.current_version)
    }

    /// A key version by number.
    ///
    /// # Errors
    /// `fault` when its row is damaged; the log names it.
    pub fn version(&self, number: u32) -> Result<Option<&KeyVersion>, Code> {
        let row_key = KeyVersion::row_key(self.object.key_id, number);
        // From the newest on, which most requests are about.
        self.versions
            .iter()
            .rev()
            .find_map(|version| match version {
                Listed::Sound(version) => (version.version == number).then_some(Ok(version)),
                Listed::Damaged(row) => (row.key() == row_key).then_some(Err(Code::Fault)),
            })
            .transpose()
    }
}

impl Operational {
    /// An object as `enrolled` may use it, from memory or from the store.
    pub(super) fn load_served(&self, enrolled: &Enrolled, name: &str) -> Result<Arc<Served>, Stop> {
        if let Some(served) = enrolled.objects.recall(name, enrolled.revision) {
            return Ok(served);
        }
        let object = self.object_named(enrolled.endpoint.project, name)?.ok_or(Code::ObjectUnknown)?;
        let (mut granted, mut lost) = (Operations::default(), Operations::default());
        for operation in Operation::ALL {
            let row_key = Grant::row_key(enrolled.endpoint.id, object.id, operation);
            match self.look_up::<Grant>(Table::Grants, &row_key)? {
                Some(Listed::Sound(_)) => granted = granted.with(operation),
                Some(Listed::Damaged(row)) => {
                    harmed(&row);
                    lost = lost.with(operation);
                }
                None => {}
            }
        }
        let mut versions = self.key_versions(&object)?;
        for version in &mut versions {
            match version {
                // Nobody on the way of a request asks what became of it.
                Listed::Sound(version) => version.moves = None,
                Listed::Damaged(row) => harmed(row),
            }
        }
        let roots = if object.is_indexed() { self.root_versions(&object)? } else { Vec::new() };
        for root in &roots {
            if let Listed::Damaged(row) = root {
                harmed(row);
            }
        }
        let (denied, broken) = enrolled.verdicts.of_granted(&object, granted);
        let (granted, lost) = (granted.without(broken), lost.and(broken));
        let revision = enrolled.revision;
        let served = Served { object, revision, granted, lost, denied, versions, roots };
        Ok(enrolled.objects.keep(name.into(), enrolled.revision, served))
    }
}

/// Whoever needs this row is answered `fault`, and nobody else.
fn harmed(row: &RowName) {
    tracing::error!(fault = %format_args!("the record {row} is damaged"), "fault");
}
