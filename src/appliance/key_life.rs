//! What becomes of key versions by somebody's word: disabled, enabled, compromised, other windows. The answer comes after the
//! effect: from then on no request that begins finds the version as it was, its key is out of memory, and what was opened under
//! it before and waits still is not given out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::key_due::Due;
use crate::domain::key_move::{Because, WrongKeyState};
use crate::domain::key_version::{KeyState, KeyVersion};
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::access::Leave;
use super::activating::note_waiting;
use super::catalog::not_found;
use super::fault::{Fault, Stop};
use super::key_shown::KeyShown;
use super::listed::Listed;
use super::operational::Operational;
use super::rotation::{NextKey, because_of};

/// A key version, as people name it.
#[derive(Debug, Clone)]
pub struct KeyOf {
    /// Its project's name.
    pub project: String,
    /// Its object's name.
    pub object: String,
    /// From 1.
    pub version: u32,
}

/// One end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// There is none any more.
    Never,
    /// This moment.
    Until(Timestamp),
}

/// Other ends of the windows of a key version; those that are not named stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Windows {
    /// Of encrypting.
    pub encrypt: Option<Window>,
    /// Of decrypting.
    pub decrypt: Option<Window>,
}

impl Window {
    const fn end(self) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Until(end) => Some(end),
        }
    }
}

/// What a key version is found with.
pub(super) struct FoundKey {
    pub project: Project,
    pub object: Object,
    pub version: KeyVersion,
}

impl FoundKey {
    pub(super) fn audit(&self, leave: &Leave, act: &'static str, now: Now) -> AuditRecord {
        AuditRecord::new(now.time, leave.actor(), act)
            .with("object", self.object.id)
            .with("project", self.project.id)
            .with("key-id", format!("{:08x}", self.version.key_id))
            .with("version", self.version.version)
            .with("state", self.version.state.name())
    }

    pub(super) const fn is_current(&self) -> bool {
        self.object.current_version == self.version.version
    }
}

impl Operational {
    /// A key version of a name.
    ///
    /// # Errors
    /// `not-found`; a fault when its row is damaged.
    pub(super) fn find_key(&self, of: &KeyOf) -> Result<FoundKey, Stop> {
        let project = self.project_named(&of.project)?;
        let object =
            self.object_named(project.id, &of.object)?.ok_or_else(|| not_found("object", &of.object))?;
        let row_key = KeyVersion::row_key(object.key_id, of.version);
        let row = self.look_up::<KeyVersion>(Table::KeyVersions, &row_key)?;
        match row.ok_or_else(|| not_found("key version", &of.version.to_string()))? {
            Listed::Sound(version) => Ok(FoundKey { project, object, version }),
            Listed::Damaged(row) => Err(Fault::new(format!(
                "the record {row} is damaged; make the next key version with gembok key rotate"
            ))
            .into()),
        }
    }

    /// Lets a key version neither encrypt nor decrypt until it is enabled. One that is disabled leaves no record.
    ///
    /// # Errors
    /// `not-found`, `wrong-key-state`.
    pub fn disable_key(
        &self,
        leave: Leave,
        of: &KeyOf,
        why: Option<Description>,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        self.move_key(&leave, of, "key.disable", why, now, KeyVersion::disable)?;
        self.key_shown(of)
    }

    /// Lets a disabled key version do again what it did. One that is not disabled leaves no record.
    ///
    /// # Errors
    /// `not-found`, `wrong-key-state`.
    pub fn enable_key(
        &self,
        leave: Leave,
        of: &KeyOf,
        why: Option<Description>,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        self.move_key(&leave, of, "key.enable", why, now, KeyVersion::enable)?;
        self.key_shown(of)
    }

    /// Makes one move of one version, unless it is where it leads already.
    pub(super) fn move_key(
        &self,
        leave: &Leave,
        of: &KeyOf,
        act: &'static str,
        why: Option<Description>,
        now: Now,
        to: impl FnOnce(KeyVersion, Because) -> Result<Option<KeyVersion>, WrongKeyState>,
    ) -> Result<(), Stop> {
        let mut is_so_already = None;
        let moved = self.change_keys(now, |batch| {
            let found = self.find_key(of)?;
            let because = Because::of(leave.actor(), now.time, why.clone());
            let moved = to(found.version.clone(), because).map_err(Refusal::from)?;
            let Some(version) = moved else {
                is_so_already = Some(found.version);
                return Err(Code::Conflict.into());
            };
            let found = FoundKey { version, ..found };
            let row_key = KeyVersion::row_key(found.version.key_id, found.version.version);
            let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&found.version));
            // It waits for its copy again.
            let batch = match found.version.state {
                KeyState::PreActive => note_waiting(batch, Table::KeyVersions, &row_key),
                _ => batch,
            };
            let audit = because_of(found.audit(leave, act, now), why.as_ref());
            Ok((batch, audit, found.version))
        });
        // Also where it was so already: a write that was said to have failed may have landed.
        let version = match (moved, is_so_already) {
            (_, Some(version)) => version,
            (Ok(version), None) => {
                if version.is_closed() {
                    self.witness_withdrawal(now);
                }
                version
            }
            (Err(stop), None) => return Err(stop),
        };
        self.follow(&version);
        Ok(())
    }

    /// What is in memory follows what is stored.
    pub(super) fn follow(&self, version: &KeyVersion) {
        let place = (version.key_id, version.version);
        if version.is_closed() {
            self.close_key(place);
        } else {
            self.reopen_key(place);
        }
        if !version.state.may_come_to_seal() {
            self.leases.forget(place);
        }
    }

    /// Lets a key version that somebody else may have encrypt nothing any more. Where it is the one that encrypts, the next one
    /// is made in the same commit; while the token is away nothing is encrypted until that can be made. Of one that is compromised
    /// already the reason is recorded, and nothing else becomes of it.
    ///
    /// # Errors
    /// `not-found`; `wrong-key-state` for one that is destroyed.
    pub fn compromise_key(
        &self,
        leave: Leave,
        of: &KeyOf,
        why: Description,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        let project = self.project_named(&of.project)?;
        let kek = self.load_kek(&project, now).inspect_err(|stop| {
            tracing::warn!(%stop, "the KEK cannot be had, so no other key version can take over at present");
        });
        let (mut is_so_already, mut waits) = (false, false);
        let version = self.change_keys(now, |batch| {
            let found = self.find_key(of)?;
            let because = Because::of(leave.actor(), now.time, Some(why.clone()));
            let found_sealing = found.is_current() && found.version.state.may_come_to_seal();
            let Some(version) = found.version.clone().compromise(because.clone()).map_err(Refusal::from)?
            else {
                is_so_already = true;
                let audit = found.audit(&leave, "key.compromise", now).with("again", "yes");
                return Ok((batch, because_of(audit, Some(&why)), found.version));
            };
            let takes_over = found_sealing && found.object.retired.is_none();
            let found = FoundKey { version, ..found };
            let row_key = KeyVersion::row_key(found.version.key_id, found.version.version);
            let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&found.version));
            let audit = because_of(found.audit(&leave, "key.compromise", now), Some(&why));
            let version = found.version.clone();
            let can_take_over = match self.check_turn(&found.object) {
                Ok(_) => true,
                // Whatever keeps the next version from being made keeps nobody from stopping this one.
                Err(Stop::Refused(refusal)) => {
                    tracing::warn!(
                        code = refusal.code.as_str(),
                        "no other key version can take over at present"
                    );
                    false
                }
                Err(fault) => return Err(fault),
            };
            let (true, true, Ok(kek)) = (takes_over, can_take_over, &kek) else {
                waits = takes_over;
                return Ok((batch, audit, version));
            };
            let (next, before) = (NextKey::default(), Some(found.version.clone()));
            let wraps = self.wrapping_now(project, Arc::clone(kek), now)?;
            let turned = self.turn(batch, &wraps, found.object, before, &next, because)?;
            let audit = audit.with("next-version", turned.version);
            Ok((turned.batch, audit, version))
        })?;
        // Felt before the token is asked to witness it.
        self.follow(&version);
        if !is_so_already {
            if waits {
                self.keys_due.wait((version.key_id, version.version), Due::Compromised);
            }
            self.witness_withdrawal(now);
            self.escrow_at_once(now);
        }
        self.key_shown(of)
    }

    /// Sets ends of the windows of a key version. A window to decrypt grows only with a reason. Where they are so already, nothing is
    /// recorded.
    ///
    /// # Errors
    /// `not-found`, `wrong-key-state`; `bad-request` for windows that cannot be, and for a growing one without a reason.
    pub fn set_key_windows(
        &self,
        leave: Leave,
        of: &KeyOf,
        windows: Windows,
        why: Option<Description>,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        self.change_windows(&leave, of, windows, why.as_ref(), now)?;
        self.keys_due.soon.store(true, Ordering::Release);
        self.key_shown(of)
    }

    fn change_windows(
        &self,
        leave: &Leave,
        of: &KeyOf,
        windows: Windows,
        why: Option<&Description>,
        now: Now,
    ) -> Result<(), Stop> {
        let _changes = self.changing.lock();
        let _no_lease = self.leases.hold();
        self.change_if_any(now, |batch| {
            let found = self.find_key(of)?;
            let old = &found.version;
            let encrypt = windows.encrypt.map_or(old.encrypt_until, Window::end);
            let decrypt = windows.decrypt.map_or(old.decrypt_until, Window::end);
            let because = Because::of(leave.actor(), now.time, why.cloned());
            let Some(version) = old.clone().set_windows(encrypt, decrypt, because)? else { return Ok(None) };
            let found = FoundKey { version, ..found };
            let row_key = KeyVersion::row_key(found.version.key_id, found.version.version);
            let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&found.version));
            let end = |end: Option<Timestamp>| end.map_or_else(|| "never".to_owned(), |end| end.to_string());
            let audit = found
                .audit(leave, "key.windows", now)
                .with("encrypt-until", end(encrypt))
                .with("decrypt-until", end(decrypt));
            Ok(Some((batch, because_of(audit, why))))
        })
    }
}
