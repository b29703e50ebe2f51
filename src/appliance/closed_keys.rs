//! Key versions that were closed while requests were under way: disabled, or on their way to be destroyed. What was opened under
//! one before must not go out after its closing was answered, and its key must not come back into the keyring by a request that
//! had found it open.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::domain::key_place::KeyPlace;
use crate::domain::refusal::{Code, Refusal};

use super::memo::CatalogRevision;
use super::operational::Operational;

/// Closings remembered. A request that is older than all of them is told to ask again.
const CLOSINGS_MAX: usize = 1_024;

/// The last closings.
#[derive(Default)]
pub(super) struct ClosedKeys {
    /// The catalog revision of the last one: what was read at it or later knows of all.
    latest: AtomicU64,
    closings: Mutex<VecDeque<Closing>>,
}

struct Closing {
    revision: CatalogRevision,
    place: KeyPlace,
    is_open_again: bool,
}

/// Looks, when an answer is to go out, whether a key version that something was opened under was closed meanwhile.
pub struct KeyWatch {
    closed: Arc<ClosedKeys>,
    /// What was read at.
    since: CatalogRevision,
    opened: SmallVec<[KeyPlace; 2]>,
}

impl KeyWatch {
    /// Something was opened under a version that was read at `since`.
    pub(super) fn opens(&mut self, place: KeyPlace, since: CatalogRevision) {
        self.since = self.since.min(since);
        if self.opened.last() != Some(&place) {
            self.opened.push(place);
        }
    }

    /// Whether what was opened may still go out.
    ///
    /// # Errors
    /// `conflict` when one of its key versions was closed meanwhile: asked again, the request is told.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.closed.latest.load(Ordering::Acquire) <= self.since || !self.closed.concerns(self) {
            return Ok(());
        }
        Err(Refusal::new(Code::Conflict).detail("A key version was closed while this was decrypted."))
    }
}

impl ClosedKeys {
    /// A watch over a request that has opened nothing yet.
    pub(super) fn watch(self: &Arc<Self>) -> KeyWatch {
        KeyWatch { closed: Arc::clone(self), since: CatalogRevision::MAX, opened: SmallVec::new() }
    }

    fn concerns(&self, watch: &KeyWatch) -> bool {
        let closings = self.closings.lock();
        let is_forgotten = closings.len() == CLOSINGS_MAX
            && closings.front().is_some_and(|oldest| oldest.revision > watch.since);
        is_forgotten
            || closings
                .iter()
                .any(|closing| closing.revision > watch.since && watch.opened.contains(&closing.place))
    }

    fn close(&self, place: KeyPlace, revision: CatalogRevision) {
        let mut closings = self.closings.lock();
        if closings.len() == CLOSINGS_MAX {
            closings.pop_front();
        }
        closings.push_back(Closing { revision, place, is_open_again: false });
        self.latest.fetch_max(revision, Ordering::AcqRel);
    }

    fn open_again(&self, place: KeyPlace) {
        for closing in self.closings.lock().iter_mut().filter(|closing| closing.place == place) {
            closing.is_open_again = true;
        }
    }

    /// Whether a version was closed in this unlocked time, and is still.
    pub(super) fn is_closed(&self, place: KeyPlace) -> bool {
        if self.latest.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.closings.lock().iter().any(|closing| closing.place == place && !closing.is_open_again)
    }
}

impl Operational {
    /// A version is closed, durably: its key goes, and nothing that was opened under it goes out any more.
    pub(super) fn close_key(&self, place: KeyPlace) {
        self.closed_keys.close(place, self.catalog_revision());
        self.keyring.forget(place);
        self.leases.forget(place);
    }

    /// A version is no more, and no root of that number either: their keys go.
    pub(super) fn forget_key(&self, place: KeyPlace) {
        self.keyring.forget(place);
        self.keyring.forget_root(place);
        self.leases.forget(place);
    }

    /// A version opens again, durably.
    pub(super) fn reopen_key(&self, place: KeyPlace) {
        self.closed_keys.open_again(place);
    }

    /// After a key was unwrapped for a request that found its version open: whether it was closed meanwhile. Its key goes then.
    pub(super) fn check_not_closed(&self, place: KeyPlace) -> Result<(), Code> {
        if !self.closed_keys.is_closed(place) {
            return Ok(());
        }
        self.keyring.forget(place);
        Err(Code::KeyDisabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: KeyPlace = KeyPlace::new(7, 1);
    const TWO: KeyPlace = KeyPlace::new(7, 2);

    fn watch(closed: &Arc<ClosedKeys>, place: KeyPlace, since: u64) -> KeyWatch {
        let mut watch = closed.watch();
        watch.opens(place, since);
        watch
    }

    #[test]
    fn what_was_opened_before_its_version_was_closed_stays_here() {
        let closed = Arc::<ClosedKeys>::default();
        assert!(watch(&closed, ONE, 5).check().is_ok() && !closed.is_closed(ONE));
        closed.close(ONE, 6);
        assert!(watch(&closed, ONE, 5).check().is_err());
        assert!(watch(&closed, ONE, 6).check().is_ok(), "what was read since knows of it");
        assert!(
            watch(&closed, TWO, 5).check().is_ok() && watch(&closed, KeyPlace::new(8, 1), 5).check().is_ok()
        );
        let mut both = watch(&closed, TWO, 5);
        both.opens(ONE, 5);
        assert!(both.check().is_err());
        assert!(closed.is_closed(ONE) && !closed.is_closed(TWO));
        closed.open_again(ONE);
        assert!(!closed.is_closed(ONE));
        assert!(watch(&closed, ONE, 5).check().is_err(), "it was closed in between");
    }

    #[test]
    fn who_is_older_than_all_that_is_remembered_asks_again() {
        let closed = Arc::<ClosedKeys>::default();
        for number in 0..=CLOSINGS_MAX {
            closed.close(KeyPlace::new(9, u32::try_from(number).unwrap()), 10 + number as u64);
        }
        assert!(watch(&closed, ONE, 9).check().is_err());
        assert!(watch(&closed, ONE, 11).check().is_ok());
    }
}
