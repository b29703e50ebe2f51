//! Signing requests: what is taken is a key that stands in the request as it is, and no bit of what its owner signed can be
//! another.

use gembok::appliance::RequestedKey;
use pem::Pem;

/// Bits turned over in a request that was read, spread over all of it: each costs the check of a signature.
const TURNED: usize = 16;

/// A request that is read gives a key that it contains; with any one bit turned over it gives the same key or none. The input
/// is the DER, because a mutated base64 is soon no text at all; as text it must do no harm either.
#[must_use]
pub fn hold(der: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(der) {
        // A law about nothing but that it comes back.
        let _ = RequestedKey::from_csr(text);
    }
    let Some(key) = read(der) else { return false };
    assert!(der.windows(key.len()).any(|part| part == key), "the key stands in the request");
    let bits = der.len() * 8;
    for turn in 0..TURNED {
        let at = (bits * turn + usize::from(der[der.len() - 1])) / TURNED % bits;
        let mut turned = der.to_vec();
        turned[at / 8] ^= 1 << (at % 8);
        assert!(read(&turned).is_none_or(|other| other == key), "bit {at} makes it another key");
    }
    true
}

fn read(der: &[u8]) -> Option<Vec<u8>> {
    let text = pem::encode(&Pem::new("CERTIFICATE REQUEST", der));
    RequestedKey::from_csr(&text).ok().map(|key| key.der().to_vec())
}
