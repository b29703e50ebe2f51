//! How a value is written before it is compared: so that one NIK with dots and one without give one index value. Each
//! normaliser is frozen by its number: what it once wrote it writes for ever, because index values are made of it and lie in
//! databases. Another way of writing is another normaliser.
//!
//! | number | name | what it does |
//! |---|---|---|
//! | 1 | `digits` | drops ASCII spaces, dots and hyphens; then exactly as many of 0–9 as the field declares |
//! | 2 | `date-iso` | YYYY-MM-DD, a day that there is (years 0000 to 9999, Gregorian), nothing around it |
//! | 3 | `text-fold` | `toNFKC_Casefold` of Unicode 14.0, white space trimmed, runs of it one space (`normalise_text.rs`) |
//! | 4 | `email` | ASCII white space trimmed, A–Z in lower case; visible ASCII, one `@` with something on both sides |
//! | 5 | `phone-id` | drops ASCII spaces, dots, hyphens, parentheses; a leading +62, 62 or 0 becomes +62, then 1–9 and digits |
//!
//! Each is idempotent. A complaint names the rule that a value breaks, and never says anything of the value.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::normalise_text;
use super::schema::{Field, Normaliser};

/// The version of Unicode that `text-fold` is frozen at.
pub const UNICODE: &str = "14.0";

/// A value as it is compared; wiped when dropped.
pub type Normalised = Zeroizing<String>;

/// The rule that a value breaks, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit(pub Cow<'static, str>);

impl Misfit {
    pub(super) const fn of(rule: &'static str) -> Self {
        Self(Cow::Borrowed(rule))
    }
}

impl Field {
    /// `value`, which is UTF-8, as it is compared.
    ///
    /// # Errors
    /// [`Misfit`]: the rule of the normaliser or of the declared length that it breaks.
    pub fn normalise(&self, value: &[u8]) -> Result<Normalised, Misfit> {
        self.normaliser.normalise(value, self.length)
    }
}

impl Normaliser {
    /// The number that stands in index keys.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Digits => 1,
            Self::DateIso => 2,
            Self::TextFold => 3,
            Self::Email => 4,
            Self::PhoneId => 5,
        }
    }

    /// `value` as it is compared, of a field that declares this `length`: exactly so many digits, or at most so many bytes of
    /// what comes out.
    ///
    /// # Errors
    /// [`Misfit`]
    pub fn normalise(self, value: &[u8], length: u32) -> Result<Normalised, Misfit> {
        const NO_TEXT: Misfit = Misfit::of("The value is not text in UTF-8.");
        let text = std::str::from_utf8(value).map_err(|_| NO_TEXT)?;
        let normalised = match self {
            Self::Digits => digits(text, length)?,
            Self::DateIso => date(text)?,
            Self::TextFold => normalise_text::fold(text)?,
            Self::Email => email(text)?,
            Self::PhoneId => phone(text)?,
        };
        if normalised.len() > length as usize {
            return Err(Misfit(
                format!("A value of this field has at most {length} bytes, once it is written by {self}.")
                    .into(),
            ));
        }
        Ok(normalised)
    }
}

fn digits(text: &str, length: u32) -> Result<Normalised, Misfit> {
    // Never grown, so that nothing of it is left behind.
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    for sign in text.chars() {
        match sign {
            '0'..='9' => out.push(sign),
            ' ' | '.' | '-' => {}
            _ => {
                return Err(Misfit::of(
                    "A value of this field has digits 0-9, spaces, dots and hyphens only.",
                ));
            }
        }
    }
    if out.len() != length as usize {
        return Err(Misfit(format!("A value of this field has exactly {length} digits.").into()));
    }
    Ok(out)
}

fn date(text: &str) -> Result<Normalised, Misfit> {
    const RULE: Misfit = Misfit::of("A value of this field is a day that there is, written YYYY-MM-DD.");
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return Err(RULE) };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0u32, |sum, digit| digit.is_ascii_digit().then(|| 10 * sum + u32::from(digit - b'0')))
    };
    let (Some(year), Some(month), Some(day)) =
        (number(&[y1, y2, y3, y4]), number(&[m1, m2]), number(&[d1, d2]))
    else {
        return Err(RULE);
    };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return Err(RULE),
    };
    if (1..=days).contains(&day) { Ok(Zeroizing::new(text.to_owned())) } else { Err(RULE) }
}

fn email(text: &str) -> Result<Normalised, Misfit> {
    const RULE: Misfit = Misfit::of(
        "A value of this field is an address in visible ASCII with one @ and something on both sides of it.",
    );
    let out = Zeroizing::new(text.trim_ascii().to_ascii_lowercase());
    let Some((local, domain)) = out.split_once('@') else { return Err(RULE) };
    let is_sound =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    if is_sound(local) && is_sound(domain) { Ok(out) } else { Err(RULE) }
}

fn phone(text: &str) -> Result<Normalised, Misfit> {
    const RULE: Misfit = Misfit::of(
        "A value of this field is an Indonesian telephone number: +62, 62 or 0, then digits, the first of them not 0; spaces, \
         dots, hyphens and parentheses may stand between them.",
    );
    const COUNTRY: &str = "+62";
    let mut bare = Zeroizing::new(String::with_capacity(text.len()));
    bare.extend(text.chars().filter(|sign| !matches!(sign, ' ' | '.' | '-' | '(' | ')')));
    let number = [COUNTRY, "62", "0"].into_iter().find_map(|prefix| bare.strip_prefix(prefix)).ok_or(RULE)?;
    if number.is_empty() || number.starts_with('0') || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RULE);
    }
    let mut out = Zeroizing::new(String::with_capacity(COUNTRY.len() + number.len()));
    out.push_str(COUNTRY);
    out.push_str(number);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_never_says_anything_of_the_value() {
        for normaliser in Normaliser::ALL {
            let length = if normaliser == Normaliser::Digits { 16 } else { 20 };
            for value in
                ["", "36020412118700\u{661}\u{662}", "siti@@x", "\u{e000}\u{378}", "\u{378}x", "+1 555"]
            {
                if let Err(Misfit(rule)) = normaliser.normalise(value.as_bytes(), length) {
                    assert!(rule.starts_with("A value") || rule.starts_with("The value"), "{rule}");
                    assert!(rule.is_ascii() && rule.ends_with('.'), "{rule}");
                }
            }
            let told = normaliser.normalise(&[0xff, 0xfe], length);
            assert_eq!(told.err().map(|misfit| misfit.0), Some("The value is not text in UTF-8.".into()));
        }
    }

    #[test]
    fn numbers_are_those_that_are_stored() {
        for normaliser in Normaliser::ALL {
            assert_eq!(crate::domain::cbor::encode(&normaliser), [normaliser.number()]);
        }
    }

    #[test]
    fn lengths_hold_for_what_comes_out() {
        let text = |value: &str, length| Normaliser::TextFold.normalise(value.as_bytes(), length);
        assert_eq!(*text("  Siti   AMINAH ", 11).unwrap(), "siti aminah");
        assert!(text("  Siti   AMINAH ", 10).is_err());
        assert!(Normaliser::Digits.normalise(b"360204-121187-0001", 16).is_ok());
        assert!(Normaliser::Digits.normalise(b"360204-121187-0001", 15).is_err());
        assert!(Normaliser::Digits.normalise(b"360204-121187-0001", 17).is_err());
    }
}
