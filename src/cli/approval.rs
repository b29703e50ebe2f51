//! `gembok approval`: what waits for a second person.

use std::fmt::Write;

use clap::Subcommand;

use crate::crypto::algorithm::Algorithm;
use crate::desk::answer::{ApprovalLine, KeyAtStake, KeyVersion, Listed};
use crate::desk::request;

use super::columns::{Table, all};
use super::echoed::word;
use super::heads;
use super::key;
use super::say_answer::{self as say, fixed};
use super::say_key;
use super::words::Pair;

#[derive(Subcommand)]
pub(super) enum Approval {
    /// List what waits, or has waited, for a second person
    List,
    /// Show one of them
    Show { id: String },
    /// Say yes as the second person
    Give { id: String },
    /// Say no as the second person
    Refuse { id: String },
    /// Take back what was asked for
    Withdraw { id: String },
}

impl From<Approval> for request::Request {
    fn from(verb: Approval) -> Self {
        Self::Approval(match verb {
            Approval::List => request::Approval::List,
            Approval::Show { id } => request::Approval::Show { id },
            Approval::Give { id } => request::Approval::Give { id },
            Approval::Refuse { id } => request::Approval::Refuse { id },
            Approval::Withdraw { id } => request::Approval::Withdraw { id },
        })
    }
}

/// A table of approvals.
pub(super) fn list(listed: &[Listed<ApprovalLine>]) -> String {
    let mut table = Table::new([
        heads::APPROVAL,
        heads::STATE,
        heads::WHAT,
        heads::USER,
        heads::PROJECT,
        heads::ASKED_BY,
        heads::ASKED,
        heads::EXPIRES,
        heads::AT_STAKE,
    ]);
    table.rows(all(listed), |line| {
        let ApprovalLine { id, kind, user, project, requester, asked, expires, state, .. } = line;
        let project = format!("{}{}", project.as_deref().unwrap_or_default(), of_key(line));
        [
            id.clone(),
            word(state).to_owned(),
            what(kind).to_owned(),
            user.clone(),
            project,
            requester.clone(),
            asked.clone(),
            expires.clone(),
            line.key.as_ref().map(briefly).unwrap_or_default(),
        ]
    });
    table.text()
}

/// What is asked, in words.
fn what(kind: &str) -> &str {
    match kind {
        "member" => fixed::BECOME_MEMBER.text(),
        "confirmation" => fixed::BE_CONFIRMED.text(),
        "recovery" => fixed::BECOME_ADMIN.text(),
        "destruction" => fixed::DESTROY_KEY.text(),
        other => other,
    }
}

/// What would be lost, in a cell.
fn briefly(at_stake: &KeyAtStake) -> String {
    let KeyAtStake { version, destroyed_at, .. } = at_stake;
    let (state, sealed, opened) = (key::state(version), sealed(version), version.uses.opened);
    match destroyed_at {
        Some(at) => say_key::at_stake(state, sealed, opened, at).into(),
        // It was taken back, or never came to it.
        None => say_key::at_stake_now(state, sealed, opened).into(),
    }
}

/// How much was encrypted; of a leased algorithm only the lease is known, so it was that at most.
fn sealed(version: &KeyVersion) -> String {
    let uses = version.uses.uses;
    let is_leased = version.algorithm.parse::<Algorithm>().is_ok_and(Algorithm::is_leased);
    if is_leased { say_key::at_most(uses).into() } else { uses.to_string() }
}

/// The same, in lines.
fn whole(at_stake: &KeyAtStake) -> Vec<(Pair, String)> {
    let KeyAtStake { version, current, destroyed_at } = at_stake;
    let last =
        |time: &Option<String>| time.clone().unwrap_or_else(|| say_key::fixed::NEVER_YET.text().to_owned());
    let uses = &version.uses;
    let mut lines = vec![(heads::KEY_STATE, key::state(version))];
    lines.extend(current.then(|| (heads::NEWEST, fixed::YES.text().to_owned())));
    lines.extend([
        (heads::CIPHER, version.algorithm.clone()),
        (heads::USES, say_key::made(sealed(version), uses.uses_max, last(&uses.last_sealed)).into()),
        (heads::DECRYPTED, say_key::opened(uses.opened, last(&uses.last_opened)).into()),
        (heads::DEPENDS, say_key::depends(uses.opened_since).into()),
    ]);
    lines.extend(destroyed_at.clone().map(|at| (heads::GOES, at)));
    lines
}

/// Of a destruction, behind its project: the object and the version.
fn of_key(line: &ApprovalLine) -> String {
    match (&line.object, line.version) {
        (Some(object), Some(version)) => format!("/{object} {version}"),
        _ => String::new(),
    }
}

/// One approval.
pub(super) fn one(line: &ApprovalLine) -> String {
    let ApprovalLine {
        id,
        kind,
        user,
        project,
        requester,
        asked,
        expires,
        state,
        decided,
        decided_by,
        credential,
        object,
        version,
        days,
        reason,
        key,
    } = line;
    let mut text = String::from(say::approval(id, word(state), what(kind), user, requester, asked, expires));
    for (name, value) in [
        (heads::IN_PROJECT, project),
        (heads::CREDENTIAL, credential),
        (heads::OF_OBJECT, object),
        (heads::KEY_VERSION, &version.map(|version| version.to_string())),
        (heads::DAYS, &days.map(|days| days.to_string())),
        (heads::WHY, reason),
        (heads::DECIDED, decided),
        (heads::DECIDED_BY, decided_by),
    ] {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{name:<14}{value}");
        }
    }
    for (name, value) in key.iter().flat_map(whole) {
        let _ = write!(text, "\n{name:<14}{value}");
    }
    text
}
