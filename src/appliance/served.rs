//! An object as one endpoint may have it: what is granted, and those of its key versions that were asked for. A grant or a version
//! that is damaged stands for itself: whoever needs it is answered `fault`, and the rest serves.

use std::sync::Arc;

use crate::crypto::envelope::Header;
use crate::domain::grant::Grant;
use crate::domain::id::ProjectId;
use crate::domain::key_life::KeyState;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::{KeyVersion, Opening};
use crate::domain::object::Object;
use crate::domain::operation::{Operation, Operations};
use crate::domain::refusal::Code;
use crate::domain::root_version::RootVersion;
use crate::domain::timestamp::Now;
use crate::store::{RowName, Table};

use super::admission::{Denied, Enrolled};
use super::fault::Stop;
use super::listed::Listed;
use super::memo::CatalogRevision;
use super::operate::Operate;
use super::operational::Operational;
use super::versions::Versions;

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
    versions: Versions,
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
        self.versions.at_hand(self.object.current_version).transpose()
    }

    /// Leave to open with the key version that an envelope names in its header, if it was read already: its algorithm must be that
    /// version's, and it must open at `now`.
    pub(super) fn version_at_hand(&self, header: Header, now: Now) -> Option<Result<Opening<'_>, Code>> {
        Some(self.versions.at_hand(header.key_version)?.and_then(|version| {
            if version.algorithm != header.algorithm {
                return Err(Code::CannotOpen);
            }
            version.opening(now.time)
        }))
    }
}

impl Operational {
    /// An object as `enrolled` may use it, from memory or from the store.
    pub(super) fn load_served(&self, enrolled: &Enrolled, name: &str) -> Result<Arc<Served>, Stop> {
        if let Some(served) = enrolled.objects.recall(name, enrolled.revision) {
            return Ok(served);
        }
        let (object, current) = self.object_and_current(enrolled.endpoint.project, name)?;
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
        let roots = if object.is_indexed() { self.root_versions(&object)? } else { Vec::new() };
        for root in &roots {
            if let Listed::Damaged(row) = root {
                harmed(row);
            }
        }
        let (denied, broken) = enrolled.verdicts.of_granted(&object, granted);
        let (granted, lost) = (granted.without(broken), lost.and(broken));
        let revision = enrolled.revision;
        let versions = Versions::new(object.current_version, current);
        let served = Served { object, revision, granted, lost, denied, versions, roots };
        Ok(enrolled.objects.keep(name.into(), enrolled.revision, served))
    }

    /// An object, and the version of its key that seals. They are two rows, and a rotation may come between the looks at them.
    fn object_and_current(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<(Object, Option<Listed<KeyVersion>>), Stop> {
        let mut object = self.object_named(project, name)?.ok_or(Code::ObjectUnknown)?;
        loop {
            let version = self.read_version(object.current_place())?;
            let seals = |version: &Listed<KeyVersion>| matches!(version, Listed::Sound(version) if version.life.state() == KeyState::Active);
            if version.as_ref().is_some_and(seals) {
                return Ok((object, version));
            }
            let again = self.object_named(project, name)?.ok_or(Code::ObjectUnknown)?;
            if again.current_place() == object.current_place() {
                return Ok((again, version));
            }
            object = again;
        }
    }

    /// Leave to open with the key version that an envelope names, read if need be. Blocks.
    ///
    /// # Errors
    /// `cannot-open` where there is none, or it is of another algorithm; what it does not open for; `fault` when its row is damaged.
    pub(super) fn load_version<'s>(
        &self,
        served: &'s Served,
        header: Header,
        now: Now,
    ) -> Result<Opening<'s>, Code> {
        if let Some(found) = served.version_at_hand(header, now) {
            return found;
        }
        let version = self.read_version(served.object.key_place(header.key_version));
        // What is not there is not remembered: anybody can make envelopes that name it.
        let version = version.map_err(|stop| stop.told().code)?.ok_or(Code::CannotOpen)?;
        served.versions.keep(header.key_version, version);
        served.version_at_hand(header, now).unwrap_or(Err(Code::CannotOpen))
    }

    fn read_version(&self, place: KeyPlace) -> Result<Option<Listed<KeyVersion>>, Stop> {
        let version = self.look_up::<KeyVersion>(Table::KeyVersions, &place.row_key())?;
        if let Some(Listed::Damaged(row)) = &version {
            harmed(row);
        }
        Ok(version)
    }
}

/// Whoever needs this row is answered `fault`, and nobody else.
fn harmed(row: &RowName) {
    tracing::error!(fault = %format_args!("the record {row} is damaged"), "fault");
}
