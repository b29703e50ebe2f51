//! Envelopes: what is read is written back byte for byte, in bytes and in text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::crypto::algorithm::TAG_LEN;
use gembok::crypto::envelope::{Envelope, HEADER_LEN, text_len, to_text};

/// For any bytes, and for what they are as base64.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    if let Ok(decoded) = STANDARD.decode(bytes) {
        assert_eq!(to_text(&decoded).as_bytes(), bytes, "base64 has one text for one value");
        return parsed(&decoded);
    }
    parsed(bytes)
}

fn parsed(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(bytes) else { return false };
    assert_eq!(envelope.to_bytes(), bytes, "parse and write are inverse");
    let header = envelope.header;
    assert_eq!(header.to_bytes(), bytes[..HEADER_LEN]);
    assert!(header.key_id != 0 && header.key_version != 0);
    assert_eq!(envelope.nonce.len(), header.algorithm.nonce_len());
    assert!(envelope.sealed.len() >= TAG_LEN);
    let text = to_text(bytes);
    assert!(text.starts_with("R0IB"));
    assert_eq!(
        text.len(),
        text_len(header.algorithm, envelope.sealed.len() - TAG_LEN),
        "the published width"
    );
    for cut in [bytes.len() - envelope.sealed.len() + TAG_LEN - 1, HEADER_LEN, 0] {
        assert!(Envelope::parse(&bytes[..cut]).is_err(), "none is shorter than nonce and tag");
    }
    true
}
