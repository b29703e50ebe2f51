//! Statistics and uses of key versions are a recount of the journal, and no request is in it twice, whatever fails on the way.
//! (Tests only.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::domain::access_record::AccessRecord;
use crate::domain::audit_record;
use crate::domain::operation::{Operation, Operations};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::failing_disk::keys;
use crate::store::{Batch, Store};

use super::disk_reserve::DiskReserve;
use super::recorder::{JournalLimits, Recorder};
use super::recounted::{assert_recounted, record, store};
use super::tenure;

/// What the journal's thread reads as its clock, seconds.
static TIME_S: AtomicU64 = AtomicU64::new(86_400 - 90);

fn clock() -> Now {
    Now { time: Timestamp::from_seconds(TIME_S.load(Ordering::Relaxed)), instant: Instant::now() }
}

/// Small numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn start(store: &Store) -> Recorder {
    let begun = tenure::begin(store, 7, clock()).unwrap();
    store.commit(begun.record(audit_record::KIND, 1, b"unlock")).unwrap();
    let limits = JournalLimits {
        flush_after: Duration::from_millis(1),
        buffer_records_max: 1_024,
        strict: Operations::default(),
    };
    Recorder::start(store.clone(), limits, DiskReserve { directory: "/".into(), bytes: 0 }, clock).unwrap()
}

/// Records and waits; whether it is durable.
fn is_kept(recorder: &Recorder, record: AccessRecord) -> bool {
    let (tell, told) = mpsc::channel();
    recorder.record_strict(record, None, Box::new(move |durable| tell.send(durable).unwrap()));
    told.recv_timeout(Duration::from_secs(60)).unwrap().is_ok()
}

#[test]
fn statistics_and_uses_are_a_recount_whatever_fails() {
    let (disk, mut file, mut store) = store(40);
    let mut recorder = start(&store);
    let (mut failed, mut rode, mut kills) = (0, 0, 0);
    let mut number = 0;
    for seed in 1..=48 {
        let mut dice = Dice(seed);
        let seconds = [0, 0, 1, 20, 61, 3_600][usize::try_from(dice.below(6)).unwrap()];
        let _ = TIME_S.fetch_add(seconds, Ordering::Relaxed);
        if dice.below(12) == 0 {
            TIME_S.fetch_sub(90, Ordering::Relaxed);
        }
        let mut asked = |dice: &mut Dice| {
            let objects: Vec<u16> =
                (0..=dice.below(5)).map(|_| u16::try_from(dice.below(40)).unwrap()).collect();
            let operation = if dice.below(2) == 0 { Operation::Encrypt } else { Operation::Decrypt };
            // Each is another one: by its latency it is found again.
            number += 1;
            AccessRecord {
                latency_us: number,
                ..record(clock().time, operation, &objects, dice.below(4) > 0)
            }
        };
        if dice.below(2) == 0 {
            disk.let_through(i64::try_from(dice.below(16)).unwrap());
        }
        for _ in 0..dice.below(4) {
            recorder.record(asked(&mut dice), None);
        }
        match dice.below(5) {
            // Somebody else's write may be the one that fails.
            0 => drop(store.commit(Batch::new(3).record(audit_record::KIND, 1, b"by somebody else"))),
            // Whoever prunes waits for a fold; the first try of it may fail.
            1 => std::thread::scope(|scope| {
                let to = store.head().next_sequence;
                let folding = scope.spawn({
                    let recorder = &recorder;
                    move || recorder.fold_uses(to)
                });
                sleep(Duration::from_millis(20));
                disk.let_through(i64::MAX);
                assert!(folding.join().unwrap().is_ok());
            }),
            _ => {}
        }
        failed += u32::from(!is_kept(&recorder, asked(&mut dice)));
        if dice.below(5) == 0 {
            // An end in the midst of it: what waits is lost, and nothing else.
            disk.let_through(i64::try_from(dice.below(3)).unwrap());
            recorder.record(asked(&mut dice), None);
            drop(recorder);
            drop((store, file));
            disk.let_through(i64::MAX);
            file = disk.open();
            store = file.unlock(keys()).unwrap().0;
            assert_recounted(&store);
            recorder = start(&store);
            kills += 1;
        }
        disk.let_through(i64::MAX);
        while !is_kept(&recorder, asked(&mut dice)) {
            sleep(Duration::from_millis(20));
        }
        let before = store.head().next_sequence;
        let folded = assert_recounted(&store);
        rode += u32::from(folded > 0 && folded < before);
    }
    assert!(failed > 8 && rode > 8 && kills > 2, "{failed} failed, {rode} rode, {kills} kills");
    recorder.close();
    assert_recounted(&store);
}
