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
use crate::store::Table;

use super::catalog::not_found;
use super::fault::Stop;
use super::operational::Operational;

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
    /// Lets an endpoint do `operations` on an object. What was granted stays; when all of it was, nothing is recorded.
    ///
    /// # Errors
    /// `not-found` for endpoint or object.
    pub fn grant(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        object: &str,
        operations: &[Operation],
        now: Now,
    ) -> Result<(), Stop> {
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
            Ok((batch, grant_audit(now, actor, "grant.create", endpoint, object, &new), ()))
        })
    }

    /// Takes grants away. One that is not there stays away; when none is, nothing is recorded.
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

    /// Those of `operations`, each once, whose grant is there, or is not.
    fn grants_that(
        &self,
        are_there: bool,
        endpoint: EndpointId,
        object: ObjectId,
        operations: &[Operation],
    ) -> Result<Vec<Operation>, Stop> {
        let mut found = Vec::new();
        for operation in operations {
            let row = self.store.get(Table::Grants, &Grant::row_key(endpoint, object, *operation))?;
            if row.is_some() == are_there && !found.contains(operation) {
                found.push(*operation);
            }
        }
        Ok(found)
    }

    /// Grants of an endpoint.
    ///
    /// # Errors
    /// `not-found` for the endpoint.
    pub fn grants(&self, project: &str, endpoint: &str) -> Result<Vec<GrantView>, Stop> {
        let endpoint = self.endpoint_named(project, endpoint)?;
        let mut views = Vec::new();
        self.each(Table::Grants, endpoint.id.as_bytes(), |row_key, _| {
            if let Some((_, object, operation)) = Grant::from_row_key(row_key) {
                let found: Option<Object> = self.read(Table::Objects, object.as_bytes())?;
                if let Some(found) = found {
                    views.push(GrantView { object, object_name: found.name, operation });
                }
            }
            Ok(())
        })?;
        Ok(views)
    }

    fn both(&self, project: &str, endpoint: &str, object: &str) -> Result<(EndpointId, ObjectId), Stop> {
        let endpoint = self.endpoint_named(project, endpoint)?;
        let found = self.object_named(endpoint.project, object)?;
        Ok((endpoint.id, found.ok_or_else(|| not_found("object", object))?.id))
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
