//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration was not accepted. Shown as `file, place: what` and a second line that says what to do.
#[derive(Debug)]
pub struct ConfigError {
    /// The file it is about.
    pub file: PathBuf,
    /// Line and section, or the key.
    pub place: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, source: &io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::NotFound => "write it, or name another; provisioning/gembok.toml is a sample",
            io::ErrorKind::PermissionDenied => "let the user that runs gembok read it",
            _ => "see that it is a readable text file in UTF-8",
        };
        Self {
            file: file.to_owned(),
            place: None,
            what: format!("cannot be read: {source}"),
            hint: hint.into(),
        }
    }

    /// A TOML error: its place is counted out of `text`.
    pub(super) fn wrong(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let what = error.message().trim().replace('\n', "; ");
        let hint = if what.starts_with("unknown field") {
            "correct the spelling or remove the key: unknown keys are refused so that none is ignored"
        } else if what.starts_with("missing field") {
            "add the key; provisioning/gembok.toml shows each one"
        } else {
            "correct the line; provisioning/gembok.toml shows each key with its unit and default"
        };
        let place = error.span().map(|span| Place::find(text, span.start).to_string());
        Self { file: file.to_owned(), place, what, hint: hint.into() }
    }

    /// Two values that do not go together, named by the key to change.
    pub(super) fn relation(file: &Path, key: &str, what: String, hint: &str) -> Self {
        Self { file: file.to_owned(), place: Some(key.into()), what, hint: hint.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        if let Some(place) = &self.place {
            write!(out, ", {place}")?;
        }
        write!(out, ": {}\n  {}", self.what, self.hint)
    }
}

impl std::error::Error for ConfigError {}

/// Where in a TOML text: the line, counted from 1, and the section it stands in.
struct Place<'a> {
    line: usize,
    section: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn find(text: &'a str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let section = text.lines().take(line).filter(|line| line.starts_with('[')).last();
        Self { line, section: section.map(|header| header.split('#').next().unwrap_or(header).trim()) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}", self.line)?;
        self.section.map_or(Ok(()), |section| write!(out, " in {section}"))
    }
}
