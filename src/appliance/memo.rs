//! What was read from the store and may be believed until something changes: a bounded cache whose entries are good for one
//! catalog revision only. A change raises the revision after it is durable and before it is answered, so that whatever it
//! took away is gone with the answer.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

/// The number of the catalog's last change.
pub(super) type CatalogRevision = u64;

/// A bounded cache of what the catalog said at a revision.
pub(super) struct Memo<K, V>(Cache<K, (CatalogRevision, Arc<V>)>);

impl<K: Hash + Eq, V> Memo<K, V> {
    /// Holds at most `entries_max`.
    #[must_use]
    pub(super) fn new(entries_max: usize) -> Self {
        Self(Cache::new(entries_max))
    }

    /// What the catalog says under `key`, if that was read at `revision`.
    pub(super) fn recall<Q: Hash + Equivalent<K> + ?Sized>(
        &self,
        key: &Q,
        revision: CatalogRevision,
    ) -> Option<Arc<V>> {
        self.0.get(key).filter(|(at, _)| *at == revision).map(|(_, value)| value)
    }

    /// Keeps what was read; `revision` is what the catalog's was *before* the reading began.
    pub(super) fn keep(&self, key: K, revision: CatalogRevision, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.0.insert(key, (revision, Arc::clone(&value)));
        value
    }

    /// Forgets what was read at any other revision than this one: nobody believes it any more, and there may be in it what is to
    /// be gone.
    pub(super) fn forget_but(&self, revision: CatalogRevision) {
        self.0.retain(|_, (at, _)| *at == revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outlives_its_revision_and_the_number_is_bounded() {
        let memo = Memo::<u32, u32>::new(100);
        memo.keep(1, 7, 10);
        assert_eq!(memo.recall(&1, 7).as_deref(), Some(&10));
        assert_eq!(memo.recall(&1, 8), None);
        let (old, new) = (Arc::downgrade(&memo.keep(2, 7, 20)), Arc::downgrade(&memo.keep(3, 8, 30)));
        memo.forget_but(8);
        assert!(old.upgrade().is_none() && new.upgrade().is_some());
        for key in 0..10_000 {
            memo.keep(key, 8, key);
        }
        let kept = (0..10_000u32).filter(|key| memo.recall(key, 8).is_some()).count();
        assert!(kept <= 100, "{kept}");
    }
}
