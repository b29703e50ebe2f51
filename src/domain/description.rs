//! What people say a thing is for: a line of their own words, for eyes only. Nothing is decided by it.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode};

/// Most characters of a description.
pub const DESCRIPTION_LEN_MAX: usize = 200;

/// 1 to [`DESCRIPTION_LEN_MAX`] characters on one line. None that moves a cursor or turns the direction of text: it is shown in
/// terminals and lists.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cbor(transparent)]
pub struct Description(#[n(0)] String);

/// The text is no description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADescription;

impl fmt::Display for NotADescription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "a description is one line of 1 to {DESCRIPTION_LEN_MAX} characters, without control characters"
        )
    }
}

impl std::error::Error for NotADescription {}

impl Description {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = NotADescription;

    fn from_str(text: &str) -> Result<Self, NotADescription> {
        // Beside the control characters proper those that end lines or turn text around.
        let turns = |c: char| matches!(c, '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        let length = text.chars().take(DESCRIPTION_LEN_MAX + 1).count();
        let fits = (1..=DESCRIPTION_LEN_MAX).contains(&length)
            && text.trim() == text
            && !text.contains(|c: char| c.is_control() || turns(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(NotADescription) }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'b, C> Decode<'b, C> for Description {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        from.str()?.parse().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_that_stays_where_it_is_put() {
        for good in ["Data karyawan, sejak 2026", "é", &"é".repeat(DESCRIPTION_LEN_MAX)] {
            assert!(good.parse::<Description>().is_ok(), "{good}");
        }
        let long = "x".repeat(DESCRIPTION_LEN_MAX + 1);
        for bad in ["", " x", "x ", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2028}b", "a\u{85}b", &long] {
            assert_eq!(bad.parse::<Description>(), Err(NotADescription), "{bad:?}");
        }
    }
}
