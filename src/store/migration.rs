//! The way from an older layout to this one. It runs when the file is opened, before any key is there: a step may move
//! rows, but must keep each one's table, key and bytes, because the state digest covers them. What is inside a record
//! carries its own version and is read upward by whoever owns it.

use std::path::Path;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableError, TableHandle, WriteTransaction,
};

use super::disk::{FORMAT, ROWS};
use super::error::StoreError;

/// The layout this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// Leads from the version in front of it to the next.
pub type Step = (u32, fn(&WriteTransaction) -> Result<(), StoreError>);

/// The layouts a program knows. The product climbs [`Ladder::OURS`]; while that has no step, only tests have another.
#[derive(Debug, Clone, Copy)]
pub struct Ladder {
    /// The layout it writes.
    pub top: u32,
    /// One step per older one it can bring up.
    pub steps: &'static [Step],
}

impl Ladder {
    /// This program's. Format 1 is the first.
    pub const OURS: Self = Self { top: FORMAT_VERSION, steps: &[] };
}

const VERSION: &str = "version";

/// Makes an empty database a store of this format, or brings an older one up to it; all in one transaction.
pub(super) fn bring_up(database: &Database, path: &Path, ladder: Ladder) -> Result<(), StoreError> {
    match found(database)? {
        Some(version) if version == ladder.top => Ok(()),
        Some(version) => climb(database, version, ladder.top, ladder.steps),
        None if is_empty(database)? => write_version(database, ladder.top),
        None => Err(StoreError::NotAStore { path: path.to_owned() }),
    }
}

/// Whether this is a store that this program reads as it lies.
pub(super) fn recognise(database: &impl ReadableDatabase) -> Result<(), StoreError> {
    match found(database)? {
        Some(FORMAT_VERSION) => Ok(()),
        _ => Err(StoreError::Rotten { why: "its format cannot be read".into() }),
    }
}

/// Brings every row that `reading` shows into `fresh`, an empty database, as it lies.
pub(super) fn copy(reading: &ReadTransaction, fresh: &Database) -> Result<(), StoreError> {
    let old = reading.open_table(ROWS).map_err(StoreError::disk("read records"))?;
    let writing = fresh.begin_write().map_err(StoreError::disk("begin to write"))?;
    {
        let mut new = writing.open_table(ROWS).map_err(StoreError::disk("begin to write"))?;
        for row in old.iter().map_err(StoreError::disk("read records"))? {
            let (place, stored) = row.map_err(StoreError::disk("read records"))?;
            new.insert(place.value(), stored.value()).map_err(StoreError::disk("write a record"))?;
        }
    }
    set_version(&writing, FORMAT_VERSION)?;
    writing.commit().map_err(StoreError::disk("commit"))
}

pub(super) fn found(database: &impl ReadableDatabase) -> Result<Option<u32>, StoreError> {
    let reading = database.begin_read().map_err(StoreError::disk("read the format"))?;
    match reading.open_table(FORMAT) {
        Ok(table) => {
            let version = table.get(VERSION).map_err(StoreError::disk("read the format"))?;
            Ok(version.map(|version| version.value()))
        }
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(StoreError::disk("read the format")(error)),
    }
}

fn is_empty(database: &Database) -> Result<bool, StoreError> {
    let reading = database.begin_read().map_err(StoreError::disk("read the format"))?;
    let mut tables = reading.list_tables().map_err(StoreError::disk("read the format"))?;
    Ok(tables.all(|table| table.name() == FORMAT.name()))
}

fn write_version(database: &Database, version: u32) -> Result<(), StoreError> {
    let writing = database.begin_write().map_err(StoreError::disk("write the format"))?;
    writing.open_table(ROWS).map_err(StoreError::disk("write the format"))?;
    set_version(&writing, version)?;
    writing.commit().map_err(StoreError::disk("write the format"))
}

pub(super) fn set_version(writing: &WriteTransaction, version: u32) -> Result<(), StoreError> {
    let mut table = writing.open_table(FORMAT).map_err(StoreError::disk("write the format"))?;
    table.insert(VERSION, version).map_err(StoreError::disk("write the format"))?;
    Ok(())
}

pub(super) fn climb(database: &Database, found: u32, known: u32, steps: &[Step]) -> Result<(), StoreError> {
    if found > known {
        return Err(StoreError::NewerFormat { found, known });
    }
    let writing = database.begin_write().map_err(StoreError::disk("migrate"))?;
    for version in found..known {
        let step = steps.iter().find(|(from, _)| *from == version);
        let (_, run) = step.ok_or(StoreError::OlderFormat { found: version, known })?;
        run(&writing)?;
    }
    set_version(&writing, known)?;
    writing.commit().map_err(StoreError::disk("migrate"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::TableDefinition;
    use redb::backends::InMemoryBackend;

    const OLD_ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("records");

    /// As if layout 1 had called its table `records`.
    fn rename(writing: &WriteTransaction) -> Result<(), StoreError> {
        writing.rename_table(OLD_ROWS, ROWS).map_err(StoreError::disk("migrate"))
    }

    fn of_format_1() -> Database {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let writing = database.begin_write().unwrap();
        writing.open_table(OLD_ROWS).unwrap().insert(&b"key"[..], &b"value"[..]).unwrap();
        set_version(&writing, 1).unwrap();
        writing.commit().unwrap();
        database
    }

    #[test]
    fn an_older_layout_climbs_step_by_step_and_keeps_its_rows() {
        let database = of_format_1();
        climb(&database, 1, 3, &[(1, rename), (2, |_| Ok(()))]).unwrap();
        assert_eq!(found(&database).unwrap(), Some(3));
        let reading = database.begin_read().unwrap();
        let row = reading.open_table(ROWS).unwrap().get(&b"key"[..]).unwrap().unwrap();
        assert_eq!(row.value(), b"value");
    }

    #[test]
    fn a_step_that_is_missing_or_fails_leaves_everything_as_it_was() {
        let database = of_format_1();
        let missing = climb(&database, 1, 3, &[(1, rename)]).unwrap_err();
        assert!(matches!(missing, StoreError::OlderFormat { found: 2, known: 3 }), "{missing}");
        let failing: &[Step] = &[(1, rename), (2, |_| Err(StoreError::NotInitialised))];
        climb(&database, 1, 3, failing).unwrap_err();
        assert_eq!(found(&database).unwrap(), Some(1));
        assert!(database.begin_read().unwrap().open_table(OLD_ROWS).is_ok());
    }

    #[test]
    fn a_newer_layout_is_refused_by_number() {
        let database = of_format_1();
        write_version(&database, FORMAT_VERSION + 1).unwrap();
        let error = bring_up(&database, Path::new("store"), Ladder::OURS).unwrap_err();
        assert!(
            error.to_string().contains("has format 2, and this program knows formats up to 1"),
            "{error}"
        );
    }
}
