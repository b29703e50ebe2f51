//! Statistics: what access records add up to, by endpoint, object, operation and outcome, over minute, hour, day and month.
//!
//! Minutes, hours and days are folded from the journal and committed with the block they come from, so they always equal a
//! recount of it. A month is its row and the days that are still there, added: days whose time is over move into the row of
//! their month, so no commit of a block has to touch one more row.
//!
//! A row's key is `resolution u8 | start u64 (seconds since 1970) | endpoint 16 | object 16 | operation u8 | outcome u16`.
//! Requests and latencies are counted in rows whose object is zero, fields and bytes in those of their object: a batch
//! over three objects is one request.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use minicbor::{Decode, Encode};
use time::{Date, Month};

use super::access_record::{AccessRecord, Group, outcome_number};
use super::id::{EndpointId, ObjectId};
use super::latency::Histogram;
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
    /// A month of the calendar, from its first midnight UTC.
    Month = 4,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Month];
    /// Those whose rows are written with each block.
    pub const FOLDED: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Seconds of one bucket; none where they differ.
    const fn seconds(self) -> Option<u64> {
        match self {
            Self::Minute => Some(60),
            Self::Hour => Some(3_600),
            Self::Day => Some(86_400),
            Self::Month => None,
        }
    }

    /// The start of the bucket `time` falls into, seconds since 1970.
    #[must_use]
    pub fn bucket(self, time: Timestamp) -> u64 {
        self.bucket_before(time, 0)
    }

    /// The start of the bucket so many buckets before that of `time`; that of 1970 where there are not so many.
    #[must_use]
    pub fn bucket_before(self, time: Timestamp, buckets: u64) -> u64 {
        match self.seconds() {
            Some(seconds) => (time.seconds() / seconds).saturating_sub(buckets) * seconds,
            None => start_of_month(month_of(time).saturating_sub(buckets)),
        }
    }

    /// The start of the bucket behind that of `time`.
    #[must_use]
    pub fn bucket_after(self, time: Timestamp) -> u64 {
        match self.seconds() {
            Some(seconds) => (time.seconds() / seconds).saturating_add(1).saturating_mul(seconds),
            None => start_of_month(month_of(time) + 1),
        }
    }

    /// The word in queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// Months since the beginning of year 0.
fn month_of(time: Timestamp) -> u64 {
    let date = time.date_time().date();
    u64::from(date.year().unsigned_abs()) * 12 + u64::from(u8::from(date.month())) - 1
}

/// Its first second, since 1970; 0 for what lies before, and the end of time for what the calendar cannot hold.
fn start_of_month(month: u64) -> u64 {
    let first = || {
        let number = u8::try_from(month % 12 + 1).ok()?;
        let year = i32::try_from(month / 12).ok()?;
        Date::from_calendar_date(year, Month::try_from(number).ok()?, 1).ok()
    };
    first().map_or(u64::MAX, |date| u64::try_from(date.midnight().assume_utc().unix_timestamp()).unwrap_or(0))
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
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
    /// How long the requests took. Rows of before there were histograms have none, so it may hold fewer than `requests`.
    #[n(5)]
    pub latencies: Histogram,
}

impl Counters {
    /// Counts the requests a record stands for, without their fields.
    pub fn count_requests(&mut self, record: &AccessRecord) {
        let requests = record.requests();
        self.requests += requests;
        self.latency_sum_us = self.latency_sum_us.saturating_add(record.latency_us.saturating_mul(requests));
        let repeated = record.repeated.as_deref().filter(|repeated| !repeated.latencies.is_empty());
        let latency_max_us = repeated.map_or(record.latency_us, |repeated| repeated.latency_max_us);
        self.latency_max_us = self.latency_max_us.max(latency_max_us);
        match repeated {
            Some(repeated) => self.latencies.add(&repeated.latencies),
            None => self.latencies.count(record.latency_us, requests),
        }
    }

    /// Counts items that went alike.
    pub fn count_fields(&mut self, group: &Group) {
        self.fields += u64::from(group.fields);
        self.bytes += group.bytes;
    }

    /// Adds `other` in.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.fields += other.fields;
        self.bytes += other.bytes;
        self.latency_sum_us = self.latency_sum_us.saturating_add(other.latency_sum_us);
        self.latency_max_us = self.latency_max_us.max(other.latency_max_us);
        self.latencies.add(&other.latencies);
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
        self.0.entry((minute, whole)).or_default().count_requests(record);
        for group in &record.groups {
            let series =
                Series { endpoint, object: group.object, operation, outcome: outcome_number(group.outcome) };
            self.0.entry((minute, series)).or_default().count_fields(group);
        }
    }

    /// How many rows [`Fold::rows`] has at most.
    #[must_use]
    pub fn rows_at_most(&self) -> usize {
        self.0.len() * Resolution::FOLDED.len()
    }

    /// Every row the counts belong into, and what to add there.
    #[must_use]
    pub fn rows(&self) -> HashMap<[u8; ROW_KEY_LEN], Counters, RandomState> {
        let mut rows: HashMap<_, Counters, _> =
            HashMap::with_capacity_and_hasher(self.rows_at_most(), RandomState::default());
        for ((minute, series), counters) in &self.0 {
            for resolution in Resolution::FOLDED {
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
    use crate::domain::access_record::{Groups, Repeated, count_item};
    use crate::domain::cbor;
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
            repeated: None,
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
    fn months_are_those_of_the_calendar() {
        let bucket = |seconds| Resolution::Month.bucket(Timestamp::from_seconds(seconds));
        let (february, march) = (1_709_251_200 - 29 * 86_400, 1_709_251_200);
        assert_eq!((bucket(march - 1), bucket(march), bucket(0)), (february, march, 0));
        let march = Timestamp::from_seconds(march + 86_399);
        assert_eq!(Resolution::Month.bucket_after(march), 1_709_251_200 + 31 * 86_400);
        assert_eq!(Resolution::Month.bucket_before(march, 1), february);
        assert_eq!(Resolution::Month.bucket_before(march, 12), 1_709_251_200 - 366 * 86_400);
        assert_eq!(Resolution::Month.bucket_before(march, 100_000), 0);
        assert_eq!(Resolution::Month.bucket_after(Timestamp::from_micros(u64::MAX)), u64::MAX);
        assert_eq!(Resolution::Hour.bucket_before(Timestamp::from_seconds(7_201), 1), 3_600);
        assert_eq!(Resolution::Hour.bucket_after(Timestamp::from_seconds(7_201)), 10_800);
    }

    #[test]
    fn a_record_that_stands_for_many_counts_as_many() {
        let mut latencies = Histogram::default();
        latencies.count(2, 41);
        latencies.count(338, 1);
        let repeated = Repeated { more: 41, latencies: latencies.clone(), latency_max_us: 338 };
        let refused = AccessRecord { repeated: Some(Box::new(repeated)), ..record(60, Groups::new()) };
        let counted = |record: &AccessRecord| {
            let mut fold = Fold::default();
            fold.count(record);
            fold.rows().into_values().next().unwrap()
        };
        let whole = Counters {
            requests: 42,
            latency_sum_us: 420,
            latency_max_us: 338,
            latencies,
            ..Counters::default()
        };
        assert_eq!(counted(&refused), whole);
        // Of before there were histograms: all that is known is the mean.
        let repeated = Repeated { more: 41, ..Repeated::default() };
        let old = counted(&AccessRecord { repeated: Some(Box::new(repeated)), ..refused });
        assert_eq!((old.requests, old.latency_max_us, old.latencies.requests()), (42, 10, 42));
    }

    #[test]
    fn a_row_of_before_there_were_histograms_is_read_and_added_to() {
        let old = [0xA5, 0, 2, 1, 0, 2, 0, 3, 0x18, 30, 4, 20];
        let mut counters: Counters = cbor::decode(&old).unwrap();
        assert_eq!((counters.requests, counters.latency_sum_us, counters.latency_max_us), (2, 30, 20));
        assert!(counters.latencies.is_empty());
        assert_eq!(cbor::encode(&counters), old);
        counters.count_requests(&record(60, Groups::new()));
        assert_eq!((counters.requests, counters.latencies.requests()), (3, 1));
        assert_eq!(cbor::decode(&cbor::encode(&counters)), Ok(counters));
    }

    #[test]
    fn a_batch_is_one_request_and_many_fields() {
        let object = Some(ObjectId::from_bytes([9; 16]));
        let mut groups = Groups::new();
        count_item(&mut groups, object, 1, None, None, 16);
        count_item(&mut groups, object, 1, None, None, 4);
        count_item(&mut groups, object, 0, None, Some(Code::BadBase64), 0);
        let mut fold = Fold::default();
        fold.count(&record(3_599, groups.clone()));
        fold.count(&record(3_600, groups));
        let rows = fold.rows();
        let total = |resolution: Resolution, bucket, object, outcome| {
            let (endpoint, operation) = (EndpointId::from_bytes([1; 16]), Some(Operation::Encrypt));
            rows.get(&Series { endpoint, object, operation, outcome }.row_key(resolution, bucket)).cloned()
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
