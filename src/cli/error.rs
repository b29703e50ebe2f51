//! Why a command was not done, and with which exit status: what happened, then what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::desk::answer::Refused;

/// Why a command was not done.
pub(super) enum CliError {
    /// The daemon gave an answer this program does not know.
    Answer,
    /// The configuration is wrong.
    Config(ConfigError),
    /// The daemon met a fault.
    Fault(String),
    /// A file of the operator's.
    File(PathBuf, io::Error),
    /// Something on our own side, in words.
    Own(String),
    /// The daemon refused.
    Refused(Refused),
    /// Nobody answers at the socket.
    Unreachable(PathBuf, io::Error),
    /// Nobody answers at the control plane of this URL, or not as it has to.
    Unreached(String, String),
}

impl CliError {
    /// The process's exit status.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Unreachable(..) | Self::Unreached(..) => 3,
            Self::Answer
            | Self::Config(_)
            | Self::Fault(_)
            | Self::File(..)
            | Self::Own(_)
            | Self::Refused(_) => 1,
        }
    }

    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<'_> {
        |source| Self::File(path.to_owned(), source)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer => out.write_str(
                "the daemon's answer is not understood\n  use the gembok of the same version as the one that runs",
            ),
            Self::Config(error) => error.fmt(out),
            Self::Fault(what) => write!(out, "the appliance met a fault: {what}"),
            Self::File(path, source) => {
                let hint = match source.kind() {
                    io::ErrorKind::AlreadyExists => "nothing is overwritten: move it away, or choose another place",
                    io::ErrorKind::NotFound => "check the path",
                    _ => "check the rights and the disk",
                };
                write!(out, "{}: {source}\n  {hint}", path.display())
            }
            Self::Own(what) => out.write_str(what),
            Self::Unreached(url, why) => write!(
                out,
                "the control plane at {url} cannot be asked: {why}\n  see that the URL is right, that ca is the appliance's, and \
                 that your certificate still counts"
            ),
            Self::Refused(Refused { code, detail, hint }) => write!(out, "{detail} ({code})\n  {hint}"),
            Self::Unreachable(socket, source) => {
                let hint = match source.kind() {
                    io::ErrorKind::PermissionDenied => "become root, or the user that the daemon runs as",
                    _ => "start it with gembok serve, or see that --config names the configuration it runs with",
                };
                write!(out, "no daemon answers at {}: {source}\n  {hint}", socket.display())
            }
        }
    }
}
