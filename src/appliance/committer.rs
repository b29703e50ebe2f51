//! The journal's thread: commits what the recorder gathered, looks at the disk once a second, and brings the store back after
//! a write that failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::domain::access_record::outcome_number;
use crate::domain::timestamp::Now;
use crate::store::{Store, StoreError};

use super::block::Block;
use super::disk_reserve::DiskReserve;
use super::recorder::{Shared, Waiting};
use super::tenure;

/// How long to wait before a commit that failed is tried again, and between two looks at the disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Places a buffer of records keeps after a rush.
const RECORDS_KEPT: usize = 4_096;

pub(super) struct Committer {
    shared: Arc<Shared>,
    store: Store,
    reserve: DiskReserve,
    clock: fn() -> Now,
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, store: Store, reserve: DiskReserve, clock: fn() -> Now) -> Self {
        let committer = Self { shared, store, reserve, clock };
        committer.look_at_disk();
        committer
    }

    /// Until the journal is closed.
    pub(super) fn run(self) {
        let mut looked = Instant::now();
        let mut records = Vec::new();
        loop {
            let catching_up = self.shared.pause.catching_up_since();
            let closing = self.wait(&mut records);
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look_at_disk();
                self.look_at_store(&records);
            }
            while !records.is_empty() {
                let block = Block::gather(records.iter().map(|waiting| &waiting.record));
                let count = block.count;
                match block.commit(&self.store, (self.clock)()) {
                    Ok(()) => self.committed(records.drain(..count)),
                    Err(failed) => {
                        tracing::error!(records = records.len(), %failed, "access records could not be committed");
                        // Nobody waits through a recovery for an answer that will be no.
                        records.iter_mut().for_each(Waiting::fail);
                        let landed = self.recover(&failed);
                        if landed {
                            self.committed(records.drain(..count));
                        } else if !self.keep(&mut records, failed.to_string()) {
                            return;
                        }
                    }
                }
            }
            if let Some(since) = catching_up {
                self.shared.pause.caught_up(since);
            }
            records.shrink_to(RECORDS_KEPT);
            if closing {
                self.end();
                return;
            }
        }
    }

    /// Waits for a first record, then as long as it may wait for others: not at all where somebody waits for one. Comes back
    /// without any when it is time to look at the disk.
    ///
    /// `records` is empty and becomes the next buffer, so that neither grows anew each time. Whether the journal is closing.
    fn wait(&self, records: &mut Vec<Waiting>) -> bool {
        let mut open = self.shared.open();
        if open.records.is_empty() && !open.closing {
            open.wait_until(Instant::now() + LOOK_EVERY);
        }
        let until = Instant::now() + self.shared.limits.flush_after;
        while !open.records.is_empty() && !open.urgent && !open.closing {
            if open.wait_until(until) {
                break;
            }
        }
        open.urgent = false;
        open.weight = 0;
        std::mem::swap(&mut open.records, records);
        open.closing
    }

    fn look_at_disk(&self) {
        match self.reserve.measure() {
            Ok(disk) => {
                let mut open = self.shared.open();
                let was_short = open.disk.is_some_and(super::DiskSpace::is_short);
                open.disk = Some(disk);
                drop(open);
                let (free_mib, reserve_mib) = (disk.free_bytes >> 20, disk.reserve_bytes >> 20);
                match (was_short, disk.is_short()) {
                    (false, true) => {
                        tracing::error!(
                            free_mib,
                            reserve_mib,
                            "the disk is down to its reserve: requests on data are refused"
                        );
                    }
                    (true, false) => tracing::info!(free_mib, reserve_mib, "the disk has room again"),
                    _ => {}
                }
            }
            Err(error) => tracing::error!(%error, "the free space of the disk cannot be measured"),
        }
    }

    /// A change by the operator may have failed while no record waited.
    fn look_at_store(&self, records: &[Waiting]) {
        if !records.is_empty() || !self.store.is_stopped() {
            return;
        }
        let failed = self.store.recover().err().map(|error| error.to_string());
        if let Some(why) = &failed {
            tracing::error!(%why, "the store cannot be opened again yet");
        }
        self.shared.open().trouble = failed;
    }

    /// Opens the store again after a commit that failed. `true` when that commit had become durable all the same.
    fn recover(&self, failed: &StoreError) -> bool {
        if !matches!(failed, StoreError::Disk { .. } | StoreError::Stopped { .. }) {
            return false;
        }
        match self.store.recover() {
            Ok(landed) => {
                // One that only met the failure of another's write has changed nothing.
                let landed = landed.is_some() && matches!(failed, StoreError::Disk { .. });
                tracing::warn!(landed, "the store was opened again");
                landed
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again yet");
                false
            }
        }
    }

    /// Durable: whoever waits is told, and what there was is counted.
    fn committed(&self, records: impl Iterator<Item = Waiting>) {
        {
            let mut totals = self.shared.totals.lock();
            for Waiting { record, room, tell } in records {
                drop(room);
                if let Some(tell) = tell {
                    tell(Ok(()));
                }
                let total = totals.entry((record.operation, outcome_number(record.outcome))).or_default();
                total.count_requests(&record);
                record.groups.iter().for_each(|group| total.count_fields(group));
            }
        }
        if self.shared.open().trouble.take().is_some() {
            tracing::info!("access records are committed again");
        }
    }

    /// Not durable: the records go back to the front of the buffer, in order, until the next try: nothing is lost while the
    /// process lives. `false` when there will be none, because the journal is closing.
    fn keep(&self, records: &mut Vec<Waiting>, why: String) -> bool {
        let mut open = self.shared.open();
        open.trouble = Some(why);
        // First: who is told no and comes again is refused by `check_room`.
        open.publish();
        records.append(&mut open.records);
        records.iter_mut().for_each(Waiting::fail);
        open.urgent = false;
        if open.closing {
            open.closed = true;
            open.unrecorded += records.iter().map(|waiting| waiting.record.requests()).sum::<u64>();
            return false;
        }
        open.weight = records.iter().map(Waiting::weight).sum();
        open.records = std::mem::take(records);
        open.wait_until(Instant::now() + LOOK_EVERY);
        true
    }

    /// The last records were committed; one that came meanwhile is too late. Where nothing is owed any more, the journal says
    /// that it is closed.
    fn end(&self) {
        let mut open = self.shared.open();
        open.closed = true;
        open.unrecorded += open.records.iter().map(|waiting| waiting.record.requests()).sum::<u64>();
        let mut late = std::mem::take(&mut open.records);
        drop(open);
        late.iter_mut().for_each(Waiting::fail);
        let owed = self.shared.fields.load(Ordering::Acquire);
        if owed > 0 {
            tracing::warn!(fields = owed, "the journal ends before every request did");
        } else if let Err(error) = tenure::close(&self.store, (self.clock)()) {
            tracing::error!(%error, "the end of the journal could not be journalled");
        }
    }
}
