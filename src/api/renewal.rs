//! `POST /v1/endpoints/{endpoint}/certificate`: an endpoint renews its certificate while it still has one that counts.
//!
//! ```text
//! {"csr":"-----BEGIN CERTIFICATE REQUEST-----…"}     only the public key is taken from it
//!     -> {"certificate":"-----BEGIN CERTIFICATE-----…","ca":"-----BEGIN CERTIFICATE-----…","not_after":"2027-12-31T23:59:59Z"}
//! ```

use http::StatusCode;
use serde_json::json;

use crate::appliance::Appliance;
use crate::domain::limits::RENEWAL_BODY_BYTES_MAX;
use crate::domain::refusal::Refusal;

use super::credentials::Arrival;
use super::line::Line;
use super::request::RenewalBody;
use super::{Answer, Incoming, body, problem};

/// Answers one request.
pub(super) async fn answer(
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
    let served = serve(&mut line, endpoint, &mut body).await;
    let outcome = served.as_ref().err().map(|refusal| refusal.code);
    let served = line.close(outcome).await.and(served);
    if served.is_err() {
        body::discard(body).await;
    }
    served.unwrap_or_else(|refusal| problem::answer(&refusal))
}

async fn serve(line: &mut Line, endpoint: &str, body: &mut Incoming) -> Result<Answer, Refusal> {
    line.enter(endpoint).await?;
    let caller = line.prove(line.arrival().api_key()).await?;
    let body = line.read(body, RENEWAL_BODY_BYTES_MAX).await?;
    let csr_pem = RenewalBody::parse(&body)?;
    let issued = line.renew_certificate(caller, csr_pem).await?;
    let answer = json!({
        "certificate": issued.certificate_pem,
        "ca": issued.ca_pem,
        "not_after": issued.not_after.to_string(),
    });
    Ok(problem::respond(StatusCode::OK, "application/json", answer.to_string().into_bytes()))
}
