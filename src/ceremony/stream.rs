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

use crate::appliance::{Appliance, Export, ExportWanted, Leave, Selection, Stop, Target};
use crate::crypto::hex::to_hex;
use crate::domain::access::Act;
use crate::domain::access_record;
use crate::domain::audit_record;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use crate::desk::answer::{self, Answer, Done};
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
    let begun = blocking(&appliance, move |appliance| {
        let now = clock();
        let leave = appliance.leave_local(uid, &[(Act::AuditExport, Target::Appliance)], now)?;
        wanted.begin(leave, appliance, now)
    })
    .await;
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
        let paged = blocking(&appliance, move |appliance| {
            let page = appliance.unlocked()?.export_page(&mut export)?;
            Ok((export, page))
        });
        match paged.await {
            Ok((same, Some(page))) => {
                export = same;
                piece(to, &page).await?;
            }
            Ok((same, None)) => {
                let ended = blocking(&appliance, move |appliance| {
                    Ok(appliance.unlocked()?.conclude_export(same, clock()))
                });
                break ended.await.map(|exported| Done::ExportEnded(exported.into()));
            }
            Err(stop) => break Err(stop),
        }
    };
    within(to.write_all(&0u32.to_be_bytes())).await?;
    line(to, &broken.map_or_else(Answer::from, Answer::Done)).await
}

impl ExportOf {
    fn begin(self, _: Leave, appliance: &Appliance, now: Now) -> Result<Export, Stop> {
        let appliance = appliance.unlocked()?;
        let selection = match (self.kind.as_deref(), self.endpoint) {
            (None, None) => Selection::Everything,
            (Some("access"), None) => Selection::Kind(access_record::KIND),
            (Some("audit"), None) => Selection::Kind(audit_record::KIND),
            (None, Some(of)) => Selection::Endpoint(appliance.endpoint_id(&of.project, &of.endpoint)?),
            (Some(_), None) => {
                return Err(Refusal::new(Code::BadRequest).detail("A kind is access or audit.").into());
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::new(Code::BadRequest)
                    .detail("Name a kind or an endpoint, not both: an endpoint has access records only.")
                    .into());
            }
        };
        appliance.begin_export(ExportWanted { from: self.from, to: self.to, selection }, now)
    }
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
