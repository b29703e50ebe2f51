//! Uses of key versions, folded from the journal as it grows. Most of a minute's uses are gathered in memory and ride with the
//! block that is written next, in one commit with the row that says up to which record everything is folded. So a busy key
//! costs a row a minute, and the rows always equal a recount of the journal up to that record.
//!
//! ```text
//! durable blocks ──> folded rows │ pending, in memory │ open block
//!                                ^ `uses-folded`      ^ head
//! ```
//!
//! An end that was not clean loses what is pending, and no record: the next start reads the blocks behind the row again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use crate::crypto::algorithm::Algorithm;
use crate::crypto::block::Leaves;
use crate::domain::access_record::{self, AccessRecord};
use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::gap::{self, Gap};
use crate::domain::id::ObjectId;
use crate::domain::key_life::KeyState;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_uses::{KeyUses, UseFold, UseGaps};
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Block, Row, RowName, Store, StoreError, Table};

use super::epoch::USES_JUMP;
use super::fault::{Fault, Stop};
use super::recorder::FIELDS_UNRECORDED_MAX;

/// The row in the counters: the first record that is not folded yet.
const FOLDED: &[u8] = b"uses-folded";
/// The row in the counters: what ends that were not clean may have cost.
const GAPS: &[u8] = b"uses-gaps";
/// How long uses are gathered.
const GATHERED_FOR: Duration = Duration::from_secs(60);
/// Key versions that are gathered at most, but for those of one block: as many rows may ride with the next one, and whoever waits
/// for that waits for them, too.
pub(super) const GATHERED_MAX: usize = 4_000;
/// Blocks read at a time, each of a mebibyte or so at most.
const PAGE_BLOCKS: usize = 16;
/// Uses that are kept back from the limit of an algorithm that is not leased: more than are made before the limit is noticed.
pub(super) const KEPT_BACK: u64 = 1 << 28;

/// Uses below which no version is half used up whose uses are counted from the journal.
const WORN_FROM: u64 = {
    let (mut least, mut at) = (u64::MAX, 0);
    while at < Algorithm::ALL.len() {
        let algorithm = Algorithm::ALL[at];
        if !algorithm.is_leased() && algorithm.rotate_at_uses() < least {
            least = algorithm.rotate_at_uses();
        }
        at += 1;
    }
    least
};

/// What is folded, and what is not yet.
pub(super) struct Uses {
    pending: UseFold,
    gaps: UseGaps,
    gaps_changed: bool,
    /// Every record before it is in the rows.
    folded: u64,
    since: Option<Instant>,
    /// A fold of which nobody knows whether it landed. Nothing is counted meanwhile: no block is committed before that is known.
    in_doubt: Option<Folding>,
    /// Versions that were found half used up or more, each with its uses, and seal still.
    pub(super) worn: Vec<WornVersion>,
}

/// A version that should be rotated, and its uses at most.
pub(super) type WornVersion = (KeyPlace, u64);

/// What was gathered of one version, and where it goes.
struct Added {
    place: KeyPlace,
    object: ObjectId,
    /// Its object was there a moment ago.
    is_looked_up: bool,
    uses: KeyUses,
}

/// A fold on its way to the disk.
pub(super) struct Folding {
    /// Every record before it is in the rows once they are durable.
    to: u64,
    worn: Vec<WornVersion>,
}

impl Uses {
    /// Reads what is folded, and folds the blocks behind it.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn load(store: &Store, now: Now) -> Result<Self, Stop> {
        let gaps = match store.get(Table::Counters, GAPS) {
            Ok(row) => row.map(|row| cbor::decode(&row.value)).transpose()?.unwrap_or_default(),
            // Whoever accepted that has opened an epoch, which counts more for every version than is lost here.
            Err(StoreError::Damaged { .. }) => UseGaps::default(),
            Err(other) => return Err(other.into()),
        };
        let folded = match store.get(Table::Counters, FOLDED) {
            Ok(row) => row.map(|row| cbor::decode(&row.value)).transpose()?.unwrap_or(0),
            Err(StoreError::Damaged { .. }) => store.head().next_sequence,
            Err(other) => return Err(other.into()),
        };
        let mut uses = Self {
            pending: UseFold::default(),
            gaps,
            gaps_changed: false,
            folded,
            since: None,
            in_doubt: None,
            worn: Vec::new(),
        };
        uses.catch_up(store, now)?;
        Ok(uses)
    }

    /// Folds every block that is not. What comes to more than may be gathered becomes durable on the way.
    fn catch_up(&mut self, store: &Store, now: Now) -> Result<(), Stop> {
        let mut next = self.folded;
        while next < store.head().next_sequence {
            let blocks = store.blocks(next, PAGE_BLOCKS)?;
            if blocks.is_empty() {
                return Err(Fault::new(format!("the journal has no block of record {next}")).into());
            }
            for block in blocks {
                let block = match block {
                    Ok(block) => block,
                    // Where it lies says where it begins; where it ends, the block behind it.
                    Err(StoreError::Damaged { row, .. }) => {
                        let first = row.key().try_into().map_or(next, u64::from_be_bytes);
                        next = next.max(first).saturating_add(1);
                        self.lose(now.time.max(Timestamp::from_micros(store.head().time_us)));
                        continue;
                    }
                    Err(other) => return Err(other.into()),
                };
                next = block.header.first_sequence + u64::from(block.header.count);
                self.fold(&block)?;
                if self.pending.len() >= GATHERED_MAX {
                    let audit = AuditRecord::new(now.time, Actor::System, "key-uses.fold").with("to", next);
                    let batch = Batch::new(now.time.micros());
                    let (batch, folding) = self.begin(store, batch, next)?;
                    let (kind, version) = (audit_record::KIND, audit_record::VERSION);
                    store.commit(batch.record(kind, version, &cbor::encode(&audit)))?;
                    self.done(folding);
                }
            }
        }
        Ok(())
    }

    fn fold(&mut self, block: &Block) -> Result<(), Stop> {
        // Pruned: a store of before uses were counted has more than its journal shows.
        let Some(leaves) = &block.leaves else { return Ok(()) };
        for leaf in Leaves::new(leaves) {
            let leaf = leaf.map_err(|malformed| Fault::new(malformed.0))?;
            if leaf.kind == access_record::KIND {
                if let Some(record) = AccessRecord::read(leaf.body) {
                    self.pending.count(&record);
                }
            } else if leaf.kind == gap::KIND {
                let gap: Gap = cbor::decode(leaf.body)?;
                // The journal's time: no version that was there is younger.
                let found = gap.time.max(Timestamp::from_micros(block.header.time_us));
                self.gaps.add(found, gap.fields_max);
                self.gaps_changed = true;
            }
        }
        Ok(())
    }

    /// Records that are lost count as an end that was not clean: no block holds more than may be unrecorded at once.
    fn lose(&mut self, found: Timestamp) {
        self.gaps.add(found, FIELDS_UNRECORDED_MAX);
        self.gaps_changed = true;
    }

    /// Records have become durable.
    pub(super) fn count<'a>(&mut self, records: impl Iterator<Item = &'a AccessRecord>) {
        records.for_each(|record| self.pending.count(record));
        if !self.pending.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Whether what was gathered should ride with the next block.
    pub(super) fn are_due(&self) -> bool {
        self.pending.len() >= GATHERED_MAX
            || self.gaps_changed
            || self.since.is_some_and(|since| since.elapsed() >= GATHERED_FOR)
    }

    /// Whether every access record before `to` is in the rows, or there is none that is not.
    pub(super) fn are_folded(&self, to: u64) -> bool {
        self.folded >= to || self.pending.is_empty()
    }

    /// Adds to a batch what was gathered: every access record before `to`, and none behind it. Nothing is written yet.
    ///
    /// # Errors
    /// A fault of the disk, when what the rows hold so far cannot be read.
    pub(super) fn begin(
        &mut self,
        store: &Store,
        mut batch: Batch,
        to: u64,
    ) -> Result<(Batch, Folding), StoreError> {
        self.settle(store)?;
        let mut worn = Vec::new();
        let mut rows = self.rows(store)?;
        // As they lie in the file.
        rows.sort_unstable_by_key(|row| row.place);
        let found = store.get_each(Table::KeyUses, rows.iter().map(|row| row.place.row_key()))?;
        let lost_most = self.lost_most(store);
        for (row, found) in rows.into_iter().zip(found) {
            let row_key = row.place.row_key();
            let mut uses = match opened(&row_key, found)? {
                Some(uses) => uses,
                // An object that was deleted meanwhile, and its rows with it, has nothing left that could be used.
                None if !row.is_looked_up && key_id_of(store, row.object)?.is_none() => continue,
                None => KeyUses::default(),
            };
            uses.add(&row.uses);
            // The version's own row is read only where it could be worn.
            if row.uses.sealed > 0
                && uses.sealed.saturating_add(lost_most) >= WORN_FROM
                && let Some(made) = made_if_worn(store, &row_key, &uses, &self.gaps)?
            {
                worn.push((row.place, made));
            }
            batch = batch.put(Table::KeyUses, &row_key, cbor::encode(&uses));
        }
        if self.gaps_changed {
            batch = batch.put(Table::Counters, GAPS, cbor::encode(&self.gaps));
        }
        Ok((batch.put(Table::Counters, FOLDED, cbor::encode(&to)), Folding { to, worn }))
    }

    /// The row of each version that was gathered.
    fn rows(&self, store: &Store) -> Result<Vec<Added>, StoreError> {
        let mut rows = Vec::with_capacity(self.pending.len());
        // Of objects whose records had none at hand, as far as they were looked up; none of one that is gone.
        let mut key_ids: HashMap<ObjectId, Option<u32>> = HashMap::new();
        for ((object, version), gathered) in self.pending.iter() {
            let key_id = match (gathered.key_id, key_ids.entry(object)) {
                (Some(at_hand), _) => Some(at_hand),
                (None, Entry::Occupied(known)) => *known.get(),
                (None, Entry::Vacant(unknown)) => *unknown.insert(key_id_of(store, object)?),
            };
            let Some(key_id) = key_id else { continue };
            let is_looked_up = gathered.key_id.is_none();
            let place = KeyPlace::new(key_id, version);
            rows.push(Added { place, object, is_looked_up, uses: gathered.uses });
        }
        Ok(rows)
    }

    /// What any version may have been used at most beside what the journal shows: what gaps may have cost it, and what every
    /// epoch that was opened counts for it. (One that is marked as used up has more, and seals no longer.)
    fn lost_most(&self, store: &Store) -> u64 {
        self.gaps.most().saturating_add(u64::from(store.head().epoch).saturating_mul(USES_JUMP))
    }

    /// The batch is durable.
    pub(super) fn done(&mut self, folding: Folding) {
        self.pending.clear();
        (self.folded, self.gaps_changed, self.since) = (folding.to, false, None);
        // Whoever is named already is named with what it has now.
        self.worn.retain(|(place, _)| folding.worn.iter().all(|(other, _)| place != other));
        self.worn.extend(folding.worn);
    }

    /// The commit of a fold failed, and may have landed all the same.
    pub(super) fn doubt(&mut self, folding: Folding) {
        self.in_doubt = Some(folding);
    }

    /// Finds out what became of a fold in doubt, if there is one: the row says up to where all is folded, and nobody else
    /// writes it.
    ///
    /// # Errors
    /// The store's, while it cannot be told.
    pub(super) fn settle(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.in_doubt.is_none() {
            return Ok(());
        }
        if store.is_stopped() {
            return Err(StoreError::Stopped { why: "a fold of uses failed, and may have landed".into() });
        }
        let folded = match store.get(Table::Counters, FOLDED) {
            Ok(row) => row.and_then(|row| cbor::decode::<u64>(&row.value).ok()),
            Err(StoreError::Damaged { .. }) => None,
            Err(other) => return Err(other),
        };
        if let Some(folding) = self.in_doubt.take().filter(|folding| folded == Some(folding.to)) {
            self.done(folding);
        }
        Ok(())
    }

    /// Those of a version as far as records are durable, and what gaps may have cost it.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn of(
        &self,
        store: &Store,
        object: ObjectId,
        version: &KeyVersion,
    ) -> Result<(KeyUses, u64), StoreError> {
        let row_key = version.place().row_key();
        let mut uses = opened(&row_key, store.get(Table::KeyUses, &row_key))?.unwrap_or_default();
        uses.add(&self.pending.of(object, version.version));
        Ok((uses, self.gaps.since(version.created)))
    }
}

/// What a row holds so far, as it was found. Of one that does not open nobody knows, so it counts as used up.
fn opened(row_key: &[u8], found: Result<Option<Row>, StoreError>) -> Result<Option<KeyUses>, StoreError> {
    let lost = || {
        let row = RowName::new(Table::KeyUses, row_key);
        tracing::error!(%row, "the uses of a key version are lost: it counts as used up");
        KeyUses { sealed: u64::MAX, ..KeyUses::default() }
    };
    match found {
        Ok(row) => Ok(row.map(|row| cbor::decode(&row.value).unwrap_or_else(|_| lost()))),
        Err(StoreError::Damaged { .. }) => Ok(Some(lost())),
        Err(other) => Err(other),
    }
}

fn key_id_of(store: &Store, object: ObjectId) -> Result<Option<u32>, StoreError> {
    match store.get(Table::Objects, object.as_bytes()) {
        Ok(row) => Ok(row.and_then(|row| cbor::decode::<Object>(&row.value).ok()).map(|row| row.key_id)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The uses of a version that seals, by an algorithm whose uses are counted from the journal, once it is half used up.
fn made_if_worn(
    store: &Store,
    row_key: &[u8],
    uses: &KeyUses,
    gaps: &UseGaps,
) -> Result<Option<u64>, StoreError> {
    let row = match store.get(Table::KeyVersions, row_key) {
        Ok(Some(row)) => row,
        Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(None),
        Err(other) => return Err(other),
    };
    let Ok(version) = cbor::decode::<KeyVersion>(&row.value) else { return Ok(None) };
    if version.life.state() != KeyState::Active || version.algorithm.is_leased() {
        return Ok(None);
    }
    let made = made(&version, uses, gaps.since(version.created));
    Ok((made >= version.algorithm.rotate_at_uses()).then_some(made))
}

/// How often a version sealed at most, by an algorithm whose uses are counted from the journal.
pub(super) fn made(version: &KeyVersion, uses: &KeyUses, gaps: u64) -> u64 {
    uses.sealed.saturating_add(gaps).saturating_add(version.uses_reserved)
}
