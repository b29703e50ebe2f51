//! Lower-case hex, the one way in which ids and hashes are written for people. What is read must be written the same way:
//! capitals are refused, so that one value has one text.

use std::fmt::Write;

/// Two digits a byte.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The inverse of [`to_hex`]; `None` for another length, capitals, or what is no hex.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(to_hex(&[0x00, 0x9a, 0xff]), "009aff");
        assert_eq!(from_hex("009aff"), Some([0x00, 0x9a, 0xff]));
        for wrong in ["", "009af", "009aff0", "009AFF", "009ag0", "+09aff", "é9aff"] {
            assert_eq!(from_hex::<3>(wrong), None, "{wrong}");
        }
    }
}
