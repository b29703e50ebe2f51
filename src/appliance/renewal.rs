//! Renewal: an endpoint that proves a certificate that counts and an API key gets another certificate, for the same endpoint
//! and over a key it has just made. Beside the access policies nobody is asked, so what can be had this way is bounded in time
//! and in number, and the enrolment says which certificate it came from: a revocation takes the whole line. The same bounds hold
//! for users ([`super::user_renewal`]).

use std::collections::HashMap;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::certificate::{Certificate, OUTSIDE};
use crate::domain::limits::{CERTIFICATE_LINE_MAX, RENEWAL_EVERY};
use crate::domain::peer::{Identity, Peer};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::admission::Caller;
use super::certificates::{Issued, enrol, enrolment, issue_audit, key_is_taken};
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::pki::CLOCKS_MAY_DIFFER_BY;
use super::signing_request::RequestedKey;
use super::verdicts::Coming;

/// Certificates by SHA-256 of their public key: at least all of whoever holds one of them.
pub(super) type Certificates = HashMap<[u8; 32], Certificate>;

/// What another certificate is asked for with, and what a line of them begins with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Beginning {
    /// One that counts, by SHA-256 of its public key.
    Certificate([u8; 32]),
    /// The holder's password: all that were asked for with one are of one line.
    Password,
}

impl Operational {
    /// Signs and enrols another certificate for the caller's endpoint. Those it has go on counting.
    ///
    /// # Errors
    /// `policy-denied`; `bad-request` for the signing request, `key-taken` for a key that is or was enrolled, `renewal-limited`,
    /// `too-many-certificates`, `token-away`; and what was taken from the caller meanwhile.
    pub fn renew_certificate(
        &self,
        caller: &Caller,
        peer: &Peer,
        csr_pem: &str,
        now: Now,
    ) -> Result<Issued, Stop> {
        let endpoint = caller.enrolled().endpoint.id;
        let identity = Identity::Endpoint(endpoint.uuid());
        let from = caller.enrolled().certificate;
        let with = Beginning::Certificate(from);
        let coming = Coming { peer, now };
        // Before the token is asked, and again where nobody else changes anything.
        caller.enrolled().verdicts.check_renewal(coming)?;
        let key = RequestedKey::from_csr(csr_pem)?;
        self.check_renewal(identity, with, now)?;
        let signed = self.sign_requested(identity, &key, now)?;
        self.change(now, |batch| {
            let caller = self.renew(caller, peer, now)?;
            caller.enrolled().verdicts.check_renewal(coming)?;
            self.check_renewal(identity, with, now)?;
            let certificate = Certificate { renewed_from: Some(from), ..enrolment(identity, &signed) };
            let audit = issue_audit(now, Actor::Endpoint(endpoint), "certificate.renew", identity, &signed)
                .with("api-key", caller.api_key().id)
                .with("renewed-from", to_hex(&from));
            Ok((enrol(batch, &signed, &certificate), audit, ()))
        })
        .map_err(key_is_taken)?;
        self.pki.issued(&signed)
    }

    /// Refuses another certificate to `holder` where there were enough lately, or there are enough that count.
    pub(super) fn check_renewal(&self, holder: Identity, with: Beginning, now: Now) -> Result<(), Stop> {
        let mut certificates = Certificates::new();
        self.each_listed(Table::Certificates, &[], |key, row| {
            if let (Listed::Sound(certificate), Ok(key)) = (row.decode::<Certificate>()?, key.try_into())
                && certificate.names(holder)
            {
                certificates.insert(key, certificate);
            }
            Ok(())
        })?;
        if let Beginning::Certificate(from) = with
            && certificates.get(&from).is_some_and(|certificate| certificate.issuer() == OUTSIDE)
        {
            // What that CA revokes would live on in ours.
            let detail =
                "This certificate is not of the appliance's own CA; have it renewed where it comes from.";
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        check_time(&certificates, now)?;
        check_line(&certificates, with, now)
    }
}

/// By the stored dates, so that a restart gives nobody another turn.
fn check_time(certificates: &Certificates, now: Now) -> Result<(), Stop> {
    let renewed = certificates
        .values()
        .filter(|certificate| certificate.renewed_from.is_some() || certificate.by_password.is_some());
    let Some(last) = renewed.map(|certificate| certificate.not_before).max() else { return Ok(()) };
    let since = now.time.since(last.plus(CLOCKS_MAY_DIFFER_BY));
    match RENEWAL_EVERY.checked_sub(since) {
        Some(wait) if !wait.is_zero() => Err(Refusal::new(Code::RenewalLimited).retry_after(wait).into()),
        _ => Ok(()),
    }
}

/// What the line of renewals begins with that leads to `with`: a certificate that somebody else issued, or the holder's password.
pub(super) fn line_of(certificates: &Certificates, with: Beginning) -> Beginning {
    let Beginning::Certificate(mut key) = with else { return with };
    // A row leads to an older one, so this ends; the bound is for rows that a flaw wrote.
    for _ in 0..certificates.len() {
        match certificates.get(&key) {
            Some(certificate) if certificate.by_password.is_some() => return Beginning::Password,
            Some(Certificate { renewed_from: Some(parent), .. }) => key = *parent,
            _ => break,
        }
    }
    Beginning::Certificate(key)
}

fn check_line(certificates: &Certificates, with: Beginning, now: Now) -> Result<(), Stop> {
    let line = line_of(certificates, with);
    let counting = certificates.iter().filter(|(key, certificate)| {
        certificate.revoked.is_none()
            && certificate.not_after >= now.time
            && line_of(certificates, Beginning::Certificate(**key)) == line
    });
    if counting.count() >= CERTIFICATE_LINE_MAX {
        return Err(Code::TooManyCertificates.into());
    }
    Ok(())
}
