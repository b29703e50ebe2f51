//! How often a key version was used, as it is shown.

use crate::domain::id::ObjectId;
use crate::domain::key_version::KeyVersion;
use crate::domain::timestamp::Timestamp;

use super::fault::Stop;
use super::key_uses::made;
use super::operational::Operational;

/// How often a key version was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsesShown {
    /// Seals at most: what a crash or a restore may have cost counts, too.
    pub uses: u64,
    /// Seals after which it stops sealing.
    pub uses_max: u64,
    /// When it last sealed.
    pub last_sealed: Option<Timestamp>,
    /// Fields that were opened under it.
    pub opened: u64,
    /// When the last of them was.
    pub last_opened: Option<Timestamp>,
    /// Fields that were opened since it last sealed.
    pub opened_since: u64,
}

impl Operational {
    /// How often a version of an object's key was used, up to the last durable record.
    ///
    /// # Errors
    /// The store's.
    pub fn key_uses(&self, object: ObjectId, version: &KeyVersion) -> Result<UsesShown, Stop> {
        let (uses, gaps) = self.recorder().uses().of(&self.store, object, version)?;
        let uses_max = version.algorithm.uses_max();
        Ok(UsesShown {
            uses: if version.algorithm.is_leased() {
                version.uses_reserved
            } else {
                made(version, &uses, gaps).min(uses_max)
            },
            uses_max,
            last_sealed: uses.last_sealed,
            opened: uses.opened,
            last_opened: uses.last_opened,
            opened_since: uses.opened_since,
        })
    }
}
