//! Why a command was not done, and with which exit status: what happened, then what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::desk::answer::Refused;

use super::echoed::{echoed, of_system};
use super::say_trouble::{self as say, fixed};
use super::words::{Said, refused};

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
    /// What other floors and libraries say of it, in English as it came.
    Foreign(String),
    /// Something on our own side, in words.
    Own(Said),
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
            | Self::Foreign(_)
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
            Self::Answer => fixed::ANSWER.fmt(out),
            Self::Config(error) => error.fmt(out),
            Self::Fault(what) => say::fault(what).fmt(out),
            Self::File(path, source) => {
                let hint = match source.kind() {
                    io::ErrorKind::AlreadyExists => fixed::EXISTS,
                    io::ErrorKind::NotFound => fixed::NOT_THERE,
                    _ => fixed::RIGHTS,
                };
                write!(out, "{}: {}\n  {hint}", echoed(&path.display().to_string()), of_system(source))
            }
            Self::Foreign(what) => out.write_str(what),
            Self::Own(what) => what.fmt(out),
            Self::Unreached(url, why) => say::unreached(url, why).fmt(out),
            Self::Refused(Refused { code, detail, hint }) => match refused(code, detail) {
                Some(said) => out.write_str(&said),
                None => write!(out, "{detail} ({code})\n  {hint}"),
            },
            Self::Unreachable(socket, source) => {
                let hint = match source.kind() {
                    io::ErrorKind::PermissionDenied => fixed::BECOME_ROOT,
                    _ => fixed::START_IT,
                };
                say::unreachable(socket.display(), of_system(source), hint).fmt(out)
            }
        }
    }
}
