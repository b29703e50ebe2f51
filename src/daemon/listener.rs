//! Accepts connections, within limits, and ends them in good order.
//!
//! ```text
//! accept ─ place ─ worker ─ handshake (time limit) ─ certificate → Peer ─ requests (time limits) ─ finish, or be cut
//!                                                                      │ new TLS generation, age, drain: asked to finish
//! ```
//! Under a newer TLS generation a client is verified again before its next request: a revoked one begins no more, so its
//! live connections die with the reload that revoked it; the others lose nothing and are asked to come again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service;
use tracing::{debug, info, warn};

use crate::config;
use crate::domain::peer::Peer;

use super::certificate;
use super::complaints::Complaints;
use super::connection::{BoxError, Drain, End, Protocols};
use super::places::{Places, StrangersPlace};
use super::standing::{Generation, Standing};
use super::tls::{ClientCertificate, Tls};
use super::workers::Workers;

/// Waits after a failed accept (no descriptors, no memory): the first, then doubled up to the last.
const ACCEPT_BACKOFF_MS: (u64, u64) = (10, 1_000);

/// A bound socket and what it asks of clients.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    client: ClientCertificate,
    traffic: Arc<Traffic>,
}

impl Listener {
    /// Binds; port 0 takes a free one, see [`Listener::address`].
    ///
    /// # Errors
    /// The system's reason.
    pub async fn bind(address: SocketAddr, client: ClientCertificate) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, client, traffic: Arc::default() })
    }

    /// Where it is bound.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its counters, which go on counting while it serves.
    #[must_use]
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Serves until `stop` is ready, then drains: nothing new is accepted, requests under way have `drain_timeout` to
    /// finish, and what is left is cut. Each request carries an `Arc<Peer>` in its extensions. `service` is cloned per
    /// request and must always be ready, as `warp::service` is.
    pub async fn serve<S, B>(
        self,
        tls: &Tls,
        limits: &config::Tls,
        workers: &Workers,
        service: S,
        stop: impl Future<Output = ()>,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let mut stop = std::pin::pin!(stop);
        let generations = tls.subscribe();
        let drain = watch::Sender::new(false);
        let complaints = Complaints::new(self.address);
        let places = Places::new(limits);
        let protocols = Arc::new(Protocols::new(limits));
        let mut backoff_ms = ACCEPT_BACKOFF_MS.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.as_mut() => break,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_the_connection(&error) => continue,
                Err(error) => {
                    warn!(listener = %self.address, %error, backoff_ms, "cannot accept; raise LimitNOFILE or lower tls.connections_max");
                    sleep(Duration::from_millis(backoff_ms)).await;
                    backoff_ms = (backoff_ms * 2).min(ACCEPT_BACKOFF_MS.1);
                    continue;
                }
            };
            backoff_ms = ACCEPT_BACKOFF_MS.0;
            self.traffic.accepted.fetch_add(1, Ordering::Relaxed);
            let address = address.ip().to_canonical();
            // It belongs to this event loop, and is to belong to a worker's.
            let Ok(stream) = stream.into_std() else { continue };
            let Some(place) =
                places.take(address, self.client == ClientCertificate::Required, Instant::now())
            else {
                self.traffic.refused.fetch_add(1, Ordering::Relaxed);
                debug!(listener = %self.address, %address, "refused: too many connections");
                continue;
            };
            let mut generation = generations.clone();
            let config = Arc::clone(generation.borrow_and_update().server_config(self.client));
            let newcomer = Newcomer {
                address,
                acceptor: TlsAcceptor::from(config),
                generation,
                drain: drain.subscribe(),
                handshake_timeout: limits.handshake_timeout,
                traffic: Arc::clone(&self.traffic),
                complaints: Arc::clone(&complaints),
            };
            let (protocols, service) = (Arc::clone(&protocols), service.clone());
            workers.run(move || newcomer.attend(stream, place, protocols, service));
        }
        drop(self.socket);
        drain.send_replace(true);
        places.all_given_back().await;
        info!(listener = %self.address, "drained");
    }
}

/// Whether an accept failed for its connection only.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | WouldBlock)
}

/// A connection that was accepted and has proved nothing.
struct Newcomer {
    address: IpAddr,
    acceptor: TlsAcceptor,
    generation: Generation,
    drain: Drain,
    handshake_timeout: Duration,
    traffic: Arc<Traffic>,
    complaints: Arc<Complaints>,
}

impl Newcomer {
    async fn attend<S, B>(
        mut self,
        stream: std::net::TcpStream,
        mut place: StrangersPlace,
        protocols: Arc<Protocols>,
        service: S,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let address = self.address;
        let identified = tokio::select! {
            biased;
            () = place.taken_away() => Err("its place was given to another address".into()),
            identified = self.identify(stream) => identified,
        };
        let (stream, standing) = match identified {
            Ok(identified) => identified,
            Err(why) => {
                self.traffic.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                debug!(%address, %why, "handshake failed");
                self.complaints.add(address, why.to_string());
                return;
            }
        };
        let is_stranger = standing.peer.certificate.is_none();
        let served = protocols.serve(stream, standing, service, self.drain);
        let end = if is_stranger {
            tokio::select! {
                end = served => end,
                () = place.taken_away() => End::Cut,
            }
        } else {
            let Some(_place) = place.settle() else {
                self.traffic.refused.fetch_add(1, Ordering::Relaxed);
                debug!(%address, "refused: too many connections");
                return;
            };
            served.await
        };
        if end != End::Closed {
            self.traffic.ended.fetch_add(1, Ordering::Relaxed);
        }
        debug!(%address, ?end, "connection over");
    }

    /// The handshake, under its time limit, and what its certificate says.
    async fn identify(
        &mut self,
        stream: std::net::TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Standing), BoxError> {
        let stream = TcpStream::from_std(stream)?;
        stream.set_nodelay(true)?;
        let stream = tokio::select! {
            biased;
            _ = self.drain.wait_for(|drain| *drain) => return Err("the listener is draining".into()),
            stream = timeout(self.handshake_timeout, self.acceptor.accept(stream)) => {
                stream.map_err(|_| "the handshake took too long")??
            }
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        if !chain.is_empty() && !self.generation.borrow().crl_is_current(chain) {
            return Err(
                "the CRL has expired, so nobody's certificate can be relied on; publish a new one".into()
            );
        }
        let certificate = chain.first().map(certificate::read).transpose()?;
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let peer = Peer { address: self.address, certificate };
        Ok((stream, Standing::new(peer, chain, self.generation.clone())))
    }
}

/// What a listener counted since it was bound. A connection is counted once in `accepted` and at most once elsewhere.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Of them closed at once, because too many were open.
    pub refused: AtomicU64,
    /// Of them whose handshake or certificate was not good.
    pub handshakes_failed: AtomicU64,
    /// Of them ended by us: idle, slow, of age, superseded, drained.
    pub ended: AtomicU64,
}
