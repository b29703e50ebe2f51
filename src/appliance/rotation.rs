//! Rotation of an object's key: the next version seals, the one before only opens. Nothing is re-encrypted.

use crate::crypto::algorithm::Algorithm;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::Binding;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::key_life::KeyState;
use crate::domain::key_move::Because;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Scan, Table};

use super::catalog::{ObjectView, not_found};
use super::fault::Stop;
use super::kek::WrapsNow;
use super::listed::Listed;
use super::operational::Operational;

/// Key versions of one object.
const KEY_VERSIONS_MAX: usize = 4_096;

/// What the next key version is to be.
#[derive(Debug, Clone, Default)]
pub struct NextKey {
    /// That of the one before without.
    pub algorithm: Option<Algorithm>,
    /// From when on it encrypts nothing.
    pub encrypt_until: Option<Timestamp>,
    /// From when on it decrypts nothing.
    pub decrypt_until: Option<Timestamp>,
    /// In the words of whoever asks.
    pub why: Option<Description>,
}

/// An object that may have another key version.
pub(super) struct MayTurn {
    object: Object,
    /// The number of its last one.
    last: u32,
}

/// A key version that was put into a batch, and seals once that is committed.
pub(super) struct Turned {
    pub batch: Batch,
    pub object: Object,
    /// The one before, unless it seals on until there is a copy of the next.
    pub before: Option<KeyVersion>,
    /// The number of the next.
    pub version: u32,
    algorithm: Algorithm,
}

impl Operational {
    /// Every key version of an object, oldest first; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn key_versions(&self, object: &Object) -> Result<Vec<Listed<KeyVersion>>, Stop> {
        let range = Scan { prefix: &object.key_id.to_be_bytes(), after: None, limit: KEY_VERSIONS_MAX };
        let rows = self.store.scan(Table::KeyVersions, range)?;
        let read = |(row_key, row): (Vec<u8>, _)| {
            Ok(Listed::of(row)?.read_at(Table::KeyVersions, &row_key, cbor::decode))
        };
        rows.into_iter().map(read).collect()
    }

    /// Makes the next key version of an object and lets it seal from now on; of the same algorithm as the one before it
    /// unless another is named.
    ///
    /// # Errors
    /// `not-found`, `bad-request` for an object with as many versions as it may have and for windows that cannot be, `token-away`.
    pub fn rotate_key(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        next: NextKey,
        now: Now,
    ) -> Result<ObjectView, Stop> {
        let project = self.project_named(project)?;
        let kek = self.load_kek(&project, now)?;
        let (object, retired) = self.change_keys(now, |batch| {
            let wraps = self.wrapping_now(project, kek, now)?;
            let object =
                self.object_named(wraps.project.id, name)?.ok_or_else(|| not_found("object", name))?;
            let before = self.current_version(&object)?;
            let because = Because::of(actor, now.time, next.why.clone());
            let turned = self.turn(batch, &wraps, self.may_turn(object)?, before, &next, because)?;
            let audit = turned.audit(AuditRecord::new(now.time, actor, "key.rotate"));
            Ok((turned.batch, audit.with_reason(next.why.as_ref()), (turned.object, turned.before)))
        })?;
        if let Some(before) = retired {
            self.leases.forget(before.place());
            self.keys_due.forget(before.place());
        }
        self.escrow_at_once(now);
        self.object_view(object.id)
    }

    /// Makes one change of key versions. No lease is granted meanwhile, so that neither loses what the other writes.
    pub(super) fn change_keys<T>(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<(Batch, AuditRecord, T), Stop>,
    ) -> Result<T, Stop> {
        let _changes = self.changing.lock();
        let _no_lease = self.leases.hold();
        self.change(now, change)
    }

    /// The same for a change that may turn out to be none.
    pub(super) fn change_keys_maybe<T>(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<Option<(Batch, AuditRecord, T)>, Stop>,
    ) -> Result<Option<T>, Stop> {
        let _changes = self.changing.lock();
        let _no_lease = self.leases.hold();
        self.change_maybe(now, change)
    }

    /// The version that seals, or did; none where its row is damaged.
    pub(super) fn current_version(&self, object: &Object) -> Result<Option<KeyVersion>, Stop> {
        let row_key = object.current_place().row_key();
        Ok(self.look_up::<KeyVersion>(Table::KeyVersions, &row_key)?.and_then(Listed::sound))
    }

    /// Makes sure that an object may have another key version.
    ///
    /// # Errors
    /// `not-in-escrow` while one waits that is to seal next; `bad-request` for an object with as many as it may have.
    pub(super) fn may_turn(&self, object: Object) -> Result<MayTurn, Stop> {
        let prefix = object.key_id.to_be_bytes();
        let rows = self
            .store
            .scan(Table::KeyVersions, Scan { prefix: &prefix, after: None, limit: KEY_VERSIONS_MAX })?;
        if rows.len() >= KEY_VERSIONS_MAX {
            let why = format!("The object has {KEY_VERSIONS_MAX} key versions, as many as it may have.");
            return Err(Refusal::new(Code::BadRequest).detail(why).into());
        }
        // By the row's name, so that one that is damaged counts, too.
        let last = rows.last().and_then(|(row_key, _)| row_key.last_chunk::<4>());
        let last = last.map_or(0, |number| u32::from_be_bytes(*number));
        for (row_key, row) in rows {
            let row = Listed::of(row)?;
            if let Listed::Sound(version) =
                row.read_at(Table::KeyVersions, &row_key, cbor::decode::<KeyVersion>)
                && version.life.state() == KeyState::PreActive
            {
                let why =
                    format!("Key version {} of the object is not in the escrow log yet.", version.version);
                return Err(Refusal::new(Code::NotInEscrow).detail(why).into());
            }
        }
        Ok(MayTurn { object, last })
    }

    /// Puts the next key version of an object into a change of key versions. `before` is the one that seals, as it lies or as
    /// the same change leaves it.
    pub(super) fn turn(
        &self,
        mut batch: Batch,
        wraps: &WrapsNow,
        MayTurn { object, last }: MayTurn,
        before: Option<KeyVersion>,
        next: &NextKey,
        because: Because,
    ) -> Result<Turned, Stop> {
        // A version that was closed while it waited for its copy may be beyond the one that seals.
        let project = &wraps.project;
        let number = object.next_version().max(last.saturating_add(1));
        let place = object.key_place(number);
        let algorithm = next
            .algorithm
            .or(before.as_ref().map(|version| version.algorithm))
            .unwrap_or(self.policies().default_algorithm);
        let waits = self.keeps_escrow();
        // One that waits for its copy lets the one before seal on.
        if let Some(before) = before.as_ref().filter(|_| !waits)
            && let Some(opens) = before.clone().step_down(because.clone())
        {
            batch = batch.put(Table::KeyVersions, &opens.place().row_key(), cbor::encode(&opens));
        }
        let ids = (*project.id.as_bytes(), *object.id.as_bytes());
        let binding = Binding::data_key(algorithm, ids.0, ids.1, place.key_id, number, project.kek_version);
        let wrapped = wraps.key().wrap(&SecretKey::generate()?, &binding)?.to_bytes();
        let made = KeyVersion::made(place, algorithm, project.kek_version, wrapped, because.clone());
        let made = if next.encrypt_until.is_some() || next.decrypt_until.is_some() {
            made.clone().set_windows(next.encrypt_until, next.decrypt_until, because)?.unwrap_or(made)
        } else {
            made
        };
        let row_key = place.row_key();
        let (made, object, before) = if waits {
            batch = self.wait_for_escrow(batch, Table::KeyVersions, &row_key);
            (made.await_copy(), object, None)
        } else {
            (made, Object { current_version: number, version_floor: None, ..object }, before)
        };
        let batch = batch
            .expect_absent(Table::KeyVersions, &row_key)
            .put(Table::KeyVersions, &row_key, cbor::encode(&made))
            .put(Table::Objects, object.id.as_bytes(), cbor::encode(&object));
        Ok(Turned { batch, object, before, version: number, algorithm })
    }
}

impl Turned {
    /// What is recorded of it.
    pub(super) fn audit(&self, audit: AuditRecord) -> AuditRecord {
        audit
            .with("object", self.object.id)
            .with_key(self.object.key_place(self.version))
            .with("algorithm", self.algorithm.name())
    }
}
