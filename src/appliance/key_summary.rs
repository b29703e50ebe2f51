//! How many key versions there are, of which algorithm, in which state, and how old they are.

use std::collections::BTreeMap;

use crate::domain::cbor;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::timestamp::Timestamp;
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// All keys, summed up.
#[derive(Default)]
pub struct KeySummary {
    /// By algorithm and state.
    pub versions: BTreeMap<(&'static str, &'static str), KeyAges>,
    /// Objects there are.
    pub objects: u64,
    /// Those that say whose data they hold.
    pub objects_with_subject: u64,
    /// Rows of either that do not open, and are in no sum.
    pub damaged: u64,
}

/// Keys that are alike.
pub struct KeyAges {
    /// How many.
    pub count: u64,
    /// When the first was made.
    pub oldest: Timestamp,
    /// When the last was made.
    pub newest: Timestamp,
}

impl Operational {
    /// Sums up all keys, in one look at each. Damaged rows are counted as such.
    ///
    /// # Errors
    /// The store's.
    pub fn key_summary(&self) -> Result<KeySummary, Stop> {
        let mut summary = KeySummary::default();
        self.each_listed(Table::KeyVersions, &[], |row_key, row| {
            let row = row.read_at(Table::KeyVersions, row_key, cbor::decode);
            let Listed::Sound(KeyVersion { algorithm, life, created, .. }) = row else {
                summary.damaged += 1;
                return Ok(());
            };
            let new = || KeyAges { count: 0, oldest: created, newest: created };
            let ages = summary.versions.entry((algorithm.name(), life.state().name())).or_insert_with(new);
            ages.count += 1;
            (ages.oldest, ages.newest) = (ages.oldest.min(created), ages.newest.max(created));
            Ok(())
        })?;
        self.each_listed(Table::Objects, &[], |_, row| {
            let Listed::Sound(object) = row.decode::<Object>()? else {
                summary.damaged += 1;
                return Ok(());
            };
            summary.objects += 1;
            summary.objects_with_subject += u64::from(object.subject().is_some());
            Ok(())
        })?;
        Ok(summary)
    }
}
