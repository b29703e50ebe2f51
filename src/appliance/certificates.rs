//! Issuing, enrolling and revoking client certificates. What makes a certificate count is its enrolment; the CRL
//! ([`super::revocations`]) says the same to TLS. A revocation needs no token: the enrolment ends at once, the list follows
//! when the token can sign.

use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use sha2::{Digest, Sha256};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY;
use x509_parser::prelude::FromDer;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::peer::Identity;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Row, Table};

use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::pki::{Pki, Signed};

/// Row key of the CRL number in the counters.
pub(super) const CRL_NUMBER: &[u8] = b"crl-number";

/// A certificate and what its holder needs beside it.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The CA's, PEM.
    pub ca_pem: String,
    /// How the enrolment is called: SHA-256 of the public key, hex.
    pub spki: String,
    /// Last moment.
    pub not_after: Timestamp,
}

/// An enrolment in a list.
pub struct CertificateView {
    /// SHA-256 of the public key, hex.
    pub spki: String,
    /// Whom it names.
    pub identity: String,
    /// Last moment.
    pub not_after: Timestamp,
    /// Since when it is refused, if it is.
    pub revoked: Option<Timestamp>,
}

/// The public key of a signing request, proved to belong to whoever made it. Everything else in the request is ignored.
pub(super) struct RequestedKey(Vec<u8>);

impl RequestedKey {
    /// Reads a PEM signing request and verifies its signature.
    pub(super) fn from_csr(pem_text: &str) -> Result<Self, Refusal> {
        let refuse = |what: &'static str| Refusal::new(Code::BadRequest).detail(what);
        let block = pem::parse(pem_text).map_err(|_| refuse("The signing request is not PEM."))?;
        if block.tag() != "CERTIFICATE REQUEST" {
            return Err(refuse("The PEM block is not a CERTIFICATE REQUEST."));
        }
        let (rest, csr) = X509CertificationRequest::from_der(block.contents())
            .map_err(|_| refuse("The signing request is not PKCS #10."))?;
        if !rest.is_empty() {
            return Err(refuse("The signing request has bytes behind its end."));
        }
        csr.verify_signature().map_err(|_| refuse("The signing request's own signature does not verify."))?;
        let key = &csr.certification_request_info.subject_pki;
        if !is_canonical(key) {
            let what = "The public key is not in its usual encoding; make one of P-256 or P-384 with an uncompressed point.";
            return Err(refuse(what));
        }
        let spki = key.raw;
        Ok(Self(spki.to_vec()))
    }

    pub(super) fn spki(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.0
    }
}

/// One key has one encoding, or a revoked key could be enrolled again in another.
fn is_canonical(key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> bool {
    let is_point = key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY;
    let is_uncompressed = key.subject_public_key.data.first() == Some(&4);
    let written_anew = SubjectPublicKeyInfo::from_der(key.raw).map(|key| key.subject_public_key_info());
    written_anew.is_ok_and(|spki| spki == key.raw) && (!is_point || is_uncompressed)
}

impl Operational {
    /// Signs and enrols a certificate for the endpoint `endpoint` of `project` over the key of a signing request.
    /// Certificates it has already go on counting.
    ///
    /// # Errors
    /// `not-found`, `bad-request` for the signing request, `already-exists` for a key that is or was enrolled,
    /// `token-away`.
    pub fn issue_certificate(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        csr_pem: &str,
        now: Now,
    ) -> Result<Issued, Stop> {
        let endpoint = self.live_endpoint(project, endpoint)?;
        self.certify(actor, Identity::Endpoint(endpoint.id.uuid()), csr_pem, now)
    }

    /// The same for the user `user`: a first certificate, or one more before the old one ends.
    ///
    /// # Errors
    /// As [`Operational::issue_certificate`].
    pub fn issue_user_certificate(
        &self,
        actor: Actor,
        user: &str,
        csr_pem: &str,
        now: Now,
    ) -> Result<Issued, Stop> {
        let user = self.user_named(user)?;
        self.certify(actor, Identity::User(user.id.uuid()), csr_pem, now)
    }

    fn certify(&self, actor: Actor, identity: Identity, csr_pem: &str, now: Now) -> Result<Issued, Stop> {
        let key = RequestedKey::from_csr(csr_pem)?;
        let signed = self.pki.sign_client(identity, key.der(), now.time)?;
        if signed.spki != key.spki() {
            return Err(super::Fault::new("the certificate was made over another encoding of the key").into());
        }
        let certificate = enrolment(identity, &signed);
        self.change(now, |batch| {
            let audit = issue_audit(now, actor, identity, &signed);
            Ok((enrol(batch, &signed, &certificate), audit, ()))
        })?;
        self.pki.issued(&signed)
    }

    /// Ends an enrolment and signs a new CRL. One that has ended already leaves no second record.
    ///
    /// # Errors
    /// `not-found`. A token that is away does not keep the enrolment alive: the list is signed when it is back.
    pub fn revoke_certificate(&self, actor: Actor, spki: &str, now: Now) -> Result<(), Stop> {
        let unknown = || not_found("certificate", spki);
        let row_key = unhex(spki).ok_or_else(unknown)?;
        let row = self.store.get(Table::Certificates, &row_key).transpose().ok_or_else(unknown)?;
        let row = match Listed::of(row)? {
            Listed::Sound(row) => row,
            Listed::Damaged(_) => return self.end_damaged(actor, spki, &row_key, now),
        };
        let certificate: Certificate = cbor::decode(&row.value)?;
        let serial = (certificate.not_after >= now.time).then(|| certificate.serial.clone());
        if certificate.revoked.is_none() {
            self.withdraw(now, |batch| {
                let audit = AuditRecord::new(now.time, actor, "certificate.revoke").with("spki", spki);
                Ok((revoke(batch, &row_key, &row, certificate, now.time), audit, ()))
            })?;
        }
        self.publish_revocations(&Vec::from_iter(serial), now)
    }

    /// Ends an enrolment whose row does not open. Whom it named and its serial number are lost; that its key is refused, also
    /// when it is to be enrolled again, is what is left to write down.
    fn end_damaged(&self, actor: Actor, spki: &str, row_key: &[u8; 32], now: Now) -> Result<(), Stop> {
        let ended = Certificate {
            endpoint: None,
            user: None,
            serial: Vec::new(),
            not_before: now.time,
            not_after: now.time,
            revoked: Some(now.time),
        };
        self.withdraw(now, |batch| {
            let audit = AuditRecord::new(now.time, actor, "certificate.revoke")
                .with("spki", spki)
                .with("row", "damaged");
            Ok((batch.put(Table::Certificates, row_key, cbor::encode(&ended)), audit, ()))
        })?;
        // Its serial number is not known, so nobody can say whether the present list names it.
        self.publish_revocations(&[Vec::new()], now)
    }

    /// Every enrolment, by key; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn certificates(&self) -> Result<Vec<Listed<CertificateView>>, Stop> {
        let mut views = Vec::new();
        self.each_listed(Table::Certificates, &[], |row_key, row| {
            views.push(row.decode()?.map(|certificate| CertificateView::of(row_key, &certificate)));
            Ok(())
        })?;
        Ok(views)
    }
}

impl CertificateView {
    pub(super) fn of(spki: &[u8], certificate: &Certificate) -> Self {
        let identity = match (certificate.endpoint, certificate.user) {
            (Some(id), _) => Identity::Endpoint(id.uuid()).to_uri(),
            (_, Some(id)) => Identity::User(id.uuid()).to_uri(),
            (None, None) => String::new(),
        };
        let Certificate { not_after, revoked, .. } = *certificate;
        Self { spki: to_hex(spki), identity, not_after, revoked }
    }
}

impl Pki {
    /// What the holder of a certificate just signed is given.
    pub(super) fn issued(&self, signed: &Signed) -> Result<Issued, Stop> {
        let ca = self.files().ca();
        let ca_pem = std::fs::read_to_string(&ca).map_err(|error| {
            super::Fault::new(format!("{} cannot be read: {error}; restore it from a backup", ca.display()))
        })?;
        Ok(Issued {
            certificate_pem: signed.pem.clone(),
            ca_pem,
            spki: to_hex(&signed.spki),
            not_after: signed.not_after,
        })
    }
}

/// What is recorded of a certificate just signed.
pub(super) fn issue_audit(now: Now, actor: Actor, identity: Identity, signed: &Signed) -> AuditRecord {
    AuditRecord::new(now.time, actor, "certificate.issue")
        .with("identity", identity.to_uri())
        .with("spki", to_hex(&signed.spki))
        .with("not-after", signed.not_after)
}

/// What is recorded of a list with this many certificates in it.
pub(super) fn crl_audit(now: Now, number: u64, certificates: usize) -> AuditRecord {
    AuditRecord::new(now.time, Actor::System, "crl.sign")
        .with("number", number)
        .with("certificates", certificates)
}

/// The enrolment of a certificate just signed.
pub(super) fn enrolment(identity: Identity, signed: &Signed) -> Certificate {
    let (endpoint, user) = match identity {
        Identity::Endpoint(id) => (Some(id.into()), None),
        Identity::User(id) => (None, Some(id.into())),
    };
    Certificate {
        endpoint,
        user,
        serial: signed.serial.clone(),
        not_before: signed.not_before,
        not_after: signed.not_after,
        revoked: None,
    }
}

/// Puts an enrolment into a batch; a key that is or was enrolled is refused there.
pub(super) fn enrol(batch: Batch, signed: &Signed, certificate: &Certificate) -> Batch {
    batch.expect_absent(Table::Certificates, &signed.spki).put(
        Table::Certificates,
        &signed.spki,
        cbor::encode(certificate),
    )
}

/// Puts the end of an enrolment into a batch. One that has ended stays as it was.
pub(super) fn revoke(
    batch: Batch,
    spki: &[u8],
    row: &Row,
    certificate: Certificate,
    now: Timestamp,
) -> Batch {
    let since = certificate.revoked.unwrap_or(now);
    let listed = cbor::encode(&(since, certificate.not_after));
    let batch = batch.put(Table::Revocations, &certificate.serial, listed);
    let ended = Certificate { revoked: Some(since), ..certificate };
    batch.expect_at(Table::Certificates, spki, row.revision).put(
        Table::Certificates,
        spki,
        cbor::encode(&ended),
    )
}

/// The digest of a public key, as lists show it.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
