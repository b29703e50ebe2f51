//! A block of the journal. Its header, 139 bytes, is chained to the one before:
//!
//! ```text
//! "GK" 01 | chain id 16 | epoch u32 | first sequence u64 | count u32 | time µs u64
//!         | previous hash 32 | records root 32 | state digest 32
//! ```
//!
//! its hash is `SHA-256("gembok/block/v1" 00 | header)`. The root is that of an RFC 6962 Merkle tree over the leaves
//! `kind u16 | version u16 | length u32 | body`, so that one record can be proved without the others.

use sha2::{Digest, Sha256};

use super::{Malformed, take};

pub use super::merkle::merkle_root;

const MAGIC: [u8; 3] = *b"GK\x01";
/// Bytes of a header.
pub const HEADER_LEN: usize = 3 + 16 + 4 + 8 + 4 + 8 + 3 * 32;
/// Bytes of a leaf before its body.
pub const LEAF_HEAD_LEN: usize = 8;

/// The head of a group-committed run of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// The appliance's id.
    pub chain: [u8; 16],
    /// Counts restores.
    pub epoch: u32,
    /// Sequence number of the first record; 0 in the first block.
    pub first_sequence: u64,
    /// Records, at least 1.
    pub count: u32,
    /// When the block was closed, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Hash of the header before; zero bytes in the first block.
    pub previous: [u8; 32],
    /// Merkle root over the leaves.
    pub root: [u8; 32],
    /// The sealed state digest after the block's changes.
    pub state: [u8; 32],
}

impl BlockHeader {
    /// The bytes that are stored and hashed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut at = 0;
        let parts: [&[u8]; 9] = [
            &MAGIC,
            &self.chain,
            &self.epoch.to_be_bytes(),
            &self.first_sequence.to_be_bytes(),
            &self.count.to_be_bytes(),
            &self.time_us.to_be_bytes(),
            &self.previous,
            &self.root,
            &self.state,
        ];
        for part in parts {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        out
    }

    /// Reads a header; the inverse of [`BlockHeader::to_bytes`].
    ///
    /// # Errors
    /// [`Malformed`] for another length or magic, or a count of 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        const LENGTH: Malformed = Malformed("a block header is 139 bytes long");
        const { assert!(HEADER_LEN == 139) };
        let mut rest = bytes;
        if rest.len() != HEADER_LEN {
            return Err(LENGTH);
        }
        if take::<3>(&mut rest) != Some(MAGIC) {
            return Err(Malformed("a block header begins with GK 01"));
        }
        let header = Self {
            chain: take(&mut rest).ok_or(LENGTH)?,
            epoch: u32::from_be_bytes(take(&mut rest).ok_or(LENGTH)?),
            first_sequence: u64::from_be_bytes(take(&mut rest).ok_or(LENGTH)?),
            count: u32::from_be_bytes(take(&mut rest).ok_or(LENGTH)?),
            time_us: u64::from_be_bytes(take(&mut rest).ok_or(LENGTH)?),
            previous: take(&mut rest).ok_or(LENGTH)?,
            root: take(&mut rest).ok_or(LENGTH)?,
            state: take(&mut rest).ok_or(LENGTH)?,
        };
        if header.count == 0 { Err(Malformed("a block holds at least one record")) } else { Ok(header) }
    }

    /// What the next block chains to and a checkpoint signs.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"gembok/block/v1\0").chain_update(self.to_bytes()).finalize().into()
    }
}

/// Writes one leaf behind those already in `out`.
#[expect(clippy::cast_possible_truncation, reason = "a record's body is some hundred bytes")]
pub fn write_leaf(out: &mut Vec<u8>, kind: u16, version: u16, body: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
}

/// One record of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// 1 access, 2 audit, 3 gap.
    pub kind: u16,
    /// Of the body's format.
    pub version: u16,
    /// Deterministic CBOR.
    pub body: &'a [u8],
    /// Head and body as they lie: what the tree hashes.
    pub bytes: &'a [u8],
}

/// Walks leaves written one behind the other.
#[derive(Debug, Clone)]
pub struct Leaves<'a>(&'a [u8]);

impl<'a> Leaves<'a> {
    /// Over the leaves in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Leaves<'a> {
    type Item = Result<Leaf<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        const SHORT: Malformed = Malformed("a leaf is longer than what is left of its block");
        let whole = self.0;
        if whole.is_empty() {
            return None;
        }
        self.0 = &[];
        let mut rest = whole;
        let Some([k0, k1, v0, v1, length @ ..]) = take::<LEAF_HEAD_LEN>(&mut rest) else {
            return Some(Err(SHORT));
        };
        let Some((body, tail)) =
            usize::try_from(u32::from_be_bytes(length)).ok().and_then(|len| rest.split_at_checked(len))
        else {
            return Some(Err(SHORT));
        };
        self.0 = tail;
        let bytes = &whole[..LEAF_HEAD_LEN + body.len()];
        Some(Ok(Leaf {
            kind: u16::from_be_bytes([k0, k1]),
            version: u16::from_be_bytes([v0, v1]),
            body,
            bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_lead_back_and_a_cut_one_is_refused() {
        let mut bytes = Vec::new();
        write_leaf(&mut bytes, 1, 1, b"first");
        write_leaf(&mut bytes, 2, 1, b"");
        let read: Vec<_> = Leaves::new(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!((read[0].kind, read[0].body, read[1].kind, read[1].body), (1, &b"first"[..], 2, &b""[..]));
        assert!(Leaves::new(&bytes[..bytes.len() - 1]).any(|leaf| leaf.is_err()));
    }
}
