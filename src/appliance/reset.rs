//! One-time links: how an account gets its first password, and another one when it is lost. Whoever makes the link could use it
//! as well, so an account whose credentials went through another person's hands is *unconfirmed* until a second person has said
//! that it is who it was.

use zeroize::Zeroizing;

use crate::crypto::password::{Cost, SALT_LEN};
use crate::crypto::random;
use crate::crypto::totp::TotpSecret;
use crate::domain::actor::Actor;
use crate::domain::approval::{Kind, State};
use crate::domain::audit_record::{AuditRecord, NOBODY};
use crate::domain::cbor;
use crate::domain::credentials::{
    Credentials, LINK_LIVES, LinkToken, StoredLink, StoredPassword, StoredTotp,
};
use crate::domain::id::UserId;
use crate::domain::password_policy::check_password;
use crate::domain::peer::{Identity, Peer};
use crate::domain::refusal::Code;
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::{Batch, Table};

use super::access::Leave;
use super::approvals::{ApprovalView, ask_audit, put, taken, user_of};
use super::catalog::not_found;
use super::certificates::revoke;
use super::failures::Failing;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::refused::RefusedAct;
use super::second_person::record;
use super::wanted::Wanted;

/// What is recorded of an account that waits for confirmation from then on.
pub(super) const UNCONFIRMED: &str = "unconfirmed";
/// Said to whoever uses a link that would have to wait for a second person, where there is no place to wait.
const NO_PLACE_FOR_LINK: &str = "Whoever made the link has as many requests waiting for a second person as may be, or all places are \
                                 taken; the link stays good until then.";
/// Recovery codes of a second factor.
const RECOVERY_CODES: usize = 10;
/// Random bytes of a recovery code: 16 characters of base32, 80 bits.
const RECOVERY_LEN: usize = 10;

/// A link just made.
pub struct LinkMade {
    /// Its token; shown once.
    pub token: LinkToken,
    /// For whom.
    pub user: String,
    /// From when it is refused.
    pub expires: Timestamp,
}

/// A second factor just made; shown once.
pub struct SecondFactor {
    /// What an authenticator app reads from a QR code.
    pub uri: Zeroizing<String>,
    /// Each signs in once in place of a code.
    pub recovery_codes: Vec<Zeroizing<String>>,
}

/// What came of a link.
pub struct LinkUsed {
    /// Whose password is set now.
    pub user: String,
    /// The second factor that it needs from now on, where one is demanded and there was none.
    pub second_factor: Option<SecondFactor>,
    /// Whether a second person has to confirm the account.
    pub is_unconfirmed: bool,
}

/// A credential that somebody else had in hand.
#[derive(Clone, Copy)]
pub(super) enum Handed {
    /// By SHA-256 of its public key.
    Certificate([u8; 32]),
    /// By a one-time link.
    Password,
}

impl Operational {
    /// Makes a link that sets a new password, once; the account's link before it ends. With `drops_totp` using it takes the
    /// second factor away, too. Until it is used everything stays as it is.
    ///
    /// # Errors
    /// `not-found`; `too-many-approvals` where using it would ask for one more than may wait.
    pub fn reset_user(&self, leave: Leave, name: &str, drops_totp: bool, now: Now) -> Result<LinkMade, Stop> {
        let token = LinkToken::generate()?;
        let expires = now.time.plus(LINK_LIVES);
        let user = self.change(now, |batch| {
            let (user, mut credentials) = self.account_named(name)?.ok_or_else(|| not_found("user", name))?;
            let maker = user_of(leave.actor());
            if self.is_taken_over(&user, maker)? {
                // Looked at again when it is used.
                self.check_place(&Wanted::of(Kind::Confirmation, user.id, None), maker, now)?;
            }
            credentials.link = Some(link(&token, leave.actor(), drops_totp, false, now));
            let audit = AuditRecord::new(now.time, leave.actor(), "user.reset")
                .with("id", user.id)
                .with("expires", expires)
                .with("second-factor", if drops_totp { "taken away" } else { "kept" });
            let batch = batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(&credentials));
            Ok((batch, audit, user))
        })?;
        Ok(LinkMade { token, user: user.name.to_string(), expires })
    }

    /// Uses a link: sets the password, and ends every session of the account and every certificate that was asked for with a
    /// password. Blocks, and takes its time.
    ///
    /// # Errors
    /// `link-ended`; `weak-password`, `too-many-approvals` (the link stays good); `authentication-limited`, `sign-ins-busy`.
    pub fn use_link(&self, token: &str, password: &str, peer: &Peer, now: Now) -> Result<LinkUsed, Stop> {
        let parties = [Failing::address(peer.address)];
        self.failures.check_all(&parties, now.instant)?;
        self.use_link_if_good(token, password, now).map_err(|stop| match stop {
            Stop::Refused(refusal) if refusal.code == Code::LinkEnded => {
                let refused = RefusedAct {
                    actor: NOBODY.into(),
                    act: "user.set-password".into(),
                    on: None,
                    address: Some(peer.address),
                    code: refusal.code,
                };
                self.record_refused(refused, now);
                self.failures.count_all(&parties, refusal.code, now.instant).into()
            }
            other => other,
        })
    }

    fn use_link_if_good(&self, token: &str, password: &str, now: Now) -> Result<LinkUsed, Stop> {
        let digest = LinkToken::digest_sent(token).map_err(|_| Code::LinkEnded)?;
        let (user, _) = self.account_of_link(&digest, now)?;
        check_password(password, user.name.as_str())?;
        let salt: [u8; SALT_LEN] = random::bytes()?;
        let hash = self.hashing.hash(password, &salt, Cost::PRESENT)?;
        let (done, ended) = self.withdraw(now, |batch| {
            let (user, mut credentials) = self.account_of_link(&digest, now)?;
            let link = credentials.link.take().ok_or(Code::LinkEnded)?;
            let is_taken_over = !link.is_seconded && self.is_taken_over(&user, link.maker)?;
            let Cost { memory_kib, passes, lanes } = Cost::PRESENT;
            credentials.password = Some(StoredPassword {
                salt: salt.into(),
                hash: (*hash.expose()).into(),
                memory_kib,
                passes,
                lanes,
                set: now.time,
            });
            if link.drops_totp {
                credentials.totp = None;
            }
            credentials.pending = None;
            let needs_factor = credentials.totp_enforced.is_some() && credentials.second_factor().is_none();
            let made = needs_factor.then(|| SecondFactor::make(user.name.as_str(), now)).transpose()?;
            let second_factor = made.map(|(made, to_show)| {
                credentials.totp = Some(made);
                to_show
            });
            let batch = batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(&credentials));
            let batch = self.end_sessions_of(batch, user.id)?;
            let (batch, ended) = self.end_certificates_by_password(batch, user.id, None, now)?;
            let audit = AuditRecord::new(now.time, Actor::User(user.id), "user.set-password")
                .with("id", user.id)
                .with("by-link-of", &link.made_by)
                .with("certificates-revoked", ended.len());
            let name = user.name.to_string();
            let is_unconfirmed = is_taken_over || user.unconfirmed.is_some();
            let batch = if is_taken_over {
                self.hand_over(batch, user, Handed::Password, (link.maker, link.made_by), now)?
            } else if user.unconfirmed.is_some() {
                // Whoever waits for confirmation may have had the credential in hand: with that this password goes, too.
                let user = User { handed_password: Some(now.time), ..user };
                batch.put(Table::Users, user.id.as_bytes(), cbor::encode(&user))
            } else {
                batch
            };
            Ok((batch, audit, (LinkUsed { user: name, second_factor, is_unconfirmed }, ended)))
        })?;
        self.publish_revocations(&ended, now)?;
        Ok(done)
    }

    /// Whether a credential that `maker` had in hand, a user or the operator, makes somebody else of an account. The first one does
    /// not, where there is nothing to be had with it yet: the account is whoever gets it. A link for the own account does, where the
    /// access policies let one be made: all that its maker has shown may be a session.
    pub(super) fn is_taken_over(&self, user: &User, maker: Option<UserId>) -> Result<bool, Stop> {
        let credentials = self.look_up::<Credentials>(Table::Credentials, user.id.as_bytes())?;
        let has_password = match credentials {
            Some(Listed::Sound(credentials)) => credentials.password.is_some(),
            Some(Listed::Damaged(_)) => true,
            None => false,
        };
        let has_rights = user.role == Role::Officer || !self.memberships(user.id)?.is_empty();
        Ok(has_password || !self.enrolments(user.id)?.is_empty() || (maker.is_some() && has_rights))
    }

    /// What goes with a certificate that `actor` is giving to somebody: where that makes somebody else of an account, it waits for
    /// confirmation. Asked within the change that enrols it.
    pub(super) fn credential_given(
        &self,
        batch: Batch,
        audit: AuditRecord,
        (identity, spki): (Identity, [u8; 32]),
        actor: Actor,
        now: Now,
    ) -> Result<(Batch, AuditRecord), Stop> {
        let Identity::User(id) = identity else { return Ok((batch, audit)) };
        let user: User = self.read(Table::Users, id.as_bytes())?.ok_or(Code::Conflict)?;
        let maker = user_of(actor);
        // Whoever enrols one for itself shows one that counts.
        if maker == Some(user.id) || !self.is_taken_over(&user, maker)? {
            return Ok((batch, audit));
        }
        let batch =
            self.hand_over(batch, user, Handed::Certificate(spki), (maker, actor.to_string()), now)?;
        Ok((batch, audit.with(UNCONFIRMED, "from now on")))
    }

    /// Puts into a batch that an account waits for confirmation, and asks for it. What was asked about it before counts no more,
    /// nor does what was handed over before and waits still: a second person confirms one credential, and can be told which.
    pub(super) fn hand_over(
        &self,
        batch: Batch,
        user: User,
        handed: Handed,
        (maker, made_by): (Option<UserId>, String),
        now: Now,
    ) -> Result<Batch, Stop> {
        let batch = self.withdraw_handed(batch, &user, handed, now)?;
        let wanted = Wanted::of(Kind::Confirmation, user.id, None);
        let batch = match self.waiting_for(&wanted, now.time)? {
            Some(before) => put(batch, &before.decide(State::Withdrawn, Actor::System, now.time)),
            None => batch,
        };
        let asked = self.ask(batch, wanted, maker, made_by, now);
        let (batch, asked) = asked.map_err(|stop| match (stop, handed) {
            // Whoever uses a link has asked for nothing.
            (Stop::Refused(refusal), Handed::Password) if refusal.code == Code::TooManyApprovals => {
                refusal.detail(NO_PLACE_FOR_LINK).into()
            }
            (stop, _) => stop,
        })?;
        let batch = record(batch, &ask_audit(&asked, Actor::System, "approval.ask", now));
        let (unconfirmed, handed_over) = (Some(now.time), Some(now.time));
        let (handed_certificate, handed_password) = match handed {
            Handed::Certificate(spki) => (Some(spki), None),
            Handed::Password => (None, Some(now.time)),
        };
        let user = User { unconfirmed, handed_over, handed_certificate, handed_password, ..user };
        Ok(batch.put(Table::Users, user.id.as_bytes(), cbor::encode(&user)))
    }

    /// Takes back what was handed over before and waits for confirmation still.
    pub(super) fn withdraw_handed(
        &self,
        mut batch: Batch,
        user: &User,
        handed: Handed,
        now: Now,
    ) -> Result<Batch, Stop> {
        if let Some(spki) = user.handed_certificate {
            for (key, row, certificate) in self.enrolments(user.id)? {
                if key == spki && certificate.revoked.is_none() {
                    batch = revoke(batch, &key, &row, certificate, now.time);
                }
            }
        }
        // A new password has taken the place of the one before by itself.
        if user.handed_password.is_none() || matches!(handed, Handed::Password) {
            return Ok(batch);
        }
        let Some(Listed::Sound(mut credentials)) =
            self.look_up::<Credentials>(Table::Credentials, user.id.as_bytes())?
        else {
            return Ok(batch);
        };
        credentials.password = None;
        let batch = batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(&credentials));
        self.end_sessions_of(batch, user.id)
    }

    /// Asks again that an account be confirmed, after a request for it has expired or was refused.
    ///
    /// # Errors
    /// `not-found`, `conflict` for one that waits for no confirmation, `already-exists` for one that somebody has asked for.
    pub fn ask_confirmation(&self, leave: Leave, name: &str, now: Now) -> Result<ApprovalView, Stop> {
        let asked = self.change(now, |batch| {
            let user = self.user_named(name)?;
            if user.unconfirmed.is_none() {
                return Err(taken("The account is confirmed already."));
            }
            let wanted = Wanted::of(Kind::Confirmation, user.id, None);
            if let Some(same) = self.waiting_for(&wanted, now.time)? {
                let id = same.id;
                return Err(taken(format!("That waits already: approval {id}.")));
            }
            let by = leave.actor();
            let (batch, asked) = self.ask(batch, wanted, user_of(by), by.to_string(), now)?;
            let audit = ask_audit(&asked, leave.actor(), "user.ask-confirmation", now);
            Ok((batch, audit, asked))
        })?;
        self.approval_view(asked, now.time)
    }

    /// The account of a live link.
    fn account_of_link(&self, digest: &[u8; 32], now: Now) -> Result<(User, Credentials), Stop> {
        let mut found = None;
        self.each(Table::Credentials, &[], |user, row| {
            let credentials: Credentials = cbor::decode(&row.value)?;
            let is_it = |link: &StoredLink| *link.digest == *digest && now.time < link.expires;
            if credentials.link.as_ref().is_some_and(is_it) {
                found = Some((user.to_vec(), credentials));
            }
            Ok(())
        })?;
        let (id, credentials) = found.ok_or(Code::LinkEnded)?;
        let user = self.look_up::<User>(Table::Users, &id)?.and_then(Listed::sound);
        let user = user.filter(|user| user.disabled.is_none()).ok_or(Code::LinkEnded)?;
        Ok((user, credentials))
    }
}

impl SecondFactor {
    /// Makes one for the account `name`, to be stored and to be shown; it is asked for once a code of it was shown.
    pub(super) fn make(name: &str, now: Now) -> Result<(StoredTotp, Self), Stop> {
        let secret = TotpSecret::generate()?;
        let mut recovery_codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            recovery_codes.push(recovery_code()?);
        }
        let made = StoredTotp {
            secret: (*secret.expose()).into(),
            made: now.time,
            last_step: 0,
            recovery: recovery_codes.iter().map(|code| StoredTotp::recovery_digest(code).into()).collect(),
            is_confirmed: false,
        };
        // Nothing in a name needs quoting in a URI.
        let uri = format!(
            "otpauth://totp/Gembok:{name}?secret={}&issuer=Gembok&algorithm=SHA1&digits=6&period=30",
            *secret.base32()
        );
        Ok((made, Self { uri: Zeroizing::new(uri), recovery_codes }))
    }
}

/// Four groups of four.
fn recovery_code() -> Result<Zeroizing<String>, Stop> {
    let mut drawn = Zeroizing::new([0; 20]);
    random::fill(&mut drawn[..RECOVERY_LEN])?;
    let letters = TotpSecret::from_bytes(&drawn).base32();
    let mut code = Zeroizing::new(String::with_capacity(20));
    for at in (0..16).step_by(4) {
        if at > 0 {
            code.push('-');
        }
        code.push_str(&letters[at..at + 4]);
    }
    Ok(code)
}

/// A link as it is stored.
pub(super) fn link(
    token: &LinkToken,
    maker: Actor,
    drops_totp: bool,
    is_seconded: bool,
    now: Now,
) -> StoredLink {
    StoredLink {
        digest: token.digest().into(),
        expires: now.time.plus(LINK_LIVES),
        made_by: maker.to_string(),
        maker: user_of(maker),
        drops_totp,
        is_seconded,
    }
}
