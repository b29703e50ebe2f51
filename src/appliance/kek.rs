//! A project's KEK: how a version of it is made, which one wraps, and its rotation. The next version wraps whatever is new from
//! the rotation's commit on; what the versions before it have wrapped is wrapped anew behind that ([`super::rewrap`]), and then
//! they are destroyed. Nothing that was encrypted is touched.

use std::sync::Arc;

use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, WrappingKey};
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::id::ProjectId;
use crate::domain::project::{Kek, Project};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::catalog::{ProjectView, not_found, token_wraps_key};
use super::fault::{Fault, Stop};
use super::keyring::{Held, kek_row_key};
use super::operational::Operational;
use super::rewrap::{Owed, owed_key};
use super::wear::{TOKEN_WRAPS_MAX, TOKEN_WRAPS_ROTATE};

/// KEK versions of a project: that there ever were, and that are not destroyed yet.
const KEK_VERSIONS_MAX: usize = 4_096;
const KEK_VERSIONS_LIVE_MAX: usize = 16;

/// A project and the KEK that wraps its keys, as they are within a change. Only [`Operational::wrapping_now`] makes one, so nothing
/// is wrapped under a version that a rotation has left behind and may destroy any moment.
pub(super) struct WrapsNow {
    pub(super) project: Project,
    kek: Arc<Held<WrappingKey>>,
}

impl WrapsNow {
    /// What wraps.
    pub(super) fn key(&self) -> &WrappingKey {
        self.kek.key()
    }
}

impl Operational {
    /// A new KEK, wrapped by the token, and itself. The wrap is counted durably before it is made: what a crash or a fault
    /// interrupts stays counted, so the stored number is never low.
    pub(super) fn new_kek(
        &self,
        actor: Actor,
        project: ProjectId,
        version: u32,
        now: Now,
    ) -> Result<(Kek, SecretKey), Stop> {
        let master_key = self.master_keys.last().ok_or_else(|| Fault::new("no MK generation is open"))?;
        let generation = master_key.generation();
        self.count_wrap(actor, generation, now)?;
        let binding = Binding::kek(*project.as_bytes(), version, generation);
        let key = SecretKey::generate()?;
        let wrapped = master_key.wrap(&key, &binding)?.to_bytes();
        Ok((Kek { master_key: generation, wrapped, created: now.time, gone: None, written: None }, key))
    }

    /// Counts a wrap by an MK generation before it is made.
    pub(super) fn count_wrap(&self, actor: Actor, generation: u32, now: Now) -> Result<(), Stop> {
        self.change(now, |batch| {
            let row_key = token_wraps_key(generation);
            let wraps = self.read::<u64>(Table::Counters, &row_key)?.unwrap_or(0) + 1;
            if wraps > TOKEN_WRAPS_MAX {
                return Err(Refusal::new(Code::KeyExhausted)
                    .detail(format!(
                        "MK generation {generation} has wrapped as many keys as it may; rotate the master key."
                    ))
                    .into());
            }
            if wraps >= TOKEN_WRAPS_ROTATE {
                tracing::warn!(generation, wraps, "the MK has made half the wraps it may; rotate the master key");
            }
            let audit = AuditRecord::new(now.time, actor, "master-key.wrap")
                .with("generation", generation)
                .with("wraps", wraps);
            Ok((batch.put(Table::Counters, &row_key, cbor::encode(&wraps)), audit, ()))
        })
    }

    /// The KEK that wraps a project's new keys.
    ///
    /// # Errors
    /// `token-away`; a fault when it does not open.
    pub(super) fn load_kek(&self, project: &Project, now: Now) -> Result<Arc<Held<WrappingKey>>, Stop> {
        let (store, master_keys) = (&self.store, &self.master_keys);
        self.keyring.load_kek(project.id, project.kek_version, store, master_keys, now.instant)
    }

    /// `project` and its KEK as they are within a change. They were read before it, because that may ask the token; a rotation
    /// may have come between, and nothing may be wrapped under the version before it any more.
    pub(super) fn wrapping_now(
        &self,
        project: Project,
        kek: Arc<Held<WrappingKey>>,
        now: Now,
    ) -> Result<WrapsNow, Stop> {
        let missing = || not_found("project", project.name.as_str());
        let found: Project = self.read(Table::Projects, project.id.as_bytes())?.ok_or_else(missing)?;
        if found.kek_version == project.kek_version {
            return Ok(WrapsNow { project: found, kek });
        }
        // It was made just now, so it is in memory.
        let kek = self.load_kek(&found, now)?;
        Ok(WrapsNow { project: found, kek })
    }

    /// Gives a project the next version of its KEK.
    ///
    /// # Errors
    /// `not-found`, `token-away`, `key-exhausted` when the MK may wrap no more, `conflict` when another rotation came first.
    pub fn rotate_kek(
        &self,
        actor: Actor,
        project: &str,
        reason: Option<&Description>,
        now: Now,
    ) -> Result<ProjectView, Stop> {
        let project = self.project_named(project)?;
        let rotated = self.rotate_kek_of(actor, project, reason, now)?;
        Ok(self.seen(rotated))
    }

    /// Bounds what is under way of a project's KEK, and what stays of it.
    fn check_keks(&self, project: ProjectId) -> Result<(), Stop> {
        let (mut all, mut live) = (0, 0);
        self.each_listed(Table::Keks, project.as_bytes(), |_, row| {
            all += 1;
            live += usize::from(row.decode::<Kek>()?.sound().is_none_or(|kek| kek.gone.is_none()));
            Ok(())
        })?;
        if all >= KEK_VERSIONS_MAX {
            let why = format!("The project has had {KEK_VERSIONS_MAX} KEK versions, as many as it may have.");
            return Err(Refusal::new(Code::BadRequest).detail(why).into());
        }
        if live >= KEK_VERSIONS_LIVE_MAX {
            let why = format!(
                "{live} KEK versions of the project are there still, and their keys are being wrapped anew."
            );
            return Err(Refusal::new(Code::RotationUnderWay).detail(why).into());
        }
        Ok(())
    }

    /// The same of a project at hand, as a rotation of the MK does with each. The versions before go once they wrap nothing.
    pub(super) fn rotate_kek_of(
        &self,
        actor: Actor,
        before: Project,
        reason: Option<&Description>,
        now: Now,
    ) -> Result<Project, Stop> {
        let (id, version) = (before.id, before.next_kek_version());
        let (kek, key) = self.new_kek(actor, id, version, now)?;
        let rotated = self.change(now, |batch| {
            let missing = || not_found("project", before.name.as_str());
            let found: Project = self.read(Table::Projects, id.as_bytes())?.ok_or_else(missing)?;
            if found.next_kek_version() != version {
                return Err(Code::Conflict.into());
            }
            self.check_keks(id)?;
            let from = found.kek_version;
            let rotated = Project { kek_version: version, kek_version_floor: None, ..found };
            let row_key = kek_row_key(id, version);
            let batch = batch
                .expect_absent(Table::Keks, &row_key)
                .put(Table::Keks, &row_key, cbor::encode(&kek))
                .put(Table::Projects, id.as_bytes(), cbor::encode(&rotated))
                .put(Table::Counters, &owed_key(id), cbor::encode(&Owed::default()));
            let batch = self.wait_for_escrow(batch, Table::Keks, &row_key);
            let audit = AuditRecord::new(now.time, actor, "project.rotate-kek")
                .with("id", id)
                .with("from", from)
                .with("kek-version", version)
                .with("generation", kek.master_key);
            let audit = audit.with_reason(reason);
            Ok((batch, audit, rotated))
        })?;
        // Not before it is durable.
        self.keyring.hold_kek(id, WrappingKey::new(version, &key), &self.store, now.instant);
        self.escrow_at_once(now);
        Ok(rotated)
    }
}
