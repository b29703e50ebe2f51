//! `gembok audit verify`: exports checked without a daemon, a token or any key but public ones; and what `audit check` does
//! with an export that comes from the daemon.
//!
//! A file is read twice: its checkpoints stand at its end, and with them known the second reading needs no more memory than
//! one block, however long the journal is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::crypto::block::BlockHeader;
use crate::crypto::checkpoint::{Checkpoint, CheckpointKey};
use crate::crypto::export::{Item, Trailer};
use crate::domain::chain::ChainCheck;
use crate::domain::chain_report::{Flaw, Report};
use crate::domain::chain_witness::Witnesses;

use super::error::CliError;
use super::evidence::{read_checkpoints, read_keys};
use super::items::{Items, Unread};

/// Whom and what to believe besides the export.
pub(super) struct Evidence {
    /// Keys that somebody vouches for.
    pub(super) keys: Vec<CheckpointKey>,
    /// Checkpoints kept elsewhere.
    pub(super) checkpoints: Vec<Checkpoint>,
}

/// What two exports say of one another.
pub(super) struct Comparison {
    pub(super) one: PathBuf,
    pub(super) other: PathBuf,
    /// Blocks that are the same in both.
    pub(super) in_common: u64,
    /// Why there is nothing more to compare, short of a fork.
    pub(super) note: Option<String>,
    pub(super) flaw: Option<Flaw>,
}

impl Evidence {
    pub(super) fn read(keys: &[PathBuf], checkpoints: &[PathBuf]) -> Result<Self, CliError> {
        let mut evidence = Self { keys: Vec::new(), checkpoints: Vec::new() };
        for path in keys {
            evidence.keys.extend(read_keys(path)?);
        }
        for path in checkpoints {
            evidence.checkpoints.extend(read_checkpoints(path)?);
        }
        Ok(evidence)
    }

    /// Checks one file.
    pub(super) fn verify(&self, path: &Path) -> Result<Report, CliError> {
        let trailer = trailer_of(open(path)?).map_err(CliError::file(path))?.unwrap_or_default();
        self.check(&trailer, open(path)?).map_err(CliError::file(path))
    }

    /// Checks the items of `from` against `trailer`, which is known to stand at their end, and the outside checkpoints.
    pub(super) fn check(&self, trailer: &Trailer, from: impl Read) -> std::io::Result<Report> {
        let checkpoints = [&trailer.checkpoints[..], &self.checkpoints].concat();
        // What is wrong with a signature is said, but a bad block comes first.
        let (witnesses, doubt) = match Witnesses::new(&checkpoints, &trailer.keys, &self.keys) {
            Ok(witnesses) => (witnesses, None),
            Err(flaw) => (Witnesses::default(), Some(flaw)),
        };
        let mut report = walk(ChainCheck::new(witnesses), trailer, Items::new(from))?;
        if report.flaw.as_ref().is_none_or(|flaw| flaw.kind == "unsigned") && doubt.is_some() {
            report.flaw = doubt;
        }
        Ok(report)
    }
}

fn walk(mut chain: ChainCheck, trailer: &Trailer, mut items: Items<impl Read>) -> std::io::Result<Report> {
    let mut ended = false;
    loop {
        let after = chain.next_sequence();
        let found = items.next(|item| match item {
            _ if ended => Err(Flaw::whole("form", "something follows after its end".into())),
            Item::Block { header, records } => chain.block(&header, &records),
            Item::End(end) if end == *trailer => {
                ended = true;
                Ok(())
            }
            Item::End(_) => Err(Flaw::whole("form", "its end changed while it was read".into())),
        });
        match found {
            Ok(Some(Ok(()))) => {}
            Ok(Some(Err(flaw))) => return Ok(chain.broken(flaw)),
            Ok(None) if ended => return Ok(chain.finish()),
            Ok(None) => {
                let why =
                    format!("it has no end: it was cut off behind record {after} or is still being made");
                return Ok(chain.broken(Flaw::whole("form", why)));
            }
            Err(Unread::Malformed { offset, why }) => {
                return Ok(chain.broken(Flaw::at(after, "form", format!("{why} (byte {offset})"))));
            }
            Err(Unread::System(error)) => return Err(error),
        }
    }
}

/// Walks two exports side by side: where both have a block of one chain, epoch and sequence, it must be the same.
pub(super) fn compare(one: &Path, other: &Path) -> Result<Comparison, CliError> {
    let (mut left, mut right) = (Headers::open(one)?, Headers::open(other)?);
    let mut said =
        Comparison { one: one.to_owned(), other: other.to_owned(), in_common: 0, note: None, flaw: None };
    let (mut a, mut b) = (left.next()?, right.next()?);
    while let (Some(ours), Some(theirs)) = (a, b) {
        let end = |header: &BlockHeader| header.first_sequence.saturating_add(header.count.into());
        if ours == theirs {
            said.in_common += 1;
            (a, b) = (left.next()?, right.next()?);
        } else if end(&ours) <= theirs.first_sequence {
            a = left.next()?;
        } else if end(&theirs) <= ours.first_sequence {
            b = right.next()?;
        } else {
            let at = ours.first_sequence.max(theirs.first_sequence);
            if ours.chain != theirs.chain {
                said.note = Some("they are of different chains; there is nothing to compare".into());
            } else if ours.epoch == theirs.epoch {
                said.flaw = Some(Flaw::two_histories(&ours, &theirs));
            } else {
                said.note = Some(format!(
                    "from record {at} on one is of epoch {} and the other of epoch {}: a restore left one of them behind",
                    ours.epoch, theirs.epoch
                ));
            }
            return Ok(said);
        }
    }
    Ok(said)
}

/// The headers of an export, up to whatever cannot be read.
struct Headers<'a> {
    path: &'a Path,
    items: Items<File>,
}

impl<'a> Headers<'a> {
    fn open(path: &'a Path) -> Result<Self, CliError> {
        Ok(Self { path, items: Items::new(open(path)?) })
    }

    fn next(&mut self) -> Result<Option<BlockHeader>, CliError> {
        let found = self.items.next(|item| match item {
            Item::Block { header, .. } => Some(header),
            Item::End(_) => None,
        });
        match found {
            Ok(header) => Ok(header.flatten()),
            Err(Unread::Malformed { .. }) => Ok(None),
            Err(Unread::System(error)) => Err(CliError::file(self.path)(error)),
        }
    }
}

/// The last item, if it can be reached.
pub(super) fn trailer_of(from: impl Read) -> std::io::Result<Option<Trailer>> {
    let mut items = Items::new(from);
    loop {
        let found = items.next(|item| match item {
            Item::End(trailer) => Some(trailer),
            Item::Block { .. } => None,
        });
        match found {
            Ok(Some(None)) => {}
            Ok(end) => return Ok(end.flatten()),
            Err(Unread::Malformed { .. }) => return Ok(None),
            Err(Unread::System(error)) => return Err(error),
        }
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(CliError::file(path))
}
