//! `gembok audit export` and `audit check`: the journal out of the daemon, into a file or past the verifier.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::crypto::checkpoint::{Checkpoint, CheckpointKey, SPKI_LEN};
use crate::crypto::export::Trailer;
use crate::crypto::hex::from_hex;
use crate::desk::answer::{Answer, Done, ExportEnded};
use crate::desk::request::{self, EndpointOf, ExportOf, Request};
use crate::domain::chain_report::Report;

use super::arguments::Export;
use super::client::{Client, Pieces};
use super::error::CliError;
use super::files::NewFile;
use super::verify::Evidence;

impl From<&Export> for ExportOf {
    fn from(wanted: &Export) -> Self {
        let endpoint = wanted.project.clone().zip(wanted.endpoint.clone());
        Self {
            from: wanted.from,
            to: wanted.to,
            kind: wanted.kind.clone(),
            endpoint: endpoint.map(|(project, endpoint)| EndpointOf { project, endpoint }),
        }
    }
}

/// Writes an export to a new file, durably, and to its name only when it is whole.
pub(super) fn to_file(client: &Client, wanted: ExportOf, path: &Path) -> Result<ExportEnded, CliError> {
    let reserved = NewFile::reserve(path)?;
    let (_, pieces) = open(client, wanted)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let of = CliError::file(part);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
    let written = file.map_err(of).and_then(|file| fill(file, part, pieces));
    let moved = written.and_then(|ended| {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::rename(part, path)
            .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(CliError::file(path))?;
        Ok(ended)
    });
    match &moved {
        Ok(_) => reserved.keep(),
        // Best effort: half an export is worth nothing.
        Err(_) => drop(fs::remove_file(part)),
    }
    moved
}

fn fill(mut file: File, path: &Path, mut pieces: Pieces) -> Result<ExportEnded, CliError> {
    io::copy(&mut pieces, &mut file).and_then(|_| file.sync_all()).map_err(CliError::file(path))?;
    ended(pieces)
}

/// Writes an export to standard output.
pub(super) fn to_output(client: &Client, wanted: ExportOf) -> Result<ExportEnded, CliError> {
    let (_, mut pieces) = open(client, wanted)?;
    let mut out = io::stdout().lock();
    io::copy(&mut pieces, &mut out)
        .and_then(|_| out.flush())
        .map_err(CliError::file(Path::new("standard output")))?;
    ended(pieces)
}

/// Leads an export past the verifier.
pub(super) fn check(client: &Client, wanted: ExportOf, evidence: &Evidence) -> Result<Report, CliError> {
    let (trailer, mut pieces) = open(client, wanted)?;
    evidence.check(&trailer, &mut pieces).map_err(CliError::file(Path::new("the daemon")))
}

/// The stream, and what its end will be: the verifier wants to know beforehand.
fn open(client: &Client, wanted: ExportOf) -> Result<(Trailer, Pieces), CliError> {
    let (answer, pieces) = client.open_stream(&Request::Audit(request::Audit::Export(wanted)))?;
    let begun = match answer {
        Answer::Done(Done::ExportBegun(begun)) => begun,
        other => return Err(no(other)),
    };
    let checkpoints = begun.checkpoints.iter().map(|line| Checkpoint::parse_line(line).ok());
    let keys = begun.keys.iter().map(|spki| {
        let spki: [u8; SPKI_LEN] = from_hex(spki)?;
        CheckpointKey::from_spki(&spki).ok()
    });
    let trailer = checkpoints.collect::<Option<_>>().zip(keys.collect::<Option<_>>());
    let (checkpoints, keys) = trailer.ok_or(CliError::Answer)?;
    Ok((Trailer { checkpoints, keys }, pieces))
}

fn ended(pieces: Pieces) -> Result<ExportEnded, CliError> {
    match pieces.finish()? {
        Answer::Done(Done::ExportEnded(ended)) => Ok(ended),
        other => Err(no(other)),
    }
}

fn no(answer: Answer) -> CliError {
    match answer {
        Answer::Refused(refused) => CliError::Refused(refused),
        Answer::Fault(what) => CliError::Fault(what),
        Answer::Done(_) => CliError::Answer,
    }
}
