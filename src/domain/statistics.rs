//! Statistics: what access records add up to, by endpoint, object, operation and outcome, over minute, hour and day.
//!
//! They are folded from the journal and committed with the block they come from, so they always equal a recount of it.
//! A row's key is `resolution u8 | start u64 (seconds since 1970) | endpoint 16 | object 16 | operation u8 | outcome u16`.
//! Requests and latencies are counted in rows whose object is zero, fields and bytes in those of their object: a batch
//! over three objects is one request.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use minicbor::{Decode, Encode};

use super::access_record::{AccessRecord, outcome_number};
use super::id::{EndpointId, ObjectId};
use super::operation::Operation;
use super::timestamp::Timestamp;

/// How long the buckets of a series are; the numbers stand in row keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Resolution {
    /// 60 s.
    Minute = 1,
    /// 3,600 s.
    Hour = 2,
    /// 86,400 s, from midnight UTC.
    Day = 3,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Seconds of one bucket.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The start of the bucket `time` falls into.
    #[must_use]
    pub const fn bucket(self, time: Timestamp) -> u64 {
        time.seconds() / self.seconds() * self.seconds()
    }

    /// The word in queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl std::str::FromStr for Resolution {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|resolution| resolution.name() == name).ok_or(())
    }
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Series {
    /// Who asked.
    pub endpoint: EndpointId,
    /// Of what; none for whole requests.
    pub object: Option<ObjectId>,
    /// What; none where the request was refused before it said.
    pub operation: Option<Operation>,
    /// With what result: 0 done, else a refusal's code.
    pub outcome: u16,
}

/// Bytes of a row key.
pub const ROW_KEY_LEN: usize = 1 + 8 + 16 + 16 + 1 + 2;

impl Series {
    /// The row key of one bucket.
    #[must_use]
    pub fn row_key(&self, resolution: Resolution, bucket: u64) -> [u8; ROW_KEY_LEN] {
        let mut key = [0; ROW_KEY_LEN];
        key[0] = resolution as u8;
        key[1..9].copy_from_slice(&bucket.to_be_bytes());
        key[9..25].copy_from_slice(self.endpoint.as_bytes());
        if let Some(object) = &self.object {
            key[25..41].copy_from_slice(object.as_bytes());
        }
        key[41] = self.operation.map_or(0, Operation::number);
        key[42..].copy_from_slice(&self.outcome.to_be_bytes());
        key
    }

    /// The bucket and series of a row key.
    #[must_use]
    pub fn from_row_key(key: &[u8]) -> Option<(u64, Self)> {
        let key: &[u8; ROW_KEY_LEN] = key.try_into().ok()?;
        let object = *key[25..].first_chunk::<16>()?;
        let series = Self {
            endpoint: EndpointId::from_bytes(*key[9..].first_chunk()?),
            object: (object != [0; 16]).then(|| ObjectId::from_bytes(object)),
            operation: match key[41] {
                0 => None,
                number => Some(Operation::from_number(number)?),
            },
            outcome: u16::from_be_bytes(*key[42..].first_chunk()?),
        };
        Some((u64::from_be_bytes(*key[1..].first_chunk()?), series))
    }
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Counters {
    /// Whole requests.
    #[n(0)]
    pub requests: u64,
    /// Items.
    #[n(1)]
    pub fields: u64,
    /// Bytes of plaintext.
    #[n(2)]
    pub bytes: u64,
    /// Sum over the requests, microseconds.
    #[n(3)]
    pub latency_sum_us: u64,
    /// The slowest request, microseconds.
    #[n(4)]
    pub latency_max_us: u64,
}

impl Counters {
    /// The requests a record stands for, without their fields.
    #[must_use]
    pub fn of_requests(record: &AccessRecord) -> Self {
        Self {
            requests: record.requests(),
            latency_sum_us: record.latency_us.saturating_mul(record.requests()),
            latency_max_us: record.latency_us,
            ..Self::default()
        }
    }

    /// Adds `other` in.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.fields += other.fields;
        self.bytes += other.bytes;
        self.latency_sum_us = self.latency_sum_us.saturating_add(other.latency_sum_us);
        self.latency_max_us = self.latency_max_us.max(other.latency_max_us);
    }
}

/// The statistics of the records of one block, before they are added to what is stored.
#[derive(Debug, Default)]
pub struct Fold(HashMap<(u64, Series), Counters, RandomState>);

impl Fold {
    /// Counts one record, into the minute it arrived in.
    pub fn count(&mut self, record: &AccessRecord) {
        let minute = Resolution::Minute.bucket(record.time);
        let (endpoint, operation) = (record.endpoint, record.operation);
        let whole = Series { endpoint, object: None, operation, outcome: outcome_number(record.outcome) };
        self.0.entry((minute, whole)).or_default().add(&Counters::of_requests(record));
        for group in &record.groups {
            let series =
                Series { endpoint, object: group.object, operation, outcome: outcome_number(group.outcome) };
            self.0.entry((minute, series)).or_default().add(&Counters {
                fields: u64::from(group.fields),
                bytes: group.bytes,
                ..Counters::default()
            });
        }
    }

    /// How many rows [`Fold::rows`] has at most.
    #[must_use]
    pub fn rows_at_most(&self) -> usize {
        self.0.len() * Resolution::ALL.len()
    }

    /// Every row the counts belong into, and what to add there.
    #[must_use]
    pub fn rows(&self) -> HashMap<[u8; ROW_KEY_LEN], Counters, RandomState> {
        let mut rows: HashMap<_, Counters, _> =
            HashMap::with_capacity_and_hasher(self.rows_at_most(), RandomState::default());
        for ((minute, series), counters) in &self.0 {
            for resolution in Resolution::ALL {
                let bucket = resolution.bucket(Timestamp::from_seconds(*minute));
                rows.entry(series.row_key(resolution, bucket)).or_default().add(counters);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access_record::{Groups, count_item};
    use crate::domain::refusal::Code;

    fn record(time_s: u64, groups: Groups) -> AccessRecord {
        AccessRecord {
            time: Timestamp::from_seconds(time_s),
            endpoint: EndpointId::from_bytes([1; 16]),
            api_key: None,
            certificate: [2; 32],
            address: [127, 0, 0, 1].into(),
            operation: Some(Operation::Encrypt),
            latency_us: 10,
            outcome: None,
            groups,
            repeated: 0,
        }
    }

    #[test]
    fn row_keys_lead_back() {
        let object = ObjectId::from_bytes([9; 16]);
        for object in [None, Some(object)] {
            let endpoint = EndpointId::from_bytes([1; 16]);
            let series = Series { endpoint, object, operation: Some(Operation::Decrypt), outcome: 52 };
            assert_eq!(Series::from_row_key(&series.row_key(Resolution::Hour, 7200)), Some((7200, series)));
        }
    }

    #[test]
    fn a_record_that_stands_for_many_counts_as_many() {
        let refused = AccessRecord { repeated: 41, ..record(60, Groups::new()) };
        let mut fold = Fold::default();
        fold.count(&refused);
        let whole = Counters { requests: 42, latency_sum_us: 420, latency_max_us: 10, ..Counters::default() };
        assert!(fold.rows().values().all(|counters| *counters == whole));
    }

    #[test]
    fn a_batch_is_one_request_and_many_fields() {
        let object = Some(ObjectId::from_bytes([9; 16]));
        let mut groups = Groups::new();
        count_item(&mut groups, object, 1, None, 16);
        count_item(&mut groups, object, 1, None, 4);
        count_item(&mut groups, object, 0, Some(Code::BadBase64), 0);
        let mut fold = Fold::default();
        fold.count(&record(3_599, groups.clone()));
        fold.count(&record(3_600, groups));
        let rows = fold.rows();
        let total = |resolution: Resolution, bucket, object, outcome| {
            let (endpoint, operation) = (EndpointId::from_bytes([1; 16]), Some(Operation::Encrypt));
            rows.get(&Series { endpoint, object, operation, outcome }.row_key(resolution, bucket)).copied()
        };
        assert_eq!(total(Resolution::Hour, 0, None, 0).unwrap().requests, 1);
        assert_eq!(total(Resolution::Day, 0, None, 0).unwrap().requests, 2);
        assert_eq!(
            total(Resolution::Day, 0, object, 0).unwrap(),
            Counters { fields: 4, bytes: 40, ..Counters::default() }
        );
        assert_eq!(total(Resolution::Minute, 3_600, object, 14).unwrap().fields, 1);
        assert_eq!(total(Resolution::Minute, 60, None, 0), None);
    }
}
