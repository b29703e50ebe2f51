//! How much memory the requests of one client may hold, over all its connections: from before its body is read until the
//! last byte of its answer was handed to TLS. What is more waits; so whoever asks for much and takes no answers stops
//! himself, and nobody else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::peer::Peer;

use super::places::Network;

/// Requests of one client that may wait for memory; further ones are refused.
const WAITING_MAX: u32 = 256;
/// What any request costs beside its body.
const REQUEST_BYTES: u64 = 4_096;
/// A body whose length is not announced counts as one of this length.
const UNANNOUNCED_BYTES: u64 = 1 << 20;
/// What answers with a refusal for each item come to at most.
const REFUSALS_BYTES_MAX: u64 = 512 << 10;
/// Shorter than this list the purses of clients that are gone are not looked for.
const PURSES_KEPT: usize = 64;

/// One client's memory.
pub(super) struct Purse {
    bytes_max: u64,
    bytes: AtomicU64,
    waiting: AtomicU32,
    given_back: Notify,
}

/// Too many requests of the client wait already.
pub(super) struct TooManyWait;

/// An upper bound of the bytes a request with this body keeps in memory: the body, what is read from it, and the answer,
/// which is a little longer than the body or made of refusals of some hundred bytes each.
pub(super) fn weight(body_bytes: Option<u64>) -> u64 {
    let body = body_bytes.unwrap_or(UNANNOUNCED_BYTES);
    let most = body.saturating_mul(16).min(body.saturating_mul(3).saturating_add(REFUSALS_BYTES_MAX));
    most.saturating_add(REQUEST_BYTES)
}

impl Purse {
    fn new(bytes_max: u64) -> Self {
        Self { bytes_max, bytes: AtomicU64::new(0), waiting: AtomicU32::new(0), given_back: Notify::new() }
    }

    /// Takes `bytes` if they are there. One request alone may take more than there is: its body is refused by its own limit.
    pub(super) fn try_take(&self, bytes: u64) -> bool {
        let more = |held: u64| {
            let sum = held.checked_add(bytes)?;
            (held == 0 || sum <= self.bytes_max).then_some(sum)
        };
        self.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// Waits for them.
    ///
    /// # Errors
    /// [`TooManyWait`].
    pub(super) async fn take(&self, bytes: u64) -> Result<(), TooManyWait> {
        let _waiting = Waiting::of(self)?;
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            given_back.as_mut().enable();
            if self.try_take(bytes) {
                // There may be enough for the next one too.
                self.given_back.notify_one();
                return Ok(());
            }
            given_back.await;
        }
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.given_back.notify_one();
        }
    }
}

struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn of(purse: &'a Purse) -> Result<Self, TooManyWait> {
        let waiting = Self(&purse.waiting);
        if purse.waiting.fetch_add(1, Ordering::SeqCst) >= WAITING_MAX {
            Err(TooManyWait)
        } else {
            Ok(waiting)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whose purse: a certificate's, or a network's as long as it shows none.
#[derive(PartialEq, Eq, Hash)]
enum Holder {
    Certificate([u8; 32]),
    Stranger(Network),
}

/// The purses of everybody who is connected to one listener.
pub(super) struct Purses {
    bytes_max: u64,
    by_holder: Mutex<HashMap<Holder, Weak<Purse>>>,
}

impl Purses {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, by_holder: Mutex::default() }
    }

    /// The purse of a connection's client; it lasts as long as one of its connections.
    pub(super) fn of(&self, peer: &Peer) -> Arc<Purse> {
        let holder = match &peer.certificate {
            Some(certificate) => Holder::Certificate(certificate.spki),
            None => Holder::Stranger(Network::of(peer.address)),
        };
        let mut by_holder = self.by_holder.lock();
        if let Some(purse) = by_holder.get(&holder).and_then(Weak::upgrade) {
            return purse;
        }
        if by_holder.len() >= PURSES_KEPT && by_holder.len() == by_holder.capacity() {
            by_holder.retain(|_, purse| purse.strong_count() > 0);
        }
        let purse = Arc::new(Purse::new(self.bytes_max));
        by_holder.insert(holder, Arc::downgrade(&purse));
        purse
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_too_much_waits_until_something_is_given_back() {
        let purse = Purse::new(100);
        assert!(purse.try_take(60) && purse.try_take(40) && !purse.try_take(1));
        let mut waits = Box::pin(purse.take(50));
        assert!((&mut waits).now_or_never().is_none());
        purse.give_back(40);
        assert!((&mut waits).now_or_never().is_none(), "60 of 100 are held");
        purse.give_back(60);
        assert!(waits.now_or_never().is_some());
        assert_eq!(purse.bytes.load(Ordering::SeqCst), 50);
        purse.give_back(50);
        assert!(purse.try_take(1_000) && !purse.try_take(1), "one alone may be larger");
    }

    #[test]
    fn two_that_wait_both_go_when_there_is_enough() {
        let purse = Purse::new(100);
        assert!(purse.try_take(100));
        let (mut first, mut second) = (Box::pin(purse.take(50)), Box::pin(purse.take(50)));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        purse.give_back(100);
        assert!(first.now_or_never().is_some() && second.now_or_never().is_some());
        assert_eq!(purse.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn only_so_many_may_wait() {
        let purse = Purse::new(1);
        assert!(purse.try_take(1));
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(purse.take(1))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(matches!(purse.take(1).now_or_never(), Some(Err(TooManyWait))));
        drop(waiting);
        assert_eq!(purse.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_request_weighs_more_than_it_can_hold() {
        assert_eq!(weight(Some(0)), 4_096);
        assert!(weight(Some(200)) < 8_192);
        // A thousand refused items of 30 bytes, answered with some 400 each.
        assert!(weight(Some(30_000)) > 30_000 + 400_000);
        assert!(weight(Some(1 << 20)) > (1 << 20) + (14 << 17), "a body of 1 MiB and its base64 back");
        assert_eq!(weight(None), weight(Some(1 << 20)));
        assert!(weight(Some(u64::MAX)) == u64::MAX);
    }
}
