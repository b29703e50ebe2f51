//! Rotation by itself: a version that seals and has become old, is half used up, is about to seal no more, or was compromised
//! while the next could not be made, gets its next one. Where that cannot be done it is tried again, and health says so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::key_due::Due;
use crate::domain::key_move::Because;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::KeyVersion;
use crate::domain::limits::ROTATE_AFTER_DAYS_MAX;
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::catalog::not_found;
use super::fault::{Fault, Stop};
use super::listed::Listed;
use super::operational::Operational;
use super::rotation::NextKey;
use super::wear::KeyName;

/// Versions named by health at most.
const WAITING_MAX: usize = 1_000;

/// Versions that are due, as far as they are known, and could not be replaced yet.
#[derive(Default)]
pub(super) struct KeysDue {
    /// Something was changed by which one may be due at once.
    pub soon: AtomicBool,
    waiting: Mutex<BTreeMap<KeyPlace, Due>>,
}

/// A key version that waits to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueKey {
    /// Which.
    pub key: KeyName,
    /// Why.
    pub due: Due,
}

impl KeysDue {
    /// One waits; whether that is news.
    pub(super) fn wait(&self, place: KeyPlace, due: Due) -> bool {
        let mut waiting = self.waiting.lock();
        let has_room = waiting.len() < WAITING_MAX || waiting.contains_key(&place);
        has_room && waiting.insert(place, due).is_none()
    }

    /// It was replaced, or is none that seals.
    pub(super) fn forget(&self, place: KeyPlace) {
        self.waiting.lock().remove(&place);
    }

    /// A pass begins: what still waits will be met again.
    pub(super) fn forget_all(&self) {
        self.waiting.lock().clear();
    }
}

impl Operational {
    /// The versions that wait to be replaced, as far as they are known.
    pub(super) fn due_keys(&self) -> Vec<DueKey> {
        let waiting = self.keys_due.waiting.lock();
        let named = waiting.iter().map(|(place, due)| DueKey { key: KeyName::KeyVersion(*place), due: *due });
        named.collect()
    }

    /// Replaces the versions that were found worn by those who use them.
    pub(super) fn turn_worn(&self, now: Now) {
        if !self.clock_is_trusted() || !self.policies().rotation.automatic {
            return;
        }
        for place in self.leases.worn.places() {
            let turned = self.look_up::<KeyVersion>(Table::KeyVersions, &place.row_key()).and_then(|row| {
                row.and_then(Listed::sound).map_or(Ok(()), |version| self.turn_due(&version, now))
            });
            if let Err(stop) = turned {
                tracing::error!(%stop, "a worn key version could not be replaced");
            }
        }
    }

    /// Replaces a version if that is due.
    pub(super) fn turn_due(&self, version: &KeyVersion, now: Now) -> Result<(), Stop> {
        let place = version.place();
        let Some((object, due)) = self.due(version, now)? else {
            self.keys_due.forget(place);
            return Ok(());
        };
        if !self.policies().rotation.automatic {
            self.keys_due.wait(place, due);
            return Ok(());
        }
        let project: Project = self
            .read(Table::Projects, object.project.as_bytes())?
            .ok_or_else(|| Fault::new(format!("the project of object {} is gone", object.id)))?;
        if project.retired.is_some() {
            return Ok(());
        }
        let kek = match self.load_kek(&project, now) {
            Ok(kek) => kek,
            Err(stop) => {
                if self.keys_due.wait(place, due) {
                    tracing::warn!(%stop, object = %object.id, why = due.why(), "a key could not be rotated yet");
                }
                return Ok(());
            }
        };
        let turned = self.change_keys_maybe(now, |batch| {
            // As they lie now: somebody may have been here first.
            let Some(object) = self.read::<Object>(Table::Objects, object.id.as_bytes())? else {
                return Ok(None);
            };
            let before = self.current_version(&object)?;
            let still = before.as_ref().map(|before| self.due(before, now)).transpose()?.flatten();
            let Some((_, due)) = still else { return Ok(None) };
            let because = Because::system(now.time, due.why());
            let wraps = self.wrapping_now(project, kek, now)?;
            let object = self.may_turn(object)?;
            let turned = self.turn(batch, &wraps, object, before, &NextKey::default(), because)?;
            let audit = AuditRecord::new(now.time, Actor::System, "key.rotate");
            let audit = turned.audit(audit).with("reason", due.why());
            Ok(Some((turned.batch, audit, turned.version)))
        });
        let to = match turned {
            Ok(Some(to)) => to,
            Ok(None) => return Ok(()),
            // The next one is made, and seals once it is in the escrow log.
            Err(Stop::Refused(refusal)) if refusal.code == Code::NotInEscrow => {
                self.keys_due.wait(place, due);
                return Ok(());
            }
            Err(stop) => {
                self.keys_due.wait(place, due);
                return Err(stop);
            }
        };
        self.keys_due.forget(place);
        self.leases.forget(place);
        tracing::info!(object = %object.id, version = to, why = due.why(), "a key was rotated");
        Ok(())
    }

    /// Why a version is to be replaced, if it is the one that seals, or should, of an object in service.
    fn due(&self, version: &KeyVersion, now: Now) -> Result<Option<(Object, Due)>, Stop> {
        let object = self.object_of_key(version.key_id)?.and_then(Listed::sound);
        let Some(object) =
            object.filter(|object| object.current_version == version.version && object.retired.is_none())
        else {
            return Ok(None);
        };
        let after_days = object.rotate_after_days.unwrap_or(self.policies().rotation.after_days);
        let uses = self.key_uses(object.id, version)?.uses;
        Ok(version.rotation_due(after_days, uses, now.time).map(|due| (object, due)))
    }

    /// Lets the key of an object become so old and no older; 0 any age, none as the policy says.
    ///
    /// # Errors
    /// `not-found`; `bad-request` for more days than there may be.
    pub fn set_rotation(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        after_days: Option<u32>,
        now: Now,
    ) -> Result<(), Stop> {
        if after_days.is_some_and(|days| days > ROTATE_AFTER_DAYS_MAX) {
            let why = format!(
                "A key may become {ROTATE_AFTER_DAYS_MAX} days old at most; 0 lets it become any age."
            );
            return Err(Refusal::new(Code::BadRequest).detail(why).into());
        }
        let project = self.project_named(project)?.id;
        let changed = self.change_maybe(now, |batch| {
            let object = self.object_named(project, name)?.ok_or_else(|| not_found("object", name))?;
            if object.rotate_after_days == after_days {
                return Ok(None);
            }
            let days = after_days.map_or_else(|| "policy".to_owned(), |days| days.to_string());
            let audit = AuditRecord::new(now.time, actor, "object.set-rotation")
                .with("id", object.id)
                .with("project", project)
                .with("after-days", days);
            let object = Object { rotate_after_days: after_days, ..object };
            Ok(Some((batch.put(Table::Objects, object.id.as_bytes(), cbor::encode(&object)), audit, ())))
        })?;
        if changed.is_some() {
            self.keys_due.soon.store(true, Ordering::Release);
        }
        Ok(())
    }
}
