//! The anchor: the newest head of the chain, kept in the token, so that a store that was put back is found out. One data
//! object (`CKO_DATA`) labelled `gembok-anchor`, which only who has the PIN can see or change; its value is
//!
//! ```text
//! epoch u32 | next sequence u64 | hash 32          44 bytes, big-endian
//! ```
//!
//! A value is not exchanged in place: not every module does that without a moment in which there is neither. A new object is
//! made, then the old one is destroyed. A crash in between leaves two; the further one counts.

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};

use super::error::TokenError;
use super::session::{Failure, Name, Session};
use super::token::Token;

const LABEL: &str = "gembok-anchor";
const APPLICATION: &[u8] = b"gembok";
/// Anchors that may lie in the token at once, when old ones cannot be destroyed.
const ANCHORS_MAX: usize = 8;
/// Bytes of an anchor.
pub const ANCHOR_LEN: usize = 4 + 8 + 32;

/// Where the chain stood: the head after a durable block. Ordered by epoch, then by sequence: the greater is the further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// Counts restores.
    pub epoch: u32,
    /// Sequence number of the next record.
    pub next_sequence: u64,
    /// Hash of the last block's header; zero bytes before the first.
    pub hash: [u8; 32],
}

impl Anchor {
    /// The head of an appliance that has no block yet.
    pub const GENESIS: Self = Self { epoch: 0, next_sequence: 0, hash: [0; 32] };

    /// The value of the object.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ANCHOR_LEN] {
        let mut bytes = [0; ANCHOR_LEN];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.next_sequence.to_be_bytes());
        bytes[12..].copy_from_slice(&self.hash);
        bytes
    }

    /// Reads a value; the inverse of [`Anchor::to_bytes`]. `None` for another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk()?;
        let (next_sequence, hash) = rest.split_first_chunk()?;
        Some(Self {
            epoch: u32::from_be_bytes(*epoch),
            next_sequence: u64::from_be_bytes(*next_sequence),
            hash: hash.try_into().ok()?,
        })
    }
}

impl Token {
    /// The furthest anchor the token holds; `None` only from a token that is well and holds none.
    ///
    /// # Errors
    /// [`TokenError::NonConforming`] for one that is not 44 bytes long; else those of any call.
    pub fn anchor(&self) -> Result<Option<Anchor>, TokenError> {
        self.call(|session| {
            let anchors = find(session)?;
            Ok(anchors.into_iter().map(|(_, anchor)| anchor).max())
        })
    }

    /// Makes `anchor` the one the token holds: the new object first, then the old ones are destroyed.
    ///
    /// # Errors
    /// Those of any call; the token then holds the old anchor, or both. One of destroying only when the old ones have become many.
    pub fn put_anchor(&self, anchor: &Anchor) -> Result<(), TokenError> {
        let anchor = *anchor;
        self.change(move |session| {
            let held = find(session)?;
            // There already when a session was lost half-way, and the work is done once more.
            let there = held.iter().find(|(_, held)| *held == anchor).map(|(handle, _)| *handle);
            let kept = match there {
                Some(handle) => handle,
                None => session.raw().create_object(&template(&anchor))?,
            };
            let crowded = held.len() >= ANCHORS_MAX;
            for (old, _) in held.into_iter().filter(|(handle, _)| *handle != kept) {
                // The further one counts, so one that cannot be destroyed does no harm while there are few.
                match session.destroy(old) {
                    Err(failure) if crowded => return Err(failure),
                    _ => {}
                }
            }
            Ok(())
        })
    }
}

/// Every anchor in the token; none only when that is believed.
fn find(session: &Session) -> Result<Vec<(ObjectHandle, Anchor)>, Failure> {
    let name = Name::Data(LABEL.to_owned());
    let read = |handle| {
        let told = session.attributes(handle, &[AttributeType::Value])?;
        let anchor = match &told[..] {
            [Attribute::Value(bytes)] => Anchor::parse(bytes),
            _ => None,
        };
        let anchor = anchor.ok_or_else(|| {
            TokenError::NonConforming(format!("{name} in the token is not {ANCHOR_LEN} bytes long"))
        })?;
        Ok((handle, anchor))
    };
    session.find_all(&name)?.into_iter().map(read).collect()
}

fn template(anchor: &Anchor) -> [Attribute; 6] {
    [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Label(LABEL.as_bytes().to_vec()),
        Attribute::Application(APPLICATION.to_vec()),
        Attribute::Value(anchor.to_bytes().to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_is_the_inverse_and_the_further_is_the_greater() {
        let anchor = Anchor { epoch: 1, next_sequence: 2, hash: [3; 32] };
        assert_eq!(Anchor::parse(&anchor.to_bytes()), Some(anchor));
        assert_eq!(anchor.to_bytes()[..13], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 3]);
        assert_eq!(Anchor::parse(&anchor.to_bytes()[1..]), None);
        assert_eq!(Anchor::parse(&[0; ANCHOR_LEN + 1]), None);
        let later = Anchor { next_sequence: 3, hash: [0; 32], ..anchor };
        let restored = Anchor { epoch: 2, next_sequence: 0, hash: [0; 32] };
        assert!(anchor < later && later < restored && Anchor::GENESIS < anchor);
    }
}
