//! Floor 5: the HTTP edge. Outside words become ours here and ours become theirs; there are no rules and no tables behind
//! it. This page is the whole route table, with that of the control plane's resources on the next, [`control::table`]: what is
//! not on them does not exist.
//!
//! | listener | method and path | who | file |
//! |---|---|---|---|
//! | data | `POST /v1/endpoints/{endpoint}/encrypt` | certificate and API key | `v1` |
//! | data | `POST /v1/endpoints/{endpoint}/decrypt` | certificate and API key | `v1` |
//! | data | `POST /v1/endpoints/{endpoint}/reencrypt` | certificate and API key | `v1` |
//! | data | `POST /v1/endpoints/{endpoint}/index` | certificate and API key | `v1`, `index` |
//! | data | `POST /v1/endpoints/{endpoint}/certificate` | certificate and API key | `renewal` |
//! | data | `POST /cryptAPI/Crypt/{endpoint}[/]`, `/CryptAPI/…` | certificate and API key (in the body) | `published` |
//! | both | `GET /v1/info` | any | `info` |
//! | both | `GET /problems/{code}` | any | `info` |
//! | both | `GET /v1/openapi.json` | any | [`openapi`] |
//! | control | `GET /v1/ca.pem` | any | `info` |
//! | control | `GET /health/alive`, `/health/ready` | any | `health` |
//! | control | `GET /health/state` | a user | `health` |
//! | control | `GET /v1/statistics` | a user: one's projects', or everyone's | `statistics` |
//! | control | `GET /metrics` | a user's certificate | `metrics` |
//! | control | `POST /v1/session`, `POST /v1/reset` | any, with a password or a one-time link | `session` |
//! | control | `GET`, `DELETE /v1/session` | a user | `session` |
//! | control | `PUT /v1/password`, `POST /v1/totp`, `…/confirm`, `…/remove` | a user, its own | `own` |
//! | control | users, projects and everything below them, certificates, the audit trail, … | a user, by role and membership | [`control::table`] |
//!
//! Anything else is `unmatched`: 404, or 405 where a path is served with another method. Below `/cryptAPI` and `/CryptAPI`
//! that too is said in the published form.
//!
//! A user comes in by certificate or session. On the data listener TLS has demanded a certificate of everybody who gets this far. Headers are read in `credentials`
//! and nowhere else.

mod body;
pub mod control;
mod credentials;
mod field;
mod health;
mod index;
mod info;
mod json;
mod line;
mod metrics;
pub mod openapi;
mod own;
mod problem;
mod published;
mod renewal;
pub mod request;
mod session;
mod statistics;
mod statistics_csv;
mod told;
mod unmatched;
mod v1;
mod verb;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyDataStream, Either, Full};
use hyper::body::Body;
use tower_service::Service;
use warp::Filter;
use warp::reject::Rejection;

use credentials::Arrival;

use crate::appliance::{Appliance, Decrypt, Encrypt, Index, Reencrypt};

/// A listener's requests on their way in, answers on their way out.
pub trait Plane:
    Service<Request<hyper::body::Incoming>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Plane for S where
    S: Service<Request<hyper::body::Incoming>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The body of an answer.
pub trait PlaneBody:
    Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static
{
}

impl<B> PlaneBody for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static
{
}

/// The port that the data plane listens at; 0 before it does.
pub type DataPort = Arc<AtomicU16>;

/// A request's body on its way in.
type Incoming = BodyDataStream<hyper::body::Incoming>;

/// Every answer but an export: a status, a few headers, bytes.
type Answer = Response<Vec<u8>>;

/// The data plane, as a service that is always ready.
///
/// The routes that carry data are matched here, in one look at method and path: warp tries one filter after the other, each
/// with a copy of all that follow. What is left is warp's.
pub fn data_plane(
    appliance: Arc<Appliance>,
    data_port: DataPort,
) -> impl Plane<Response = Response<impl PlaneBody>> {
    let clock = appliance.settings().clock;
    let others = warp::service(other_data_routes(Arc::clone(&appliance), data_port));
    let shared = Arc::new((appliance, others));
    Serve(move |request: Request<hyper::body::Incoming>| {
        let shared = Arc::clone(&shared);
        // Boxed, because the connection moves it several times on its way to be polled.
        Box::pin(async move {
            let (appliance, others) = &*shared;
            let (head, body) = request.into_parts();
            let Some(route) = DataRoute::of(&head.method, head.uri.path()) else {
                // Boxed, so that the future of every request need not have room for it.
                let answer = Box::pin(others.clone().call(Request::from_parts(head, body))).await?;
                return Ok(answer.map(Either::Right));
            };
            let arrival = Arrival::at(clock(), head.extensions.get().cloned(), &head.headers);
            let body = Incoming::new(body);
            let answer = match route {
                DataRoute::Encrypt { endpoint } => {
                    v1::answer::<Encrypt>(appliance, endpoint, arrival, body).await
                }
                DataRoute::Decrypt { endpoint } => {
                    v1::answer::<Decrypt>(appliance, endpoint, arrival, body).await
                }
                DataRoute::Reencrypt { endpoint } => {
                    v1::answer::<Reencrypt>(appliance, endpoint, arrival, body).await
                }
                // Boxed, so that the future of every request need not have room for it.
                DataRoute::Index { endpoint } => {
                    Box::pin(v1::answer::<Index>(appliance, endpoint, arrival, body)).await
                }
                DataRoute::Certificate { endpoint } => {
                    renewal::answer(appliance, endpoint, arrival, body).await
                }
                DataRoute::Published { endpoint } => {
                    published::answer(appliance, endpoint, &head.method, arrival, body).await
                }
            };
            Ok(answer.map(|body| Either::Left(Full::from(body))))
        })
    })
}

/// A route of an application, and the endpoint it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataRoute<'a> {
    Encrypt { endpoint: &'a str },
    Decrypt { endpoint: &'a str },
    Reencrypt { endpoint: &'a str },
    Index { endpoint: &'a str },
    Certificate { endpoint: &'a str },
    Published { endpoint: &'a str },
}

impl<'a> DataRoute<'a> {
    fn of(method: &Method, path: &'a str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (found, endpoint) = if let Some(rest) = path.strip_prefix("/v1/endpoints/") {
            if method != Method::POST {
                return None;
            }
            if let Some(endpoint) = rest.strip_suffix("/encrypt") {
                (Self::Encrypt { endpoint }, endpoint)
            } else if let Some(endpoint) = rest.strip_suffix("/decrypt") {
                (Self::Decrypt { endpoint }, endpoint)
            } else if let Some(endpoint) = rest.strip_suffix("/reencrypt") {
                (Self::Reencrypt { endpoint }, endpoint)
            } else if let Some(endpoint) = rest.strip_suffix("/index") {
                (Self::Index { endpoint }, endpoint)
            } else {
                let endpoint = rest.strip_suffix("/certificate")?;
                (Self::Certificate { endpoint }, endpoint)
            }
        } else {
            let rest =
                path.strip_prefix("/cryptAPI/Crypt/").or_else(|| path.strip_prefix("/CryptAPI/Crypt/"));
            // Which method it takes is said in its own words.
            rest.map(|endpoint| (Self::Published { endpoint }, endpoint))?
        };
        (!endpoint.is_empty() && !endpoint.contains('/')).then_some(found)
    }
}

/// What the data plane serves beside data, and how it refuses the rest.
fn other_data_routes(
    appliance: Arc<Appliance>,
    data_port: DataPort,
) -> impl Filter<Extract = (Answer,), Error = Infallible> + Clone + Send + Sync + 'static {
    let encrypt_path = warp::path!("v1" / "endpoints" / String / "encrypt");
    let decrypt_path = warp::path!("v1" / "endpoints" / String / "decrypt");
    let reencrypt_path = warp::path!("v1" / "endpoints" / String / "reencrypt");
    let certificate_path = warp::path!("v1" / "endpoints" / String / "certificate");
    let index_path = warp::path!("v1" / "endpoints" / String / "index");
    let data = encrypt_path.or(decrypt_path).unify().or(reencrypt_path).unify().or(index_path).unify();
    let posts = data.or(certificate_path).unify().map(drop).untuple_one();
    let wrong_method = posts.and(warp::body::stream()).then(|body| unmatched::method("POST", body));
    let published_prefix = warp::path("cryptAPI").or(warp::path("CryptAPI")).unify();
    let wrong_path = published_prefix.and(warp::body::stream()).then(published::unmatched);

    let refused = wrong_method.or(wrong_path).unify().or(unmatched_path()).unify();
    open(with(appliance), data_port).or(refused).unify().recover(unmatched::rejected).unify()
}

/// The control plane, as a service that is always ready.
pub fn control_plane(
    appliance: Arc<Appliance>,
    data_port: DataPort,
) -> impl Plane<Response = Response<impl PlaneBody>> {
    let clock = appliance.settings().clock;
    let with = with(Arc::clone(&appliance));

    let alive_path = warp::path!("health" / "alive");
    let alive = alive_path.and(warp::get()).map(health::alive);
    let ready_path = warp::path!("health" / "ready");
    let ready = ready_path
        .and(warp::get())
        .and(with.clone())
        .map(|appliance: Arc<Appliance>| health::ready(&appliance));
    let state_path = warp::path!("health" / "state");
    let state = state_path
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(with.clone())
        .then(|arrival, appliance| async move { health::state(appliance, arrival).await });

    let statistics_path = warp::path!("v1" / "statistics");
    let statistics = statistics_path
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(credentials::query())
        .and(credentials::wants_csv())
        .and(with.clone())
        .then(|arrival, query, wants_csv, appliance| async move {
            statistics::answer(appliance, arrival, query, wants_csv).await
        });

    let metrics_path = warp::path!("metrics");
    let metrics = metrics_path
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(with.clone())
        .then(|arrival, appliance| async move { metrics::answer(appliance, arrival).await });

    let ca_path = warp::path!("v1" / "ca.pem");
    let ca = ca_path.and(warp::get()).and(with.clone()).then(info::ca);

    let health = alive.or(ready).unify().or(state).unify();
    let read = statistics.or(metrics).unify().or(ca).unify();
    let health_paths = alive_path.or(ready_path).unify().or(state_path).unify();
    let gets = health_paths.or(statistics_path).unify().or(metrics_path).unify().or(ca_path).unify();
    let wrong_method = gets.and(warp::body::stream()).then(|body| unmatched::method("GET", body));

    let served = health.or(read).unify().or(open(with, data_port)).unify();
    let refused = wrong_method.or(unmatched_path()).unify();
    let others = warp::service(served.or(refused).unify().recover(unmatched::rejected).unify());
    let shared = Arc::new((appliance, others));
    Serve(move |request: Request<hyper::body::Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (appliance, others) = &*shared;
            let (head, body) = request.into_parts();
            if let Some(route) = session::Route::of(head.uri.path()) {
                let arrival = Arrival::at(clock(), head.extensions.get().cloned(), &head.headers);
                let is_json = credentials::is_json(&head.headers);
                let body = Incoming::new(body);
                let answer = session::answer(appliance, route, &head.method, is_json, &arrival, body).await;
                return Ok(answer.map(|body| Either::Left(Either::Left(Full::from(body)))));
            }
            let rows = control::table::at(head.uri.path());
            if rows.is_empty() {
                let answer = others.clone().call(Request::from_parts(head, body)).await?;
                return Ok(answer.map(Either::Right));
            }
            let arrival = Arrival::at(clock(), head.extensions.get().cloned(), &head.headers);
            let answer = control::answer(appliance, rows, &head, arrival, Incoming::new(body)).await;
            Ok(answer.map(Either::Left))
        }
    })
}

/// What both listeners tell anybody.
fn open(
    with: impl With,
    data_port: DataPort,
) -> impl Filter<Extract = (Answer,), Error = Rejection> + Clone + Send + Sync + 'static {
    let info_path = warp::path!("v1" / "info");
    let info = info_path
        .and(warp::get())
        .and(with)
        .map(move |appliance: Arc<Appliance>| info::answer(&appliance, &data_port));
    let problems_path = warp::path!("problems" / String);
    let problems = problems_path.and(warp::get()).map(|code: String| info::problem(&code));
    let openapi_path = warp::path!("v1" / "openapi.json");
    let openapi = openapi_path.and(warp::get()).map(openapi::answer);
    let gets = info_path.or(problems_path.map(drop).untuple_one()).unify().or(openapi_path).unify();
    let wrong_method = gets.and(warp::body::stream()).then(|body| unmatched::method("GET", body));
    info.or(problems).unify().or(openapi).unify().or(wrong_method).unify()
}

/// No such path, on either listener.
fn unmatched_path() -> impl Filter<Extract = (Answer,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::any().and(warp::body::stream()).then(unmatched::path)
}

/// Hands the appliance to a route.
trait With: Filter<Extract = (Arc<Appliance>,), Error = Infallible> + Clone + Send + Sync + 'static {}

impl<F: Filter<Extract = (Arc<Appliance>,), Error = Infallible> + Clone + Send + Sync + 'static> With for F {}

fn with(appliance: Arc<Appliance>) -> impl With {
    warp::any().map(move || Arc::clone(&appliance))
}

/// A function as a service.
#[derive(Clone)]
struct Serve<F>(F);

impl<F, Fut, R> Service<Request<hyper::body::Incoming>> for Serve<F>
where
    F: Fn(Request<hyper::body::Incoming>) -> Fut,
    Fut: Future<Output = Result<R, Infallible>>,
{
    type Response = R;
    type Error = Infallible;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<hyper::body::Incoming>) -> Fut {
        (self.0)(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_route_is_a_whole_path() {
        let of = |path| DataRoute::of(&Method::POST, path);
        let endpoint = "absensi";
        for path in ["/v1/endpoints/absensi/encrypt", "/v1/endpoints/absensi/encrypt/"] {
            assert_eq!(of(path), Some(DataRoute::Encrypt { endpoint }), "{path}");
            assert_eq!(DataRoute::of(&Method::PUT, path), None, "{path}");
        }
        assert_eq!(of("/v1/endpoints/absensi/decrypt"), Some(DataRoute::Decrypt { endpoint }));
        assert_eq!(of("/v1/endpoints/absensi/reencrypt"), Some(DataRoute::Reencrypt { endpoint }));
        assert_eq!(of("/v1/endpoints/absensi/index"), Some(DataRoute::Index { endpoint }));
        assert_eq!(of("/v1/endpoints/absensi/certificate"), Some(DataRoute::Certificate { endpoint }));
        for path in ["/cryptAPI/Crypt/absensi", "/CryptAPI/Crypt/absensi/"] {
            assert_eq!(of(path), Some(DataRoute::Published { endpoint }), "{path}");
            assert_eq!(DataRoute::of(&Method::GET, path), Some(DataRoute::Published { endpoint }), "{path}");
        }
        for path in [
            "",
            "/",
            "*",
            "v1/endpoints/absensi/encrypt",
            "//v1/endpoints/absensi/encrypt",
            "/v1//endpoints/absensi/encrypt",
            "/v1/endpoints//encrypt",
            "/v1/endpoints/absensi",
            "/v1/endpoints/absensi/encrypt//",
            "/v1/endpoints/absensi/encrypt/x",
            "/V1/endpoints/absensi/encrypt",
            "/cryptAPI/Crypt//",
            "/cryptAPI/Crypt/absensi//",
            "/cryptAPI/crypt/absensi/",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
