//! The end of a key version whose uses are counted from the journal: from half of its uses on it is named, and short of the last
//! of them it is marked, by a change that is on record, and seals no more.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::key_life::KeyState;
use crate::domain::key_version::KeyVersion;
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::Stop;
use super::key_uses::{KEPT_BACK, WornVersion};
use super::operational::Operational;

impl Operational {
    /// Names the versions that were found half used up, and lets none seal any more that is used up.
    pub(super) fn tend_worn(&self, now: Now) {
        let found = std::mem::take(&mut self.recorder().uses().worn);
        for worn in found {
            if let Err(stop) = self.tend_version(worn, now) {
                tracing::error!(%stop, key = %worn.0, "a key version that is worn could not be looked after");
                // Again in a second.
                self.recorder().uses().worn.push(worn);
            }
        }
    }

    fn tend_version(&self, (place, made): WornVersion, now: Now) -> Result<(), Stop> {
        // Nobody replaces it between the look at its row and what is noted of it.
        let _changes = self.changing.lock();
        let row_key = place.row_key();
        let version: Option<KeyVersion> = self.read(Table::KeyVersions, &row_key)?;
        let seals = |version: &KeyVersion| {
            version.life.state() == KeyState::Active
                && !version.algorithm.is_leased()
                && !version.is_used_up()
        };
        let Some(version) = version.filter(seals) else { return Ok(()) };
        let uses_max = version.algorithm.uses_max();
        if made < uses_max - KEPT_BACK {
            self.leases.worn.look(&version, made);
            return Ok(());
        }
        let version = KeyVersion { uses_reserved: uses_max, ..version };
        self.change(now, |batch| {
            let audit = AuditRecord::new(now.time, Actor::System, "key-version.use-up")
                .with_key(place)
                .with("uses-max", uses_max);
            Ok((batch.put(Table::KeyVersions, &row_key, cbor::encode(&version)), audit, ()))
        })?;
        self.leases.worn.look(&version, uses_max);
        Ok(())
    }
}
