//! Proving the stored keys: each is unwrapped by the key above it, for the place it lies at, and forgotten again. That is the
//! proof; a check value is for eyes.
//!
//! It goes page by page. A page holds no lock but its turn, ends after a second or two, and puts nothing into the keyring:
//! a million keys are proved beside whatever else is asked of the appliance, one call to the token at a time.

use std::collections::HashMap;
use std::time::Duration;

use crate::crypto::kcv::Kcv;
use crate::domain::refusal::{Code, Refusal};
use crate::store::RowName;

use super::fault::Stop;
use super::operational::Operational;
use super::proof_page::ProofPage;
use super::proof_place::ProofPlace;
use super::under_kek::{DATA_KEYS, INDEX_ROOTS};

/// Keys of a page at most, and when nothing is said.
pub(super) const PAGE_KEYS_MAX: usize = 1_000;
/// How long a page waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// Which keys are to be proved.
#[derive(Debug, Clone, Default)]
pub struct ProofWanted {
    /// Those of a project, by name; all without.
    pub project: Option<String>,
    /// Where the page before said that this one begins.
    pub after: Option<String>,
    /// Keys at most.
    pub limit: Option<u32>,
    /// Whether check values are wanted, too.
    pub kcv: bool,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// In the token; proved by what it unwraps.
    MasterKey,
    /// Seals the store's records.
    StoreKey,
    /// Makes row keys of names.
    NameKey,
    /// Makes pseudonyms of subjects.
    SubjectKey,
    /// Wraps the data keys and index roots of a project.
    Kek,
    /// Seals fields.
    DataKey,
    /// Makes index values.
    IndexRoot,
}

impl KeyKind {
    /// All of them, from the top down.
    pub const ALL: [Self; 7] = [
        Self::MasterKey,
        Self::StoreKey,
        Self::NameKey,
        Self::SubjectKey,
        Self::Kek,
        Self::DataKey,
        Self::IndexRoot,
    ];

    /// The word in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MasterKey => "master-key",
            Self::StoreKey => "store-key",
            Self::NameKey => "name-key",
            Self::SubjectKey => "subject-key",
            Self::Kek => "kek",
            Self::DataKey => "data-key",
            Self::IndexRoot => "index-root",
        }
    }
}

/// A stored key, as people find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// What it is for.
    pub kind: KeyKind,
    /// Its project's name, if it has one that is known.
    pub project: Option<String>,
    /// Its object's name, if it has one that is known.
    pub object: Option<String>,
    /// Its version or generation.
    pub version: u32,
}

/// Why a key is not proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproved {
    /// Its row does not open.
    Damaged,
    /// Its row speaks of another key than lies there.
    OfAnother,
    /// What is stored is no wrapped key.
    Malformed,
    /// The key above does not open it for this place.
    DoesNotUnwrap,
    /// The key above is not there, or is not proved itself.
    NoKeyAbove,
    /// Nobody knows whose it is: its object or project does not read.
    NoOwner,
}

/// A key that is not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedKey {
    /// Its row.
    pub row: RowName,
    /// Which.
    pub key: StoredKey,
    /// Why.
    pub why: Unproved,
}

/// A page of the proof.
#[derive(Debug, Default)]
pub struct KeysProved {
    /// Keys that were unwrapped, by kind.
    pub proved: HashMap<KeyKind, u64>,
    /// Keys that were destroyed, KEKs too: there is nothing to unwrap.
    pub destroyed: u64,
    /// The others, by name.
    pub failed: Vec<FailedKey>,
    /// Check values of those proved, where they were wanted.
    pub kcvs: Vec<(StoredKey, Kcv)>,
    /// How far the page came, in thousandths of the whole: an estimate, for eyes.
    pub permille: u16,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

impl Operational {
    /// Proves the next page of the stored keys. Blocks.
    ///
    /// # Errors
    /// `not-found` for the project; `bad-request` for what is no cursor; `too-many-in-flight` while others take all turns;
    /// `token-away`.
    pub fn prove_keys(&self, wanted: &ProofWanted) -> Result<KeysProved, Stop> {
        let place = match &wanted.after {
            Some(text) => ProofPlace::parse(text).ok_or_else(|| {
                Refusal::new(Code::BadRequest).detail("after is a place among the keys, as next told it.")
            })?,
            None if wanted.project.is_some() => ProofPlace::Keks(Vec::new()),
            None => ProofPlace::Boot,
        };
        let project = wanted.project.as_deref().map(|name| self.project_named(name)).transpose()?;
        let _turn = self.proving.try_lock_for(TURN_WAIT).ok_or_else(|| {
            Refusal::new(Code::TooManyInFlight).detail("Others have their keys verified; try again shortly.")
        })?;
        let limit = wanted.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_KEYS_MAX);
        let mut page = ProofPage::begin(self, limit.clamp(1, PAGE_KEYS_MAX), wanted.kcv);
        let next = match (place, &project) {
            (ProofPlace::Boot, _) => page.boot(&self.store.boot()?)?,
            (ProofPlace::Keks(after), of) => page.keks(after, of.as_ref())?,
            (ProofPlace::KeyVersions(after), None) => match page.under_kek(&DATA_KEYS, after)? {
                Some(after) => Some(ProofPlace::KeyVersions(after)),
                None => Some(ProofPlace::IndexRoots(Vec::new())),
            },
            (ProofPlace::IndexRoots(after), None) => {
                page.under_kek(&INDEX_ROOTS, after)?.map(ProofPlace::IndexRoots)
            }
            (ProofPlace::Objects(after), Some(of)) => page.objects(after, of)?,
            // A cursor of another question.
            (ProofPlace::KeyVersions(_) | ProofPlace::IndexRoots(_) | ProofPlace::Objects(_), _) => {
                return Err(Refusal::new(Code::BadRequest)
                    .detail("after is of a verification with another project, or without one.")
                    .into());
            }
        };
        page.done.permille = next.as_ref().map_or(1_000, ProofPlace::permille);
        page.done.next = next.map(|place| place.to_string());
        Ok(page.done)
    }
}
