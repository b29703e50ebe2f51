//! The control plane's resources: a request is found in the route table ([`table`]), becomes a verb of the desk (`words`),
//! and its answer becomes JSON. What is asked may come from anybody; who asks is settled in one place ([`sign_in`]), and
//! what they may do, and may know of, is decided below.
//!
//! ```text
//! method, path -> Row -> signed in? -> body -> Request -> its acts allowed? -> Done -> the row's status and JSON
//! ```
//!
//! A body has to be `application/json`: a page in the user's browser can send other types, with the user's certificate.

#[cfg(test)]
mod expected;
pub(super) mod export;
mod members;
pub(super) mod perform;
mod row;
pub mod table;
mod tag;
mod way;
mod words;

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::{Either, Full};

use crate::appliance::{Appliance, Operational, SignedIn, Stop};
use crate::desk::asker::Asker;
use crate::desk::prepare::Prepared;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::credentials::{self, Arrival, Conditions, Form};
use super::line::hop;
use super::{Incoming, body, problem};

use export::Pages;
use perform::{Asked, Desk, Shown};
pub use row::{Gives, Http, Query, Row};
pub use way::Way;

/// Who asks: whatever way people sign in, it is here that one becomes a user. Blocks.
fn sign_in(operational: &Operational, arrival: &Arrival, now: Now) -> Result<SignedIn, Stop> {
    operational.sign_in_by(arrival.proof()?.showing(), now)
}

/// Answers a request for one of the resources that `rows` serve; they are all there is at its path.
pub(super) async fn answer(
    appliance: &Arc<Appliance>,
    rows: Vec<&'static Row>,
    head: &Parts,
    arrival: Arrival,
    mut body: Incoming,
) -> Response<Either<Full<Bytes>, Pages>> {
    let short = |answer: super::Answer| answer.map(|body| Either::Left(Full::from(body)));
    let Some(row) = rows.iter().find(|row| row.method.name() == head.method.as_str()) else {
        body::discard(body).await;
        let allowed: Vec<&str> = rows.iter().map(|row| row.method.name()).collect();
        return short(problem::allow(problem::answer(&Code::MethodNotAllowed.into()), &allowed.join(", ")));
    };
    let answered = if row.gives == Gives::Export {
        export::answer(appliance, row, head, arrival).await.map(|answer| answer.map(Either::Right))
    } else {
        serve(appliance, row, head, arrival, &mut body).await.map(|shown| short(shown.answer(row)))
    };
    match answered {
        Ok(answer) => answer,
        Err(refusal) => {
            body::discard(body).await;
            short(problem::answer(&refusal))
        }
    }
}

async fn serve(
    appliance: &Arc<Appliance>,
    row: &'static Row,
    head: &Parts,
    arrival: Arrival,
    body: &mut Incoming,
) -> Result<Shown, Refusal> {
    let arrival = Arc::new(arrival);
    if row.is_change() || row.has_body() {
        // Who is nobody has no body read, and keeps no change out; and nothing is held while a body is on its way.
        let (operational, asking) = (appliance.unlocked()?, Arc::clone(&arrival));
        hop(move || sign_in(&operational, &asking, asking.now).map(drop)).await?;
    }
    let sent = if row.has_body() {
        if !credentials::is_json(&head.headers) {
            let detail = "Send the body as application/json, and say so in Content-Type.";
            return Err(Refusal::new(Code::BadRequest).detail(detail));
        }
        body::read(body, arrival.content_length, row.body_bytes_max).await?
    } else {
        Bytes::new()
    };
    let request = words::request(row, head.uri.path(), head.uri.query(), &sent);
    let form = Form::of(&head.headers);
    let (path, conditions) = (head.uri.path().to_owned(), Conditions::of(&head.headers));
    let (appliance, operational) = (Arc::clone(appliance), appliance.unlocked()?);
    hop(move || {
        let prepared = match &request {
            // A token that hangs keeps out nobody but who asked for it.
            Ok(request) if row.is_change() => {
                let now = operational.now();
                let asker = Asker::User(sign_in(&operational, &arrival, now)?);
                request.prepare(&appliance, &asker, now)?
            }
            Ok(_) | Err(_) => Prepared::Nothing,
        };
        let wanted = Asked { row, request, prepared, form };
        let perform = || {
            let now = operational.now();
            let asker = Asker::User(sign_in(&operational, &arrival, now)?);
            // Only somebody is told what is wrong with a request.
            let desk = Desk { appliance: &appliance, operational: &operational, asker, now };
            desk.perform(wanted, &path, conditions?)
        };
        if !row.is_change() {
            return perform();
        }
        // Who asks, and what they may do, is looked at with every other change kept out: a right that was taken away before this
        // change is made counts no more.
        if row.signs { operational.exclusively_signing(perform) } else { operational.exclusively(perform) }
    })
    .await
}
