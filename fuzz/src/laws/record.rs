//! Stored records: the sealed form, and the deterministic CBOR inside. A second, independent reader of CBOR must find every
//! record that we take to be deterministic.

use gembok::crypto::record::{OVERHEAD, Record};
use gembok::domain::{
    api_key::ApiKey, audit_record::AuditRecord, cbor, certificate::Certificate, endpoint::Endpoint,
    grant::Grant, key_version::KeyVersion, object::Object, project, statistics::Counters, user::User,
};
use gembok::store::Boot;

/// For any bytes as a sealed record, as a boot row, and as each kind of row's plaintext.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let record = Record::parse(bytes);
    if let Ok(record) = &record {
        let written = [&[1][..], &record.generation.to_be_bytes(), record.nonce, record.sealed].concat();
        assert_eq!(written, bytes, "parse and write are inverse");
        assert!(bytes.len() >= OVERHEAD);
    }
    let boot = Boot::parse(bytes);
    if let Ok(boot) = &boot {
        assert_eq!(boot.to_cbor(), bytes, "parse and write are inverse");
        assert!(is_deterministic(bytes));
    }
    let rows = [
        row::<ApiKey>,
        row::<AuditRecord>,
        row::<Certificate>,
        row::<Counters>,
        row::<Endpoint>,
        row::<Grant>,
        row::<KeyVersion>,
        row::<Object>,
        row::<User>,
        row::<project::Kek>,
        row::<project::Project>,
    ];
    let is_row = rows.map(|row| row(bytes)).contains(&true);
    is_row || record.is_ok() || boot.is_ok()
}

fn row<T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>>(bytes: &[u8]) -> bool {
    let value = cbor::decode::<T>(bytes);
    if let Ok(value) = &value {
        assert_eq!(cbor::encode(value), bytes, "decode and encode are inverse");
        assert!(is_deterministic(bytes), "as RFC 8949 section 4.2 demands");
    }
    value.is_ok()
}

/// Whether this is one item of deterministic CBOR, as far as our records go: no floats, no tags, names below 256 bytes.
fn is_deterministic(bytes: &[u8]) -> bool {
    item(bytes, 0).is_some_and(<[u8]>::is_empty)
}

/// What follows the item.
fn item(bytes: &[u8], depth: u32) -> Option<&[u8]> {
    let (&first, rest) = bytes.split_first()?;
    let (major, more) = (first >> 5, first & 31);
    let width = match more {
        0..24 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (argument, mut rest) = rest.split_at_checked(width)?;
    let argument = argument.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let argument = if width == 0 { u64::from(more) } else { argument };
    let least =
        [0, 24, 1 << 8, 1 << 16, 1 << 32][[0, 1, 2, 4, 8].iter().position(|known| *known == width)?];
    if argument < least || depth > 16 {
        return None;
    }
    match major {
        0 | 1 => Some(rest),
        2 | 3 => {
            let (body, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            (major == 2 || std::str::from_utf8(body).is_ok()).then_some(rest)
        }
        4 => (0..argument).try_fold(rest, |rest, _| item(rest, depth + 1)),
        5 => {
            let mut previous: Option<&[u8]> = None;
            for _ in 0..argument {
                let after = item(rest, depth + 1)?;
                let key = &rest[..rest.len() - after.len()];
                if previous.is_some_and(|previous| previous >= key) {
                    return None;
                }
                previous = Some(key);
                rest = item(after, depth + 1)?;
            }
            Some(rest)
        }
        7 => (width == 0 && (20..=22).contains(&more)).then_some(rest),
        _ => None,
    }
}
