//! Grants: what an endpoint may do with an object.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::grant::Grant;
use crate::domain::id::{EndpointId, ObjectId};
use crate::domain::name::Name;
use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::timestamp::Now;
use crate::store::{StoreError, Table};

use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::page::{Page, PageWanted};

/// A grant in a list.
pub struct GrantView {
    /// On which object.
    pub object: ObjectId,
    /// The object's name.
    pub object_name: Name,
    /// To do what.
    pub operation: Operation,
}

impl Operational {
    /// Lets an endpoint do `operations` on an object. What was granted stays; when all of it was, nothing is recorded. A
    /// damaged grant is given anew.
    ///
    /// # Errors
    /// `not-found` for endpoint or object, `project-retired`.
    pub fn grant(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        object: &str,
        operations: &[Operation],
        now: Now,
    ) -> Result<(), Stop> {
        self.live_project(project)?;
        let (endpoint, object) = self.both(project, endpoint, object)?;
        let new = self.grants_that(false, endpoint, object, operations)?;
        if new.is_empty() {
            return Ok(());
        }
        self.change(now, |batch| {
            let batch = new.iter().fold(batch, |batch, operation| {
                let row_key = Grant::row_key(endpoint, object, *operation);
                batch.put(Table::Grants, &row_key, cbor::encode(&Grant { created: now.time }))
            });
            let batch =
                if new.contains(&Operation::Encrypt) { self.put_to_use(batch, object)? } else { batch };
            Ok((batch, grant_audit(now, actor, "grant.create", endpoint, object, &new), ()))
        })
    }

    /// Takes grants away, damaged ones too. One that is not there stays away; when none is, nothing is recorded.
    ///
    /// # Errors
    /// `not-found` for endpoint or object.
    pub fn revoke_grant(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        object: &str,
        operations: &[Operation],
        now: Now,
    ) -> Result<(), Stop> {
        let (endpoint, object) = self.both(project, endpoint, object)?;
        let ended = self.grants_that(true, endpoint, object, operations)?;
        if ended.is_empty() {
            return Ok(());
        }
        self.withdraw(now, |batch| {
            let batch = ended.iter().fold(batch, |batch, operation| {
                batch.delete(Table::Grants, &Grant::row_key(endpoint, object, *operation))
            });
            Ok((batch, grant_audit(now, actor, "grant.revoke", endpoint, object, &ended), ()))
        })
    }

    /// Those of `operations`, each once, whose grant is there, or is not. A damaged one is there to be taken away, and is not
    /// there to count.
    fn grants_that(
        &self,
        are_there: bool,
        endpoint: EndpointId,
        object: ObjectId,
        operations: &[Operation],
    ) -> Result<Vec<Operation>, Stop> {
        let mut found = Vec::new();
        for operation in operations {
            let fits = match self.store.get(Table::Grants, &Grant::row_key(endpoint, object, *operation)) {
                Ok(row) => row.is_some() == are_there,
                Err(StoreError::Damaged { .. }) => true,
                Err(other) => return Err(other.into()),
            };
            if fits && !found.contains(operation) {
                found.push(*operation);
            }
        }
        Ok(found)
    }

    /// Grants of an endpoint; one that is damaged, or whose object is, by that row's name.
    ///
    /// # Errors
    /// `not-found` for the endpoint.
    pub fn grants(
        &self,
        project: &str,
        endpoint: &str,
        wanted: &PageWanted,
    ) -> Result<Page<GrantView>, Stop> {
        let endpoint = self.endpoint_id(project, endpoint)?;
        self.page(Table::Grants, endpoint.as_bytes(), wanted, |row_key, row| {
            if let Listed::Damaged(row) = row {
                return Ok(Some(Listed::Damaged(row)));
            }
            let Some((_, object, operation)) = Grant::from_row_key(row_key) else { return Ok(None) };
            let found = self.look_up::<Object>(Table::Objects, object.as_bytes())?;
            let view = |found: Object| GrantView { object, object_name: found.name, operation };
            Ok(found.map(|found| found.map(view)))
        })
    }

    fn both(&self, project: &str, endpoint: &str, object: &str) -> Result<(EndpointId, ObjectId), Stop> {
        let found = self.object_named(self.project_named(project)?.id, object)?;
        let found = found.ok_or_else(|| not_found("object", object))?;
        Ok((self.endpoint_id(project, endpoint)?, found.id))
    }
}

fn grant_audit(
    now: Now,
    actor: Actor,
    act: &'static str,
    endpoint: EndpointId,
    object: ObjectId,
    operations: &[Operation],
) -> AuditRecord {
    let operations: Vec<&str> = operations.iter().map(|operation| operation.name()).collect();
    AuditRecord::new(now.time, actor, act)
        .with("endpoint", endpoint)
        .with("object", object)
        .with("operations", operations.join(" "))
}
