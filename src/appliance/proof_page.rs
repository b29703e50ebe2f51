//! A page of the proof of the stored keys: the boot row's first, then KEKs, then data keys and index roots, each unwrapped and dropped.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::crypto::kcv::Kcv;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use crate::domain::id::ProjectId;
use crate::domain::key_place::KeyPlace;
use crate::domain::object::Object;
use crate::domain::project::{Kek, Project};
use crate::hsm::TokenError;
use crate::store::{Boot, Row, RowName, Scan, StoreError, Table};

use super::fault::Stop;
use super::key_proof::{FailedKey, KeyKind, KeysProved, PAGE_KEYS_MAX, StoredKey, Unproved};
use super::keyring::kek_row_key;
use super::listed::Listed;
use super::operational::Operational;
use super::proof_place::ProofPlace;
use super::under_kek::{KINDS, Kind, UnderKek};

/// Rows of other projects that a page passes over at most.
const PASSED_OVER_MAX: usize = 20_000;
/// A page begins nothing more after so long.
const PAGE_TAKES: Duration = Duration::from_secs(1);

/// KEKs unwrapped on the page, and those that were not.
type Keks = HashMap<(ProjectId, u32), Result<WrappingKey, Unproved>>;

/// Rows by row key, as a scan gives them.
type Rows = Vec<(Vec<u8>, Result<Row, StoreError>)>;

/// A page under way.
pub(super) struct ProofPage<'a> {
    appliance: &'a Operational,
    wants_kcv: bool,
    left: usize,
    until: Instant,
    keks: Keks,
    projects: HashMap<ProjectId, Option<String>>,
    pub(super) done: KeysProved,
}

impl<'a> ProofPage<'a> {
    /// Of at most `keys` keys.
    pub(super) fn begin(appliance: &'a Operational, keys: usize, wants_kcv: bool) -> Self {
        Self {
            appliance,
            wants_kcv,
            left: keys,
            until: Instant::now() + PAGE_TAKES,
            keks: Keks::new(),
            projects: HashMap::new(),
            done: KeysProved::default(),
        }
    }

    /// The keys of the boot row: few, and the first of all.
    pub(super) fn boot(&mut self, boot: &Boot) -> Result<Option<ProofPlace>, Stop> {
        let of = |kind, version| StoredKey { kind, project: None, object: None, version };
        let row = RowName::new(Table::Boot, &[]);
        let (mut current, mut proved) = (None, BTreeSet::new());
        for entry in &boot.store_keys {
            let generation = entry.generation;
            let unwrapped = self.by_token(&entry.wrapped, None, |mk| Binding::store_key(generation, mk))?;
            let unwrapped = self.note(&row, of(KeyKind::StoreKey, generation), unwrapped);
            if unwrapped.is_some() {
                proved.extend(WrappedKey::parse(&entry.wrapped).map(|wrapped| wrapped.wrapping_version()));
            }
            if generation == boot.current_store_key {
                current = unwrapped.map(|key| WrappingKey::new(generation, &key));
            }
        }
        let generation = boot.current_store_key;
        for (kind, wrapped, binding) in [
            (KeyKind::NameKey, &boot.name_key, Binding::name_key(generation)),
            (KeyKind::SubjectKey, &boot.subject_key, Binding::subject_key(generation)),
        ] {
            let unwrapped = match &current {
                Some(store_key) => in_process(store_key, wrapped, &binding),
                None => Err(Unproved::NoKeyAbove),
            };
            self.note(&row, of(kind, 1), unwrapped);
        }
        // What a generation opens proves it; one that wraps no store key any more is proved by its KEKs.
        for master_key in &self.appliance.master_keys {
            let generation = master_key.generation();
            *self.done.proved.entry(KeyKind::MasterKey).or_default() +=
                u64::from(proved.contains(&generation));
            if self.wants_kcv {
                self.done.kcvs.push((of(KeyKind::MasterKey, generation), master_key.kcv()?));
            }
        }
        Ok(Some(ProofPlace::Keks(Vec::new())))
    }

    pub(super) fn keks(&mut self, after: Vec<u8>, of: Option<&Project>) -> Result<Option<ProofPlace>, Stop> {
        let prefix = of.map_or_else(Vec::new, |project| project.id.as_bytes().to_vec());
        let mut after = after;
        loop {
            let rows = self.scan(Table::Keks, &prefix, &after)?;
            if rows.is_empty() {
                return Ok(Some(match of {
                    Some(_) => ProofPlace::Objects(Vec::new()),
                    None => ProofPlace::KeyVersions(Vec::new()),
                }));
            }
            for (row_key, row) in rows {
                if self.is_over() {
                    return Ok(Some(ProofPlace::Keks(after)));
                }
                self.kek(&row_key, Listed::of(row)?)?;
                after = row_key;
            }
        }
    }

    fn kek(&mut self, row_key: &[u8], row: Listed<Row>) -> Result<(), Stop> {
        let name = RowName::new(Table::Keks, row_key);
        let Some((project, version)) = of_kek(row_key) else {
            let key = StoredKey { kind: KeyKind::Kek, project: None, object: None, version: 0 };
            self.note(&name, key, Err(Unproved::NoOwner));
            return Ok(());
        };
        let unwrapped = match row.decode::<Kek>()? {
            Listed::Damaged(_) => Err(Unproved::Damaged),
            Listed::Sound(Kek { gone: Some(_), .. }) => {
                self.count_destroyed();
                return Ok(());
            }
            Listed::Sound(kek) => self.by_token(&kek.wrapped, Some(kek.master_key), |mk| {
                Binding::kek(*project.as_bytes(), version, mk)
            })?,
        };
        let key = StoredKey { kind: KeyKind::Kek, project: self.project(project)?, object: None, version };
        self.note(&name, key, unwrapped);
        Ok(())
    }

    /// Every key of a kind there is, also one whose object is lost; where to go on, if there is more.
    pub(super) fn under_kek(&mut self, kind: &Kind, after: Vec<u8>) -> Result<Option<Vec<u8>>, Stop> {
        let mut after = after;
        let mut known: Option<(Vec<u8>, Option<Object>)> = None;
        loop {
            let rows = self.scan(kind.table, &[], &after)?;
            if rows.is_empty() {
                return Ok(None);
            }
            for (row_key, row) in rows {
                if self.is_over() {
                    return Ok(Some(after));
                }
                let key_id = row_key.get(..4).unwrap_or_default();
                if known.as_ref().is_none_or(|(of, _)| of != key_id) {
                    known = Some((key_id.to_vec(), self.owner(key_id)?));
                }
                let object = known.as_ref().and_then(|(_, object)| object.as_ref());
                self.wrapped(kind, &row_key, Listed::of(row)?, object)?;
                after = row_key;
            }
        }
    }

    /// The keys of the objects of a project. One whose row is lost is nobody's here, and named where all are proved.
    pub(super) fn objects(&mut self, after: Vec<u8>, of: &Project) -> Result<Option<ProofPlace>, Stop> {
        let mut after = after;
        let mut passed_over = 0;
        loop {
            let rows = self.scan(Table::Objects, &[], &after)?;
            if rows.is_empty() {
                return Ok(None);
            }
            for (row_key, row) in rows {
                if self.is_over() || passed_over >= PASSED_OVER_MAX {
                    return Ok(Some(ProofPlace::Objects(after)));
                }
                match Listed::of(row)?.decode::<Object>()? {
                    Listed::Sound(object) if object.project == of.id => {
                        // All keys of an object or none: there is a bound to them.
                        for kind in &KINDS {
                            self.of_object(kind, &object)?;
                        }
                    }
                    _ => passed_over += 1,
                }
                after = row_key;
            }
        }
    }

    fn of_object(&mut self, kind: &Kind, object: &Object) -> Result<(), Stop> {
        let prefix = object.key_id.to_be_bytes();
        let mut behind = Vec::new();
        loop {
            let versions = self.scan(kind.table, &prefix, &behind)?;
            let Some((last, _)) = versions.last() else { return Ok(()) };
            behind.clone_from(last);
            for (row_key, row) in versions {
                self.wrapped(kind, &row_key, Listed::of(row)?, Some(object))?;
            }
        }
    }

    fn wrapped(
        &mut self,
        kind: &Kind,
        row_key: &[u8],
        row: Listed<Row>,
        object: Option<&Object>,
    ) -> Result<(), Stop> {
        let place = KeyPlace::from_row_key(row_key);
        let key = StoredKey {
            kind: kind.of,
            project: match object {
                Some(object) => self.project(object.project)?,
                None => None,
            },
            object: object.map(|object| object.name.to_string()),
            version: place.map_or(0, |place| place.version),
        };
        let unwrapped = match (kind.read_at(row_key, row), object) {
            (Listed::Damaged(_), _) => Err(Unproved::Damaged),
            (Listed::Sound(stored), object) => {
                let Some(wrapped) = stored.wrapped() else {
                    self.count_destroyed();
                    return Ok(());
                };
                match object {
                    None => Err(Unproved::NoOwner),
                    Some(_) if Some(stored.place()) != place => Err(Unproved::OfAnother),
                    Some(object) => self.unwrapped(&*stored, wrapped, object)?,
                }
            }
        };
        self.note(&RowName::new(kind.table, row_key), key, unwrapped);
        Ok(())
    }

    /// One whose key was destroyed: there is nothing to unwrap.
    fn count_destroyed(&mut self) {
        self.done.destroyed += 1;
        self.left = self.left.saturating_sub(1);
    }

    fn unwrapped(
        &mut self,
        stored: &dyn UnderKek,
        (by, wrapped): (u32, &[u8]),
        object: &Object,
    ) -> Result<Result<SecretKey, Unproved>, Stop> {
        let above = (object.project, by);
        if !self.keks.contains_key(&above) {
            let unwrapped = self.unwrap_kek(above.0, above.1)?;
            self.keks.insert(above, unwrapped);
        }
        let Some(Ok(kek)) = self.keks.get(&above) else { return Ok(Err(Unproved::NoKeyAbove)) };
        let ids = (*object.project.as_bytes(), *object.id.as_bytes());
        Ok(in_process(kek, wrapped, &stored.binding(ids.0, ids.1, by)))
    }

    fn unwrap_kek(&self, project: ProjectId, version: u32) -> Result<Result<WrappingKey, Unproved>, Stop> {
        let row_key = kek_row_key(project, version);
        let kek = match self.appliance.look_up::<Kek>(Table::Keks, &row_key)? {
            Some(Listed::Sound(kek)) => kek,
            Some(Listed::Damaged(_)) | None => return Ok(Err(Unproved::NoKeyAbove)),
        };
        let binding = |mk| Binding::kek(*project.as_bytes(), version, mk);
        let unwrapped = self.by_token(&kek.wrapped, Some(kek.master_key), binding)?;
        Ok(unwrapped.map(|key| WrappingKey::new(version, &key)))
    }

    /// Unwraps through the token, by the generation that is `said` to wrap it, or that it says itself.
    fn by_token(
        &self,
        wrapped: &[u8],
        said: Option<u32>,
        binding: impl FnOnce(u32) -> Binding,
    ) -> Result<Result<SecretKey, Unproved>, Stop> {
        let Ok(wrapped) = WrappedKey::parse(wrapped) else { return Ok(Err(Unproved::Malformed)) };
        let generation = said.unwrap_or(wrapped.wrapping_version());
        let mut master_keys = self.appliance.master_keys.iter();
        let Some(master_key) = master_keys.find(|key| key.generation() == generation) else {
            return Ok(Err(Unproved::NoKeyAbove));
        };
        match master_key.unwrap(&wrapped, &binding(generation)) {
            Ok(key) => Ok(Ok(key)),
            Err(TokenError::Data) => Ok(Err(Unproved::DoesNotUnwrap)),
            Err(other) => Err(other.into()),
        }
    }

    /// Counts a key, and gives back one that was unwrapped.
    fn note(
        &mut self,
        row: &RowName,
        key: StoredKey,
        unwrapped: Result<SecretKey, Unproved>,
    ) -> Option<SecretKey> {
        self.left = self.left.saturating_sub(1);
        match unwrapped {
            Ok(secret) => {
                *self.done.proved.entry(key.kind).or_default() += 1;
                if self.wants_kcv {
                    self.done.kcvs.push((key, Kcv::of(&secret)));
                }
                Some(secret)
            }
            Err(why) => {
                tracing::error!(%row, kind = ?key.kind, ?why, "a stored key could not be proved");
                self.done.failed.push(FailedKey { row: row.clone(), key, why });
                None
            }
        }
    }

    fn is_over(&self) -> bool {
        self.left == 0 || Instant::now() >= self.until
    }

    fn scan(&self, table: Table, prefix: &[u8], after: &[u8]) -> Result<Rows, Stop> {
        let after = (!after.is_empty()).then_some(after);
        Ok(self.appliance.store.scan(table, Scan { prefix, after, limit: PAGE_KEYS_MAX })?)
    }

    /// The object of a row's key id; none where that is not known any more.
    fn owner(&self, row_key: &[u8]) -> Result<Option<Object>, Stop> {
        let Some(key_id) = row_key.first_chunk() else { return Ok(None) };
        Ok(self.appliance.object_of_key(u32::from_be_bytes(*key_id))?.and_then(Listed::sound))
    }

    fn project(&mut self, id: ProjectId) -> Result<Option<String>, Stop> {
        if let Some(name) = self.projects.get(&id) {
            return Ok(name.clone());
        }
        let row = self.appliance.look_up::<Project>(Table::Projects, id.as_bytes())?.and_then(Listed::sound);
        let name = row.map(|project| project.name.to_string());
        self.projects.insert(id, name.clone());
        Ok(name)
    }
}

fn in_process(above: &WrappingKey, wrapped: &[u8], binding: &Binding) -> Result<SecretKey, Unproved> {
    let wrapped = WrappedKey::parse(wrapped).map_err(|_| Unproved::Malformed)?;
    above.unwrap(&wrapped, binding).map_err(|_| Unproved::DoesNotUnwrap)
}

/// Project and version of a KEK's row key.
fn of_kek(row_key: &[u8]) -> Option<(ProjectId, u32)> {
    let (project, version) = row_key.split_first_chunk()?;
    Some((ProjectId::from_bytes(*project), u32::from_be_bytes(version.try_into().ok()?)))
}
