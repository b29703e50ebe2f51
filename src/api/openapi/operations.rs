//! Rows of the route table as operations: a request's members parted into path, query and body as the row says, an answer by
//! its name, refusals by their codes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Shapes, headers};
use crate::api::control::perform::report_form;
use crate::api::control::{Gives, Http, Query, Row, export, table};
use crate::api::problem;
use crate::domain::refusal::Code;

/// What any route for people may be refused with.
pub(super) const EVERYBODY: &[Code] = &[
    Code::BadRequest,
    Code::CertificateMissing,
    Code::CertificateNotEnrolled,
    Code::CertificateNotValid,
    Code::CertificateRevoked,
    Code::SessionEnded,
    Code::Forbidden,
    Code::PolicyDenied,
    Code::AuthenticationLimited,
    Code::NotFound,
    Code::WrongState,
    Code::UnknownMember,
    Code::Locked,
    Code::Fault,
];
/// The same for one with members in its query or body.
const OF_MEMBERS: &[Code] = &[Code::MalformedJson, Code::MissingMember, Code::BadName];
/// The same for one that has a body.
const OF_BODIES: &[Code] = &[Code::RepeatedMember, Code::BodyTooLarge, Code::BodyTooSlow];
/// The same for one that changes something.
const OF_CHANGES: &[Code] = &[Code::Conflict, Code::AlreadyExists, Code::JournalFull, Code::TokenAway];
/// The same for one that makes something.
const OF_MAKINGS: &[Code] = &[Code::IdempotencyKeyReused, Code::ShownOnce, Code::TooManyIdempotencyKeys];

/// One operation of the document.
pub(super) struct Operation {
    pub path: String,
    /// In small letters.
    pub method: &'static str,
    pub said: Value,
}

/// Every resource.
pub(super) fn resources(shapes: &Shapes, refusals: &mut Refusals) -> Vec<Operation> {
    table::ROWS.iter().map(|row| resource(row, shapes, refusals)).collect()
}

fn resource(row: &Row, shapes: &Shapes, refusals: &mut Refusals) -> Operation {
    let mut members = verb(&shapes.request, row.verb);
    let mut parameters = Vec::new();
    for (called, is) in row.path_members() {
        let schema = members.take(is);
        parameters.push(json!({ "name": called, "in": "path", "required": true, "schema": schema }));
    }
    for query in row.query {
        let is_required = members.requires(query.name());
        let schema = members.take(query.name());
        let mut parameter =
            json!({ "name": query.name(), "in": "query", "required": is_required, "schema": schema });
        if matches!(query, Query::Words(_)) {
            (parameter["style"], parameter["explode"]) = ("form".into(), false.into());
        }
        parameters.push(parameter);
    }
    let tagged = row.is_change().then(|| table::changed_at(row.path)).flatten();
    if let Some((shown, _)) = tagged {
        let why = format!("The ETag of GET {}; 412 where that is another by now.", plain(shown.path));
        parameters.push(header("If-Match", &why));
    }
    if row.makes_something() {
        parameters.push(header(
            "Idempotency-Key",
            "Any word. The same request with the same key makes nothing again within 24 hours.",
        ));
    }
    let mut codes = [EVERYBODY, row.codes].concat();
    codes.extend(if row.has_body() || !row.query.is_empty() { OF_MEMBERS } else { &[] });
    codes.extend(if row.has_body() { OF_BODIES } else { &[] });
    codes.extend(if row.is_change() { OF_CHANGES } else { &[] });
    codes.extend(if row.makes_something() { OF_MAKINGS } else { &[] });
    codes.extend(tagged.map(|_| Code::ChangedMeanwhile));
    let mut said = json!({
        "operationId": identity(row),
        "summary": row.summary,
        "tags": [row.path.split('/').nth(2).unwrap_or_default()],
        "security": [{ "userCertificate": [] }, { "session": [] }],
        "parameters": parameters,
        "responses": responses(row, shapes, refusals.of(&codes, PROBLEM)),
    });
    if let Some(whole) = row.whole {
        said["requestBody"] = json!({
            "required": true,
            "description": "The document as it is shown. Content-Type has to be application/json.",
            "content": { "application/json": { "schema": members.take(whole) } },
        });
    } else if row.has_body() {
        let is_required = !members.required.is_empty();
        said["requestBody"] = json!({
            "required": is_required,
            "description": "Content-Type has to be application/json, also where there is no body.",
            "content": { "application/json": { "schema": members.schema() } },
        });
    }
    Operation { path: plain(row.path), method: small(row.method), said }
}

fn responses(row: &Row, shapes: &Shapes, mut responses: Map<String, Value>) -> Value {
    let mut done = json!({ "description": "Done." });
    if let Gives::Json(name) = row.gives {
        done["content"] = json!({ "application/json": { "schema": answer(&shapes.answers, name) } });
    }
    if row.gives == Gives::Json("report") {
        // By `Accept`: for spreadsheets, and an Indonesian page to print.
        for form in [report_form::CSV, report_form::PAGE] {
            done["content"][form] = json!({ "schema": { "type": "string" } });
        }
    }
    if row.gives == Gives::Export {
        let what =
            json!({ "type": "string", "description": "Items of RFC 8742, as ARCHITECTURE.md draws them." });
        done["content"] = json!({ export::TYPE: { "schema": what } });
    }
    let has_page = row.gives == Gives::Json("report");
    let said = [
        (row.gives == Gives::Export).then(headers::export),
        row.is_tagged.then(headers::etag),
        row.makes_something().then(headers::replayed),
        has_page.then(headers::no_sniffing),
    ];
    let said: Map<String, Value> = said.into_iter().flatten().collect();
    if !said.is_empty() {
        done["headers"] = said.into();
    }
    responses.insert(row.status().as_str().to_owned(), done);
    responses.into()
}

/// How refusals look in a contract: the name of the form, its type, and which of its members is the code.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub name: &'static str,
    pub content_type: &'static str,
    pub member: &'static str,
}

/// Of all but the published contract.
pub(super) const PROBLEM: Form =
    Form { name: "Problem", content_type: "application/problem+json", member: "code" };

/// Refusals that operations share, by name.
#[derive(Default)]
pub(super) struct Refusals(Map<String, Value>);

impl Refusals {
    /// What an operation may be refused with, by status.
    pub(super) fn of(&mut self, codes: &[Code], form: Form) -> Map<String, Value> {
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in codes {
            let same = by_status.entry(problem::status(*code).as_u16()).or_default();
            if !same.contains(code) {
                same.push(*code);
            }
        }
        let named = by_status.into_iter().map(|(status, mut codes)| {
            codes.sort_unstable();
            let name = self.name(status, &codes, form);
            (status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }))
        });
        named.collect()
    }

    fn name(&mut self, status: u16, codes: &[Code], form: Form) -> String {
        let said = form.said(codes);
        let of_status = format!("{}{status}", form.name);
        let mut name = of_status.clone();
        for at in 2.. {
            let same = self.0.entry(name.clone()).or_insert_with(|| said.clone());
            if *same == said {
                break;
            }
            name = format!("{of_status}-{at}");
        }
        name
    }

    /// All of them.
    pub(super) fn shared(self) -> Map<String, Value> {
        self.0
    }
}

impl Form {
    fn said(self, codes: &[Code]) -> Value {
        let Self { name, content_type, member } = self;
        let lines = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title()));
        let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let form = json!({ "$ref": format!("#/components/schemas/{name}") });
        let schema = json!({ "allOf": [form, { "properties": { member: { "enum": words } } }] });
        let mut said = json!({
            "description": lines.collect::<Vec<_>>().join("\n"),
            "content": { content_type: { "schema": schema } },
        });
        let headers = headers::of_refusals(codes);
        if !headers.is_empty() {
            said["headers"] = headers.into();
        }
        said
    }
}

fn header(name: &str, why: &str) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": why, "schema": { "type": "string" } })
}

/// A template with nothing but what members are called.
fn plain(path: &str) -> String {
    let steps = path.split('/').map(|step| match step.split_once(':') {
        Some((called, _)) if step.starts_with('{') => format!("{called}}}"),
        _ => step.to_owned(),
    });
    steps.collect::<Vec<_>>().join("/")
}

/// The verb; with what it is done to, where it is done to several things.
fn identity(row: &Row) -> String {
    let id = row.verb.replace(' ', "-");
    let first = table::ROWS.iter().find(|other| other.verb == row.verb);
    let is_first = first.is_some_and(|first| first.path == row.path);
    if is_first { id } else { format!("{id}-of-{}", row.path.split('/').nth(2).unwrap_or_default()) }
}

const fn small(method: Http) -> &'static str {
    match method {
        Http::Delete => "delete",
        Http::Get => "get",
        Http::Patch => "patch",
        Http::Post => "post",
        Http::Put => "put",
    }
}

/// The shape of an answer, by its name.
fn answer(done: &Value, name: &str) -> Value {
    variant(done, name).cloned().unwrap_or_default()
}

/// The members of a verb's request: the shape of all, those that are the body's, and which of these must be there.
struct Members<'a> {
    all: &'a Value,
    body: Map<String, Value>,
    required: Vec<String>,
}

fn verb<'a>(request: &'a Value, words: &str) -> Members<'a> {
    let all = words.split(' ').try_fold(request, variant).unwrap_or(&Value::Null);
    let required = all["required"].as_array().into_iter().flatten();
    let required = required.filter_map(Value::as_str).map(str::to_owned).collect();
    Members { all, body: all["properties"].as_object().cloned().unwrap_or_default(), required }
}

/// What stands under a tag, in whichever of the variants has it.
fn variant<'a>(schema: &'a Value, tag: &str) -> Option<&'a Value> {
    schema["oneOf"].as_array()?.iter().find_map(|one| one["properties"].get(tag))
}

impl Members<'_> {
    /// Takes a member out of the body, which may be one further in.
    fn take(&mut self, dotted: &str) -> Value {
        let outer = dotted.split('.').next().unwrap_or(dotted);
        self.required.retain(|name| name != outer);
        self.body.remove(outer);
        let inside = |found: &'_ Value, word: &str| {
            variant(found, word).or_else(|| found["properties"].get(word)).cloned()
        };
        dotted.split('.').try_fold(self.all.clone(), |found, word| inside(&found, word)).unwrap_or_default()
    }

    fn requires(&self, name: &str) -> bool {
        self.required.iter().any(|required| required == name)
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": self.body,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}
