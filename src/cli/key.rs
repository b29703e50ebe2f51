//! `gembok key`: versions of objects' keys, and what becomes of them.

use std::fmt::Write;

use clap::{Args, Subcommand};

use crate::desk::answer::{KeyMoveLine, KeyVersion, KeyVersionShown, ObjectLine, WindowsLine};
use crate::desk::request::{self, KeyMoved, KeyVersionOf};
use crate::domain::actor::Actor;
use crate::domain::key_life::KeyState;

use super::columns::{Line, Table};
use super::heads;
use super::key_verify::VerifyWanted;
use super::say_answer::fixed;
use super::say_key as say;
use super::words::Pair;

#[derive(Subcommand)]
pub(super) enum Key {
    /// List the key versions of an object
    List {
        /// The object
        object: String,
        #[arg(long)]
        project: String,
    },
    /// Show a key version whole: its windows, its moves, what to do next
    Show {
        #[command(flatten)]
        of: Of,
    },
    /// Make the next key version of an object, which encrypts from now on; the one before only decrypts
    Rotate {
        /// The object
        object: String,
        #[arg(long)]
        project: String,
        /// xaes-256-gcm, aes-256-gcm, aes-256-gcm-siv or xchacha20-poly1305; that of the version before without
        #[arg(long)]
        algorithm: Option<String>,
        /// Why, in one line; it is recorded
        #[arg(long)]
        reason: Option<String>,
        /// From when on the new version encrypts nothing (RFC 3339)
        #[arg(long, value_name = "TIME")]
        encrypt_until: Option<String>,
        /// From when on it decrypts nothing
        #[arg(long, value_name = "TIME")]
        decrypt_until: Option<String>,
    },
    /// Set until when a key version encrypts and decrypts
    Windows {
        #[command(flatten)]
        of: Of,
        /// From when on it encrypts nothing (RFC 3339), or never
        #[arg(long, value_name = "TIME")]
        encrypt_until: Option<String>,
        /// From when on it decrypts nothing, or never
        #[arg(long, value_name = "TIME")]
        decrypt_until: Option<String>,
        /// Why, in one line; it is recorded
        #[arg(long)]
        reason: String,
    },
    /// Let a key version neither encrypt nor decrypt until it is enabled
    Disable(Moved),
    /// Let a disabled key version do again what it did
    Enable(Moved),
    /// Somebody else may have this key: it encrypts nothing any more, and the next version takes over; said again, why is recorded
    Compromise(Moved),
    /// Ask a second person to let a key version be destroyed; what was encrypted under it is lost then
    ScheduleDestruction {
        #[command(flatten)]
        of: Of,
        /// How long it waits after the second person's yes, 7 to 90; 30 without
        #[arg(long)]
        days: Option<u16>,
        /// Why, in one line; it is recorded, and the second person reads it
        #[arg(long)]
        reason: String,
    },
    /// Take a scheduled destruction back
    CancelDestruction(Moved),
    /// Unwrap every stored key, which proves it, and name those that do not unwrap; nothing is held up meanwhile
    Verify(VerifyWanted),
}

#[derive(Args)]
pub(super) struct Of {
    /// The object
    object: String,
    /// Its number
    version: u32,
    #[arg(long)]
    project: String,
}

#[derive(Args)]
pub(super) struct Moved {
    #[command(flatten)]
    of: Of,
    /// Why, in one line; it is recorded
    #[arg(long)]
    reason: String,
}

impl From<Key> for request::Request {
    fn from(verb: Key) -> Self {
        Self::Key(match verb {
            Key::List { object, project } => request::Key::List { project, object },
            Key::Show { of } => request::Key::Show(of.into()),
            Key::Rotate { object, project, algorithm, reason, encrypt_until, decrypt_until } => {
                request::Key::Rotate { project, object, algorithm, reason, encrypt_until, decrypt_until }
            }
            Key::Windows { of, encrypt_until, decrypt_until, reason } => {
                let KeyVersionOf { project, object, version } = of.into();
                let reason = Some(reason);
                request::Key::Windows { project, object, version, encrypt_until, decrypt_until, reason }
            }
            Key::Disable(moved) => request::Key::Disable(moved.into()),
            Key::Enable(moved) => request::Key::Enable(moved.into()),
            Key::Compromise(moved) => request::Key::Compromise(moved.into()),
            Key::ScheduleDestruction { of, days, reason } => {
                let KeyVersionOf { project, object, version } = of.into();
                let reason = Some(reason);
                request::Key::ScheduleDestruction { project, object, version, days, reason }
            }
            Key::Verify(wanted) => request::Key::Verify((&wanted).into()),
            Key::CancelDestruction(moved) => request::Key::CancelDestruction(moved.into()),
        })
    }
}

impl From<Of> for KeyVersionOf {
    fn from(of: Of) -> Self {
        let Of { object, version, project } = of;
        Self { project, object, version: version.to_string() }
    }
}

impl From<Moved> for KeyMoved {
    fn from(Moved { of, reason }: Moved) -> Self {
        let KeyVersionOf { project, object, version } = of.into();
        Self { project, object, version, reason: Some(reason) }
    }
}

/// How old an object's key may become, where that was said of it, and an empty line.
pub(super) fn age(object: &ObjectLine) -> String {
    match object.rotate_after_days {
        None => String::new(),
        Some(0) => format!("{}\n\n", say::fixed::ANY_AGE),
        Some(1) => format!("{}\n\n", say::fixed::AGE_OF_A_DAY),
        Some(days) => format!("{}\n\n", say::age(days)),
    }
}

/// A table of versions.
pub(super) fn versions<'a>(listed: impl IntoIterator<Item = Line<'a, KeyVersion>>) -> String {
    let mut table = Table::new([
        heads::VERSION,
        heads::ALGORITHM,
        heads::STATE,
        heads::USES_MADE,
        heads::LAST_ENCRYPTED,
        heads::LAST_DECRYPTED,
        heads::OPENED_SINCE,
        heads::WIDTH_16,
        heads::CREATED,
        heads::ENCRYPTS_UNTIL,
        heads::DECRYPTS_UNTIL,
    ]);
    table.rows(listed, |version| {
        [
            version.version.to_string(),
            version.algorithm.clone(),
            state(version),
            version.uses.uses.to_string(),
            version.uses.last_sealed.clone().unwrap_or_default(),
            version.uses.last_opened.clone().unwrap_or_default(),
            version.uses.opened_since.to_string(),
            version.width_16.to_string(),
            version.created.clone(),
            until(version.encrypt_until.as_ref(), version.encrypt_over).unwrap_or_default(),
            until(version.decrypt_until.as_ref(), version.decrypt_over).unwrap_or_default(),
        ]
    });
    table.text()
}

/// Its state, and what that does not tell.
pub(super) fn state(version: &KeyVersion) -> String {
    let mut text = version.state.clone();
    // Writing to a string does not fail.
    if version.compromised && version.state != KeyState::Compromised.name() {
        let _ = write!(text, " ({})", say::fixed::WAS_COMPROMISED);
    }
    if version.worn {
        let _ = write!(text, ", {}", fixed::WORN);
    }
    text
}

/// The end of a window, and whether it is over.
fn until(end: Option<&String>, is_over: bool) -> Option<String> {
    end.map(|end| if is_over { format!("{end} ({})", say::fixed::OVER) } else { end.clone() })
}

/// A move, in a line.
fn moved(line: &KeyMoveLine) -> String {
    let KeyMoveLine { what, state, time, actor, name, asked_by, asked_by_name, reason, windows } = line;
    let mut text = format!("{time}  {what} -> {state}  {}", name.as_ref().unwrap_or(actor));
    if let Some(who) = asked_by_name.as_ref().or(asked_by.as_ref()) {
        let _ = write!(text, ", {}", say::asked_by(who));
    }
    if let Some(WindowsLine { encrypt_until, decrypt_until }) = windows {
        let end = |end: &Option<String>| end.clone().unwrap_or_else(|| say::fixed::NO_END.text().to_owned());
        let _ = write!(text, ", {}", say::windows_set(end(encrypt_until), end(decrypt_until)));
    }
    if let Some(reason) = reason {
        let _ = write!(text, ": {}", why(actor, reason));
    }
    super::table::still(&text)
}

/// Somebody's reason as it was given; the program's own in the language spoken.
fn why<'a>(actor: &str, reason: &'a str) -> &'a str {
    let own = say::BY_ITSELF.iter().filter(|_| actor == Actor::System.to_string());
    own.into_iter().find(|pair| pair.english == reason).map_or(reason, |pair| pair.text())
}

/// One version, whole.
pub(super) fn one(shown: &KeyVersionShown) -> String {
    let KeyVersionShown { version, .. } = shown;
    let mut text = format!("{:<14}{}/{}", heads::OF_OBJECT, shown.project, shown.object);
    let mut line = |name: Pair, value: &str| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name:<14}{value}");
    };
    let number = version.version;
    line(heads::KEY_VERSION, &String::from(say::number(number, &shown.key_id)));
    line(heads::HOW, &state(version));
    if shown.current {
        line(heads::NEWEST, fixed::YES.text());
    }
    line(heads::CIPHER, &version.algorithm);
    line(heads::MADE, &version.created);
    line(heads::USES, &String::from(say::uses(version.uses.uses, shown.uses_max)));
    for (name, value) in
        [(heads::ENCRYPTED, &version.uses.last_sealed), (heads::DECRYPTED, &version.uses.last_opened)]
    {
        if let Some(value) = value {
            line(name, value);
        }
    }
    line(heads::DEPENDS, &String::from(say::depends(version.uses.opened_since)));
    line(heads::KEK_VERSION, &shown.kek_version.to_string());
    let is_awaited = !shown.stands_against.is_empty();
    let unrecoverable = is_awaited.then(|| say::fixed::NOT_YET.text().to_owned());
    for (name, value) in [
        (heads::ENCRYPTS, until(version.encrypt_until.as_ref(), version.encrypt_over)),
        (heads::DECRYPTS, until(version.decrypt_until.as_ref(), version.decrypt_over)),
        (heads::DESTROYS, version.destroy_at.clone()),
        (heads::DESTROYED, shown.destroyed.clone()),
        (heads::UNRECOVERABLE, shown.unrecoverable.clone().or(unrecoverable)),
    ] {
        if let Some(value) = value {
            line(name, &value);
        }
    }
    for stands in &shown.stands_against {
        let what = match (stands.what.as_str(), stands.number) {
            ("kek-version", Some(number)) => say::kek_stands(number).into(),
            ("kept-file", _) => say::fixed::KEPT_FILE_STANDS.to_string(),
            (_, Some(number)) => say::master_key_stands(number).into(),
            (_, None) => say::fixed::FILE_STANDS.to_string(),
        };
        line(Pair::BLANK, &what);
    }
    for one in &shown.moves {
        line(heads::MOVE, &moved(one));
    }
    for (place, word) in (1..).zip(&shown.next) {
        let whose = if shown.next_of_members.contains(word) { say::fixed::OF_MEMBERS.text() } else { "" };
        line(heads::NEXT, &format!("{place}. {}{whose}", next(word, version)));
    }
    text
}

/// What to do, in a sentence.
fn next<'a>(word: &'a str, version: &KeyVersion) -> &'a str {
    match word {
        "enable" if version.compromised => say::fixed::ENABLE_FIRST.text(),
        "windows" => say::fixed::WINDOW_FIRST.text(),
        "rotate" => say::fixed::ROTATE.text(),
        "reencrypt" => say::fixed::REENCRYPT.text(),
        "look-what-depends" => say::fixed::LOOK.text(),
        "schedule-destruction" => say::fixed::SCHEDULE.text(),
        "enable" => say::fixed::ENABLE.text(),
        "cancel-destruction" => say::fixed::CANCEL.text(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::key_due::Due;
    use crate::domain::key_move::WAITED_WHY;

    use super::*;

    #[test]
    fn every_reason_of_the_programs_own_is_in_the_catalogue() {
        let due = [Due::Age, Due::Uses, Due::Window, Due::Compromised].map(Due::why);
        for reason in due.into_iter().chain([WAITED_WHY]) {
            assert!(say::BY_ITSELF.iter().any(|pair| pair.english == reason), "{reason}");
        }
    }
}
