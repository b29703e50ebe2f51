//! How often a key version sealed and opened, and when last: folded from access records, so that an owner sees what still
//! depends on an old version, and so that no version seals more often than its algorithm allows.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use minicbor::{Decode, Encode};

use super::access_record::{AccessRecord, Group};
use super::id::ObjectId;
use super::operation::Operation;
use super::timestamp::Timestamp;

/// Gaps that are told apart; the oldest of more are told as one.
const GAPS_TOLD_MAX: usize = 64;

/// The uses of a key version that the journal shows, as they are stored under `key id u32 | version u32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct KeyUses {
    /// Fields that it sealed.
    #[n(0)]
    pub sealed: u64,
    /// When the last of them was asked for.
    #[n(1)]
    pub last_sealed: Option<Timestamp>,
    /// Fields that were opened under it.
    #[n(2)]
    pub opened: u64,
    /// When the last of them was asked for.
    #[n(3)]
    pub last_opened: Option<Timestamp>,
    /// Fields that were opened since it last sealed: for one that seals no more, how much still depends on it.
    #[n(4)]
    pub opened_since: u64,
}

/// What ends that were not clean may have cost each key version there was: when they were found, and how many fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct UseGaps {
    /// In order of time.
    #[n(0)]
    gaps: Vec<UseGap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct UseGap {
    #[n(0)]
    found: Timestamp,
    #[n(1)]
    fields_max: u64,
}

/// Uses that records show, by object and key version.
#[derive(Debug, Default)]
pub struct UseFold(HashMap<(ObjectId, u32), Gathered, RandomState>);

/// What records show of one key version.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gathered {
    /// Of the object, if one of the records had it at hand; those that are read back have not.
    pub key_id: Option<u32>,
    /// How often it was used.
    pub uses: KeyUses,
}

impl KeyUses {
    /// Adds what came after it.
    pub fn add(&mut self, later: &Self) {
        self.opened_since = if later.sealed > 0 {
            later.opened_since
        } else {
            self.opened_since.saturating_add(later.opened)
        };
        self.sealed = self.sealed.saturating_add(later.sealed);
        self.opened = self.opened.saturating_add(later.opened);
        self.last_sealed = self.last_sealed.max(later.last_sealed);
        self.last_opened = self.last_opened.max(later.last_opened);
    }

    fn sealing(fields: u64, at: Timestamp) -> Self {
        Self { sealed: fields, last_sealed: Some(at), ..Self::default() }
    }

    fn opening(fields: u64, at: Timestamp) -> Self {
        Self { opened: fields, last_opened: Some(at), opened_since: fields, ..Self::default() }
    }
}

impl UseGaps {
    /// An end that was not clean was found, by the journal's time, and may have cost each version so many fields.
    pub fn add(&mut self, found: Timestamp, fields_max: u64) {
        self.gaps.push(UseGap { found, fields_max });
        if self.gaps.len() > GAPS_TOLD_MAX {
            let oldest = self.gaps.remove(0);
            // By the later time: rather for a version too many than for one too few.
            if let Some(next) = self.gaps.first_mut() {
                next.fields_max = next.fields_max.saturating_add(oldest.fields_max);
            }
        }
    }

    /// What they may have cost any version at most.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.since(Timestamp::default())
    }

    /// What they may have cost a version that was made then.
    #[must_use]
    pub fn since(&self, made: Timestamp) -> u64 {
        let after = self.gaps.iter().filter(|gap| gap.found >= made);
        after.fold(0, |sum, gap| sum.saturating_add(gap.fields_max))
    }
}

impl UseFold {
    /// Counts one record.
    pub fn count(&mut self, record: &AccessRecord) {
        for group in record.groups.iter().filter(|group| group.outcome.is_none()) {
            self.count_group(record.operation, group, record.time);
        }
    }

    fn count_group(&mut self, operation: Option<Operation>, group: &Group, at: Timestamp) {
        let (Some(object), fields) = (group.object, u64::from(group.fields)) else { return };
        let mut add = |key_version, uses| self.add((object, key_version), group.key_id, &uses);
        match operation {
            Some(Operation::Encrypt) => add(group.key_version, KeyUses::sealing(fields, at)),
            Some(Operation::Decrypt) => add(group.key_version, KeyUses::opening(fields, at)),
            Some(Operation::Reencrypt) => {
                add(group.key_version, KeyUses::opening(fields, at));
                if let Some(anew) = group.anew {
                    add(anew.key_version, KeyUses::sealing(fields, at));
                }
            }
            Some(Operation::Index) | None => {}
        }
    }

    fn add(&mut self, version: (ObjectId, u32), key_id: Option<u32>, uses: &KeyUses) {
        if version.1 > 0 {
            let gathered = self.0.entry(version).or_default();
            gathered.key_id = gathered.key_id.or(key_id);
            gathered.uses.add(uses);
        }
    }

    /// Versions in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of one version.
    #[must_use]
    pub fn of(&self, object: ObjectId, key_version: u32) -> KeyUses {
        self.0.get(&(object, key_version)).map(|gathered| gathered.uses).unwrap_or_default()
    }

    /// Every version's.
    pub fn iter(&self) -> impl Iterator<Item = ((ObjectId, u32), &Gathered)> {
        self.0.iter().map(|(version, gathered)| (*version, gathered))
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn what_comes_later_is_added_and_a_seal_begins_the_opens_anew() {
        let mut uses = KeyUses::default();
        uses.add(&KeyUses::sealing(3, at(1)));
        uses.add(&KeyUses::opening(2, at(2)));
        let mut later = KeyUses::opening(5, at(3));
        uses.add(&later);
        assert_eq!((uses.sealed, uses.opened, uses.opened_since), (3, 7, 7));
        later.add(&KeyUses::sealing(1, at(4)));
        later.add(&KeyUses::opening(4, at(5)));
        uses.add(&later);
        assert_eq!((uses.sealed, uses.opened, uses.opened_since), (4, 16, 4));
        assert_eq!((uses.last_sealed, uses.last_opened), (Some(at(4)), Some(at(5))));
        assert_eq!(cbor::decode(&cbor::encode(&uses)), Ok(uses));
        // One pass over everything gives the same as two.
        let mut whole = KeyUses::default();
        for one in [
            KeyUses::sealing(3, at(1)),
            KeyUses::opening(2, at(2)),
            KeyUses::opening(5, at(3)),
            KeyUses::opening(5, at(3)),
            KeyUses::sealing(1, at(4)),
            KeyUses::opening(4, at(5)),
        ] {
            whole.add(&one);
        }
        assert_eq!(whole, uses);
    }

    #[test]
    fn gaps_count_for_what_was_there_and_are_never_lost() {
        let mut gaps = UseGaps::default();
        for second in 1..=200 {
            gaps.add(at(second), 10);
        }
        assert_eq!((gaps.since(at(0)), gaps.since(at(200)), gaps.since(at(201))), (2_000, 10, 0));
        assert_eq!(gaps.gaps.len(), GAPS_TOLD_MAX);
        // Of those that are told as one too many are counted, and none too few.
        for made in 1..=200 {
            assert!(gaps.since(at(made)) >= (201 - made) * 10, "{made}");
        }
        assert_eq!(cbor::decode(&cbor::encode(&gaps)), Ok(gaps));
    }
}
