//! A connection's client, and whether it is still trusted. TLS asked that once, of the generation the connection was accepted
//! under; when a newer one is in force it is asked again, once per generation and before any further request begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use crate::domain::peer::Peer;

use super::tls::TlsGeneration;

/// The TLS generation a connection was accepted under, as last seen; it has changed when a newer one is in force.
pub(super) type Generation = watch::Receiver<Arc<TlsGeneration>>;

/// Who is at the other end of a connection, and by which chain.
pub(super) struct Standing {
    /// What requests are told.
    pub(super) peer: Arc<Peer>,
    /// Leaf first; empty where no certificate was shown.
    chain: Vec<CertificateDer<'static>>,
    accepted: Generation,
    /// The newest generation that was found to trust the chain; 0 before that is asked.
    trusted: AtomicU64,
}

impl Standing {
    pub(super) fn new(peer: Peer, chain: Vec<CertificateDer<'static>>, accepted: Generation) -> Self {
        Self { peer: Arc::new(peer), chain, accepted, trusted: AtomicU64::new(0) }
    }

    /// Whether a newer generation is in force than the one the connection was accepted under.
    pub(super) fn is_superseded(&self) -> bool {
        !matches!(self.accepted.has_changed(), Ok(false))
    }

    /// Whether the generation in force admits the client.
    pub(super) fn is_trusted(&self) -> bool {
        if !self.is_superseded() {
            return true;
        }
        let current = Arc::clone(&self.accepted.borrow());
        if self.trusted.load(Ordering::Relaxed) == current.number {
            return true;
        }
        let is_trusted = current.trusts(&self.chain);
        if is_trusted {
            self.trusted.store(current.number, Ordering::Relaxed);
        }
        is_trusted
    }

    /// Word of each newer generation.
    pub(super) fn newer(&self) -> Generation {
        self.accepted.clone()
    }
}
