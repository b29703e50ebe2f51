//! A certificate that a user asks for of its own. What it is signed in with decides: by a certificate it is a renewal, of the
//! same line and within the same bounds as an endpoint's ([`super::renewal`]), so that a revocation takes it, too. A session by
//! itself gets none, or whoever has its token would be the user for a year: the password and a code have to be shown again, and
//! what was got so ends with that password.

use crate::crypto::hex::to_hex;
use crate::domain::access::Act;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::credentials::Credentials;
use crate::domain::id::UserId;
use crate::domain::peer::Identity;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;
use crate::domain::user::User;
use crate::store::{Batch, Table};

use super::accounts::{SignedBy, SignedIn};
use super::ahead::SignedAhead;
use super::certificates::{Issued, enrol, enrolment, issue_audit, key_is_taken, revoke};
use super::fault::Stop;
use super::operational::Operational;
use super::own::ShownAgain;
use super::pki::Signed;
use super::renewal::Beginning;
use super::signing_request::RequestedKey;
use super::target::Target;

/// What it is called where it is refused.
const ISSUE: &str = "certificate.issue-user";

impl Operational {
    /// Refuses whoever could not renew its own certificate at this moment.
    ///
    /// # Errors
    /// As of [`Operational::renew_user_certificate`].
    pub fn check_own_renewal(&self, signed_in: &SignedIn, now: Now) -> Result<(), Stop> {
        self.check_renewal(identity_of(signed_in), Beginning::Certificate(shown_by(signed_in)?), now)
    }

    /// Refuses whoever enrols an outside CA's certificate for itself and shows none.
    ///
    /// # Errors
    /// `password-not-shown`.
    pub fn check_own_enrolment(&self, signed_in: &SignedIn) -> Result<(), Stop> {
        shown_by(signed_in).map(drop)
    }

    /// Signs and enrols another certificate for a user who shows one that counts. Those it has go on counting.
    ///
    /// # Errors
    /// `password-not-shown` for a session; `bad-request` for the signing request, and for a certificate of an outside CA;
    /// `key-taken` for a key that is or was enrolled, `renewal-limited`, `too-many-certificates`, `token-away`; and what was
    /// taken from the user meanwhile.
    pub fn renew_user_certificate(
        &self,
        signed_in: &SignedIn,
        csr_pem: &str,
        ahead: Option<SignedAhead>,
        now: Now,
    ) -> Result<Issued, Stop> {
        let from = shown_by(signed_in)?;
        self.check_renewal(identity_of(signed_in), Beginning::Certificate(from), now)?;
        let signed = self.sign_own(signed_in, csr_pem, ahead, now)?;
        self.change(now, |batch| {
            self.still_may(signed_in, now)?;
            self.check_renewal(identity_of(signed_in), Beginning::Certificate(from), now)?;
            let shown: Certificate =
                self.read(Table::Certificates, &from)?.ok_or(Code::CertificateRevoked)?;
            let certificate = Certificate {
                renewed_from: Some(from),
                by_password: shown.by_password,
                ..enrolment(identity_of(signed_in), &signed)
            };
            let audit =
                own_audit(signed_in, "certificate.renew", &signed, now).with("renewed-from", to_hex(&from));
            Ok((enrol(batch, &signed, &certificate), audit, ()))
        })
        .map_err(key_is_taken)?;
        self.pki.issued(&signed)
    }

    /// The same for a user who signed in by password, and shows that again, with a code where there is a second factor. Who shows a
    /// certificate need not. Blocks, and takes its time.
    ///
    /// # Errors
    /// As of [`Operational::renew_user_certificate`]; `forbidden`; `sign-in-failed`, `authentication-limited`, `sign-ins-busy`.
    pub fn issue_own_certificate(
        &self,
        signed_in: &SignedIn,
        shown: &ShownAgain,
        csr_pem: &str,
        now: Now,
    ) -> Result<Issued, Stop> {
        self.held_to_limits(signed_in, ISSUE, now, || {
            self.leave(signed_in, &acts(signed_in))?;
            if signed_in.session().is_none() {
                return self.renew_user_certificate(signed_in, csr_pem, None, now);
            }
            self.check_renewal(identity_of(signed_in), Beginning::Password, now)?;
            let proved = self.prove_current(signed_in, shown)?;
            let signed = self.sign_own(signed_in, csr_pem, None, now)?;
            self.change(now, |batch| {
                let (user, mut credentials) = self.still_may(signed_in, now)?;
                self.check_renewal(identity_of(signed_in), Beginning::Password, now)?;
                let factor = credentials.take_shown(&proved, shown, now)?;
                // Who signed in by password has one, unless it was taken away just now.
                let by_password = credentials.password.as_ref().map(|password| password.set);
                let by_password = by_password.ok_or(Code::SessionEnded)?;
                let certificate = Certificate {
                    by_password: Some(by_password),
                    ..enrolment(identity_of(signed_in), &signed)
                };
                let batch = batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(&credentials));
                let audit = own_audit(signed_in, "certificate.issue", &signed, now)
                    .with("by", "password")
                    .with("second-factor", factor);
                Ok((enrol(batch, &signed, &certificate), audit, ()))
            })
            .map_err(key_is_taken)?;
            self.pki.issued(&signed)
        })
    }

    /// Puts into a batch the end of every certificate that was asked for with a password of the account, but the one that `asking`
    /// shows. The serial numbers of those that end.
    pub(super) fn end_certificates_by_password(
        &self,
        mut batch: Batch,
        user: UserId,
        asking: Option<&SignedIn>,
        now: Now,
    ) -> Result<(Batch, Vec<Vec<u8>>), Stop> {
        let kept = asking.and_then(|asking| shown_by(asking).ok());
        let mut ended = Vec::new();
        for (spki, row, certificate) in self.enrolments(user)? {
            if certificate.by_password.is_none()
                || certificate.revoked.is_some()
                || kept.is_some_and(|kept| spki == kept)
            {
                continue;
            }
            ended.extend(certificate.listed_serial(now.time));
            batch = revoke(batch, &spki, &row, certificate, now.time);
        }
        Ok((batch, ended))
    }

    /// The account of whoever is still signed in and still may have another certificate.
    fn still_may(&self, signed_in: &SignedIn, now: Now) -> Result<(User, Credentials), Stop> {
        let (user, credentials) = self.account_of(signed_in)?;
        let again = SignedIn::new(self.person(&user)?, signed_in.address(), now.time, signed_in.by());
        self.leave(&again, &acts(&again))?;
        Ok((user, credentials))
    }

    fn sign_own(
        &self,
        signed_in: &SignedIn,
        csr_pem: &str,
        ahead: Option<SignedAhead>,
        now: Now,
    ) -> Result<Signed, Stop> {
        let (identity, key) = (identity_of(signed_in), RequestedKey::from_csr(csr_pem)?);
        let generation = self.pki.authorities().current.generation;
        match ahead.and_then(|ahead| ahead.fitting(identity, &key, generation)) {
            Some(signed) => Ok(signed),
            None => self.sign_requested(identity, &key, now),
        }
    }
}

fn identity_of(signed_in: &SignedIn) -> Identity {
    Identity::User(signed_in.person().id.uuid())
}

/// The certificate that somebody shows.
fn shown_by(signed_in: &SignedIn) -> Result<[u8; 32], Stop> {
    match signed_in.by() {
        SignedBy::Certificate(spki) => Ok(spki),
        SignedBy::Session(_) => Err(Code::PasswordNotShown.into()),
    }
}

fn acts(signed_in: &SignedIn) -> [(Act, Target); 1] {
    [(Act::CertificateIssueUser, Target::User(signed_in.who().0.to_owned()))]
}

fn own_audit(signed_in: &SignedIn, act: &'static str, signed: &Signed, now: Now) -> AuditRecord {
    issue_audit(now, signed_in.actor(), act, identity_of(signed_in), signed)
        .with("address", signed_in.address().to_canonical())
}
