//! The OpenAPI 3.1 document, made from the code: the resources from the route table and from the shapes of the desk's
//! requests and answers, the codes from the list of refusals. `docs/openapi.json` is this document, and a test holds it so.
//!
//! ```text
//! control::table::ROWS + desk::request::Request + desk::answer::Done ─┐
//! others (data plane, health, metrics) + shapes ──────────────────────┴─> one JSON document, the same bytes every time
//! ```

mod headers;
mod operations;
mod others;
mod sessions;
mod shapes;

use std::sync::LazyLock;

use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Answer, problem};
use crate::desk::answer::Done;
use crate::desk::request::Request;

use operations::{Operation, Refusals};

static DOCUMENT: LazyLock<String> = LazyLock::new(made);

/// The document: JSON with a line for each member.
#[must_use]
pub fn document() -> &'static str {
    &DOCUMENT
}

/// `GET /v1/openapi.json`.
pub(super) fn answer() -> Answer {
    problem::respond(StatusCode::OK, "application/json", document().as_bytes().to_vec())
}

/// The shapes that operations refer to.
struct Shapes {
    /// Of requests, each written out in full.
    request: Value,
    /// Of answers, by the name of the answer.
    answers: Value,
    /// What answers refer to.
    components: Map<String, Value>,
}

impl Shapes {
    fn of_the_desk() -> Self {
        let mut request = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        request.meta_schema = None;
        let request = shape::<Request>(&mut SchemaGenerator::new(request));
        let answers = SchemaSettings::draft2020_12().for_serialize();
        let answers = answers.with(|settings| settings.definitions_path = "/components/schemas".into());
        let mut answers = SchemaGenerator::new(answers);
        let done = shape::<Done>(&mut answers);
        let components = answers.take_definitions(true);
        Self { request, answers: done, components }
    }
}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

fn made() -> String {
    let mut shapes = Shapes::of_the_desk();
    let mut paths = Map::new();
    let mut refusals = Refusals::default();
    let mut operations = others::all(&mut refusals);
    operations.extend(operations::resources(&shapes, &mut refusals));
    for operation in operations {
        let Operation { path, method, said } = operation;
        let entry = paths.entry(path).or_insert_with(|| Map::new().into());
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(method.to_owned(), said);
        }
    }
    shapes.components.extend(shapes::all());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gembok",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An encryption appliance for a LAN.",
            "description": "Applications encrypt and decrypt on the data plane; people and their tools keep users, \
                projects, keys and policies on the control plane. Every refusal is a problem document (RFC 9457) with a stable \
                code, but on the published contract, which has a form of its own.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [
            { "url": "https://{host}:9443", "description": "Control plane", "variables": host() },
            { "url": "https://{host}:8443", "description": "Data plane", "variables": host() },
        ],
        "tags": others::tags(),
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "responses": refusals.shared(),
            "securitySchemes": others::security(),
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn host() -> Value {
    json!({ "host": { "default": "gembok.lan", "description": "A name of the server's certificate." } })
}
