//! Reading a body: bounded whatever its head announces, and in one piece where it came in one.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::domain::limits::{BODY_TIME_MAX, DISCARD_TIME_MAX, DISCARDED_BYTES_MAX};
use crate::domain::refusal::{Code, Refusal};

/// Reads a body of at most `bytes_max`. An announced length over it is refused before anything is read; a chunked body is
/// refused where it passes the limit.
///
/// # Errors
/// `body-too-large`; `body-too-slow` after [`BODY_TIME_MAX`]; `bad-request` when the connection broke off.
pub(super) async fn read<E>(
    body: impl Stream<Item = Result<Bytes, E>>,
    announced: Option<u64>,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(Code::BodyTooLarge).detail(format!("The body may have {bytes_max} bytes on this route."))
    };
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    let mut body = std::pin::pin!(body);
    let mut whole = Bytes::new();
    let mut gathered = BytesMut::new();
    let mut until = None;
    loop {
        // A body mostly comes with its head: no clock is read and no timer armed for what is there already.
        let piece = match body.next().now_or_never() {
            Some(piece) => piece,
            None => {
                let until = *until.get_or_insert_with(|| Instant::now() + BODY_TIME_MAX);
                timeout_at(until, body.next()).await.map_err(|_| Refusal::from(Code::BodyTooSlow))?
            }
        };
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| Refusal::new(Code::BadRequest).detail("The body broke off."))?;
        if whole.len() + gathered.len() + piece.len() > bytes_max {
            return Err(too_large());
        }
        if whole.is_empty() && gathered.is_empty() {
            whole = piece;
        } else {
            gathered.extend_from_slice(&std::mem::take(&mut whole));
            gathered.extend_from_slice(&piece);
        }
    }
    Ok(if gathered.is_empty() { whole } else { gathered.freeze() })
}

/// Takes what is on its way of a body that a refusal did not wait for. Over HTTP/2 the rest would be reset behind the answer,
/// and clients (curl 7.88, and PHP with it) then report the reset and lose the answer.
pub(super) async fn discard<B: Buf, E>(body: impl Stream<Item = Result<B, E>>) {
    let mut body = std::pin::pin!(body);
    let mut left = DISCARDED_BYTES_MAX;
    let rest = async {
        while let Some(Ok(piece)) = body.next().await {
            left = left.saturating_sub(piece.remaining());
            if left == 0 {
                return;
            }
        }
    };
    // A client that takes longer may lose the answer; it is refused all the same.
    let _ = timeout(DISCARD_TIME_MAX, rest).await;
}
