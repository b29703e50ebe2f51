//! Bodies of the journal's records against `tests/vectors/journal.txt`, which a second implementation wrote.

use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::gap::{self, Gap};
use gembok::domain::timestamp::Timestamp;

use super::testkit::{Case, cases};

#[test]
fn journal_records() {
    let mut seen = [0; 4];
    for case in cases("journal.txt") {
        let (label, body) = (case.label(), case.bytes("body"));
        let kind = case.number("kind");
        let parses = match kind {
            audit_record::KIND => is_audit(&case, &body, &label),
            gap::KIND => is_gap(&case, &body, &label),
            _ => panic!("{label}: no such kind"),
        };
        assert_eq!(parses, case.text("expect") == "parses", "{label}");
        seen[usize::from(kind)] += 1;
    }
    assert!(seen[2] > 3 && seen[3] > 3, "{seen:?}");
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
