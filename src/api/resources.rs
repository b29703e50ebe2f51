//! Users, projects and members as resources of the control plane: JSON in, JSON out, over the verbs of the local socket. Who
//! asks is a user by certificate; what they may do, and what they may know of, is decided below.
//!
//! ```text
//! GET    /v1/users[?after=<id>]              { users, damaged, next }       a page; next goes into after
//! POST   /v1/users                           { name, role }                 -> 201, the user
//! GET    /v1/users/{name}                    the user, with its projects
//! DELETE /v1/users/{name}                    -> 204; for good
//! GET    /v1/projects[?after=<id>]           { projects, damaged, next }    one's own; an admin's and an auditor's all
//! POST   /v1/projects                        { name }                       -> 201, the project; its maker is a member
//! GET    /v1/projects/{name}                 the project
//! GET    /v1/projects/{name}/members         { members, damaged }
//! POST   /v1/projects/{name}/members         { user }                       -> 204; one that is there stays
//! DELETE /v1/projects/{name}/members/{user}  -> 204; one that is not there stays away
//! ```
//!
//! A body has to be `application/json`: a page in the user's browser can send other types, with the user's certificate.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::appliance::{
    Appliance, Leave, Listed, MemberView, Operational, ProjectView, SignedIn, Stop, Target,
};
use crate::domain::access::Act;
use crate::domain::name::Name;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};

use super::credentials::Arrival;
use super::line::hop;
use super::request::parse;
use super::{Answer, Incoming, body, problem};

/// Bytes of a body: two names.
const BODY_BYTES_MAX: usize = 4_096;

/// A resource of the control plane, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Users,
    User(&'a str),
    Projects,
    Project(&'a str),
    Members(&'a str),
    Member { project: &'a str, user: &'a str },
}

impl<'a> Resource<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v1/")?;
        let steps: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let found = match steps[..] {
            ["users"] => Self::Users,
            ["users", name] => Self::User(name),
            ["projects"] => Self::Projects,
            ["projects", name] => Self::Project(name),
            ["projects", name, "members"] => Self::Members(name),
            ["projects", project, "members", user] => Self::Member { project, user },
            _ => return None,
        };
        (!steps.contains(&"")).then_some(found)
    }

    /// What is served at it.
    const fn methods(self) -> &'static str {
        match self {
            Self::Users | Self::Projects | Self::Members(_) => "GET, POST",
            Self::User(_) => "GET, DELETE",
            Self::Project(_) => "GET",
            Self::Member { .. } => "DELETE",
        }
    }
}

/// What is asked, with everything that it takes.
enum Verb {
    ListUsers { after: Option<String> },
    CreateUser(NewUser),
    ShowUser { name: String },
    DeleteUser { name: String },
    ListProjects { after: Option<String> },
    CreateProject(NewProject),
    ShowProject { name: String },
    ListMembers { project: String },
    AddMember { project: String, new: NewMember },
    RemoveMember { project: String, user: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProject {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    user: String,
}

/// What there is to show.
enum Shown {
    Whole(Value),
    Made(Value),
    Nothing,
}

/// Whoever asks, before an unlocked appliance.
struct Desk<'a> {
    appliance: &'a Operational,
    signed_in: SignedIn,
    now: Now,
}

/// A request for a resource, but its body.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub resource: Resource<'a>,
    pub method: &'a Method,
    pub query: Option<&'a str>,
    /// Whether its body says that it is JSON.
    pub is_json: bool,
}

/// Answers a request for a resource.
pub(super) async fn answer(
    appliance: &Arc<Appliance>,
    asked: Asked<'_>,
    arrival: &Arrival,
    mut body: Incoming,
) -> Answer {
    let done = serve(appliance, asked, arrival, &mut body).await;
    let shown =
        |status, value: &Value| problem::respond(status, "application/json", value.to_string().into_bytes());
    match done {
        Ok(Shown::Whole(value)) => shown(StatusCode::OK, &value),
        Ok(Shown::Made(value)) => shown(StatusCode::CREATED, &value),
        Ok(Shown::Nothing) => problem::nothing(),
        Err(refusal) => {
            body::discard(body).await;
            let answer = problem::answer(&refusal);
            let is_method = refusal.code == Code::MethodNotAllowed;
            if is_method { problem::allow(answer, asked.resource.methods()) } else { answer }
        }
    }
}

async fn serve(
    appliance: &Arc<Appliance>,
    asked: Asked<'_>,
    arrival: &Arrival,
    body: &mut Incoming,
) -> Result<Shown, Refusal> {
    if !asked.resource.methods().split(", ").any(|allowed| allowed == asked.method.as_str()) {
        return Err(Code::MethodNotAllowed.into());
    }
    let proof = arrival.proof()?;
    let sent = if asked.method == Method::POST {
        // Nobody's body is read who is nobody; and nothing is held while it is on its way.
        let (operational, proof, now) = (appliance.unlocked()?, proof.clone(), arrival.now);
        hop(move || operational.sign_in_by(proof.showing(), now).map(drop)).await?;
        if !asked.is_json {
            let detail = "Send the body as application/json, and say so in Content-Type.";
            return Err(Refusal::new(Code::BadRequest).detail(detail));
        }
        body::read(body, arrival.content_length, BODY_BYTES_MAX).await?
    } else {
        Bytes::new()
    };
    let verb = Verb::of(asked, &sent)?;
    let operational = appliance.unlocked()?;
    hop(move || {
        let now = operational.now();
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        verb.perform(&Desk { appliance: &operational, signed_in, now })
    })
    .await
}

impl Verb {
    fn of(asked: Asked<'_>, sent: &[u8]) -> Result<Self, Refusal> {
        let Asked { resource, method, query, .. } = asked;
        let (is_post, is_delete) = (method == Method::POST, method == Method::DELETE);
        Ok(match resource {
            Resource::Users if is_post => Self::CreateUser(parse(sent)?),
            Resource::Users => Self::ListUsers { after: after(query)? },
            Resource::User(name) if is_delete => Self::DeleteUser { name: name.into() },
            Resource::User(name) => Self::ShowUser { name: name.into() },
            Resource::Projects if is_post => Self::CreateProject(parse(sent)?),
            Resource::Projects => Self::ListProjects { after: after(query)? },
            Resource::Project(name) => Self::ShowProject { name: name.into() },
            Resource::Members(project) if is_post => {
                Self::AddMember { project: project.into(), new: parse(sent)? }
            }
            Resource::Members(project) => Self::ListMembers { project: project.into() },
            Resource::Member { project, user } => {
                Self::RemoveMember { project: project.into(), user: user.into() }
            }
        })
    }

    fn perform(self, desk: &Desk<'_>) -> Result<Shown, Stop> {
        let appliance = desk.appliance;
        let of = |project: &String| Target::Project(project.clone());
        Ok(match self {
            Self::ListUsers { after } => {
                desk.leave(&[(Act::UserList, Target::Appliance)])?;
                let (users, next) = appliance.users_page(after.as_deref().map(id).transpose()?)?;
                let mut page = list("users", users, user);
                page["next"] = next.map(|id| id.to_string()).into();
                Shown::Whole(page)
            }
            Self::CreateUser(NewUser { name: new, role: given }) => {
                let (new, role) = (name(&new)?, role(&given)?);
                let leave =
                    desk.leave(&[(Act::UserCreate, Target::Appliance), (Act::RoleGive, Target::Role(role))])?;
                Shown::Made(user(appliance.create_user(leave, new, role, desk.now)?))
            }
            Self::ShowUser { name } => {
                desk.leave(&[(Act::UserShow, Target::User(name.clone()))])?;
                let shown = appliance.user(&name)?;
                let mut whole = user(shown.user);
                whole["projects"] = shown.projects.into();
                Shown::Whole(whole)
            }
            Self::DeleteUser { name } => {
                let leave = desk.leave(&[(Act::UserDelete, Target::Account(name.clone()))])?;
                appliance.delete_user(leave, &name, desk.now)?;
                Shown::Nothing
            }
            Self::ListProjects { after } => {
                let after = after.as_deref().map(id).transpose()?;
                let (projects, next) = appliance.projects_seen_by(&desk.signed_in, after)?;
                let project = |view: ProjectView| project(view.id, &view.name, view.created);
                let mut page = list("projects", projects, project);
                page["next"] = next.map(|id| id.to_string()).into();
                Shown::Whole(page)
            }
            Self::CreateProject(NewProject { name: new }) => {
                let new = name(&new)?;
                let leave = desk.leave(&[(Act::ProjectCreate, Target::Appliance)])?;
                let made = appliance.create_project(leave.actor(), new, desk.now)?;
                Shown::Made(project(made.id, &made.name, made.created))
            }
            Self::ShowProject { name } => {
                desk.leave(&[(Act::ProjectShow, of(&name))])?;
                let shown = appliance.project(&name)?;
                Shown::Whole(project(shown.id, &shown.name, shown.created))
            }
            Self::ListMembers { project } => {
                desk.leave(&[(Act::MemberList, of(&project))])?;
                Shown::Whole(list("members", appliance.members(&project)?, member))
            }
            Self::AddMember { project, new } => {
                let leave = desk.leave(&[(Act::MemberAdd, of(&project))])?;
                appliance.add_member(leave, &project, &new.user, desk.now)?;
                Shown::Nothing
            }
            Self::RemoveMember { project, user } => {
                let leave = desk.leave(&[(Act::MemberRemove, of(&project))])?;
                appliance.remove_member(leave, &project, &user, desk.now)?;
                Shown::Nothing
            }
        })
    }
}

impl Desk<'_> {
    fn leave(&self, acts: &[(Act, Target)]) -> Result<Leave, Stop> {
        self.appliance.leave(&self.signed_in, acts)
    }
}

fn user(user: User) -> Value {
    json!({
        "id": user.id.to_string(),
        "name": user.name.as_str(),
        "role": user.role.name(),
        "created": user.created.to_string(),
        "disabled": moment(user.disabled),
    })
}

fn project(id: impl Display, name: &Name, created: Timestamp) -> Value {
    json!({ "id": id.to_string(), "name": name.as_str(), "created": created.to_string() })
}

fn member(member: MemberView) -> Value {
    json!({
        "id": member.user.id.to_string(),
        "name": member.user.name.as_str(),
        "since": member.since.to_string(),
        "disabled": moment(member.user.disabled),
    })
}

/// Sound ones by name, and the names of rows that are damaged.
fn list<T>(called: &str, listed: Vec<Listed<T>>, show: impl Fn(T) -> Value) -> Value {
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    for entry in listed {
        match entry {
            Listed::Sound(entry) => whole.push(show(entry)),
            Listed::Damaged(row) => damaged.push(row.to_string()),
        }
    }
    json!({ called: whole, "damaged": damaged })
}

fn moment(moment: Option<Timestamp>) -> Value {
    moment.map(|moment| moment.to_string()).into()
}

fn after(query: Option<&str>) -> Result<Option<String>, Refusal> {
    match query.unwrap_or_default().split_once('=') {
        None if query.unwrap_or_default().is_empty() => Ok(None),
        Some(("after", id)) => Ok(Some(id.to_owned())),
        _ => Err(Refusal::new(Code::BadRequest).detail("The query knows after=<id>, and nothing else.")),
    }
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::BadRequest).detail("after is an id, as next told it."))
}

fn name(text: &str) -> Result<Name, Refusal> {
    text.parse().map_err(|_| Code::BadName.into())
}

fn role(text: &str) -> Result<Role, Refusal> {
    text.parse().map_err(|()| {
        let known = Role::ALL.map(Role::name).join(", ");
        Refusal::new(Code::BadRequest).detail(format!("There is no such role; there are {known}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_whole_path() {
        for (path, resource) in [
            ("/v1/users", Resource::Users),
            ("/v1/users/", Resource::Users),
            ("/v1/users/siti", Resource::User("siti")),
            ("/v1/projects", Resource::Projects),
            ("/v1/projects/kantor", Resource::Project("kantor")),
            ("/v1/projects/kantor/members", Resource::Members("kantor")),
            ("/v1/projects/kantor/members/siti", Resource::Member { project: "kantor", user: "siti" }),
        ] {
            assert_eq!(Resource::of(path), Some(resource), "{path}");
        }
        for path in
            ["/v1/", "/v1/users//", "//v1/users", "/v1//users", "/v1/users/siti/x", "/v1/projects//members"]
        {
            assert_eq!(Resource::of(path), None, "{path}");
        }
    }
}
