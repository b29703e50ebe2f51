//! The values inside a request: base64 to bytes, pairs to a context. What is wrong with one concerns its item only.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::aad::{Context, ContextError};
use crate::domain::refusal::{Code, Refusal};

/// Decodes standard base64 with padding; ASCII white space inside is ignored, because GNU `base64` wraps its lines.
///
/// # Errors
/// `bad-base64`; `field-too-large` over `bytes_max` decoded.
pub(super) fn decode(text: &str, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let refuse = |_| Refusal::from(Code::BadBase64);
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let dense: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
        STANDARD.decode_vec(dense.as_slice(), &mut bytes).map_err(refuse)?;
    } else {
        STANDARD.decode_vec(text, &mut bytes).map_err(refuse)?;
    }
    if bytes.len() > bytes_max {
        return Err(Refusal::new(Code::FieldTooLarge).detail(format!("A field may have {bytes_max} bytes.")));
    }
    Ok(bytes)
}

/// Makes pairs a context.
///
/// # Errors
/// `bad-context`.
pub(super) fn context<'a>(pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Result<Context<'a>, Refusal> {
    if pairs.is_empty() {
        return Ok(Context::default());
    }
    Context::new(pairs).map_err(|error| {
        Refusal::new(Code::BadContext).detail(match error {
            ContextError::EmptyName => "The context has an empty name.",
            ContextError::RepeatedName => "The context has one name twice.",
            ContextError::TooLong => "The context is over 4,096 bytes.",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict_but_for_white_space() {
        assert_eq!(decode("Y29udG9o\nIGRh\r\n", 100).unwrap().as_slice(), b"contoh da");
        assert_eq!(decode("", 100).unwrap().as_slice(), b"");
        for bad in ["Y29udG9oIA", "Y29udG9oIB==", "Y29-", "Y", "====", "Y29udG9o=IGRh"] {
            assert_eq!(decode(bad, 100).err().unwrap().code, Code::BadBase64, "{bad}");
        }
        assert_eq!(decode("AAAA", 2).err().unwrap().code, Code::FieldTooLarge);
    }
}
