//! Escrow logs against `tests/vectors/escrow.txt`, which a second implementation wrote.

use gembok::crypto::escrow::{Broken, Entry, LogHash};

use super::testkit::cases;

#[test]
fn logs_are_read_and_written_as_the_second_implementation_does() {
    for case in cases("escrow.txt") {
        let log = case.bytes("log");
        let (mut hash, mut rest, mut entries, mut written) =
            (LogHash::default(), log.as_slice(), 0, Vec::new());
        let (tables, keys, values) =
            (case.texts("table"), case.all_bytes("row-key"), case.all_bytes("value"));
        let mut writer = LogHash::default();
        let how = loop {
            match hash.read(rest) {
                Ok(None) => break "whole",
                Ok(Some((entry, used))) => {
                    let table = tables[entries].parse().unwrap();
                    let expected = Entry { table, key: &keys[entries], value: &values[entries] };
                    assert_eq!(entry, expected, "{}", case.label());
                    written.extend(writer.append(&expected).unwrap());
                    rest = &rest[used..];
                    entries += 1;
                }
                Err(Broken::CutOff) => break "cut off",
                Err(Broken::Wrong(_)) => break "wrong",
            }
        };
        assert_eq!(how, case.text("expect"), "{}", case.label());
        assert_eq!(
            (entries, written.len()),
            (case.number("entries"), case.number("bytes")),
            "{}",
            case.label()
        );
        assert_eq!(written, log[..written.len()], "{}", case.label());
    }
}
