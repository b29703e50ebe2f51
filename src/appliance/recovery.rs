//! When all admins are lost: the operator asks, an officer approves, and the operator fetches a one-time link by which an account
//! becomes the admin. An admin who could sign in has a day to refuse that; nobody is asked before, so health, status, metrics and
//! the log say in time that one is under way.

use crate::domain::approval::{ADMIN_MAY_REFUSE, Approval, Kind, State};
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::credentials::{Credentials, LINK_LIVES, LinkToken};
use crate::domain::id::{ApprovalId, UserId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::Table;

use super::access::Leave;
use super::approvals::{ApprovalView, ask_audit, put};
use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::reset::{Handed, LinkMade, link};
use super::wanted::Wanted;

/// How far a recovery is.
pub enum Recovery {
    /// An officer has to approve it.
    Asked(Box<ApprovalView>),
    /// It is done; the link sets the password.
    Done(LinkMade),
}

/// A recovery that waits for an officer, or can be fetched.
pub struct RecoveryUnderWay {
    /// By which it is refused.
    pub approval: ApprovalId,
    /// Who would be an admin.
    pub user: String,
    /// `waiting`, or `approved`.
    pub standing: &'static str,
    /// When it was asked.
    pub asked: Timestamp,
    /// Until when an admin who could sign in holds it up, once it is approved.
    pub held_until: Option<Timestamp>,
    /// From when on there is nothing of it any more.
    pub expires: Timestamp,
}

/// The same, as a change found it.
enum Found {
    Waits(Approval),
    Link(LinkToken),
}

impl Operational {
    /// Asks an officer for the recovery of an account; once one has approved, makes it an enabled admin with a one-time link.
    /// Asked again meanwhile, it tells how that stands.
    ///
    /// # Errors
    /// `not-found`; `admin-is-there` while an admin who can sign in may refuse it.
    pub fn recover_user(&self, leave: Leave, name: &str, now: Now) -> Result<Recovery, Stop> {
        let (mut waits, mut before) = (None, None);
        let found = self.change(now, |batch| {
            let (user, mut credentials) = self.account_named(name)?.ok_or_else(|| not_found("user", name))?;
            let wanted = Wanted::of(Kind::Recovery, user.id, None);
            if let Some(given) = self.approved(&wanted, now.time)? {
                self.check_no_admin_stops(&given, now.time)?;
                let token = LinkToken::generate()?;
                credentials.link = Some(link(&token, leave.actor(), true, true, now));
                let fetched = given.decide(State::Used, leave.actor(), now.time);
                let audit = ask_audit(&fetched, leave.actor(), "user.recover", now).with("from", user.role);
                // What waits for confirmation, the two persons know nothing of: it does not become an admin's.
                let batch = self.withdraw_handed(put(batch, &fetched), &user, Handed::Password, now)?;
                if user.handed_password.is_some() {
                    credentials.password = None;
                }
                let batch = self.end_sessions_of(batch, user.id)?;
                let id = user.id;
                before = Some(self.live_serials(id, now.time)?);
                let admin = User {
                    role: Role::Admin,
                    role_since: if user.role == Role::Admin { user.role_since } else { Some(now.time) },
                    disabled: None,
                    unconfirmed: None,
                    handed_certificate: None,
                    handed_password: None,
                    ..user
                };
                let batch = batch.put(Table::Credentials, id.as_bytes(), cbor::encode(&credentials)).put(
                    Table::Users,
                    id.as_bytes(),
                    cbor::encode(&admin),
                );
                return Ok((batch, audit, Found::Link(token)));
            }
            if let Some(same) = self.waiting_for(&wanted, now.time)? {
                waits = Some(same);
                return Err(Code::Conflict.into());
            }
            let by = leave.actor();
            let (batch, asked) = self.ask(batch, wanted, None, by.to_string(), now)?;
            let audit: AuditRecord = ask_audit(&asked, by, "approval.ask", now);
            Ok((batch, audit, Found::Waits(asked)))
        });
        let found = match waits {
            // It was asked before, and nothing has changed.
            Some(same) => Found::Waits(same),
            None => found?,
        };
        match &found {
            Found::Waits(asked) => asked.warn_of_recovery(name),
            Found::Link(_) => tracing::warn!(user = name, "a recovery was fetched: the account is an admin"),
        }
        if let Some(before) = before {
            // Sessions, a password, a certificate that waited for confirmation: what the account had of another's hand is gone.
            self.witness_withdrawal(now);
            let user = self.user_named(name)?.id;
            let left = self.live_serials(user, now.time)?;
            let ended: Vec<Vec<u8>> = before.into_iter().filter(|serial| !left.contains(serial)).collect();
            self.publish_revocations(&ended, now)?;
        }
        Ok(match found {
            Found::Waits(approval) => Recovery::Asked(Box::new(self.approval_view(approval, now.time)?)),
            Found::Link(token) => {
                Recovery::Done(LinkMade { token, user: name.to_owned(), expires: now.time.plus(LINK_LIVES) })
            }
        })
    }

    /// Refuses a certificate at the machine to who gets one from an admin or by itself. What has to begin at the machine: officers,
    /// whom nobody else appoints, and an admin, where none can sign in or no officer is there yet who could help to recover one.
    ///
    /// # Errors
    /// `use-the-control-plane`; `not-found`.
    pub fn check_issued_at_the_machine(&self, user: &str, now: Now) -> Result<(), Stop> {
        let begins_here = match self.user_named(user)?.role {
            Role::Officer => true,
            Role::Admin => {
                self.users_of(Role::Officer)?.is_empty() || self.admin_who_can_sign_in(now.time)?.is_none()
            }
            Role::User | Role::Auditor | Role::Backup => false,
        };
        if begins_here {
            return Ok(());
        }
        let detail =
            "At the machine certificates are issued to officers, and to an admin where none can sign in.";
        Err(Refusal::new(Code::UseTheControlPlane).detail(detail).into())
    }

    /// Those of a role who are enabled and confirmed.
    fn users_of(&self, role: Role) -> Result<Vec<User>, Stop> {
        let mut users = Vec::new();
        self.each(Table::Users, &[], |_, row| {
            let user: User = cbor::decode(&row.value)?;
            let counts = user.role == role && user.disabled.is_none() && user.unconfirmed.is_none();
            users.extend(counts.then_some(user));
            Ok(())
        })?;
        Ok(users)
    }

    /// A certificate may count whose owner has lost it, so an admin who could sign in does not stand in the way for ever: he has
    /// a time to refuse what an officer has approved.
    fn check_no_admin_stops(&self, given: &Approval, now: Timestamp) -> Result<(), Stop> {
        let Some(admin) = self.admin_who_can_sign_in(now)? else { return Ok(()) };
        let until = given.held_until().unwrap_or(given.asked);
        if now >= until {
            return Ok(());
        }
        let detail = format!("The admin {admin} can sign in, and may refuse this until {until}.");
        Err(Refusal::new(Code::AdminIsThere).detail(detail).into())
    }

    /// The name of an admin who is enabled and confirmed, and has a certificate that counts, or a password: who is not confirmed
    /// may refuse nothing.
    fn admin_who_can_sign_in(&self, now: Timestamp) -> Result<Option<String>, Stop> {
        for admin in self.users_of(Role::Admin)? {
            if self.can_sign_in(admin.id, now)? {
                return Ok(Some(admin.name.to_string()));
            }
        }
        Ok(None)
    }

    fn can_sign_in(&self, user: UserId, now: Timestamp) -> Result<bool, Stop> {
        let credentials = self.look_up::<Credentials>(Table::Credentials, user.as_bytes())?;
        let has_password =
            credentials.and_then(Listed::sound).is_some_and(|credentials| credentials.password.is_some());
        let enrolments = self.enrolments(user)?;
        Ok(has_password || enrolments.iter().any(|(_, _, one)| one.revoked.is_none() && one.not_after >= now))
    }
}

impl Operational {
    /// Every one, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn recoveries(&self) -> Result<Vec<RecoveryUnderWay>, Stop> {
        let now = self.now().time;
        let mut found: Vec<Approval> =
            self.all_approvals()?.into_iter().filter_map(|(_, listed)| listed.sound()).collect();
        found.retain(|one| one.kind == Kind::Recovery && (one.is_waiting(now) || one.is_open(now)));
        found.sort_by_key(|one| std::cmp::Reverse(one.asked));
        let under_way = found.into_iter().map(|one| {
            let (approval, asked, expires, held_until) = (one.id, one.asked, one.expires, one.held_until());
            let view = self.approval_view(one, now)?;
            let (user, standing) = (view.subject, view.standing);
            Ok(RecoveryUnderWay { approval, user, standing, asked, held_until, expires })
        });
        under_way.collect()
    }
}

impl Approval {
    /// Until when an admin who could sign in holds up a recovery that was approved.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        let decided = self.decided.filter(|_| self.state == State::Approved);
        decided.map(|decided| decided.plus(ADMIN_MAY_REFUSE))
    }

    /// Tells the log of a recovery that was asked for, or approved.
    pub(super) fn warn_of_recovery(&self, user: &str) {
        let approved = self.held_until().map(|until| until.to_string());
        tracing::warn!(
            approval = %self.id,
            user,
            held_until = approved,
            "a recovery is under way that makes an account the admin; an admin or officer stops it: gembok approval refuse"
        );
    }
}
