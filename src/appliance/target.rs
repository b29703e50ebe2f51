//! What an act is about, as people name it, and how it is found for the policies. Only names and ids are read where they
//! suffice, so that what is damaged can still be revoked.

use std::fmt;

use crate::domain::access::{On, Person, Tenant, Thing};
use crate::domain::certificate::Certificate;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{ApiKeyId, ApprovalId, EndpointId, ObjectId, ProjectId, SessionId, UserId};
use crate::domain::project::Project;
use crate::domain::user::{Role, User};
use crate::store::Table;

use super::catalog::not_found;
use super::certificates::unhex;
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;

/// What an act is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A person's account, by name, to be ended; the appliance where its row does not tell any more who it was.
    Account(String),
    /// The endpoint of an API key; the appliance where that cannot be told any more.
    ApiKey(ApiKeyId),
    /// Everything that is of no project.
    Appliance,
    /// What waits for a second person, by id.
    Approval(ApprovalId),
    /// The endpoint or the user of a certificate, named by its public key's digest in hex; the appliance where that cannot be
    /// told.
    Certificate(String),
    /// A client system.
    Endpoint {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// A class of protected data.
    Object {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// A tenant, by name.
    Project(String),
    /// What an account is to be for.
    Role(Role),
    /// The user of a session.
    Session(SessionId),
    /// A person, by name.
    User(String),
}

/// As people write it, such as `object:kantor/karyawan`.
impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) | Self::User(name) => write!(out, "user:{name}"),
            Self::ApiKey(id) => write!(out, "api-key:{id}"),
            Self::Appliance => out.write_str("appliance"),
            Self::Approval(id) => write!(out, "approval:{id}"),
            Self::Certificate(spki) => write!(out, "certificate:{spki}"),
            Self::Endpoint { project, name } => write!(out, "endpoint:{project}/{name}"),
            Self::Object { project, name } => write!(out, "object:{project}/{name}"),
            Self::Project(name) => write!(out, "project:{name}"),
            Self::Role(role) => write!(out, "role:{role}"),
            Self::Session(id) => write!(out, "session:{id}"),
        }
    }
}

impl Operational {
    /// Finds it.
    ///
    /// # Errors
    /// `not-found`.
    pub(super) fn target(&self, target: &Target) -> Result<On, Stop> {
        Ok(match target {
            Target::ApiKey(id) => self.endpoint_of_key(*id)?.map_or(On::Appliance, On::Endpoint),
            Target::Appliance => On::Appliance,
            Target::Approval(id) => On::Approval(self.asked(*id)?),
            Target::Certificate(spki) => self.holder(spki)?,
            Target::Endpoint { project, name } => On::Endpoint(self.endpoint_thing(project, name)?),
            Target::Object { project, name } => {
                let project = self.tenant_named(project)?;
                let id = self.id_of(Table::Objects, project.id.as_bytes(), name)?;
                let id = ObjectId::from_bytes(id.ok_or_else(|| not_found("object", name))?);
                On::Object(Thing { id, name: name.clone(), project })
            }
            Target::Project(name) => On::Project(self.tenant_named(name)?),
            Target::Role(role) => On::Role(*role),
            Target::Account(name) => self.account(name)?,
            Target::Session(id) => On::User(self.person(&self.owner_of(*id)?)?),
            Target::User(name) => On::User(self.person(&self.user_named(name)?)?),
        })
    }

    fn account(&self, name: &str) -> Result<On, Stop> {
        let missing = || not_found("user", name);
        let id = self.id_of(Table::Users, &[0; 16], name)?.ok_or_else(missing)?;
        match self.look_up::<User>(Table::Users, &id)?.ok_or_else(missing)? {
            Listed::Sound(user) => Ok(On::User(self.person(&user)?)),
            Listed::Damaged(_) => Ok(On::Appliance),
        }
    }

    /// A user with its memberships, as policies see one.
    pub(super) fn person(&self, user: &User) -> Result<Person, Stop> {
        let projects = self.projects_of(user.id)?;
        let (name, is_unconfirmed) = (user.name.to_string(), user.unconfirmed.is_some());
        Ok(Person { id: user.id, name, role: user.role, projects, is_unconfirmed })
    }

    /// An endpoint by names.
    pub(super) fn endpoint_thing(&self, project: &str, name: &str) -> Result<Thing<EndpointId>, Stop> {
        let project = self.tenant_named(project)?;
        let id = self.id_of(Table::Endpoints, project.id.as_bytes(), name)?;
        let id = EndpointId::from_bytes(id.ok_or_else(|| not_found("endpoint", name))?);
        Ok(Thing { id, name: name.to_owned(), project })
    }

    /// A project by id; none when there is none.
    pub(super) fn tenant(&self, id: ProjectId) -> Result<Option<Tenant>, Stop> {
        let project: Option<Project> = self.read(Table::Projects, id.as_bytes())?;
        Ok(project.map(|project| Tenant { id, name: project.name.to_string() }))
    }

    pub(super) fn tenant_named(&self, name: &str) -> Result<Tenant, Stop> {
        let id = self.id_of(Table::Projects, &[0; 16], name)?.ok_or_else(|| not_found("project", name))?;
        Ok(Tenant { id: ProjectId::from_bytes(id), name: name.to_owned() })
    }

    pub(super) fn id_of(
        &self,
        table: Table,
        parent: &[u8; 16],
        name: &str,
    ) -> Result<Option<[u8; 16]>, Stop> {
        let name_key = self.store.name_key(table, parent, name);
        let Some(row) = self.store.get(Table::Names, &name_key)? else { return Ok(None) };
        let id = row.value.as_slice().try_into();
        Ok(Some(id.map_err(|_| Fault::new("a name leads to something that is no id"))?))
    }

    pub(super) fn endpoint_of_key(&self, id: ApiKeyId) -> Result<Option<Thing<EndpointId>>, Stop> {
        let (_, _, api_key) = self.api_key_by_id(id)?;
        self.endpoint_by_id(api_key.endpoint)
    }

    fn holder(&self, spki: &str) -> Result<On, Stop> {
        let unknown = || not_found("certificate", spki);
        let row_key = unhex(spki).ok_or_else(unknown)?;
        let row = self.look_up::<Certificate>(Table::Certificates, &row_key)?.ok_or_else(unknown)?;
        let Listed::Sound(Certificate { endpoint, user, .. }) = row else { return Ok(On::Appliance) };
        if let Some(id) = endpoint {
            return Ok(self.endpoint_by_id(id)?.map_or(On::Appliance, On::Endpoint));
        }
        let Some(id) = user else { return Ok(On::Appliance) };
        let user = self.look_up::<User>(Table::Users, id.as_bytes())?.and_then(Listed::sound);
        user.map_or(Ok(On::Appliance), |user| Ok(On::User(self.person(&user)?)))
    }

    /// None when its row, or that of its project, is damaged or gone.
    fn endpoint_by_id(&self, id: EndpointId) -> Result<Option<Thing<EndpointId>>, Stop> {
        let endpoint = self.look_up::<Endpoint>(Table::Endpoints, id.as_bytes())?;
        let Some(endpoint) = endpoint.and_then(Listed::sound) else { return Ok(None) };
        let project = self.look_up::<Project>(Table::Projects, endpoint.project.as_bytes())?;
        let Some(Project { id: of, name, .. }) = project.and_then(Listed::sound) else { return Ok(None) };
        let project = Tenant { id: of, name: name.to_string() };
        Ok(Some(Thing { id, name: endpoint.name.to_string(), project }))
    }

    /// The projects of a user.
    fn projects_of(&self, user: UserId) -> Result<Vec<ProjectId>, Stop> {
        Ok(self.memberships(user)?.into_iter().collect())
    }
}
