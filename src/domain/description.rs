//! What people say a thing is for: a line of their own words, for eyes only. Nothing is decided by it.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode};

use super::normalise_text::is_ignored;

/// Most characters of a description.
pub const DESCRIPTION_LEN_MAX: usize = 200;

/// 1 to [`DESCRIPTION_LEN_MAX`] characters on one line. None that moves a cursor or turns the direction of text, and none that is
/// not seen: it is shown in terminals and lists, and a reason that nobody can read is none.
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
            "a description is one line of 1 to {DESCRIPTION_LEN_MAX} characters that can be seen, without control characters"
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
        let is_seen = |c: char| !c.is_whitespace() && !picks_a_form(c) && c != BRAILLE_BLANK;
        let is_hidden = |c: char| (is_ignored(c) && !picks_a_form(c)) || matches!(c, '\u{FFF9}'..='\u{FFFB}');
        if is_one_line(text) && text.contains(is_seen) && !text.contains(is_hidden) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotADescription)
        }
    }
}

/// A cell of no dots.
const BRAILLE_BLANK: char = '\u{2800}';

/// Chooses the form of the sign before it, as in emoji and in names; alone it is nothing.
const fn picks_a_form(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

fn is_one_line(text: &str) -> bool {
    // Beside the control characters proper those that end lines or turn text around.
    let turns =
        |c: char| matches!(c, '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let length = text.chars().take(DESCRIPTION_LEN_MAX + 1).count();
    (1..=DESCRIPTION_LEN_MAX).contains(&length)
        && text.trim() == text
        && !text.contains(|c: char| c.is_control() || turns(c))
}

impl fmt::Display for Description {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'b, C> Decode<'b, C> for Description {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        // Rows of before one had to be seen still open.
        let text = from.str()?;
        if is_one_line(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(minicbor::decode::Error::custom(NotADescription))
        }
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

    #[test]
    fn nobody_writes_what_nobody_sees() {
        for unseen in [
            "\u{200b}",
            "\u{3164}",
            "\u{115f}",
            "\u{ffa0}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{ad}",
            "\u{2060}",
            "\u{e0041}",
            "\u{feff}",
            "\u{2800} \u{2800}",
        ] {
            assert_eq!(unseen.parse::<Description>(), Err(NotADescription), "{unseen:?}");
        }
        for hides in
            ["bo\u{200b}cor", "bocor\u{3164}", "\u{feff}bocor", "bo\u{ad}cor", "bocor\u{fffa}", "b\u{61c}"]
        {
            assert_eq!(hides.parse::<Description>(), Err(NotADescription), "{hides:?}");
        }
        for seen in ["\u{26a0}\u{fe0f} bocor", "葛\u{e0100}", "বাংলা", "漏洩", "."] {
            assert!(seen.parse::<Description>().is_ok(), "{seen:?}");
        }
    }

    #[test]
    fn rows_of_before_still_open() {
        for text in ["\u{200b}", "bo\u{ad}cor"] {
            let row = crate::domain::cbor::encode(&Description(text.to_owned()));
            assert_eq!(crate::domain::cbor::decode(&row), Ok(Description(text.to_owned())));
        }
    }
}
