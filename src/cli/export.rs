//! `gembok audit export` and `audit check`: the journal out of the daemon, into a file or past the verifier. Over the socket or
//! over the control plane, it is the same journal; what is told beside it is told at other places.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::crypto::checkpoint::{Checkpoint, CheckpointKey, SPKI_LEN};
use crate::crypto::export::Trailer;
use crate::crypto::hex::from_hex;
use crate::desk::answer::{Answer, Done, ExportEnded};
use crate::desk::request::{self, ExportOf, Request};
use crate::domain::chain_report::Report;

use super::arguments::Export;
use super::client::{Client, Pieces};
use super::download::Download;
use super::error::CliError;
use super::files::NewFile;
use super::verify::{Evidence, trailer_of};

/// An export on its way here.
enum Coming {
    /// The verifier wants to know its end beforehand, and the socket says it.
    OverSocket(Trailer, Pieces),
    OverControl(Download),
}

impl From<&Export> for ExportOf {
    fn from(wanted: &Export) -> Self {
        Self {
            from: wanted.from,
            to: wanted.to,
            kind: wanted.kind.clone(),
            project: wanted.project.clone(),
            endpoint: wanted.endpoint.clone(),
        }
    }
}

/// Writes an export to a new file, durably, and to its name only when it is whole.
pub(super) fn to_file(client: &Client, wanted: ExportOf, path: &Path) -> Result<ExportEnded, CliError> {
    let reserved = NewFile::reserve(path)?;
    let coming = Coming::open(client, wanted)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let of = CliError::file(part);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
    let written = file.map_err(of).and_then(|file| fill(file, part, coming, client));
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

fn fill(mut file: File, path: &Path, mut coming: Coming, client: &Client) -> Result<ExportEnded, CliError> {
    io::copy(&mut coming, &mut file).and_then(|_| file.sync_all()).map_err(CliError::file(path))?;
    coming.ended(client)
}

/// Writes an export to standard output.
pub(super) fn to_output(client: &Client, wanted: ExportOf) -> Result<ExportEnded, CliError> {
    let mut coming = Coming::open(client, wanted)?;
    let mut out = io::stdout().lock();
    io::copy(&mut coming, &mut out)
        .and_then(|_| out.flush())
        .map_err(CliError::file(Path::new("standard output")))?;
    coming.ended(client)
}

/// Leads an export past the verifier.
pub(super) fn check(client: &Client, wanted: ExportOf, evidence: &Evidence) -> Result<Report, CliError> {
    match Coming::open(client, wanted)? {
        Coming::OverSocket(trailer, mut pieces) => {
            evidence.check(&trailer, &mut pieces).map_err(CliError::file(Path::new("the daemon")))
        }
        Coming::OverControl(download) => {
            let folder = std::env::temp_dir();
            read_twice(download, evidence, &folder).map_err(CliError::file(&folder))
        }
    }
}

/// What comes without its end being known is kept in a file that has no name, as long as it is looked at.
fn read_twice(mut from: Download, evidence: &Evidence, folder: &Path) -> io::Result<Report> {
    let name = folder.join(format!("gembok-check-{}-{}", std::process::id(), from.id));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&name)?;
    fs::remove_file(&name)?;
    io::copy(&mut from, &mut file)?;
    file.rewind()?;
    let trailer = trailer_of(&file)?.unwrap_or_default();
    file.rewind()?;
    evidence.check(&trailer, file)
}

impl Coming {
    fn open(client: &Client, wanted: ExportOf) -> Result<Self, CliError> {
        let wanted = Request::Audit(request::Audit::Export(wanted));
        match client.download(&wanted)? {
            Some(Ok(download)) => Ok(Self::OverControl(download)),
            Some(Err(refused)) => Err(no(refused)),
            None => over_socket(client, &wanted).map(|(trailer, pieces)| Self::OverSocket(trailer, pieces)),
        }
    }

    /// What it was, once it was read to its end.
    fn ended(self, client: &Client) -> Result<ExportEnded, CliError> {
        let answer = match self {
            Self::OverSocket(_, pieces) => pieces.finish()?,
            Self::OverControl(Download { id, .. }) => {
                client.ask(&Request::Audit(request::Audit::ExportShow { id }))?.answer
            }
        };
        match answer {
            Answer::Done(Done::ExportEnded(ended)) => Ok(ended),
            other => Err(no(other)),
        }
    }
}

impl Read for Coming {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::OverSocket(_, pieces) => pieces.read(to),
            Self::OverControl(download) => download.read(to),
        }
    }
}

fn over_socket(client: &Client, wanted: &Request) -> Result<(Trailer, Pieces), CliError> {
    let (answer, pieces) = client.open_stream(wanted)?;
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

fn no(answer: Answer) -> CliError {
    match answer {
        Answer::Refused(refused) => CliError::Refused(refused),
        Answer::Fault(what) => CliError::Fault(what),
        Answer::Done(_) => CliError::Answer,
    }
}
