//! Rows by their keys: one, or many as they were at one moment, with one look at the database for all of them.

use super::disk::guarded;
use super::error::StoreError;
use super::table::Table;
use super::{Row, Store, refuse_boot};

impl Store {
    /// Reads one row; `None` when it is not there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the row; [`StoreError::Refused`] for the boot row, which [`Store::boot`] reads;
    /// [`StoreError::Disk`].
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        refuse_boot(table)?;
        #[cfg(test)]
        self.0.counted.read(1);
        let place = table.place(key);
        guarded("read a record", || {
            let rows = self.0.disk.read()?;
            let stored = rows.at(&place)?;
            let keys = self.0.keys();
            stored.map(|stored| Row::open(&keys, &place, stored.value())).transpose()
        })
    }

    /// The bytes that lie in a row, sealed; of the boot row, too. For a second place: nothing of them is opened or checked.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn sealed(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded("read a record", || {
            let rows = self.0.disk.read()?;
            Ok(rows.at(&table.place(key))?.map(|stored| stored.value().to_vec()))
        })
    }

    /// Reads a row for each of `keys`, in their order: what [`Store::get`] says of each, all from one snapshot. Keys that
    /// ascend are found faster.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for the boot table, [`StoreError::Disk`]. A damaged row stands in its place as the error that
    /// names it.
    pub fn get_each<K: AsRef<[u8]>>(
        &self,
        table: Table,
        keys: impl ExactSizeIterator<Item = K>,
    ) -> Result<Vec<Result<Option<Row>, StoreError>>, StoreError> {
        refuse_boot(table)?;
        let mut found = Vec::with_capacity(keys.len());
        if keys.len() == 0 {
            return Ok(found);
        }
        #[cfg(test)]
        self.0.counted.read(keys.len());
        guarded("read records", || {
            let rows = self.0.disk.read()?;
            let sealed_by = self.0.keys();
            for key in keys {
                let place = table.place(key.as_ref());
                let stored = rows.at(&place)?;
                found.push(stored.map(|stored| Row::open(&sealed_by, &place, stored.value())).transpose());
            }
            Ok(found)
        })
    }
}
