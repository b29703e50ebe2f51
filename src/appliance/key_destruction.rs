//! The end of a key version. Two persons want it, a time passes in which either of them, or anybody of the project, may take it
//! back, and then the key goes: out of its row, out of memory, and out of the store's file, which is written anew for that. What
//! is left is a row that says that there was one, and since when there is none.

use crate::domain::actor::Actor;
use crate::domain::approval::{Destruction, Kind};
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::key_life::Gone;
use crate::domain::key_move::{Because, WAITED_WHY, destruction_wait};
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Batch, Table};

use super::access::Leave;
use super::approvals::{ApprovalView, ask_audit, taken};
use super::fault::{Fault, Stop};
use super::key_life::{FoundKey, KeyOf};
use super::key_shown::KeyShown;
use super::listed::Listed;
use super::operational::Operational;
use super::second_person::{Seconded, ended, no, record};
use super::wanted::Wanted;

impl FoundKey {
    /// Whether requests may still seal under it: it is its object's current version, and the object is not retired.
    fn may_seal(&self) -> bool {
        self.is_current() && self.object.retired.is_none()
    }
}

impl Operational {
    /// Asks a second person to let a key version be destroyed, so many days after that.
    ///
    /// # Errors
    /// `not-found`, `wrong-key-state` for one that encrypts or whose end is near already, `bad-request` for the days,
    /// `already-exists` where that was asked and waits, `too-many-approvals`, `not-a-second-person` for whoever is no user.
    pub fn ask_destruction(
        &self,
        leave: Leave,
        of: &KeyOf,
        days: Option<u16>,
        why: Description,
        now: Now,
    ) -> Result<ApprovalView, Stop> {
        let wait = destruction_wait(days)?;
        let Actor::User(requester) = leave.actor() else {
            return Err(no("Whoever asks for a destruction signs in to the control plane."));
        };
        let asked = self.change(now, |batch| {
            self.check_asks(Some(requester), now)?;
            let found = self.find_key(of)?;
            let because = Because::of(leave.actor(), now.time, None);
            // Whether it can be done at all is told now, and looked at again when it is.
            let (version, at) = (found.version.clone(), now.time.plus(wait));
            version.schedule(at, found.may_seal(), because).map_err(Refusal::from)?;
            let destruction = Destruction {
                object: found.object.id,
                key_id: found.version.key_id,
                version: found.version.version,
                days: u16::try_from(wait.as_secs() / 86_400).unwrap_or(u16::MAX),
                why: Some(why.clone()),
            };
            let wanted = Wanted {
                kind: Kind::Destruction,
                subject: requester,
                project: Some(found.project.id),
                destruction: Some(destruction),
            };
            if let Some(same) = self.waiting_for(&wanted, now.time)? {
                let id = same.id;
                return Err(taken(format!("The same was asked for already, and waits: approval {id}.")));
            }
            let (batch, asked) = self.ask(batch, wanted, Some(requester), leave.actor().to_string(), now)?;
            let audit = ask_audit(&asked, leave.actor(), "key.schedule-destruction", now);
            Ok((batch, audit.with_reason(Some(&why)), asked))
        })?;
        self.approval_view(asked, now.time)
    }

    /// Two persons schedule a destruction; its time begins now.
    pub(super) fn schedule_destruction(
        &self,
        batch: Batch,
        seconded: Seconded,
        actor: Actor,
        now: Now,
    ) -> Result<(Batch, KeyVersion), Stop> {
        let approval = seconded.spend();
        let asked = approval.destruction.as_ref();
        let asked = asked.ok_or_else(|| Fault::new("an approval of a destruction names no key version"))?;
        let gone = || ended("The key version is not there any more.");
        let object: Object = self.read(Table::Objects, asked.object.as_bytes())?.ok_or_else(gone)?;
        let row_key = asked.place().row_key();
        let version: KeyVersion = self.read(Table::KeyVersions, &row_key)?.ok_or_else(gone)?;
        let is_current = object.current_version == version.version;
        let at = now.time.plus(destruction_wait(Some(asked.days))?);
        // The reason is that of whoever asked; both are named in the record beside.
        let because = Because::of(actor, now.time, asked.why.clone());
        let may_seal = is_current && object.retired.is_none();
        let version = version.schedule(at, may_seal, because).map_err(Refusal::from)?;
        let version = version.asked_by(&approval.asked_by);
        let audit = AuditRecord::new(now.time, actor, "key.schedule")
            .with("approval", approval.id)
            .with("asked-by", &approval.asked_by)
            .with("object", object.id)
            .with_key(version.place())
            .with("destroy-at", at);
        let batch = batch.put(Table::KeyVersions, &row_key, cbor::encode(&version));
        Ok((record(batch, &audit.with_reason(asked.why.as_ref())), version))
    }

    /// Takes a scheduled destruction back: the version is again what it was before.
    ///
    /// # Errors
    /// `not-found`; `wrong-key-state` where none is scheduled, or it was carried out.
    pub fn cancel_destruction(
        &self,
        leave: Leave,
        of: &KeyOf,
        why: Description,
        now: Now,
    ) -> Result<KeyShown, Stop> {
        let cancel = |version: KeyVersion, because| version.cancel(because).map(Some);
        self.move_key(&leave, of, "key.cancel-destruction", why, now, cancel)?;
        self.key_shown(of)
    }

    /// Destroys a version whose time has come.
    pub(super) fn destroy_key(&self, row_key: &[u8], now: Now) -> Result<(), Stop> {
        let version = self.change_keys(now, |batch| {
            // As it lies now: it may have been cancelled since it was looked at.
            let version: KeyVersion = self.read(Table::KeyVersions, row_key)?.ok_or(Code::NotFound)?;
            let because = Because::system(now.time, WAITED_WHY);
            let master_key = self.master_keys.last().map_or(0, crate::hsm::MasterKey::generation);
            let mut version = version.destroy(master_key, because).map_err(Refusal::from)?;
            if let Some(gone) = version.life.gone_mut() {
                gone.written = self.file_written()?;
            }
            let audit = self.key_audit(&version, "key.destroy", now)?;
            let batch = batch.put(Table::KeyVersions, row_key, cbor::encode(&version));
            Ok((self.owe_file(batch, now)?, audit, version))
        })?;
        self.witness_withdrawal(now);
        self.follow(&version);
        tracing::info!(key = %version.place(), "a key was destroyed");
        Ok(())
    }

    /// What is recorded of what becomes of a version by itself.
    pub(super) fn key_audit(
        &self,
        version: &KeyVersion,
        act: &'static str,
        now: Now,
    ) -> Result<AuditRecord, Stop> {
        let object = self.object_id_of_key(version.key_id)?;
        let object = object.map(|id| id.to_string()).unwrap_or_default();
        Ok(AuditRecord::new(now.time, Actor::System, act)
            .with("object", object)
            .with_key(version.place())
            .with("state", version.life.state().name()))
    }

    /// Writes down since when no copy of a destroyed key can be unwrapped any more, once nothing stands against that: neither the
    /// KEK versions nor the MK generations by which a copy in an older file could be. Backups are none yet.
    pub(super) fn note_unrecoverable(&self, row_key: &[u8], now: Now) -> Result<(), Stop> {
        self.change_keys_maybe(now, |batch| {
            let mut version: KeyVersion = self.read(Table::KeyVersions, row_key)?.ok_or(Code::NotFound)?;
            let gone = version.life.gone_mut().filter(|gone| gone.unrecoverable.is_none());
            let Some(gone) = gone else { return Ok(None) };
            gone.unrecoverable = Some(now.time);
            let is_orphan = gone.orphan_of.is_some();
            let audit = self.key_audit(&version, "key.unrecoverable", now)?;
            let batch = if is_orphan {
                // Nobody can ask for it: the record is what tells.
                batch.delete(Table::KeyVersions, row_key)
            } else {
                batch.put(Table::KeyVersions, row_key, cbor::encode(&version))
            };
            Ok(Some((batch, audit, ())))
        })
        .map(drop)
    }

    /// Whether anything stands against the second date of the end of a version of a key.
    pub(super) fn is_recoverable(&self, key_id: u32, gone: Gone) -> Result<bool, Stop> {
        // Of most this is enough, for years, and needs no look at whose it was.
        if !self.stands_beside_keks(gone)?.is_empty() {
            return Ok(true);
        }
        let project = match (gone.orphan_of, self.object_of_key(key_id)?) {
            (Some(project), _) => project,
            (None, Some(Listed::Sound(object))) => object.project,
            // Whose KEKs wrapped it nobody knows.
            (None, Some(Listed::Damaged(_)) | None) => return Ok(true),
        };
        Ok(!self.stands_against(gone, project)?.is_empty())
    }
}
