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
//! Anything else is `unmatched`: 404, or 405 where a path is served with another method. Below `/cryptAPI` and `/CryptAPI`
//! that too is said in the published form.
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
mod unmatched;
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

    let encrypt_path = warp::path!("v1" / "endpoints" / String / "encrypt");
    let encrypt = encrypt_path
        .and(warp::post())
        .and(credentials::arrival(clock))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|endpoint, arrival, body, appliance: Arc<Appliance>| async move {
            v1::answer::<Encrypt, _>(&appliance, endpoint, arrival, body).await
        });

    let decrypt_path = warp::path!("v1" / "endpoints" / String / "decrypt");
    let decrypt = decrypt_path
        .and(warp::post())
        .and(credentials::arrival(clock))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|endpoint, arrival, body, appliance: Arc<Appliance>| async move {
            v1::answer::<Decrypt, _>(&appliance, endpoint, arrival, body).await
        });

    let published_prefix = warp::path("cryptAPI").or(warp::path("CryptAPI")).unify();
    let published = published_prefix
        .and(warp::path!("Crypt" / String))
        .and(warp::method())
        .and(credentials::arrival(clock))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|endpoint, method, arrival, body, appliance: Arc<Appliance>| async move {
            published::answer(&appliance, endpoint, &method, arrival, body).await
        });

    let posts = encrypt_path.or(decrypt_path).unify().map(drop).untuple_one();
    let wrong_method = posts.and(warp::body::stream()).then(|body| unmatched::method("POST", body));
    let wrong_path = published_prefix.and(warp::body::stream()).then(published::unmatched);

    let served = encrypt.or(decrypt).unify().or(published).unify().or(open(with)).unify();
    let refused = wrong_method.or(wrong_path).unify().or(unmatched_path()).unify();
    served.or(refused).unify().recover(unmatched::rejected).unify()
}

/// The control plane's routes.
pub fn control_plane(
    appliance: Arc<Appliance>,
) -> impl Filter<Extract = (Answer,), Error = Infallible> + Clone + Send + Sync + 'static {
    let clock = appliance.settings().clock;
    let with = with(appliance);

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
        .and(with.clone())
        .then(|arrival, query, appliance| async move { statistics::answer(appliance, arrival, query).await });

    let metrics_path = warp::path!("metrics");
    let metrics = metrics_path
        .and(warp::get())
        .and(credentials::arrival(clock))
        .and(with.clone())
        .then(|arrival, appliance| async move { metrics::answer(appliance, arrival).await });

    let health = alive.or(ready).unify().or(state).unify();
    let read = statistics.or(metrics).unify();
    let health_paths = alive_path.or(ready_path).unify().or(state_path).unify();
    let gets = health_paths.or(statistics_path).unify().or(metrics_path).unify();
    let wrong_method = gets.and(warp::body::stream()).then(|body| unmatched::method("GET", body));

    let served = health.or(read).unify().or(open(with)).unify();
    let refused = wrong_method.or(unmatched_path()).unify();
    served.or(refused).unify().recover(unmatched::rejected).unify()
}

/// What both listeners tell anybody.
fn open(
    with: impl With,
) -> impl Filter<Extract = (Answer,), Error = Rejection> + Clone + Send + Sync + 'static {
    let info_path = warp::path!("v1" / "info");
    let info = info_path.and(warp::get()).and(with).map(|appliance: Arc<Appliance>| info::answer(&appliance));
    let problems_path = warp::path!("problems" / String);
    let problems = problems_path.and(warp::get()).map(|code: String| info::problem(&code));
    let gets = info_path.or(problems_path.map(drop).untuple_one()).unify();
    let wrong_method = gets.and(warp::body::stream()).then(|body| unmatched::method("GET", body));
    info.or(problems).unify().or(wrong_method).unify()
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
