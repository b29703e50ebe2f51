//! Ending projects, objects and endpoints for good. An endpoint can always be ended: what opens by it is nothing. An object
//! only where nothing is lost by it, which is looked into and not believed; a project only when there is nothing in it.
//! Ids are never given again; what records and statistics say of them stays.

use std::time::Duration;

use crate::domain::actor::Actor;
use crate::domain::api_key::ApiKey;
use crate::domain::audit_record::AuditRecord;
use crate::domain::budget::{Counted, Spender};
use crate::domain::cbor;
use crate::domain::endpoint::Endpoint;
use crate::domain::grant::Grant;
use crate::domain::id::ProjectId;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::project::{Kek, Project};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::domain::trace::{Departed, LastUse};
use crate::store::{Batch, Table};

use super::certificates::revoke;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Beside the token's deadline, an object has to be retired for so long before it can be deleted: whatever was encrypted for it
/// before that is in the journal by then. A request that was let in waits for the token, and no longer than a pause for the store.
const RETIRED_FOR: Duration = Duration::from_secs(60);

impl Operational {
    /// Ends an endpoint with its API keys, grants and budgets; its certificates are revoked. One whose row is damaged, too.
    pub(super) fn delete_endpoint(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        now: Now,
    ) -> Result<(), Stop> {
        let (serials, spenders) = self.withdraw(now, |batch| {
            let (endpoint, is_damaged) = self.endpoint_to_revoke(project, name, now)?;
            let enrolments = self.enrolments_of(endpoint.id)?;
            let serials: Vec<Vec<u8>> =
                enrolments.iter().filter_map(|(.., it)| it.listed_serial(now.time)).collect();
            let mut batch = batch.delete(Table::Endpoints, endpoint.id.as_bytes()).delete(
                Table::Names,
                &self.store.name_key(Table::Endpoints, endpoint.project.as_bytes(), name),
            );
            let mut spenders = Counted::ALL.map(|counted| Spender::endpoint(endpoint.id, counted)).to_vec();
            let mut api_keys = 0u32;
            for (digest, key) in self.keys_of(&endpoint)? {
                batch =
                    batch.delete(Table::ApiKeys, &digest).delete(Table::Traces, &LastUse::row_key(key.id));
                spenders.extend(Counted::ALL.map(|counted| Spender::api_key(key.id, counted)));
                api_keys += 1;
            }
            let mut grants = Vec::new();
            self.each_listed(Table::Grants, endpoint.id.as_bytes(), |row_key, _| {
                grants.push(row_key.to_vec());
                Ok(())
            })?;
            let batch = grants.iter().fold(batch, |batch, row_key| batch.delete(Table::Grants, row_key));
            let batch = spenders.iter().fold(batch, |batch, of| batch.delete(Table::Budgets, &of.row_key()));
            let departed = Departed { project: endpoint.project, deleted: now.time };
            let batch = batch.put(Table::Traces, &Departed::row_key(endpoint.id), cbor::encode(&departed));
            let audit = AuditRecord::new(now.time, actor, "endpoint.delete")
                .with("id", endpoint.id)
                .with("name", name)
                .with("project", endpoint.project)
                .with("api-keys", api_keys)
                .with("grants", grants.len())
                .with("certificates", serials.len());
            let audit = if is_damaged { audit.with("row", "damaged") } else { audit };
            let open = enrolments.into_iter().filter(|(_, _, certificate)| certificate.revoked.is_none());
            let batch = open.fold(batch, |batch, (spki, row, certificate)| {
                revoke(batch, &spki, &row, certificate, now.time)
            });
            Ok((batch, audit, (serials, spenders)))
        })?;
        self.budgets.forget(&spenders);
        self.publish_revocations(&serials, now)
    }

    /// Ends an object with its key versions and the grants on it, where no data is lost by that.
    pub(super) fn delete_object(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        now: Now,
    ) -> Result<(), Stop> {
        let mut ended = Vec::new();
        let deleted = self.withdraw(now, |batch| {
            let project = self.project_named(project)?.id;
            let object: Object = self.living(project.as_bytes(), name)?;
            let versions = self.key_versions(&object)?;
            self.check_deletable(&object, &versions, now)?;
            let batch = batch
                .delete(Table::Objects, object.id.as_bytes())
                .delete(Table::Names, &self.store.name_key(Table::Objects, project.as_bytes(), name));
            let (mut batch, count, mut recoverable) = (batch, versions.len(), 0u32);
            for version in versions.into_iter().filter_map(Listed::sound) {
                let place = object.key_place(version.version);
                ended.push(place);
                let row_key = place.row_key();
                batch = batch.delete(Table::KeyUses, &row_key);
                // A copy elsewhere may be unwrapped still: when that ends is told of it all the same.
                batch = match version.orphaned(project) {
                    Some(orphan) => {
                        recoverable += 1;
                        batch.put(Table::KeyVersions, &row_key, cbor::encode(&orphan))
                    }
                    None => batch.delete(Table::KeyVersions, &row_key),
                };
            }
            let roots = self.root_versions(&object)?.into_iter().filter_map(Listed::sound);
            ended.extend(roots.map(|root| root.place()));
            let batch = self.owe_file(self.without_roots(batch, &object)?, now)?;
            let mut grants = Vec::new();
            self.each_listed(Table::Grants, &[], |row_key, _| {
                let of = Grant::from_row_key(row_key);
                if of.is_some_and(|(_, granted, _)| granted == object.id) {
                    grants.push(row_key.to_vec());
                }
                Ok(())
            })?;
            let batch = grants.iter().fold(batch, |batch, row_key| batch.delete(Table::Grants, row_key));
            let audit = AuditRecord::new(now.time, actor, "object.delete")
                .with("id", object.id)
                .with("name", name)
                .with("project", project)
                .with("key-id", format!("{:08x}", object.key_id))
                .with("versions", count)
                .with("recoverable", recoverable)
                .with("grants", grants.len());
            // Its row in key-ids stays: the number is never given again.
            Ok((batch, audit, ()))
        });
        // Also where that is said to have failed: it may have landed all the same.
        for place in ended {
            self.forget_key(place);
        }
        deleted
    }

    /// Ends a project with its members, KEKs and frozen subjects, and what waits about it, when it has neither objects nor endpoints.
    pub(super) fn delete_project(&self, actor: Actor, name: &str, now: Now) -> Result<(), Stop> {
        let mut keks = Vec::new();
        let deleted = self.withdraw(now, |batch| {
            let project: Project = self.living(&[0; 16], name)?;
            self.check_empty(&project)?;
            let mut batch = batch
                .delete(Table::Projects, project.id.as_bytes())
                .delete(Table::Names, &self.store.name_key(Table::Projects, &[0; 16], name));
            let mut members = 0u32;
            for table in [Table::Members, Table::FrozenSubjects] {
                let mut rows = Vec::new();
                self.each_listed(table, project.id.as_bytes(), |row_key, _| {
                    rows.push(row_key.to_vec());
                    Ok(())
                })?;
                members +=
                    if table == Table::Members { u32::try_from(rows.len()).unwrap_or(u32::MAX) } else { 0 };
                batch = rows.iter().fold(batch, |batch, row_key| batch.delete(table, row_key));
            }
            let batch = self.without_keks(batch, project.id, &mut keks, now)?;
            let batch = self.end_approvals_about(batch, project.id, now)?;
            // Its KEKs went.
            let batch = self.owe_file(batch, now)?;
            let audit = AuditRecord::new(now.time, actor, "project.delete")
                .with("id", project.id)
                .with("name", name)
                .with("members", members);
            Ok((batch, audit, ()))
        });
        for (project, version) in keks {
            self.keyring.forget_kek(project, version);
        }
        deleted
    }

    /// Destroys every version of a project's KEK. As behind a rotation their rows stay, without the keys: by them it is known what
    /// a copy of a key that was deleted before could be unwrapped by.
    fn without_keks(
        &self,
        batch: Batch,
        project: ProjectId,
        gone: &mut Vec<(ProjectId, u32)>,
        now: Now,
    ) -> Result<Batch, Stop> {
        let (mut batch, written, mut keks) = (batch, self.file_written()?, Vec::new());
        self.each_listed(Table::Keks, project.as_bytes(), |row_key, row| {
            keks.push((row_key.to_vec(), row.decode::<Kek>()?));
            Ok(())
        })?;
        for (row_key, kek) in keks {
            let version = row_key.last_chunk().map_or(0, |version| u32::from_be_bytes(*version));
            gone.push((project, version));
            batch = match kek {
                Listed::Sound(kek) if kek.gone.is_some() => batch,
                Listed::Sound(kek) => {
                    batch.put(Table::Keks, &row_key, cbor::encode(&kek.destroyed(now.time, written)))
                }
                Listed::Damaged(_) => batch.delete(Table::Keks, &row_key),
            };
        }
        Ok(batch)
    }

    /// A damaged row may be of any project, so while there is one nobody knows.
    fn check_empty(&self, project: &Project) -> Result<(), Stop> {
        let (mut objects, mut endpoints, mut damaged) = (0u32, 0u32, 0u32);
        self.each_listed(Table::Objects, &[], |_, row| {
            match row.decode::<Object>()? {
                Listed::Sound(object) => objects += u32::from(object.project == project.id),
                Listed::Damaged(_) => damaged += 1,
            }
            Ok(())
        })?;
        self.each_listed(Table::Endpoints, &[], |_, row| {
            match row.decode::<Endpoint>()? {
                Listed::Sound(endpoint) => endpoints += u32::from(endpoint.project == project.id),
                Listed::Damaged(_) => damaged += 1,
            }
            Ok(())
        })?;
        if objects + endpoints + damaged == 0 {
            return Ok(());
        }
        let more =
            if damaged == 0 { String::new() } else { format!(", and {damaged} damaged rows may be its") };
        let detail = format!("The project has {objects} objects and {endpoints} endpoints{more}.");
        Err(Refusal::new(Code::NotEmpty).detail(detail).into())
    }

    /// Whether nothing can be lost with an object: all its key versions are destroyed, or none of them ever sealed.
    fn check_deletable(
        &self,
        object: &Object,
        versions: &[Listed<KeyVersion>],
        now: Now,
    ) -> Result<(), Stop> {
        let refuse = |why: String| Err(Refusal::new(Code::ObjectInUse).detail(why).into());
        let mut left = Vec::new();
        for version in versions {
            match version {
                Listed::Damaged(row) => return refuse(format!("Its key version {row} is damaged.")),
                Listed::Sound(version) if version.life.gone().is_some() => {}
                Listed::Sound(version) => left.push(version),
            }
        }
        let retired = object.retired.map(|since| now.time.since(since));
        let enough = RETIRED_FOR + self.settings.token.deadline;
        match retired {
            Some(since) if since >= enough => {}
            other => {
                let wait = enough.saturating_sub(other.unwrap_or_default());
                let seconds = wait.as_secs().max(1);
                let detail = match other {
                    None => format!("Retire the object; it can be deleted {seconds} s after that."),
                    Some(_) => format!("The object can be deleted in {seconds} s."),
                };
                return Err(Refusal::new(Code::NotRetired).detail(detail).retry_after(wait).into());
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if let Some(used) = left.iter().find(|version| version.uses_reserved > 0) {
            return refuse(format!("Uses of its key version {} are reserved or not known.", used.version));
        }
        self.check_never_sealed(object)
    }

    fn keys_of(&self, endpoint: &Endpoint) -> Result<Vec<(Vec<u8>, ApiKey)>, Stop> {
        let mut keys = Vec::new();
        self.each(Table::ApiKeys, &[], |digest, row| {
            let key: ApiKey = cbor::decode(&row.value)?;
            if key.endpoint == endpoint.id {
                keys.push((digest.to_vec(), key));
            }
            Ok(())
        })?;
        Ok(keys)
    }
}
