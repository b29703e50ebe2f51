//! People on the control plane: sign-in by an enrolled certificate; that by session is [`super::sessions`]'s. What who may do is the access policies' to say
//! ([`super::access`]).

use std::net::IpAddr;

use crate::domain::access::{Act, Circumstances, Person};
use crate::domain::actor::Actor;
use crate::domain::certificate::Certificate;
use crate::domain::peer::{Identity, Peer};
use crate::domain::refusal::Code;
use crate::domain::session::SessionDigest;
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::Table;

use super::access::Access;
use super::catalog::not_found;
use super::fault::Stop;
use super::operational::Operational;
use super::refused::RefusedAct;
use super::target::Target;

/// A user whose certificate is enrolled and valid now, or whose session is live; where and when that was shown.
pub struct SignedIn {
    person: Person,
    address: IpAddr,
    time: Timestamp,
    by: SignedBy,
}

/// By what somebody signed in.
#[derive(Clone, Copy)]
pub(super) enum SignedBy {
    /// Its SHA-256 of the public key.
    Certificate([u8; 32]),
    /// Its token's digest.
    Session(SessionDigest),
}

impl Operational {
    /// Signs in by certificate. Blocks.
    ///
    /// # Errors
    /// `certificate-missing`, `certificate-not-valid`, `certificate-revoked`, `certificate-not-enrolled`, `forbidden` for a
    /// disabled user; `authentication-limited`.
    pub fn sign_in(&self, peer: &Peer, now: Now) -> Result<SignedIn, Stop> {
        let found = self.limit_failures(peer, now.instant, || self.find_user(peer, now));
        if let (Err(Stop::Refused(refusal)), Some(shown)) = (&found, &peer.certificate) {
            let refused = RefusedAct {
                // By what the certificate says, which is no more than a claim.
                actor: shown.identity.actor().to_string(),
                act: "sign-in".into(),
                on: None,
                address: Some(peer.address),
                code: refusal.code,
            };
            self.record_refused(refused, now);
        }
        found
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
        if user.disabled.is_some() {
            return Err(Code::Forbidden.into());
        }
        Ok(SignedIn::new(self.person(&user)?, peer.address, now.time, SignedBy::Certificate(shown.spki)))
    }

    /// What became of what a user asked for; a refusal leaves its record, by the first of `acts`.
    ///
    /// # Errors
    /// What `done` holds.
    pub fn noted<T>(
        &self,
        signed_in: &SignedIn,
        acts: &[(Act, Target)],
        done: Result<T, Stop>,
    ) -> Result<T, Stop> {
        if let (Err(Stop::Refused(refusal)), Some((act, on))) = (&done, acts.first()) {
            let refused = RefusedAct {
                actor: signed_in.actor().to_string(),
                act: act.to_string(),
                on: Some(on.to_string()),
                address: Some(signed_in.address),
                code: refusal.code,
            };
            self.record_refused(refused, self.now());
        }
        done
    }

    pub(super) fn user_named(&self, name: &str) -> Result<User, Stop> {
        let name_key = self.store.name_key(Table::Users, &[0; 16], name);
        let id = self.store.get(Table::Names, &name_key)?.ok_or_else(|| not_found("user", name))?;
        self.read(Table::Users, &id.value)?.ok_or_else(|| not_found("user", name))
    }
}

impl SignedIn {
    pub(super) const fn new(person: Person, address: IpAddr, time: Timestamp, by: SignedBy) -> Self {
        Self { person, address, time, by }
    }

    /// By what.
    pub(super) const fn by(&self) -> SignedBy {
        self.by
    }

    /// The session's digest, where it was one.
    pub(super) const fn session(&self) -> Option<SessionDigest> {
        match self.by {
            SignedBy::Session(digest) => Some(digest),
            SignedBy::Certificate(_) => None,
        }
    }

    /// Name and role of the account.
    #[must_use]
    pub fn who(&self) -> (&str, Role) {
        (&self.person.name, self.person.role)
    }

    /// Who acts, for records.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::User(self.person.id)
    }

    /// Where that was shown.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Who.
    pub(super) const fn person(&self) -> &Person {
        &self.person
    }

    /// Where and when, as policies read it.
    pub(super) fn circumstances(&self, access: &Access) -> Circumstances {
        access.circumstances(Some(self.address), self.time)
    }
}
