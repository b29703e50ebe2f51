//! Statistics and uses of key versions are a recount of the journal; and what a record costs in rows. (Tests only.)

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::crypto::block::Leaves;
use crate::domain::access_record::{self, AccessRecord, Group};
use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::id::{EndpointId, ObjectId, ProjectId};
use crate::domain::key_place::KeyPlace;
use crate::domain::key_uses::{KeyUses, UseFold};
use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::statistics::{Counters, Fold, Resolution, Series};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::failing_disk::Failing;
use crate::store::{Batch, Scan, Store, StoreFile, Table};

use super::block::Block;
use super::buckets::Buckets;
use super::key_uses::{GATHERED_MAX, Uses};

fn object_id(n: u16) -> ObjectId {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    ObjectId::from_bytes(id)
}

const fn key_id(n: u16) -> u32 {
    1_000 + n as u32
}

fn with_objects(batch: Batch, objects: u16) -> Batch {
    (0..objects).fold(batch, |batch, n| {
        let object = Object {
            id: object_id(n),
            project: ProjectId::from_bytes([1; 16]),
            name: format!("o{n}").parse().unwrap(),
            key_id: key_id(n),
            current_version: 1,
            required_context: Vec::new(),
            created: Timestamp::default(),
            version_floor: None,
            schema: None,
            is_unused: None,
            description: None,
            retired: None,
            rotate_after_days: None,
        };
        batch.put(Table::Objects, object.id.as_bytes(), cbor::encode(&object))
    })
}

pub(super) fn store(objects: u16) -> (Failing, StoreFile, Store) {
    Failing::store(with_objects(Batch::new(1), objects).record(audit_record::KIND, 1, b"made"))
}

pub(super) fn record(
    time: Timestamp,
    operation: Operation,
    objects: &[u16],
    is_at_hand: bool,
) -> AccessRecord {
    let groups = objects.iter().map(|n| Group {
        object: Some(object_id(*n)),
        key_version: 1,
        outcome: None,
        fields: 2,
        bytes: 32,
        subjects: None,
        anew: None,
        key_id: is_at_hand.then_some(key_id(*n)),
    });
    AccessRecord {
        time,
        endpoint: EndpointId::from_bytes([1; 16]),
        api_key: None,
        certificate: [2; 32],
        address: [127, 0, 0, 1].into(),
        operation: Some(operation),
        latency_us: 10,
        outcome: None,
        groups: groups.collect(),
        repeated: None,
    }
}

/// All access records, each with its number.
fn journal(store: &Store) -> Vec<(u64, AccessRecord)> {
    let (mut next, mut found) = (0, Vec::new());
    while next < store.head().next_sequence {
        for block in store.blocks(next, 1_000).unwrap() {
            let block = block.unwrap();
            for leaf in Leaves::new(&block.leaves.unwrap()) {
                let leaf = leaf.unwrap();
                if leaf.kind == access_record::KIND {
                    found.push((next, AccessRecord::read(leaf.body).unwrap()));
                }
                next += 1;
            }
        }
    }
    found
}

fn rows<T>(store: &Store, table: Table) -> BTreeMap<Vec<u8>, T>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    let mut found: BTreeMap<Vec<u8>, T> = BTreeMap::new();
    loop {
        let after = found.last_key_value().map(|(key, _)| key.clone());
        let range = Scan { prefix: &[], after: after.as_deref(), limit: 5_000 };
        let page = store.scan(table, range).unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page.into_iter().map(|(key, row)| (key, cbor::decode(&row.unwrap().value).unwrap())));
    }
}

/// The rows of statistics are a recount of the whole journal, those of uses one of what the store says is folded. How much that is.
pub(super) fn assert_recounted(store: &Store) -> u64 {
    let (records, statistics, folded, uses) = loop {
        let before = store.head();
        let folded = store.get(Table::Counters, b"uses-folded").unwrap();
        let folded: u64 = folded.map_or(0, |row| cbor::decode(&row.value).unwrap());
        let statistics: BTreeMap<_, Counters> = rows(store, Table::Statistics);
        let uses: BTreeMap<_, KeyUses> = rows(store, Table::KeyUses);
        let records = journal(store);
        // Nobody folded meanwhile.
        if store.head() == before {
            break (records, statistics, folded, uses);
        }
    };
    let numbers: BTreeSet<u64> = records.iter().map(|(_, record)| record.latency_us).collect();
    assert!(numbers.len() == records.len() || numbers.len() == 1, "a record is there twice");
    let mut fold = Fold::default();
    for (_, record) in &records {
        fold.count(record);
    }
    let counted: BTreeMap<Vec<u8>, Counters> =
        fold.rows().into_iter().map(|(key, counters)| (key.to_vec(), counters)).collect();
    assert!(statistics == counted, "the statistics are not a recount of the journal");

    let mut fold = UseFold::default();
    for (_, record) in records.iter().filter(|(at, _)| *at < folded) {
        fold.count(record);
    }
    let counted = fold.iter().map(|((object, version), gathered)| {
        let n = u16::from_be_bytes(*object.as_bytes().first_chunk().unwrap());
        (KeyPlace::new(key_id(n), version).row_key().to_vec(), gathered.uses)
    });
    let counted: BTreeMap<Vec<u8>, KeyUses> = counted.collect();
    assert!(uses == counted, "the uses are not a recount of the journal");
    folded
}

/// The journal's thread, step by step, without a thread.
struct Steps {
    store: Store,
    buckets: Buckets,
    uses: Uses,
}

impl Steps {
    fn over(store: &Store) -> Self {
        let now = Now { time: Timestamp::from_seconds(7_200), instant: Instant::now() };
        let uses = Uses::load(store, now).unwrap();
        store.take_counted();
        Self { store: store.clone(), buckets: Buckets::default(), uses }
    }

    /// Rows read and written for a block of these.
    fn block(&mut self, records: &[AccessRecord]) -> (usize, usize) {
        let block = Block::gather(records.iter());
        assert_eq!(block.count, records.len());
        let now = Now { time: records[0].time, instant: Instant::now() };
        let batch = block.into_batch(&self.store, &mut self.buckets, now).unwrap();
        self.store.commit(batch).unwrap();
        self.buckets.keep();
        self.uses.count(records.iter());
        self.store.take_counted()
    }

    /// Rows read and written to fold what was gathered.
    fn fold(&mut self) -> (usize, usize) {
        let to = self.store.head().next_sequence;
        let (batch, folding) = self.uses.begin(&self.store, Batch::new(2), to).unwrap();
        let audit = AuditRecord::new(Timestamp::default(), Actor::System, "key-uses.fold");
        self.store.commit(batch.record(audit_record::KIND, 1, &cbor::encode(&audit))).unwrap();
        self.uses.done(folding);
        self.store.take_counted()
    }
}

#[test]
fn a_record_costs_what_it_must_write_and_hardly_a_reading() {
    let (_disk, _file, store) = store(256);
    let mut steps = Steps::over(&store);
    let at = |seconds: u64| Timestamp::from_seconds(7_200 + seconds);
    let of_one = |seconds| (0..256).map(|_| record(at(seconds), Operation::Encrypt, &[0], true)).collect();
    let of_each = |seconds| (0..256).map(|n| record(at(seconds), Operation::Encrypt, &[n], true)).collect();
    let (one, each): (Vec<_>, Vec<_>) = (of_one(0), of_each(0));

    // Two series at three resolutions; nobody can have written into a minute that had no row.
    assert_eq!(steps.block(&one), (4, 6));
    assert_eq!(steps.block(&one), (0, 6));
    // The first time, whether there is such an object; the number up to which all is folded is a row, too.
    assert_eq!(steps.fold(), (2, 2));
    steps.block(&one);
    assert_eq!(steps.fold(), (1, 2));

    assert_eq!(steps.block(&each), (255 * 2, 257 * 3));
    assert_eq!(steps.block(&each), (0, 257 * 3));
    assert_eq!(steps.fold(), (255 + 256, 257));
    steps.block(&each);
    assert_eq!(steps.fold(), (256, 257));

    // Nothing remembered: more objects than there is room for, or a failure.
    steps.buckets.forget();
    assert_eq!(steps.block(&each), (257 * 3, 257 * 3));
    steps.buckets.forget();
    assert_eq!(steps.block(&of_each(60)), (257 * 2, 257 * 3));
    // Nothing is known of a minute that is over, and of one that had rows before.
    steps.buckets.forget();
    assert_eq!(steps.block(&each), (257 * 3, 257 * 3));
    steps.buckets = Buckets::default();
    assert_eq!(steps.block(&of_each(60)), (257 * 3, 257 * 3));
    steps.fold();
    assert_eq!(assert_recounted(&store), store.head().next_sequence - 1);
}

#[test]
fn what_is_remembered_stays_within_its_room() {
    let (_disk, _file, store) = store(1);
    let mut steps = Steps::over(&store);
    let all: Vec<u16> = (0..6_000).collect();
    let block =
        |seconds: u64| record(Timestamp::from_seconds(7_200 + seconds), Operation::Decrypt, &all, true);
    for seconds in [0, 1, 60, 61, 120] {
        steps.block(&[block(seconds)]);
        let (bytes, rows) = steps.buckets.remembered();
        assert!(bytes < (3 << 20) + 200 && rows > 9_000, "{bytes} bytes, {rows} rows");
    }
}

#[test]
fn many_versions_ride_with_one_block_and_no_more_than_it_can_bear() {
    let many = u16::try_from(GATHERED_MAX).unwrap();
    let (_disk, _file, store) = store(many);
    let mut steps = Steps::over(&store);
    let all: Vec<u16> = (0..many).collect();
    steps.block(&[record(Timestamp::from_seconds(7_200), Operation::Encrypt, &all[1..], true)]);
    assert!(!steps.uses.are_due());
    steps.block(&[record(Timestamp::from_seconds(7_200), Operation::Decrypt, &all[..1], false)]);
    assert!(steps.uses.are_due());
    assert_eq!(steps.fold(), (1 + 1 + 2 * (all.len() - 1), all.len() + 1));
    assert!(!steps.uses.are_due());
    assert_recounted(&store);
}

#[test]
fn an_object_that_is_gone_gets_no_row_of_uses() {
    let (_disk, _file, store) = store(2);
    let mut steps = Steps::over(&store);
    let at = Timestamp::from_seconds(7_200);
    steps
        .block(&[record(at, Operation::Encrypt, &[0, 1], true), record(at, Operation::Encrypt, &[1], false)]);
    steps
        .block(&[record(at, Operation::Encrypt, &[2, 3], true), record(at, Operation::Encrypt, &[3], false)]);
    steps.fold();
    assert_eq!(rows::<KeyUses>(&store, Table::KeyUses).len(), 2);
}

#[test]
fn a_row_that_is_damaged_counts_from_zero_unless_it_is_remembered() {
    let (_disk, _file, store) = store(1);
    let mut steps = Steps::over(&store);
    let one = [record(Timestamp::from_seconds(7_200), Operation::Encrypt, &[0], true)];
    steps.block(&one);
    let series = Series {
        endpoint: one[0].endpoint,
        object: Some(object_id(0)),
        operation: one[0].operation,
        outcome: 0,
    };
    let key = series.row_key(Resolution::Hour, 7_200);
    let spoil = || {
        let spoilt = Batch::new(2).put(Table::Statistics, &key, b"spoilt".to_vec());
        store.commit(spoilt.record(audit_record::KIND, 1, b"spoilt")).unwrap();
    };
    let fields = || {
        let row = store.get(Table::Statistics, &key).unwrap().unwrap();
        cbor::decode::<Counters>(&row.value).unwrap().fields
    };
    spoil();
    steps.block(&one);
    assert_eq!(fields(), 4);
    spoil();
    steps.buckets.forget();
    steps.block(&one);
    assert_eq!(fields(), 2);
}
