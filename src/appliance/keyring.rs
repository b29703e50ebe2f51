//! The keys in memory: unwrapped once, used many times, forgotten on time.
//!
//! ```text
//! token: MK ── unwraps ──> project KEK ── unwraps ──> data key ── seals, opens ──> fields
//!                                       └─ unwraps ──> index root ── makes ──> index values
//! ```
//!
//! A key's time runs from its unwrapping and is never extended by use; that of a data key or a root ends no later than that of the KEK it
//! came from, so no key is used longer than one lifetime after the token last agreed. The number of keys is bounded; keys
//! that fall out are wiped when their last user is done.
//!
//! Only a KEK needs the token. However many requests miss it at once, one of them asks and the others wait for its answer
//! (`single_flight`); those that miss another KEK do not wait behind them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::crypto::blind_index::IndexRoot;
use crate::crypto::data_key::DataKey;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use crate::domain::cbor;
use crate::domain::id::ProjectId;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::Usable;
use crate::domain::object::Object;
use crate::domain::project::Kek;
use crate::domain::refusal::Code;
use crate::domain::root_version::RootVersion;
use crate::domain::timestamp::Now;
use crate::hsm::{MasterKey, TokenError};
use crate::store::{Store, StoreError, Table};

use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::single_flight::SingleFlight;
use super::under_kek::{DATA_KEYS, INDEX_ROOTS, Kind, UnderKek};

/// How many keys are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct KeyringLimits {
    /// Data keys, KEKs, and index roots, each at most.
    pub entries_max: usize,
    /// From unwrapping.
    pub ttl: Duration,
}

/// How many keys are in memory, unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysInMemory {
    /// Of projects.
    pub keks: usize,
    /// Of key versions.
    pub data_keys: usize,
    /// Of blind indexes, by version.
    pub roots: usize,
}

type Unwrapped = Result<Arc<Held<WrappingKey>>, Stop>;

/// Unwrapped KEKs, data keys and index roots.
pub(super) struct Keyring {
    ttl: Duration,
    keks: Cache<(ProjectId, u32), Arc<Held<WrappingKey>>>,
    data_keys: Cache<KeyPlace, Arc<Held<DataKey>>>,
    roots: Cache<KeyPlace, Arc<Held<IndexRoot>>>,
    unwrapping: SingleFlight<(ProjectId, u32), Unwrapped>,
}

/// A key and when it must be forgotten.
pub(super) struct Held<K> {
    key: K,
    until: Instant,
}

impl<K> Held<K> {
    /// The key.
    #[must_use]
    pub(super) const fn key(&self) -> &K {
        &self.key
    }
}

impl Keyring {
    /// An empty keyring. `patience` is how long a request waits for another's unwrapping: the token's own deadline, which
    /// bounds that other.
    #[must_use]
    pub(super) fn new(limits: KeyringLimits, patience: Duration) -> Self {
        Self {
            ttl: limits.ttl,
            keks: Cache::new(limits.entries_max),
            data_keys: Cache::new(limits.entries_max),
            roots: Cache::new(limits.entries_max),
            unwrapping: SingleFlight::new(patience),
        }
    }

    /// The data key of a version, if it is in memory and its time is not over.
    #[must_use]
    pub(super) fn recall(&self, of: impl Usable, now: Instant) -> Option<Arc<Held<DataKey>>> {
        let version = of.key_version();
        self.data_keys.get(&version.place()).filter(|held| now < held.until)
    }

    /// The data key of a version, unwrapped if need be. That its version was not closed meanwhile is for
    /// [`Operational::load_data_key`] to see to, which alone asks for this.
    fn load(
        &self,
        of: impl Usable,
        object: &Object,
        store: &Store,
        master_keys: &[MasterKey],
        now: Instant,
    ) -> Result<Arc<Held<DataKey>>, Stop> {
        if let Some(held) = self.recall(of, now) {
            return Ok(held);
        }
        let version = of.key_version();
        let (key, until) = self.unwrap(&DATA_KEYS, version, object, store, master_keys, now)?;
        let held = Arc::new(Held { key: DataKey::new(version.algorithm, &key), until });
        keep_while_there(&self.data_keys, held, &DATA_KEYS, version, store)
    }

    /// A version of an index root, if it is in memory and its time is not over.
    #[must_use]
    pub(super) fn recall_root(&self, version: &RootVersion, now: Instant) -> Option<Arc<Held<IndexRoot>>> {
        self.roots.get(&version.place()).filter(|held| now < held.until)
    }

    /// A version of an object's index root, unwrapped if need be. Blocks, as [`Operational::load_data_key`] does.
    ///
    /// # Errors
    /// As [`Operational::load_data_key`].
    pub(super) fn load_root(
        &self,
        version: &RootVersion,
        object: &Object,
        store: &Store,
        master_keys: &[MasterKey],
        now: Instant,
    ) -> Result<Arc<Held<IndexRoot>>, Stop> {
        if let Some(held) = self.recall_root(version, now) {
            return Ok(held);
        }
        let (key, until) = self.unwrap(&INDEX_ROOTS, version, object, store, master_keys, now)?;
        let held = Arc::new(Held { key: IndexRoot::new(version.version, key), until });
        keep_while_there(&self.roots, held, &INDEX_ROOTS, version, store)
    }

    /// Unwraps what a KEK wraps, and tells until when that may be kept: as long as the KEK.
    fn unwrap(
        &self,
        kind: &Kind,
        row: &dyn UnderKek,
        object: &Object,
        store: &Store,
        master_keys: &[MasterKey],
        now: Instant,
    ) -> Result<(SecretKey, Instant), Stop> {
        let again;
        let (by, wrapped) = row.wrapped().ok_or(kind.gone)?;
        let (row, by, wrapped, kek) = match self.find_kek(object.project, by, store, master_keys, now)? {
            Some(kek) => (row, by, wrapped, kek),
            // Whoever read of it before it was wrapped anew comes too late for the KEK that it names.
            None => {
                let lies = store.get(kind.table, &row.place().row_key())?;
                again = (kind.read)(&lies.ok_or(kind.gone)?.value)?;
                let (by, wrapped) = again.wrapped().ok_or(kind.gone)?;
                (&*again, by, wrapped, self.load_kek(object.project, by, store, master_keys, now)?)
            }
        };
        let damaged = || {
            Fault::new(format!(
                "the wrapped {} of version {} of object {} does not open; restore it from a backup",
                kind.of.name(),
                row.place().version,
                object.id
            ))
        };
        let wrapped = WrappedKey::parse(wrapped).map_err(|_| damaged())?;
        let ids = (*object.project.as_bytes(), *object.id.as_bytes());
        let binding = row.binding(ids.0, ids.1, by);
        let key = kek.key.unwrap(&wrapped, &binding).map_err(|_| damaged())?;
        Ok((key, kek.until))
    }

    /// Forgets a version of an index root that is no more.
    pub(super) fn forget_root(&self, place: KeyPlace) {
        self.roots.remove(&place);
    }

    /// Forgets what is out of date. Called every second, so that a key no one asks for goes too.
    pub(super) fn forget_expired(&self, now: Instant) {
        self.keks.retain(|_, held| now < held.until);
        self.data_keys.retain(|_, held| now < held.until);
        self.roots.retain(|_, held| now < held.until);
    }

    /// Forgets the data key of one version.
    pub(super) fn forget(&self, place: KeyPlace) {
        self.data_keys.remove(&place);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        self.keks.clear();
        self.data_keys.clear();
        self.roots.clear();
    }

    /// How many keys are in memory.
    #[must_use]
    pub(super) fn count(&self) -> KeysInMemory {
        KeysInMemory { keks: self.keks.len(), data_keys: self.data_keys.len(), roots: self.roots.len() }
    }

    /// Keeps a KEK that was made just now, and is durable.
    pub(super) fn hold_kek(&self, project: ProjectId, key: WrappingKey, store: &Store, now: Instant) {
        let version = key.version();
        self.keks.insert((project, version), Arc::new(Held { key, until: now + self.ttl }));
        // Where that cannot be told it is unwrapped again.
        let _ = self.is_kek_there(project, version, store);
    }

    /// Forgets a KEK that is destroyed. Data keys that came from it are the same under the next.
    pub(super) fn forget_kek(&self, project: ProjectId, version: u32) {
        self.keks.remove(&(project, version));
    }

    /// A version of a project's KEK, unwrapped if need be. Blocks, as [`Operational::load_data_key`] does.
    ///
    /// # Errors
    /// As [`Operational::load_data_key`].
    pub(super) fn load_kek(
        &self,
        project: ProjectId,
        version: u32,
        store: &Store,
        master_keys: &[MasterKey],
        now: Instant,
    ) -> Result<Arc<Held<WrappingKey>>, Stop> {
        let missing = || Fault::new(format!("version {version} of the KEK of project {project} is missing"));
        self.find_kek(project, version, store, master_keys, now)?.ok_or_else(|| missing().into())
    }

    /// The same; `None` where there is no such version any more.
    fn find_kek(
        &self,
        project: ProjectId,
        version: u32,
        store: &Store,
        master_keys: &[MasterKey],
        now: Instant,
    ) -> Result<Option<Arc<Held<WrappingKey>>>, Stop> {
        let held = || self.keks.get(&(project, version)).filter(|held| now < held.until);
        if let Some(held) = held() {
            return Ok(Some(held));
        }
        // Here and not in flight: the others are patient with the token, and a store that is being compacted takes longer.
        let Some(kek) = live_kek(project, version, store)? else { return Ok(None) };
        let unwrapped = self.unwrapping.run((project, version), || {
            // The one before may have landed since we looked.
            held().map_or_else(|| self.unwrap_kek(project, version, &kek, master_keys, now), Ok)
        });
        // Whoever does not come to wait, or waits in vain, finds the token too slow.
        let held = unwrapped.unwrap_or_else(|| Err(Code::TokenAway.into()))?;
        Ok(self.is_kek_there(project, version, store)?.then_some(held))
    }

    /// Whether a KEK that is kept may be: asked behind its keeping, as [`keep_while_there`] does.
    fn is_kek_there(&self, project: ProjectId, version: u32, store: &Store) -> Result<bool, Stop> {
        let live = live_kek(project, version, store);
        if !matches!(live, Ok(Some(_))) {
            self.forget_kek(project, version);
        }
        Ok(live?.is_some())
    }

    fn unwrap_kek(
        &self,
        project: ProjectId,
        version: u32,
        kek: &Kek,
        master_keys: &[MasterKey],
        now: Instant,
    ) -> Result<Arc<Held<WrappingKey>>, Stop> {
        let master_key =
            master_keys.iter().find(|key| key.generation() == kek.master_key).ok_or_else(|| {
                Fault::new(format!(
                    "the KEK of project {project} names MK generation {}, which is not open",
                    kek.master_key
                ))
            })?;
        let damaged = || {
            Fault::new(format!(
                "version {version} of the KEK of project {project} does not open under its MK; restore it from a backup"
            ))
        };
        let wrapped = WrappedKey::parse(&kek.wrapped).map_err(|_| damaged())?;
        let binding = Binding::kek(*project.as_bytes(), version, kek.master_key);
        let key = master_key.unwrap(&wrapped, &binding).map_err(|error| match error {
            TokenError::Data => Stop::from(damaged()),
            other => other.into(),
        })?;
        let held = Arc::new(Held { key: WrappingKey::new(version, &key), until: now + self.ttl });
        self.keks.insert((project, version), Arc::clone(&held));
        Ok(held)
    }
}

impl Operational {
    /// How many keys are in memory.
    #[must_use]
    pub fn keys_in_memory(&self) -> KeysInMemory {
        self.keyring.count()
    }

    /// The data key of a version, unwrapped if need be, for a request that found its version open: reads the store, and asks
    /// the token when the KEK is not in memory either. Blocks.
    ///
    /// # Errors
    /// `key-disabled` when the version was closed meanwhile: nothing of its key stays in memory. `token-away` when the token
    /// is needed and does not answer; a fault when a wrapped key does not open.
    pub(super) fn load_data_key(
        &self,
        of: impl Usable,
        object: &Object,
        now: Now,
    ) -> Result<Arc<Held<DataKey>>, Stop> {
        let held = self.keyring.load(of, object, &self.store, &self.master_keys, now.instant)?;
        let version = of.key_version();
        // After it is in the keyring: whoever closes a version forgets its key after that is known.
        self.check_not_closed(version.place())?;
        Ok(held)
    }
}

/// Keeps a key that was unwrapped just now, unless its row is gone meanwhile. Whoever takes a key away forgets it behind that; so
/// either the row is found gone here, or the key is found there.
fn keep_while_there<K>(
    keys: &Cache<KeyPlace, Arc<Held<K>>>,
    held: Arc<Held<K>>,
    kind: &Kind,
    row: &dyn UnderKek,
    store: &Store,
) -> Result<Arc<Held<K>>, Stop> {
    let place = row.place();
    keys.insert(place, Arc::clone(&held));
    let is_there = || -> Result<bool, Stop> {
        let Some(lies) = store.get(kind.table, &row.place().row_key())? else { return Ok(false) };
        Ok((kind.read)(&lies.value)?.wrapped().is_some())
    };
    match is_there() {
        Ok(true) => Ok(held),
        gone => {
            keys.remove(&place);
            Err(gone.err().unwrap_or_else(|| kind.gone.into()))
        }
    }
}

/// A version of a project's KEK, unless there is none any more.
fn live_kek(project: ProjectId, version: u32, store: &Store) -> Result<Option<Kek>, Stop> {
    let row = match store.get(Table::Keks, &kek_row_key(project, version)) {
        Err(StoreError::Damaged { row, .. }) => {
            return Err(Fault::new(format!(
                "the KEK {row} is damaged, and every key that it wraps is lost with it; to encrypt again, run gembok project \
                 rotate-kek, then gembok key rotate for each object of the project"
            ))
            .into());
        }
        row => row?,
    };
    let Some(row) = row else { return Ok(None) };
    let kek: Kek = cbor::decode(&row.value)?;
    Ok(kek.gone.is_none().then_some(kek))
}

/// `project id 16 | version u32`.
#[must_use]
pub(super) fn kek_row_key(project: ProjectId, version: u32) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(project.as_bytes());
    key[16..].copy_from_slice(&version.to_be_bytes());
    key
}
