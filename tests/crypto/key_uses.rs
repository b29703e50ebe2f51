//! Rows of uses against `tests/vectors/key_uses.txt`, which a second implementation wrote.

use gembok::domain::cbor;
use gembok::domain::key_uses::{KeyUses, UseGaps};
use gembok::domain::timestamp::Timestamp;

use super::testkit::cases;

#[test]
fn rows_of_uses() {
    let (mut rows, mut gaps) = (0, 0);
    for case in cases("key_uses.txt") {
        let label = case.label();
        let time = |name: &str| case.has(name).then(|| Timestamp::from_micros(case.number(name)));
        if case.has("found-us") {
            let mut told = UseGaps::default();
            for (found, fields) in case.texts("found-us").into_iter().zip(case.texts("fields-max")) {
                told.add(Timestamp::from_micros(found.parse().unwrap()), fields.parse().unwrap());
            }
            assert_eq!(cbor::encode(&told), case.bytes("row"), "{label}");
            assert_eq!(cbor::decode::<UseGaps>(&case.bytes("row")), Ok(told), "{label}");
            gaps += 1;
            continue;
        }
        let found = cbor::decode::<KeyUses>(&case.bytes("row")).ok();
        assert_eq!(found.is_some(), case.text("expect") == "parses", "{label}");
        let Some(found) = found else { continue };
        let uses = KeyUses {
            sealed: case.number("sealed"),
            last_sealed: time("last-sealed-us"),
            opened: case.number("opened"),
            last_opened: time("last-opened-us"),
            opened_since: case.number("opened-since"),
        };
        assert_eq!((found, cbor::encode(&uses)), (uses, case.bytes("row")), "{label}");
        rows += 1;
    }
    assert_eq!((rows, gaps), (4, 2));
}
