//! The journal's thread: commits what the recorder gathered, looks at the disk once a second, and brings the store back after
//! a write that failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::domain::access_record::outcome_number;
use crate::domain::timestamp::Now;
use crate::store::{Store, StoreError};

use super::block::Block;
use super::buckets::Buckets;
use super::company::Company;
use super::disk_reserve::DiskReserve;
use super::in_doubt::InDoubt;
use super::last_uses::LastUses;
use super::recorder::{Shared, Waiting};

/// How long to wait before a commit that failed is tried again, and between two looks at the disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Places a buffer of records keeps after a rush.
const RECORDS_KEPT: usize = 4_096;

pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
    pub(super) reserve: DiskReserve,
    pub(super) clock: fn() -> Now,
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
        let (mut records, mut last_uses, mut buckets) = (Vec::new(), LastUses::default(), Buckets::default());
        let (mut company, mut in_doubt) = (Company::default(), None);
        loop {
            let mut catching_up = self.shared.pause.catching_up_since();
            let closing = self.wait(&mut records, &company);
            company.begin(&records);
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look_at_disk();
                self.look_at_store(&records);
            }
            // A block in doubt may be in the journal, and is not counted yet.
            if in_doubt.is_none() && self.shared.folds_now.swap(false, Ordering::AcqRel) {
                self.fold_now();
            }
            while !records.is_empty() {
                let failed = match self.settle(&mut in_doubt, &mut records) {
                    Ok(true) => continue,
                    Ok(false) => self.commit_block(&mut records, &mut last_uses, &mut buckets, &mut in_doubt),
                    Err(unsettled) => Err(unsettled),
                };
                let Err(failed) = failed else { continue };
                tracing::error!(records = records.len(), %failed, "access records could not be committed");
                buckets.forget();
                // Nobody waits through a recovery for an answer that will be no.
                records.iter_mut().for_each(Waiting::fail);
                self.recover(&failed);
                if !matches!(self.settle(&mut in_doubt, &mut records), Ok(true)) {
                    catching_up = None;
                    if !self.keep(&mut records, failed.to_string()) {
                        return;
                    }
                }
            }
            if let Some(since) = catching_up {
                self.shared.pause.caught_up(since);
            }
            records.shrink_to(RECORDS_KEPT);
            company.end(self.shared.open().waited_for);
            if closing {
                self.end();
                return;
            }
        }
    }

    /// Commits as many records as make a block, from the first on.
    ///
    /// # Errors
    /// The store's: the records are there still, and where the commit may have landed all the same their block is in doubt.
    fn commit_block(
        &self,
        records: &mut Vec<Waiting>,
        last_uses: &mut LastUses,
        buckets: &mut Buckets,
        in_doubt: &mut Option<InDoubt>,
    ) -> Result<(), StoreError> {
        let block = Block::gather(records.iter().map(|waiting| &waiting.record));
        let (count, from) = (block.count, self.store.head().next_sequence);
        if self.shared.statistics_went.swap(false, Ordering::AcqRel) {
            buckets.forget();
        }
        let batch = block.into_batch(&self.store, buckets, (self.clock)())?;
        let (batch, folding) = self.fold(batch)?;
        let batch = last_uses.note(batch, records[..count].iter().map(|waiting| &waiting.record));
        match self.store.commit(batch) {
            Ok(_) => {
                last_uses.keep();
                buckets.keep();
                self.folded(folding, &records[..count]);
                self.committed(records.drain(..count));
                Ok(())
            }
            Err(failed) => {
                *in_doubt = matches!(failed, StoreError::Disk { .. })
                    .then(|| InDoubt::of(records, count, from, folding));
                Err(failed)
            }
        }
    }

    /// Waits for a first record, then as long as it may wait for others: where somebody waits for one, for his company alone.
    /// Comes back without any when it is time to look at the disk.
    ///
    /// `records` is empty and becomes the next buffer, so that neither grows anew each time. Whether the journal is closing.
    fn wait(&self, records: &mut Vec<Waiting>, company: &Company) -> bool {
        let mut open = self.shared.open();
        if open.records.is_empty() && !open.closing {
            open.wait_until(Instant::now() + LOOK_EVERY);
        }
        let mut until = Instant::now() + self.shared.limits.flush_after;
        let mut is_waited_for = false;
        open.enough = company.enough();
        while !open.records.is_empty() && open.waited_for < open.enough && !open.closing {
            if open.waited_for > 0 && !is_waited_for {
                is_waited_for = true;
                until = until.min(Instant::now() + company.patience());
            }
            if open.wait_until(until) {
                break;
            }
        }
        open.waited_for = 0;
        open.weight = 0;
        std::mem::swap(&mut open.records, records);
        open.closing
    }

    /// Opens the store again after a failure of the disk. What became of a write is found out by whoever made it.
    pub(super) fn recover(&self, failed: &StoreError) {
        if !matches!(failed, StoreError::Disk { .. } | StoreError::Stopped { .. }) {
            return;
        }
        match self.store.recover() {
            Ok(landed) => tracing::warn!(landed = landed.is_some(), "the store was opened again"),
            Err(error) => tracing::error!(%error, "the store cannot be opened again yet"),
        }
    }

    /// Durable: whoever waits is told, and what there was is counted.
    pub(super) fn committed(&self, records: impl Iterator<Item = Waiting>) {
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
        open.waited_for = 0;
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
        // Before anybody finds it closed: who comes then gives his room back, and is recorded nowhere.
        let owed = self.shared.fields.load(Ordering::Acquire);
        drop(open);
        late.iter_mut().for_each(Waiting::fail);
        if owed > 0 {
            tracing::warn!(fields = owed, "the journal ends before every request did");
        } else if let Err(error) = self.close_tenure() {
            tracing::error!(%error, "the end of the journal could not be journalled");
        }
    }
}

/// A thread that panicked commits nothing more: whoever waits is told, and nobody new is let in. What it held is dropped, which
/// tells those who wait for it.
impl Drop for Committer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut open = self.shared.open();
        open.closed = true;
        open.trouble = Some("the journal's thread failed; restart the service".into());
        open.unrecorded += open.records.iter().map(|waiting| waiting.record.requests()).sum::<u64>();
        let mut late = std::mem::take(&mut open.records);
        drop(open);
        late.iter_mut().for_each(Waiting::fail);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;
    use std::thread::sleep;

    use crate::appliance::recorder::{JournalLimits, Recorder};
    use crate::crypto::block::Leaves;
    use crate::domain::access_record::{self, AccessRecord, Group};
    use crate::domain::audit_record;
    use crate::domain::id::{EndpointId, ObjectId};
    use crate::domain::operation::{Operation, Operations};
    use crate::domain::refusal::Refusal;
    use crate::domain::timestamp::{Now, Timestamp};
    use crate::store::failing_disk::Failing;
    use crate::store::{Batch, Scan, Store, StoreFile, Table};

    use super::*;

    const CHANGE: &[u8] = b"by somebody else";

    fn clock() -> Now {
        Now { time: Timestamp::from_seconds(7_200), instant: Instant::now() }
    }

    fn decrypted() -> AccessRecord {
        let object = Some(ObjectId::from_bytes([3; 16]));
        AccessRecord {
            time: clock().time,
            endpoint: EndpointId::from_bytes([1; 16]),
            api_key: None,
            certificate: [2; 32],
            address: [127, 0, 0, 1].into(),
            operation: Some(Operation::Decrypt),
            latency_us: 10,
            outcome: None,
            groups: [Group {
                object,
                key_version: 1,
                outcome: None,
                fields: 1,
                bytes: 16,
                subjects: None,
                anew: None,
                key_id: None,
            }]
            .into(),
            repeated: None,
        }
    }

    fn wait_for(recorder: &Recorder, record: AccessRecord) -> Result<(), Refusal> {
        let (tell, told) = mpsc::channel();
        recorder.record_strict(record, None, Box::new(move |durable| tell.send(durable).unwrap()));
        told.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// Kinds and bodies of all records in the journal.
    fn bodies(store: &Store) -> Vec<(u16, Vec<u8>)> {
        let blocks = store.blocks(0, 1_000).unwrap();
        let leaves = blocks.into_iter().map(|block| block.unwrap().leaves.unwrap());
        let records = leaves.flat_map(|leaves| {
            let leaves = Leaves::new(&leaves).map(|leaf| leaf.unwrap());
            leaves.map(|leaf| (leaf.kind, leaf.body.to_vec())).collect::<Vec<_>>()
        });
        records.collect()
    }

    /// More than the store keeps in memory, so that what is not used is read from the disk.
    fn push_out_of_memory(store: &Store) {
        let batch = Batch::new(2).record(audit_record::KIND, 1, b"much");
        let much = (0..64).fold(batch, |batch, row| batch.put(Table::Users, &[row], vec![row; 60_000]));
        // Before and behind those of these tests, so that they lie in no page with what each commit writes.
        let much =
            (0..=u8::MAX).fold(much, |batch, row| batch.put(Table::Statistics, &[row; 32], vec![row; 900]));
        store.commit(much).unwrap();
        for _ in 0..2 {
            let all = Scan { prefix: &[], after: None, limit: 1_000 };
            assert_eq!(store.scan(Table::Users, all).unwrap().len(), 64);
        }
    }

    /// A journal over a disk that fails after so many operations of somebody else's write.
    fn over_a_failure(operations: i64) -> Option<(StoreFile, Store, Recorder)> {
        let (disk, file, store) = Failing::store(Batch::new(1).record(audit_record::KIND, 1, b"made"));
        let limits = JournalLimits {
            flush_after: Duration::from_millis(1),
            buffer_records_max: 1_024,
            strict: Operations::default(),
        };
        let reserve = DiskReserve { directory: "/".into(), bytes: 0 };
        let recorder = Recorder::start(store.clone(), limits, reserve, clock).unwrap();
        wait_for(&recorder, decrypted()).unwrap();
        push_out_of_memory(&store);
        disk.let_through(operations);
        let changed = store.commit(Batch::new(3).record(audit_record::KIND, 1, CHANGE));
        disk.let_through(i64::MAX);
        changed.is_err().then_some((file, store, recorder))
    }

    static CLOCK_IS_BROKEN: AtomicBool = AtomicBool::new(false);

    fn breaking_clock() -> Now {
        assert!(!CLOCK_IS_BROKEN.load(Ordering::Acquire), "a bug in the journal's thread");
        clock()
    }

    /// Who waits is told no, and so is whoever comes after; nothing hangs, and nothing piles up.
    #[test]
    fn a_panic_of_the_journals_thread_keeps_nobody_waiting() {
        let (_disk, _file, store) = Failing::store(Batch::new(1).record(audit_record::KIND, 1, b"made"));
        let limits = JournalLimits {
            flush_after: Duration::from_millis(1),
            buffer_records_max: 1_024,
            strict: Operations::default(),
        };
        let reserve = DiskReserve { directory: "/".into(), bytes: 0 };
        let recorder = Recorder::start(store, limits, reserve, breaking_clock).unwrap();
        wait_for(&recorder, decrypted()).unwrap();
        CLOCK_IS_BROKEN.store(true, Ordering::Release);
        let (tell, told) = mpsc::channel::<Result<(), Refusal>>();
        recorder.record_strict(decrypted(), None, Box::new(move |durable| tell.send(durable).unwrap()));
        // Told no, or its teller was dropped with the thread: both are `journal-full` at the edge.
        let answer = told.recv_timeout(Duration::from_secs(60));
        assert!(!matches!(answer, Ok(Ok(())) | Err(mpsc::RecvTimeoutError::Timeout)), "{answer:?}");
        let start = Instant::now();
        while recorder.check_room().is_ok() {
            assert!(start.elapsed() < Duration::from_secs(60), "somebody is still let in");
            sleep(Duration::from_millis(1));
        }
        assert!(recorder.trouble().unwrap().contains("restart the service"));
        assert!(wait_for(&recorder, decrypted()).is_err());
        recorder.close();
    }

    /// A write of somebody else fails and lands all the same, and then the journal cannot read the statistics: what it
    /// gathered is not durable, and stays.
    #[test]
    fn anothers_write_that_landed_is_not_taken_for_the_journals() {
        // Nothing is missing but the end: that one lands.
        let suffices = (0..100).find(|operations| over_a_failure(*operations).is_none()).unwrap();
        let (_file, store, recorder) = over_a_failure(suffices - 1).unwrap();
        recorder.record(decrypted(), None);
        let mut gathered = 3;
        // Until the journal has failed, recovered and tried again; what was refused meanwhile is recorded too.
        while wait_for(&recorder, decrypted()).is_err() {
            gathered += 1;
            sleep(Duration::from_millis(10));
        }
        recorder.close();
        let bodies = bodies(&store);
        assert!(bodies.contains(&(audit_record::KIND, CHANGE.to_vec())), "what failed did not land");
        let found = bodies.iter().filter(|(kind, _)| *kind == access_record::KIND).count();
        assert_eq!(found, gathered);
    }
}
