//! What anybody may know: limits, algorithms, column widths, index values, and what each code means.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::StatusCode;
use serde_json::json;

use crate::appliance::Appliance;
use crate::crypto::algorithm::Algorithm;
use crate::crypto::blind_index;
use crate::crypto::envelope;
use crate::domain::normalise;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::schema::{Normaliser, UNIQUE_BITS};

use super::line::hop;
use super::{Answer, DataPort, problem};

/// `GET /v1/info`.
#[must_use]
pub(super) fn answer(appliance: &Appliance, data_port: &DataPort) -> Answer {
    // A locked appliance does not know what it is called.
    let names = appliance.unlocked().ok().and_then(|operational| operational.server_names().ok());
    let server = names.map(|names| json!({ "names": names.names, "data_port": data_port.load(Relaxed) }));
    let policies = **appliance.settings().policies.load();
    let limits = policies.request_limits;
    let algorithms: Vec<_> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let empty = envelope::HEADER_LEN + algorithm.nonce_len() + crate::crypto::algorithm::TAG_LEN;
            json!({
                "id": algorithm.id(),
                "name": algorithm.name(),
                "uses_max": algorithm.uses_max(),
                "envelope_overhead_bytes": empty,
                "text_width_16_bytes": envelope::text_len(algorithm, 16),
            })
        })
        .collect();
    let info = json!({
        "name": "gembok",
        "version": env!("CARGO_PKG_VERSION"),
        "operations": Operation::ALL.map(Operation::name),
        "limits": {
            "body_bytes_max": limits.body_bytes_max,
            "published_body_bytes_max": limits.published_body_bytes_max,
            "field_bytes_max": limits.field_bytes_max,
            "items_max": limits.items_max,
            "context_bytes_max": crate::crypto::aad::CONTEXT_BYTES_MAX,
            "requests_in_flight_per_certificate_max": policies.in_flight_per_certificate_max,
        },
        "budgets": {
            "decrypt": {
                "api_key_fields_per_day": policies.budgets.api_key_fields_per_day,
                "endpoint_fields_per_day": policies.budgets.endpoint_fields_per_day,
            },
            // Of what came to be reencrypted, those fields that did not open.
            "reencrypt": {
                "api_key_fields_per_day": policies.budgets.api_key_missed_per_day,
                "endpoint_fields_per_day": policies.budgets.endpoint_missed_per_day,
            },
        },
        "server": server,
        "index": {
            "text_width": "8 + 2 * ceil(bits / 8) characters of lower-case hex",
            "text_width_unique": blind_index::text_len(UNIQUE_BITS),
            "unicode": normalise::UNICODE,
            "normalisers": Normaliser::ALL.map(Normaliser::name),
            "api_key_fields_per_day": policies.budgets.api_key_indexed_per_day,
            "endpoint_fields_per_day": policies.budgets.endpoint_indexed_per_day,
        },
        "default_algorithm": policies.default_algorithm.name(),
        "algorithms": algorithms,
        "text_width": "4 * ceil((n + envelope_overhead_bytes) / 3) characters for n bytes",
    });
    problem::respond(StatusCode::OK, "application/json", info.to_string().into_bytes())
}

/// What a chain of certificates in PEM is (RFC 8555 section 9.1).
pub(super) const PEM_CHAIN: &str = "application/pem-certificate-chain";

/// `GET /v1/ca.pem`: so that whoever checks this connection by the old CA can fetch the new one during a roll.
pub(super) async fn ca(appliance: Arc<Appliance>) -> Answer {
    let read = hop(move || appliance.ca_pem()).await;
    read.map_or_else(
        |refusal| problem::answer(&refusal),
        |pem| problem::respond(StatusCode::OK, PEM_CHAIN, pem.into_bytes()),
    )
}

/// `GET /problems/{code}`.
#[must_use]
pub(super) fn problem(code: &str) -> Answer {
    let Some(code) = Code::ALL.iter().find(|known| known.as_str() == code) else {
        return problem::answer(&Refusal::new(Code::NoSuchRoute));
    };
    let page = json!({
        "type": problem::uri(*code),
        "code": code.as_str(),
        "title": code.title(),
        "hint": code.hint(),
        "status": problem::status(*code).as_u16(),
    });
    problem::respond(StatusCode::OK, "application/json", page.to_string().into_bytes())
}
