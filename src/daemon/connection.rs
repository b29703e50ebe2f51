//! One connection after its handshake: puts the peer beside each request, keeps the time limits, and ends in good order.
//!
//! hyper's own header time limit is not used: it also cuts connections that are merely idle, arms a timer per request and
//! knows HTTP/1 only. [`Pulse`] keeps a few numbers instead, and one timer looks at them now and then.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
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

use super::answer::{Answer, Refused};
use super::frames::{Flood, Frames};
use super::header;
use super::pulse::{Holding, Pulse, Verdict};
use super::purse::{self, Purses};
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
    /// It sent more HTTP/2 control frames than anybody needs.
    Flooded,
    /// A header was not complete in time.
    HeaderTooSlow,
    /// Nothing happened on it.
    Idle,
    /// An answer was not taken in time.
    NotTaken,
    /// The listener itself refused a request, and asked for no more.
    Refused,
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

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) header: Duration,
    pub(super) idle: Duration,
    pub(super) answer: Duration,
    pub(super) age_max: Duration,
}

/// The HTTP settings of a listener.
pub(super) struct Protocols {
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    header_bytes_max: u32,
    control_frames_per_s_max: u32,
    of_clients: Times,
    of_strangers: Times,
    drain_timeout: Duration,
    purses: Purses,
}

/// What HTTP/2 lets a client send ahead, of one request's body and of all on a connection.
const HTTP2_WINDOW_BYTES: (u32, u32) = (128 << 10, 256 << 10);
/// Resets that we had to send or that came for requests not looked at yet; the connection is ended then.
const HTTP2_RESETS_MAX: usize = 64;

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
        http2
            .http2()
            .max_concurrent_streams(limits.http2_streams_max)
            .max_header_list_size(header_bytes_max)
            .initial_stream_window_size(HTTP2_WINDOW_BYTES.0)
            .initial_connection_window_size(HTTP2_WINDOW_BYTES.1)
            .max_local_error_reset_streams(HTTP2_RESETS_MAX)
            .max_pending_accept_reset_streams(HTTP2_RESETS_MAX);
        let of_clients = Times {
            header: limits.header_timeout,
            idle: limits.idle_timeout,
            answer: limits.answer_timeout,
            age_max: limits.connection_age_max,
        };
        let of_strangers = Times {
            idle: limits.idle_timeout.min(limits.header_timeout),
            age_max: limits.connection_age_max.min(limits.stranger_age_max),
            ..of_clients
        };
        Self {
            http1,
            http2,
            header_bytes_max,
            control_frames_per_s_max: limits.http2_control_frames_per_s_max,
            of_clients,
            of_strangers,
            drain_timeout: limits.drain_timeout,
            purses: Purses::new(u64::from(limits.in_flight_kib_per_certificate_max) << 10),
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
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let times = if standing.peer.certificate.is_some() { self.of_clients } else { self.of_strangers };
        let pulse = Arc::new(Pulse::new(times, self.purses.of(&standing.peer)));
        let standing = Arc::new(standing);
        let mut newer = standing.newer();
        // hyper counts what it has read ahead, not the header; HTTP/2 counts the header itself.
        let header_bytes_max = if is_http2 { u32::MAX } else { self.header_bytes_max };
        let answer = {
            let (pulse, standing) = (Arc::clone(&pulse), Arc::clone(&standing));
            service_fn(move |mut request: Request<Incoming>| {
                let under_way = Pulse::begin(&pulse);
                request.extensions_mut().insert(Arc::clone(&standing.peer));
                let (pulse, standing, mut service) =
                    (Arc::clone(&pulse), Arc::clone(&standing), service.clone());
                async move {
                    let held = if header::bytes(&request) > header_bytes_max {
                        Err(Refused::HeaderTooLarge)
                    } else {
                        Holding::take(&pulse, purse::weight(request.body().size_hint().exact())).await
                    };
                    // Trust is asked here too: word of a newer generation may still be on its way to this connection. The
                    // service is never asked by `poll_ready`: it is always ready, as those of warp are.
                    if !standing.is_trusted() {
                        return Err(Unanswered(UNTRUSTED.into()));
                    }
                    let answered = match held {
                        Ok(held) => {
                            let answer = service.call(request).await;
                            answer.map(|answer| Answer::of_service(answer, held, under_way))
                        }
                        Err(refused) => {
                            if !is_http2 {
                                pulse.ask_to_finish(End::Refused);
                            }
                            Ok(Answer::refuse(refused))
                        }
                    };
                    let mut answer = answered.map_err(|error| Unanswered(error.into()))?;
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
        let frames = is_http2.then(|| Frames::new(self.control_frames_per_s_max));
        let stream = Watched { stream, pulse: Arc::clone(&pulse), frames };
        let protocol = if is_http2 { &self.http2 } else { &self.http1 };
        let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), answer));
        let mut look = pin!(sleep_until(pulse.first_look()));
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
                () = look.as_mut() => match pulse.verdict() {
                    Verdict::LookAgain(at) => look.as_mut().reset(at),
                    Verdict::Over(End::Aged) if !is_http2 => {
                        pulse.ask_to_finish(End::Aged);
                        look.as_mut().reset(Instant::now());
                    }
                    Verdict::Over(end @ (End::HeaderTooSlow | End::NotTaken)) => return end,
                    Verdict::Over(end) => break end,
                },
            }
        };
        connection.as_mut().graceful_shutdown();
        if timeout(self.drain_timeout, connection).await.is_err() { End::Cut } else { end }
    }
}

/// A stream that tells the pulse of its bytes.
struct Watched {
    stream: TlsStream<TcpStream>,
    pulse: Arc<Pulse>,
    /// Those of HTTP/2; without them it is HTTP/1.1.
    frames: Option<Frames>,
}

impl Watched {
    fn note_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        // HTTP/2 frames that are no header (pings, windows) move on idle connections too.
        self.pulse.move_bytes(self.frames.is_none());
        let Some(frames) = &mut self.frames else { return Ok(()) };
        let taken = frames.take(bytes, self.pulse.elapsed());
        self.pulse.mark_open_header(frames.is_header_open());
        taken.map_err(|Flood| {
            self.pulse.ask_to_finish(End::Flooded);
            io::Error::other("more control frames a second than tls.http2_control_frames_per_s_max")
        })
    }

    fn note_write<T>(&self, polled: &Poll<io::Result<T>>) {
        self.pulse.mark_blocked(polled.is_pending());
        if polled.is_ready() {
            self.pulse.move_bytes(false);
        }
    }
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
            self.note_read(&buffer.filled()[before..])?;
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.pulse.mark_blocked(polled.is_pending());
        polled
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
        self.note_write(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
