//! What a user signs in with, changed by the user itself, who is signed in by session or certificate.
//!
//! ```text
//! PUT  /v1/password      { password, current?, totp? }   -> 204; every other session of the account has ended
//! POST /v1/totp          { current?, totp? }             -> 201 { uri, recovery_codes }, shown once; counts once confirmed
//! POST /v1/totp/confirm  { code }                        -> 204; sign-ins by password need a code from now on
//! POST /v1/certificate   { csr, current?, totp? }        -> 201, the certificate: with a session `current` is demanded
//! POST /v1/totp/remove   { code }                        -> 204; refused where an admin demands a second factor
//! ```
//!
//! `current` is the present password, demanded where there is one; `totp` is a code of the present second factor, or a recovery
//! code, demanded where there is one. A code stands in a body, because addresses are logged on the way; that is why a second
//! factor is taken away by `POST`: a body of `DELETE` may be lost on the way (RFC 9110 section 9.3.5).

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::appliance::{Appliance, Operational, SecondFactor, ShownAgain, SignedIn, Stop};
use crate::desk::answer::Issued;
use crate::domain::limits::RENEWAL_BODY_BYTES_MAX;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::credentials::Arrival;
use super::line::hop;
use super::request::parse;
use super::session::BODY_BYTES_MAX;

/// A route, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Certificate,
    Password,
    Enrol,
    Confirm,
    Remove,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
    current: Option<String>,
    totp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrolment {
    current: Option<String>,
    totp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCertificate {
    csr: String,
    current: Option<String>,
    totp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneCode {
    code: String,
}

impl Own {
    /// The route at a whole path without a slash at its end.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/certificate" => Some(Self::Certificate),
            "/v1/password" => Some(Self::Password),
            "/v1/totp" => Some(Self::Enrol),
            "/v1/totp/confirm" => Some(Self::Confirm),
            "/v1/totp/remove" => Some(Self::Remove),
            _ => None,
        }
    }

    /// The one method it takes.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Password => "PUT",
            Self::Certificate | Self::Enrol | Self::Confirm | Self::Remove => "POST",
        }
    }

    /// Bytes that its body may have.
    pub(super) const fn body_bytes_max(self) -> usize {
        match self {
            Self::Certificate => RENEWAL_BODY_BYTES_MAX,
            Self::Password | Self::Enrol | Self::Confirm | Self::Remove => BODY_BYTES_MAX,
        }
    }

    /// Does what a body asks for; what there is to show, and its status.
    pub(super) async fn perform(
        self,
        appliance: &Appliance,
        arrival: &Arrival,
        body: &Bytes,
    ) -> Result<Option<(StatusCode, Value)>, Refusal> {
        match self {
            Self::Certificate => {
                let NewCertificate { csr, current, totp } = parse(body)?;
                let shown = again(current, totp);
                let issue = move |operational: &Operational, signed_in: &SignedIn, now| {
                    operational.issue_own_certificate(signed_in, &shown, &csr, now)
                };
                let issued = Issued::from(as_signed_in(appliance, arrival, issue).await?);
                let Issued { certificate_pem, ca_pem, spki, not_after } = issued;
                let value = json!({
                    "certificate_pem": certificate_pem,
                    "ca_pem": ca_pem,
                    "spki": spki,
                    "not_after": not_after,
                });
                Ok(Some((StatusCode::CREATED, value)))
            }
            Self::Password => {
                let NewPassword { password, current, totp } = parse(body)?;
                let (password, shown) = (Zeroizing::new(password), again(current, totp));
                let change = move |operational: &Operational, signed_in: &SignedIn, now| {
                    operational.change_password(signed_in, &shown, &password, now)
                };
                as_signed_in(appliance, arrival, change).await.map(|()| None)
            }
            Self::Enrol => {
                let Enrolment { current, totp } = parse(body)?;
                let shown = again(current, totp);
                let enrol = move |operational: &Operational, signed_in: &SignedIn, now| {
                    operational.enrol_totp(signed_in, &shown, now)
                };
                let factor = as_signed_in(appliance, arrival, enrol).await?;
                Ok(Some((StatusCode::CREATED, second_factor(&factor))))
            }
            Self::Confirm => {
                let code = code(body)?;
                let confirm = move |operational: &Operational, signed_in: &SignedIn, now| {
                    operational.confirm_totp(signed_in, &code, now)
                };
                as_signed_in(appliance, arrival, confirm).await.map(|()| None)
            }
            Self::Remove => {
                let code = code(body)?;
                let remove = move |operational: &Operational, signed_in: &SignedIn, now| {
                    operational.remove_totp(signed_in, &code, now)
                };
                as_signed_in(appliance, arrival, remove).await.map(|()| None)
            }
        }
    }
}

/// A second factor, as it is shown once.
pub(super) fn second_factor(factor: &SecondFactor) -> Value {
    let codes: Vec<&str> = factor.recovery_codes.iter().map(|code| code.as_str()).collect();
    json!({ "uri": factor.uri.as_str(), "recovery_codes": codes })
}

fn again(current: Option<String>, totp: Option<String>) -> ShownAgain {
    ShownAgain { current: current.map(Zeroizing::new), code: totp.map(Zeroizing::new) }
}

fn code(body: &Bytes) -> Result<Zeroizing<String>, Refusal> {
    let OneCode { code } = parse(body)?;
    Ok(Zeroizing::new(code))
}

/// Signs in who asks, then acts as it, where it may take its time.
async fn as_signed_in<T: Send + 'static>(
    appliance: &Appliance,
    arrival: &Arrival,
    act: impl FnOnce(&Operational, &SignedIn, Now) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Refusal> {
    let (operational, proof): (Arc<Operational>, _) = (appliance.unlocked()?, arrival.proof()?);
    hop(move || {
        let now = operational.now();
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        act(&operational, &signed_in, now)
    })
    .await
}
