//! Issuing and enrolling client certificates. What makes a certificate count is its enrolment, which ends with a revocation
//! ([`super::revoking`]); the CRL ([`super::revocations`]) says the same to TLS.

use std::path::PathBuf;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::{Certificate, OUTSIDE};
use crate::domain::id::UserId;
use crate::domain::peer::Identity;
use crate::domain::refusal::Code;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Row, Table};

use super::Appliance;
use super::ahead::SignedAhead;
use super::fault::Stop;
use super::operational::Operational;
use super::page::{Page, PageWanted};
use super::pki::{Pki, PkiFiles, Signed};
use super::reset::UNCONFIRMED;
use super::signing_request::RequestedKey;

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
    /// Of the certificate its holder renewed it with: SHA-256 of the public key, hex.
    pub renewed_from: Option<String>,
    /// Which generation of our CA signed it; none where an outside one did.
    pub generation: Option<u32>,
    /// Whether it, or what it was renewed from, was asked for with a password, and ends with that.
    pub is_by_password: bool,
}

impl Operational {
    /// Signs and enrols a certificate for the endpoint `endpoint` of `project` over the key of a signing request.
    /// Certificates it has already go on counting.
    ///
    /// # Errors
    /// `not-found`, `bad-request` for the signing request, `key-taken` for a key that is or was enrolled,
    /// `token-away`.
    pub fn issue_certificate(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        csr_pem: &str,
        now: Now,
    ) -> Result<Issued, Stop> {
        self.issue_certificate_with(actor, (project, endpoint), csr_pem, None, now)
    }

    /// The same with a certificate that was signed ahead, where that fits still.
    ///
    /// # Errors
    /// As of [`Operational::issue_certificate`].
    pub fn issue_certificate_with(
        &self,
        actor: Actor,
        (project, endpoint): (&str, &str),
        csr_pem: &str,
        ahead: Option<SignedAhead>,
        now: Now,
    ) -> Result<Issued, Stop> {
        let endpoint = self.live_endpoint(project, endpoint)?;
        self.certify(actor, Identity::Endpoint(endpoint.id.uuid()), csr_pem, ahead, now)
    }

    /// The same for the user `user`: a first certificate, or one more before the old one ends. Where that puts somebody else into
    /// the place of whoever the account was, it waits for a second person to confirm it.
    ///
    /// # Errors
    /// As [`Operational::issue_certificate`]; `too-many-approvals` where it would have to wait and there is no place.
    pub fn issue_user_certificate(
        &self,
        actor: Actor,
        user: &str,
        csr_pem: &str,
        now: Now,
    ) -> Result<Issued, Stop> {
        self.issue_user_certificate_with(actor, user, csr_pem, None, now)
    }

    /// The same with a certificate that was signed ahead, where that fits still.
    ///
    /// # Errors
    /// As of [`Operational::issue_certificate`].
    pub fn issue_user_certificate_with(
        &self,
        actor: Actor,
        user: &str,
        csr_pem: &str,
        ahead: Option<SignedAhead>,
        now: Now,
    ) -> Result<Issued, Stop> {
        let user = self.user_named(user)?;
        self.certify(actor, Identity::User(user.id.uuid()), csr_pem, ahead, now)
    }

    fn certify(
        &self,
        actor: Actor,
        identity: Identity,
        csr_pem: &str,
        ahead: Option<SignedAhead>,
        now: Now,
    ) -> Result<Issued, Stop> {
        let key = RequestedKey::from_csr(csr_pem)?;
        let generation = self.pki.authorities().current.generation;
        let signed = match ahead.and_then(|ahead| ahead.fitting(identity, &key, generation)) {
            Some(signed) => signed,
            None => self.sign_requested(identity, &key, now)?,
        };
        let certificate = enrolment(identity, &signed);
        self.give_credential(identity, now, |batch| {
            let audit = issue_audit(now, actor, "certificate.issue", identity, &signed);
            let (batch, audit) = self.credential_given(batch, audit, (identity, signed.spki), actor, now)?;
            Ok((enrol(batch, &signed, &certificate), audit))
        })?;
        self.pki.issued(&signed)
    }

    /// Commits what gives somebody a certificate. Where that makes another of an account, its rights and what was handed over
    /// before are taken away by the same commit: that is witnessed, and the lists say it.
    pub(super) fn give_credential(
        &self,
        identity: Identity,
        now: Now,
        give: impl FnOnce(Batch) -> Result<(Batch, AuditRecord), Stop>,
    ) -> Result<(), Stop> {
        let withdrawn = self
            .change(now, |batch| {
                let before = match identity {
                    Identity::User(id) => self.live_serials(id.into(), now.time)?,
                    Identity::Endpoint(_) => Vec::new(),
                };
                let (batch, audit) = give(batch)?;
                let takes_away = audit.details.value(UNCONFIRMED).is_some();
                Ok((batch, audit, takes_away.then_some(before)))
            })
            .map_err(key_is_taken)?;
        let (Some(before), Identity::User(id)) = (withdrawn, identity) else { return Ok(()) };
        self.witness_withdrawal(now);
        let left = self.live_serials(id.into(), now.time)?;
        let ended: Vec<Vec<u8>> = before.into_iter().filter(|serial| !left.contains(serial)).collect();
        self.publish_revocations(&ended, now)
    }

    /// Serial numbers of a user's certificates that count.
    pub(super) fn live_serials(&self, user: UserId, now: Timestamp) -> Result<Vec<Vec<u8>>, Stop> {
        let enrolments = self.enrolments(user)?;
        let live = enrolments.iter().filter(|(_, _, certificate)| certificate.revoked.is_none());
        Ok(live.filter_map(|(_, _, certificate)| certificate.listed_serial(now)).collect())
    }

    /// A certificate for `identity` over a requested key; it counts for nothing until it is enrolled.
    pub(super) fn sign_requested(
        &self,
        identity: Identity,
        key: &RequestedKey,
        now: Now,
    ) -> Result<Signed, Stop> {
        let signed = self.pki.sign_client(identity, key.der(), now.time)?;
        if signed.spki != key.spki() {
            return Err(super::Fault::new("the certificate was made over another encoding of the key").into());
        }
        Ok(signed)
    }

    /// Every enrolment, by key; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn certificates(&self, wanted: &PageWanted) -> Result<Page<CertificateView>, Stop> {
        self.page(Table::Certificates, &[], wanted, |row_key, row| {
            Ok(Some(row.decode()?.map(|certificate| CertificateView::of(row_key, &certificate))))
        })
    }
}

impl CertificateView {
    pub(super) fn of(spki: &[u8], certificate: &Certificate) -> Self {
        let identity = match (certificate.endpoint, certificate.user) {
            (Some(id), _) => Identity::Endpoint(id.uuid()).to_uri(),
            (_, Some(id)) => Identity::User(id.uuid()).to_uri(),
            (None, None) => String::new(),
        };
        let Certificate { not_after, revoked, renewed_from, by_password, .. } = *certificate;
        let renewed_from = renewed_from.map(|spki| to_hex(&spki));
        let generation = (certificate.issuer() != OUTSIDE).then(|| certificate.issuer());
        let is_by_password = by_password.is_some();
        Self { spki: to_hex(spki), identity, not_after, revoked, renewed_from, generation, is_by_password }
    }
}

impl Appliance {
    /// The CAs that clients are to trust, PEM: both while a roll is under way, and that of the server's certificate where it comes
    /// from outside. Public, and there whatever state we are in.
    ///
    /// # Errors
    /// A fault where a file cannot be read.
    pub fn ca_pem(&self) -> Result<String, Stop> {
        let settings = self.settings();
        let of_server = settings.outside.server_certificate.as_ref().and(settings.outside.ca.as_ref());
        trusted(&PkiFiles::below(&settings.state_directory), of_server)
    }
}

/// Whoever signed the server's certificate has to be known to its clients.
fn trusted(files: &PkiFiles, of_server: Option<&PathBuf>) -> Result<String, Stop> {
    let mut pem = String::new();
    for file in std::iter::once(&files.ca()).chain(of_server) {
        pem.push_str(&std::fs::read_to_string(file).map_err(|error| {
            super::Fault::new(format!("{} cannot be read: {error}; put it there again", file.display()))
        })?);
    }
    Ok(pem)
}

impl Pki {
    /// What the holder of a certificate just signed is given.
    pub(super) fn issued(&self, signed: &Signed) -> Result<Issued, Stop> {
        Ok(Issued {
            certificate_pem: signed.pem.clone(),
            ca_pem: trusted(self.files(), self.of_server())?,
            spki: to_hex(&signed.spki),
            not_after: signed.not_after,
        })
    }
}

/// What is recorded of a certificate just signed.
pub(super) fn issue_audit(
    now: Now,
    actor: Actor,
    act: &'static str,
    identity: Identity,
    signed: &Signed,
) -> AuditRecord {
    AuditRecord::new(now.time, actor, act)
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
        renewed_from: None,
        issuer: (signed.generation > 1).then_some(signed.generation),
        by_password: None,
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

/// In a change that enrols a key, what is there already is the key.
pub(super) fn key_is_taken(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(refusal) if refusal.code == Code::AlreadyExists => Code::KeyTaken.into(),
        other => other,
    }
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
    let batch = if certificate.issuer() == OUTSIDE {
        // Its number is another CA's, and may be one of ours.
        batch
    } else {
        let listed = cbor::encode(&(since, certificate.not_after));
        batch.put(Table::Revocations, &certificate.serial, listed)
    };
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
