//! Names people give to projects, objects, endpoints, API keys and users.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode};

/// Most characters of a name.
pub const NAME_LEN_MAX: usize = 64;

/// 1 to [`NAME_LEN_MAX`] of `A–Z a–z 0–9 . _ -`, beginning with a letter or digit: safe in a URL, in JSON and on a
/// command line without quoting. Case counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Encode)]
#[cbor(transparent)]
pub struct Name(#[n(0)] String);

/// The text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAName;

impl fmt::Display for NotAName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a name is 1 to {NAME_LEN_MAX} of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    }
}

impl std::error::Error for NotAName {}

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let fits = text.len() <= NAME_LEN_MAX
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        from.str()?.parse().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_quoting_is_no_name() {
        for good in ["karyawan", "absensi-2", "A.b_c", "9", &"n".repeat(64)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "é", &"n".repeat(65), "a\n"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
