//! What a user signs in with, changed by the user: the own password and the own second factor. Whoever has a session or a
//! certificate in hand is not yet who it belongs to, so what there is has to be shown again: the password where there is one,
//! a code where there is a second factor. Wrong ones count and wait as those of a sign-in do. Nothing went through another
//! person's hands, so no account becomes unconfirmed by it.
//!
//! No access policy is asked: signing in is what proves whose account it is, and nothing else of anybody's is touched.

use zeroize::Zeroizing;

use crate::crypto::password::{Cost, PasswordHash, SALT_LEN};
use crate::crypto::random;
use crate::crypto::totp::TotpSecret;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::credentials::{Credentials, StoredPassword, StoredTotp};
use crate::domain::password_policy::check_password;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::Session;
use crate::domain::timestamp::Now;
use crate::domain::user::User;
use crate::store::{Batch, Table};

use super::accounts::{SignedBy, SignedIn};
use super::failures::Failing;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::refused::RefusedAct;
use super::reset::SecondFactor;
use super::target::Target;

/// The acts, as records call them, refused ones, too.
const CHANGE_PASSWORD: &str = "user.change-password";
const ENROL_TOTP: &str = "user.enrol-totp";
const CONFIRM_TOTP: &str = "user.confirm-totp";
const REMOVE_TOTP: &str = "user.remove-totp";

/// What somebody shows again who is signed in already.
pub struct ShownAgain {
    /// The present password, where there is one.
    pub current: Option<Zeroizing<String>>,
    /// Of the second factor, or a recovery code, where there is one.
    pub code: Option<Zeroizing<String>>,
}

/// The hash of a password that was right when it was shown; none where there was none.
pub(super) struct Proved(Option<PasswordHash>);

impl Operational {
    /// Sets the own password. Every other session of the account ends, and its one-time link, and every certificate that was asked
    /// for with a password but the one that is shown. Blocks, and takes its time.
    ///
    /// # Errors
    /// `weak-password`, `bad-request` where something is not shown, `sign-in-failed`, `authentication-limited`, `sign-ins-busy`.
    pub fn change_password(
        &self,
        signed_in: &SignedIn,
        shown: &ShownAgain,
        password: &str,
        now: Now,
    ) -> Result<(), Stop> {
        check_password(password, signed_in.who().0)?;
        let ended = self.held_to_limits(signed_in, CHANGE_PASSWORD, now, || {
            let proved = self.prove_current(signed_in, shown)?;
            let salt: [u8; SALT_LEN] = random::bytes()?;
            let hash = self.hashing.hash(password, &salt, Cost::PRESENT)?;
            self.withdraw(now, |batch| {
                let (user, mut credentials) = self.account_of(signed_in)?;
                let factor = credentials.take_shown(&proved, shown, now)?;
                let is_first = credentials.password.is_none();
                let Cost { memory_kib, passes, lanes } = Cost::PRESENT;
                credentials.password = Some(StoredPassword {
                    salt: salt.into(),
                    hash: (*hash.expose()).into(),
                    memory_kib,
                    passes,
                    lanes,
                    set: now.time,
                });
                (credentials.link, credentials.pending) = (None, None);
                let batch = kept(batch, &user, &credentials);
                let batch = self.end_other_sessions_of(batch, user.id, signed_in.session())?;
                let (batch, ended) =
                    self.end_certificates_by_password(batch, user.id, Some(signed_in), now)?;
                // Whoever sets the first password of an account that waits for confirmation may be whoever had the credential in
                // hand: with that the password goes, too, where another takes its place.
                let batch = if is_first && user.unconfirmed.is_some() {
                    let user = User { handed_password: Some(now.time), ..user.clone() };
                    batch.put(Table::Users, user.id.as_bytes(), cbor::encode(&user))
                } else {
                    batch
                };
                let audit = audit(signed_in, CHANGE_PASSWORD, &user, now)
                    .with("second-factor", factor)
                    .with("certificates-revoked", ended.len());
                Ok((batch, audit, ended))
            })
        })?;
        self.publish_revocations(&ended, now)
    }

    /// Makes a second factor, which counts once a code of it was shown; the one there is counts until then. Blocks, and takes
    /// its time.
    ///
    /// # Errors
    /// As [`Operational::change_password`], but for the new password; `conflict` where the account waits for confirmation.
    pub fn enrol_totp(
        &self,
        signed_in: &SignedIn,
        shown: &ShownAgain,
        now: Now,
    ) -> Result<SecondFactor, Stop> {
        self.held_to_limits(signed_in, ENROL_TOTP, now, || {
            let proved = self.prove_current(signed_in, shown)?;
            self.change(now, |batch| {
                let (user, mut credentials) = self.account_of(signed_in)?;
                if user.unconfirmed.is_some() {
                    // It would shut out whoever gets the account then.
                    return Err(not_so(
                        "The account waits for confirmation; enrol a second factor after it.",
                    ));
                }
                let factor = credentials.take_shown(&proved, shown, now)?;
                let (made, to_show) = SecondFactor::make(user.name.as_str(), now)?;
                credentials.pending = Some(made);
                let audit = audit(signed_in, ENROL_TOTP, &user, now).with("second-factor", factor);
                Ok((kept(batch, &user, &credentials), audit, to_show))
            })
        })
    }

    /// Lets the second factor count that was made last.
    ///
    /// # Errors
    /// `conflict` where none waits for it, `sign-in-failed`, `authentication-limited`.
    pub fn confirm_totp(&self, signed_in: &SignedIn, code: &str, now: Now) -> Result<(), Stop> {
        self.held_to_limits(signed_in, CONFIRM_TOTP, now, || {
            self.change(now, |batch| {
                let (user, mut credentials) = self.account_of(signed_in)?;
                let unconfirmed =
                    |credentials: &mut Credentials| credentials.totp.take_if(|totp| !totp.is_confirmed);
                let waiting = credentials.pending.take().or_else(|| unconfirmed(&mut credentials));
                let Some(waiting) = waiting else {
                    return Err(not_so("No second factor waits to be confirmed."));
                };
                let secret = TotpSecret::from_bytes(&waiting.secret);
                let step = secret.step_of(code, now.time.seconds(), waiting.last_step);
                let last_step = step.ok_or(Code::SignInFailed)?;
                credentials.totp = Some(StoredTotp { last_step, is_confirmed: true, ..waiting });
                let audit = audit(signed_in, CONFIRM_TOTP, &user, now);
                Ok((kept(batch, &user, &credentials), audit, ()))
            })
        })
    }

    /// Takes the own second factor away.
    ///
    /// # Errors
    /// `conflict` where there is none, or where one is demanded; `sign-in-failed`, `authentication-limited`.
    pub fn remove_totp(&self, signed_in: &SignedIn, code: &str, now: Now) -> Result<(), Stop> {
        self.held_to_limits(signed_in, REMOVE_TOTP, now, || {
            self.change(now, |batch| {
                let (user, mut credentials) = self.account_of(signed_in)?;
                if credentials.totp_enforced.is_some() {
                    return Err(not_so(
                        "An admin demands a second factor of this account; enrol another one instead.",
                    ));
                }
                if credentials.second_factor().is_none() {
                    return Err(not_so("The account has no second factor."));
                }
                let factor = credentials.take_factor(Some(code), now)?;
                (credentials.totp, credentials.pending) = (None, None);
                let audit = audit(signed_in, REMOVE_TOTP, &user, now).with("second-factor", factor);
                Ok((kept(batch, &user, &credentials), audit, ()))
            })
        })
    }

    /// Holds whoever shows something wrong to the limits of a sign-in, by the same name and address. What is refused leaves its
    /// record, as the act that it was: a stolen session is looked for there.
    pub(super) fn held_to_limits<T>(
        &self,
        signed_in: &SignedIn,
        tried: &'static str,
        now: Now,
        act: impl FnOnce() -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let parties = [Failing::user(signed_in.who().0), Failing::address(signed_in.address())];
        self.failures.check_all(&parties, now.instant)?;
        act().map_err(|stop| {
            let Stop::Refused(refusal) = &stop else { return stop };
            let refused = RefusedAct {
                actor: signed_in.actor().to_string(),
                act: tried.into(),
                on: Some(Target::User(signed_in.who().0.to_owned()).to_string()),
                address: Some(signed_in.address()),
                code: refusal.code,
            };
            self.record_refused(refused, now);
            if refusal.code == Code::SignInFailed {
                return self.failures.count_all(&parties, refusal.code, now.instant).into();
            }
            stop
        })
    }

    pub(super) fn prove_current(&self, signed_in: &SignedIn, shown: &ShownAgain) -> Result<Proved, Stop> {
        let (_, credentials) = self.account_of(signed_in)?;
        if credentials.second_factor().is_some() && shown.code.is_none() {
            return Err(missing("Send a code of the second factor, too, as totp."));
        }
        let Some(stored) = &credentials.password else { return Ok(Proved(None)) };
        let current =
            shown.current.as_ref().ok_or_else(|| missing("Send the present password, too, as current."))?;
        let hash = self.hashing.hash(current, &stored.salt, stored.cost())?;
        if hash.is(&stored.hash) { Ok(Proved(Some(hash))) } else { Err(Code::SignInFailed.into()) }
    }

    /// The account of somebody who is still signed in.
    pub(super) fn account_of(&self, signed_in: &SignedIn) -> Result<(User, Credentials), Stop> {
        match signed_in.by() {
            SignedBy::Session(digest) => {
                self.read::<Session>(Table::Sessions, &digest)?.ok_or(Code::SessionEnded)?;
            }
            SignedBy::Certificate(spki) => {
                let certificate: Option<Certificate> = self.read(Table::Certificates, &spki)?;
                certificate.filter(|one| one.revoked.is_none()).ok_or(Code::CertificateRevoked)?;
            }
        }
        let id = signed_in.person().id;
        let user: User = self.read(Table::Users, id.as_bytes())?.ok_or(Code::Conflict)?;
        if user.disabled.is_some() {
            return Err(Code::Forbidden.into());
        }
        match self.look_up::<Credentials>(Table::Credentials, id.as_bytes())? {
            None => Ok((user, Credentials::default())),
            Some(Listed::Sound(credentials)) => Ok((user, credentials)),
            // There may be a password to show, and nobody knows which.
            Some(Listed::Damaged(_)) => {
                Err(not_so("What this account signs in with is damaged; ask an admin for a one-time link."))
            }
        }
    }
}

impl Credentials {
    /// Takes what was shown, within the change that it permits: what was proved has to be what is there when it counts. Says which
    /// second factor it was.
    pub(super) fn take_shown(
        &mut self,
        proved: &Proved,
        shown: &ShownAgain,
        now: Now,
    ) -> Result<&'static str, Stop> {
        let is_same = match (&self.password, &proved.0) {
            (None, None) => true,
            (Some(stored), Some(hash)) => hash.is(&stored.hash),
            _ => false,
        };
        if !is_same {
            return Err(Code::Conflict.into());
        }
        match self.second_factor() {
            None => Ok("none"),
            Some(_) => self.take_factor(shown.code.as_deref().map(String::as_str), now),
        }
    }
}

fn kept(batch: Batch, user: &User, credentials: &Credentials) -> Batch {
    batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(credentials))
}

fn audit(signed_in: &SignedIn, act: &'static str, user: &User, now: Now) -> AuditRecord {
    AuditRecord::new(now.time, signed_in.actor(), act)
        .with("id", user.id)
        .with("address", signed_in.address().to_canonical())
}

fn missing(detail: &'static str) -> Stop {
    Refusal::new(Code::BadRequest).detail(detail).into()
}

fn not_so(detail: &'static str) -> Stop {
    Refusal::new(Code::Conflict).detail(detail).into()
}
