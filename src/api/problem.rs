//! Problem documents (RFC 9457): how v1 and the control plane say no. `type` is `/problems/<code>`, served on both
//! listeners.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::appliance::Appliance;
use crate::domain::refusal::{Code, LimitMet, Refusal};

use super::Answer;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'a str,
    hint: &'a str,
}

/// The answer for a refusal.
#[must_use]
pub(super) fn answer(refusal: &Refusal) -> Answer {
    let status = status(refusal.code);
    let body = serde_json::to_vec(&Problem {
        r#type: uri(refusal.code),
        title: refusal.code.title(),
        status: status.as_u16(),
        detail: refusal.detail.as_deref(),
        code: refusal.code.as_str(),
        hint: refusal.code.hint(),
    });
    let mut answer = respond(status, "application/problem+json", body.unwrap_or_default());
    add_limit_headers(&mut answer, refusal);
    answer
}

/// What names a code in a `type` member, and explains it to whoever follows it.
#[must_use]
pub(super) fn uri(code: Code) -> String {
    format!("/problems/{}", code.as_str())
}

/// With a 405 goes the method that is served (RFC 9110 section 15.5.6).
#[must_use]
pub(super) fn allow(mut answer: Answer, method: &'static str) -> Answer {
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
    answer
}

/// A response with a content type, never to be cached: it may hold plaintext.
#[must_use]
pub(super) fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Answer::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same with the newest checkpoint, for those who may know how far the chain has come.
#[must_use]
pub(super) fn witnessed(mut answer: Answer, appliance: &Appliance) -> Answer {
    if let Some(line) = appliance.unlocked().ok().and_then(|operational| operational.checkpoint()) {
        answer.headers_mut().insert("gembok-checkpoint", value(&line));
    }
    answer
}

/// `Retry-After`, and where a rate limit was met `RateLimit` and `RateLimit-Policy` as in
/// draft-ietf-httpapi-ratelimit-headers-10: `q` is the burst, `w` the seconds in which it refills.
pub(super) fn add_limit_headers(answer: &mut Answer, refusal: &Refusal) {
    let headers = answer.headers_mut();
    let seconds = |wait: Duration| wait.as_millis().div_ceil(1_000).max(1);
    if let Some(wait) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, value(&seconds(wait).to_string()));
    }
    if let Some(LimitMet { name, per_s, burst }) = refusal.limit {
        let window = burst.div_ceil(per_s.max(1)).max(1);
        let refills = refusal.retry_after.map_or(0, seconds);
        headers.insert("ratelimit-policy", value(&format!("\"{name}\";q={burst};w={window}")));
        headers.insert("ratelimit", value(&format!("\"{name}\";r=0;t={refills}")));
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The HTTP status of a code.
#[must_use]
pub(super) const fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedJson
        | Code::UnknownMember
        | Code::MissingMember
        | Code::RepeatedMember
        | Code::BadBase64
        | Code::BadContext
        | Code::ContextRequired
        | Code::UnknownAction
        | Code::BadName
        | Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::CertificateMissing
        | Code::CertificateNotEnrolled
        | Code::CertificateNotValid
        | Code::CertificateRevoked
        | Code::ApiKeyMissing
        | Code::ApiKeyMistyped
        | Code::ApiKeyUnknown
        | Code::ApiKeyRevoked
        | Code::ApiKeyDisabled
        | Code::ApiKeyExpired => StatusCode::UNAUTHORIZED,
        Code::ApiKeyOfAnother
        | Code::EndpointRevoked
        | Code::EndpointDisabled
        | Code::Forbidden
        | Code::NotGranted => StatusCode::FORBIDDEN,
        Code::EndpointUnknown | Code::ObjectUnknown | Code::NotFound | Code::NoSuchRoute => {
            StatusCode::NOT_FOUND
        }
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::KeyDisabled
        | Code::KeyNotSealing
        | Code::KeyExhausted
        | Code::AlreadyExists
        | Code::Conflict
        | Code::WrongState => StatusCode::CONFLICT,
        Code::KeyDestroyed => StatusCode::GONE,
        Code::BodyTooSlow | Code::ClientGone => StatusCode::REQUEST_TIMEOUT,
        Code::BodyTooLarge | Code::FieldTooLarge | Code::TooManyItems | Code::BatchOverBurst => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Code::CannotOpen => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RequestsLimited | Code::FieldsLimited | Code::TooManyInFlight => StatusCode::TOO_MANY_REQUESTS,
        Code::Locked | Code::TokenAway | Code::JournalFull => StatusCode::SERVICE_UNAVAILABLE,
        Code::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
