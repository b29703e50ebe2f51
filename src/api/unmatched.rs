//! What no route took. The body is taken before the refusal is given, as everywhere: HTTP/2 clients lose the answer else.

use std::convert::Infallible;

use bytes::Buf;
use futures_util::Stream;
use warp::reject::Rejection;

use crate::domain::refusal::Code;

use super::{Answer, body, problem};

/// There is no such path.
pub(super) async fn path<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Answer {
    body::discard(body).await;
    problem::answer(&Code::NoSuchRoute.into())
}

/// The path is served, but with `allowed`.
pub(super) async fn method<B: Buf>(
    allowed: &'static str,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Answer {
    body::discard(body).await;
    problem::allow(problem::answer(&Code::MethodNotAllowed.into()), allowed)
}

/// A body that was taken twice, by warp's types; no route does that.
///
/// # Errors
/// Never.
pub(super) async fn rejected(_: Rejection) -> Result<Answer, Infallible> {
    Ok(problem::answer(&Code::NoSuchRoute.into()))
}
