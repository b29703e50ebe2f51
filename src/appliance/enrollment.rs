//! Endpoints and their API keys: who may come in.

use crate::crypto::random;
use crate::domain::actor::Actor;
use crate::domain::api_key::{ApiKey, ApiKeyText};
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{ApiKeyId, EndpointId, ProjectId};
use crate::domain::limits::RateLimits;
use crate::domain::name::Name;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Row, Table};

use super::catalog::not_found;
use super::certificates::revoke;
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;
use super::page::{Page, PageWanted};

/// An endpoint in a list.
pub struct EndpointView {
    /// Its id.
    pub id: EndpointId,
    /// Its name.
    pub name: Name,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it is refused, if it is.
    pub revoked: Option<Timestamp>,
    /// Since when it waits to be enabled again, if it does.
    pub disabled: Option<Timestamp>,
}

/// An API key in a list: everything but the key.
pub struct ApiKeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub label: Name,
    /// When it was made.
    pub created: Timestamp,
    /// From when it is refused, if ever.
    pub expires: Option<Timestamp>,
    /// Since when it is refused, if it is.
    pub revoked: Option<Timestamp>,
    /// Since when it waits to be enabled again, if it does.
    pub disabled: Option<Timestamp>,
    /// How much it may do.
    pub limits: RateLimits,
}

/// What is asked for when an API key is made.
pub struct NewApiKey {
    /// What its owner will call it.
    pub label: Name,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
    /// How much it may do; the appliance's defaults when nothing is said.
    pub limits: Option<RateLimits>,
}

impl Operational {
    /// Makes an endpoint. It can do nothing yet: it has no certificate, no API key and no grant.
    ///
    /// # Errors
    /// `not-found` for the project, `already-exists`.
    pub fn create_endpoint(
        &self,
        actor: Actor,
        project: &str,
        name: Name,
        now: Now,
    ) -> Result<EndpointView, Stop> {
        let project = self.project_named(project)?;
        let id = EndpointId::from_random(random::bytes()?);
        let endpoint =
            Endpoint { id, project: project.id, name, created: now.time, revoked: None, disabled: None };
        self.change(now, |batch| {
            let batch =
                self.name(batch, Table::Endpoints, project.id.as_bytes(), &endpoint.name, id.as_bytes());
            let audit = AuditRecord::new(now.time, actor, "endpoint.create")
                .with("id", id)
                .with("name", &endpoint.name)
                .with("project", project.id);
            Ok((batch.put(Table::Endpoints, id.as_bytes(), cbor::encode(&endpoint)), audit, ()))
        })?;
        Ok(EndpointView { id, name: endpoint.name, created: now.time, revoked: None, disabled: None })
    }

    /// Refuses an endpoint from now on, with all its certificates. One with nothing left to refuse leaves no second record. One
    /// whose row is damaged is written anew, as revoked.
    ///
    /// # Errors
    /// `not-found`.
    pub fn revoke_endpoint(&self, actor: Actor, project: &str, name: &str, now: Now) -> Result<(), Stop> {
        let (endpoint, is_damaged) = self.endpoint_to_revoke(project, name, now)?;
        let (mut serials, mut live) = (Vec::new(), Vec::new());
        self.each(Table::Certificates, &[], |spki, row| {
            let certificate: Certificate = cbor::decode(&row.value)?;
            if certificate.endpoint != Some(endpoint.id) {
                return Ok(());
            }
            if certificate.not_after >= now.time {
                serials.push(certificate.serial.clone());
            }
            if certificate.revoked.is_none() {
                live.push((spki.to_vec(), row, certificate));
            }
            Ok(())
        })?;
        if endpoint.revoked.is_none() || !live.is_empty() {
            self.withdraw(now, |batch| {
                let revoked = Endpoint { revoked: endpoint.revoked.or(Some(now.time)), ..endpoint.clone() };
                let audit = AuditRecord::new(now.time, actor, "endpoint.revoke")
                    .with("id", endpoint.id)
                    .with("certificates", live.len());
                let audit = if is_damaged { audit.with("row", "damaged") } else { audit };
                let batch = batch.put(Table::Endpoints, endpoint.id.as_bytes(), cbor::encode(&revoked));
                let batch = live.into_iter().fold(batch, |batch, (spki, row, certificate)| {
                    revoke(batch, &spki, &row, certificate, now.time)
                });
                Ok((batch, audit, ()))
            })?;
        }
        self.publish_revocations(&serials, now)
    }

    /// Endpoints of a project, and those whose row is damaged, of whichever project they are.
    ///
    /// # Errors
    /// `not-found` for the project.
    pub fn endpoints(&self, project: &str, wanted: &PageWanted) -> Result<Page<EndpointView>, Stop> {
        let project = self.project_named(project)?;
        self.page(Table::Endpoints, &[], wanted, |_, row| {
            let endpoint = row.decode::<Endpoint>()?;
            let is_of_another =
                matches!(&endpoint, Listed::Sound(endpoint) if endpoint.project != project.id);
            Ok((!is_of_another).then(|| endpoint.map(EndpointView::of)))
        })
    }

    /// Makes an API key. The text is returned once and kept nowhere.
    ///
    /// # Errors
    /// `not-found` for the endpoint, `bad-request` for limits of 0.
    pub fn create_api_key(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        new: NewApiKey,
        now: Now,
    ) -> Result<(ApiKeyView, ApiKeyText), Stop> {
        let endpoint = self.live_endpoint(project, endpoint)?;
        let limits = check_limits(new.limits.unwrap_or(self.policies().rate_limits))?;
        let text = ApiKeyText::generate()?;
        let id = ApiKeyId::from_random(random::bytes()?);
        let api_key = ApiKey {
            id,
            endpoint: endpoint.id,
            label: new.label,
            created: now.time,
            expires: new.expires,
            revoked: None,
            limits,
            disabled: None,
        };
        self.change(now, |batch| {
            let digest = text.digest();
            let audit = AuditRecord::new(now.time, actor, "api-key.create")
                .with("id", id)
                .with("label", &api_key.label)
                .with("endpoint", endpoint.id)
                .with("expires", api_key.expires.map_or_else(|| "never".to_owned(), |end| end.to_string()))
                .with("requests-per-s", limits.requests_per_s)
                .with("requests-burst", limits.requests_burst)
                .with("fields-per-s", limits.fields_per_s)
                .with("fields-burst", limits.fields_burst);
            let batch = batch.expect_absent(Table::ApiKeys, &digest);
            Ok((batch.put(Table::ApiKeys, &digest, cbor::encode(&api_key)), audit, ()))
        })?;
        Ok((ApiKeyView::of(api_key), text))
    }

    /// Refuses an API key from now on. One that is refused already leaves no second record.
    ///
    /// # Errors
    /// `not-found`.
    pub fn revoke_api_key(&self, actor: Actor, id: ApiKeyId, now: Now) -> Result<(), Stop> {
        let (digest, row, api_key) = self.api_key_by_id(id)?;
        if api_key.revoked.is_some() {
            return Ok(());
        }
        self.withdraw(now, |batch| {
            let revoked = ApiKey { revoked: Some(now.time), ..api_key };
            let batch = batch.expect_at(Table::ApiKeys, &digest, row.revision).put(
                Table::ApiKeys,
                &digest,
                cbor::encode(&revoked),
            );
            Ok((batch, AuditRecord::new(now.time, actor, "api-key.revoke").with("id", id), ()))
        })
    }

    /// An API key as it is stored, with its digest and its row.
    pub(super) fn api_key_by_id(&self, id: ApiKeyId) -> Result<(Vec<u8>, Row, ApiKey), Stop> {
        let mut found = None;
        self.each(Table::ApiKeys, &[], |digest, row| {
            let api_key: ApiKey = cbor::decode(&row.value)?;
            if api_key.id == id {
                found = Some((digest.to_vec(), row, api_key));
            }
            Ok(())
        })?;
        found.ok_or_else(|| not_found("API key", &id.to_string()))
    }

    /// API keys of an endpoint by id.
    ///
    /// # Errors
    /// `not-found` for project or endpoint.
    pub fn api_keys_page(
        &self,
        project: &str,
        endpoint: &str,
        wanted: &PageWanted,
    ) -> Result<Page<ApiKeyView>, Stop> {
        // Their rows lie in the order of digests, which are nobody's to see.
        Ok(wanted.of(self.api_keys(project, endpoint)?, |view| *view.id.as_bytes()))
    }

    /// API keys of an endpoint, and those whose row is damaged, of whichever endpoint they are.
    ///
    /// # Errors
    /// `not-found` for the endpoint.
    pub fn api_keys(&self, project: &str, endpoint: &str) -> Result<Vec<Listed<ApiKeyView>>, Stop> {
        let endpoint = self.endpoint_id(project, endpoint)?;
        let mut views = Vec::new();
        self.each_listed(Table::ApiKeys, &[], |_, row| {
            let api_key = row.decode::<ApiKey>()?;
            if !matches!(&api_key, Listed::Sound(api_key) if api_key.endpoint != endpoint) {
                views.push(api_key.map(ApiKeyView::of));
            }
            Ok(())
        })?;
        Ok(views)
    }

    /// The id of an endpoint, also of a revoked or damaged one.
    ///
    /// # Errors
    /// `not-found`.
    pub fn endpoint_id(&self, project: &str, name: &str) -> Result<EndpointId, Stop> {
        self.endpoint_id_below(self.project_named(project)?.id, name)
    }

    fn endpoint_id_below(&self, project: ProjectId, name: &str) -> Result<EndpointId, Stop> {
        let name_key = self.store.name_key(Table::Endpoints, project.as_bytes(), name);
        let id = self.store.get(Table::Names, &name_key)?.ok_or_else(|| not_found("endpoint", name))?;
        let id = id.value.as_slice().try_into();
        Ok(EndpointId::from_bytes(id.map_err(|_| Fault::new("a name leads to something that is no id"))?))
    }

    /// An endpoint as it is, or as far as it can be told anew from its name when its row does not open.
    fn endpoint_to_revoke(&self, project: &str, name: &str, now: Now) -> Result<(Endpoint, bool), Stop> {
        let project = self.project_named(project)?.id;
        let id = self.endpoint_id_below(project, name)?;
        let missing = || not_found("endpoint", name);
        match self.look_up::<Endpoint>(Table::Endpoints, id.as_bytes())?.ok_or_else(missing)? {
            Listed::Sound(endpoint) => Ok((endpoint, false)),
            Listed::Damaged(_) => {
                let name = name.parse().map_err(|_| missing())?;
                let created = now.time;
                Ok((Endpoint { id, project, name, created, revoked: None, disabled: None }, true))
            }
        }
    }

    /// The endpoint of a name, unless it is revoked: nothing new is given to one that is.
    pub(super) fn live_endpoint(&self, project: &str, name: &str) -> Result<Endpoint, Stop> {
        let endpoint = self.endpoint_named(project, name)?;
        match (endpoint.revoked, endpoint.disabled) {
            (Some(_), _) => Err(Code::EndpointRevoked.into()),
            (None, Some(_)) => Err(Code::EndpointDisabled.into()),
            (None, None) => Ok(endpoint),
        }
    }

    pub(super) fn endpoint_named(&self, project: &str, name: &str) -> Result<Endpoint, Stop> {
        let id = self.endpoint_id(project, name)?;
        self.read(Table::Endpoints, id.as_bytes())?.ok_or_else(|| not_found("endpoint", name))
    }
}

impl EndpointView {
    fn of(endpoint: Endpoint) -> Self {
        let Endpoint { id, name, created, revoked, disabled, .. } = endpoint;
        Self { id, name, created, revoked, disabled }
    }
}

impl ApiKeyView {
    fn of(api_key: ApiKey) -> Self {
        let ApiKey { id, label, created, expires, revoked, limits, disabled, .. } = api_key;
        Self { id, label, created, expires, revoked, disabled, limits }
    }
}

fn check_limits(limits: RateLimits) -> Result<RateLimits, Refusal> {
    let RateLimits { requests_per_s, requests_burst, fields_per_s, fields_burst } = limits;
    if [requests_per_s, requests_burst, fields_per_s, fields_burst].contains(&0) {
        return Err(Refusal::new(Code::BadRequest)
            .detail("A limit of 0 would refuse everything; revoke the API key instead."));
    }
    Ok(limits)
}
