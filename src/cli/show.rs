//! Answers for eyes: sentences and tables.

use std::fmt::Write;

use crate::desk::answer::{
    AccountShown, Budget, Certificate, CertificatesRevoked, ClockStatus, Compacted, Done, Endpoint,
    ExportKept, Grant, Initialised, Issued, Object, ObjectLine, Page, Project, ProjectShown, Pruned, Status,
    Unlocked,
};

use super::api_key;
use super::approval;
use super::columns::{Line, Table, all};
use super::echoed::{echoed, word};
use super::endpoint_shown;
use super::heads;
use super::key;
use super::key_verify;
use super::keys;
use super::roll_ca;
use super::say_answer::{self as say, fixed};
use super::say_key;
use super::schema;
use super::server_names;
use super::session;
use super::show_people::{explanation, members, users};
use super::show_roots::roots;
use super::statistics;
use super::subject;
use super::trail;
use super::words::Pair;

/// What an answer shows.
pub(super) fn text(done: &Done) -> String {
    match done {
        Done::ApiKeyMade(made) => {
            format!("{}\n{}\n{}", api_key::table([Ok(&made.api_key)]), made.text.expose(), fixed::SHOWN_ONCE)
        }
        Done::ApiKeys(page) => whole(page, api_key::table(all(&page.items))),
        Done::ApiKey(shown) => api_key::table([Ok(&**shown)]),
        Done::ApiKeyShown(whole) => api_key::whole(whole),
        Done::ApiKeyRotated(rotated) => format!(
            "{}\n{}\n{}",
            api_key::table([Ok(&rotated.api_key), Ok(&rotated.replaced)]),
            rotated.text.expose(),
            fixed::SHOWN_ONCE
        ),
        Done::EndpointShown(shown) => endpoint_shown::text(shown),
        Done::Networks(networks) => endpoint_shown::networks(networks),
        Done::Approval(line) => approval::one(line),
        Done::Approvals(listed) => approval::list(&listed.items),
        Done::Audit(page) => trail::text(page),
        Done::Budgets(listed) => budgets(listed),
        Done::CheckpointKeys(keys) => {
            let shown = keys.iter().map(|key| say::fingerprint(&key.fingerprint, &key.pem).into());
            shown.collect::<Vec<String>>().join("\n")
        }
        Done::ExportBegun(_) | Done::ExportEnded(_) => fixed::EXPORT.to_string(),
        Done::ExportKept(ExportKept { prunable_to }) => match prunable_to.checked_sub(1) {
            Some(last) => say::kept(last).into(),
            None => fixed::KEPT_ALL.to_string(),
        },
        Done::Pruned(Pruned { from, to, blocks }) => say::pruned(from, to.saturating_sub(1), blocks).into(),
        Done::Ca(shown) => roll_ca::text(shown),
        Done::CertificateIssued(Issued { spki, not_after, .. }) => say::issued(spki, not_after).into(),
        Done::CertificateEnrolled(enrolled) => certificates([Ok(enrolled)]),
        Done::Certificates(page) => whole(page, certificates(all(&page.items))),
        Done::CertificatesRevoked(revoked) => certificates_revoked(revoked),
        Done::Changed => fixed::DONE.to_string(),
        Done::Compacted(Compacted { before_bytes, after_bytes }) => {
            say::compacted(before_bytes, after_bytes).into()
        }
        Done::Endpoint(endpoint) => endpoints([Ok(endpoint)]),
        Done::KeyVersion(shown) => key::one(shown),
        Done::KeyVersions(page) => whole(page, key::versions(all(&page.items))),
        Done::KeysVerified(verified) => key_verify::text(verified),
        Done::Link(link) => session::link(link),
        Done::Sessions(sessions) => session::list(sessions),
        Done::Endpoints(page) => whole(page, endpoints(all(&page.items))),
        Done::Grants(page) => whole(page, grants(all(&page.items))),
        Done::Initialised(made) => initialised(made),
        Done::Object(Object { object, versions, index_roots }) => {
            let (line, age, roots) = (objects([Ok(object)]), key::age(object), roots(index_roots));
            format!("{line}\n{age}{}{roots}", key::versions(all(versions)))
        }
        Done::Objects(page) => whole(page, objects(all(&page.items))),
        Done::FrozenSubjects(page) => whole(page, subject::frozen(&page.items)),
        Done::SubjectChanged(what) => subject::changed(what),
        Done::Report(report) => report.csv(),
        Done::Schema(declared) => schema::text(declared),
        Done::Project(project) => projects([Ok(project)]),
        Done::ProjectShown(shown) => project_shown(shown),
        Done::Projects(page) => whole(page, projects(all(&page.items))),
        Done::Statistics(found) => statistics::text(found),
        Done::ServerNames(names) => server_names::text(names),
        Done::StoreKey(key) => keys::store_key(key),
        Done::Status(how) => status(how),
        Done::Explained(explained) => explanation(explained),
        Done::Members(page) => whole(page, members(all(&page.items))),
        Done::User(user) => users([Ok(user)]),
        Done::UserShown(AccountShown { user, projects, certificates: enrolled }) => format!(
            "{}\n{}\n{}\n\n{}\n{}",
            users([Ok(user)]),
            fixed::PROJECTS,
            projects.join("\n"),
            fixed::CERTIFICATES,
            certificates(enrolled.iter().map(Ok))
        ),
        Done::Users(page) => whole(page, users(all(&page.items))),
        Done::Unlocked(Unlocked { next }) => format!("{}\n{}", fixed::UNLOCKED, next.join("\n")),
    }
}

fn project_shown(shown: &ProjectShown) -> String {
    let mut text = projects([Ok(&shown.project)]);
    let mut list = |head: Pair, lines: Option<String>, more: Option<Pair>| {
        let Some(lines) = lines else { return };
        // Writing to a string does not fail.
        let _ = write!(text, "\n{head}\n{lines}");
        if let Some(more) = more {
            let _ = writeln!(text, "{more}");
        }
    };
    let of_objects = shown.objects.as_ref().map(|shown| objects(all(shown)));
    list(fixed::OBJECTS, of_objects, shown.more_objects.then_some(fixed::MORE_OBJECTS));
    let of_endpoints = shown.endpoints.as_ref().map(|shown| endpoints(all(shown)));
    list(fixed::ENDPOINTS, of_endpoints, shown.more_endpoints.then_some(fixed::MORE_ENDPOINTS));
    text
}

fn initialised(made: &Initialised) -> String {
    let Initialised { id, token_serial, kcv, admin } = made;
    say::initialised(id, token_serial, kcv, &admin.spki, &admin.not_after).into()
}

/// What is thought of the clock; in the daemon's own words what is not known here.
fn clock(how: &Status) -> Option<String> {
    let ClockStatus { verdict, shows, known } = how.clock_verdict.as_ref()?;
    Some(match (verdict.as_str(), shows, known) {
        ("trusted", ..) => fixed::CLOCK_TRUSTED.to_string(),
        ("behind", Some(shows), Some(known)) => say::clock_behind(shows, known).into(),
        ("jumped", Some(shows), Some(known)) => say::clock_jumped(shows, known).into(),
        ("lost", Some(shows), Some(known)) => say::clock_lost(shows, known).into(),
        _ => how.clock.clone()?,
    })
}

fn status(how: &Status) -> String {
    let mut text = format!("{:<14}{}", heads::HOW, word(&how.state));
    let mut line = |name: Pair, value: String| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name:<14}{value}");
    };
    if let Some(reason) = &how.reason {
        line(heads::WHY, reason.clone());
    }
    if how.sandbox {
        line(heads::SANDBOX, fixed::SANDBOX_WARNING.to_string());
    }
    if let Some(token) = &how.token {
        let presence = if token.present { fixed::PRESENT } else { fixed::AWAY };
        let (generation, kcv) = (token.master_key_generation, &token.kcv);
        line(heads::TOKEN, say::serial(presence, &token.serial).into());
        if let Some(trouble) = &token.trouble {
            line(Pair::BLANK, trouble.clone());
        }
        line(heads::MASTER_KEY, say::master_key(generation, kcv).into());
    }
    if let Some(journal) = &how.journal {
        let (epoch, next, last) = (journal.epoch, journal.next_sequence, &journal.last_block);
        line(heads::JOURNAL, say::journal(epoch, next, last).into());
        if let Some(trouble) = &journal.trouble {
            line(heads::TROUBLE, trouble.clone());
        }
        if journal.unrecorded > 0 {
            line(heads::UNRECORDED, say::unrecorded(journal.unrecorded).into());
        }
        if let (Some(free), Some(reserve)) = (journal.disk_free_bytes, journal.disk_reserve_bytes) {
            line(heads::DISK, say::disk(free >> 20, reserve >> 20).into());
        }
    }
    if let Some(path) = &how.kept_file {
        line(heads::KEPT_FILE, say::kept_file(path).into());
    }
    if let Some(verdict) = clock(how) {
        line(heads::CLOCK, verdict);
    }
    if let Some(witness) = &how.witness {
        line(heads::SIGNED, witness.checkpoint_key.clone());
        if let (Some(sequence), Some(time)) = (witness.checkpoint_sequence, &witness.checkpoint_time) {
            line(heads::CHECKPOINT, say::signed_to(sequence, time).into());
        }
        if let (Some(since), Some(trouble)) = (&witness.failing_since, &witness.trouble) {
            line(heads::UNWITNESSED, say::since(since, trouble).into());
        }
    }
    line(heads::DATA_KEYS, say::data_keys(how.data_keys).into());
    line(heads::TURNED_AWAY, say::refused_locked(how.refused_locked).into());
    for budget in &how.strained_budgets {
        let (of, used, size) = (whose(&budget.of), budget.used, budget.fields_per_day);
        line(heads::BUDGET, say::strained(of, used, size).into());
    }
    for worn in &how.worn_keys {
        let (key, uses, most) = (&worn.key, worn.uses, worn.uses_max);
        line(heads::WORN, say::worn(key, uses, most).into());
    }
    for (name, value) in how.keys.iter().flat_map(keys::lines) {
        line(name, value);
    }
    for due in &how.due_keys {
        let why = match due.why.as_str() {
            "age" => say_key::fixed::DUE_AGE,
            "uses" => say_key::fixed::DUE_USES,
            "window" => say_key::fixed::DUE_WINDOW,
            _ => say_key::fixed::DUE_COMPROMISED,
        };
        line(heads::DUE, say_key::due(&due.key, why).into());
    }
    for (name, value) in how.destructions.iter().flat_map(keys::destructions) {
        line(name, value);
    }
    for under_way in &how.recoveries {
        let (user, asked, approval) = (&under_way.user, &under_way.asked, &under_way.approval);
        let said = match &under_way.held_until {
            Some(until) => say::recovery_approved(user, until, approval),
            None => say::recovery_asked(user, asked, approval),
        };
        line(heads::RECOVERY, said.into());
    }
    if let Some(old) = how.ca.as_ref().and_then(|ca| ca.retiring.as_ref()) {
        let (until, left) = (&old.until, old.certificates);
        line(heads::CA_ROLL, say::rolling(until, left).into());
    }
    for ending in &how.expiring {
        let whose =
            ending.name.as_ref().map_or_else(|| ending.of.clone(), |name| format!("{name} ({})", ending.of));
        let ends = if ending.mark_days == 0 { fixed::ENDED } else { fixed::ENDS };
        let (days, when, hint) = (ending.days_left, &ending.not_after, echoed(&ending.hint));
        let days = if days >= 0 { say::days_left(days).into() } else { String::new() };
        line(heads::EXPIRY, format!("{whose} {ends} {when}{days}: {hint}"));
    }
    line(heads::MEMORY, word(&how.memory).to_owned());
    text
}

/// Whose budget it is and of which fields, as the daemon says it, in the language spoken.
fn whose(of: &str) -> String {
    let (who, fields) = of.split_once(", ").map_or((of, None), |(who, fields)| (who, Some(fields)));
    let who = match who.strip_prefix("API key ") {
        Some(id) => say::api_key_named(id).into(),
        None => who.to_owned(),
    };
    let fields = match fields {
        None => return who,
        Some("indexed fields") => fixed::INDEXED_FIELDS.text(),
        Some("fields that did not open") => fixed::MISSED_FIELDS.text(),
        Some(other) => other,
    };
    format!("{who}, {fields}")
}

fn projects<'a>(listed: impl IntoIterator<Item = Line<'a, Project>>) -> String {
    let mut table = Table::new([
        heads::PROJECT,
        heads::ID,
        heads::CREATED,
        heads::KEK,
        heads::RETIRED,
        heads::DESCRIPTION,
    ]);
    table.rows(listed, |project| {
        let Project { id, name, created, retired, description, .. } = project;
        let [retired, description] = [retired, description].map(|text| text.clone().unwrap_or_default());
        [name.clone(), id.clone(), created.clone(), keys::kek(project), retired, description]
    });
    table.text()
}

fn objects<'a>(listed: impl IntoIterator<Item = Line<'a, ObjectLine>>) -> String {
    let mut table = Table::new([
        heads::OBJECT,
        heads::ID,
        heads::KEY_ID,
        heads::CURRENT,
        heads::SUBJECT,
        heads::REQUIRED_CONTEXT,
        heads::CREATED,
        heads::RETIRED,
        heads::DESCRIPTION,
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
    let mut table = Table::new([
        heads::ENDPOINT,
        heads::ID,
        heads::CREATED,
        heads::REVOKED,
        heads::DISABLED,
        heads::RETIRED,
        heads::DESCRIPTION,
    ]);
    table.rows(listed, |Endpoint { id, name, created, revoked, disabled, retired, description }| {
        let [revoked, disabled, retired, description] =
            [revoked, disabled, retired, description].map(|text| text.clone().unwrap_or_default());
        [name.clone(), id.clone(), created.clone(), revoked, disabled, retired, description]
    });
    table.text()
}

fn grants<'a>(listed: impl IntoIterator<Item = Line<'a, Grant>>) -> String {
    let mut table = Table::new([heads::OBJECT, heads::OPERATION]);
    table.rows(listed, |Grant { object, operation }| [object.clone(), operation.clone()]);
    table.text()
}

pub(super) fn budgets(listed: &[Budget]) -> String {
    let mut table = Table::new([
        heads::OF,
        heads::NAME,
        heads::OPERATION,
        heads::FIELDS_IN_24_H,
        heads::USED,
        heads::OWN,
        heads::RAISED_UNTIL,
    ]);
    for budget in listed {
        table.row([
            budget.of.clone(),
            budget.name.clone(),
            budget.operation.clone(),
            budget.fields_per_day.to_string(),
            budget.used.to_string(),
            budget.own_fields_per_day.map_or_else(|| fixed::POLICYS.to_string(), |fields| fields.to_string()),
            budget.raised_until.clone().unwrap_or_default(),
        ]);
    }
    table.text()
}

pub(super) fn certificates<'a>(listed: impl IntoIterator<Item = Line<'a, Certificate>>) -> String {
    let mut table = Table::new([
        heads::IDENTITY,
        heads::VALID_UNTIL,
        heads::REVOKED,
        heads::PUBLIC_KEY,
        heads::RENEWED_FROM,
        heads::SIGNED_BY,
    ]);
    table.rows(listed, |line| {
        let Certificate { spki, identity, not_after, revoked, renewed_from, generation, by_password } = line;
        // Enough to find it in the column before.
        let from = renewed_from.as_deref().and_then(|spki| spki.get(..16));
        let from = from.map_or_else(
            || if *by_password { fixed::A_PASSWORD.to_string() } else { String::new() },
            str::to_owned,
        );
        [
            identity.clone(),
            not_after.clone(),
            revoked.clone().unwrap_or_default(),
            spki.clone(),
            from,
            generation.map_or_else(|| fixed::OUTSIDE.to_string(), |generation| format!("CA {generation}")),
        ]
    });
    table.text()
}

fn certificates_revoked(withdrawn: &CertificatesRevoked) -> String {
    let CertificatesRevoked { revoked, left, renewed_from } = withdrawn;
    let mut lines: Vec<String> = revoked.iter().map(|spki| say::revoked(spki).into()).collect();
    lines.extend(left.iter().map(|spki| String::from(say::counts_descendant(spki))));
    lines.extend(renewed_from.iter().map(|spki| String::from(say::counts_ancestor(spki))));
    if lines.is_empty() { fixed::REVOKED_BEFORE.to_string() } else { lines.join("\n") }
}

/// A page's entries, and how to see the next.
fn whole<T>(page: &Page<T>, mut entries: String) -> String {
    if let Some(next) = &page.next {
        // Writing to a string does not fail.
        let _ = writeln!(entries, "{}", say::more(next));
    }
    entries
}
