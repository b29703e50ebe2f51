//! Who asks, and when: the only place where headers are read, and where the clock's reading for a request is taken.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderValue};
use warp::Filter;
use warp::filters::BoxedFilter;

use crate::appliance::Showing;
use crate::domain::api_key::{ApiKeyDigest, ApiKeyText};
use crate::domain::made_once::KEY_CHARS_MAX;
use crate::domain::peer::Peer;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{SessionDigest, SessionToken};
use crate::domain::timestamp::Now;

/// A request's first moment and its connection's other end. `peer` is missing only if the listener forgot it, and then
/// nobody is let in.
#[derive(Clone)]
pub(super) struct Arrival {
    /// When the request's head had arrived.
    pub now: Now,
    /// Who is at the other end.
    pub peer: Option<Arc<Peer>>,
    authorization: Authorization,
    /// The announced length of the body.
    pub content_length: Option<u64>,
}

/// How somebody proves who it is on the control plane.
#[derive(Clone)]
pub(super) struct Proof {
    peer: Arc<Peer>,
    session: Option<SessionDigest>,
}

impl Proof {
    /// As the appliance takes it.
    pub(super) const fn showing(&self) -> Showing<'_> {
        Showing { peer: &self.peer, session: self.session }
    }
}

/// Whether a body says of itself that it is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// What a request makes depend on others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conditions {
    /// `If-Match`: any of these tags, with their quotation marks, or `*`; none where nothing is said.
    pub if_match: Option<Vec<String>>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

impl Conditions {
    /// What the head of a request says.
    ///
    /// # Errors
    /// `bad-request` for a key that is none, or that comes twice.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let tags = headers.get_all(IF_MATCH).iter().map(|tags| tags.to_str().unwrap_or_default());
        let tags: Vec<String> =
            tags.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect();
        let mut keys = headers.get_all("idempotency-key").iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => None,
            (Some(key), None) => Some(key.as_bytes()),
            (Some(_), Some(_)) => Some(&[][..]),
        };
        let key = key.map(|key| {
            let is_key = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
            let text = is_key.then(|| String::from_utf8(key.to_vec()).ok()).flatten();
            let wrong =
                format!("Idempotency-Key is one word of 1 to {KEY_CHARS_MAX} visible ASCII characters.");
            text.ok_or_else(|| Refusal::new(Code::BadRequest).detail(wrong))
        });
        Ok(Self { if_match: (!tags.is_empty()).then_some(tags), idempotency_key: key.transpose()? })
    }
}

/// The `Authorization` headers of a request.
#[derive(Clone)]
enum Authorization {
    Missing,
    One(HeaderValue),
    /// Which of them counts is a question that two programs on the way may answer differently.
    Several,
}

impl Authorization {
    fn among(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Missing,
            (Some(one), None) => Self::One(one.clone()),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

/// The arrival of any request of the control plane; no request is without one.
pub(super) fn arrival(clock: fn() -> Now) -> impl Filter<Extract = (Arrival,), Error = Infallible> + Clone {
    warp::ext::optional::<Arc<Peer>>()
        .and(warp::header::headers_cloned())
        .map(move |peer, headers: HeaderMap| Arrival::at(clock(), peer, &headers))
}

/// The raw query string; empty when there is none.
pub(super) fn query() -> BoxedFilter<(String,)> {
    warp::query::raw().or(warp::any().map(String::new)).unify().boxed()
}

/// A form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    #[default]
    Json,
    Csv,
    Page,
}

impl Form {
    /// The first that `Accept` names; JSON where it names none of them.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut ranges = ranges.flat_map(|value| value.split(','));
        let form = ranges.find_map(|range| match range.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Some(Self::Csv),
            "text/html" => Some(Self::Page),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            _ => None,
        });
        form.unwrap_or_default()
    }
}

/// Whether CSV is the first form of an answer that `Accept` names; JSON where it names none of the two.
pub(super) fn wants_csv() -> impl Filter<Extract = (bool,), Error = Infallible> + Clone {
    warp::header::headers_cloned().map(|headers: HeaderMap| Form::of(&headers) == Form::Csv)
}

impl Arrival {
    /// What the head of a request says.
    pub(super) fn at(now: Now, peer: Option<Arc<Peer>>, headers: &HeaderMap) -> Self {
        Self {
            now,
            peer,
            authorization: Authorization::among(headers),
            content_length: headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()),
        }
    }

    /// The digest of the API key in `Authorization: Bearer gbk_…`.
    ///
    /// # Errors
    /// `api-key-missing`, `api-key-mistyped`; `bad-request` for more than one such header.
    pub(super) fn api_key(&self) -> Result<ApiKeyDigest, Refusal> {
        digest(self.bearer(Code::ApiKeyMistyped)?.ok_or(Code::ApiKeyMissing)?)
    }

    /// Who asks on the control plane: the connection's other end, and the session in `Authorization: Bearer gbs_…` where there
    /// is one. Another header of that name is none of ours here; then the certificate decides.
    ///
    /// # Errors
    /// `session-ended` for what cannot be a session's token; `bad-request` for more than one such header.
    pub(super) fn proof(&self) -> Result<Proof, Refusal> {
        let peer = self.peer.clone().ok_or(Code::CertificateMissing)?;
        let token = self.bearer(Code::SessionEnded)?.filter(|secret| SessionToken::is_meant(secret));
        let session = token.map(|secret| SessionToken::digest_sent(secret).map_err(|_| Code::SessionEnded));
        Ok(Proof { peer, session: session.transpose()? })
    }

    /// The same without a session: what is fetched by machines takes a certificate.
    ///
    /// # Errors
    /// `certificate-missing` where the listener forgot the connection.
    pub(super) fn certificate(&self) -> Result<Proof, Refusal> {
        Ok(Proof { peer: self.peer.clone().ok_or(Code::CertificateMissing)?, session: None })
    }

    /// What stands behind `Bearer`; none for another scheme.
    fn bearer(&self, unreadable: Code) -> Result<Option<&str>, Refusal> {
        let header = match &self.authorization {
            Authorization::Missing => return Ok(None),
            Authorization::One(header) => header,
            Authorization::Several => {
                let detail = "The request has more than one Authorization header.";
                return Err(Refusal::new(Code::BadRequest).detail(detail));
            }
        };
        let Some((scheme, secret)) = header.to_str().map_err(|_| unreadable)?.split_once(' ') else {
            return Ok(None);
        };
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        Ok(is_bearer.then(|| secret.trim()))
    }
}

/// The digest of an API key's text.
///
/// # Errors
/// `api-key-mistyped`.
pub(super) fn digest(text: &str) -> Result<ApiKeyDigest, Refusal> {
    ApiKeyText::digest_sent(text).map_err(|_| Code::ApiKeyMistyped.into())
}
