//! An answer of the control plane that is longer than memory, read as one reads a file. It ends well or not at all: a body
//! that breaks off is an error, so whatever was read to its end is whole.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// For the next piece to come; the appliance may be reading a slow disk.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// A body on its way.
pub(super) struct Download {
    /// As the head of the answer named it.
    pub(super) id: String,
    body: Incoming,
    piece: Bytes,
    /// What moves the connection, while somebody reads.
    runtime: Runtime,
    /// The connection ends with it.
    _sender: SendRequest<Full<Bytes>>,
}

impl Download {
    pub(super) fn new(
        id: String,
        body: Incoming,
        runtime: Runtime,
        sender: SendRequest<Full<Bytes>>,
    ) -> Self {
        Self { id, body, piece: Bytes::new(), runtime, _sender: sender }
    }
}

impl Read for Download {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let frame = self.runtime.block_on(async { timeout(PIECE_TIMEOUT, self.body.frame()).await });
            let frame = frame.map_err(|_| io::Error::other("the control plane sends nothing more"))?;
            let Some(frame) = frame else { return Ok(0) };
            let broken = |error| {
                let why =
                    format!("the control plane broke off in the middle of an export: {error}; see its log");
                io::Error::other(why)
            };
            self.piece = frame.map_err(broken)?.into_data().unwrap_or_default();
        }
        let read = to.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut to[..read]);
        Ok(read)
    }
}
