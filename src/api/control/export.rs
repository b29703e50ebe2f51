//! `GET /v1/audit/export`: the one answer that is no JSON and has no end in sight. A page is made when the one before was
//! taken, so that whatever is exported, two of them are in memory; in between nothing of the unlocked appliance is held.
//!
//! The body is the CBOR sequence (RFC 8742) of `gembok audit export`; its name stands in `Gembok-Export`. What breaks off is
//! broken off by the connection, too: a body that ended well is whole. What it was is told at `/v1/audit/exports/{id}`, and that
//! it is kept is said there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Response, StatusCode};
use hyper::body::{Body, Frame};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::api::credentials::Arrival;
use crate::api::line::hop;
use crate::api::problem;
use crate::appliance::{Appliance, Export, Fault, Stop};
use crate::desk::asker::Asker;
use crate::desk::export::{Next, Page};
use crate::desk::request::{Audit, Request};
use crate::domain::refusal::{Code, Refusal};

use super::row::Row;
use super::{sign_in, words};

/// What an export is.
pub(in crate::api) const TYPE: &str = "application/cbor-seq";
/// Its name.
pub(in crate::api) const NAME: HeaderName = HeaderName::from_static("gembok-export");

/// Exports under way at once, with two pages of some 256 KiB each.
const PLACES_MAX: usize = 8;
static PLACES: Semaphore = Semaphore::const_new(PLACES_MAX);

/// An export as the body of an answer.
pub(in crate::api) struct Pages {
    appliance: Arc<Appliance>,
    at: At,
    _place: SemaphorePermit<'static>,
}

enum At {
    /// Before the next page.
    Between(Box<Export>),
    /// A page is being made.
    Making(JoinHandle<Result<Page, Stop>>),
    /// There are no more.
    End,
}

/// Begins the export that is asked for; the rest is in the body.
pub(super) async fn answer(
    appliance: &Arc<Appliance>,
    row: &Row,
    head: &Parts,
    arrival: Arrival,
) -> Result<Response<Pages>, Refusal> {
    let asked = words::request(row, head.uri.path(), head.uri.query(), &[]);
    let operational = appliance.unlocked()?;
    let begun = Arc::clone(appliance);
    let (export, place) = hop(move || {
        let now = operational.now();
        let user = Asker::User(sign_in(&operational, &arrival, now)?);
        // Only somebody is told what is wrong with a request.
        let Request::Audit(Audit::Export(wanted)) = asked? else {
            return Err(Fault::new("a stream of something else than an export").into());
        };
        let place = PLACES.try_acquire().map_err(|_| {
            let detail = format!("{PLACES_MAX} exports are under way.");
            Refusal::new(Code::TooManyInFlight).detail(detail)
        })?;
        Ok((wanted.begin(&begun, &user, now)?, place))
    })
    .await?;
    let id = export.id().to_string();
    let pages = Pages { appliance: Arc::clone(appliance), at: At::Between(export), _place: place };
    let (mut head, _) = problem::respond(StatusCode::OK, TYPE, Vec::new()).into_parts();
    head.headers.insert(NAME, problem::value(&id));
    Ok(Response::from_parts(head, pages))
}

impl Body for Pages {
    type Data = Bytes;
    type Error = Refusal;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        loop {
            match std::mem::replace(&mut self.at, At::End) {
                At::Between(export) => {
                    let appliance = Arc::clone(&self.appliance);
                    self.at = At::Making(spawn_blocking(move || Page::of(export, &appliance)));
                }
                At::Making(mut page) => {
                    let Poll::Ready(made) = Pin::new(&mut page).poll(cx) else {
                        self.at = At::Making(page);
                        return Poll::Pending;
                    };
                    let made = made.unwrap_or_else(|_| Err(Fault::new("an export panicked").into()));
                    let Page { bytes, next } = match made {
                        Ok(page) => page,
                        Err(stop) => return Poll::Ready(Some(Err(stop.told()))),
                    };
                    if let Next::Page(export) = next {
                        self.at = At::Between(export);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
                }
                At::End => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.at, At::End)
    }
}
