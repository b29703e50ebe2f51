//! `gembok subject`: whose data is not decrypted for the time being. A subject's value is read from standard input: what
//! stands on a command line every process can read.

#![expect(clippy::print_stderr, reason = "a command asks whoever typed it")]

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::desk::answer::Listed;
use crate::desk::request::{Request, Subject, SubjectOf};
use crate::desk::subject::{FrozenLine, SubjectChanged, SubjectValue};

use super::error::CliError;
use super::heads;
use super::page::Page;
use super::say_answer::{self as say, fixed};
use super::say_trouble;
use super::table::aligned;

/// Bytes of a value at most, with the line's end.
const VALUE_BYTES_MAX: usize = 4_098;

#[derive(Subcommand)]
pub(super) enum SubjectVerb {
    /// Let nothing of a person be decrypted from now on; the value, such as a NIK, is read from standard input
    Freeze {
        #[arg(long)]
        project: String,
        /// The person as records show it, instead of a value
        #[arg(long, value_name = "HEX")]
        pseudonym: Option<String>,
    },
    /// Let the data of a person be decrypted again; the value is read from standard input
    Unfreeze {
        #[arg(long)]
        project: String,
        /// The person as the list shows it, instead of a value
        #[arg(long, value_name = "HEX")]
        pseudonym: Option<String>,
    },
    /// List who is frozen, by pseudonym
    List {
        #[arg(long)]
        project: String,
        #[command(flatten)]
        page: Page,
    },
}

impl SubjectVerb {
    pub(super) fn into_request(self) -> Result<Request, CliError> {
        Ok(Request::Subject(match self {
            Self::Freeze { project, pseudonym } => Subject::Freeze { project, subject: of(pseudonym)? },
            Self::Unfreeze { project, pseudonym } => Subject::Unfreeze { project, subject: of(pseudonym)? },
            Self::List { project, page: Page { after, limit } } => Subject::List { project, after, limit },
        }))
    }
}

/// A subject by its pseudonym, or else by the value on standard input.
pub(super) fn of(pseudonym: Option<String>) -> Result<SubjectOf, CliError> {
    if let Some(pseudonym) = pseudonym {
        return Ok(SubjectOf::Pseudonym(pseudonym));
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("{}", fixed::ASK_SUBJECT);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 1));
    let failed = |error| CliError::File(PathBuf::from("standard input"), error);
    input.lock().take(VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = str::from_utf8(&bytes).ok().filter(|text| text.len() <= VALUE_BYTES_MAX);
    let line = text
        .map(|text| text.strip_suffix('\n').unwrap_or(text))
        .map(|text| text.strip_suffix('\r').unwrap_or(text));
    match line.filter(|line| !line.is_empty() && !line.contains('\n')) {
        Some(line) => Ok(SubjectOf::Value(SubjectValue::new(Zeroizing::new(line.to_owned())))),
        None => Err(CliError::Own(say_trouble::fixed::NO_SUBJECT.into())),
    }
}

pub(super) fn changed(SubjectChanged { pseudonym, frozen }: &SubjectChanged) -> String {
    let how = if *frozen { fixed::FROZEN } else { fixed::NOT_FROZEN };
    say::subject(pseudonym, how).into()
}

pub(super) fn frozen(listed: &[Listed<FrozenLine>]) -> String {
    let head = [heads::PSEUDONYM, heads::FROZEN_SINCE].map(|head| (head.to_string(), false)).to_vec();
    let lines = listed.iter().map(|line| match line {
        Listed::Sound(line) => vec![(line.pseudonym.clone(), false), (line.since.clone(), false)],
        Listed::Damaged(row) => vec![(format!("{} {}", heads::DAMAGED, row.damaged), false)],
    });
    aligned(&std::iter::once(head).chain(lines).collect::<Vec<_>>())
}
