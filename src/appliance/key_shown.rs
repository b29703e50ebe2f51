//! One key version, whole: how it stands, how it came there, what stands against its end, and what to do next.

use crate::domain::id::ProjectId;
use crate::domain::key_life::Gone;
use crate::domain::key_life::KeyState;
use crate::domain::key_move::Move;
use crate::domain::key_version::KeyVersion;
use crate::domain::project::Kek;
use crate::domain::timestamp::Timestamp;
use crate::store::{MasterKeyState, Table, kept_damaged};

use super::catalog::KeyVersionView;
use super::fault::Stop;
use super::key_life::{FoundKey, KeyOf};
use super::listed::Listed;
use super::operational::Operational;

/// What the state of a key version alone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMarks {
    /// Whether it is known to be in other hands, also while it is closed.
    pub is_compromised: bool,
    /// Whether its window to encrypt is over.
    pub is_encrypt_over: bool,
    /// Whether its window to decrypt is over.
    pub is_decrypt_over: bool,
}

/// One key version.
pub struct KeyShown {
    /// Its project.
    pub project_id: ProjectId,
    /// Its project's name.
    pub project: String,
    /// Its object's name.
    pub object: String,
    /// As it stands in envelopes.
    pub key_id: u32,
    /// Whether it is the object's newest, which seals where its state lets it.
    pub is_current: bool,
    /// As lists show it.
    pub version: KeyVersionView,
    /// Uses at which it refuses.
    pub uses_max: u64,
    /// The KEK version that wraps it.
    pub kek_version: u32,
    /// Once it was destroyed: since when it is gone, and unrecoverable.
    pub gone: Option<Gone>,
    /// Once it was destroyed: by what a copy could be unwrapped still.
    pub stands_against: Vec<StandsAgainst>,
    /// The last of its moves, oldest first.
    pub moves: Vec<Move>,
    /// What to do, in order; words that stay the same.
    pub next: Vec<&'static str>,
}

/// What a copy of a destroyed key could be unwrapped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandsAgainst {
    /// This version of its project's KEK, which is stored.
    KekVersion(u32),
    /// The store's own file, while something destroyed lies in it: this key, or what a copy of it is wrapped by.
    File,
    /// The damaged file that was kept when its damage was accepted, while it lies beside the store's: nobody looks which keys it has.
    KeptFile,
    /// This generation of the master key, which is in the token.
    MasterKey(u32),
}

impl KeyMarks {
    pub(super) fn of(version: &KeyVersion, now: Timestamp) -> Self {
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now);
        Self {
            is_compromised: version.is_compromised(),
            is_encrypt_over: is_over(version.encrypt_until),
            is_decrypt_over: is_over(version.decrypt_until),
        }
    }
}

impl Operational {
    /// A key version, whole.
    ///
    /// # Errors
    /// `not-found`.
    pub fn key_shown(&self, of: &KeyOf) -> Result<KeyShown, Stop> {
        let found = self.find_key(of)?;
        let project = found.project.id;
        let stands_against =
            found.version.life.gone().map(|gone| self.stands_against(gone, project)).transpose()?;
        let shown = self.version_view(found.object.id, &found.version)?;
        let (next, is_current) = (next(&found, &shown), found.is_current());
        let FoundKey { project, object, version } = found;
        Ok(KeyShown {
            project_id: project.id,
            project: project.name.to_string(),
            object: object.name.to_string(),
            key_id: version.key_id,
            is_current,
            uses_max: version.algorithm.uses_max(),
            kek_version: version.life.kek_version(),
            gone: version.life.gone(),
            stands_against: stands_against.unwrap_or_default(),
            next,
            version: shown,
            moves: version.moves.unwrap_or_default(),
        })
    }

    /// What a copy of a destroyed key, in an old file, could be unwrapped by still. Earlier KEK versions and MK generations count,
    /// too: a copy may be of before a rotation.
    pub(super) fn stands_against(&self, gone: Gone, project: ProjectId) -> Result<Vec<StandsAgainst>, Stop> {
        let (keks, in_file) = self.keks_up_to(project, gone.kek_version)?;
        let mut standing: Vec<_> = keks.into_iter().map(StandsAgainst::KekVersion).collect();
        standing.extend(self.stands_beside_keks(gone)?);
        if in_file && !standing.contains(&StandsAgainst::File) {
            standing.push(StandsAgainst::File);
        }
        Ok(standing)
    }

    /// The same but for its project's KEKs: what there is whoever's it was.
    pub(super) fn stands_beside_keks(&self, gone: Gone) -> Result<Vec<StandsAgainst>, Stop> {
        let masters = self.boot.master_keys.iter().filter(|key| key.state != MasterKeyState::Destroyed);
        let masters = masters.map(|key| key.generation).filter(|generation| *generation <= gone.master_key);
        let mut standing: Vec<_> = masters.map(StandsAgainst::MasterKey).collect();
        standing.extend(self.file_writings()?.leave(gone.written).then_some(StandsAgainst::File));
        standing.extend(kept_damaged(&self.settings.store_path()).map(|_| StandsAgainst::KeptFile));
        Ok(standing)
    }

    /// The versions of a project's KEK that are stored and not gone, up to one; and whether one that is gone lies in the file still.
    /// One that is damaged unwraps nothing, but that is not certain.
    fn keks_up_to(&self, project: ProjectId, last: u32) -> Result<(Vec<u32>, bool), Stop> {
        let (mut versions, mut in_file, writings) = (Vec::new(), false, self.file_writings()?);
        self.each_listed(Table::Keks, project.as_bytes(), |row_key, row| {
            let version = row_key.last_chunk::<4>().map_or(0, |version| u32::from_be_bytes(*version));
            if version <= last {
                match row.decode::<Kek>()? {
                    Listed::Sound(kek) if kek.gone.is_some() => in_file |= writings.leave(kek.written),
                    _ => versions.push(version),
                }
            }
            Ok(())
        })?;
        Ok((versions, in_file))
    }
}

/// What to do next, in order.
fn next(found: &FoundKey, shown: &KeyVersionView) -> Vec<&'static str> {
    let FoundKey { object, version, .. } = found;
    let must_rotate = found.is_current() && object.retired.is_none();
    let mut next = Vec::new();
    match version.life.state() {
        KeyState::PreActive | KeyState::Active => next.extend(shown.is_worn.then_some("rotate")),
        KeyState::DecryptOnly => next.extend(must_rotate.then_some("rotate")),
        KeyState::Compromised | KeyState::Disabled => {
            next.extend(must_rotate.then_some("rotate"));
            next.extend((version.life.state() == KeyState::Disabled).then_some("enable"));
            if shown.marks.is_compromised {
                // Nothing is encrypted again that cannot be opened first.
                next.extend(shown.marks.is_decrypt_over.then_some("windows"));
                next.extend(["reencrypt", "look-what-depends"]);
            }
            next.push("schedule-destruction");
        }
        KeyState::DestroyScheduled => {
            next.extend(must_rotate.then_some("rotate"));
            next.push("cancel-destruction");
        }
        KeyState::Destroyed => {}
    }
    next
}
