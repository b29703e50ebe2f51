//! Floor 0: bytes in, bytes out. It knows no product noun, reads no clock, keeps no state and calls no other floor.
//!
//! RustCrypto does the arithmetic; what is ours, and what `tests/vectors` freezes, is the bytes around it. Every format
//! here is big-endian and drawn at the head of its file.

pub mod aad;
pub mod algorithm;
pub mod blind_index;
pub mod block;
pub mod checkpoint;
pub mod data_key;
pub mod derive;
pub mod digest;
pub mod envelope;
pub mod escrow;
pub mod export;
pub mod hex;
pub mod kcv;
pub mod merkle;
pub mod password;
pub mod pseudonym;
pub mod random;
pub mod record;
pub mod secret;
pub mod totp;
pub mod wrapped_key;

/// A tag that does not fit its key, nonce, associated data and ciphertext. It never says which of them was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAuthentic;

impl std::fmt::Display for NotAuthentic {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the bytes do not authenticate under this key")
    }
}

impl std::error::Error for NotAuthentic {}

/// Bytes that are not of the format they claim, and the first thing that is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// Takes the first `N` bytes off `rest`; `None` when it is shorter.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}
