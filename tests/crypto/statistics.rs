//! Rows of the statistics against `tests/vectors/statistics.txt`, which a second implementation wrote.

use gembok::domain::cbor;
use gembok::domain::id::{EndpointId, ObjectId};
use gembok::domain::latency::Histogram;
use gembok::domain::operation::Operation;
use gembok::domain::statistics::{Counters, Resolution, Series};
use gembok::domain::timestamp::Timestamp;

use super::journal::latencies;
use super::testkit::{Case, cases};

#[test]
fn statistics_rows() {
    let (mut buckets, mut keys, mut rows) = (0, 0, 0);
    for case in cases("statistics.txt") {
        let label = case.label();
        if case.has("bucket") {
            let bucket: u8 = case.number("bucket");
            assert_eq!(Histogram::bucket_of(case.number("latency-us")), bucket, "{label}");
            buckets += 1;
        } else if case.has("key") {
            is_key(&case, &label);
            keys += 1;
        } else {
            is_row(&case, &label);
            rows += 1;
        }
    }
    assert!(buckets > 162 && keys == 8 && rows == 10, "{buckets} {keys} {rows}");
}

fn is_key(case: &Case, label: &str) {
    let number: u8 = case.number("resolution");
    let resolution = Resolution::ALL.into_iter().find(|resolution| *resolution as u8 == number).unwrap();
    let start = resolution.bucket(Timestamp::from_seconds(case.number("time")));
    assert_eq!(start, case.number::<u64>("start"), "{label}");
    let object: [u8; 16] = case.array("object");
    let series = Series {
        endpoint: EndpointId::from_bytes(case.array("endpoint")),
        object: (object != [0; 16]).then(|| ObjectId::from_bytes(object)),
        operation: Some(Operation::Decrypt),
        outcome: 52,
    };
    let key = case.bytes("key");
    assert_eq!(series.row_key(resolution, start).to_vec(), key, "{label}");
    assert_eq!(Series::from_row_key(&key), Some((start, series)), "{label}");
}

fn is_row(case: &Case, label: &str) {
    let row = case.bytes("row");
    let found = cbor::decode::<Counters>(&row).ok();
    assert_eq!(found.is_some(), case.text("expect") == "parses", "{label}");
    let Some(found) = found else { return };
    let counters = Counters {
        requests: case.number("requests"),
        fields: case.number("fields"),
        bytes: case.number("bytes"),
        latency_sum_us: case.number("latency-sum-us"),
        latency_max_us: case.number("latency-max-us"),
        latencies: latencies(case),
    };
    assert_eq!(found, counters, "{label}");
    assert_eq!(cbor::encode(&counters), row, "{label}");
}
