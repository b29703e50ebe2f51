//! A key version as the desk shows it: how it stands, how it came there, and what to do next by whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{self, Appliance, KeyShown as Shown, StandsAgainst as Stands, Stop, Target};
use crate::domain::access::Act;
use crate::domain::key_move::Move;

use super::acts::object_of;
use super::answer::KeyVersion;
use super::asker::Asker;
use super::view::{all, told};

/// A key version, whole, without its key.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyVersionShown {
    /// Its project's name.
    pub project: String,
    /// Its object's name.
    pub object: String,
    /// As it stands in envelopes: 8 hex digits.
    pub key_id: String,
    /// Whether it is the object's newest.
    pub current: bool,
    /// As lists show it.
    pub version: KeyVersion,
    /// Uses at which it refuses.
    pub uses_max: u64,
    /// The KEK version that wraps it, or did.
    pub kek_version: u32,
    /// Once it was destroyed: since when its key is gone from here.
    pub destroyed: Option<String>,
    /// Since when no copy of it can be unwrapped any more.
    pub unrecoverable: Option<String>,
    /// What stands against that still.
    pub stands_against: Vec<StandsAgainst>,
    /// The last of its moves, oldest first; the audit trail has all.
    pub moves: Vec<KeyMoveLine>,
    /// What to do, in order: `rotate`, `enable`, `windows`, `reencrypt`, `look-what-depends`, `schedule-destruction`, `cancel-destruction`.
    pub next: Vec<String>,
    /// Of these, what is a step of the project's members: whoever asks may not do it.
    #[serde(default)]
    pub next_of_members: Vec<String>,
}

/// By what a copy of a destroyed key could be unwrapped.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandsAgainst {
    /// `kek-version`, `master-key-generation`, `file` while something destroyed lies in the store's own, until it was written anew,
    /// or `kept-file` while the damaged one lies beside it that was kept when its damage was accepted.
    pub what: String,
    /// Its number, where it has one.
    pub number: Option<u32>,
}

/// One move of a key version.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMoveLine {
    /// Such as `disable`.
    pub what: String,
    /// The state it led to.
    pub state: String,
    /// When.
    pub time: String,
    /// Who, as audit records say it.
    pub actor: String,
    /// Its name: of members of the project and officers, and of everyone for who may list users.
    #[serde(default)]
    pub name: Option<String>,
    /// Of what takes two persons: who asked for it, as audit records say it; the actor said yes.
    #[serde(default)]
    pub asked_by: Option<String>,
    /// The name of who asked, as that of the actor.
    #[serde(default)]
    pub asked_by_name: Option<String>,
    /// In the words of whoever did it, or asked for it.
    pub reason: Option<String>,
    /// Of `windows`: what they were from then on.
    #[serde(default)]
    pub windows: Option<WindowsLine>,
}

/// Ends of both windows, as a move left them.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsLine {
    /// From when on it encrypts nothing; none for no end.
    pub encrypt_until: Option<String>,
    /// From when on it decrypts nothing; none for no end.
    pub decrypt_until: Option<String>,
}

impl KeyVersionShown {
    /// With the names that whoever asks may know, and whose each step is.
    pub(super) fn whole(shown: Shown, appliance: &Appliance, asker: &Asker) -> Result<Self, Stop> {
        let everyone = asker.may(appliance, Act::UserList, Target::Appliance)?;
        let names = appliance.unlocked()?.movers(shown.project_id, &shown.moves, everyone)?;
        let mut whole = Self::from(shown);
        for line in &mut whole.moves {
            line.name = names.get(&line.actor).cloned();
            line.asked_by_name = line.asked_by.as_ref().and_then(|who| names.get(who).cloned());
        }
        for step in &whole.next {
            let act = match step.as_str() {
                // Who turns keys sees to it that applications encrypt anew.
                "rotate" | "reencrypt" => Act::KeyRotate,
                "schedule-destruction" => Act::KeyScheduleDestruction,
                "enable" => Act::KeyEnable,
                "windows" => Act::KeyWindows,
                "cancel-destruction" => Act::KeyCancelDestruction,
                _ => continue,
            };
            if !asker.may_do(appliance, act, object_of(&whole.project, &whole.object))? {
                whole.next_of_members.push(step.clone());
            }
        }
        Ok(whole)
    }
}

impl From<Shown> for KeyVersionShown {
    fn from(shown: Shown) -> Self {
        let Shown {
            project_id: _,
            project,
            object,
            key_id,
            is_current,
            version,
            uses_max,
            kek_version,
            gone,
            stands_against,
            moves,
            next,
        } = shown;
        Self {
            project,
            object,
            key_id: format!("{key_id:08x}"),
            current: is_current,
            version: version.into(),
            uses_max,
            kek_version,
            destroyed: gone.map(|gone| gone.here.to_string()),
            unrecoverable: told(gone.and_then(|gone| gone.unrecoverable)),
            stands_against: all(stands_against),
            moves: all(moves),
            next: next.into_iter().map(str::to_owned).collect(),
            next_of_members: Vec::new(),
        }
    }
}

impl From<Stands> for StandsAgainst {
    fn from(stands: Stands) -> Self {
        let (what, number) = match stands {
            Stands::File => ("file", None),
            Stands::KeptFile => ("kept-file", None),
            Stands::KekVersion(version) => ("kek-version", Some(version)),
            Stands::MasterKey(generation) => ("master-key-generation", Some(generation)),
        };
        Self { what: what.into(), number }
    }
}

impl From<Move> for KeyMoveLine {
    fn from(one: Move) -> Self {
        Self {
            what: one.what.name().into(),
            state: one.to.name().into(),
            time: one.when.to_string(),
            actor: one.who,
            name: None,
            asked_by: one.asked_by,
            asked_by_name: None,
            reason: one.why.map(|why| why.to_string()),
            windows: one.set.map(|set| WindowsLine {
                encrypt_until: told(set.encrypt_until),
                decrypt_until: told(set.decrypt_until),
            }),
        }
    }
}

impl From<appliance::KeyVersionView> for KeyVersion {
    fn from(view: appliance::KeyVersionView) -> Self {
        Self {
            version: view.version,
            algorithm: view.algorithm.name().into(),
            state: view.state.name().into(),
            uses_reserved: view.uses_reserved,
            worn: view.is_worn,
            uses: view.uses.into(),
            width_16: view.width_16,
            created: view.created.to_string(),
            encrypt_until: told(view.encrypt_until),
            decrypt_until: told(view.decrypt_until),
            destroy_at: told(view.destroy_at),
            compromised: view.marks.is_compromised,
            encrypt_over: view.marks.is_encrypt_over,
            decrypt_over: view.marks.is_decrypt_over,
        }
    }
}
