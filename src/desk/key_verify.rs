//! Verifying the stored keys, page by page: what is asked, and what comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, KeyKind, KeysProved, ProofWanted, Stop, StoredKey, Target, Unproved};
use crate::domain::access::Act;
use crate::domain::refusal::{Code, Refusal};

use super::answer::Done;

/// A page of the stored keys, each unwrapped: that is the proof. Nothing of them is kept.
#[derive(JsonSchema, Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct VerifyKeys {
    /// Those of a project; all without.
    pub project: Option<String>,
    /// What the page before told as `next`.
    pub after: Option<String>,
    /// Keys at most; 1,000 without, and never more.
    pub limit: Option<u32>,
    /// Whether check values are wanted, too: for eyes only.
    #[serde(default)]
    pub kcv: bool,
}

/// What became of a page of keys.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysVerified {
    /// By kind.
    pub keys: Vec<KeysOfKind>,
    /// Keys that were destroyed, KEKs too: there is nothing to unwrap.
    pub destroyed: u64,
    /// Those that are not proved.
    pub failed: Vec<UnprovedKey>,
    /// Check values, where they were wanted.
    pub check_values: Vec<CheckValue>,
    /// How far the page came, in thousandths of the whole: an estimate.
    pub permille: u16,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// How many of one kind.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysOfKind {
    /// `master-key`, `store-key`, `name-key`, `subject-key`, `kek`, `data-key` or `index-root`.
    pub kind: String,
    /// Unwrapped.
    pub proved: u64,
    /// Not.
    pub failed: u64,
}

/// A stored key.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKeyLine {
    /// As in [`KeysOfKind`].
    pub kind: String,
    /// Its project's name, if it has one that is known.
    pub project: Option<String>,
    /// Its object's name, if it has one that is known.
    pub object: Option<String>,
    /// Its version or generation.
    pub version: u32,
}

/// A key that is not proved.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnprovedKey {
    /// Its row's name.
    pub row: String,
    /// Which.
    pub key: StoredKeyLine,
    /// `damaged`, `of-another`, `malformed`, `does-not-unwrap`, `no-key-above` or `no-owner`.
    pub why: String,
}

/// A check value. Another key with the same one takes seconds to find.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckValue {
    /// Of which.
    pub key: StoredKeyLine,
    /// Six hex digits.
    pub kcv: String,
}

impl VerifyKeys {
    pub(super) fn act(&self) -> (Act, Target) {
        (Act::KeyVerify, self.project.clone().map_or(Target::Appliance, Target::Project))
    }

    /// Says to who may not verify all keys that a project's members verify those of theirs.
    pub(super) fn narrower(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Refused(Refusal { code: Code::Forbidden, detail, .. }) if self.project.is_none() => {
                let said = detail.as_deref().unwrap_or(Code::Forbidden.title());
                let how = "A member verifies the keys of its project: gembok key verify --project NAME";
                Refusal::new(Code::Forbidden).detail(format!("{said} {how} (?project=NAME).")).into()
            }
            other => other,
        }
    }

    pub(super) fn perform(self, appliance: &Appliance) -> Result<Done, Stop> {
        let Self { project, after, limit, kcv } = self;
        let wanted = ProofWanted { project, after, limit, kcv };
        Ok(Done::KeysVerified(appliance.unlocked()?.prove_keys(&wanted)?.into()))
    }
}

impl KeysVerified {
    /// Adds the page that follows.
    pub fn add(&mut self, page: Self) {
        let Self { keys, destroyed, failed, check_values, permille, next } = page;
        for of in keys {
            match self.keys.iter_mut().find(|known| known.kind == of.kind) {
                Some(known) => {
                    known.proved += of.proved;
                    known.failed += of.failed;
                }
                None => self.keys.push(of),
            }
        }
        self.destroyed += destroyed;
        self.failed.extend(failed);
        self.check_values.extend(check_values);
        (self.permille, self.next) = (permille, next);
    }
}

impl From<KeysProved> for KeysVerified {
    fn from(page: KeysProved) -> Self {
        let KeysProved { proved, destroyed, failed, kcvs, permille, next } = page;
        let keys = KeyKind::ALL.into_iter().map(|kind| KeysOfKind {
            kind: kind.name().to_owned(),
            proved: proved.get(&kind).copied().unwrap_or(0),
            failed: failed.iter().filter(|one| one.key.kind == kind).count() as u64,
        });
        Self {
            keys: keys.filter(|of| of.proved + of.failed > 0).collect(),
            destroyed,
            failed: failed
                .into_iter()
                .map(|one| UnprovedKey {
                    row: one.row.to_string(),
                    key: one.key.into(),
                    why: said(one.why).to_owned(),
                })
                .collect(),
            check_values: kcvs
                .into_iter()
                .map(|(key, kcv)| CheckValue { key: key.into(), kcv: kcv.to_string() })
                .collect(),
            permille,
            next,
        }
    }
}

impl From<StoredKey> for StoredKeyLine {
    fn from(key: StoredKey) -> Self {
        let StoredKey { kind, project, object, version } = key;
        Self { kind: kind.name().to_owned(), project, object, version }
    }
}

const fn said(why: Unproved) -> &'static str {
    match why {
        Unproved::Damaged => "damaged",
        Unproved::OfAnother => "of-another",
        Unproved::Malformed => "malformed",
        Unproved::DoesNotUnwrap => "does-not-unwrap",
        Unproved::NoKeyAbove => "no-key-above",
        Unproved::NoOwner => "no-owner",
    }
}
