//! `gembok key verify`: page after page of the stored keys, with how far it is on a terminal. Whoever breaks it off stops nothing
//! but the asking.

#![expect(clippy::print_stderr, reason = "a command tells whoever typed it how far it is")]

use std::io::IsTerminal;

use clap::Args;

use crate::desk::answer::{Answer, Done, KeysVerified, StoredKeyLine};
use crate::desk::request::{self, Request, VerifyKeys};

use super::columns::Table;
use super::error::CliError;
use super::heads;
use super::run::{Session, print};
use super::say_answer::{self as say, fixed};
use super::say_trouble;
use super::words::Pair;

#[derive(Args)]
pub(super) struct VerifyWanted {
    /// The keys of this project; all without
    #[arg(long)]
    project: Option<String>,
    /// Show check values, too: for eyes only, they prove nothing
    #[arg(long)]
    kcv: bool,
}

impl From<&VerifyWanted> for VerifyKeys {
    fn from(wanted: &VerifyWanted) -> Self {
        Self { project: wanted.project.clone(), after: None, limit: None, kcv: wanted.kcv }
    }
}

impl Session {
    /// `key verify`
    pub(super) fn verify_keys(&self, wanted: &VerifyWanted) -> Result<(), CliError> {
        let mut page = VerifyKeys::from(wanted);
        let mut whole: Option<KeysVerified> = None;
        let draws = !self.json && std::io::stderr().is_terminal();
        loop {
            let asked = Request::Key(request::Key::Verify(page.clone()));
            let Done::KeysVerified(more) = self.ask(&asked)?.answer else { return Err(CliError::Answer) };
            let next = more.next.clone();
            match &mut whole {
                Some(whole) => whole.add(more),
                None => whole = Some(more),
            }
            let Some(whole) = &mut whole else { return Err(CliError::Answer) };
            if draws {
                let percent = whole.permille / 10;
                eprint!("\r{}", say::verifying(percent, whole.keys.iter().map(|of| of.proved).sum::<u64>()));
            }
            if next.is_none() {
                break;
            }
            page.after = next;
        }
        if draws {
            eprint!("\r\u{1b}[K");
        }
        let whole = whole.ok_or(CliError::Answer)?;
        let failed = whole.failed.len();
        if self.json {
            let answer = Answer::Done(Done::KeysVerified(whole));
            print(&serde_json::to_string(&answer).map_err(|_| CliError::Answer)?)?;
        } else {
            print(&text(&whole))?;
        }
        if failed == 0 { Ok(()) } else { Err(CliError::Own(say_trouble::keys_unproved(failed))) }
    }
}

/// For eyes.
pub(super) fn text(verified: &KeysVerified) -> String {
    let mut counts = Table::new([heads::KEY, heads::PROVED, heads::UNPROVED]);
    for of in &verified.keys {
        counts.row([kind(&of.kind), of.proved.to_string(), of.failed.to_string()]);
    }
    if verified.destroyed > 0 {
        counts.row([fixed::DESTROYED.to_string(), verified.destroyed.to_string(), String::new()]);
    }
    let mut text = counts.text();
    if !verified.failed.is_empty() {
        let mut failed = Table::new([
            heads::KEY,
            heads::PROJECT,
            heads::OBJECT,
            heads::VERSION,
            heads::REASON,
            heads::ROW,
        ]);
        for one in &verified.failed {
            let [of, project, object, version] = cells(&one.key);
            failed.row([of, project, object, version, why(&one.why), one.row.clone()]);
        }
        text = format!("{text}\n{}", failed.text());
    }
    if !verified.check_values.is_empty() {
        let mut values =
            Table::new([heads::KEY, heads::PROJECT, heads::OBJECT, heads::VERSION, heads::CHECK_VALUE]);
        for one in &verified.check_values {
            let [of, project, object, version] = cells(&one.key);
            values.row([of, project, object, version, one.kcv.clone()]);
        }
        text = format!("{text}\n{}", values.text());
    }
    text
}

fn cells(key: &StoredKeyLine) -> [String; 4] {
    [
        kind(&key.kind),
        key.project.clone().unwrap_or_default(),
        key.object.clone().unwrap_or_default(),
        key.version.to_string(),
    ]
}

fn kind(word: &str) -> String {
    said(
        word,
        &[
            ("master-key", fixed::MASTER_KEY),
            ("store-key", fixed::STORE_KEY),
            ("name-key", fixed::NAME_KEY),
            ("subject-key", fixed::SUBJECT_KEY),
            ("kek", fixed::KEK),
            ("data-key", fixed::DATA_KEY),
            ("index-root", fixed::INDEX_ROOT),
        ],
    )
}

fn why(word: &str) -> String {
    said(
        word,
        &[
            ("damaged", fixed::ROW_DAMAGED),
            ("of-another", fixed::ROW_OF_ANOTHER),
            ("malformed", fixed::NO_WRAPPED_KEY),
            ("does-not-unwrap", fixed::DOES_NOT_UNWRAP),
            ("no-key-above", fixed::NO_KEY_ABOVE),
            ("no-owner", fixed::NO_OWNER),
        ],
    )
}

/// A word of a newer daemon stands for itself.
fn said(word: &str, known: &[(&str, Pair)]) -> String {
    known.iter().find(|(name, _)| *name == word).map_or_else(|| word.to_owned(), |(_, pair)| pair.to_string())
}
