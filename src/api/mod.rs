//! Floor 4: the HTTP edge. Outside words become ours here and ours become theirs; there are no rules and no tables behind
//! it. This page is the whole route table: what is not on it does not exist.
//!
//! | listener | method and path | who | file |
//! |---|---|---|---|
//! | data | `POST /v1/endpoints/{endpoint}/encrypt` | certificate and API key | `v1` |
//! | data | `POST /v1/endpoints/{endpoint}/decrypt` | certificate and API key | `v1` |
//! | data | `POST /cryptAPI/Crypt/{endpoint}[/]`, `/CryptAPI/…` | certificate and API key (in the body) | `published` |
//! | both | `GET /v1/info` | any | `info` |
//! | both | `GET /problems/{code}` | any | `info` |
//! | control | `GET /health/alive`, `/health/ready` | any | `health` |
//! | control | `GET /health/state` | a user's certificate | `health` |
//! | control | `GET /v1/statistics` | an admin's or auditor's certificate | `statistics` |
//! | control | `GET /metrics` | a user's certificate | `metrics` |
//!
//! On the data listener TLS has demanded a certificate of everybody who gets this far. Headers are read in `credentials`
//! and nowhere else.

mod body;
mod credentials;
mod field;
mod health;
mod indonesian;
mod info;
mod line;
mod metrics;
mod problem;
mod published;
mod request;
mod statistics;
mod v1;

use std::convert::Infallible;
use std::sync::Arc;

use http::Response;
use warp::Filter;
use warp::reject::Rejection;

use crate::appliance::{Appliance, Decrypt, Encrypt};

/// Every answer: a status, a few headers, bytes.
type Answer = Response<Vec<u8>>;

/// The data plane's routes.
pub fn data_plane(
    appliance: Arc<Appliance>,
) -> impl Filter<Extract = (Answer,), Error = Infallible> + Clone + Send + Sync + 'static {
    let clock = appliance.settings().clock;
    let with = with(appliance);

    let encrypt = warp::path!("v1" / "endpoints" / String / "encrypt")
        .and(warp::post())
        .and(credentials::arrival(clock))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|endpoint, arrival, body, appliance: Arc<Appliance>| async move {
            v1::answer::<Encrypt, _>(&appliance, endpoint, arrival, body).await
        });

    let decrypt = warp::path!("v1" / "endpoints" / String / "decrypt")
        .and(warp::post())
        .and(credentials::arrival(clock))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|endpoint, arrival, body, appliance: Arc<Appliance>| async move {
            v1::answer::<Decrypt, _>(&appliance, endpoint, arrival, body).await
        });

    let published = warp::path("cryptAPI")
        .or(warp::path("CryptAPI"))
        .unify()
        .and(warp::path!("Crypt" / String))
        .and(warp::method())
        .and(credentials::arrival(clock))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|endpoint, method, arrival, body, appliance: Arc<Appliance>| async move {
            published::answer(&appliance, endpoint, &method, arrival, body).await
        });

    encrypt
        .or(decrypt)
        .unify()
        .or(published)
        .unify()
        .or(open(with))
        .unify()
        .recover(problem::no_route)
        .unify()
}

/// The control plane's routes.
pub fn control_plane(
    appliance: Arc<Appliance>,
) -> impl Filter<Extract = (Answer,), Error = Infallible> + Clone + Send + Sync + 'static {
    let clock = appliance.settings().clock;
    let with = with(appliance);

    let alive = warp::path!("health" / "alive").and(warp::get()).map(health::alive);
    let ready = warp::path!("health" / "ready")
        .and(warp::get())
        .and(with.clone())
        .map(|appliance: Arc<Appliance>| health::ready(&appliance));
    let state = warp::path!("health" / "state")
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(with.clone())
        .then(|arrival, appliance| async move { health::state(appliance, arrival).await });

    let statistics = warp::path!("v1" / "statistics")
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(credentials::query())
        .and(with.clone())
        .then(|arrival, query, appliance| async move { statistics::answer(appliance, arrival, query).await });

    let metrics = warp::path!("metrics")
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(with.clone())
        .then(|arrival, appliance| async move { metrics::answer(appliance, arrival).await });

    let health = alive.or(ready).unify().or(state).unify();
    let read = statistics.or(metrics).unify();
    health.or(read).unify().or(open(with)).unify().recover(problem::no_route).unify()
}

/// What both listeners tell anybody.
fn open(
    with: impl With,
) -> impl Filter<Extract = (Answer,), Error = Rejection> + Clone + Send + Sync + 'static {
    let info = warp::path!("v1" / "info")
        .and(warp::get())
        .and(with)
        .map(|appliance: Arc<Appliance>| info::answer(&appliance));
    let problems = warp::path!("problems" / String).and(warp::get()).map(|code: String| info::problem(&code));
    info.or(problems).unify()
}

/// Hands the appliance to a route.
trait With: Filter<Extract = (Arc<Appliance>,), Error = Infallible> + Clone + Send + Sync + 'static {}

impl<F: Filter<Extract = (Arc<Appliance>,), Error = Infallible> + Clone + Send + Sync + 'static> With for F {}

fn with(appliance: Arc<Appliance>) -> impl With {
    warp::any().map(move || Arc::clone(&appliance))
}
