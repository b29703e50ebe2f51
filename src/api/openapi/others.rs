//! The routes that are no verbs of the desk: those of applications, and what tells how the appliance is. They are matched in
//! `api/mod.rs`; a test calls each as it stands here.

use serde_json::{Map, Value, json};

use super::operations::{EVERYBODY, Form, Operation, PROBLEM, Refusals};
use super::{headers, sessions};
use crate::api::{info, statistics_csv};
use crate::domain::refusal::Code;
use crate::domain::statistics_report::Dimension;

/// What any request on data may be refused with before it is looked at.
const APPLICATION: &[Code] = &[
    Code::Locked,
    Code::CertificateMissing,
    Code::CertificateNotEnrolled,
    Code::CertificateNotValid,
    Code::CertificateRevoked,
    Code::EndpointUnknown,
    Code::EndpointRevoked,
    Code::EndpointDisabled,
    Code::TooManyInFlight,
    Code::JournalFull,
    Code::AuthenticationLimited,
    Code::ApiKeyMissing,
    Code::ApiKeyMistyped,
    Code::ApiKeyUnknown,
    Code::ApiKeyRevoked,
    Code::ApiKeyDisabled,
    Code::ApiKeyExpired,
    Code::ApiKeyOfAnother,
    Code::RequestsLimited,
    Code::BodyTooLarge,
    Code::BodyTooSlow,
    Code::MalformedJson,
    Code::MissingMember,
    Code::RepeatedMember,
    Code::BadRequest,
    Code::Forbidden,
    Code::PolicyDenied,
    Code::TokenAway,
    Code::Fault,
];
/// What its items may be refused with.
const ITEM: &[Code] = &[
    Code::ObjectUnknown,
    Code::NotGranted,
    Code::BadBase64,
    Code::BadContext,
    Code::ContextRequired,
    Code::FieldTooLarge,
    Code::BatchOverBurst,
    Code::FieldsLimited,
    Code::KeyDisabled,
    Code::KeyWindowOver,
    Code::KeyDestroyed,
    Code::KeyNotSealing,
    Code::KeyExhausted,
];
const DECRYPT: &[Code] = &[Code::CannotOpen, Code::BatchOverBudget, Code::BudgetExhausted];
const REENCRYPT: &[Code] =
    &[Code::CannotOpen, Code::KeyCompromised, Code::SubjectFrozen, Code::Conflict, Code::BudgetExhausted];
const INDEX: &[Code] = &[
    Code::CannotOpen,
    Code::SubjectFrozen,
    Code::Conflict,
    Code::FieldNotDeclared,
    Code::FieldNotIndexed,
    Code::ValueUnfit,
    Code::BatchOverBudget,
    Code::BudgetExhausted,
];
const V1: &[Code] = &[Code::UnknownMember, Code::TooManyItems];
const PUBLISHED: &[Code] = &[Code::UnknownAction];
const RENEWAL: &[Code] =
    &[Code::UnknownMember, Code::RenewalLimited, Code::TooManyCertificates, Code::KeyTaken];
/// How the published contract says no.
const GAGAL: Form = Form { name: "Gagal", content_type: "application/json", member: "kode" };

/// Who asks at a route.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Anybody,
    Application,
    User,
}

/// A route: what it is for, who asks, and the names of the shapes that go in and out.
pub(super) struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub tag: &'static str,
    pub who: Who,
    pub summary: &'static str,
    pub body: Option<&'static str>,
    pub answer: Shape,
    pub codes: Vec<Code>,
}

/// What an answer is.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// JSON of this name.
    Json(&'static str),
    /// JSON of this name, or CSV.
    JsonOrCsv(&'static str),
    /// The same of something made.
    Made(&'static str),
    /// Text of this type.
    Text(&'static str),
    /// There is nothing to show.
    Nothing,
}

/// Every one.
pub(super) fn all(refusals: &mut Refusals) -> Vec<Operation> {
    let routes = of_applications().into_iter().chain(of_everybody()).chain(sessions::all());
    routes.map(|route| route.operation(refusals)).collect()
}

/// What applications ask.
fn of_applications() -> Vec<Route> {
    let data = |path, id, summary, body, answer, codes: &[&[Code]]| Route {
        method: "post",
        path,
        id,
        tag: "data",
        who: Who::Application,
        summary,
        body: Some(body),
        answer: Shape::Json(answer),
        codes: [&[APPLICATION], codes].concat().concat(),
    };
    let published = "Encrypt or decrypt one value, by the contract of the published system.";
    vec![
        data(
            "/v1/endpoints/{endpoint}/encrypt",
            "encrypt",
            "Encrypt one value, or a batch.",
            "Encrypt",
            "Encrypted",
            &[ITEM, V1],
        ),
        data(
            "/v1/endpoints/{endpoint}/decrypt",
            "decrypt",
            "Decrypt one value, or a batch.",
            "Decrypt",
            "Decrypted",
            &[ITEM, V1, DECRYPT],
        ),
        data(
            "/v1/endpoints/{endpoint}/reencrypt",
            "reencrypt",
            "Put one ciphertext, or a batch, under the object's current key version; no plaintext is shown.",
            "Reencrypt",
            "Reencrypted",
            &[ITEM, V1, REENCRYPT],
        ),
        data(
            "/v1/endpoints/{endpoint}/index",
            "index",
            "Tell what one value, or each of a batch, is found by.",
            "Index",
            "Indexed",
            &[ITEM, V1, INDEX],
        ),
        data(
            "/v1/endpoints/{endpoint}/certificate",
            "renew",
            "Renew the endpoint's own certificate.",
            "Renewal",
            "Renewed",
            &[RENEWAL],
        ),
        data(
            "/cryptAPI/Crypt/{endpoint}/",
            "crypt",
            published,
            "Published",
            "Sukses",
            &[ITEM, PUBLISHED, DECRYPT],
        ),
        data(
            "/CryptAPI/Crypt/{endpoint}/",
            "crypt-capital",
            published,
            "Published",
            "Sukses",
            &[ITEM, PUBLISHED, DECRYPT],
        ),
    ]
}

/// What tells how the appliance is.
fn of_everybody() -> Vec<Route> {
    let get = |path, id, tag, who, summary, answer| Route {
        method: "get",
        path,
        id,
        tag,
        who,
        summary,
        body: None,
        answer,
        codes: if matches!(who, Who::User) { EVERYBODY.to_vec() } else { Vec::new() },
    };
    let mut problems = get(
        "/problems/{code}",
        "problem",
        "about",
        Who::Anybody,
        "What a code means.",
        Shape::Json("ProblemPage"),
    );
    problems.codes = vec![Code::NoSuchRoute];
    vec![
        get(
            "/v1/info",
            "info",
            "about",
            Who::Anybody,
            "Limits, algorithms and widths of columns.",
            Shape::Json("Info"),
        ),
        get("/v1/openapi.json", "openapi", "about", Who::Anybody, "This document.", Shape::Json("OpenApi")),
        get(
            "/v1/ca.pem",
            "ca-pem",
            "ca",
            Who::Anybody,
            "The CAs that clients are to trust, on the control listener: two while a roll is under way.",
            Shape::Text(info::PEM_CHAIN),
        ),
        problems,
        get(
            "/health/alive",
            "alive",
            "health",
            Who::Anybody,
            "Whether the process answers.",
            Shape::Text("text/plain"),
        ),
        get(
            "/health/ready",
            "ready",
            "health",
            Who::Anybody,
            "Whether requests on data are served; 503 where not.",
            Shape::Text("text/plain"),
        ),
        get("/health/state", "state", "health", Who::User, "The whole health.", Shape::Json("Health")),
        get(
            "/metrics",
            "metrics",
            "health",
            Who::User,
            "Metrics in the text format of Prometheus.",
            Shape::Text("text/plain; version=0.0.4"),
        ),
        get(
            "/v1/statistics",
            "statistics-rows",
            "statistics",
            Who::User,
            "What was asked, by whom, with what result, over time.",
            Shape::JsonOrCsv("Statistics"),
        ),
    ]
}

impl Route {
    fn operation(self, refusals: &mut Refusals) -> Operation {
        let is_published = matches!(self.body, Some("Published"));
        let mut responses = refusals.of(&self.codes, if is_published { GAGAL } else { PROBLEM });
        let json = |name| json!({ "schema": named(name) });
        let text = || json!({ "schema": { "type": "string" } });
        let content = match self.answer {
            Shape::Json(name) | Shape::Made(name) => json!({ "application/json": json(name) }),
            Shape::JsonOrCsv(name) => json!({ "application/json": json(name), statistics_csv::TYPE: text() }),
            Shape::Text(content_type) => json!({ content_type: text() }),
            Shape::Nothing => Value::Null,
        };
        let (status, mut done) = match self.answer {
            Shape::Made(_) => ("201", json!({ "description": "Done.", "content": content })),
            Shape::Nothing => ("204", json!({ "description": "Done." })),
            Shape::Json(_) | Shape::JsonOrCsv(_) | Shape::Text(_) => {
                ("200", json!({ "description": "Done.", "content": content }))
            }
        };
        if matches!(self.id, "state" | "statistics-rows") {
            done["headers"] = Map::from_iter([headers::checkpoint()]).into();
        }
        responses.insert(status.into(), done);
        if self.id == "ready" {
            let content = json!({ "text/plain": text() });
            responses.insert("503".into(), json!({ "description": "Not ready.", "content": content }));
        }
        let security = match (self.who, is_published) {
            (Who::Anybody, _) => json!([]),
            (Who::Application, true) => json!([{ "endpointCertificate": [] }]),
            (Who::Application, false) => json!([{ "endpointCertificate": [], "apiKey": [] }]),
            (Who::User, _) => json!([{ "userCertificate": [] }, { "session": [] }]),
        };
        let mut said = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "security": security,
            "parameters": self.parameters(),
            "responses": responses,
        });
        if let Some(body) = self.body {
            said["requestBody"] = json!({ "required": true, "content": { "application/json": json(body) } });
        }
        Operation { path: self.path.into(), method: self.method, said }
    }

    fn parameters(&self) -> Vec<Value> {
        let text = json!({ "type": "string" });
        let in_path = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": text });
        let mut parameters = Vec::new();
        for name in ["endpoint", "code"].into_iter().filter(|name| self.path.contains(&format!("{{{name}}}")))
        {
            parameters.push(in_path(name));
        }
        if self.id == "statistics-rows" {
            let groups = Dimension::ALL.map(Dimension::name).join(", ");
            let groups = format!("Any of {groups}, with commas between.");
            let several = json!({ "type": "array", "items": text });
            for (name, schema) in [
                ("resolution", json!({ "enum": ["minute", "hour", "day", "month"] })),
                ("from", json!({ "type": "integer", "minimum": 0, "description": "Seconds since 1970." })),
                ("to", json!({ "type": "integer", "minimum": 0, "description": "Seconds since 1970." })),
                ("group", json!({ "type": "string", "description": groups })),
                ("format", json!({ "enum": ["json", "csv"] })),
                ("project", several.clone()),
                ("endpoint", several),
                ("object", text.clone()),
                ("operation", text.clone()),
                ("outcome", text.clone()),
                ("user", text.clone()),
            ] {
                parameters.push(json!({ "name": name, "in": "query", "required": name == "resolution", "schema": schema }));
            }
        }
        parameters
    }
}

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What operations are sorted by.
pub(super) fn tags() -> Value {
    let said = [
        ("data", "The data plane: what applications ask."),
        ("about", "What anybody may know, on both listeners."),
        ("health", "How the appliance is."),
        ("session", "Signing in and out."),
        ("sessions", "Who is signed in."),
        ("users", "People with an account."),
        ("approvals", "What waits for a second person."),
        ("ca", "The certificate authority."),
        ("projects", "Tenants, and everything of theirs."),
        ("api-keys", "Credentials of endpoints."),
        ("certificates", "Client certificates."),
        ("server-names", "What the server's certificate calls it."),
        ("audit", "Who changed what."),
        ("reports", "What the data protection law asks for."),
        ("policy", "Access policies."),
        ("statistics", "What was asked."),
        ("status", "The whole health, as the command line shows it."),
    ];
    said.map(|(name, description)| json!({ "name": name, "description": description })).to_vec().into()
}

/// Ways to show who asks.
pub(super) fn security() -> Map<String, Value> {
    let mut schemes = Map::new();
    let mutual = |what: &str| json!({ "type": "mutualTLS", "description": what });
    let bearer = |what: &str| json!({ "type": "http", "scheme": "bearer", "description": what });
    schemes.insert("endpointCertificate".into(), mutual("The certificate that was issued to the endpoint."));
    schemes.insert("userCertificate".into(), mutual("The certificate that was issued to the user."));
    schemes.insert("apiKey".into(), bearer("An API key of the endpoint: gbk_ and 40 characters."));
    schemes.insert("session".into(), bearer("A session that began with a password."));
    schemes
}
