//! The published contract, letter for letter (Permana, Maulindar, Hartanti: Web API for CV. Elang Cahaya Sukses): an
//! application written for it needs a URL, a certificate, a new API key and wider columns.
//!
//! ```text
//! POST /cryptAPI/Crypt/absensi/       (also /CryptAPI/…, with or without the last slash, whatever the content type)
//! {"api-key":"gbk_…","objek":"karyawan","aksi":"enkrip","plaintext":"Y29u…"}    -> {"status":"Sukses!","ciphertext":"R0IB…"}
//! {"api-key":"gbk_…","objek":"karyawan","aksi":"dekrip","ciphertext":"R0IB…"}   -> {"status":"Sukses!","plaintext":"Y29u…"}
//! anything refused            -> the fitting HTTP status and {"status":"Gagal!","kode":"…","pesan":"…"}
//! ```
//!
//! Its key is in the body, so the body is read before the key is known: after certificate, enrolment and concurrency, and
//! bounded to 128 KiB. It has no context, so an object that requires one refuses it.

use bytes::Buf;
use futures_util::Stream;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::appliance::{Appliance, Caller, Decrypt, Encrypt, Operate};
use crate::domain::refusal::{Code, Refusal};

use super::credentials::{self, Arrival};
use super::line::Line;
use super::request::PublishedBody;
use super::verb::Verb;
use super::{Answer, Incoming, body, problem};

/// Answers one request.
pub(super) async fn answer(
    appliance: &Appliance,
    endpoint: &str,
    method: &Method,
    arrival: Arrival,
    mut body: Incoming,
) -> Answer {
    let mut line = match Line::open(appliance, arrival).await {
        Ok(line) => line,
        Err(refusal) => {
            body::discard(body).await;
            return failure(&refusal);
        }
    };
    let (answer, outcome) = match serve(&mut line, endpoint, method, &mut body).await {
        Ok(answer) => (answer, None),
        Err(refusal) => (failure(&refusal), Some(refusal.code)),
    };
    let (answer, outcome) = match line.close(outcome).await {
        Ok(()) => (answer, outcome),
        Err(refusal) => (failure(&refusal), Some(refusal.code)),
    };
    if outcome.is_some() {
        body::discard(body).await;
    }
    answer
}

/// There is no such path, but its first part says which contract its caller speaks.
pub(super) async fn unmatched<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Answer {
    body::discard(body).await;
    failure(&Code::NoSuchRoute.into())
}

async fn serve(
    line: &mut Line,
    endpoint: &str,
    method: &Method,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    line.enter(endpoint).await?;
    if method != Method::POST {
        return Err(Code::MethodNotAllowed.into());
    }
    let limit = line.limits()?.published_body_bytes_max;
    let body = line.read(body, limit).await?;
    let request = PublishedBody::parse(&body)?;
    line.operation = match request.aksi.0.as_ref() {
        "enkrip" => Some(Encrypt::OPERATION),
        "dekrip" => Some(Decrypt::OPERATION),
        _ => None,
    };
    // What is refused from here on has cost a request.
    let caller = line.prove(credentials::digest(&request.api_key.0)).await?;
    match line.operation {
        Some(Decrypt::OPERATION) => carry_out::<Decrypt>(line, caller, request).await,
        Some(Encrypt::OPERATION) => carry_out::<Encrypt>(line, caller, request).await,
        _ => Err(Code::UnknownAction.into()),
    }
}

async fn carry_out<Op: Verb<Given = String>>(
    line: &mut Line,
    caller: Caller,
    request: PublishedBody<'_>,
) -> Result<Answer, Refusal> {
    let work = request.into_work(Op::TAKES)?;
    let value = line.carry_out::<Op>(caller, work.items).await?.into_iter().next().ok_or(Code::Fault)??;
    let body = format!("{{\"status\":\"Sukses!\",\"{}\":\"{value}\"}}", Op::GIVES);
    Ok(problem::respond(StatusCode::OK, "application/json", body.into_bytes()))
}

#[derive(Serialize)]
struct Gagal<'a> {
    status: &'a str,
    kode: &'a str,
    pesan: &'a str,
}

fn failure(refusal: &Refusal) -> Answer {
    let gagal = Gagal { status: "Gagal!", kode: refusal.code.as_str(), pesan: refusal.code.indonesian() };
    let body = serde_json::to_vec(&gagal).unwrap_or_default();
    let mut answer = problem::respond(problem::status(refusal.code), "application/json", body);
    problem::add_limit_headers(&mut answer, refusal);
    if refusal.code == Code::MethodNotAllowed { problem::allow(answer, "POST") } else { answer }
}
