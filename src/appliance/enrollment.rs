//! Endpoints: who may come in. Their API keys are in [`super::api_keys`].

use crate::crypto::random;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::description::Description;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, ProjectId};
use crate::domain::name::Name;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Row, Table};

use super::admission::refused;
use super::api_keys::ApiKeyView;
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
    /// What people say it is for.
    pub description: Option<Description>,
    /// Since when it is retired, if it is.
    pub retired: Option<Timestamp>,
}

impl Operational {
    /// Makes an endpoint. It can do nothing yet: it has no certificate, no API key and no grant.
    ///
    /// # Errors
    /// `not-found` for the project, `project-retired`, `already-exists`, `too-many-things`.
    pub fn create_endpoint(
        &self,
        actor: Actor,
        project: &str,
        name: Name,
        now: Now,
    ) -> Result<EndpointView, Stop> {
        let project = self.live_project(project)?;
        let id = EndpointId::from_random(random::bytes()?);
        let endpoint = Endpoint::new(id, project.id, name, now.time);
        self.change(now, |batch| {
            self.check_endpoints(project.id)?;
            let batch =
                self.name(batch, Table::Endpoints, project.id.as_bytes(), &endpoint.name, id.as_bytes());
            let audit = AuditRecord::new(now.time, actor, "endpoint.create")
                .with("id", id)
                .with("name", &endpoint.name)
                .with("project", project.id);
            Ok((batch.put(Table::Endpoints, id.as_bytes(), cbor::encode(&endpoint)), audit, ()))
        })?;
        Ok(EndpointView::of(endpoint))
    }

    /// Refuses an endpoint from now on, with all its certificates. One with nothing left to refuse leaves no second record. One
    /// whose row is damaged is written anew, as revoked.
    ///
    /// # Errors
    /// `not-found`.
    pub fn revoke_endpoint(&self, actor: Actor, project: &str, name: &str, now: Now) -> Result<(), Stop> {
        let (endpoint, is_damaged) = self.endpoint_to_revoke(project, name, now)?;
        let enrolments = self.enrolments_of(endpoint.id)?;
        let serials: Vec<_> = enrolments.iter().filter_map(|(.., it)| it.listed_serial(now.time)).collect();
        let live = enrolments.into_iter().filter(|(_, _, certificate)| certificate.revoked.is_none());
        let live: Vec<_> = live.collect();
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

    /// Every certificate an endpoint has or had, with the rows they are stored in.
    pub(super) fn enrolments_of(
        &self,
        endpoint: EndpointId,
    ) -> Result<Vec<(Vec<u8>, Row, Certificate)>, Stop> {
        let mut found = Vec::new();
        self.each(Table::Certificates, &[], |spki, row| {
            let certificate: Certificate = cbor::decode(&row.value)?;
            if certificate.endpoint == Some(endpoint) {
                found.push((spki.to_vec(), row, certificate));
            }
            Ok(())
        })?;
        Ok(found)
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
    pub(super) fn endpoint_to_revoke(
        &self,
        project: &str,
        name: &str,
        now: Now,
    ) -> Result<(Endpoint, bool), Stop> {
        let project = self.project_named(project)?.id;
        let id = self.endpoint_id_below(project, name)?;
        let missing = || not_found("endpoint", name);
        match self.look_up::<Endpoint>(Table::Endpoints, id.as_bytes())?.ok_or_else(missing)? {
            Listed::Sound(endpoint) => Ok((endpoint, false)),
            Listed::Damaged(_) => {
                let name = name.parse().map_err(|_| missing())?;
                Ok((Endpoint::new(id, project, name, now.time), true))
            }
        }
    }

    /// The endpoint of a name, unless it or its project is refused: nothing new is given to one that is.
    pub(super) fn live_endpoint(&self, project: &str, name: &str) -> Result<Endpoint, Stop> {
        let endpoint = self.endpoint_named(project, name)?;
        match refused(&endpoint, &self.project_named(project)?) {
            Some(code) => Err(code.into()),
            None => Ok(endpoint),
        }
    }

    pub(super) fn endpoint_named(&self, project: &str, name: &str) -> Result<Endpoint, Stop> {
        let id = self.endpoint_id(project, name)?;
        self.read(Table::Endpoints, id.as_bytes())?.ok_or_else(|| not_found("endpoint", name))
    }
}

impl EndpointView {
    pub(super) fn of(endpoint: Endpoint) -> Self {
        let Endpoint { id, name, created, revoked, disabled, description, retired, .. } = endpoint;
        Self { id, name, created, revoked, disabled, description, retired }
    }
}
