//! Accounts of people: making, ending and changing them. There is always an admin who may come in.

use crate::crypto::random;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::id::UserId;
use crate::domain::member::Member;
use crate::domain::name::Name;
use crate::domain::refusal::Code;
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::{Role, User};
use crate::store::{Row, Table};

use super::access::Leave;
use super::catalog::not_found;
use super::certificates::{CertificateView, revoke};
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;
use super::page::{Page, PageWanted};

/// A user with what belongs to it.
pub struct UserShown {
    /// The account.
    pub user: User,
    /// Names of the projects it is a member of.
    pub projects: Vec<String>,
    /// Every certificate it has or had.
    pub certificates: Vec<CertificateView>,
}

/// Certificates of one user with the rows they are stored in.
pub(super) type Enrolments = Vec<(Vec<u8>, Row, Certificate)>;

impl Operational {
    /// Makes an account. It can do nothing yet: it has no certificate.
    ///
    /// # Errors
    /// `already-exists`.
    pub fn create_user(&self, leave: Leave, name: Name, role: Role, now: Now) -> Result<User, Stop> {
        let id = UserId::from_random(random::bytes()?);
        let created = now.time;
        let user = User {
            id,
            name,
            role,
            created,
            disabled: None,
            unconfirmed: None,
            handed_over: None,
            handed_certificate: None,
            handed_password: None,
            role_since: None,
        };
        self.change(now, |batch| {
            let batch = self.name(batch, Table::Users, &[0; 16], &user.name, id.as_bytes());
            let audit = AuditRecord::new(now.time, leave.actor(), "user.create")
                .with("id", id)
                .with("name", &user.name)
                .with("role", role);
            Ok((batch.put(Table::Users, id.as_bytes(), cbor::encode(&user)), audit, ()))
        })?;
        Ok(user)
    }

    /// Users by id; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn users(&self, wanted: &PageWanted) -> Result<Page<User>, Stop> {
        self.page(Table::Users, &[], wanted, |_, row| Ok(Some(row.decode()?)))
    }

    /// A user with its projects and certificates.
    ///
    /// # Errors
    /// `not-found`.
    pub fn user(&self, name: &str) -> Result<UserShown, Stop> {
        let user = self.user_named(name)?;
        let mut projects = Vec::new();
        for id in self.memberships(user.id)? {
            projects.extend(self.tenant(id)?.map(|tenant| tenant.name));
        }
        projects.sort_unstable();
        let enrolments = self.enrolments(user.id)?;
        let certificates =
            enrolments.iter().map(|(spki, _, certificate)| CertificateView::of(spki, certificate)).collect();
        Ok(UserShown { user, projects, certificates })
    }

    /// Refuses a user from now on, until it is enabled again. One that is disabled already leaves no second record.
    ///
    /// # Errors
    /// `not-found`, `last-admin`.
    pub fn disable_user(&self, leave: Leave, name: &str, now: Now) -> Result<(), Stop> {
        self.withdraw_if_any(now, |batch| {
            let user = self.user_named(name)?;
            if user.disabled.is_some() {
                return Ok(None);
            }
            self.check_another_admin(&user)?;
            let audit = AuditRecord::new(now.time, leave.actor(), "user.disable").with("id", user.id);
            let batch = self.end_sessions_of(batch, user.id)?;
            let disabled = User { disabled: Some(now.time), ..user };
            Ok(Some((batch.put(Table::Users, disabled.id.as_bytes(), cbor::encode(&disabled)), audit)))
        })
    }

    /// Gives a user another role. One that it has already leaves no record.
    ///
    /// # Errors
    /// `not-found`, `last-admin`.
    pub fn change_role(&self, leave: Leave, name: &str, role: Role, now: Now) -> Result<(), Stop> {
        self.withdraw_if_any(now, |batch| {
            let user = self.user_named(name)?;
            if user.role == role {
                return Ok(None);
            }
            self.check_another_admin(&user)?;
            let audit = AuditRecord::new(now.time, leave.actor(), "user.change-role")
                .with("id", user.id)
                .with("from", user.role)
                .with("to", role);
            let batch = self.end_sessions_of(batch, user.id)?;
            let changed = User { role, role_since: Some(now.time), ..user };
            Ok(Some((batch.put(Table::Users, changed.id.as_bytes(), cbor::encode(&changed)), audit)))
        })
    }

    /// Ends an account with its memberships and certificates. Its id is never given again, so whatever names it counts for
    /// nobody who is called the same later. One whose row is damaged can be ended, too.
    ///
    /// # Errors
    /// `not-found`, `last-admin`.
    pub fn delete_user(&self, leave: Leave, name: &str, now: Now) -> Result<(), Stop> {
        let name_key = self.store.name_key(Table::Users, &[0; 16], name);
        let serials = self.withdraw(now, |batch| {
            let missing = || not_found("user", name);
            let named = self.store.get(Table::Names, &name_key)?.ok_or_else(missing)?;
            let id = named.value.as_slice().try_into();
            let id =
                UserId::from_bytes(id.map_err(|_| Fault::new("a name leads to something that is no id"))?);
            let audit =
                AuditRecord::new(now.time, leave.actor(), "user.delete").with("id", id).with("name", name);
            let audit = match self.look_up::<User>(Table::Users, id.as_bytes())?.ok_or_else(missing)? {
                Listed::Sound(user) => {
                    self.check_another_admin(&user)?;
                    audit.with("role", user.role)
                }
                Listed::Damaged(_) => audit.with("row", "damaged"),
            };
            let enrolments = self.enrolments(id)?;
            let serials = still_listed(&enrolments, now.time);
            let batch = batch.delete(Table::Users, id.as_bytes()).delete(Table::Names, &name_key);
            let batch = self.end_sessions_of(self.end_approvals_of(batch, id, now)?, id)?;
            let batch = batch.delete(Table::Credentials, id.as_bytes());
            let batch = self
                .memberships(id)?
                .into_iter()
                .fold(batch, |batch, project| batch.delete(Table::Members, &Member::row_key(project, id)));
            let live = enrolments.into_iter().filter(|(_, _, certificate)| certificate.revoked.is_none());
            let batch = live.fold(batch, |batch, (spki, row, certificate)| {
                revoke(batch, &spki, &row, certificate, now.time)
            });
            Ok((batch, audit.with("certificates", serials.len()), serials))
        })?;
        self.publish_revocations(&serials, now)
    }

    /// Refuses to take away the last admin. Asked within the change, so that two cannot take away each other's last.
    fn check_another_admin(&self, user: &User) -> Result<(), Stop> {
        if user.role != Role::Admin {
            return Ok(());
        }
        let mut others = 0;
        self.each(Table::Users, &[], |_, row| {
            let other: User = cbor::decode(&row.value)?;
            // A disabled admin is no loss as long as there is another, disabled or not.
            let counts = other.role == Role::Admin && (other.disabled.is_none() || user.disabled.is_some());
            others += u32::from(counts && other.id != user.id);
            Ok(())
        })?;
        if others == 0 { Err(Code::LastAdmin.into()) } else { Ok(()) }
    }

    pub(super) fn enrolments(&self, user: UserId) -> Result<Enrolments, Stop> {
        let mut found = Vec::new();
        self.each(Table::Certificates, &[], |spki, row| {
            let certificate: Certificate = cbor::decode(&row.value)?;
            if certificate.user == Some(user) {
                found.push((spki.to_vec(), row, certificate));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Demands a second factor beside the password of an account, or demands it no more. What is so already leaves no record.
    ///
    /// # Errors
    /// `not-found`.
    pub fn enforce_totp(&self, leave: Leave, name: &str, is_demanded: bool, now: Now) -> Result<(), Stop> {
        self.withdraw_if_any(now, |batch| {
            let (user, mut credentials) = self.account_named(name)?.ok_or_else(|| not_found("user", name))?;
            if credentials.totp_enforced.is_some() == is_demanded {
                return Ok(None);
            }
            credentials.totp_enforced = is_demanded.then_some(now.time);
            let audit = AuditRecord::new(now.time, leave.actor(), "user.enforce-totp")
                .with("id", user.id)
                .with("demanded", is_demanded);
            let batch = batch.put(Table::Credentials, user.id.as_bytes(), cbor::encode(&credentials));
            Ok(Some((batch, audit)))
        })
    }
}

/// Serial numbers that the list of revoked certificates has to name: those that have not ended by themselves.
fn still_listed(enrolments: &Enrolments, now: Timestamp) -> Vec<Vec<u8>> {
    enrolments.iter().filter_map(|(_, _, certificate)| certificate.listed_serial(now)).collect()
}
