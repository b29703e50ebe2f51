//! What access policies decided, and which rule did.

use std::fmt;

/// A rule, as its file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// Its `@why`.
    pub why: String,
    /// Its `@alasan`: the same in Indonesian, where somebody wrote it.
    pub alasan: Option<String>,
    /// Whether it forbids; else it permits.
    pub forbids: bool,
}

/// Yes or no, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub is_allowed: bool,
    /// The rules that decided, by their id: those that forbid, or where none does those that permit. None at all where
    /// nothing permits.
    pub rules: Vec<Rule>,
    /// Rules that could not be evaluated. Then the answer is no, because one of them may forbid.
    pub broken: Vec<String>,
}

/// One sentence or more.
impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.broken.is_empty() {
            return write!(out, "These rules cannot be evaluated: {}.", self.broken.join(", "));
        }
        if self.rules.is_empty() {
            return out.write_str("No rule permits it.");
        }
        for (at, rule) in self.rules.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(out, "{blank}{} ({})", rule.why, rule.id)?;
        }
        Ok(())
    }
}
