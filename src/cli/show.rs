//! Answers for eyes: sentences and tables.

use std::fmt::Write;

use crate::desk::answer::{
    AccountShown, Budget, Certificate, CertificatesRevoked, Compacted, Done, Endpoint, ExportKept, Grant,
    Initialised, Issued, Object, ObjectLine, Page, Project, ProjectShown, Pruned, Status, Unlocked,
};

use super::api_key;
use super::approval;
use super::columns::{Line, Table, all};
use super::endpoint_shown;
use super::roll_ca;
use super::schema;
use super::server_names;
use super::session;
use super::show_people::{explanation, members, users};
use super::statistics;
use super::subject;
use super::trail;

/// What an answer shows.
pub(super) fn text(done: &Done) -> String {
    match done {
        Done::ApiKeyMade(made) => format!(
            "{}\n{}\nIt is shown this once and kept nowhere: store it now.",
            api_key::table([Ok(&made.api_key)]),
            made.text.expose()
        ),
        Done::ApiKeys(page) => whole(page, api_key::table(all(&page.items))),
        Done::ApiKey(shown) => api_key::table([Ok(&**shown)]),
        Done::ApiKeyRotated(rotated) => format!(
            "{}\n{}\nIt is shown this once and kept nowhere: store it now.",
            api_key::table([Ok(&rotated.api_key), Ok(&rotated.replaced)]),
            rotated.text.expose()
        ),
        Done::EndpointShown(shown) => endpoint_shown::text(shown),
        Done::Networks(networks) => endpoint_shown::networks(networks),
        Done::Approval(line) => approval::one(line),
        Done::Approvals(listed) => approval::list(&listed.items),
        Done::Audit(page) => trail::text(page),
        Done::Budgets(listed) => budgets(listed),
        Done::CheckpointKeys(keys) => {
            let shown = keys.iter().map(|key| format!("fingerprint {}\n{}", key.fingerprint, key.pem));
            shown.collect::<Vec<_>>().join("\n")
        }
        Done::ExportBegun(_) | Done::ExportEnded(_) => "an export".into(),
        Done::ExportKept(ExportKept { prunable_to }) => match prunable_to.checked_sub(1) {
            Some(last) => format!("kept: records up to {last} are exported and may be pruned"),
            None => "kept: no records may be pruned yet".into(),
        },
        Done::Pruned(Pruned { from, to, blocks }) => {
            format!("pruned: records {from} to {}, in {blocks} blocks", to.saturating_sub(1))
        }
        Done::Ca(shown) => roll_ca::text(shown),
        Done::CertificateIssued(Issued { spki, not_after, .. }) => {
            format!("certificate {spki}\nvalid until {not_after}")
        }
        Done::CertificateEnrolled(enrolled) => certificates([Ok(enrolled)]),
        Done::Certificates(page) => whole(page, certificates(all(&page.items))),
        Done::CertificatesRevoked(revoked) => certificates_revoked(revoked),
        Done::Changed => "done".into(),
        Done::Compacted(Compacted { before_bytes, after_bytes }) => {
            format!("before        {before_bytes} bytes\nafter         {after_bytes} bytes")
        }
        Done::Endpoint(endpoint) => endpoints([Ok(endpoint)]),
        Done::Link(link) => session::link(link),
        Done::Sessions(sessions) => session::list(sessions),
        Done::Endpoints(page) => whole(page, endpoints(all(&page.items))),
        Done::Grants(page) => whole(page, grants(all(&page.items))),
        Done::Initialised(made) => initialised(made),
        Done::Object(Object { object, versions }) => {
            let mut table =
                Table::new(["VERSION", "ALGORITHM", "STATE", "USES RESERVED", "WIDTH OF 16 BYTES"]);
            table.rows(all(versions), |version| {
                [
                    version.version.to_string(),
                    version.algorithm.clone(),
                    if version.worn { format!("{}, WORN", version.state) } else { version.state.clone() },
                    version.uses_reserved.to_string(),
                    version.width_16.to_string(),
                ]
            });
            format!("{}\n{}", objects([Ok(object)]), table.text())
        }
        Done::Objects(page) => whole(page, objects(all(&page.items))),
        Done::FrozenSubjects(page) => whole(page, subject::frozen(&page.items)),
        Done::SubjectChanged(what) => subject::changed(what),
        Done::Report(report) => report.csv(),
        Done::Schema(declared) => schema::text(declared),
        Done::Project(project) => projects([Ok(project)]),
        Done::ProjectShown(ProjectShown { project, objects: shown, endpoints: enrolled }) => {
            let shown = shown.as_ref().map(|shown| format!("\nobjects\n{}", objects(all(shown))));
            let enrolled = enrolled.as_ref().map(|all_of| format!("\nendpoints\n{}", endpoints(all(all_of))));
            [projects([Ok(project)]), shown.unwrap_or_default(), enrolled.unwrap_or_default()].concat()
        }
        Done::Projects(page) => whole(page, projects(all(&page.items))),
        Done::Statistics(found) => statistics::text(found),
        Done::ServerNames(names) => server_names::text(names),
        Done::Status(how) => status(how),
        Done::Explained(explained) => explanation(explained),
        Done::Members(page) => whole(page, members(all(&page.items))),
        Done::User(user) => users([Ok(user)]),
        Done::UserShown(AccountShown { user, projects, certificates: enrolled }) => format!(
            "{}\nprojects\n{}\n\ncertificates\n{}",
            users([Ok(user)]),
            projects.join("\n"),
            certificates(enrolled.iter().map(Ok))
        ),
        Done::Users(page) => whole(page, users(all(&page.items))),
        Done::Unlocked(Unlocked { next }) => format!("unlocked\n{}", next.join("\n")),
    }
}

fn initialised(made: &Initialised) -> String {
    format!(
        "appliance     {}\ntoken         {}\nmaster key    KCV {} (for eyes only)\nadmin         certificate {}, valid until {}\n\
         This is a sandbox: one person made its keys. Never put real data under them.",
        made.id, made.token_serial, made.kcv, made.admin.spki, made.admin.not_after
    )
}

fn status(how: &Status) -> String {
    let mut text = format!("state         {}", how.state);
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name:<14}{value}");
    };
    if let Some(reason) = &how.reason {
        line("why", reason.clone());
    }
    if how.sandbox {
        line("sandbox", "yes: never put real data under its keys".into());
    }
    if let Some(token) = &how.token {
        let presence = if token.present { "present" } else { "AWAY" };
        let (generation, kcv) = (token.master_key_generation, &token.kcv);
        line("token", format!("{presence}, serial {}", token.serial));
        if let Some(trouble) = &token.trouble {
            line("", trouble.clone());
        }
        line("master key", format!("generation {generation}, KCV {kcv} (for eyes only)"));
    }
    if let Some(journal) = &how.journal {
        let (epoch, next, last) = (journal.epoch, journal.next_sequence, &journal.last_block);
        line("journal", format!("epoch {epoch}, next record {next}, last block {last}"));
        if let Some(trouble) = &journal.trouble {
            line("TROUBLE", trouble.clone());
        }
        if journal.unrecorded > 0 {
            line("unrecorded", format!("{} records found no place", journal.unrecorded));
        }
        if let (Some(free), Some(reserve)) = (journal.disk_free_bytes, journal.disk_reserve_bytes) {
            line("disk", format!("{} MiB free, {} MiB of it reserve", free >> 20, reserve >> 20));
        }
    }
    if let Some(clock) = &how.clock {
        line("clock", clock.clone());
    }
    if let Some(witness) = &how.witness {
        line("signed by", witness.checkpoint_key.clone());
        if let (Some(sequence), Some(time)) = (witness.checkpoint_sequence, &witness.checkpoint_time) {
            line("checkpoint", format!("up to record {sequence}, signed {time}"));
        }
        if let (Some(since), Some(trouble)) = (&witness.failing_since, &witness.trouble) {
            line("UNWITNESSED", format!("since {since}: {trouble}"));
        }
    }
    line("data keys", format!("{} in memory", how.data_keys));
    line("refused", format!("{} requests while locked", how.refused_locked));
    for budget in &how.strained_budgets {
        let (of, used, size) = (&budget.of, budget.used, budget.fields_per_day);
        line("BUDGET", format!("{of} has decrypted {used} of {size} fields in 24 hours"));
    }
    for worn in &how.worn_keys {
        let (key, uses, most) = (&worn.key, worn.uses, worn.uses_max);
        line("WORN", format!("{key} has {uses} of {most} uses; rotate it"));
    }
    if let Some(old) = how.ca.as_ref().and_then(|ca| ca.retiring.as_ref()) {
        let (until, left) = (&old.until, old.certificates);
        line("CA ROLL", format!("until {until}; {left} certificates hang on the old CA"));
    }
    for ending in &how.expiring {
        let whose =
            ending.name.as_ref().map_or_else(|| ending.of.clone(), |name| format!("{name} ({})", ending.of));
        let ends = if ending.mark_days == 0 { "ended" } else { "ends" };
        let (days, when, hint) = (ending.days_left, &ending.not_after, &ending.hint);
        let days = if days >= 0 { format!(", {days} days left") } else { String::new() };
        line("EXPIRY", format!("{whose} {ends} {when}{days}: {hint}"));
    }
    line("memory", how.memory.clone());
    text
}

fn projects<'a>(listed: impl IntoIterator<Item = Line<'a, Project>>) -> String {
    let mut table = Table::new(["PROJECT", "ID", "CREATED", "RETIRED", "DESCRIPTION"]);
    table.rows(listed, |Project { id, name, created, retired, description }| {
        let [retired, description] = [retired, description].map(|text| text.clone().unwrap_or_default());
        [name.clone(), id.clone(), created.clone(), retired, description]
    });
    table.text()
}

fn objects<'a>(listed: impl IntoIterator<Item = Line<'a, ObjectLine>>) -> String {
    let mut table = Table::new([
        "OBJECT",
        "ID",
        "KEY ID",
        "CURRENT",
        "SUBJECT",
        "REQUIRED CONTEXT",
        "CREATED",
        "RETIRED",
        "DESCRIPTION",
    ]);
    table.rows(listed, |object| {
        [
            object.name.clone(),
            object.id.clone(),
            object.key_id.clone(),
            object.current_version.to_string(),
            object.subject.clone().unwrap_or_default(),
            object.required_context.join(","),
            object.created.clone(),
            object.retired.clone().unwrap_or_default(),
            object.description.clone().unwrap_or_default(),
        ]
    });
    table.text()
}

pub(super) fn endpoints<'a>(listed: impl IntoIterator<Item = Line<'a, Endpoint>>) -> String {
    let mut table =
        Table::new(["ENDPOINT", "ID", "CREATED", "REVOKED", "DISABLED", "RETIRED", "DESCRIPTION"]);
    table.rows(listed, |Endpoint { id, name, created, revoked, disabled, retired, description }| {
        let [revoked, disabled, retired, description] =
            [revoked, disabled, retired, description].map(|text| text.clone().unwrap_or_default());
        [name.clone(), id.clone(), created.clone(), revoked, disabled, retired, description]
    });
    table.text()
}

fn grants<'a>(listed: impl IntoIterator<Item = Line<'a, Grant>>) -> String {
    let mut table = Table::new(["OBJECT", "OPERATION"]);
    table.rows(listed, |Grant { object, operation }| [object.clone(), operation.clone()]);
    table.text()
}

pub(super) fn budgets(listed: &[Budget]) -> String {
    let mut table = Table::new(["OF", "NAME", "FIELDS IN 24 H", "USED", "OWN", "RAISED UNTIL"]);
    for budget in listed {
        table.row([
            budget.of.clone(),
            budget.name.clone(),
            budget.fields_per_day.to_string(),
            budget.used.to_string(),
            budget.own_fields_per_day.map_or_else(|| "policy's".into(), |fields| fields.to_string()),
            budget.raised_until.clone().unwrap_or_default(),
        ]);
    }
    table.text()
}

pub(super) fn certificates<'a>(listed: impl IntoIterator<Item = Line<'a, Certificate>>) -> String {
    let mut table =
        Table::new(["IDENTITY", "VALID UNTIL", "REVOKED", "PUBLIC KEY", "RENEWED FROM", "SIGNED BY"]);
    table.rows(listed, |Certificate { spki, identity, not_after, revoked, renewed_from, generation }| {
        // Enough to find it in the column before.
        let from = renewed_from.as_deref().and_then(|spki| spki.get(..16)).unwrap_or_default();
        [
            identity.clone(),
            not_after.clone(),
            revoked.clone().unwrap_or_default(),
            spki.clone(),
            from.to_owned(),
            generation.map_or_else(|| "outside".into(), |generation| format!("CA {generation}")),
        ]
    });
    table.text()
}

fn certificates_revoked(withdrawn: &CertificatesRevoked) -> String {
    let CertificatesRevoked { revoked, left, renewed_from } = withdrawn;
    let mut lines: Vec<String> = revoked.iter().map(|spki| format!("revoked       {spki}")).collect();
    lines.extend(left.iter().map(|spki| {
        format!("STILL COUNTS  {spki}, renewed from it; revoke it too unless you know who holds it")
    }));
    lines.extend(renewed_from.iter().map(|spki| {
        format!("STILL COUNTS  {spki}, the one it was renewed from; revoke it if that was not its owner")
    }));
    if lines.is_empty() { "done: it was revoked before".into() } else { lines.join("\n") }
}

/// A page's entries, and how to see the next.
fn whole<T>(page: &Page<T>, mut entries: String) -> String {
    if let Some(next) = &page.next {
        // Writing to a string does not fail.
        let _ = writeln!(entries, "There are more: --after {next}");
    }
    entries
}
