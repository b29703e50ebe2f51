//! Rotation of an object's key: the next version seals, the one before only opens. Nothing is re-encrypted.

use crate::crypto::algorithm::Algorithm;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::Binding;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::key_version::{KeyState, KeyVersion};
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Scan, Table};

use super::catalog::{ObjectView, not_found, view};
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Key versions of one object.
const KEY_VERSIONS_MAX: usize = 4_096;

impl Operational {
    /// Every key version of an object, oldest first; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn key_versions(&self, object: &Object) -> Result<Vec<Listed<KeyVersion>>, Stop> {
        let range = Scan { prefix: &object.key_id.to_be_bytes(), after: None, limit: KEY_VERSIONS_MAX };
        let rows = self.store.scan(Table::KeyVersions, range)?;
        rows.into_iter().map(|(_, row)| Listed::of(row)?.decode()).collect()
    }

    /// Makes the next key version of an object and lets it seal from now on; of the same algorithm as the one before it
    /// unless another is named.
    ///
    /// # Errors
    /// `not-found`, `bad-request` for an object with as many versions as it may have, `conflict` when a lease was granted at
    /// the same time, `token-away`.
    pub fn rotate_key(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        algorithm: Option<Algorithm>,
        now: Now,
    ) -> Result<ObjectView, Stop> {
        let project = self.project_named(project)?;
        let kek = self.load_kek(&project, now)?;
        let (object, versions) = self.change(now, |mut batch| {
            let (project, kek) = self.wrapping_now(project, kek, now)?;
            let object = self.object_named(project.id, name)?.ok_or_else(|| not_found("object", name))?;
            let mut versions = self.key_versions(&object)?;
            if versions.len() >= KEY_VERSIONS_MAX {
                return Err(Refusal::new(Code::BadRequest)
                    .detail(format!(
                        "The object has {KEY_VERSIONS_MAX} key versions, as many as it may have."
                    ))
                    .into());
            }
            let (key_id, number) = (object.key_id, object.next_version());
            if let Some(waits) = versions.iter().find_map(|version| match version {
                Listed::Sound(version) if version.state == KeyState::PreActive => Some(version.version),
                _ => None,
            }) {
                return Err(Refusal::new(Code::NotInEscrow)
                    .detail(format!("Key version {waits} of the object is not in the escrow log yet."))
                    .into());
            }
            let before = versions.iter_mut().find_map(|version| match version {
                Listed::Sound(version) if version.version == object.current_version => Some(version),
                _ => None,
            });
            let algorithm = algorithm
                .or(before.as_ref().map(|version| version.algorithm))
                .unwrap_or(self.policies().default_algorithm);
            let waits = self.keeps_escrow();
            if let Some(before) = before.filter(|version| version.state == KeyState::Active && !waits) {
                let row_key = KeyVersion::row_key(key_id, before.version);
                // As it lies now: a lease granted meanwhile would be lost.
                let row = self.store.get(Table::KeyVersions, &row_key)?.ok_or(Code::Conflict)?;
                *before = KeyVersion { state: KeyState::DecryptOnly, ..cbor::decode(&row.value)? };
                batch = batch.expect_at(Table::KeyVersions, &row_key, row.revision).put(
                    Table::KeyVersions,
                    &row_key,
                    cbor::encode(&*before),
                );
            }
            let ids = (*project.id.as_bytes(), *object.id.as_bytes());
            let binding = Binding::data_key(algorithm, ids.0, ids.1, key_id, number, project.kek_version);
            let version = KeyVersion {
                key_id,
                version: number,
                algorithm,
                state: if waits { KeyState::PreActive } else { KeyState::Active },
                kek_version: project.kek_version,
                wrapped: kek.key().wrap(&SecretKey::generate()?, &binding)?.to_bytes(),
                uses_reserved: 0,
                created: now.time,
            };
            let audit = AuditRecord::new(now.time, actor, "key.rotate")
                .with("object", object.id)
                .with("key-id", format!("{key_id:08x}"))
                .with("version", number)
                .with("algorithm", algorithm.name());
            let row_key = KeyVersion::row_key(key_id, number);
            let mut batch = batch.expect_absent(Table::KeyVersions, &row_key).put(
                Table::KeyVersions,
                &row_key,
                cbor::encode(&version),
            );
            let object = if waits {
                // The version before seals on until this one is in the log.
                batch = self.wait_for_escrow(batch, &version);
                object
            } else {
                Object { current_version: number, version_floor: None, ..object }
            };
            let batch = batch.put(Table::Objects, object.id.as_bytes(), cbor::encode(&object));
            versions.push(Listed::Sound(version));
            Ok((batch, audit, (object, versions)))
        })?;
        if self.keeps_escrow() {
            self.tend_escrow(now);
            return self.object_view(object.id);
        }
        let sound = versions.iter().filter_map(|version| match version {
            Listed::Sound(version) => Some(version),
            Listed::Damaged(_) => None,
        });
        for version in sound.filter(|version| version.version != object.current_version) {
            self.leases.worn.forget(version.key_id, version.version);
        }
        Ok(view(object, versions))
    }
}
