//! Certificates of a CA outside. Two must agree before one counts: that CA, which says whom it names, by the same URI as ours
//! do; and we, who enrol its key for just that identity. So an identity stands in one place whoever signed it, a CA alone lets
//! nobody in, and what it writes beside that URI is never looked at.
//!
//! Whether a certificate is the CA's, and not revoked by it, TLS asks at each handshake, with the chain that the client sends.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::{Certificate, OUTSIDE};
use crate::domain::peer::Identity;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::certificates::CertificateView;
use super::expiries::moment;
use super::fault::Stop;
use super::operational::Operational;
use super::signing_request::is_canonical;

/// Files of a CA outside, as the configuration names them.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Its certificates.
    pub ca: Option<PathBuf>,
    /// Its lists.
    pub crl: Option<PathBuf>,
    /// The server's certificate, where it is not made here.
    pub server_certificate: Option<PathBuf>,
}

impl Operational {
    /// Enrols a certificate of the outside CA that names the endpoint `endpoint` of `project`.
    ///
    /// # Errors
    /// `not-found` and what the endpoint is refused with; `bad-request` for a certificate that is none of it, `key-taken`
    /// for a key that is or was enrolled.
    pub fn enrol_certificate(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        certificate_pem: &str,
        now: Now,
    ) -> Result<CertificateView, Stop> {
        let endpoint = self.live_endpoint(project, endpoint)?;
        self.enrol_outside(actor, Identity::Endpoint(endpoint.id.uuid()), certificate_pem, now)
    }

    /// The same of one that names the user `user`.
    ///
    /// # Errors
    /// As [`Operational::enrol_certificate`].
    pub fn enrol_user_certificate(
        &self,
        actor: Actor,
        user: &str,
        certificate_pem: &str,
        now: Now,
    ) -> Result<CertificateView, Stop> {
        let user = self.user_named(user)?;
        self.enrol_outside(actor, Identity::User(user.id.uuid()), certificate_pem, now)
    }

    fn enrol_outside(
        &self,
        actor: Actor,
        identity: Identity,
        certificate_pem: &str,
        now: Now,
    ) -> Result<CertificateView, Stop> {
        if self.settings.outside.ca.is_none() {
            let detail =
                "No outside CA is configured: name pki.outside_ca and pki.outside_crl, and start again.";
            return Err(Refusal::new(Code::WrongState).detail(detail).into());
        }
        let (spki, certificate) = read(identity, certificate_pem, now.time)?;
        self.give_credential(identity, now, |batch| {
            let audit = AuditRecord::new(now.time, actor, "certificate.enrol")
                .with("identity", identity.to_uri())
                .with("spki", to_hex(&spki))
                .with("serial", to_hex(&certificate.serial))
                .with("not-after", certificate.not_after);
            let (batch, audit) = self.credential_given(batch, audit, (identity, spki), actor, now)?;
            let batch = batch.expect_absent(Table::Certificates, &spki);
            let batch = batch.put(Table::Certificates, &spki, cbor::encode(&certificate));
            Ok((batch, audit))
        })?;
        Ok(CertificateView::of(&spki, &certificate))
    }
}

/// The enrolment of a certificate that names `identity` and nobody else.
fn read(identity: Identity, pem_text: &str, now: Timestamp) -> Result<([u8; 32], Certificate), Refusal> {
    let refuse = |what: String| Refusal::new(Code::BadRequest).detail(what);
    let unreadable = || refuse("That is no certificate in PEM.".into());
    let block = pem::parse(pem_text).map_err(|_| unreadable())?;
    let (rest, certificate) = X509Certificate::from_der(block.contents()).map_err(|_| unreadable())?;
    if block.tag() != "CERTIFICATE" || !rest.is_empty() {
        return Err(unreadable());
    }
    let uri = identity.to_uri();
    let names = certificate.subject_alternative_name().map_err(|_| unreadable())?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    if !matches!(names, [GeneralName::URI(it)] if *it == uri) {
        return Err(refuse(format!(
            "The certificate has to name {uri}, as its one subject alternative name (a URI); have it made so."
        )));
    }
    if certificate.is_ca() {
        return Err(refuse("That is the certificate of a CA.".into()));
    }
    if !is_canonical(certificate.public_key()) {
        return Err(refuse("The public key is not in its usual encoding.".into()));
    }
    let not_after = moment(certificate.validity().not_after);
    if not_after < now {
        return Err(refuse(format!("The certificate has ended: {not_after}.")));
    }
    let (endpoint, user) = match identity {
        Identity::Endpoint(id) => (Some(id.into()), None),
        Identity::User(id) => (None, Some(id.into())),
    };
    let enrolled = Certificate {
        endpoint,
        user,
        serial: certificate.raw_serial().to_vec(),
        not_before: moment(certificate.validity().not_before),
        not_after,
        revoked: None,
        renewed_from: None,
        issuer: Some(OUTSIDE),
        by_password: None,
    };
    Ok((Sha256::digest(certificate.public_key().raw).into(), enrolled))
}
