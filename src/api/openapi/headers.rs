//! What answers say in their header of our own: of refusals by their codes, as `problem` sends it. What any answer over HTTP has
//! (`Content-Type`, `Cache-Control`, `Date`, …) is not told.

use serde_json::{Map, Value, json};

use crate::domain::refusal::Code;

/// Whether answers with a code have a header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Always,
    Sometimes,
    Never,
}

/// A header of refusals: what it is called, why, how it is written, and with which codes it comes.
type OfRefusals = (&'static str, &'static str, fn() -> Value, fn(Code) -> Sent);

const OF_REFUSALS: [OfRefusals; 4] = [
    ("Retry-After", "Seconds to wait.", seconds, retry_after),
    (
        "RateLimit-Policy",
        "The limit that was met: what it allows at once, and in how long it comes back.",
        policy,
        limited,
    ),
    (
        "RateLimit",
        "What is left of it, and in how many seconds there is enough.",
        left,
        limited_with_some_left,
    ),
    ("Idempotent-Replayed", REPLAYED_WHY, replayed_word, shown_once),
];
const REPLAYED_WHY: &str = "Answered before, and now again.";

/// Those of a refusal by any of `codes`: required where every one of them sends it.
pub(super) fn of_refusals(codes: &[Code]) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, why, schema, sent) in OF_REFUSALS {
        let mut all = codes.iter().map(|code| sent(*code));
        if all.clone().any(|sent| sent != Sent::Never) {
            let is_required = all.all(|sent| sent == Sent::Always);
            headers.insert(name.into(), header(why, is_required, &schema()));
        }
    }
    headers
}

/// Of something that was made, by a request that may come again.
pub(super) fn replayed() -> (String, Value) {
    ("Idempotent-Replayed".into(), header(REPLAYED_WHY, false, &replayed_word()))
}

/// Of a resource that changes may name as they saw it.
pub(super) fn etag() -> (String, Value) {
    ("ETag".into(), header("For If-Match.", true, &json!({ "type": "string" })))
}

/// Of an export.
pub(super) fn export() -> (String, Value) {
    let why = "Its id, for /v1/audit/exports/{id}.";
    ("Gembok-Export".into(), header(why, true, &json!({ "type": "string" })))
}

/// Of what tells how far the chain has come.
pub(super) fn checkpoint() -> (String, Value) {
    let why = "The newest checkpoint of the audit trail, where there is one.";
    ("Gembok-Checkpoint".into(), header(why, false, &json!({ "type": "string" })))
}

/// Of what browsers show, and are not to take for something else.
pub(super) fn no_sniffing() -> (String, Value) {
    let why = "With a page or CSV.";
    ("X-Content-Type-Options".into(), header(why, false, &json!({ "const": "nosniff" })))
}

fn header(why: &str, is_required: bool, schema: &Value) -> Value {
    json!({ "description": why, "required": is_required, "schema": schema })
}

fn seconds() -> Value {
    json!({ "type": "integer", "minimum": 1 })
}

fn policy() -> Value {
    json!({ "type": "string", "pattern": r#"^"[a-z-]+";q=[0-9]+(;qu="[a-z-]+")?(;w=[0-9]+)?$"# })
}

fn left() -> Value {
    json!({ "type": "string", "pattern": r#"^"[a-z-]+";r=[0-9]+(;t=[0-9]+)?$"# })
}

fn replayed_word() -> Value {
    json!({ "const": "true" })
}

const fn retry_after(code: Code) -> Sent {
    match code {
        Code::RequestsLimited
        | Code::FieldsLimited
        | Code::BudgetExhausted
        | Code::RenewalLimited
        | Code::AuthenticationLimited
        | Code::TooManyIdempotencyKeys => Sent::Always,
        Code::NotRetired => Sent::Sometimes,
        _ if code.retry_after().is_some() => Sent::Always,
        _ => Sent::Never,
    }
}

const fn limited(code: Code) -> Sent {
    match code {
        Code::RequestsLimited
        | Code::FieldsLimited
        | Code::BudgetExhausted
        | Code::BatchOverBudget
        | Code::BatchOverBurst
        | Code::AuthenticationLimited => Sent::Always,
        // Of a certificate's requests, not of exports.
        Code::TooManyInFlight => Sent::Sometimes,
        _ => Sent::Never,
    }
}

const fn limited_with_some_left(code: Code) -> Sent {
    match code {
        // All that there ever is would be too little.
        Code::BatchOverBurst => Sent::Never,
        _ => limited(code),
    }
}

const fn shown_once(code: Code) -> Sent {
    match code {
        Code::ShownOnce => Sent::Always,
        _ => Sent::Never,
    }
}
