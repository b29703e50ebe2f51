//! What is wrong with a file of access policies, and in which line.

use std::fmt;

use miette::Diagnostic;

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// What they are read against.
    Schema,
    /// The rules.
    Policies,
}

/// One thing that is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// In which file.
    pub source: Source,
    /// In which line, from 1, where that can be said.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Flaw {
    pub(super) fn new(source: Source, line: Option<usize>, what: impl Into<String>, hint: &str) -> Self {
        Self { source, line, what: what.into(), hint: hint.into() }
    }

    /// What a parser or the validator complains of in `text`.
    pub(super) fn of(source: Source, text: &str, error: &dyn Diagnostic, hint: &str) -> Self {
        let label = error.labels().and_then(|mut labels| labels.next());
        let line = label.as_ref().map(|label| line_of(text, label.offset()));
        let near = label.and_then(|label| label.label().map(|said| format!(": {said}"))).unwrap_or_default();
        let what = format!("{error}{near}").replace('\n', " ");
        // The parser knows better what was meant, where it knows anything.
        let hint = error.help().map_or_else(|| hint.to_owned(), |help| help.to_string());
        Self { source, line, what, hint }
    }
}

/// Of the byte at `offset`, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// `line 3: what`, and a second line that says what to do.
impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(out, "line {line}: ")?;
        }
        write!(out, "{}\n  {}", self.what, self.hint)
    }
}
