//! The open block over a real database: what is waited for becomes durable at once and together, and statistics are what a
//! recount gives.

use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use gembok::appliance::{DiskReserve, FIELDS_UNRECORDED_MAX, JournalLimits, Recorder};
use gembok::domain::access_record::{AccessRecord, Group};
use gembok::domain::id::{EndpointId, ObjectId};
use gembok::domain::operation::{Operation, Operations};
use gembok::domain::statistics::Fold;
use gembok::domain::timestamp::{Now, Timestamp};
use gembok::store::Store;
use support::Rig;

#[path = "store/support.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod support;

#[path = "support/recount.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod recount;

#[expect(clippy::disallowed_methods, reason = "a test is its own edge")]
fn clock() -> Now {
    Now { time: Timestamp::from_system(SystemTime::now()), instant: Instant::now() }
}

fn start(store: &Store, flush_after: Duration) -> Recorder {
    let strict = Operations::default().with(Operation::Decrypt);
    let limits = JournalLimits { flush_after, buffer_records_max: 65_536, strict };
    let reserve = DiskReserve { directory: "/".into(), bytes: 0 };
    Recorder::start(store.clone(), limits, reserve, clock).unwrap()
}

fn record(operation: Operation, object: u8) -> AccessRecord {
    let object = Some(ObjectId::from_bytes([object; 16]));
    AccessRecord {
        time: clock().time,
        endpoint: EndpointId::from_bytes([1; 16]),
        api_key: None,
        certificate: [2; 32],
        address: [127, 0, 0, 1].into(),
        operation: Some(operation),
        latency_us: 10,
        outcome: None,
        groups: [Group {
            object,
            key_version: 1,
            outcome: None,
            fields: 2,
            bytes: 32,
            subjects: None,
            anew: None,
            key_id: None,
        }]
        .into(),
        repeated: None,
    }
}

/// Records and waits until it is durable.
fn wait_for(recorder: &Recorder, record: AccessRecord) {
    let (tell, told) = mpsc::channel();
    recorder.record_strict(record, None, Box::new(move |durable| tell.send(durable).unwrap()));
    told.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
}

fn blocks(store: &Store) -> usize {
    store.blocks(0, 10_000).unwrap().len()
}

#[test]
fn what_is_waited_for_takes_along_what_waits() {
    let (_rig, _file, store) = Rig::initialised();
    // Without somebody who waits this would take an hour.
    let recorder = start(&store, Duration::from_secs(3_600));
    let (before, blocks_before) = (store.head().next_sequence, blocks(&store));
    for _ in 0..3 {
        recorder.record(record(Operation::Encrypt, 3), None);
    }
    assert_eq!(store.head().next_sequence, before);
    wait_for(&recorder, record(Operation::Decrypt, 3));
    assert_eq!(store.head().next_sequence, before + 4);
    assert_eq!(blocks(&store), blocks_before + 1);
}

#[test]
fn those_who_wait_at_once_share_commits_and_statistics_equal_a_recount() {
    const THREADS: u8 = 32;
    const EACH: usize = 20;
    let (_rig, _file, store) = Rig::initialised();
    let recorder = start(&store, Duration::from_secs(3_600));
    let (fold, commits) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let (recorder, store) = (&recorder, &store);
                scope.spawn(move || {
                    let mut asked = Vec::new();
                    for _ in 0..EACH {
                        let before = store.head().next_sequence;
                        let one = record(Operation::Decrypt, n % 3);
                        asked.push(one.clone());
                        wait_for(recorder, one);
                        assert!(store.head().next_sequence > before, "told before it was durable");
                    }
                    asked
                })
            })
            .collect();
        let mut fold = Fold::default();
        for thread in threads {
            thread.join().unwrap().iter().for_each(|record| fold.count(record));
        }
        (fold, blocks(&store) - 1)
    });
    let records = usize::from(THREADS) * EACH;
    assert!(commits * 2 <= records, "{records} records took {commits} commits");
    recorder.close();
    assert_eq!(recount::statistics(&store), recount::rows(&fold));
}

#[test]
fn a_closed_journal_takes_nothing_and_says_so() {
    let (_rig, _file, store) = Rig::initialised();
    let recorder = start(&store, Duration::from_millis(1));
    recorder.close();
    let (tell, told) = mpsc::channel();
    recorder.record_strict(
        record(Operation::Decrypt, 3),
        None,
        Box::new(move |durable| tell.send(durable).unwrap()),
    );
    assert!(told.recv_timeout(Duration::from_secs(60)).unwrap().is_err());
    assert_eq!(recorder.unrecorded(), 1);
}

#[test]
fn no_more_fields_are_carried_out_than_a_gap_would_state() {
    let (_rig, _file, store) = Rig::initialised();
    let recorder = start(&store, Duration::from_millis(1));
    let all = usize::try_from(FIELDS_UNRECORDED_MAX).unwrap();
    let most = recorder.take_room(all - 1).unwrap();
    let one = recorder.take_room(1).unwrap();
    assert!(recorder.take_room(1).is_err());
    drop(most);
    let again = recorder.take_room(all - 1).unwrap();
    // Room comes back when the record is durable, not before.
    recorder.record(record(Operation::Encrypt, 3), Some(one));
    let start = Instant::now();
    while recorder.take_room(1).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "the room of a durable record is not given back");
    }
    drop(again);
}
