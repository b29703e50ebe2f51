//! Keys that are being replaced, for eyes.

use crate::desk::answer::{
    DestructionsStatus, EscrowStatus, KeysStatus, Project, RewrappedKeys, RewrappingLine, StoreKeyStatus,
};

use super::heads;
use super::say_answer::{self as say, fixed};
use super::say_key;
use super::words::Pair;

/// The version of a project's KEK, and how far its keys are with it.
pub(super) fn kek(project: &Project) -> String {
    let version = project.kek_version;
    match &project.rewrapping {
        None => version.to_string(),
        Some(RewrappedKeys { of: None, .. }) => say::kek_begins(version).into(),
        Some(RewrappedKeys { done, of: Some(of) }) => say::kek_on_its_way(version, done, of).into(),
    }
}

/// How the store key is.
pub(super) fn store_key(key: &StoreKeyStatus) -> String {
    let StoreKeyStatus { generation, coming, waits_for, older, resealed } = key;
    let older = older.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (coming, resealed) {
        (Some(coming), _) => match waits_for.as_deref() {
            Some("escrow-log") => say::store_key_waits_for_log(generation, coming).into(),
            Some("token") => say::store_key_waits_for_token(generation, coming).into(),
            Some("trouble") => say::store_key_stuck(generation, coming).into(),
            _ => say::store_key_coming(generation, coming).into(),
        },
        (None, Some(rows)) => say::store_key_resealing(generation, rows.done, rows.of, older).into(),
        (None, None) if !older.is_empty() => say::store_key_resealing(generation, 0, "?", older).into(),
        (None, None) => say::store_key(generation).into(),
    }
}

/// Whether every key is kept a second time.
fn escrow(how: &EscrowStatus) -> String {
    let EscrowStatus { path, entries, waiting, only_here, same_disk: _, trouble: _ } = how;
    match (path, only_here) {
        (Some(path), _) if *waiting == 0 => say::escrow(entries, path).into(),
        (Some(path), _) => say::escrow_waits(entries, path, waiting).into(),
        (None, Some(count)) => say::no_escrow(count).into(),
        (None, None) => fixed::NO_ESCROW.to_string(),
    }
}

/// Lines of the status.
pub(super) fn lines(keys: &KeysStatus) -> Vec<(Pair, String)> {
    let rewrapping = keys.rewrapping.iter().map(|line| {
        let RewrappingLine { project, keys: RewrappedKeys { done, of } } = line;
        let said = match of {
            Some(of) => say::rewrapping(project, done, of),
            None => say::rewrapping_begins(project),
        };
        (heads::REWRAPPING, said.into())
    });
    let store_key = keys.store_key.iter().map(|key| (heads::STORE_KEY, store_key(key)));
    let trouble = keys.trouble.iter().map(|trouble| (heads::TROUBLE, trouble.clone()));
    let escrow = std::iter::once((heads::ESCROW, escrow(&keys.escrow)));
    let stuck = keys.escrow.trouble.iter().map(|trouble| (heads::TROUBLE, trouble.clone()));
    let same_disk = keys.escrow.same_disk.then(|| (heads::ONE_DISK, fixed::ESCROW_SAME_DISK.to_string()));
    let store_key = store_key.chain(escrow).chain(same_disk).chain(stuck);
    store_key.chain(rewrapping).chain(trouble).collect()
}

/// Lines of the status on keys that are to be destroyed.
pub(super) fn destructions(how: &DestructionsStatus) -> Vec<(Pair, String)> {
    let held = how.held.as_ref().map(|held| match held.as_str() {
        "clock-was-ahead" => say_key::fixed::HELD_AHEAD,
        _ => say_key::fixed::HELD_CLOCK,
    });
    let named = how.next.iter().map(|line| {
        let key = line.object.as_ref().unwrap_or(&line.key_id);
        say_key::doomed(format!("{key} {}", line.version), &line.at).into()
    });
    let mut lines: Vec<String> = named.collect();
    let more = how.count.saturating_sub(how.next.len());
    if more > 0 {
        lines.push(say_key::doomed_more(more).into());
    }
    if !how.whole {
        lines.push(say_key::fixed::NOT_ALL_MET.to_string());
    }
    if how.damaged > 0 {
        lines.push(say_key::doomed_damaged(how.damaged).into());
    }
    if let Some(held) = held.filter(|_| how.count > 0 || !how.whole) {
        lines.push(held.to_string());
    }
    let heads = std::iter::once(heads::DOOMED).chain(std::iter::repeat(Pair::BLANK));
    heads.zip(lines).collect()
}
