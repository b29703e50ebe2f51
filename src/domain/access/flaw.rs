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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::AccessRules;

    const SCHEMA: &str = AccessRules::SCHEMA;

    fn said(flaws: &[Flaw]) -> String {
        flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_wrong_with_a_set_is_said_by_line() {
        let good = "@id(\"a\")\n@why(\"A.\")\npermit (principal, action, resource);\n";
        for (text, line, words) in [
            (format!("{good}\npermit (principal, action, resource)\n"), 5, "unexpected end of input"),
            ("permit (principal, action, resource);".to_owned(), 1, "has no id"),
            (format!("{good}\n\n@id(\"b\")\npermit (principal, action, resource);"), 6, "does not say why"),
            (format!("{good}\n{good}"), 5, "there is a rule a already"),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\npermit (principal, action == Action::\"dekrip\", resource);"
                ),
                6,
                "dekrip",
            ),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\npermit (principal in Role::\"boss\", action, resource);"
                ),
                6,
                "boss",
            ),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\nforbid (principal, action, resource)\nwhen {{ context.addres == 1 }};"
                ),
                7,
                "addres",
            ),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\nforbid (principal, action, resource)\nwhen {{ context.address.isLoopback() }};"
                ),
                7,
                "address",
            ),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\nforbid (principal == ?principal, action, resource);"
                ),
                4,
                "template",
            ),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\nforbid (principal is Operator, action == Action::\"decrypt\", resource);"
                ),
                4,
                "unable to find an applicable action",
            ),
            (
                format!(
                    "{good}@id(\"b\")\n@why(\"B.\")\nforbid (principal, action, resource)\nwhen {{ context.time.hour < 1 && false }};"
                ),
                4,
                "impossible",
            ),
        ] {
            let flaws = AccessRules::parse(&text, SCHEMA).err().unwrap_or_else(|| panic!("taken:\n{text}"));
            let is_told = |flaw: &Flaw| flaw.line == Some(line) && flaw.to_string().contains(words);
            assert!(flaws.iter().any(is_told), "{text}\n{}", said(&flaws));
            assert!(flaws.iter().all(|flaw| !flaw.hint.is_empty()));
        }
        // All of them at once.
        let two = "permit (principal, action, resource);\npermit (principal, action, resource);\n";
        assert_eq!(AccessRules::parse(two, SCHEMA).err().unwrap().len(), 4);
    }
}
