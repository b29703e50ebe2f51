//! An answer on its way out: the service's, or our own short refusal. Its bytes keep what the request holds of its client's
//! memory until the last of them was handed to TLS, also while HTTP/2 keeps them back because the client takes none.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use super::pulse::{Holding, UnderWay};

/// The body of an answer.
pub(super) struct Answer<B> {
    source: Source<B>,
    holding: Option<Holding>,
    /// Of an answer that is made piece by piece.
    under_way: Option<UnderWay>,
}

enum Source<B> {
    Service(B),
    Ours(Bytes),
}

/// Bytes of an answer.
pub(super) struct Piece {
    bytes: Bytes,
    _holding: Option<Holding>,
}

/// Why the listener itself refuses a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused {
    /// Its header is over `tls.header_bytes_max`.
    HeaderTooLarge,
    /// Too many requests of this client wait for memory.
    TooManyWait,
}

impl Refused {
    /// A problem document (RFC 9457) without a type of its own, because no route has been chosen yet.
    const fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::HeaderTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "{\"type\":\"about:blank\",\"title\":\"Request Header Fields Too Large\",\"status\":431,\
                 \"detail\":\"The header is over tls.header_bytes_max; send fewer or shorter header fields.\"}",
            ),
            Self::TooManyWait => (
                StatusCode::TOO_MANY_REQUESTS,
                "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,\
                 \"detail\":\"Too many requests of this client wait for answers to be taken; take them, then ask again.\"}",
            ),
        }
    }
}

impl<B> Answer<B> {
    /// The service's answer to a request that is under way until its last piece is made.
    pub(super) fn of_service(answer: Response<B>, mut holding: Holding, under_way: UnderWay) -> Response<Self>
    where
        B: Body,
    {
        holding.answer();
        answer.map(|body| {
            let under_way = body.size_hint().exact().is_none().then_some(under_way);
            Self { source: Source::Service(body), holding: Some(holding), under_way }
        })
    }

    /// A refusal of our own.
    pub(super) fn refuse(why: Refused) -> Response<Self> {
        let (status, text) = why.parts();
        let source = Source::Ours(Bytes::from_static(text.as_bytes()));
        let mut answer = Response::new(Self { source, holding: None, under_way: None });
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let this = &mut *self;
        match &mut this.source {
            Source::Ours(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Ours(bytes) => {
                let piece = Piece { bytes: std::mem::take(bytes), _holding: None };
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Source::Service(body) => {
                let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx)? else {
                    if let Some(holding) = &mut this.holding {
                        holding.wait();
                    }
                    return Poll::Pending;
                };
                let Some(frame) = frame else { return Poll::Ready(None) };
                let is_last = body.is_end_stream();
                if is_last {
                    this.under_way = None;
                } else if let Some(holding) = &mut this.holding {
                    // Whoever asks for another piece has room for it: the client took what was before.
                    holding.answer();
                }
                Poll::Ready(Some(Ok(frame.map_data(|mut data| Piece {
                    bytes: data.copy_to_bytes(data.remaining()),
                    _holding: if is_last { this.holding.take() } else { None },
                }))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Service(body) => body.is_end_stream(),
            Source::Ours(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Service(body) => body.size_hint(),
            Source::Ours(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.bytes.copy_to_bytes(count)
    }
}
