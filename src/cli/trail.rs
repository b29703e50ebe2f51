//! The audit trail for eyes.

use crate::desk::answer::AuditPage;

use super::table::aligned;

pub(super) fn text(page: &AuditPage) -> String {
    let left = |cell: &str| (cell.to_owned(), false);
    let mut lines = vec![["SEQUENCE", "TIME", "ACTOR", "ACT", "DETAILS"].map(left).to_vec()];
    for entry in &page.entries {
        let details: Vec<String> =
            entry.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let sequence = entry.sequence.to_string();
        let cells = [&sequence, &entry.time, &entry.actor, &entry.act, &details.join(" ")];
        lines.push(cells.map(|cell| left(cell)).to_vec());
    }
    let more = page.next.map(|next| format!("more: --from {next}\n")).unwrap_or_default();
    let pruned = match page.pruned_to.checked_sub(1) {
        Some(last) => format!("records up to {last} were pruned; exports hold them\n"),
        None => String::new(),
    };
    let damaged = page.damaged.iter().map(|row| {
        format!("DAMAGED {row}: its records cannot be read, and the chain is not proved across it\n")
    });
    aligned(&lines) + &damaged.collect::<String>() + &more + &pruned
}
