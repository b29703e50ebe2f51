//! The journal read from its first block to its last, and counted again.

use std::collections::BTreeMap;

use gembok::crypto::block::Leaves;
use gembok::crypto::pseudonym::Pseudonym;
use gembok::domain::access_record::{self, AccessRecord, Anew, Group, Groups, Repeated, Subjects};
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::gap::{self, Gap};
use gembok::domain::id::{ApiKeyId, EndpointId, ObjectId};
use gembok::domain::key_uses::KeyUses;
use gembok::domain::operation::Operation;
use gembok::domain::refusal::Code;
use gembok::domain::roll_up::KeptFrom;
use gembok::domain::statistics::{Counters, Fold, Resolution, Series};
use gembok::domain::timestamp::Timestamp;
use gembok::store::{Scan, Store, Table};
use minicbor::Decoder;
use minicbor::data::Type;

/// One record of the journal.
pub(crate) enum Record {
    Access(AccessRecord),
    Audit(AuditRecord),
    Gap(Gap),
}

/// Every row of the statistics is what a recount of the journal gives, less what retention took out, and there is no other
/// row. Returns the records.
pub(crate) fn statistics_equal_a_recount(store: &Store) -> Vec<Record> {
    let records = records(store);
    let mut fold = Fold::default();
    for record in &records {
        if let Record::Access(access) = record {
            fold.count(access);
        }
    }
    assert_eq!(statistics(store), rows_kept(&fold, &kept(store)));
    records
}

/// What a recount gives, by row key.
pub(crate) fn rows(fold: &Fold) -> BTreeMap<Vec<u8>, Counters> {
    fold.rows().into_iter().map(|(key, counters)| (key.to_vec(), counters)).collect()
}

/// What is left of it: what lies before went, days into the row of their month.
pub(crate) fn rows_kept(fold: &Fold, kept: &KeptFrom) -> BTreeMap<Vec<u8>, Counters> {
    let mut left: BTreeMap<Vec<u8>, Counters> = BTreeMap::new();
    for (key, counters) in rows(fold) {
        let resolution = Resolution::ALL.into_iter().find(|resolution| *resolution as u8 == key[0]).unwrap();
        let (start, _) = Series::from_row_key(&key).unwrap();
        if start >= kept.of(resolution) {
            left.entry(key).or_default().add(&counters);
        } else if resolution == Resolution::Day {
            left.entry(month_of(&key)).or_default().add(&counters);
        }
    }
    left.retain(|key, _| {
        let (start, _) = Series::from_row_key(key).unwrap();
        key[0] != Resolution::Month as u8 || start >= kept.month
    });
    left
}

/// The row key of the month of a day's.
pub(crate) fn month_of(key: &[u8]) -> Vec<u8> {
    let (start, series) = Series::from_row_key(key).unwrap();
    let month = Resolution::Month.bucket(Timestamp::from_seconds(start));
    series.row_key(Resolution::Month, month).to_vec()
}

/// From where on the store says that its statistics are all there.
pub(crate) fn kept(store: &Store) -> KeptFrom {
    let row = store.get(Table::Counters, b"statistics-kept").unwrap();
    row.map(|row| cbor::decode(&row.value).unwrap()).unwrap_or_default()
}

/// Every row of the statistics, by row key.
pub(crate) fn statistics(store: &Store) -> BTreeMap<Vec<u8>, Counters> {
    let mut stored = BTreeMap::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let range = Scan { prefix: b"", after: after.as_deref(), limit: 1_000 };
        let page = store.scan(Table::Statistics, range).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, row) in page {
            stored.insert(key, cbor::decode::<Counters>(&row.unwrap().value).unwrap());
        }
    }
    stored
}

/// Uses of key versions, counted record by record.
#[derive(Default)]
pub(crate) struct UseCount(pub(crate) BTreeMap<(ObjectId, u32), KeyUses>);

impl UseCount {
    pub(crate) fn count(&mut self, record: &AccessRecord) {
        for group in record.groups.iter().filter(|group| group.outcome.is_none()) {
            let (Some(object), fields, at) = (group.object, u64::from(group.fields), Some(record.time))
            else {
                continue;
            };
            let sealed_by = match record.operation {
                Some(Operation::Encrypt) => Some(group.key_version),
                _ => group.anew.map(|anew| anew.key_version),
            };
            if record.operation != Some(Operation::Encrypt) {
                let of = self.0.entry((object, group.key_version)).or_default();
                (of.opened, of.opened_since) = (of.opened + fields, of.opened_since + fields);
                of.last_opened = of.last_opened.max(at);
            }
            if let Some(version) = sealed_by.filter(|version| *version > 0) {
                let of = self.0.entry((object, version)).or_default();
                (of.sealed, of.opened_since) = (of.sealed + fields, 0);
                of.last_sealed = of.last_sealed.max(at);
            }
        }
    }

    /// The rows of the store are this count; and up to which record they say so.
    pub(crate) fn is_stored(&self, store: &Store) {
        let mut stored = BTreeMap::new();
        let all = Scan { prefix: b"", after: None, limit: 10_000 };
        for (key, row) in store.scan(Table::KeyUses, all).unwrap() {
            let (key_id, version) = key.split_at(4);
            let object = store.get(Table::KeyIds, key_id).unwrap().unwrap();
            let object = ObjectId::from_bytes(object.value.as_slice().try_into().unwrap());
            let version = u32::from_be_bytes(version.try_into().unwrap());
            stored.insert((object, version), cbor::decode::<KeyUses>(&row.unwrap().value).unwrap());
        }
        assert_eq!(stored, self.0, "the uses are not a recount of the journal");
    }
}

/// The first record that is not in the rows of uses.
pub(crate) fn uses_folded(store: &Store) -> u64 {
    let row = store.get(Table::Counters, b"uses-folded").unwrap();
    row.map_or(0, |row| cbor::decode(&row.value).unwrap())
}

/// Every record, after the chain was verified: links, sequences, times; roots and counts are checked by the reading.
pub(crate) fn records(store: &Store) -> Vec<Record> {
    let head = store.head();
    let (mut previous, mut next, mut time) = ([0; 32], 0, 0);
    let mut records = Vec::new();
    while next < head.next_sequence {
        for block in store.blocks(next, 1_000).unwrap() {
            let block = block.unwrap();
            let header = &block.header;
            assert!(header.chain == head.chain && header.epoch <= head.epoch);
            assert_eq!((header.first_sequence, header.previous), (next, previous));
            assert!(header.time_us >= time);
            (previous, time) = (header.hash(), header.time_us);
            next += u64::from(header.count);
            let leaves = block.leaves.unwrap();
            records.extend(Leaves::new(&leaves).map(|leaf| {
                let leaf = leaf.unwrap();
                match (leaf.kind, leaf.version) {
                    (access_record::KIND, access_record::VERSION) => {
                        let record = read_access(leaf.body);
                        let mut again = Vec::new();
                        record.write(&mut again);
                        assert_eq!(again, leaf.body, "the record is deterministic");
                        Record::Access(record)
                    }
                    (gap::KIND, gap::VERSION) => Record::Gap(cbor::decode(leaf.body).unwrap()),
                    (audit_record::KIND, audit_record::VERSION) => {
                        Record::Audit(cbor::decode(leaf.body).unwrap())
                    }
                    other => panic!("a record of kind and version {other:?}"),
                }
            }));
        }
    }
    assert_eq!((next, previous), (head.next_sequence, head.hash));
    records
}

/// Reads what `AccessRecord::write` writes, by the drawing in its file.
pub(crate) fn read_access(body: &[u8]) -> AccessRecord {
    let mut from = Decoder::new(body);
    let mut record = AccessRecord {
        time: Timestamp::default(),
        endpoint: EndpointId::from_bytes([0; 16]),
        api_key: None,
        certificate: [0; 32],
        address: [0; 4].into(),
        operation: None,
        latency_us: 0,
        outcome: None,
        groups: Groups::new(),
        repeated: None,
    };
    let mut repeated = Repeated::default();
    for _ in 0..from.map().unwrap().unwrap() {
        match from.u8().unwrap() {
            0 => record.time = Timestamp::from_micros(from.u64().unwrap()),
            1 => record.endpoint = EndpointId::from_bytes(sixteen(&mut from)),
            2 => record.api_key = Some(ApiKeyId::from_bytes(sixteen(&mut from))),
            3 => record.certificate = from.bytes().unwrap().try_into().unwrap(),
            4 => record.address = <[u8; 4]>::try_from(from.bytes().unwrap()).unwrap().into(),
            5 => record.operation = Operation::from_number(from.u8().unwrap()),
            6 => record.latency_us = from.u64().unwrap(),
            7 => record.outcome = Code::from_number(from.u16().unwrap()),
            8 => {
                for _ in 0..from.array().unwrap().unwrap() {
                    record.groups.push(read_group(&mut from));
                }
            }
            9 => repeated.more = from.u32().unwrap(),
            10 => repeated.latencies = from.decode().unwrap(),
            11 => repeated.latency_max_us = from.u64().unwrap(),
            other => panic!("member {other}"),
        }
    }
    assert_eq!(from.position(), body.len());
    record.repeated = (repeated.more > 0).then(|| Box::new(repeated));
    record
}

fn read_group(from: &mut Decoder<'_>) -> Group {
    let members = from.array().unwrap().unwrap();
    let object = if from.datatype().unwrap() == Type::Null {
        from.null().unwrap();
        None
    } else {
        Some(ObjectId::from_bytes(sixteen(from)))
    };
    let mut group = Group {
        object,
        key_version: from.u32().unwrap(),
        outcome: Code::from_number(from.u16().unwrap()),
        fields: from.u32().unwrap(),
        bytes: from.u64().unwrap(),
        subjects: None,
        anew: None,
        key_id: None,
    };
    if from.datatype().unwrap() == Type::String {
        assert_eq!(from.str().unwrap(), "many");
        group.subjects = Some(Box::new(Subjects::Many));
    } else {
        for _ in 0..from.array().unwrap().unwrap() {
            group.is_about(Pseudonym(sixteen(from)));
        }
    }
    if members > 6 {
        let key_version = from.u32().unwrap();
        let forced = members > 7 && from.bool().unwrap();
        group.anew = Some(Anew { key_version, forced });
    }
    group
}

fn sixteen(from: &mut Decoder<'_>) -> [u8; 16] {
    from.bytes().unwrap().try_into().unwrap()
}
