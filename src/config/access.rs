//! `[access]`, and the access policies in the directory of policies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use time::UtcOffset;

use crate::domain::access::{AccessRules, Flaw, Source};

use super::{ConfigError, read_text};

/// The rules.
pub(super) const POLICIES: &str = "access.cedar";
/// What they are read against.
pub(super) const SCHEMA: &str = "access.cedarschema";

/// `[access]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// By which access policies read the time of day and the weekday.
    #[serde(deserialize_with = "offset")]
    pub utc_offset: UtcOffset,
}

impl Default for Access {
    fn default() -> Self {
        Self { utc_offset: UtcOffset::UTC }
    }
}

/// Reads `access.cedar` against `access.cedarschema`, both in `directory`.
///
/// # Errors
/// [`ConfigError`], naming file and line of the first flaw, and how many there are.
pub(super) fn load(directory: &Path) -> Result<Arc<AccessRules>, ConfigError> {
    let (policies, schema) = (directory.join(POLICIES), directory.join(SCHEMA));
    let (text, schema_text) = (read_text(&policies)?, read_text(&schema)?);
    AccessRules::parse(&text, &schema_text).map(Arc::new).map_err(|flaws| {
        let more = flaws.len().saturating_sub(1);
        let Some(Flaw { source, line, mut what, hint }) = flaws.into_iter().next() else {
            return ConfigError::relation(&policies, "access", "it is wrong".into(), "correct it");
        };
        if more > 0 {
            what = format!("{what}; and {more} more, which gembok policy check names");
        }
        let file = if source == Source::Schema { schema } else { policies.clone() };
        ConfigError { file, place: line.map(|line| format!("line {line}")), what, hint }
    })
}

/// What is wrong in a file.
type Flaws = (PathBuf, Vec<Flaw>);

/// Reads a file of access policies against the schema beside it, or this program's own where there is none.
///
/// # Errors
/// That one of the files cannot be read; within, what is wrong in which of them.
pub fn check_access(policies: &Path) -> Result<Result<AccessRules, Flaws>, ConfigError> {
    let text = read_text(policies)?;
    let schema = policies.with_file_name(SCHEMA);
    let schema_text = if schema.exists() { read_text(&schema)? } else { AccessRules::SCHEMA.to_owned() };
    Ok(AccessRules::parse(&text, &schema_text).map_err(|flaws| {
        // A wrong schema is found before any rule is read.
        let in_schema = flaws.first().is_some_and(|flaw| flaw.source == Source::Schema);
        (if in_schema { schema } else { policies.to_owned() }, flaws)
    }))
}

/// `+07:00`, `-03:30`, `+00:00`: a zone without summer time. One with it would need the offset of the season.
fn offset<'de, D: Deserializer<'de>>(from: D) -> Result<UtcOffset, D::Error> {
    let text = String::deserialize(from)?;
    let wrong = || {
        serde::de::Error::custom(format_args!(
            "{text:?} is no offset from UTC; write it like \"+07:00\" or \"+00:00\""
        ))
    };
    let sign = match text.get(..1) {
        Some("+") => 1,
        Some("-") => -1,
        _ => return Err(wrong()),
    };
    let (hours, minutes) = text[1..].split_once(':').ok_or_else(wrong)?;
    let number = |digits: &str, most: i8| {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i8>().ok().filter(|number| is_two && *number <= most)
    };
    let (hours, minutes) = (number(hours, 14).ok_or_else(wrong)?, number(minutes, 59).ok_or_else(wrong)?);
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).map_err(|_| wrong())
}
