//! When each API key was used last, written with the blocks that are written anyway: so it costs no commit. To the minute: a
//! key in steady use has one row written a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::domain::access_record::AccessRecord;
use crate::domain::cbor;
use crate::domain::id::ApiKeyId;
use crate::domain::timestamp::Timestamp;
use crate::domain::trace::LastUse;
use crate::store::{Batch, Table};

/// How much later a use has to be to be written down anew.
const GRAIN: Duration = Duration::from_secs(60);

/// What was written of each API key since the unlock. As many as the catalog has of those that are used, and no more.
#[derive(Default)]
pub(super) struct LastUses {
    written: HashMap<ApiKeyId, Timestamp>,
    /// What is in a batch that is not durable yet.
    coming: Vec<(ApiKeyId, Timestamp)>,
}

impl LastUses {
    /// Adds to the batch of a block what is due of its records.
    pub(super) fn note<'a>(
        &mut self,
        batch: Batch,
        records: impl Iterator<Item = &'a AccessRecord>,
    ) -> Batch {
        let mut due: HashMap<ApiKeyId, (Timestamp, IpAddr)> = HashMap::new();
        let mut last = None;
        for record in records {
            let Some(id) = record.api_key else { continue };
            // Mostly one key's requests come one behind the other, and a second of a minute is not told.
            if last == Some((id, record.time.seconds())) {
                continue;
            }
            last = Some((id, record.time.seconds()));
            let is_fresh = self.written.get(&id).is_some_and(|at| record.time.since(*at) < GRAIN);
            if !is_fresh {
                due.insert(id, (record.time, record.address.to_canonical()));
            }
        }
        self.coming = due.iter().map(|(id, (time, _))| (*id, *time)).collect();
        due.into_iter().fold(batch, |batch, (id, (time, address))| {
            batch.put(Table::Traces, &LastUse::row_key(id), cbor::encode(&LastUse { time, address }))
        })
    }

    /// The batch is durable.
    pub(super) fn keep(&mut self) {
        self.written.extend(self.coming.drain(..));
    }
}
