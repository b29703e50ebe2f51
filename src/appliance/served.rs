//! An object as one endpoint may have it: what is granted, and its key versions. A grant or a version that is damaged stands
//! for itself: whoever needs it is answered `fault`, and the rest serves.

use std::sync::Arc;

use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::operation::Operations;
use crate::domain::refusal::Code;
use crate::store::RowName;

use super::admission::{Denied, Operate};
use super::listed::Listed;

/// An object as one endpoint may use it.
pub struct Served {
    /// The object.
    pub object: Object,
    pub(super) granted: Operations,
    /// Those whose grant does not open: nobody knows whether they are granted.
    pub(super) lost: Operations,
    /// Those granted that the access policies deny, whatever the circumstances.
    pub(super) denied: Operations,
    pub(super) versions: Vec<Listed<KeyVersion>>,
}

impl Served {
    pub(super) fn for_operation<Op: Operate>(self: Arc<Self>) -> Result<Arc<Self>, Denied> {
        let code = if self.granted.has(Op::OPERATION) {
            if !self.denied.has(Op::OPERATION) {
                return Ok(self);
            }
            Code::PolicyDenied
        } else if self.lost.has(Op::OPERATION) {
            Code::Fault
        } else {
            Code::NotGranted
        };
        Err(Denied { code, object: Some(self.object.id) })
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
        self.versions
            .iter()
            .find_map(|version| match version {
                Listed::Sound(version) => (version.version == number).then_some(Ok(version)),
                Listed::Damaged(row) => (row.key() == row_key).then_some(Err(Code::Fault)),
            })
            .transpose()
    }
}

/// Whoever needs this row is answered `fault`, and nobody else.
pub(super) fn harmed(row: &RowName) {
    tracing::error!(fault = %format_args!("the record {row} is damaged"), "fault");
}
