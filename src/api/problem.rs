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

/// With a 405 go the methods that are served (RFC 9110 section 15.5.6).
#[must_use]
pub(super) fn allow(mut answer: Answer, methods: &str) -> Answer {
    answer.headers_mut().insert(header::ALLOW, value(methods));
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

/// It was done, and there is nothing to show.
#[must_use]
pub(super) fn nothing() -> Answer {
    let mut answer = respond(StatusCode::NO_CONTENT, "", Vec::new());
    answer.headers_mut().remove(header::CONTENT_TYPE);
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

/// `Retry-After`, and where a limit was met `RateLimit` and `RateLimit-Policy` as in
/// draft-ietf-httpapi-ratelimit-headers-11: `q` is what the limit allows at once, `w` the seconds in which it comes back, `r`
/// what is left of it, `t` the seconds until there is as much as was asked for. A successful answer carries none of them.
pub(super) fn add_limit_headers(answer: &mut Answer, refusal: &Refusal) {
    let headers = answer.headers_mut();
    let wait_s = refusal.retry_after.map(|wait: Duration| wait.as_millis().div_ceil(1_000).max(1));
    if let Some(wait_s) = wait_s {
        headers.insert(header::RETRY_AFTER, value(&wait_s.to_string()));
    }
    if let Some(limit) = &refusal.limit {
        let LimitMet { name, quota, unit, window_s, left } = **limit;
        let parameter = |name: &str, number: Option<String>| {
            number.map(|number| format!(";{name}={number}")).unwrap_or_default()
        };
        let unit = parameter("qu", unit.map(|unit| format!("\"{unit}\"")));
        let window = parameter("w", window_s.map(|seconds| seconds.to_string()));
        let resets = parameter("t", wait_s.map(|seconds| seconds.to_string()));
        headers.insert("ratelimit-policy", value(&format!("\"{name}\";q={quota}{unit}{window}")));
        if let Some(left) = left {
            headers.insert("ratelimit", value(&format!("\"{name}\";r={left}{resets}")));
        }
    }
}

pub(super) fn value(text: &str) -> HeaderValue {
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
        | Code::WeakPassword
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
        | Code::SignInFailed
        | Code::SessionEnded
        | Code::ApiKeyExpired => StatusCode::UNAUTHORIZED,
        Code::ApiKeyOfAnother
        | Code::EndpointRevoked
        | Code::EndpointDisabled
        | Code::EndpointRetired
        | Code::ProjectRetired
        | Code::NetworkDenied
        | Code::Forbidden
        | Code::PasswordNotShown
        | Code::NotASecondPerson
        | Code::UseTheControlPlane
        | Code::PolicyDenied
        | Code::SubjectFrozen
        | Code::NotGranted => StatusCode::FORBIDDEN,
        Code::EndpointUnknown
        | Code::ObjectUnknown
        | Code::FieldNotDeclared
        | Code::NotFound
        | Code::NoSuchRoute => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::KeyDisabled
        | Code::KeyCompromised
        | Code::KeyWindowOver
        | Code::WrongKeyState
        | Code::KeyNotSealing
        | Code::KeyExhausted
        | Code::AlreadyExists
        | Code::KeyTaken
        | Code::Conflict
        | Code::LastAdmin
        | Code::ApprovalEnded
        | Code::TooManyApprovals
        | Code::TooManyProjects
        | Code::TooManyThings
        | Code::CaInUse
        | Code::CaRollState
        | Code::RotationUnderWay
        | Code::NotInEscrow
        | Code::AdminIsThere
        | Code::TooManySessions
        | Code::NotEmpty
        | Code::NotRetired
        | Code::ObjectInUse
        | Code::ObjectRetired
        | Code::ShownOnce
        | Code::FieldNotIndexed
        | Code::IndexRotationState
        | Code::IndexGivenUp
        | Code::TooManyCertificates
        | Code::WrongState => StatusCode::CONFLICT,
        Code::KeyDestroyed | Code::LinkEnded => StatusCode::GONE,
        Code::ChangedMeanwhile => StatusCode::PRECONDITION_FAILED,
        Code::BodyTooSlow | Code::ClientGone => StatusCode::REQUEST_TIMEOUT,
        Code::BodyTooLarge
        | Code::FieldTooLarge
        | Code::TooManyItems
        | Code::BatchOverBurst
        | Code::BatchOverBudget => StatusCode::PAYLOAD_TOO_LARGE,
        Code::CannotOpen | Code::IdempotencyKeyReused | Code::ValueUnfit => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RequestsLimited
        | Code::FieldsLimited
        | Code::TooManyIdempotencyKeys
        | Code::TooManyInFlight
        | Code::TrailBusy
        | Code::BudgetExhausted
        | Code::RenewalLimited
        | Code::AuthenticationLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Locked | Code::TokenAway | Code::JournalFull | Code::SignInsBusy => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
