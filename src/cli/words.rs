//! In which language the command line speaks, and what makes its catalogue: headings ([`super::heads`]) and sentences
//! (`say_*`) are written down in English and Indonesian at once. Tables and errors take nothing else.

use std::fmt;
use std::sync::OnceLock;

use crate::desk::report_words::Language;
use crate::domain::refusal::Code;

/// Chosen once, before anything is said; English until then.
static SPOKEN: OnceLock<Language> = OnceLock::new();

/// Speaks the language of this tag from now on, else that of the environment.
pub(super) fn speak(tag: Option<&str>) {
    let language = tag.and_then(|tag| tag.parse().ok()).unwrap_or_else(|| {
        // POSIX: the first that is set and not empty counts.
        let mut set =
            ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
        of_locale(set.find(|locale| !locale.is_empty()).as_deref())
    });
    // Whoever comes second finds it chosen.
    let _ = SPOKEN.set(language);
}

/// The language spoken.
pub(super) fn spoken() -> Language {
    SPOKEN.get().copied().unwrap_or(Language::English)
}

/// Of a locale like `id_ID.UTF-8`.
fn of_locale(locale: Option<&str>) -> Language {
    let language = locale.and_then(|locale| locale.split(['_', '.', '@']).next());
    if language == Some("id") { Language::Indonesian } else { Language::English }
}

/// What is always the same, in both languages.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) english: &'static str,
    pub(super) indonesian: &'static str,
}

impl Pair {
    /// Of a line that goes on from the one above.
    pub(super) const BLANK: Self = Self { english: "", indonesian: "" };

    /// In the language spoken.
    pub(super) fn text(self) -> &'static str {
        match spoken() {
            Language::English => self.english,
            Language::Indonesian => self.indonesian,
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.text())
    }
}

/// A sentence of the catalogue, in the language spoken.
pub(super) struct Said(String);

impl Said {
    /// Only for the catalogue: see `sentences!`.
    pub(super) const fn of_catalogue(text: String) -> Self {
        Self(text)
    }
}

impl AsRef<str> for Said {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl From<Pair> for Said {
    fn from(pair: Pair) -> Self {
        Self(pair.text().to_owned())
    }
}

impl From<Said> for String {
    fn from(said: Said) -> Self {
        said.0
    }
}

/// Constants of the catalogue: `NAME "English" "Indonesian";`
macro_rules! pairs {
    ($($name:ident $english:literal $indonesian:literal;)+) => {
        $(pub(in crate::cli) const $name: $crate::cli::words::Pair =
            $crate::cli::words::Pair { english: $english, indonesian: $indonesian };)+

        #[cfg(test)]
        pub(in crate::cli) const PAIRS: &[(&str, &str)] = &[$(($english, $indonesian),)+];
    };
}

/// Sentences of the catalogue with values in them: `name(value, …) "English {value}" "Indonesian {value}";`
macro_rules! sentences {
    ($($name:ident($($value:ident),+) $english:literal $indonesian:literal;)+) => {
        $(pub(in crate::cli) fn $name($($value: impl std::fmt::Display),+) -> $crate::cli::words::Said {
            $crate::cli::words::Said::of_catalogue(match $crate::cli::words::spoken() {
                $crate::desk::report_words::Language::English => format!($english),
                $crate::desk::report_words::Language::Indonesian => format!($indonesian),
            })
        })+

        #[cfg(test)]
        pub(in crate::cli) const SENTENCES: &[(&str, &str)] = &[$(($english, $indonesian),)+];
    };
}

pub(super) use {pairs, sentences};

/// A refusal where another language is spoken than the daemon's, which is English.
pub(super) fn refused(code: &str, detail: &str) -> Option<String> {
    match spoken() {
        Language::English => None,
        Language::Indonesian => refused_in_indonesian(code, detail),
    }
}

/// The code's sentences, and behind them what the daemon says of just this request, as it came.
fn refused_in_indonesian(code: &str, detail: &str) -> Option<String> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
    let (title, hint) = (code.indonesian_title(), code.indonesian_hint());
    let mut text = format!("{title} ({})\n  {hint}", code.as_str());
    if detail != code.title() {
        text.push_str("\n  ");
        text.push_str(detail);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::{heads, say_answer, say_key, say_proof, say_trouble};

    /// The values that a sentence says.
    fn values(sentence: &str) -> BTreeSet<&str> {
        sentence.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
    }

    /// Whether it has more than a name and values.
    fn is_prose(sentence: &str) -> bool {
        let without = sentence.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, text)| text));
        without.flat_map(str::split_whitespace).filter(|word| word.contains(char::is_alphabetic)).count() > 1
    }

    #[test]
    fn what_is_said_in_one_language_is_said_in_the_other() {
        let pairs = [
            heads::PAIRS,
            say_answer::fixed::PAIRS,
            say_key::fixed::PAIRS,
            say_trouble::fixed::PAIRS,
            say_proof::fixed::PAIRS,
        ];
        let sentences =
            [say_answer::SENTENCES, say_key::SENTENCES, say_trouble::SENTENCES, say_proof::SENTENCES];
        for (english, indonesian) in pairs.into_iter().chain(sentences).flatten() {
            assert!(!english.is_empty() && !indonesian.is_empty(), "{english:?} {indonesian:?}");
            assert_eq!(values(english), values(indonesian), "{english:?}");
            assert!(english != indonesian || !is_prose(english), "{english:?}");
        }
    }

    #[test]
    fn a_locale_of_indonesia_speaks_indonesian() {
        for locale in ["id", "id_ID", "id_ID.UTF-8", "id.UTF-8", "id@latin"] {
            assert_eq!(of_locale(Some(locale)), Language::Indonesian, "{locale}");
        }
        for locale in [None, Some("C"), Some("en_US.UTF-8"), Some("ido"), Some("POSIX")] {
            assert_eq!(of_locale(locale), Language::English, "{locale:?}");
        }
    }

    #[test]
    fn a_refusal_says_its_detail_once() {
        let said = refused_in_indonesian("not-found", "There is nothing by that name.");
        assert_eq!(said.as_deref(), Some("Tidak ditemukan (not-found)\n  periksa namanya"));
        let said = refused_in_indonesian("not-found", "no user \"x\"").unwrap();
        assert!(said.ends_with("\n  no user \"x\""), "{said}");
        assert_eq!(refused_in_indonesian("of-tomorrow", ""), None);
    }
}
