//! The ETag of a resource. It stands for what people changed about a thing, and not for what its use changes meanwhile: a count
//! of uses that moved on loses nobody's edit.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::appliance::Fault;
use crate::crypto::hex::to_hex;
use crate::desk::answer::Done;

use super::words;

/// Members that move by themselves.
const MOVING: [&str; 8] =
    ["decrypt_over", "encrypt_over", "last_used", "last_used_from", "used", "uses", "uses_reserved", "worn"];

/// The tag of what an answer shows, with its quotation marks.
pub(super) fn of(done: &Done) -> Result<String, Fault> {
    let mut value: Value = serde_json::from_slice(&words::inside(done)?)
        .map_err(|_| Fault::new("an answer does not read back as JSON"))?;
    still(&mut value);
    let digest = Sha256::digest(value.to_string().as_bytes());
    Ok(format!("\"{}\"", to_hex(&digest[..16])))
}

fn still(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !MOVING.contains(&name.as_str()));
            members.values_mut().for_each(still);
        }
        Value::Array(values) => values.iter_mut().for_each(still),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::answer::Budget;

    #[test]
    fn what_is_used_moves_no_tag_and_what_is_changed_does() {
        let tag = |used, fields_per_day| {
            let (of, name) = ("endpoint x".into(), "absensi".into());
            let budget = Budget {
                of,
                name,
                operation: "decrypt".into(),
                fields_per_day,
                used,
                own_fields_per_day: None,
                raised_until: None,
            };
            super::of(&Done::Budgets(vec![budget])).unwrap()
        };
        assert_eq!(tag(5, 10), tag(6, 10));
        assert_ne!(tag(5, 10), tag(5, 11));
        assert!(tag(5, 10).starts_with('"') && tag(5, 10).len() == 34);
    }
}
