//! Signing in and out by password, and the one-time link that sets one. The only routes of the control plane beside health that
//! somebody may call who is nobody yet. What a user changes of its own credentials is next door, in [`super::own`].
//!
//! ```text
//! POST   /v1/session    { name, password, totp? }    -> 201 { token, session, user, role }
//! GET    /v1/session                                 { user, role, session }      session is null for a certificate
//! DELETE /v1/session                                 -> 204; it signs nobody in from now on
//! POST   /v1/reset      { token, password }          -> { user, unconfirmed, second_factor }
//! ```
//!
//! The token goes into `Authorization: Bearer gbs_…` of every other request. `totp` is a code of the authenticator app, or a
//! recovery code. `second_factor` is `{ uri, recovery_codes }` where one is demanded and there was none, else null: shown once.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::appliance::{Appliance, PasswordShown, SessionView, Target};
use crate::desk::answer::SessionLine;
use crate::domain::access::Act;
use crate::domain::refusal::{Code, Refusal};

use super::credentials::Arrival;
use super::line::hop;
use super::own::{Own, second_factor};
use super::request::parse;
use super::{Answer, Incoming, body, problem};

/// Bytes of a body: a name and a password.
pub(super) const BODY_BYTES_MAX: usize = 4_096;

/// A route, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Session,
    Reset,
    Own(Own),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    password: String,
    totp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    token: String,
    password: String,
}

/// What there is to show, and its status; or nothing.
type Shown = Option<(StatusCode, Value)>;

impl Route {
    /// The route at a whole path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.strip_suffix('/').unwrap_or(path) {
            "/v1/session" => Some(Self::Session),
            "/v1/reset" => Some(Self::Reset),
            own => Own::of(own).map(Self::Own),
        }
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Session => "GET, POST, DELETE",
            Self::Reset => "POST",
            Self::Own(own) => own.method(),
        }
    }
}

/// Answers a request; `is_json` is whether its body says that it is JSON.
pub(super) async fn answer(
    appliance: &Arc<Appliance>,
    route: Route,
    method: &Method,
    is_json: bool,
    arrival: &Arrival,
    mut body: Incoming,
) -> Answer {
    let done = match (route, method.as_str()) {
        (Route::Session, "POST") => sign_in(appliance, is_json, arrival, &mut body).await,
        (Route::Session, "GET") => who(appliance, arrival).await,
        (Route::Session, "DELETE") => sign_out(appliance, arrival).await,
        (Route::Reset, "POST") => reset(appliance, is_json, arrival, &mut body).await,
        (Route::Own(own), method) if method == own.method() => {
            change_own(appliance, own, is_json, arrival, &mut body).await
        }
        _ => Err(Code::MethodNotAllowed.into()),
    };
    match done {
        Ok(Some((status, value))) => shown(status, &value),
        Ok(None) => problem::nothing(),
        Err(refusal) => {
            body::discard(body).await;
            let answer = problem::answer(&refusal);
            let is_method = refusal.code == Code::MethodNotAllowed;
            if is_method { problem::allow(answer, route.methods()) } else { answer }
        }
    }
}

async fn sign_in(
    appliance: &Arc<Appliance>,
    is_json: bool,
    arrival: &Arrival,
    body: &mut Incoming,
) -> Result<Shown, Refusal> {
    let peer = arrival.peer.clone().ok_or(Code::CertificateMissing)?;
    appliance.unlocked()?;
    let SignIn { name, password, totp } = parse(&read(body, is_json, arrival, BODY_BYTES_MAX).await?)?;
    let given = PasswordShown { name, password: Zeroizing::new(password), code: totp.map(Zeroizing::new) };
    let operational = appliance.unlocked()?;
    let begun = hop(move || operational.begin(&given, &peer, operational.now())).await?;
    let value = json!({
        "token": begun.token.expose(),
        "session": line(begun.session),
        "user": begun.user.name.as_str(),
        "role": begun.user.role.name(),
    });
    Ok(Some((StatusCode::CREATED, value)))
}

async fn who(appliance: &Arc<Appliance>, arrival: &Arrival) -> Result<Shown, Refusal> {
    let (operational, proof, now) = (appliance.unlocked()?, arrival.proof()?, arrival.now);
    hop(move || {
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        let (user, role) = signed_in.who();
        let session = operational.session_of(&signed_in)?.map(line);
        let value = json!({ "user": user, "role": role.name(), "session": session });
        Ok(Some((StatusCode::OK, value)))
    })
    .await
}

async fn sign_out(appliance: &Arc<Appliance>, arrival: &Arrival) -> Result<Shown, Refusal> {
    let (operational, proof) = (appliance.unlocked()?, arrival.proof()?);
    hop(move || {
        let now = operational.now();
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        let Some(session) = operational.session_of(&signed_in)? else {
            let detail = "This request came by certificate; there is no session to end.";
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        };
        let leave = operational.leave(&signed_in, &[(Act::SessionEnd, Target::Session(session.id))])?;
        operational.end_session(leave, session.id, now)?;
        Ok(None)
    })
    .await
}

async fn reset(
    appliance: &Arc<Appliance>,
    is_json: bool,
    arrival: &Arrival,
    body: &mut Incoming,
) -> Result<Shown, Refusal> {
    let peer = arrival.peer.clone().ok_or(Code::CertificateMissing)?;
    appliance.unlocked()?;
    let Reset { token, password } = parse(&read(body, is_json, arrival, BODY_BYTES_MAX).await?)?;
    let (token, password) = (Zeroizing::new(token), Zeroizing::new(password));
    let operational = appliance.unlocked()?;
    let used = hop(move || operational.use_link(&token, &password, &peer, operational.now())).await?;
    let second_factor = used.second_factor.as_ref().map(second_factor);
    let value =
        json!({ "user": used.user, "unconfirmed": used.is_unconfirmed, "second_factor": second_factor });
    Ok(Some((StatusCode::OK, value)))
}

async fn change_own(
    appliance: &Arc<Appliance>,
    own: Own,
    is_json: bool,
    arrival: &Arrival,
    body: &mut Incoming,
) -> Result<Shown, Refusal> {
    appliance.unlocked()?;
    // Who shows nothing is told so before the body is read.
    arrival.proof()?;
    let body = read(body, is_json, arrival, own.body_bytes_max()).await?;
    own.perform(appliance, arrival, &body).await
}

/// An answer of JSON.
fn shown(status: StatusCode, value: &Value) -> Answer {
    problem::respond(status, "application/json", value.to_string().into_bytes())
}

/// A body of JSON.
async fn read(
    body: &mut Incoming,
    is_json: bool,
    arrival: &Arrival,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
    if !is_json {
        let detail = "Send the body as application/json, and say so in Content-Type.";
        return Err(Refusal::new(Code::BadRequest).detail(detail));
    }
    body::read(body, arrival.content_length, bytes_max).await
}

fn line(session: SessionView) -> Value {
    let SessionLine { id, user: _, address, created, seen, ends } = session.into();
    json!({ "id": id, "address": address, "created": created, "seen": seen, "ends": ends })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_whole_path() {
        assert_eq!(Route::of("/v1/session"), Some(Route::Session));
        assert_eq!(Route::of("/v1/reset/"), Some(Route::Reset));
        assert_eq!(Route::of("/v1/totp/confirm"), Some(Route::Own(Own::Confirm)));
        for path in ["/v1/totp/", "/v1/password"] {
            assert!(Route::of(path).is_some(), "{path}");
        }
        for path in ["/v1/totp/x", "/v1/passwords", "/v1/sessions", "/v1/session/x", "/v1", "/reset"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
