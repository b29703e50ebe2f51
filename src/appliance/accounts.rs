//! People on the control plane. Sign-in is by an enrolled certificate; what a role may see is decided here.

use crate::domain::certificate::Certificate;
use crate::domain::peer::{Identity, Peer};
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;
use crate::domain::user::{Role, User};
use crate::store::Table;

use super::catalog::not_found;
use super::fault::Stop;
use super::operational::Operational;

/// A user whose certificate is enrolled and valid now.
pub struct SignedIn(User);

impl Operational {
    /// Signs in by certificate. Blocks.
    ///
    /// # Errors
    /// `certificate-missing`, `certificate-not-valid`, `certificate-revoked`, `certificate-not-enrolled`, `forbidden` for a
    /// disabled user; `authentication-limited`.
    pub fn sign_in(&self, peer: &Peer, now: Now) -> Result<SignedIn, Stop> {
        self.limit_failures(peer, now.instant, || self.find_user(peer, now))
    }

    fn find_user(&self, peer: &Peer, now: Now) -> Result<SignedIn, Stop> {
        let shown = peer.certificate.as_ref().ok_or(Code::CertificateMissing)?;
        let Identity::User(id) = shown.identity else { return Err(Code::Forbidden.into()) };
        if !shown.is_valid_at(now.time) {
            return Err(Code::CertificateNotValid.into());
        }
        let certificate: Certificate =
            self.read(Table::Certificates, &shown.spki)?.ok_or(Code::CertificateNotEnrolled)?;
        if certificate.revoked.is_some() {
            return Err(Code::CertificateRevoked.into());
        }
        if !certificate.is_enrolled_for(shown.identity) {
            return Err(Code::CertificateNotEnrolled.into());
        }
        let user: User = self.read(Table::Users, id.as_bytes())?.ok_or(Code::CertificateNotEnrolled)?;
        if user.disabled.is_some() { Err(Code::Forbidden.into()) } else { Ok(SignedIn(user)) }
    }

    pub(super) fn user_named(&self, name: &str) -> Result<User, Stop> {
        let name_key = self.store.name_key(Table::Users, &[0; 16], name);
        let id = self.store.get(Table::Names, &name_key)?.ok_or_else(|| not_found("user", name))?;
        self.read(Table::Users, &id.value)?.ok_or_else(|| not_found("user", name))
    }
}

impl SignedIn {
    /// Leave to read everyone's statistics.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn may_read_statistics(&self) -> Result<(), Stop> {
        match self.0.role {
            Role::Admin | Role::Auditor => Ok(()),
            Role::User | Role::Officer | Role::Backup => Err(Code::Forbidden.into()),
        }
    }
}
