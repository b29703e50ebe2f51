//! What an envelope is bound to. The associated data of every sealed field:
//!
//! ```text
//! "gembok/aad/v1" 00 | envelope header 12 | project id 16 | object id 16
//!                    | count u16 | ( length u16, name, length u16, value )*     sorted by name bytes
//! ```
//!
//! Fixed sizes come before counted ones and every variable part carries its length, so two different bindings never give
//! the same bytes. Names and values are UTF-8, compared byte for byte and never normalised.

use std::borrow::Cow;

use super::envelope::HEADER_LEN;

const LABEL: &[u8] = b"gembok/aad/v1\0";

/// Most bytes a context may take in the associated data, its count included.
pub const CONTEXT_BYTES_MAX: usize = 4096;

/// The caller's name–value pairs: checked, sorted, ready to be bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Why pairs cannot be a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextError {
    /// A name of no characters.
    EmptyName,
    /// One name twice.
    RepeatedName,
    /// Over [`CONTEXT_BYTES_MAX`].
    TooLong,
}

impl<'a> Context<'a> {
    /// Sorts and checks pairs in any order.
    ///
    /// # Errors
    /// A [`ContextError`] for an empty or repeated name, or pairs over [`CONTEXT_BYTES_MAX`].
    pub fn new(mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Result<Self, ContextError> {
        pairs.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        if pairs.first().is_some_and(|(name, _)| name.is_empty()) {
            return Err(ContextError::EmptyName);
        }
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(ContextError::RepeatedName);
        }
        let context = Self { pairs };
        if context.encoded_len() > CONTEXT_BYTES_MAX { Err(ContextError::TooLong) } else { Ok(context) }
    }

    /// The value bound to `name`, if any.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.pairs.binary_search_by(|(have, _)| have.as_bytes().cmp(name.as_bytes())).ok()?;
        Some(&self.pairs[at].1)
    }

    /// Whether nothing is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// How many names are bound.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    fn encoded_len(&self) -> usize {
        2 + self.pairs.iter().map(|(name, value)| 4 + name.len() + value.len()).sum::<usize>()
    }
}

/// Writes the associated data of one field into `out`, whose old content is dropped.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a context is at most CONTEXT_BYTES_MAX long, checked when made"
)]
pub fn write(
    out: &mut Vec<u8>,
    header: &[u8; HEADER_LEN],
    project: &[u8; 16],
    object: &[u8; 16],
    context: &Context<'_>,
) {
    out.clear();
    out.reserve(LABEL.len() + HEADER_LEN + 32 + context.encoded_len());
    out.extend_from_slice(LABEL);
    out.extend_from_slice(header);
    out.extend_from_slice(project);
    out.extend_from_slice(object);
    out.extend_from_slice(&(context.pairs.len() as u16).to_be_bytes());
    for (name, value) in &context.pairs {
        for part in [name, value] {
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_order_given_does_not_matter_and_the_rest_is_refused() {
        let one = Context::new(pairs(&[("row", "7"), ("column", "nik")])).unwrap();
        let other = Context::new(pairs(&[("column", "nik"), ("row", "7")])).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.value("row"), Some("7"));
        assert_eq!(one.value("ro"), None);
        assert_eq!(Context::new(pairs(&[("", "x")])), Err(ContextError::EmptyName));
        assert_eq!(
            Context::new(pairs(&[("a", "x"), ("b", ""), ("a", "y")])),
            Err(ContextError::RepeatedName)
        );
    }

    #[test]
    fn the_context_ends_at_its_limit() {
        let fits = "v".repeat(CONTEXT_BYTES_MAX - 2 - 4 - 1);
        assert!(Context::new(pairs(&[("n", &fits)])).is_ok());
        let over = format!("{fits}v");
        assert_eq!(Context::new(pairs(&[("n", &over)])), Err(ContextError::TooLong));
    }
}
