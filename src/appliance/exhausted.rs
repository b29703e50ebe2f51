//! Key versions of the algorithms that are counted from the journal: how often one was used, as people see it, and the end of
//! one that has come to its limit.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::ObjectId;
use crate::domain::key_version::{KeyState, KeyVersion};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::fault::Stop;
use super::key_uses::{KEPT_BACK, made};
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

    /// Names the versions that were found half used up, and lets none seal any more that is used up.
    pub(super) fn tend_worn(&self, now: Now) {
        let found = std::mem::take(&mut self.recorder().uses().worn);
        for (key_id, version, made) in found {
            if let Err(stop) = self.tend_version(key_id, version, made, now) {
                tracing::error!(%stop, key_id = format!("{key_id:08x}"), version, "a key version that is worn could not be looked after");
                // Again in a second.
                self.recorder().uses().worn.push((key_id, version, made));
            }
        }
    }

    fn tend_version(&self, key_id: u32, number: u32, made: u64, now: Now) -> Result<(), Stop> {
        let row_key = KeyVersion::row_key(key_id, number);
        self.change_if_any(now, |batch| {
            let version: Option<KeyVersion> = self.read(Table::KeyVersions, &row_key)?;
            let Some(version) = version.filter(|version| version.state == KeyState::Active) else {
                return Ok(None);
            };
            if version.algorithm.is_leased() || version.is_used_up() {
                return Ok(None);
            }
            if made < version.algorithm.uses_max() - KEPT_BACK {
                self.leases.worn.look(&version, made);
                return Ok(None);
            }
            let version = KeyVersion { uses_reserved: version.algorithm.uses_max(), ..version };
            let audit = AuditRecord::new(now.time, Actor::System, "key-version.use-up")
                .with("key-id", format!("{key_id:08x}"))
                .with("version", number)
                .with("uses-max", version.algorithm.uses_max());
            self.leases.worn.look(&version, version.uses_reserved);
            Ok(Some((batch.put(Table::KeyVersions, &row_key, cbor::encode(&version)), audit)))
        })
    }
}
