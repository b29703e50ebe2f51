//! After a rotation of a project's KEK: what its older versions have wrapped is wrapped anew by the newest, in pages, while
//! everything is served; then the older ones are destroyed.
//!
//! ```text
//! rotation ──> look: how many? ──> page, page, page … ──> look: none left? ──> older versions gone
//!   notes what is owed             each with how far it came                   and the note
//! ```
//!
//! It goes on where the note says: after a lock, a crash, a token that was away. Only a KEK that is not in memory needs the
//! token. A row that somebody else writes meanwhile (a lease, a verb) makes its page a conflict, and the page is read again: so
//! no change is lost. Rotations that meet at the same place go on together, so that many of them walk along the tables once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use minicbor::{Decode, Encode};
use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::ProjectId;
use crate::domain::project::{Kek, Project};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::Stop;
use super::keyring::kek_row_key;
use super::listed::Listed;
use super::operational::Operational;
use super::rewrap_page::NewestKeks;
use super::slice::Trouble;
use super::under_kek::KINDS;

/// Until keys that did not open are tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(3_600);
/// What the row keys of the notes in the counters begin with; a project's id follows.
const OWED: &[u8] = b"kek-rewrap";

/// How far a project's keys have come. Absent where nothing is owed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Default)]
#[cbor(map)]
pub(super) struct Owed {
    /// Which of [`KINDS`]; behind the last, all were gone through.
    #[n(0)]
    kind: u8,
    /// The last row looked at in it; empty at its beginning.
    #[cbor(n(1), with = "minicbor::bytes")]
    after: Vec<u8>,
    /// Keys wrapped anew.
    #[n(2)]
    done: u64,
    /// Of so many; not known before the first look.
    #[n(3)]
    of: Option<u64>,
}

/// How far a project's keys are with the newest KEK version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrapping {
    /// Keys wrapped anew.
    pub done: u64,
    /// Of so many; not known at the beginning.
    pub of: Option<u64>,
}

/// What is remembered from one turn to the next; nothing of it is missed after a crash.
#[derive(Default)]
pub(super) struct Rewraps {
    look: Mutex<Option<Look>>,
    /// Projects with keys that do not open: until when they are left alone.
    waiting: Mutex<BTreeMap<ProjectId, Instant>>,
    trouble: Trouble,
    /// The last turn was a look's: a page comes before the next one.
    looked: AtomicBool,
}

/// A walk along all rows that counts what older KEK versions wrap. It takes its time, too.
struct Look {
    /// Of these, with the version that wraps.
    projects: BTreeMap<ProjectId, (u32, u64)>,
    at: RowPlace,
}

/// A place in the tables, in the order in which they are gone through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct RowPlace {
    /// Which of [`KINDS`]; behind the last, all were gone through.
    pub(super) kind: u8,
    /// The last row looked at in it; empty at its beginning.
    pub(super) after: Vec<u8>,
}

/// Row key in the counters of what is owed to a project.
pub(super) fn owed_key(project: ProjectId) -> Vec<u8> {
    [OWED, project.as_bytes()].concat()
}

impl Owed {
    pub(super) fn place(&self) -> RowPlace {
        RowPlace { kind: self.kind, after: self.after.clone() }
    }

    /// The same with `keys` more, and come to `place`.
    pub(super) fn moved(self, keys: u64, RowPlace { kind, after }: RowPlace) -> Self {
        Self { kind, after, done: self.done.saturating_add(keys), ..self }
    }

    fn is_through(&self) -> bool {
        usize::from(self.kind) >= KINDS.len()
    }
}

impl Operational {
    /// How far a project's keys are, if older KEK versions still wrap some.
    pub(super) fn rewrapping_of(&self, project: ProjectId) -> Option<Rewrapping> {
        let owed = self.look_up::<Owed>(Table::Counters, &owed_key(project)).ok()??;
        Some(match owed {
            Listed::Sound(Owed { done, of, .. }) => Rewrapping { done, of },
            Listed::Damaged(_) => Rewrapping { done: 0, of: None },
        })
    }

    /// Every project whose keys are being wrapped anew, and how far they are; and why it does not go on, if it does not.
    pub(super) fn rewrappings(&self) -> (Vec<(String, Rewrapping)>, Option<String>) {
        let named = |project: ProjectId| {
            let found = self.look_up::<Project>(Table::Projects, project.as_bytes()).ok().flatten();
            match found.and_then(Listed::sound) {
                Some(project) => project.name.to_string(),
                None => project.to_string(),
            }
        };
        let owed = self.owed().unwrap_or_default().into_iter();
        let owed = owed.map(|(project, Owed { done, of, .. })| (named(project), Rewrapping { done, of }));
        let unopened = (!self.rewraps.waiting.lock().is_empty()).then(|| {
            "keys do not open under their KEK, so its older versions stay; the log names the projects"
                .to_owned()
        });
        (owed.collect(), self.rewraps.trouble.told().or(unopened))
    }

    /// Goes on with what is owed, for a part of a second.
    pub(super) fn tend_rewraps(&self, now: Now) {
        let done = self.for_a_slice(|| self.go_on_rewrapping(now));
        if let Some(trouble) = self.rewraps.trouble.note(&done) {
            tracing::warn!(
                trouble,
                "keys of a project cannot be wrapped anew at present; it is tried again each second"
            );
        }
    }

    /// Whether keys are being wrapped anew, so that KEKs will be destroyed.
    pub(super) fn is_rewrapping(&self) -> Result<bool, Stop> {
        let owed = self.owed()?;
        let waiting = self.rewraps.waiting.lock();
        Ok(owed.keys().any(|project| !waiting.contains_key(project)))
    }

    /// One step of what is owed. Whether there is more to do now.
    fn go_on_rewrapping(&self, now: Now) -> Result<bool, Stop> {
        let mut owed = self.owed()?;
        if owed.is_empty() {
            return Ok(false);
        }
        {
            let mut look = self.rewraps.look.lock();
            if let Some(under_way) = look.as_mut() {
                if self.look_on(under_way)? {
                    let projects = look.take().map(|look| look.projects).unwrap_or_default();
                    self.settle_look(&owed, projects, now)?;
                }
                return Ok(true);
            }
        }
        let mut waiting = self.rewraps.waiting.lock();
        waiting.retain(|_, until| now.instant < *until);
        owed.retain(|project, _| !waiting.contains_key(project));
        drop(waiting);
        let unknown = |owed: &Owed| owed.of.is_none();
        let is_ready = |owed: &Owed| owed.of.is_some() && !owed.is_through();
        // Else whoever rotates a KEK again and again would have nothing but looks.
        if self.rewraps.looked.swap(false, Ordering::AcqRel) && owed.values().any(is_ready) {
            owed.retain(|_, owed| is_ready(owed));
            self.rewrap_page(&owed, now)?;
            return Ok(true);
        }
        for is_due in [&unknown as &dyn Fn(&Owed) -> bool, &Owed::is_through] {
            let due = owed.iter().filter(|(_, owed)| is_due(owed)).map(|(project, _)| *project);
            let due: Vec<_> = due.collect();
            if !due.is_empty() {
                self.rewraps.looked.store(true, Ordering::Release);
                return self.begin_look(due, now);
            }
        }
        if owed.is_empty() {
            return Ok(false);
        }
        self.rewrap_page(&owed, now)?;
        Ok(true)
    }

    /// What is owed, by project. A note that does not open is one of the beginning: what was done is found done.
    fn owed(&self) -> Result<BTreeMap<ProjectId, Owed>, Stop> {
        let mut all = BTreeMap::new();
        self.each_listed(Table::Counters, OWED, |row_key, row| {
            let id = row_key.get(OWED.len()..).and_then(|id| id.try_into().ok());
            let owed = row.decode::<Owed>()?.sound().unwrap_or_default();
            all.extend(id.map(|id| (ProjectId::from_bytes(id), owed)));
            Ok(())
        })?;
        Ok(all)
    }

    /// Begins to count. A project that is no more owes nothing.
    fn begin_look(&self, due: Vec<ProjectId>, now: Now) -> Result<bool, Stop> {
        let mut projects = BTreeMap::new();
        for id in due {
            match self.look_up::<Project>(Table::Projects, id.as_bytes())? {
                Some(Listed::Sound(project)) => {
                    projects.insert(id, (project.kek_version, 0));
                }
                Some(Listed::Damaged(row)) => {
                    tracing::error!(%row, "a damaged project's keys stay as they are");
                    self.let_wait(id, now);
                }
                None => self.change(now, |batch| {
                    let audit = AuditRecord::new(now.time, Actor::System, "kek.rewrap").with("project", id);
                    Ok((batch.delete(Table::Counters, &owed_key(id)), audit.with("left", "no project"), ()))
                })?,
            }
        }
        let has_any = !projects.is_empty();
        *self.rewraps.look.lock() = has_any.then(|| Look { projects, at: RowPlace::default() });
        Ok(has_any)
    }

    pub(super) fn let_wait(&self, project: ProjectId, now: Now) {
        self.rewraps.waiting.lock().insert(project, now.instant + AGAIN_AFTER);
    }

    /// Counts on. Whether it is at its end.
    fn look_on(&self, look: &mut Look) -> Result<bool, Stop> {
        let versions: NewestKeks = look.projects.iter().map(|(id, (version, _))| (*id, *version)).collect();
        let (found, next) = self.find(&look.at, None, &versions, usize::MAX)?;
        for found in found {
            if let Some((_, count)) = found.project.and_then(|id| look.projects.get_mut(&id)) {
                *count += 1;
            }
        }
        look.at = next;
        Ok(usize::from(look.at.kind) >= KINDS.len())
    }

    /// What a look found: how many there are to do, or that none is left.
    fn settle_look(
        &self,
        owed: &BTreeMap<ProjectId, Owed>,
        projects: BTreeMap<ProjectId, (u32, u64)>,
        now: Now,
    ) -> Result<(), Stop> {
        for (id, (version, count)) in projects {
            let Some(owed) = owed.get(&id) else { continue };
            match (owed.is_through() && owed.of.is_some(), count) {
                (true, 0) => self.destroy_older(id, version, now)?,
                (was_through, _) => {
                    let done = if was_through { owed.done } else { 0 };
                    if was_through {
                        tracing::error!(
                            project = %id,
                            keys = count,
                            "keys do not open under their KEK, so its older versions stay; destroy these key versions, or restore a \
                             backup"
                        );
                        self.let_wait(id, now);
                    }
                    let begun = Owed { of: Some(done + count), done, ..Owed::default() };
                    self.note(id, version, begun, now)?;
                }
            }
        }
        Ok(())
    }

    /// Notes how many keys there are, unless another rotation has come meanwhile.
    fn note(&self, id: ProjectId, version: u32, owed: Owed, now: Now) -> Result<(), Stop> {
        self.change_if_any(now, |batch| {
            let project: Option<Project> = self.read(Table::Projects, id.as_bytes())?;
            if project.is_none_or(|project| project.kek_version != version) {
                return Ok(None);
            }
            let audit = AuditRecord::new(now.time, Actor::System, "kek.rewrap")
                .with("project", id)
                .with("kek-version", version)
                .with("keys", owed.of.unwrap_or_default())
                .with("done", owed.done);
            Ok(Some((batch.put(Table::Counters, &owed_key(id), cbor::encode(&owed)), audit)))
        })
    }

    /// Nothing is wrapped under the versions before `version` any more: their keys go, and the note.
    fn destroy_older(&self, id: ProjectId, version: u32, now: Now) -> Result<(), Stop> {
        let mut gone = Vec::new();
        self.change_if_any(now, |batch| {
            let project: Option<Project> = self.read(Table::Projects, id.as_bytes())?;
            if project.is_none_or(|project| project.kek_version != version) {
                return Ok(None);
            }
            let mut batch = batch.delete(Table::Counters, &owed_key(id));
            let mut older = Vec::new();
            self.each(Table::Keks, id.as_bytes(), |row_key, row| {
                let number = row_key.last_chunk().map_or(version, |number| u32::from_be_bytes(*number));
                let kek: Kek = cbor::decode(&row.value)?;
                older.extend((number < version && kek.gone.is_none()).then_some((number, kek)));
                Ok(())
            })?;
            let written = self.file_written()?;
            for (number, kek) in older {
                let kek = kek.destroyed(now.time, written);
                batch = batch.put(Table::Keks, &kek_row_key(id, number), cbor::encode(&kek));
                gone.push(number);
            }
            if !gone.is_empty() {
                batch = self.owe_file(batch, now)?;
            }
            let versions: Vec<String> = gone.iter().map(ToString::to_string).collect();
            let audit = AuditRecord::new(now.time, Actor::System, "kek.destroy")
                .with("project", id)
                .with("versions", versions.join(","))
                .with("kek-version", version);
            Ok(Some((batch, audit)))
        })?;
        for number in &gone {
            self.keyring.forget_kek(id, *number);
        }
        tracing::info!(project = %id, kek_version = version, destroyed = gone.len(), "every key is wrapped by the newest KEK");
        Ok(())
    }
}
