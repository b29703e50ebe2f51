//! Reads an export item by item, from a file or from the daemon, holding one item at a time.

use std::io::{self, Read};

use crate::crypto::export::{ITEM_BYTES_MAX, Item};

/// Bytes asked for at a time, at least.
const READ_BYTES: usize = 64 << 10;

/// The items of a source, in order.
pub(super) struct Items<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where in `buffer` the next item begins.
    at: usize,
    /// Bytes of the source before `at`.
    offset: u64,
    ended: bool,
}

/// Why there is no next item, though the source is not over.
pub(super) enum Unread {
    /// The system's reason.
    System(io::Error),
    /// What the bytes lack, and where.
    Malformed { offset: u64, why: String },
}

impl<R: Read> Items<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), at: 0, offset: 0, ended: false }
    }

    /// Hands the next item to `take`; `None` when there is none.
    pub(super) fn next<T>(&mut self, take: impl FnOnce(Item<'_>) -> T) -> Result<Option<T>, Unread> {
        loop {
            let waiting = &self.buffer[self.at..];
            let malformed = |why: String| Unread::Malformed { offset: self.offset, why };
            if waiting.is_empty() && self.ended {
                return Ok(None);
            }
            match Item::parse(waiting) {
                Ok(Some((item, used))) => {
                    let taken = take(item);
                    self.at += used;
                    self.offset += used as u64;
                    return Ok(Some(taken));
                }
                Ok(None) if self.ended => {
                    return Err(malformed("it was cut off in the middle of an item".into()));
                }
                Ok(None) if waiting.len() >= ITEM_BYTES_MAX => {
                    return Err(malformed(format!("an item is longer than {ITEM_BYTES_MAX} bytes")));
                }
                Ok(None) => self.fill().map_err(Unread::System)?,
                Err(why) => return Err(malformed(why.0.into())),
            }
        }
    }

    /// As many bytes again as wait already, so that a long item is not looked at once for each of its parts.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let more = self.buffer.len().max(READ_BYTES) as u64;
        self.ended = self.from.by_ref().take(more).read_to_end(&mut self.buffer)? == 0;
        Ok(())
    }
}
