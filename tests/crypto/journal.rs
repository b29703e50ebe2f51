//! Bodies of the journal's records against `tests/vectors/journal.txt`, which a second implementation wrote.

use gembok::crypto::pseudonym::Pseudonym;
use gembok::domain::access_record::{self, AccessRecord, Anew, Group, Groups, Repeated};
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::gap::{self, Gap};
use gembok::domain::id::{EndpointId, ObjectId};
use gembok::domain::latency::Histogram;
use gembok::domain::operation::Operation;
use gembok::domain::refusal::Code;
use gembok::domain::timestamp::Timestamp;

use super::testkit::{Case, cases};

#[test]
fn journal_records() {
    let mut seen = [0; 4];
    for case in cases("journal.txt") {
        let (label, body) = (case.label(), case.bytes("body"));
        let kind = case.number("kind");
        let parses = match kind {
            access_record::KIND => is_access(&case, &body, &label),
            audit_record::KIND => is_audit(&case, &body, &label),
            gap::KIND => is_gap(&case, &body, &label),
            _ => panic!("{label}: no such kind"),
        };
        assert_eq!(parses, case.text("expect") == "parses", "{label}");
        seen[usize::from(kind)] += 1;
    }
    assert!(seen[1] == 9 && seen[2] > 3 && seen[3] > 3, "{seen:?}");
}

fn is_access(case: &Case, body: &[u8], label: &str) -> bool {
    assert_eq!(access_record::VERSION, case.number::<u16>("version"), "{label}");
    let latencies = latencies(case);
    let mut repeated = Repeated::default();
    let mut groups = Groups::new();
    let object = Some(ObjectId::from_bytes(case.array("object")));
    if case.has("more") {
        repeated.more = case.number("more");
        if !latencies.is_empty() {
            repeated.latency_max_us = case.number("latency-max-us");
            repeated.latencies = latencies;
        }
    } else {
        let mut group = Group {
            object,
            key_version: 3,
            outcome: None,
            fields: 2,
            bytes: 32,
            subjects: None,
            anew: None,
            key_id: None,
        };
        for pseudonym in case.all_bytes("pseudonym") {
            group.is_about(Pseudonym(pseudonym.try_into().unwrap()));
        }
        if case.has("subjects") {
            (0..case.number::<u128>("subjects"))
                .for_each(|number| group.is_about(Pseudonym(number.to_be_bytes())));
        }
        if case.has("anew") {
            let forced = case.number::<u8>("forced") == 1;
            group.anew = Some(Anew { key_version: case.number("anew"), forced });
        }
        groups.push(group);
        let outcome = Some(Code::ObjectUnknown);
        groups.push(Group {
            object: None,
            key_version: 0,
            outcome,
            fields: 1,
            bytes: 0,
            subjects: None,
            anew: None,
            key_id: None,
        });
    }
    let record = AccessRecord {
        time: Timestamp::from_micros(case.number("time-us")),
        endpoint: EndpointId::from_bytes(case.array("endpoint")),
        api_key: None,
        certificate: case.array("certificate"),
        address: [192, 0, 2, 1].into(),
        operation: Some(Operation::Encrypt),
        latency_us: 150,
        outcome: Some(Code::ApiKeyUnknown),
        groups,
        repeated: (repeated.more > 0).then(|| Box::new(repeated)),
    };
    let mut written = Vec::new();
    record.write(&mut written);
    assert_eq!(written, body, "{label}");
    assert_eq!(AccessRecord::read(body), Some(record), "{label}");
    for spoiled in [&body[..body.len() - 1], &[body, &[0]].concat(), &body[1..], b""] {
        assert_eq!(AccessRecord::read(spoiled), None, "{label}");
    }
    true
}

/// The histogram of `latency: <bucket> <requests>` lines.
pub(crate) fn latencies(case: &Case) -> Histogram {
    let mut latencies = Histogram::default();
    for line in case.texts("latency") {
        let (bucket, requests) = line.split_once(' ').unwrap();
        // Above the last edge any latency will do.
        let latency_us = Histogram::edge_us(bucket.parse().unwrap()).unwrap_or(u64::MAX);
        latencies.count(latency_us, requests.parse().unwrap());
    }
    latencies
}

fn is_audit(case: &Case, body: &[u8], label: &str) -> bool {
    let Ok(record) = cbor::decode::<AuditRecord>(body) else { return false };
    assert_eq!(audit_record::VERSION, case.number::<u16>("version"), "{label}");
    assert_eq!(record.time, Timestamp::from_micros(case.number("time-us")), "{label}");
    assert_eq!(
        (record.actor.as_str(), record.act.as_str()),
        (case.text("actor"), case.text("act")),
        "{label}"
    );
    assert_eq!(cbor::encode(&record), body, "{label}");
    let names: Vec<(String, String)> = record.details.into_pairs().collect();
    let expected: Vec<_> = case.texts("name").into_iter().zip(case.texts("value")).collect();
    assert!(names.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{label}");
    true
}

fn is_gap(case: &Case, body: &[u8], label: &str) -> bool {
    let Ok(found) = cbor::decode::<Gap>(body) else { return false };
    let gap = Gap {
        time: Timestamp::from_micros(case.number("time-us")),
        last_block: Timestamp::from_micros(case.number("last-block-us")),
        fields_max: case.number("fields-max"),
    };
    assert_eq!(found, gap, "{label}");
    assert_eq!(gap::VERSION, case.number::<u16>("version"), "{label}");
    assert_eq!(cbor::encode(&gap), body, "{label}");
    true
}
