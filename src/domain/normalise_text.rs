//! `text-fold`: `toNFKC_Casefold` (Unicode 14.0, section 3.13) of what it is given, then its white space trimmed and each run of
//! it made one space. So letter case, width and ligatures tell no two names apart, nor do soft hyphens and other characters
//! that are not seen.
//!
//! Frozen at Unicode 14.0: of a character that is assigned there, Unicode promises never to change normal form or case
//! folding, so newer tables give the same, and a character that is not assigned there is refused, however new the tables
//! are. Private use is refused, too: nobody else knows what it means. `tests/vectors/text-fold.txt` holds a digest of every
//! character's folding by a second implementation, so tables that give anything else are found.

use std::sync::LazyLock;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::normalise::{Misfit, Normalised};

/// What Unicode 14.0 assigns, in order: first and last of each run.
static ASSIGNED: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| {
    let lines = include_str!("unicode-14.txt").lines().filter(|line| !line.starts_with('#'));
    let runs = lines.flat_map(|line| line.split(' ')).map(|run| run.split_once('-').unwrap_or((run, run)));
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok();
    runs.filter_map(|(first, last)| Some((number(first)?, number(last)?))).collect()
});

/// `Default_Ignorable_Code_Point` of Unicode 14.0: not seen, so no part of what is compared.
const IGNORED: [(u32, u32); 17] = [
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfff8),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

/// `text` as it is compared.
///
/// # Errors
/// [`Misfit`] for a character that Unicode 14.0 does not assign, and where nothing is left.
pub(super) fn fold(text: &str) -> Result<Normalised, Misfit> {
    if !text.chars().all(is_assigned) {
        return Err(Misfit::of(
            "A value of this field has characters that Unicode 14.0 assigns, and no others.",
        ));
    }
    // Characters become several: rarely more than four times as many bytes, and so rarely grown.
    let mut mapped = Zeroizing::new(String::with_capacity(4 * text.len()));
    for sign in text.chars() {
        match sign {
            '\0'..='\x7f' => mapped.push(sign.to_ascii_lowercase()),
            _ => mapped.push_str(&casefolded(sign)),
        }
    }
    // Characters that met may combine.
    let mut folded = Zeroizing::new(String::with_capacity(mapped.len()));
    folded.extend(mapped.nfc());
    let mut out = Zeroizing::new(String::with_capacity(folded.len()));
    for word in folded.split(is_white_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    if out.is_empty() {
        return Err(Misfit::of("A value of this field has something that is seen."));
    }
    Ok(out)
}

/// `NFKC_Casefold` of one character: normal form, case folding and leaving out what is not seen, until nothing changes.
fn casefolded(sign: char) -> Zeroizing<String> {
    let mut now = Zeroizing::new(sign.to_string());
    loop {
        let seen = now.chars().filter(|sign| !is_ignored(*sign));
        let next: String = seen.nfkc().default_case_fold().nfkc().filter(|sign| !is_ignored(*sign)).collect();
        if next == *now {
            return now;
        }
        now = Zeroizing::new(next);
    }
}

fn is_assigned(sign: char) -> bool {
    sign.is_ascii() || is_in(&ASSIGNED, sign)
}

/// Whether it is not seen: `Default_Ignorable_Code_Point` of Unicode 14.0.
pub(super) fn is_ignored(sign: char) -> bool {
    is_in(&IGNORED, sign)
}

fn is_in(runs: &[(u32, u32)], sign: char) -> bool {
    let sign = u32::from(sign);
    let at = runs.partition_point(|(_, last)| *last < sign);
    runs.get(at).is_some_and(|(first, _)| *first <= sign)
}

/// `White_Space` of Unicode 14.0.
const fn is_white_space(sign: char) -> bool {
    matches!(
        sign,
        '\t'..='\r'
            | ' '
            | '\u{85}'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}
