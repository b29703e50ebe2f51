//! What becomes of key versions by somebody's word: disabled, enabled, compromised, other windows. The answer comes after the
//! effect: from then on no request that begins finds the version as it was, its key is out of memory, and what was opened under
//! it before and waits still is not given out.

use std::sync::atomic::Ordering;

use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::key_due::Due;
use crate::domain::key_life::KeyState;
use crate::domain::key_move::{Because, WrongKeyState};
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::access::Leave;
use super::activating::note_waiting;
use super::catalog::not_found;
use super::fault::{Fault, Stop};
use super::key_shown::KeyShown;
use super::listed::Listed;
use super::operational::Operational;
use super::rotation::{MayTurn, NextKey};

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

/// What a compromise did.
enum Outcome {
    /// Another reason was recorded: it was so already.
    Again,
    /// It seals nothing any more.
    Stopped {
        /// Nothing does in its place, until the next version can be made.
        waits: bool,
    },
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
            .with_key(self.version.place())
            .with("state", self.version.life.state().name())
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
        let row_key = object.key_place(of.version).row_key();
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
        why: Description,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        self.move_key(&leave, of, "key.disable", why, now, KeyVersion::disable)?;
        self.key_shown(of)
    }

    /// Lets a disabled key version do again what it did. One that is not disabled leaves no record.
    ///
    /// # Errors
    /// `not-found`, `wrong-key-state`.
    pub fn enable_key(&self, leave: Leave, of: &KeyOf, why: Description, now: Now) -> Result<KeyShown, Stop> {
        self.move_key(&leave, of, "key.enable", why, now, KeyVersion::enable)?;
        self.key_shown(of)
    }

    /// Makes one move of one version, unless it is where it leads already.
    pub(super) fn move_key(
        &self,
        leave: &Leave,
        of: &KeyOf,
        act: &'static str,
        why: Description,
        now: Now,
        to: impl FnOnce(KeyVersion, Because) -> Result<Option<KeyVersion>, WrongKeyState>,
    ) -> Result<(), Stop> {
        let moved = self.change_keys_maybe(now, |batch| {
            let found = self.find_key(of)?;
            let because = Because::of(leave.actor(), now.time, Some(why.clone()));
            let moved = to(found.version.clone(), because).map_err(Refusal::from)?;
            let Some(version) = moved else { return Ok(None) };
            let found = FoundKey { version, ..found };
            let row_key = found.version.place().row_key();
            let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&found.version));
            // It waits for its copy again.
            let batch = match found.version.life.state() {
                KeyState::PreActive => note_waiting(batch, Table::KeyVersions, &row_key),
                _ => batch,
            };
            let audit = found.audit(leave, act, now).with_reason(Some(&why));
            Ok(Some((batch, audit, found.version)))
        })?;
        let version = match moved {
            Some(version) if version.is_closed() => {
                self.witness_withdrawal(now);
                version
            }
            Some(version) => version,
            // Followed all the same: a write that was said to have failed may have landed.
            None => self.find_key(of)?.version,
        };
        self.follow(&version);
        Ok(())
    }

    /// What is in memory follows what is stored.
    pub(super) fn follow(&self, version: &KeyVersion) {
        self.destructions.met(version);
        let place = version.place();
        if version.is_closed() {
            self.close_key(place);
        } else {
            self.reopen_key(place);
        }
        if !version.life.state().may_come_to_seal() {
            self.leases.forget(place);
        }
        if version.life.state() == KeyState::Compromised {
            // Where it is the current one, nothing is encrypted until the next one is made.
            self.keys_due.soon.store(true, Ordering::Release);
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
        let (version, outcome) = self.change_keys(now, |batch| {
            let found = self.find_key(of)?;
            let because = Because::of(leave.actor(), now.time, Some(why.clone()));
            let found_sealing = found.is_current() && found.version.life.state().may_come_to_seal();
            let Some(version) = found.version.clone().compromise(because.clone()).map_err(Refusal::from)?
            else {
                let audit = found.audit(&leave, "key.compromise", now).with("again", "yes");
                return Ok((batch, audit.with_reason(Some(&why)), (found.version, Outcome::Again)));
            };
            let takes_over = found_sealing && found.object.retired.is_none();
            let found = FoundKey { version, ..found };
            let row_key = found.version.place().row_key();
            let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&found.version));
            let audit = found.audit(&leave, "key.compromise", now).with_reason(Some(&why));
            let FoundKey { object, version, .. } = found;
            let next = match kek {
                Ok(kek) if takes_over => self.may_turn_or_wait(object)?.map(|object| (kek, object)),
                _ => None,
            };
            let Some((kek, object)) = next else {
                return Ok((batch, audit, (version, Outcome::Stopped { waits: takes_over })));
            };
            let wraps = self.wrapping_now(project, kek, now)?;
            let before = Some(version.clone());
            let turned = self.turn(batch, &wraps, object, before, &NextKey::default(), because)?;
            let audit = audit.with("next-version", turned.version);
            Ok((turned.batch, audit, (version, Outcome::Stopped { waits: false })))
        })?;
        // Felt before the token is asked to witness it.
        self.follow(&version);
        if let Outcome::Stopped { waits } = outcome {
            if waits {
                self.keys_due.wait(version.place(), Due::Compromised);
            }
            self.witness_withdrawal(now);
            self.escrow_at_once(now);
        }
        self.key_shown(of)
    }

    /// That an object may have another version. Whatever keeps that from being made keeps nobody from stopping the one before.
    fn may_turn_or_wait(&self, object: Object) -> Result<Option<MayTurn>, Stop> {
        match self.may_turn(object) {
            Ok(object) => Ok(Some(object)),
            Err(Stop::Refused(refusal)) => {
                let code = refusal.code.as_str();
                tracing::warn!(code, "no other key version can take over at present");
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Sets ends of the windows of a key version. Where they are so already, nothing is recorded.
    ///
    /// # Errors
    /// `not-found`, `wrong-key-state`; `bad-request` for windows that cannot be.
    pub fn set_key_windows(
        &self,
        leave: Leave,
        of: &KeyOf,
        windows: Windows,
        why: Description,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        self.change_keys_maybe(now, |batch| {
            let found = self.find_key(of)?;
            let old = &found.version;
            let encrypt = windows.encrypt.map_or(old.encrypt_until, Window::end);
            let decrypt = windows.decrypt.map_or(old.decrypt_until, Window::end);
            let because = Because::of(leave.actor(), now.time, Some(why.clone()));
            let Some(version) = old.clone().set_windows(encrypt, decrypt, because)? else { return Ok(None) };
            let found = FoundKey { version, ..found };
            let row_key = found.version.place().row_key();
            let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&found.version));
            let end = |end: Option<Timestamp>| end.map_or_else(|| "never".to_owned(), |end| end.to_string());
            let audit = found
                .audit(&leave, "key.windows", now)
                .with("encrypt-until", end(encrypt))
                .with("decrypt-until", end(decrypt));
            Ok(Some((batch, audit.with_reason(Some(&why)), ())))
        })?;
        self.keys_due.soon.store(true, Ordering::Release);
        self.key_shown(of)
    }
}
