//! Exports against `tests/vectors/export.txt`, which a second implementation wrote, and with every byte of them flipped.

use gembok::crypto::checkpoint::CheckpointKey;
use gembok::crypto::export::{Item, Trailer};
use gembok::domain::chain::ChainCheck;
use gembok::domain::chain_report::{Flaw, Report};
use gembok::domain::chain_witness::Witnesses;

use super::testkit::{Case, cases};

/// The items of an export that is whole; `None` for a malformed one.
fn items(mut bytes: &[u8]) -> Option<(Vec<Item<'_>>, Trailer)> {
    let mut items = Vec::new();
    while let Some((item, used)) = Item::parse(bytes).ok()? {
        let mut again = Vec::new();
        item.write(&mut again);
        assert_eq!(again, bytes[..used], "an item is not written as it was read");
        bytes = &bytes[used..];
        match item {
            Item::End(trailer) => return bytes.is_empty().then_some((items, trailer)),
            block @ Item::Block { .. } => items.push(block),
        }
    }
    None
}

fn verify(items: &[Item<'_>], trailer: &Trailer, named: &[CheckpointKey]) -> Result<Report, Flaw> {
    let mut chain = ChainCheck::new(Witnesses::new(&trailer.checkpoints, &trailer.keys, named)?);
    for item in items {
        let Item::Block { header, records } = item else { unreachable!("the end is apart") };
        chain.block(header, records)?;
    }
    let report = chain.finish();
    match report.flaw {
        None => Ok(report),
        Some(flaw) => Err(flaw),
    }
}

#[test]
fn exports() {
    for case in cases("export.txt") {
        let (label, bytes) = (case.label(), case.bytes("export"));
        let read = items(&bytes);
        let expect = case.text("expect");
        if expect == "malformed" {
            assert!(read.is_none(), "{label}");
            continue;
        }
        let (items, trailer) = read.unwrap_or_else(|| panic!("{label}: malformed"));
        match (expect, verify(&items, &trailer, &[])) {
            ("proved", Ok(report)) => proves(&case, &report),
            ("proved", Err(flaw)) => panic!("{label}: {flaw}"),
            (kind, Err(flaw)) => {
                assert_eq!(flaw.kind, kind, "{label}: {flaw}");
                let block = case.has("block").then(|| case.number("block"));
                assert_eq!(flaw.block, block, "{label}: {flaw}");
            }
            (kind, Ok(_)) => panic!("{label}: {kind} was not found"),
        }
    }
}

fn proves(case: &Case, report: &Report) {
    let label = case.label();
    for (name, value) in [
        ("blocks", report.blocks),
        ("first", report.first_sequence),
        ("next", report.next_sequence),
        ("whole", report.whole),
        ("proved", report.proved),
        ("left-out", report.left_out),
        ("pruned", report.pruned),
        ("unsigned", report.unsigned()),
    ] {
        assert_eq!(case.number::<u64>(name), value, "{label}: {name}");
    }
    assert_eq!(case.text("anchored"), report.anchored.to_string(), "{label}");
}

/// The cases that are proved and signed to their end, so that no byte of them may be another.
fn sealed() -> Vec<(String, Vec<u8>)> {
    let found: Vec<_> = cases("export.txt")
        .iter()
        .filter(|case| {
            // Every field counts as read.
            let names =
                ["blocks", "first", "next", "whole", "proved", "left-out", "pruned", "anchored", "block"];
            for name in names {
                drop(case.texts(name));
            }
            let (bytes, unsigned) = (case.texts("export"), case.texts("unsigned"));
            assert_eq!(bytes.len(), 1);
            // Whoever cuts off a checkpoint that stands for nothing here takes nothing away.
            case.text("expect") == "proved" && unsigned == ["0"] && !case.text("case").contains("left behind")
        })
        .map(|case| (case.label(), case.bytes("export")))
        .collect();
    assert!(found.len() >= 6, "{} cases", found.len());
    found
}

#[test]
fn no_bit_of_an_export_can_be_flipped() {
    for (label, bytes) in sealed() {
        let (whole, trailer) = items(&bytes).unwrap();
        assert!(verify(&whole, &trailer, &[]).is_ok(), "{label}");
        for at in 0..bytes.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut flipped = bytes.clone();
                flipped[at] ^= bit;
                let proved =
                    items(&flipped).is_some_and(|(items, trailer)| verify(&items, &trailer, &[]).is_ok());
                assert!(!proved, "{label}: byte {at} ^ {bit:02x}");
            }
        }
    }
}

#[test]
fn an_export_cut_at_any_byte_is_not_whole() {
    for (label, bytes) in sealed() {
        for length in 0..bytes.len() {
            assert!(items(&bytes[..length]).is_none(), "{label}: {length} bytes");
        }
    }
}

#[test]
fn only_a_named_key_counts_when_one_is_named() {
    let (_, bytes) = sealed().remove(0);
    let (items, trailer) = items(&bytes).unwrap();
    let ours = trailer.keys[0];
    assert!(verify(&items, &trailer, &[ours]).unwrap().key_was_named);
    // Whoever made the export may have made its key, too.
    let mut other = *ours.spki();
    other[90] ^= 1;
    let other = CheckpointKey::from_spki(&other).unwrap();
    assert_eq!(verify(&items, &trailer, &[other]).unwrap_err().kind, "unsigned");
    let without_keys = Trailer { keys: Vec::new(), ..trailer.clone() };
    assert!(verify(&items, &without_keys, &[ours]).is_ok());
    assert_eq!(verify(&items, &without_keys, &[]).unwrap_err().kind, "signer");
}

/// Whoever hides what was taken away may sign that with a key made for it.
#[test]
fn a_prune_record_counts_only_by_a_key_that_counts() {
    let hidden = sealed().into_iter().find(|(label, _)| label.contains("signed with another key"));
    let (_, bytes) = hidden.unwrap();
    let (items, trailer) = items(&bytes).unwrap();
    let [ours, theirs] = trailer.keys[..] else { panic!("{} keys", trailer.keys.len()) };
    let flaw = verify(&items, &trailer, &[ours]).unwrap_err();
    assert_eq!((flaw.kind, flaw.block), ("removed", Some(2)), "{flaw}");
    assert!(flaw.why.contains("the prune record in the block at record 10"), "{flaw}");
    assert!(verify(&items, &trailer, &[ours, theirs]).is_ok());
}
