//! Keys that are being replaced, for eyes.

use crate::desk::answer::{KeysStatus, Project, RewrappedKeys, RewrappingLine};

use super::heads;
use super::say_answer as say;
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
    let trouble = keys.trouble.iter().map(|trouble| (heads::TROUBLE, trouble.clone()));
    rewrapping.chain(trouble).collect()
}
