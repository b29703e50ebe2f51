//! A page of what [`super::rewrap`] owes: rows that an older KEK version wraps are looked for, and wrapped anew in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::wrapped_key::{WrappedKey, WrappingKey};
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::{ObjectId, ProjectId};
use crate::domain::project::{Kek, Project};
use crate::domain::timestamp::Now;
use crate::store::{Batch, Scan, StoreError, Table};

use super::fault::Stop;
use super::keyring::{Held, kek_row_key};
use super::listed::Listed;
use super::operational::Operational;
use super::owners::Owner;
use super::rewrap::{Owed, RowPlace, owed_key};
use super::under_kek::KINDS;

/// Keys wrapped anew in one commit: other commits wait meanwhile.
const PAGE_ROWS: usize = 1_000;
/// Rows looked at in one go, and goes in a row that find nothing.
const LOOK_ROWS: usize = 2_000;
const LOOKS_MAX: usize = 50;
/// The KEK version of a key whose row does not say it: they count from 1.
const NO_KEK: u32 = 0;
/// Conflicts of a page in a row; then it waits for its next turn.
const CONFLICTS_MAX: usize = 16;

/// A row that an older KEK version wraps.
pub(super) struct Found {
    /// Which of [`KINDS`].
    kind: u8,
    row_key: Vec<u8>,
    object: ObjectId,
    /// Its project; not known where the object's row is damaged.
    pub(super) project: Option<ProjectId>,
    kek_version: u32,
}

/// Versions of KEKs at hand for a page.
type Keks = BTreeMap<(ProjectId, u32), Arc<Held<WrappingKey>>>;

/// Projects, each with the KEK version that wraps.
pub(super) type NewestKeks = BTreeMap<ProjectId, u32>;

impl Operational {
    /// One page of those who are furthest behind.
    pub(super) fn rewrap_page(&self, owed: &BTreeMap<ProjectId, Owed>, now: Now) -> Result<(), Stop> {
        let Some(from) = owed.values().map(Owed::place).min() else { return Ok(()) };
        let mut versions = NewestKeks::new();
        for (id, _) in owed.iter().filter(|(_, owed)| owed.place() == from) {
            match self.look_up::<Project>(Table::Projects, id.as_bytes())? {
                Some(Listed::Sound(project)) => versions.extend([(*id, project.kek_version)]),
                Some(Listed::Damaged(_)) => self.let_wait(*id, now),
                // The look at the end finds that it is no more.
                None => versions.extend([(*id, 0)]),
            }
        }
        // No further than where the next one stands: from there they go together.
        let to =
            owed.values().map(Owed::place).filter(|place| *place > from && place.kind == from.kind).min();
        let (mut found, mut next) = (Vec::new(), from.clone());
        for _ in 0..LOOKS_MAX {
            if !found.is_empty() || to.as_ref().is_some_and(|to| next >= *to) {
                break;
            }
            (found, next) = self.find(&next, to.as_ref(), &versions, PAGE_ROWS)?;
        }
        let keks = self.keks_for(&found, &versions, now)?;
        for _ in 0..CONFLICTS_MAX {
            match self.rewrap_found(&found, (&from, &next), &versions, &keks, now) {
                Err(stop) if stop.is_conflict() => {}
                done => return done,
            }
        }
        Ok(())
    }

    /// Rows behind `from` that other KEK versions of `projects` wrap than the ones named there, at most `limit` of them; and
    /// where to look on. Never beyond `to`, nor further than a part of a table.
    pub(super) fn find(
        &self,
        from: &RowPlace,
        to: Option<&RowPlace>,
        projects: &NewestKeks,
        limit: usize,
    ) -> Result<(Vec<Found>, RowPlace), Stop> {
        let Some(kind) = KINDS.get(usize::from(from.kind)) else { return Ok((Vec::new(), from.clone())) };
        let after = (!from.after.is_empty()).then_some(from.after.as_slice());
        let rows = self.store.scan(kind.table, Scan { prefix: &[], after, limit: LOOK_ROWS })?;
        let is_last = rows.len() < LOOK_ROWS;
        let (mut found, mut last) = (Vec::new(), from.clone());
        let mut owner: Option<(u32, Option<Owner>)> = None;
        for (row_key, row) in rows {
            if found.len() >= limit || to.is_some_and(|to| to.kind == from.kind && row_key > to.after) {
                return Ok((found, last));
            }
            last.after.clone_from(&row_key);
            // What does not open has no key that anybody could use.
            let Listed::Sound(row) = Listed::of(row)? else { continue };
            let kek_version = match kind.read_at(&row_key, Listed::Sound(row)) {
                Listed::Sound(row) => match row.wrapped() {
                    Some((kek_version, _)) => kek_version,
                    None => continue,
                },
                // It may have a key all the same: counted like one that does not open, so that its KEK stays.
                Listed::Damaged(_) => NO_KEK,
            };
            let key_id = row_key.first_chunk().map_or(0, |key_id| u32::from_be_bytes(*key_id));
            let of = match owner {
                Some((known, of)) if known == key_id => of,
                _ => self.owner(key_id)?,
            };
            owner = Some((key_id, of));
            let Some((object, project)) = of else { continue };
            let is_older = |project| projects.get(&project).is_some_and(|version| *version != kek_version);
            if project.is_none_or(is_older) {
                found.push(Found { kind: from.kind, row_key, object, project, kek_version });
            }
        }
        Ok((found, if is_last { RowPlace { kind: from.kind + 1, after: Vec::new() } } else { last }))
    }

    /// The KEKs that a page needs. Blocks: one that is not in memory is asked of the token.
    fn keks_for(&self, found: &[Found], versions: &NewestKeks, now: Now) -> Result<Keks, Stop> {
        let mut keks = Keks::new();
        let mut looked = std::collections::BTreeSet::new();
        for found in found {
            let is_of = |id: &ProjectId| found.project.is_none_or(|project| project == *id);
            for (id, version) in versions.iter().filter(|(id, _)| is_of(id)) {
                for number in [found.kek_version, *version] {
                    if !looked.insert((*id, number)) {
                        continue;
                    }
                    let kek = self.look_up::<Kek>(Table::Keks, &kek_row_key(*id, number))?;
                    let Some(Listed::Sound(Kek { gone: None, .. })) = kek else { continue };
                    let (store, master_keys) = (&self.store, &self.master_keys);
                    let held = self.keyring.load_kek(*id, number, store, master_keys, now.instant)?;
                    keks.insert((*id, number), held);
                }
            }
        }
        Ok(keks)
    }

    /// Wraps anew what was found, as it lies now, and notes how far that is.
    fn rewrap_found(
        &self,
        found: &[Found],
        (from, next): (&RowPlace, &RowPlace),
        versions: &NewestKeks,
        keks: &Keks,
        now: Now,
    ) -> Result<(), Stop> {
        self.change_if_any(now, |mut batch| {
            // Without those who were given another KEK meanwhile, which begin from the start.
            let mut live = BTreeMap::new();
            for (id, version) in versions {
                let project =
                    self.look_up::<Project>(Table::Projects, id.as_bytes())?.and_then(Listed::sound);
                let note = self.look_up::<Owed>(Table::Counters, &owed_key(*id))?.and_then(Listed::sound);
                let note = note.unwrap_or_default();
                if project.map_or(0, |project| project.kek_version) == *version && note.place() == *from {
                    live.insert(*id, (*version, note, 0u64));
                }
            }
            for found in found {
                let of = |id: &ProjectId| found.project.is_none_or(|project| project == *id);
                for (id, (version, _, done)) in live.iter_mut().filter(|(id, _)| of(id)) {
                    let (old, new) = (keks.get(&(*id, found.kek_version)), keks.get(&(*id, *version)));
                    let (Some(old), Some(new)) = (old, new) else { continue };
                    let is_done;
                    (batch, is_done) = self.rewrap(batch, found, *id, old.key(), new.key())?;
                    *done += u64::from(is_done);
                }
            }
            let sum: u64 = live.values().map(|(_, _, done)| done).sum();
            let mut audit = AuditRecord::new(now.time, Actor::System, "kek.rewrap").with("keys", sum);
            if let [(id, (version, ..))] = live.iter().collect::<Vec<_>>().as_slice() {
                audit = audit.with("project", id).with("kek-version", version);
            } else {
                audit = audit.with("projects", live.len());
            }
            let is_any = !live.is_empty();
            for (id, (_, note, done)) in live {
                let note = cbor::encode(&note.moved(done, next.clone()));
                batch = batch.put(Table::Counters, &owed_key(id), note);
            }
            Ok(is_any.then_some((batch, audit)))
        })
    }

    /// Wraps one key anew, if its row still names the old KEK and opens under it.
    fn rewrap(
        &self,
        batch: Batch,
        found: &Found,
        project: ProjectId,
        old: &WrappingKey,
        new: &WrappingKey,
    ) -> Result<(Batch, bool), Stop> {
        let Some(kind) = KINDS.get(usize::from(found.kind)) else { return Ok((batch, false)) };
        let stored = match self.store.get(kind.table, &found.row_key) {
            Ok(Some(stored)) => stored,
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok((batch, false)),
            Err(other) => return Err(other.into()),
        };
        let revision = stored.revision;
        let Listed::Sound(mut row) = kind.read_at(&found.row_key, Listed::Sound(stored)) else {
            return Ok((batch, false));
        };
        let Some((_, wrapped)) = row.wrapped().filter(|(by, _)| *by == old.version()) else {
            return Ok((batch, false));
        };
        let bound = |version| row.binding(*project.as_bytes(), *found.object.as_bytes(), version);
        let opened = WrappedKey::parse(wrapped).ok();
        let opened = opened.and_then(|wrapped| old.unwrap(&wrapped, &bound(old.version())).ok());
        // The look at the end counts those of this project, and the old KEK stays for them.
        let Some(key) = opened else { return Ok((batch, false)) };
        let wrapped = new.wrap(&key, &bound(new.version()))?.to_bytes();
        let rewrapped = row.rewrapped(new.version(), wrapped);
        let batch = batch.expect_at(kind.table, &found.row_key, revision);
        Ok((batch.put(kind.table, &found.row_key, rewrapped), true))
    }
}
