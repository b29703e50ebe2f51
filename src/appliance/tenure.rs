//! The time between opening the journal and closing it. A row says so while it lasts; one that is found at the next unlock
//! means that the process ended in between, and the first record after it is a gap.

use minicbor::{Decode, Encode};

use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::gap::{self, Gap};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Store, StoreError, Table};

use super::fault::Stop;
use super::never_sealed::RECORDED_SINCE;

/// The row, in the table of counters.
const ROW: &[u8] = b"journal-open";

/// The journal is open.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Tenure {
    /// Since when.
    #[n(0)]
    since: Timestamp,
    /// Most fields that are carried out and not yet durable, at any moment of it.
    #[n(1)]
    fields_max: u64,
}

/// The batch of an unlock: empty, or with the gap that the last end left. A row that does not open counts as an end that was
/// not clean, with `fields_max` as its bound.
///
/// # Errors
/// The store's.
pub(super) fn begin(store: &Store, fields_max: u64, now: Now) -> Result<Batch, Stop> {
    let batch = Batch::new(now.time.micros());
    let since = |batch: Batch| batch.put(Table::Counters, RECORDED_SINCE, cbor::encode(&now.time));
    let fields_max = match store.get(Table::Counters, ROW) {
        Ok(None) => {
            // A store of before this was written down, or a row that does not open.
            let is_known = matches!(store.get(Table::Counters, RECORDED_SINCE), Ok(Some(_)));
            return Ok(if is_known { batch } else { since(batch) });
        }
        Ok(Some(row)) => cbor::decode::<Tenure>(&row.value)?.fields_max,
        Err(StoreError::Damaged { .. }) => fields_max,
        Err(other) => return Err(other.into()),
    };
    let last_block = Timestamp::from_micros(store.head().time_us);
    tracing::warn!(%last_block, fields_max, "the last end was not clean: as many fields may be unrecorded");
    let gap = Gap { time: now.time, last_block, fields_max };
    let batch = since(batch.delete(Table::Counters, ROW));
    Ok(batch.record(gap::KIND, gap::VERSION, &cbor::encode(&gap)))
}

/// Says that the journal is open, durably, before anything is carried out that it may not hold yet.
///
/// # Errors
/// The store's.
pub(super) fn open(store: &Store, fields_max: u64, now: Now) -> Result<(), StoreError> {
    let tenure = Tenure { since: now.time, fields_max };
    let audit =
        AuditRecord::new(now.time, Actor::System, "journal.open").with("unrecorded-fields-max", fields_max);
    let batch = Batch::new(now.time.micros()).put(Table::Counters, ROW, cbor::encode(&tenure));
    store.commit(batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit))).map(drop)
}

/// Says that everything carried out is durable, and nothing more will be, in a commit with `batch`.
///
/// # Errors
/// The store's.
pub(super) fn close(store: &Store, batch: Batch, now: Now) -> Result<(), StoreError> {
    let audit = AuditRecord::new(now.time, Actor::System, "journal.close");
    let batch = batch.delete(Table::Counters, ROW);
    store.commit(batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit))).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::store::failing_disk::Failing;

    /// What the store says of since when the journal has everything.
    fn since(store: &Store) -> Option<Timestamp> {
        store.get(Table::Counters, RECORDED_SINCE).unwrap().map(|row| cbor::decode(&row.value).unwrap())
    }

    #[test]
    fn an_end_that_was_not_clean_moves_what_the_journal_is_sure_of() {
        let (_disk, _file, store) = Failing::store(Batch::new(1).record(audit_record::KIND, 1, b"made"));
        let at = |seconds| Now { time: Timestamp::from_seconds(seconds), instant: Instant::now() };
        let unlock = |seconds| {
            let batch = begin(&store, 7, at(seconds)).unwrap();
            store.commit(batch.record(audit_record::KIND, 1, b"unlock")).unwrap();
            open(&store, 7, at(seconds)).unwrap();
        };
        // A store of before this was known.
        unlock(10);
        assert_eq!(since(&store), Some(Timestamp::from_seconds(10)));
        close(&store, Batch::new(11_000_000), at(11)).unwrap();
        unlock(20);
        assert_eq!(since(&store), Some(Timestamp::from_seconds(10)), "nothing was lost");
        unlock(30);
        assert_eq!(since(&store), Some(Timestamp::from_seconds(30)));
    }
}
