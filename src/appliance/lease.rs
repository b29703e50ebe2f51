//! Leases: uses of a key version that were reserved durably before they are made.
//!
//! AES-GCM and AES-GCM-SIV with random 12-byte nonces must not seal more than 2^32 times under one key (SP 800-38D §8.3).
//! So the stored number is raised first, in a commit of its own, and then used up in memory: what a crash interrupts is
//! forfeited, and the stored number is never low. Leases begin at 2^10 and double to 2^20, so that neither a quiet key
//! loses much by a crash nor a busy one commits often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::crypto::algorithm::Algorithm;
use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::key_life::KeyState;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::KeyVersion;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Timestamp;
use crate::store::{Batch, Store, Table};

use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::wear::Worn;

/// Uses of the first lease.
const FIRST_USES: u64 = 1 << 10;
/// Uses of the longest.
const USES_MAX: u64 = 1 << 20;
/// Tries of a reservation whose row others write at the same time.
const TRIES_MAX: u32 = 16;

/// The leases of the key versions in use. A bounded number: what falls out is forfeited, as after a crash.
pub(super) struct Leases {
    open: Cache<KeyPlace, Arc<Lease>>,
    pub(super) worn: Worn,
    granting: Mutex<()>,
}

struct Lease {
    left: AtomicU64,
    granted: AtomicU64,
}

/// Uses that were taken and are not made yet. Those that never are go back into their lease: they are reserved, and nothing was
/// sealed by them.
pub(super) struct Unmade {
    lease: Option<Arc<Lease>>,
    left: u64,
}

impl Lease {
    fn take(&self, uses: u64) -> bool {
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(uses)).is_ok()
    }
}

impl Unmade {
    /// One is made now; `false` when none is left.
    #[must_use]
    pub(super) fn make(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

impl Drop for Unmade {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            lease.left.fetch_add(self.left, Ordering::AcqRel);
        }
    }
}

impl Leases {
    /// No lease yet, and never more than `entries_max`.
    #[must_use]
    pub(super) fn new(entries_max: usize) -> Self {
        Self { open: Cache::new(entries_max), worn: Worn::default(), granting: Mutex::new(()) }
    }

    /// Grants no lease while this is held: whoever writes a version's row anew loses none.
    pub(super) fn hold(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.granting.lock()
    }

    /// What is left of a version's lease is forfeited: it seals no more.
    pub(super) fn forget(&self, place: KeyPlace) {
        self.open.remove(&place);
        self.worn.forget(place);
    }

    /// Takes `uses` out of what is reserved; `false` when more must be reserved first ([`Leases::grant`]).
    #[must_use]
    pub(super) fn take(&self, version: &KeyVersion, uses: u64) -> bool {
        if !version.algorithm.is_leased() {
            return true;
        }
        let Some(lease) = self.open.get(&version.place()) else { return false };
        lease.take(uses)
    }

    /// Gives uses back by which nothing was sealed: they are reserved. Where their lease is gone they are forfeited.
    pub(super) fn give_back(&self, version: &KeyVersion, uses: u64) {
        if version.algorithm.is_leased()
            && let Some(lease) = self.open.get(&version.place())
        {
            lease.left.fetch_add(uses, Ordering::AcqRel);
        }
    }

    /// [`Leases::take`] for uses of which some may not be made; `None` when more must be reserved first ([`Leases::grant_unmade`]).
    pub(super) fn lend(&self, version: &KeyVersion, uses: u64) -> Option<Unmade> {
        if !version.algorithm.is_leased() {
            return Some(Unmade { lease: None, left: uses });
        }
        let lease = self.open.get(&version.place())?;
        // Not before they are taken: what is dropped goes back.
        lease.take(uses).then(|| Unmade { lease: Some(lease), left: uses })
    }

    /// [`Leases::grant`] for uses of which some may not be made. Blocks for one commit.
    ///
    /// # Errors
    /// The same.
    pub(super) fn grant_unmade(
        &self,
        version: &KeyVersion,
        uses: u64,
        store: &Store,
        now: Timestamp,
    ) -> Result<Unmade, Stop> {
        self.grant(version, uses, store, now)?;
        // None where it is not leased, or was forgotten since: then what is not made is forfeited, too.
        let lease = self.open.get(&version.place());
        Ok(Unmade { lease, left: uses })
    }

    /// Reserves more uses, durably, and takes `uses` out of them. Blocks for one commit.
    ///
    /// # Errors
    /// `key-exhausted` at the algorithm's limit; `journal-full` when the reservation cannot be made durable: what it may have
    /// reserved all the same is forfeited.
    fn grant(&self, version: &KeyVersion, uses: u64, store: &Store, now: Timestamp) -> Result<(), Stop> {
        let _one_at_a_time = self.granting.lock();
        if self.take(version, uses) {
            return Ok(());
        }
        let mut tries = TRIES_MAX;
        let (stored, lease, granted) = loop {
            tries -= 1;
            match self.reserve(version, uses, store, now) {
                // The row was written anew meanwhile: its key was wrapped by another KEK, or a verb moved it.
                Err(stop) if tries > 0 && stop.is_conflict() => {}
                reserved => break reserved?,
            }
        };
        self.worn.look(&stored, stored.uses_reserved);
        lease.granted.store(granted.max(FIRST_USES), Ordering::Release);
        lease.left.fetch_add(granted - uses, Ordering::AcqRel);
        self.open.insert(version.place(), lease);
        Ok(())
    }

    /// Makes a reservation durable: the version as it lies then, its lease, and the uses.
    fn reserve(
        &self,
        version: &KeyVersion,
        uses: u64,
        store: &Store,
        now: Timestamp,
    ) -> Result<(KeyVersion, Arc<Lease>, u64), Stop> {
        let row_key = version.place().row_key();
        let row = store
            .get(Table::KeyVersions, &row_key)?
            .ok_or_else(|| Fault::new(format!("{} is missing", version.place())))?;
        let mut stored: KeyVersion = cbor::decode(&row.value)?;
        // Whoever found it sealing may come late. One whose place another has taken meanwhile seals for those still under way;
        // one that was stopped does not.
        if stored.life.state() != KeyState::DecryptOnly {
            stored.sealing(now)?;
        }
        let key = version.place();
        let lease = self.open.get(&key).unwrap_or_else(|| {
            Arc::new(Lease { left: AtomicU64::new(0), granted: AtomicU64::new(FIRST_USES / 2) })
        });
        let wanted = (lease.granted.load(Ordering::Acquire) * 2).min(USES_MAX).max(uses);
        let granted = fit(stored.algorithm, stored.uses_reserved, wanted);
        if granted < uses {
            self.worn.look(&stored, stored.uses_reserved);
            return Err(Code::KeyExhausted.into());
        }
        stored.uses_reserved += granted;
        let audit = AuditRecord::new(now, Actor::System, "key-version.lease")
            .with_key(version.place())
            .with("uses-reserved", stored.uses_reserved);
        let batch = Batch::new(now.micros())
            .expect_at(Table::KeyVersions, &row_key, row.revision)
            .put(Table::KeyVersions, &row_key, cbor::encode(&stored))
            .record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit));
        store.commit(batch).map_err(|error| Stop::unreserved(error, "uses of a key version"))?;
        Ok((stored, lease, granted))
    }
}

impl Operational {
    /// Reserves uses of a version, durably, and takes them. Blocks for one commit where the version's lease has not as many.
    ///
    /// # Errors
    /// As of [`Leases::grant`]. What keeps a reservation from being durable is reported, as what keeps a record from it is.
    pub(super) fn lease_uses(&self, version: &KeyVersion, uses: u64, now: Timestamp) -> Result<(), Stop> {
        self.leases.grant(version, uses, &self.store, now).inspect_err(|stop| self.report_unleased(stop))
    }

    /// The same for uses of which some may not be made.
    ///
    /// # Errors
    /// The same.
    pub(super) fn lease_unmade(
        &self,
        version: &KeyVersion,
        uses: u64,
        now: Timestamp,
    ) -> Result<Unmade, Stop> {
        self.leases
            .grant_unmade(version, uses, &self.store, now)
            .inspect_err(|stop| self.report_unleased(stop))
    }

    fn report_unleased(&self, stop: &Stop) {
        if stop.is_journal_full() {
            self.recorder().report_trouble("uses of a key version could not be reserved".into());
        }
    }
}

/// As much of `wanted` as the algorithm's limit leaves.
fn fit(algorithm: Algorithm, reserved: u64, wanted: u64) -> u64 {
    wanted.min(algorithm.uses_max().saturating_sub(reserved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key_move::Because;
    use crate::store::failing_disk::Failing;

    #[test]
    fn a_reservation_that_is_not_durable_is_journal_full_and_is_never_used() {
        let made = Because::system(Timestamp::from_seconds(1), "");
        let version = KeyVersion::made(KeyPlace::new(7, 1), Algorithm::Aes256Gcm, 1, vec![1; 79], made);
        let row_key = KeyPlace::new(7, 1).row_key();
        let reserved = |store: &Store| {
            let row = store.get(Table::KeyVersions, &row_key).unwrap().unwrap();
            cbor::decode::<KeyVersion>(&row.value).unwrap().uses_reserved
        };
        let now = Timestamp::from_seconds(2);
        let (mut landed, mut lost) = (0, 0);
        for operations in 0.. {
            let batch = Batch::new(2).put(Table::KeyVersions, &row_key, cbor::encode(&version));
            let (disk, _file, store) = Failing::store(batch.record(audit_record::KIND, 1, b"made"));
            let leases = Leases::new(4);
            disk.let_through(operations);
            let granted = leases.grant(&version, 5, &store, now);
            if granted.is_ok() {
                break;
            }
            assert!(granted.is_err_and(|stop| stop.is_journal_full()), "{operations}");
            // Nor while the store is stopped.
            assert!(leases.grant(&version, 5, &store, now).is_err_and(|stop| stop.is_journal_full()));
            assert!(!leases.take(&version, 1), "{operations}");
            disk.let_through(i64::MAX);
            match store.recover().unwrap() {
                Some(_) => landed += 1,
                None => lost += 1,
            }
            let before = reserved(&store);
            assert!(before == 0 || before == FIRST_USES, "{before}");
            leases.grant(&version, 5, &store, now).unwrap();
            assert_eq!(reserved(&store), before + FIRST_USES);
            assert!(leases.take(&version, FIRST_USES - 5) && !leases.take(&version, 1));
        }
        assert!(lost > 3, "the disk never failed: {landed} landed");
    }

    #[test]
    fn uses_that_are_not_made_go_back_into_their_lease_and_no_other() {
        let made = Because::system(Timestamp::from_seconds(1), "");
        let version =
            KeyVersion::made(KeyPlace::new(7, 1), Algorithm::Aes256GcmSiv, 1, vec![1; 79], made.clone());
        let row =
            Batch::new(2).put(Table::KeyVersions, &KeyPlace::new(7, 1).row_key(), cbor::encode(&version));
        let (_disk, _file, store) = Failing::store(row.record(audit_record::KIND, 1, b"made"));
        let (leases, now) = (Leases::new(4), Timestamp::from_seconds(2));
        assert!(leases.lend(&version, 1).is_none(), "nothing is reserved yet");
        let mut unmade = leases.grant_unmade(&version, 24, &store, now).unwrap();
        let rest = leases.lend(&version, FIRST_USES - 24).unwrap();
        assert!(leases.lend(&version, 1).is_none() && !leases.take(&version, 1));
        assert!((0..4).all(|_| unmade.make()));
        drop(unmade);
        assert!(leases.take(&version, 20) && !leases.take(&version, 1), "four were made");
        leases.give_back(&version, 2);
        assert!(leases.take(&version, 2) && !leases.take(&version, 1), "two were given back");
        // What is closed meanwhile gets nothing back.
        leases.forget(KeyPlace::new(7, 1));
        drop(rest);
        leases.give_back(&version, 2);
        assert!(!leases.take(&version, 1));

        let mut two = leases
            .lend(&KeyVersion::made(KeyPlace::new(7, 2), Algorithm::Xaes256Gcm, 1, vec![1; 79], made), 2)
            .unwrap();
        assert_eq!([two.make(), two.make(), two.make()], [true, true, false]);
    }

    #[test]
    fn no_lease_reaches_past_the_limit() {
        let limit = 1 << 32;
        assert_eq!(fit(Algorithm::Aes256Gcm, 0, 1024), 1024);
        assert_eq!(fit(Algorithm::Aes256Gcm, limit - 10, 1024), 10);
        assert_eq!(fit(Algorithm::Aes256GcmSiv, limit, 1024), 0);
        assert_eq!(fit(Algorithm::Aes256GcmSiv, limit + 5, 1024), 0);
    }
}
