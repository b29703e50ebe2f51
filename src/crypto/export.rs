//! An export of the journal: a CBOR sequence (RFC 8742) that an auditor can read and verify without us. One item a block,
//! in order, then one last item:
//!
//! ```text
//! { 0: header 139, 1: [ leaf … ] }                              a block with all of its records
//! { 0: header 139, 2: [ [ index, leaf, [ hash 32 … ] ] … ] }    with some of them, each proved by its path; also none
//! { 0: header 139 }                                             its records were pruned before the export
//! { 3: [ checkpoint text … ], 4: [ SPKI 91 … ] }                the end: signed heads, and the keys that signed them
//! ```
//!
//! Every item is deterministic CBOR (RFC 8949 §4.2); another encoding of the same is refused, so every byte counts.

use minicbor::{Decoder, Encoder};

use super::Malformed;
use super::block::{BlockHeader, HEADER_LEN, Leaf, Leaves};
use super::checkpoint::{Checkpoint, CheckpointKey};
use super::merkle::PATH_LEN_MAX;

/// Longest item, bytes: a reader need not hold more. A block of the longest body with every record proved stays below
/// in practice; an exporter that would go beyond it refuses.
pub const ITEM_BYTES_MAX: usize = 64 << 20;

/// One item of the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A block.
    Block {
        /// Its header.
        header: BlockHeader,
        /// What is here of its records.
        records: Records<'a>,
    },
    /// Nothing follows.
    End(Trailer),
}

/// What an export holds of a block's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records<'a> {
    /// All leaves, in order.
    Whole(Vec<Leaf<'a>>),
    /// Some, each with its proof, in order of index.
    Part(Vec<Proved<'a>>),
    /// None: they were pruned.
    Pruned,
}

/// A leaf and the proof that it belongs to its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved<'a> {
    /// Its place in the block, from 0.
    pub index: u32,
    /// The leaf.
    pub leaf: Leaf<'a>,
    /// RFC 6962's path to the header's root.
    pub path: Vec<[u8; 32]>,
}

/// The last item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailer {
    /// Signed heads of this chain.
    pub checkpoints: Vec<Checkpoint>,
    /// The keys that signed them.
    pub keys: Vec<CheckpointKey>,
}

impl<'a> Item<'a> {
    /// Writes it behind what is in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec does not fail.
        let _ = self.encode(&mut Encoder::new(out));
    }

    fn encode(&self, to: &mut Encoder<&mut Vec<u8>>) -> Result<(), Unwritten> {
        match self {
            Self::Block { header, records } => {
                let members = if matches!(records, Records::Pruned) { 1 } else { 2 };
                to.map(members)?.u8(0)?.bytes(&header.to_bytes())?;
                match records {
                    Records::Whole(leaves) => {
                        to.u8(1)?.array(leaves.len() as u64)?;
                        for leaf in leaves {
                            to.bytes(leaf.bytes)?;
                        }
                    }
                    Records::Part(some) => {
                        to.u8(2)?.array(some.len() as u64)?;
                        for Proved { index, leaf, path } in some {
                            to.array(3)?.u32(*index)?.bytes(leaf.bytes)?.array(path.len() as u64)?;
                            for hash in path {
                                to.bytes(hash)?;
                            }
                        }
                    }
                    Records::Pruned => {}
                }
            }
            Self::End(Trailer { checkpoints, keys }) => {
                to.map(2)?.u8(3)?.array(checkpoints.len() as u64)?;
                for checkpoint in checkpoints {
                    to.str(&checkpoint.to_text())?;
                }
                to.u8(4)?.array(keys.len() as u64)?;
                for key in keys {
                    to.bytes(key.spki())?;
                }
            }
        }
        Ok(())
    }

    /// Reads the item at the head of `bytes`, and how many bytes it takes; `None` when more bytes are needed to know.
    ///
    /// # Errors
    /// [`Malformed`] for what no further bytes could make an item, and for an item written in another way than
    /// [`Item::write`] does.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut from = Decoder::new(bytes);
        let item = match Self::decode(&mut from) {
            Ok(item) => item,
            Err(Unreadable::Short) => return Ok(None),
            Err(Unreadable::Wrong(why)) => return Err(why),
        };
        let used = from.position();
        let mut again = Vec::with_capacity(used);
        item.write(&mut again);
        if bytes[..used] == again {
            Ok(Some((item, used)))
        } else {
            Err(Malformed("an item of an export is not deterministic CBOR"))
        }
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Unreadable> {
        const MEMBERS: Malformed = Malformed("an item of an export has members that it must not have");
        let members = from.map()?.ok_or(Malformed("an item of an export has no definite length"))?;
        match (from.u8()?, members) {
            (0, 1..=2) => {
                let header = BlockHeader::parse(fixed(from, HEADER_LEN)?)?;
                let records = match members {
                    1 => Records::Pruned,
                    _ => match from.u8()? {
                        1 => Records::Whole(list(from, leaf)?),
                        2 => Records::Part(list(from, proved)?),
                        _ => return Err(MEMBERS.into()),
                    },
                };
                Ok(Self::Block { header, records })
            }
            (3, 2) => {
                let checkpoints = list(from, |from| Ok(Checkpoint::parse(from.str()?)?))?;
                if from.u8()? != 4 {
                    return Err(MEMBERS.into());
                }
                let keys = list(from, |from| Ok(CheckpointKey::from_spki(from.bytes()?)?))?;
                Ok(Self::End(Trailer { checkpoints, keys }))
            }
            _ => Err(MEMBERS.into()),
        }
    }
}

fn leaf<'a>(from: &mut Decoder<'a>) -> Result<Leaf<'a>, Unreadable> {
    let bytes = from.bytes()?;
    let mut leaves = Leaves::new(bytes);
    match (leaves.next(), leaves.next()) {
        (Some(leaf), None) => Ok(leaf?),
        _ => Err(Malformed("a record of an export is not exactly one leaf").into()),
    }
}

fn proved<'a>(from: &mut Decoder<'a>) -> Result<Proved<'a>, Unreadable> {
    if from.array()? != Some(3) {
        return Err(Malformed("a proved record has an index, a leaf and a path").into());
    }
    let (index, leaf) = (from.u32()?, leaf(from)?);
    let path = list(from, |from| {
        let hash = fixed(from, 32)?;
        hash.try_into().map_err(|_| Malformed("a hash of a path is 32 bytes long").into())
    })?;
    if path.len() > PATH_LEN_MAX {
        return Err(Malformed("a path is longer than any block is deep").into());
    }
    Ok(Proved { index, leaf, path })
}

fn fixed<'a>(from: &mut Decoder<'a>, length: usize) -> Result<&'a [u8], Unreadable> {
    let bytes = from.bytes()?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(Malformed("a byte string of an export has the wrong length").into())
    }
}

/// The announced length makes no room: only what is there does.
fn list<'a, T>(
    from: &mut Decoder<'a>,
    read: impl Fn(&mut Decoder<'a>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let count = from.array()?.ok_or(Malformed("a list of an export has no definite length"))?;
    (0..count).map(|_| read(from)).collect()
}

type Unwritten = minicbor::encode::Error<std::convert::Infallible>;

enum Unreadable {
    /// It may be an item once there are more bytes.
    Short,
    Wrong(Malformed),
}

impl From<Malformed> for Unreadable {
    fn from(why: Malformed) -> Self {
        Self::Wrong(why)
    }
}

impl From<minicbor::decode::Error> for Unreadable {
    fn from(error: minicbor::decode::Error) -> Self {
        if error.is_end_of_input() {
            Self::Short
        } else {
            Self::Wrong(Malformed("these bytes are not an item of an export"))
        }
    }
}
