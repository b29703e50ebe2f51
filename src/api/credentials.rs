//! Who asks, and when: the only place where headers are read, and where the clock's reading for a request is taken.

use std::sync::Arc;

use http::HeaderValue;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reject::Rejection;

use crate::domain::api_key::{ApiKeyDigest, ApiKeyText};
use crate::domain::peer::Peer;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

/// A request's first moment and its connection's other end. `peer` is missing only if the listener forgot it, and then
/// nobody is let in.
#[derive(Clone)]
pub(super) struct Arrival {
    /// When the request's head had arrived.
    pub now: Now,
    /// Who is at the other end.
    pub peer: Option<Arc<Peer>>,
    /// The `Authorization` header, where the route reads it.
    authorization: Option<HeaderValue>,
    /// The announced length of the body.
    pub content_length: Option<u64>,
}

/// The arrival of any request.
pub(super) fn arrival(clock: fn() -> Now) -> impl Filter<Extract = (Arrival,), Error = Rejection> + Clone {
    let authorization = warp::header::value("authorization").map(Some).or(warp::any().map(|| None)).unify();
    warp::ext::optional::<Arc<Peer>>().and(authorization).and(warp::header::optional("content-length")).map(
        move |peer, authorization, content_length| Arrival {
            now: clock(),
            peer,
            authorization,
            content_length,
        },
    )
}

/// The raw query string; empty when there is none.
pub(super) fn query() -> BoxedFilter<(String,)> {
    warp::query::raw().or(warp::any().map(String::new)).unify().boxed()
}

impl Arrival {
    /// The digest of the API key in `Authorization: Bearer gbk_…`.
    ///
    /// # Errors
    /// `api-key-missing`, `api-key-mistyped`.
    pub(super) fn api_key(&self) -> Result<ApiKeyDigest, Refusal> {
        let header = self.authorization.as_ref().ok_or(Code::ApiKeyMissing)?;
        let text = header.to_str().map_err(|_| Code::ApiKeyMistyped)?;
        let (scheme, key) = text.split_once(' ').ok_or(Code::ApiKeyMissing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Code::ApiKeyMissing.into());
        }
        digest(key.trim())
    }
}

/// The digest of an API key's text.
///
/// # Errors
/// `api-key-mistyped`.
pub(super) fn digest(text: &str) -> Result<ApiKeyDigest, Refusal> {
    Ok(ApiKeyText::parse(text).map_err(|_| Code::ApiKeyMistyped)?.digest())
}
