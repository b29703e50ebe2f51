//! Looks at HTTP/2 frames on their way in (RFC 9113 section 4.1), for the two things that hyper does not limit: how long a
//! header may take once there was one, and how many frames that cost a client nothing it may send. Reads no payload.
//!
//! ```text
//! length u24 | type u8 | flags u8 | stream u32 | payload
//! ```

use std::time::Duration;

/// What every client sends first (RFC 9113 section 3.4).
const PREFACE_LEN: u32 = 24;
const HEAD_LEN: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const WINDOW: Duration = Duration::from_secs(1);

/// A client sends more control frames than anybody needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// Where the frames of one connection stand.
pub(super) struct Frames {
    /// Bytes until the next frame's head.
    skip: u32,
    head: [u8; HEAD_LEN],
    head_len: usize,
    is_header_open: bool,
    control_max: u32,
    control: u32,
    since: Duration,
}

impl Frames {
    /// At the beginning of a connection on which `control_max` frames a second may be resets, pings, settings, priorities,
    /// continuations, empty data or of unknown type.
    pub(super) const fn new(control_max: u32) -> Self {
        Self {
            skip: PREFACE_LEN,
            head: [0; HEAD_LEN],
            head_len: 0,
            is_header_open: false,
            control_max,
            control: 0,
            since: Duration::ZERO,
        }
    }

    /// Takes note of what came in at `now`, a time that only grows.
    ///
    /// # Errors
    /// [`Flood`].
    pub(super) fn take(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), Flood> {
        loop {
            let skipped = bytes.len().min(self.skip.try_into().unwrap_or(usize::MAX));
            bytes = &bytes[skipped..];
            self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
            let taken = bytes.len().min(HEAD_LEN - self.head_len);
            self.head[self.head_len..][..taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes = &bytes[taken..];
            if self.head_len < HEAD_LEN {
                return Ok(());
            }
            self.head_len = 0;
            self.begin(now)?;
        }
    }

    /// Whether a header has begun and not ended.
    pub(super) const fn is_header_open(&self) -> bool {
        self.is_header_open
    }

    /// A frame, by its head.
    fn begin(&mut self, now: Duration) -> Result<(), Flood> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = u32::from_be_bytes([0, a, b, c]);
        let is_control = match kind {
            DATA => self.skip == 0 && flags & END_STREAM == 0,
            HEADERS => {
                self.is_header_open = flags & END_HEADERS == 0;
                false
            }
            CONTINUATION => {
                self.is_header_open &= flags & END_HEADERS == 0;
                true
            }
            // Whoever takes large answers sends many; each costs us no more than its bytes.
            WINDOW_UPDATE => false,
            _ => true,
        };
        if is_control {
            if now.saturating_sub(self.since) >= WINDOW {
                (self.since, self.control) = (now, 0);
            }
            self.control += 1;
            if self.control > self.control_max {
                return Err(Flood);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, len: usize) -> Vec<u8> {
        let mut frame = u32::try_from(len).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.resize(HEAD_LEN + len, 0xaa);
        frame
    }

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frames.concat()].concat()
    }

    #[test]
    fn a_header_is_open_until_its_end_however_the_bytes_come() {
        let bytes = stream(&[
            frame(4, 0, 6),
            frame(HEADERS, 0, 300),
            frame(CONTINUATION, 0, 0),
            frame(CONTINUATION, END_HEADERS, 5),
        ]);
        let ends = bytes.len() - 5;
        let opens = 24 + HEAD_LEN + 6 + HEAD_LEN;
        for step in [1, 2, 7, 24, 1_000] {
            let mut frames = Frames::new(10);
            let mut at = 0;
            for piece in bytes.chunks(step) {
                frames.take(piece, Duration::ZERO).unwrap();
                at += piece.len();
                assert_eq!(frames.is_header_open(), (opens..ends).contains(&at), "{step} {at}");
            }
        }
        let mut frames = Frames::new(10);
        frames.take(&stream(&[frame(HEADERS, END_HEADERS, 30)]), Duration::ZERO).unwrap();
        assert!(!frames.is_header_open());
    }

    #[test]
    fn control_frames_are_counted_by_the_second() {
        let mut frames = Frames::new(10);
        let ten = vec![frame(PING, 0, 8); 10].concat();
        frames.take(&stream(&[]), Duration::ZERO).unwrap();
        for second in 0..5 {
            frames.take(&ten, Duration::from_millis(second * 1_000)).unwrap();
        }
        assert_eq!(frames.take(&frame(PING, 0, 8), Duration::from_millis(4_999)), Err(Flood));
    }

    #[test]
    fn each_kind_that_costs_nothing_counts_and_no_other() {
        let floods = |frame: Vec<u8>| {
            let mut frames = Frames::new(3);
            frames.take(&stream(&[frame.repeat(4)]), Duration::ZERO).is_err()
        };
        for kind in [2, 3, 4, 5, PING, 7, CONTINUATION, 77] {
            assert!(floods(frame(kind, END_HEADERS, 4)), "{kind}");
        }
        assert!(floods(frame(DATA, 0, 0)));
        assert!(!floods(frame(DATA, 0, 1)));
        assert!(!floods(frame(DATA, END_STREAM, 0)));
        assert!(!floods(frame(HEADERS, END_HEADERS, 9)));
        assert!(!floods(frame(WINDOW_UPDATE, 0, 4)));
    }
}
