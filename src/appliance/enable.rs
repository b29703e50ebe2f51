//! Enabling what a new epoch disabled: an operator has looked at it, and lets it in again. What is revoked stays revoked.

use crate::domain::actor::Actor;
use crate::domain::api_key::ApiKey;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::ApiKeyId;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;
use crate::domain::user::User;
use crate::store::Table;

use super::catalog::not_found;
use super::fault::Stop;
use super::operational::Operational;

impl Operational {
    /// Lets an endpoint in again. One that is not disabled leaves no record.
    ///
    /// # Errors
    /// `not-found`, `endpoint-revoked`.
    pub fn enable_endpoint(&self, actor: Actor, project: &str, name: &str, now: Now) -> Result<(), Stop> {
        let id = self.endpoint_named(project, name)?.id;
        self.change_if_any(now, |batch| {
            let endpoint: Endpoint =
                self.read(Table::Endpoints, id.as_bytes())?.ok_or_else(|| not_found("endpoint", name))?;
            if endpoint.revoked.is_some() {
                return Err(Code::EndpointRevoked.into());
            }
            if endpoint.disabled.is_none() {
                return Ok(None);
            }
            let enabled = Endpoint { disabled: None, ..endpoint };
            let audit = AuditRecord::new(now.time, actor, "endpoint.enable").with("id", id);
            Ok(Some((batch.put(Table::Endpoints, id.as_bytes(), cbor::encode(&enabled)), audit)))
        })
    }

    /// Lets an API key count again. One that is not disabled leaves no record.
    ///
    /// # Errors
    /// `not-found`, `api-key-revoked`.
    pub fn enable_api_key(&self, actor: Actor, id: ApiKeyId, now: Now) -> Result<(), Stop> {
        let (digest, ..) = self.api_key_by_id(id)?;
        let missing = || not_found("API key", &id.to_string());
        self.change_if_any(now, |batch| {
            let api_key: ApiKey = self.read(Table::ApiKeys, &digest)?.ok_or_else(missing)?;
            if api_key.revoked.is_some() {
                return Err(Code::ApiKeyRevoked.into());
            }
            if api_key.disabled.is_none() {
                return Ok(None);
            }
            let enabled = ApiKey { disabled: None, ..api_key };
            let audit = AuditRecord::new(now.time, actor, "api-key.enable").with("id", id);
            Ok(Some((batch.put(Table::ApiKeys, &digest, cbor::encode(&enabled)), audit)))
        })
    }

    /// Lets a user in again. One that is not disabled leaves no record.
    ///
    /// # Errors
    /// `not-found`.
    pub fn enable_user(&self, actor: Actor, name: &str, now: Now) -> Result<(), Stop> {
        self.change_if_any(now, |batch| {
            let user = self.user_named(name)?;
            if user.disabled.is_none() {
                return Ok(None);
            }
            let id = user.id;
            let enabled = User { disabled: None, ..user };
            let audit = AuditRecord::new(now.time, actor, "user.enable").with("id", id);
            Ok(Some((batch.put(Table::Users, id.as_bytes(), cbor::encode(&enabled)), audit)))
        })
    }
}
