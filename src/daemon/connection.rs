//! One connection after its handshake: puts the peer beside each request, keeps the time limits, and ends in good order.
//!
//! hyper's own header time limit is not used: it also cuts connections that are merely idle, arms a timer per request and
//! knows HTTP/1 only. [`Pulse`] keeps three numbers instead, and one timer looks at them now and then.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;
use tower_service::Service;

use crate::config;

use super::standing::Standing;

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It reached its age.
    Aged,
    /// The client closed it, or broke the protocol.
    Closed,
    /// It was asked to finish and did not in time.
    Cut,
    /// The listener drains.
    Drained,
    /// A header was not complete in time.
    HeaderTooSlow,
    /// Nothing happened on it.
    Idle,
    /// A newer TLS generation is in force.
    Superseded,
}

/// What a service or a body may fail with; the connection is over then.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request got no answer. A type of its own, because the compiler loses a boxed error's lifetime on its way through
/// hyper's bounds.
#[derive(Debug)]
struct Unanswered(BoxError);

const UNTRUSTED: &str = "the certificates and the CRL in force do not admit this client";

impl fmt::Display for Unanswered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Error for Unanswered {}

/// Whether the listener drains.
pub(super) type Drain = watch::Receiver<bool>;

/// The HTTP settings of a listener.
pub(super) struct Protocols {
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    header_timeout: Duration,
    idle_timeout: Duration,
    age_max: Duration,
    drain_timeout: Duration,
}

impl Protocols {
    pub(super) fn new(limits: &config::Tls) -> Self {
        // The protocol is what ALPN chose: a client cannot sit in the guessing state.
        let mut http1 = auto::Builder::new(TokioExecutor::new()).http1_only();
        let header_bytes_max = limits.header_bytes_max;
        http1
            .http1()
            .header_read_timeout(None)
            .max_buf_size(usize::try_from(header_bytes_max).unwrap_or(usize::MAX));
        let mut http2 = auto::Builder::new(TokioExecutor::new()).http2_only();
        http2.http2().max_concurrent_streams(limits.http2_streams_max).max_header_list_size(header_bytes_max);
        Self {
            http1,
            http2,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            age_max: limits.connection_age_max,
            drain_timeout: limits.drain_timeout,
        }
    }

    /// Serves the requests of one connection until it is over; none begins that the TLS generation in force does not admit.
    ///
    /// Over HTTP/1.1 a connection that should end, but whose client did nothing wrong, is not closed while it seems idle: a
    /// request may be on its way. Its next answer says `Connection: close`. HTTP/2 has GOAWAY for this.
    pub(super) async fn serve<S, B>(
        self: Arc<Self>,
        stream: TlsStream<TcpStream>,
        standing: Standing,
        service: S,
        mut drain: Drain,
    ) -> End
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let pulse = Arc::new(Pulse::new());
        let standing = Arc::new(standing);
        let mut newer = standing.newer();
        let answer = {
            let (pulse, standing) = (Arc::clone(&pulse), Arc::clone(&standing));
            service_fn(move |mut request: Request<Incoming>| {
                let under_way = Pulse::begin(&pulse);
                request.extensions_mut().insert(Arc::clone(&standing.peer));
                // Trust is asked here too: word of a newer generation may still be on its way to this connection. The service
                // is never asked by `poll_ready`: it is always ready, as those of warp are.
                let answer = standing.is_trusted().then(|| service.clone().call(request));
                let (pulse, standing) = (Arc::clone(&pulse), Arc::clone(&standing));
                async move {
                    let Some(answer) = answer else { return Err(Unanswered(UNTRUSTED.into())) };
                    let answer = answer.await;
                    drop(under_way);
                    let mut answer = answer.map_err(|error| Unanswered(error.into()))?;
                    if standing.is_superseded() {
                        pulse.ask_to_finish(End::Superseded);
                    }
                    if !is_http2 && pulse.asked().is_some() {
                        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok(answer)
                }
            })
        };
        let stream = Watched { stream, pulse: Arc::clone(&pulse), is_http2 };
        let protocol = if is_http2 { &self.http2 } else { &self.http1 };
        let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), answer));
        let mut look = pin!(sleep_until(pulse.born + self.header_timeout.min(self.age_max)));
        let end = loop {
            tokio::select! {
                biased;
                _ = connection.as_mut() => return pulse.asked().unwrap_or(End::Closed),
                _ = drain.wait_for(|drain| *drain) => break End::Drained,
                Ok(()) = newer.changed() => {
                    if is_http2 || !standing.is_trusted() {
                        break End::Superseded;
                    }
                    pulse.ask_to_finish(End::Superseded);
                }
                () = look.as_mut() => match pulse.verdict(&self) {
                    Verdict::LookAgain(at) => look.as_mut().reset(at),
                    Verdict::Over(End::Aged) if !is_http2 => {
                        pulse.ask_to_finish(End::Aged);
                        look.as_mut().reset(Instant::now());
                    }
                    Verdict::Over(End::HeaderTooSlow) => return End::HeaderTooSlow,
                    Verdict::Over(end) => break end,
                },
            }
        };
        connection.as_mut().graceful_shutdown();
        if timeout(self.drain_timeout, connection).await.is_err() { End::Cut } else { end }
    }
}

/// What moves on a connection. Times are milliseconds since it was born, plus one; zero is never.
struct Pulse {
    born: Instant,
    under_way: AtomicU32,
    head_since_ms: AtomicU64,
    moved_ms: AtomicU64,
    /// Why its next answer is the last, over HTTP/1.1.
    asked: OnceLock<End>,
}

enum Verdict {
    LookAgain(Instant),
    Over(End),
}

impl Pulse {
    /// A connection whose first header is awaited.
    fn new() -> Self {
        Self {
            born: Instant::now(),
            under_way: AtomicU32::new(0),
            head_since_ms: AtomicU64::new(1),
            moved_ms: AtomicU64::new(1),
            asked: OnceLock::new(),
        }
    }

    /// A header is complete: its request is under way until the value is dropped.
    fn begin(pulse: &Arc<Self>) -> UnderWay {
        pulse.under_way.fetch_add(1, Ordering::Relaxed);
        pulse.head_since_ms.store(0, Ordering::Relaxed);
        UnderWay(Arc::clone(pulse))
    }

    /// The next answer says so; the first reason stays.
    fn ask_to_finish(&self, why: End) {
        let _ = self.asked.set(why);
    }

    fn asked(&self) -> Option<End> {
        self.asked.get().copied()
    }

    fn move_bytes(&self, may_begin_header: bool) {
        if self.under_way.load(Ordering::Relaxed) != 0 {
            return;
        }
        let now = self.now_ms();
        self.moved_ms.store(now, Ordering::Relaxed);
        if may_begin_header && self.head_since_ms.load(Ordering::Relaxed) == 0 {
            self.head_since_ms.store(now, Ordering::Relaxed);
        }
    }

    fn verdict(&self, limits: &Protocols) -> Verdict {
        let now = Instant::now();
        let age_at = self.born + limits.age_max;
        // A header that begins after this look is met by the next one before its time is over.
        let next_look = match self.asked() {
            Some(_) => now + limits.header_timeout,
            None if now >= age_at => return Verdict::Over(End::Aged),
            None => age_at.min(now + limits.header_timeout),
        };
        let head_since = self.head_since_ms.load(Ordering::Relaxed);
        let (since, limit, end) = match (self.under_way.load(Ordering::Relaxed), head_since) {
            (1.., _) => return Verdict::LookAgain(next_look),
            (0, 0) => (self.moved_ms.load(Ordering::Relaxed), limits.idle_timeout, End::Idle),
            (0, since) => (since, limits.header_timeout, End::HeaderTooSlow),
        };
        let over_at = self.born + Duration::from_millis(since) + limit;
        if now >= over_at { Verdict::Over(end) } else { Verdict::LookAgain(over_at.min(next_look)) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).map_or(u64::MAX, |ms| ms.saturating_add(1))
    }
}

/// A request whose answer is not made yet.
struct UnderWay(Arc<Pulse>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.moved_ms.store(self.0.now_ms(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells the pulse of its bytes.
struct Watched {
    stream: TlsStream<TcpStream>,
    pulse: Arc<Pulse>,
    is_http2: bool,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            // HTTP/2 frames that are no header (pings, windows) move on idle connections too.
            self.pulse.move_bytes(!self.is_http2);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if polled.is_ready() {
            self.pulse.move_bytes(false);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if polled.is_ready() {
            self.pulse.move_bytes(false);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
