//! Keys that near the number of uses their algorithm allows. A key at its limit refuses, and by then somebody must have
//! rotated it: so from half of it on the log, health and `gembok status` name it.
//!
//! A key version is noticed when a lease is granted for it, so after a restart with its first use; one that is not used any
//! more wears no further. The wraps of the MK are read from their counter.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

use crate::domain::cbor;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::KeyVersion;
use crate::store::{Store, Table};

use super::operational::Operational;

/// Wraps of one MK generation, at most (half of SP 800-38D §8.3): its nonces are 96 random bits.
pub(super) const TOKEN_WRAPS_MAX: u64 = 1 << 31;
/// Wraps from which the MK should be rotated.
pub(super) const TOKEN_WRAPS_ROTATE: u64 = TOKEN_WRAPS_MAX / 2;
/// Key versions remembered.
const VERSIONS_MAX: usize = 1_000;

/// A key that has been used half as often as it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WornKey {
    /// Which.
    pub key: KeyName,
    /// Uses so far; reserved ones count.
    pub uses: u64,
    /// Uses at which it refuses.
    pub uses_max: u64,
}

/// What a worn key is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyName {
    /// An MK generation.
    MasterKey(u32),
    /// A key version of an object.
    KeyVersion(KeyPlace),
}

impl fmt::Display for KeyName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MasterKey(generation) => write!(out, "MK generation {generation}"),
            Self::KeyVersion(place) => place.fmt(out),
        }
    }
}

/// The worn key versions in use.
#[derive(Default)]
pub(super) struct Worn(Mutex<BTreeMap<KeyPlace, (u64, u64)>>);

impl Worn {
    /// Looks at a version as it is stored now, and at its uses; the first time that it is worn goes to the log.
    pub(super) fn look(&self, version: &KeyVersion, uses: u64) {
        // One that a rotation took out of use meanwhile is nobody's worry.
        if !version.is_worn(uses) {
            return;
        }
        let uses_max = version.algorithm.uses_max();
        let mut worn = self.0.lock();
        let place = version.place();
        if worn.len() >= VERSIONS_MAX && !worn.contains_key(&place) {
            return;
        }
        if worn.insert(place, (uses, uses_max)).is_none() {
            let key = KeyName::KeyVersion(place);
            tracing::warn!(%key, uses, uses_max, "a key is half used up; run gembok key rotate for its object");
        }
    }

    /// Which they are.
    pub(super) fn places(&self) -> Vec<KeyPlace> {
        self.0.lock().keys().copied().collect()
    }

    /// It seals no more: another version does.
    pub(super) fn forget(&self, place: KeyPlace) {
        self.0.lock().remove(&place);
    }
}

impl Operational {
    /// The keys that should be rotated, as far as they are in use.
    pub(super) fn worn_keys(&self) -> Vec<WornKey> {
        let generation = self.master_keys.last().map_or(0, crate::hsm::MasterKey::generation);
        // A counter that cannot be read is a fault of whoever needs it next.
        let wraps = token_wraps(&self.store, generation).unwrap_or(0);
        let master_key = (wraps >= TOKEN_WRAPS_ROTATE).then_some(WornKey {
            key: KeyName::MasterKey(generation),
            uses: wraps,
            uses_max: TOKEN_WRAPS_MAX,
        });
        let versions = self.leases.worn.0.lock();
        let versions = versions.iter().map(|(place, (uses, uses_max))| WornKey {
            key: KeyName::KeyVersion(*place),
            uses: *uses,
            uses_max: *uses_max,
        });
        master_key.into_iter().chain(versions).collect()
    }
}

fn token_wraps(store: &Store, generation: u32) -> Option<u64> {
    let row = store.get(Table::Counters, &super::catalog::token_wraps_key(generation)).ok()??;
    cbor::decode(&row.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::Algorithm;
    use crate::domain::key_move::Because;
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn a_version_is_worn_from_half_its_uses_until_it_is_rotated() {
        let worn = Worn::default();
        let made = Because::system(Timestamp::from_seconds(1), "");
        let made = KeyVersion::made(KeyPlace::new(7, 1), Algorithm::Aes256GcmSiv, 1, Vec::new(), made);
        worn.look(&made, (1 << 31) - 1);
        assert!(worn.0.lock().is_empty());
        for uses in [1 << 31, 1 << 32] {
            worn.look(&made, uses);
            assert_eq!(worn.0.lock().get(&KeyPlace::new(7, 1)), Some(&(uses, 1 << 32)));
        }
        worn.forget(KeyPlace::new(7, 1));
        worn.look(&made.after_lost_count().unwrap(), 1 << 32);
        assert!(worn.0.lock().is_empty());
    }
}
