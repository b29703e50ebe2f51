//! Going through the rows of a table. One that does not open stands for itself: it is named, and everything else is read as
//! if it were not there.

use minicbor::{Decode, Encode};

use crate::domain::cbor::{self, NotCanonical};
use crate::store::{Revision, Row, RowName, Scan, StoreError, Table};

use super::fault::Stop;
use super::operational::Operational;

/// Rows read at a time.
const PAGE_ROWS: usize = 1_000;

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed<T> {
    /// What was asked for.
    Sound(T),
    /// A row that is there and does not open: its name is all that is known of it.
    Damaged(RowName),
}

impl<T> Listed<T> {
    /// The same of another noun.
    pub(super) fn map<U>(self, noun: impl FnOnce(T) -> U) -> Listed<U> {
        match self {
            Self::Sound(value) => Listed::Sound(noun(value)),
            Self::Damaged(row) => Listed::Damaged(row),
        }
    }

    /// What was asked for, if it could be read.
    pub fn sound(self) -> Option<T> {
        match self {
            Self::Sound(value) => Some(value),
            Self::Damaged(_) => None,
        }
    }
}

impl Listed<Row> {
    /// A row as the store found it.
    pub(super) fn of(row: Result<Row, StoreError>) -> Result<Self, Stop> {
        match row {
            Ok(row) => Ok(Self::Sound(row)),
            Err(StoreError::Damaged { row, .. }) => Ok(Self::Damaged(row)),
            Err(other) => Err(other.into()),
        }
    }

    /// A row of a known type.
    pub(super) fn decode<T>(self) -> Result<Listed<T>, Stop>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        Ok(match self {
            Self::Sound(row) => Listed::Sound(cbor::decode(&row.value)?),
            Self::Damaged(row) => Listed::Damaged(row),
        })
    }

    /// A row that lies at `key` of `table`, as `read` understands it. One that it does not is damaged, too, and the log says why.
    pub(super) fn read_at<T>(
        self,
        table: Table,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, NotCanonical>,
    ) -> Listed<T> {
        match self {
            Self::Sound(row) => read(&row.value).map_or_else(
                |why| {
                    let row = RowName::new(table, key);
                    tracing::error!(%row, %why, "a row does not say what it should");
                    Listed::Damaged(row)
                },
                Listed::Sound,
            ),
            Self::Damaged(row) => Listed::Damaged(row),
        }
    }
}

impl Operational {
    /// One row of a known type, which may be damaged.
    pub(super) fn look_up<T>(&self, table: Table, key: &[u8]) -> Result<Option<Listed<T>>, Stop>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        Ok(self.look_up_now(table, key)?.map(|row| row.map(|(_, value)| value)))
    }

    /// The same with its revision: for whoever changes it only as it lies now.
    pub(super) fn look_up_now<T>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Listed<(Revision, T)>>, Stop>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let Some(row) = self.store.get(table, key).transpose() else { return Ok(None) };
        let row = Listed::of(row)?;
        let revision = match &row {
            Listed::Sound(row) => row.revision,
            Listed::Damaged(name) => return Ok(Some(Listed::Damaged(name.clone()))),
        };
        Ok(Some(row.read_at(table, key, cbor::decode).map(|value| (revision, value))))
    }

    /// Visits every row of a table whose key begins with `prefix`, a page at a time. A damaged one is named in the log and
    /// left out.
    pub(super) fn each(
        &self,
        table: Table,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.each_listed(table, prefix, |row_key, row| match row {
            Listed::Sound(row) => visit(row_key, row),
            Listed::Damaged(row) => {
                tracing::error!(%row, "a damaged row is left out");
                Ok(())
            }
        })
    }

    /// The same with the damaged ones.
    pub(super) fn each_listed(
        &self,
        table: Table,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], Listed<Row>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(table, Scan { prefix, after: after.as_deref(), limit: PAGE_ROWS })?;
            let full = page.len() == PAGE_ROWS;
            after = page.last().map(|(row_key, _)| row_key.clone());
            for (row_key, row) in page {
                visit(&row_key, Listed::of(row)?)?;
            }
            if !full {
                return Ok(());
            }
        }
    }
}
