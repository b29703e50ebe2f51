//! People, and what access policies say of an act, for eyes.

use std::fmt::Write;

use crate::desk::answer::{Account, Explained, MemberLine};

use super::columns::{Line, Table};

pub(super) fn users<'a>(listed: impl IntoIterator<Item = Line<'a, Account>>) -> String {
    let mut table = Table::new(["USER", "ROLE", "ID", "CREATED", "DISABLED", "UNCONFIRMED"]);
    table.rows(listed, |Account { id, name, role, created, disabled, unconfirmed }| {
        let [disabled, unconfirmed] = [disabled, unconfirmed].map(|since| since.clone().unwrap_or_default());
        [name.clone(), role.clone(), id.clone(), created.clone(), disabled, unconfirmed]
    });
    table.text()
}

pub(super) fn members<'a>(listed: impl IntoIterator<Item = Line<'a, MemberLine>>) -> String {
    let mut table = Table::new(["USER", "ID", "MEMBER SINCE", "DISABLED"]);
    table.rows(listed, |MemberLine { id, name, since, disabled }| {
        [name.clone(), id.clone(), since.clone(), disabled.clone().unwrap_or_default()]
    });
    table.text()
}

/// The answer first, then the rules, then what else stands in the way.
pub(super) fn explanation(explained: &Explained) -> String {
    let Explained { allowed, rules, broken, but } = explained;
    let mut text =
        if *allowed { "allowed by the access policies" } else { "denied by the access policies" }.to_owned();
    let mut line = |head: &str, said: &str| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{head:<9}{said}");
    };
    for rule in rules {
        line(&rule.effect, &format!("{}: {}", rule.id, rule.why));
    }
    for id in broken {
        line("broken", &format!("{id}: it cannot be evaluated, so it denies"));
    }
    if rules.is_empty() && broken.is_empty() {
        line("", "no rule permits it");
    }
    for why in but {
        line("but", why);
    }
    text
}
