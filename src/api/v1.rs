//! The v1 contract: one item or a batch, with contexts and references; answers per item, in order, each with its own code.
//!
//! ```text
//! POST /v1/endpoints/absensi/encrypt      Authorization: Bearer gbk_…
//! {"object":"karyawan","plaintext":"MzYwMg==","context":{"row":"7"},"ref":"nik"}   -> {"ciphertext":"R0IB…","ref":"nik"}
//! {"items":[{…},{…}]}                                                              -> {"items":[{…},{…}],"failed":0}
//! …/reencrypt {"object":"karyawan","ciphertext":"R0IB…"}                           -> {"ciphertext":"R0IB…","changed":true}
//! …/index {"object":"karyawan","field":"nik","plaintext":"MzYwMg=="}               -> {"index":"00000001…"}
//! ```
//!
//! Order of defence: certificate, enrolment, concurrency, API key, requests per second, bounded body, shape, grants, fields
//! per second and, of all but an encrypt, their budgets. Whoever is refused after the key was proved has still used a request.

use http::StatusCode;
use serde::Serialize;

use crate::appliance::Appliance;
use crate::domain::refusal::{Code, Refusal};

use super::credentials::Arrival;
use super::line::{Line, Results};
use super::request::V1Body;
use super::verb::{Given, Verb};
use super::{Answer, Incoming, body, problem};

/// Answers one request.
pub(super) async fn answer<Op: Verb>(
    appliance: &Appliance,
    endpoint: &str,
    arrival: Arrival,
    mut body: Incoming,
) -> Answer {
    let mut line = match Line::open(appliance, arrival).await {
        Ok(line) => line,
        Err(refusal) => {
            body::discard(body).await;
            return problem::answer(&refusal);
        }
    };
    line.operation = Some(Op::OPERATION);
    let (answer, outcome) = match serve::<Op>(&mut line, endpoint, &mut body).await {
        Ok(answered) => answered,
        Err(refusal) => (problem::answer(&refusal), Some(refusal.code)),
    };
    let (answer, outcome) = match line.close(outcome).await {
        Ok(()) => (answer, outcome),
        Err(refusal) => (problem::answer(&refusal), Some(refusal.code)),
    };
    if outcome.is_some() {
        body::discard(body).await;
    }
    answer
}

async fn serve<Op: Verb>(
    line: &mut Line,
    endpoint: &str,
    body: &mut Incoming,
) -> Result<(Answer, Option<Code>), Refusal> {
    line.enter(endpoint).await?;
    let caller = line.prove(line.arrival().api_key()).await?;
    let limits = line.limits()?;
    let body = line.read(body, limits.body_bytes_max).await?;
    let mut work = V1Body::parse(&body, Op::TAKES, limits.items_max)?;
    if work.is_batch {
        let references: Vec<_> = work.items.iter_mut().map(|item| item.reference.take()).collect();
        let results = line.carry_out::<Op>(caller, work.items).await?;
        return Ok((respond(batch(Op::GIVES, &results, &references)), None));
    }
    let reference = work.items.first_mut().and_then(|item| item.reference.take());
    match line.carry_out::<Op>(caller, work.items).await?.into_iter().next() {
        Some(Ok(value)) => Ok((respond(single(Op::GIVES, &value, reference.as_deref())), None)),
        Some(Err(refusal)) => Err(refusal),
        None => Err(Code::Fault.into()),
    }
}

fn respond(body: Vec<u8>) -> Answer {
    problem::respond(StatusCode::OK, "application/json", body)
}

fn single(gives: &str, value: &impl Given, reference: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(
        gives.len() + value.value().len() + 24 + reference.map_or(0, |text| text.len() + 10),
    );
    write_item(&mut out, gives, value, reference);
    out
}

fn batch<T: Given>(
    gives: &str,
    results: &Results<T>,
    references: &[Option<std::borrow::Cow<'_, str>>],
) -> Vec<u8> {
    let mut failed = 0;
    let mut out = b"{\"items\":[".to_vec();
    for (at, (result, reference)) in results.iter().zip(references).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match result {
            Ok(value) => write_item(&mut out, gives, value, reference.as_deref()),
            Err(refusal) => {
                failed += 1;
                write_refused(&mut out, refusal, reference.as_deref());
            }
        }
    }
    out.extend_from_slice(format!("],\"failed\":{failed}}}").as_bytes());
    out
}

/// Base64 needs no escaping; a reference does.
fn write_item(out: &mut Vec<u8>, gives: &str, value: &impl Given, reference: Option<&str>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(gives.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(value.value().as_bytes());
    out.push(b'"');
    value.write_more(out);
    if let Some(reference) = reference {
        out.extend_from_slice(b",\"ref\":");
        write_json(out, reference);
    }
    out.push(b'}');
}

fn write_refused(out: &mut Vec<u8>, refusal: &Refusal, reference: Option<&str>) {
    #[derive(Serialize)]
    struct Refused<'a> {
        code: &'a str,
        detail: &'a str,
        hint: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<&'a str>,
    }
    write_json(
        out,
        &Refused {
            code: refusal.code.as_str(),
            detail: refusal.detail.as_deref().unwrap_or(refusal.code.title()),
            hint: refusal.code.hint(),
            r#ref: reference,
        },
    );
}

fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing strings to a Vec cannot fail.
    let _ = serde_json::to_writer(out, value);
}
