//! Sign-in by password and second factor. Whoever is not there, has no password, is disabled, or sends a wrong password or code
//! is told the same and costs the same; who fails often waits, by name and by address, before anything is hashed.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::password::{Cost, HASH_LEN, SALT_LEN};
use crate::crypto::totp::TotpSecret;
use crate::domain::actor::Actor;
use crate::domain::audit_record::{AuditRecord, NOBODY};
use crate::domain::cbor;
use crate::domain::credentials::{Credentials, StoredPassword, StoredTotp};
use crate::domain::peer::Peer;
use crate::domain::refusal::Code;
use crate::domain::session::SessionToken;
use crate::domain::timestamp::Now;
use crate::domain::user::User;
use crate::store::Table;

use super::failures::Failing;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::refused::RefusedAct;
use super::sessions::SessionView;

/// What somebody sends to sign in.
pub struct PasswordShown {
    /// Of the account.
    pub name: String,
    /// As it was typed.
    pub password: Zeroizing<String>,
    /// Of the second factor, or a recovery code.
    pub code: Option<Zeroizing<String>>,
}

/// A session just begun.
pub struct SessionBegun {
    /// To be sent with each request; shown once.
    pub token: SessionToken,
    /// The session.
    pub session: SessionView,
    /// Whose it is.
    pub user: User,
}

impl Operational {
    /// Begins a session. Blocks, and takes its time.
    ///
    /// # Errors
    /// `sign-in-failed`, `authentication-limited`, `sign-ins-busy`, `too-many-sessions`.
    pub fn begin(&self, shown: &PasswordShown, peer: &Peer, now: Now) -> Result<SessionBegun, Stop> {
        let parties = [Failing::user(&shown.name), Failing::address(peer.address)];
        self.failures.check_all(&parties, now.instant)?;
        self.begin_if_right(shown, peer, now).map_err(|stop| match stop {
            Stop::Refused(refusal) if refusal.code == Code::SignInFailed => {
                self.note_failed_sign_in(shown, peer, now);
                self.failures.count_all(&parties, refusal.code, now.instant).into()
            }
            other => other,
        })
    }

    /// A name that nobody has is not kept: people type passwords into that field.
    fn note_failed_sign_in(&self, shown: &PasswordShown, peer: &Peer, now: Now) {
        let user = self.account_named(&shown.name).ok().flatten().map(|(user, _)| user);
        let refused = RefusedAct {
            actor: NOBODY.into(),
            act: "session.begin".into(),
            on: user.map(|user| format!("user:{}", user.name)),
            address: Some(peer.address),
            code: Code::SignInFailed,
        };
        self.record_refused(refused, now);
    }

    fn begin_if_right(&self, shown: &PasswordShown, peer: &Peer, now: Now) -> Result<SessionBegun, Stop> {
        let account = self.account_named(&shown.name)?;
        let stored = account.as_ref().and_then(|(_, credentials)| credentials.password.as_ref());
        // For whoever is not there a hash is made, too, and is wrong.
        let salt = stored.map_or([0; SALT_LEN], |stored| *stored.salt);
        let cost = stored.map_or(Cost::PRESENT, StoredPassword::cost);
        let hash = self.hashing.hash(&shown.password, &salt, cost)?;
        let is_right = hash.is(&stored.map_or([0; HASH_LEN], |stored| *stored.hash)) && stored.is_some();
        let Some((user, _)) = account.filter(|(user, _)| is_right && user.disabled.is_none()) else {
            return Err(Code::SignInFailed.into());
        };
        self.change(now, |batch| {
            // What was proved has to be what is there when it counts.
            let (user, mut credentials) =
                self.account_named(user.name.as_str())?.ok_or(Code::SignInFailed)?;
            let is_same = credentials.password.as_ref().is_some_and(|stored| hash.is(&stored.hash));
            if !is_same || user.disabled.is_some() {
                return Err(Code::SignInFailed.into());
            }
            let factor = credentials.take_factor(shown.code.as_deref().map(String::as_str), now)?;
            let (batch, token, session) = self.begin_session(batch, &user, peer, now)?;
            let batch = match factor {
                "none" => batch,
                _ => batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(&credentials)),
            };
            let audit = AuditRecord::new(now.time, Actor::User(user.id), "session.begin")
                .with("id", session.id)
                .with("address", &session.address)
                .with("second-factor", factor);
            let session = SessionView {
                id: session.id,
                user: user.name.to_string(),
                address: session.address.clone(),
                created: now.time,
                seen: now.time,
                ends: session.ends(now.time, self.settings.sessions),
            };
            Ok((batch, audit, SessionBegun { token, session, user }))
        })
    }

    /// An account with its credentials, if its rows can be read.
    pub(super) fn account_named(&self, name: &str) -> Result<Option<(User, Credentials)>, Stop> {
        let name_key = self.store.name_key(Table::Users, &[0; 16], name);
        let Some(id) = self.store.get(Table::Names, &name_key)? else { return Ok(None) };
        let user = self.look_up::<User>(Table::Users, &id.value)?.and_then(Listed::sound);
        let credentials = self.look_up::<Credentials>(Table::Credentials, &id.value)?;
        Ok(user.map(|user| (user, credentials.and_then(Listed::sound).unwrap_or_default())))
    }
}

impl Credentials {
    /// Takes the code of the second factor, so that it counts once. Says which it was.
    pub(super) fn take_factor(&mut self, code: Option<&str>, now: Now) -> Result<&'static str, Stop> {
        if self.password_suffices() {
            return Ok("none");
        }
        let (Some(totp), Some(code)) = (self.totp.as_mut(), code) else {
            return Err(Code::SignInFailed.into());
        };
        let secret = TotpSecret::from_bytes(&totp.secret);
        if let Some(step) = secret.step_of(code, now.time.seconds(), totp.last_step) {
            (totp.last_step, totp.is_confirmed) = (step, true);
            return Ok("totp");
        }
        let digest = StoredTotp::recovery_digest(code);
        let at = totp.recovery.iter().position(|kept| kept.as_slice().ct_eq(&digest).into());
        let at = at.filter(|_| totp.is_confirmed).ok_or(Code::SignInFailed)?;
        totp.recovery.remove(at);
        Ok("recovery")
    }
}
