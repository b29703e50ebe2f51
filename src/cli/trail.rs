//! The audit trail for eyes.

use crate::desk::answer::AuditPage;

use super::heads;
use super::say_answer as say;
use super::table::aligned;
use super::words::Pair;

const COLUMNS: [Pair; 5] = [heads::SEQUENCE, heads::TIME, heads::ACTOR, heads::ACT, heads::DETAILS];

pub(super) fn text(page: &AuditPage) -> String {
    let left = |cell: &str| (cell.to_owned(), false);
    let mut lines = vec![COLUMNS.map(|head| left(head.text())).to_vec()];
    for entry in &page.entries {
        let details: Vec<String> =
            entry.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let sequence = entry.sequence.to_string();
        let cells = [&sequence, &entry.time, &entry.actor, &entry.act, &details.join(" ")];
        lines.push(cells.map(|cell| left(cell)).to_vec());
    }
    let more = page.next.map(|next| format!("{}\n", say::more_records(next))).unwrap_or_default();
    let pruned = match page.pruned_to.checked_sub(1) {
        Some(last) => format!("{}\n", say::records_pruned(last)),
        None => String::new(),
    };
    let damaged = page.damaged.iter().map(|row| format!("{}\n", say::records_damaged(row)));
    aligned(&lines) + &damaged.collect::<String>() + &more + &pruned
}
