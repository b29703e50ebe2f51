//! What people ask of each other over the control plane, as JSON over the desk's verbs: who waits for a second person, and who
//! says yes.
//!
//! ```text
//! GET  /v1/approvals                          { approvals }       those that one may see
//! GET  /v1/approvals/{id}                     the approval
//! POST /v1/approvals/{id}/give                {}                  -> the approval; so refuse, withdraw
//! POST /v1/projects/{name}/proposals          { user }            -> 201, the approval that lets the user in
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
use crate::desk::request::{Approval, Member, Project, Request};
use crate::domain::refusal::{Code, Refusal};

use super::credentials::Arrival;
use super::line::hop;
use super::request::parse;
use super::{Answer, Incoming, body, problem};

/// Bytes of a body: a name.
const BODY_BYTES_MAX: usize = 4_096;

/// A route, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Approvals,
    Approval(&'a str),
    Give(&'a str),
    Refuse(&'a str),
    Withdraw(&'a str),
    Proposals(&'a str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    user: String,
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
            _ => return None,
        };
        (!steps.contains(&"")).then_some(found)
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Approvals | Self::Approval(_) => "GET",
            Self::Give(_) | Self::Refuse(_) | Self::Withdraw(_) | Self::Proposals(_) => "POST",
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
        Ok(Done::Approval(line)) if matches!(route, Route::Proposals(_)) => shown(StatusCode::CREATED, &line),
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
    let peer = arrival.peer.clone().ok_or(Code::CertificateMissing)?;
    let sent = if method == Method::POST {
        // Nobody's body is read who is nobody; and nothing is held while it is on its way.
        let (operational, peer, now) = (appliance.unlocked()?, Arc::clone(&peer), arrival.now);
        hop(move || operational.sign_in(&peer, now).map(drop)).await?;
        read(body, is_json, arrival).await?
    } else {
        Bytes::new()
    };
    let request = route.request(&sent)?;
    let appliance = Arc::clone(appliance);
    hop(move || {
        let operational = appliance.unlocked()?;
        let now = operational.now();
        let asker = Asker::User(operational.sign_in(&peer, now)?);
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
        ] {
            assert_eq!(Route::of(path), Some(route), "{path}");
        }
        for path in ["/v1/approvals//give", "/v1/approvals/x/y", "/approvals", "/v1/projects//proposals"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
