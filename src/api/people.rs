//! What people ask of each other over the control plane, as JSON over the desk's verbs: who waits for a second person, and who
//! says yes.
//!
//! ```text
//! GET  /v1/approvals                          { approvals }       those that one may see
//! GET  /v1/approvals/{id}                     the approval
//! POST /v1/approvals/{id}/give                {}                  -> the approval; so refuse, withdraw
//! POST /v1/projects/{name}/proposals          { user }            -> 201, the approval that lets the user in
//! POST /v1/users/{name}/reset                 { drop_totp? }      -> 201 { user, token, path, expires }; shown once
//! PUT  /v1/users/{name}/totp                  { demanded }        -> 204
//! POST /v1/users/{name}/confirmation          {}                  -> 201, the approval that confirms the account
//! POST /v1/users/{name}/certificates          { csr }             -> 201, the certificate
//! GET  /v1/users/{name}/sessions              { sessions }
//! DELETE /v1/sessions/{id}                    -> 204
//! ```
//!
//! A body has to be `application/json`: a page in the user's browser can send other types, with the user's certificate.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::appliance::{Appliance, Fault, Stop};
use crate::desk::answer::Done;
use crate::desk::asker::Asker;
use crate::desk::request::{Approval, Certificate, Member, Project, Request, Session, User};
use crate::domain::refusal::{Code, Refusal};

use super::credentials::Arrival;
use super::line::hop;
use super::request::parse;
use super::{Answer, Incoming, body, problem};

/// Bytes of a body; the longest has a signing request.
const BODY_BYTES_MAX: usize = 16 << 10;

/// A route, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Approvals,
    Approval(&'a str),
    Give(&'a str),
    Refuse(&'a str),
    Withdraw(&'a str),
    Proposals(&'a str),
    Reset(&'a str),
    EnforceTotp(&'a str),
    AskConfirmation(&'a str),
    Certificates(&'a str),
    Sessions(&'a str),
    EndSession(&'a str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLink {
    #[serde(default)]
    drop_totp: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Demand {
    demanded: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCertificate {
    csr: String,
}

impl<'a> Route<'a> {
    /// The route at a whole path.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v1/")?;
        let steps: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let found = match steps[..] {
            ["approvals"] => Self::Approvals,
            ["approvals", id] => Self::Approval(id),
            ["approvals", id, "give"] => Self::Give(id),
            ["approvals", id, "refuse"] => Self::Refuse(id),
            ["approvals", id, "withdraw"] => Self::Withdraw(id),
            ["projects", project, "proposals"] => Self::Proposals(project),
            ["users", name, "reset"] => Self::Reset(name),
            ["users", name, "totp"] => Self::EnforceTotp(name),
            ["users", name, "confirmation"] => Self::AskConfirmation(name),
            ["users", name, "certificates"] => Self::Certificates(name),
            ["users", name, "sessions"] => Self::Sessions(name),
            ["sessions", id] => Self::EndSession(id),
            _ => return None,
        };
        (!steps.contains(&"")).then_some(found)
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Approvals | Self::Approval(_) | Self::Sessions(_) => "GET",
            Self::EndSession(_) => "DELETE",
            Self::EnforceTotp(_) => "PUT",
            _ => "POST",
        }
    }

    fn request(self, sent: &[u8]) -> Result<Request, Refusal> {
        let of = |verb: fn(String) -> Approval, id: &str| {
            parse::<Nothing>(sent).map(|Nothing {}| Request::Approval(verb(id.into())))
        };
        match self {
            Self::Approvals => Ok(Request::Approval(Approval::List)),
            Self::Approval(id) => Ok(Request::Approval(Approval::Show { id: id.into() })),
            Self::Give(id) => of(|id| Approval::Give { id }, id),
            Self::Refuse(id) => of(|id| Approval::Refuse { id }, id),
            Self::Withdraw(id) => of(|id| Approval::Withdraw { id }, id),
            Self::Proposals(project) => {
                let Proposal { user } = parse(sent)?;
                Ok(Request::Project(Project::Member(Member::Propose { project: project.into(), user })))
            }
            Self::Reset(name) => {
                let NewLink { drop_totp } = parse(sent)?;
                Ok(Request::User(User::Reset { name: name.into(), drop_totp }))
            }
            Self::EnforceTotp(name) => {
                let Demand { demanded } = parse(sent)?;
                Ok(Request::User(User::EnforceTotp { name: name.into(), demanded }))
            }
            Self::AskConfirmation(name) => {
                let Nothing {} = parse(sent)?;
                Ok(Request::User(User::AskConfirmation { name: name.into() }))
            }
            Self::Certificates(user) => {
                let NewCertificate { csr } = parse(sent)?;
                Ok(Request::Certificate(Certificate::IssueUser { user: user.into(), csr }))
            }
            Self::Sessions(user) => Ok(Request::Session(Session::List { user: user.into() })),
            Self::EndSession(id) => Ok(Request::Session(Session::End { id: id.into() })),
        }
    }
}

/// Answers a request; `is_json` is whether its body says that it is JSON.
pub(super) async fn answer(
    appliance: &Arc<Appliance>,
    route: Route<'_>,
    method: &Method,
    is_json: bool,
    arrival: &Arrival,
    mut body: Incoming,
) -> Answer {
    match serve(appliance, route, method, is_json, arrival, &mut body).await {
        Ok(Done::Approval(line)) if matches!(route, Route::Proposals(_) | Route::AskConfirmation(_)) => {
            shown(StatusCode::CREATED, &line)
        }
        Ok(Done::Link(link)) => shown(StatusCode::CREATED, &link),
        Ok(Done::CertificateIssued(issued)) => shown(StatusCode::CREATED, &issued),
        Ok(Done::Sessions(sessions)) => shown(StatusCode::OK, &json!({ "sessions": sessions })),
        Ok(Done::Changed) => problem::nothing(),
        Ok(Done::Approval(line)) => shown(StatusCode::OK, &line),
        Ok(Done::Approvals(listed)) => shown(StatusCode::OK, &json!({ "approvals": listed })),
        Ok(_) => problem::answer(&Code::Fault.into()),
        Err(refusal) => {
            body::discard(body).await;
            let answer = problem::answer(&refusal);
            let is_method = refusal.code == Code::MethodNotAllowed;
            if is_method { problem::allow(answer, route.method()) } else { answer }
        }
    }
}

/// An answer of JSON.
pub(super) fn shown(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => problem::respond(status, "application/json", bytes),
        Err(error) => problem::answer(&Stop::from(Fault::new(error.to_string())).told()),
    }
}

async fn serve(
    appliance: &Arc<Appliance>,
    route: Route<'_>,
    method: &Method,
    is_json: bool,
    arrival: &Arrival,
    body: &mut Incoming,
) -> Result<Done, Refusal> {
    if route.method() != method.as_str() {
        return Err(Code::MethodNotAllowed.into());
    }
    let proof = arrival.proof()?;
    let sent = if [Method::POST, Method::PUT].contains(method) {
        // Nobody's body is read who is nobody; and nothing is held while it is on its way.
        let (operational, proof, now) = (appliance.unlocked()?, proof.clone(), arrival.now);
        hop(move || operational.sign_in_by(proof.showing(), now).map(drop)).await?;
        read(body, is_json, arrival).await?
    } else {
        Bytes::new()
    };
    let request = route.request(&sent)?;
    let appliance = Arc::clone(appliance);
    hop(move || {
        let operational = appliance.unlocked()?;
        let now = operational.now();
        let asker = Asker::User(operational.sign_in_by(proof.showing(), now)?);
        request.perform_for(&appliance, &asker, now)
    })
    .await
}

/// A body of JSON.
pub(super) async fn read(body: &mut Incoming, is_json: bool, arrival: &Arrival) -> Result<Bytes, Refusal> {
    if !is_json {
        let detail = "Send the body as application/json, and say so in Content-Type.";
        return Err(Refusal::new(Code::BadRequest).detail(detail));
    }
    body::read(body, arrival.content_length, BODY_BYTES_MAX).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_whole_path() {
        for (path, route) in [
            ("/v1/approvals", Route::Approvals),
            ("/v1/approvals/x/", Route::Approval("x")),
            ("/v1/approvals/x/give", Route::Give("x")),
            ("/v1/projects/kantor/proposals", Route::Proposals("kantor")),
            ("/v1/users/siti/reset", Route::Reset("siti")),
            ("/v1/sessions/x", Route::EndSession("x")),
        ] {
            assert_eq!(Route::of(path), Some(route), "{path}");
        }
        for path in ["/v1/approvals//give", "/v1/approvals/x/y", "/approvals", "/v1/projects//proposals"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
