//! People, and what access policies say of an act, for eyes.

use std::fmt::Write;

use crate::desk::answer::{Account, Explained, MemberLine};
use crate::desk::report_words::Language;

use super::columns::{Line, Table};
use super::echoed::{echoed, word};
use super::heads;
use super::say_answer::{self as say, fixed};
use super::words::spoken;

pub(super) fn users<'a>(listed: impl IntoIterator<Item = Line<'a, Account>>) -> String {
    let mut table = Table::new([
        heads::USER,
        heads::ROLE,
        heads::ID,
        heads::CREATED,
        heads::DISABLED,
        heads::UNCONFIRMED,
    ]);
    table.rows(listed, |Account { id, name, role, created, disabled, unconfirmed }| {
        let [disabled, unconfirmed] = [disabled, unconfirmed].map(|since| since.clone().unwrap_or_default());
        [name.clone(), role.clone(), id.clone(), created.clone(), disabled, unconfirmed]
    });
    table.text()
}

pub(super) fn members<'a>(listed: impl IntoIterator<Item = Line<'a, MemberLine>>) -> String {
    let mut table = Table::new([heads::USER, heads::ID, heads::MEMBER_SINCE, heads::DISABLED]);
    table.rows(listed, |MemberLine { id, name, since, disabled }| {
        [name.clone(), id.clone(), since.clone(), disabled.clone().unwrap_or_default()]
    });
    table.text()
}

/// The answer first, then the rules, then what else stands in the way.
pub(super) fn explanation(explained: &Explained) -> String {
    let Explained { allowed, rules, broken, but } = explained;
    let mut text = if *allowed { fixed::ALLOWED } else { fixed::DENIED }.to_string();
    let mut line = |head: &str, said: &str| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{head:<9}{said}");
    };
    for rule in rules {
        let alasan = rule.alasan.as_ref().filter(|_| spoken() == Language::Indonesian);
        line(word(&rule.effect), &format!("{}: {}", rule.id, alasan.unwrap_or(&rule.why)));
    }
    for id in broken {
        line(fixed::BROKEN.text(), say::unevaluated(id).as_ref());
    }
    if rules.is_empty() && broken.is_empty() {
        line("", fixed::NO_RULE.text());
    }
    for why in but {
        line(fixed::BUT.text(), &echoed(why));
    }
    text
}
