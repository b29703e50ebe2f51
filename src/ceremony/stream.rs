//! An export on its way out of the local socket: longer than any line, so it goes in pieces.
//!
//! ```text
//! a line of JSON, the export begun or why not
//! ( length u32 | that many bytes of the export )*   length u32 = 0
//! a line of JSON, the export ended or why it broke off
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::appliance::{Appliance, Stop};
use crate::crypto::hex::to_hex;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;

use crate::desk::answer::{self, Answer, Done};
use crate::desk::asker::Asker;
use crate::desk::export::{Next, Page};
use crate::desk::request::ExportOf;

/// For the reader to take a piece; it may be writing to a slow disk.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends what `wanted` names, if `uid` may have it.
pub(super) async fn send(
    wanted: ExportOf,
    appliance: Arc<Appliance>,
    uid: u32,
    clock: fn() -> Now,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let begun =
        blocking(&appliance, move |appliance| wanted.begin(appliance, &Asker::Local(uid), clock())).await;
    let mut export = match begun {
        Ok(export) => export,
        Err(stop) => return line(to, &stop.into()).await,
    };
    let begun = answer::ExportBegun {
        checkpoints: export.trailer().checkpoints.iter().map(ToString::to_string).collect(),
        keys: export.trailer().keys.iter().map(|key| to_hex(key.spki())).collect(),
    };
    line(to, &Answer::Done(Done::ExportBegun(begun))).await?;
    let broken = loop {
        match blocking(&appliance, move |appliance| Page::of(export, appliance)).await {
            Ok(Page { bytes, next }) => {
                piece(to, &bytes).await?;
                match next {
                    Next::Page(left) => export = left,
                    Next::End(exported) => break Ok(Done::ExportEnded(exported.into())),
                }
            }
            Err(stop) => break Err(stop),
        }
    };
    within(to.write_all(&0u32.to_be_bytes())).await?;
    line(to, &broken.map_or_else(Answer::from, Answer::Done)).await
}

async fn blocking<T: Send + 'static>(
    appliance: &Arc<Appliance>,
    work: impl FnOnce(&Appliance) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Stop> {
    let appliance = Arc::clone(appliance);
    let done = spawn_blocking(move || work(&appliance)).await;
    done.unwrap_or_else(|_| Err(Code::Fault.into()))
}

async fn piece(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    within(to.write_all(&length.to_be_bytes())).await?;
    within(to.write_all(bytes)).await
}

async fn line(to: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    within(to.write_all(&line)).await
}

async fn within(write: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(PIECE_TIMEOUT, write).await?
}
