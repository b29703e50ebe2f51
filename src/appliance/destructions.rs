//! The destructions that wait: how many there are, and which come next. Each can be taken back until its last second, so whoever may
//! do that has to hear of it in time: health and status name the next ones, the log speaks a week and a day before. They are kept
//! in memory, as the pass along all key versions meets them and as they are scheduled and taken back.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::expiry::{Ending, Expiry};
use crate::domain::key_life::Life;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::KeyVersion;
use crate::domain::project::Project;
use crate::domain::timestamp::Timestamp;
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Destructions remembered, those that come first.
const KNOWN_MAX: usize = 10_000;
/// Destructions told of one by one.
const NAMED_MAX: usize = 10;

/// Destructions that wait, as far as they are known.
#[derive(Default)]
pub(super) struct Destructions(Mutex<Known>);

#[derive(Default)]
struct Known {
    at: BTreeMap<KeyPlace, Timestamp>,
    /// A pass along all key versions has ended.
    met_all: bool,
    /// Rows of key versions that it could not read.
    damaged: usize,
}

/// How destructions stand.
pub struct DestructionsHealth {
    /// How many wait.
    pub count: usize,
    /// Whether there are no more than these: not before all key versions were looked at after an unlock, nor beyond 10,000.
    pub is_whole: bool,
    /// Key versions whose rows do not open, by the last look at all: of these nobody knows, and none is carried out.
    pub damaged: usize,
    /// Why none is carried out at present, also when it is due.
    pub held: Option<HeldBack>,
    /// Those that come first, 10 at most.
    pub next: Vec<DestructionAhead>,
}

/// A destruction to come.
pub struct DestructionAhead {
    /// Which key version.
    pub place: KeyPlace,
    /// `project/object`; none where that cannot be read.
    pub object: Option<String>,
    /// When it falls due.
    pub at: Timestamp,
}

/// Why no key is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// The clock is not trusted.
    Clock,
    /// An unlock found it ahead, and its hour is not over.
    Ahead,
}

impl HeldBack {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock-not-trusted",
            Self::Ahead => "clock-was-ahead",
        }
    }
}

impl Destructions {
    /// A version as it is stored now.
    pub(super) fn met(&self, version: &KeyVersion) {
        let place = version.place();
        let mut known = self.0.lock();
        let Life::DestroyScheduled { doom, .. } = &version.life else {
            known.at.remove(&place);
            return;
        };
        known.at.insert(place, doom.at);
        if known.at.len() > KNOWN_MAX {
            let last = known.at.iter().max_by_key(|(_, at)| **at).map(|(place, _)| *place);
            last.and_then(|place| known.at.remove(&place));
        }
    }

    /// Whether one is known to wait.
    pub(super) fn has(&self, place: KeyPlace) -> bool {
        self.0.lock().at.contains_key(&place)
    }

    /// A pass along all of them has ended, and so many do not open.
    pub(super) fn met_all(&self, damaged: usize) {
        let mut known = self.0.lock();
        (known.met_all, known.damaged) = (true, damaged);
    }

    fn damaged(&self) -> usize {
        self.0.lock().damaged
    }

    /// How many, whether that is all, and those that come first.
    fn known(&self) -> (usize, bool, Vec<(Timestamp, KeyPlace)>) {
        let known = self.0.lock();
        let mut next: Vec<_> = known.at.iter().map(|(place, at)| (*at, *place)).collect();
        let (count, is_whole) = (next.len(), known.met_all && next.len() < KNOWN_MAX);
        drop(known);
        next.sort_unstable();
        next.truncate(NAMED_MAX);
        (count, is_whole, next)
    }
}

impl Operational {
    pub(super) fn destructions_health(&self) -> DestructionsHealth {
        let (count, is_whole, next) = self.destructions.known();
        let held = if self.clock_is_trusted() {
            self.destructions_wait.is_under_way().then_some(HeldBack::Ahead)
        } else {
            Some(HeldBack::Clock)
        };
        let named = |(at, place): (_, KeyPlace)| {
            let object = self.name_of_key(place.key_id).ok().flatten();
            DestructionAhead { place, object, at }
        };
        let damaged = self.destructions.damaged();
        DestructionsHealth { count, is_whole, damaged, held, next: next.into_iter().map(named).collect() }
    }

    /// The same as ends, for whoever speaks of those.
    pub(super) fn destructions_ahead(&self) -> Vec<Expiry> {
        let ends = self.destructions_health().next.into_iter().map(|ahead| {
            let DestructionAhead { place, object, at } = ahead;
            let name = object.map(|object| format!("{object} {}", place.version));
            Expiry { of: Ending::KeyVersion(place), name, spki: None, not_after: at }
        });
        ends.collect()
    }

    /// What people call the object of a key.
    fn name_of_key(&self, key_id: u32) -> Result<Option<String>, Stop> {
        let Some(object) = self.object_of_key(key_id)?.and_then(Listed::sound) else { return Ok(None) };
        let project = self.look_up::<Project>(Table::Projects, object.project.as_bytes())?;
        let project = project.and_then(Listed::sound);
        Ok(project.map(|project| format!("{}/{}", project.name, object.name)))
    }
}
