//! Keys of objects at the desk: what can be asked of their versions, what comes back, and the way to the appliance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, KeyOf, KeyShown as Shown, Leave, NextKey, Stop, Target, Window, Windows};
use crate::domain::access::Act;
use crate::domain::description::{Description, NotADescription};
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::acts::object_of;
use super::answer::{ApprovalLine, Done, Page};
use super::asker::Asker;
use super::key_shown::KeyVersionShown;
use super::key_verify::VerifyKeys;
use super::perform::{algorithm, bad, moment_to_come};
use super::view::all;

/// Verbs on keys of objects.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Key {
    /// All versions, oldest first.
    List {
        /// The object's project.
        project: String,
        /// The object.
        object: String,
    },
    /// One version, whole.
    Show(KeyVersionOf),
    /// The next version seals from now on.
    Rotate {
        /// The object's project.
        project: String,
        /// The object.
        object: String,
        /// Of the new version; that of the one before without.
        algorithm: Option<String>,
        /// One line of at most 200 characters, for the record.
        #[serde(default)]
        reason: Option<String>,
        /// RFC 3339: from when on the new version encrypts nothing.
        #[serde(default)]
        encrypt_until: Option<String>,
        /// RFC 3339: from when on it decrypts nothing.
        #[serde(default)]
        decrypt_until: Option<String>,
    },
    /// Until when a version encrypts and decrypts.
    Windows {
        /// The object's project.
        project: String,
        /// The object.
        object: String,
        /// Its number.
        version: String,
        /// RFC 3339, or `never` for no end; as it is without.
        encrypt_until: Option<String>,
        /// The same.
        decrypt_until: Option<String>,
        /// Why: one line of at most 200 characters, for the record; never without.
        #[schemars(required)]
        reason: Option<String>,
    },
    /// Neither encrypts nor decrypts, until it is enabled.
    Disable(KeyMoved),
    /// Does again what it did before it was disabled.
    Enable(KeyMoved),
    /// Encrypts nothing any more: somebody else may have the key. Said again of one that is compromised, its reason is recorded.
    Compromise(KeyMoved),
    /// Destroyed after a time, once a second person says yes.
    ScheduleDestruction {
        /// The object's project.
        project: String,
        /// The object.
        object: String,
        /// Its number.
        version: String,
        /// 7 to 90, from the second person's yes on; 30 without.
        days: Option<u16>,
        /// Why: one line of at most 200 characters, for the record and the second person; never without.
        #[schemars(required)]
        reason: Option<String>,
    },
    /// What it was before its destruction was scheduled.
    CancelDestruction(KeyMoved),
    /// Unwraps the stored keys, a page at a time.
    Verify(VerifyKeys),
}

/// Which version.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyVersionOf {
    /// The object's project.
    pub project: String,
    /// The object.
    pub object: String,
    /// Its number.
    pub version: String,
}

/// Which version, and why.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMoved {
    /// The object's project.
    pub project: String,
    /// The object.
    pub object: String,
    /// Its number.
    pub version: String,
    /// Why: one line of at most 200 characters, for the record; never without.
    #[schemars(required)]
    pub reason: Option<String>,
}

impl Key {
    /// What the access policies are asked.
    pub(super) fn act(&self) -> (Act, Target) {
        match self {
            Self::List { project, object } => (Act::ObjectShow, object_of(project, object)),
            Self::Show(of) => (Act::ObjectShow, object_of(&of.project, &of.object)),
            Self::Rotate { project, object, .. } => (Act::KeyRotate, object_of(project, object)),
            Self::Windows { project, object, .. } => (Act::KeyWindows, object_of(project, object)),
            Self::Disable(of) => (Act::KeyDisable, object_of(&of.project, &of.object)),
            Self::Enable(of) => (Act::KeyEnable, object_of(&of.project, &of.object)),
            Self::Compromise(of) => (Act::KeyCompromise, object_of(&of.project, &of.object)),
            Self::ScheduleDestruction { project, object, .. } => {
                (Act::KeyScheduleDestruction, object_of(project, object))
            }
            Self::CancelDestruction(of) => (Act::KeyCancelDestruction, object_of(&of.project, &of.object)),
            Self::Verify(wanted) => wanted.act(),
        }
    }

    pub(super) fn perform(
        self,
        (door, asker): (&Appliance, &Asker),
        leave: Leave,
        now: Now,
    ) -> Result<Done, Stop> {
        let appliance = door.unlocked()?;
        let shown =
            |shown: Shown| Ok(Done::KeyVersion(Box::new(KeyVersionShown::whole(shown, door, asker)?)));
        match self {
            Self::List { project, object } => {
                let versions = appliance.object(&project, &object)?.versions;
                // All of them: they are bounded.
                Ok(Done::KeyVersions(Page { items: all(versions), next: None }))
            }
            Self::Show(of) => shown(appliance.key_shown(&of.parse()?)?),
            Self::Rotate {
                project,
                object,
                algorithm: wanted,
                reason: why,
                encrypt_until,
                decrypt_until,
            } => {
                let end = |text: Option<String>| text.map(|text| moment_to_come(&text, now)).transpose();
                let next = NextKey {
                    algorithm: wanted.as_deref().map(algorithm).transpose()?,
                    encrypt_until: end(encrypt_until)?,
                    decrypt_until: end(decrypt_until)?,
                    why: reason(why)?,
                };
                let rotated = appliance.rotate_key(leave.actor(), &project, &object, next, now)?;
                Ok(Done::Object(rotated.into()))
            }
            Self::Windows { project, object, version, encrypt_until, decrypt_until, reason: why } => {
                let of = KeyVersionOf { project, object, version }.parse()?;
                let windows =
                    Windows { encrypt: window(encrypt_until, now)?, decrypt: window(decrypt_until, now)? };
                let why = must_say(why, "Other windows of a key version are set")?;
                shown(appliance.set_key_windows(leave, &of, windows, why, now)?)
            }
            Self::Disable(moved) => {
                let (of, why) = moved.parse("A key version is disabled")?;
                shown(appliance.disable_key(leave, &of, why, now)?)
            }
            Self::Enable(moved) => {
                let (of, why) = moved.parse("A key version is enabled")?;
                shown(appliance.enable_key(leave, &of, why, now)?)
            }
            Self::Compromise(moved) => {
                let (of, why) = moved.parse("A key version is declared compromised")?;
                shown(appliance.compromise_key(leave, &of, why, now)?)
            }
            Self::ScheduleDestruction { project, object, version, days, reason: why } => {
                let of = KeyVersionOf { project, object, version }.parse()?;
                let why = must_say(why, "The end of a key version is asked for")?;
                let approval = appliance.ask_destruction(leave, &of, days, why, now)?;
                Ok(Done::Approval(Box::new(ApprovalLine::whole(approval, &appliance, now)?)))
            }
            Self::Verify(wanted) => wanted.perform(door),
            Self::CancelDestruction(moved) => {
                let (of, why) = moved.parse("A scheduled destruction is taken back")?;
                shown(appliance.cancel_destruction(leave, &of, why, now)?)
            }
        }
    }
}

impl KeyVersionOf {
    pub(super) fn parse(self) -> Result<KeyOf, Refusal> {
        let Self { project, object, version } = self;
        let version = version.parse().map_err(|_| {
            bad(format!("{version:?} is no number of a key version; gembok key list shows them."))
        })?;
        Ok(KeyOf { project, object, version })
    }
}

impl KeyMoved {
    /// `what` begins the sentence to whoever does not say why.
    fn parse(self, what: &str) -> Result<(KeyOf, Description), Refusal> {
        let Self { project, object, version, reason: why } = self;
        Ok((KeyVersionOf { project, object, version }.parse()?, must_say(why, what)?))
    }
}

/// What somebody says of why; nothing is as good as none.
fn reason(text: Option<String>) -> Result<Option<Description>, Refusal> {
    let told = |_: NotADescription| {
        bad("A reason is one line of 1 to 200 characters that can be seen, without control characters."
            .into())
    };
    text.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose().map_err(told)
}

/// The same of what is never done without a word: whatever becomes of a version that exists.
fn must_say(text: Option<String>, what: &str) -> Result<Description, Refusal> {
    reason(text)?.ok_or_else(|| {
        bad(format!(
            "{what} with a reason: say why, in one line of at most 200 characters (the member reason, --reason of the \
             command line). It is recorded."
        ))
    })
}

fn window(text: Option<String>, now: Now) -> Result<Option<Window>, Refusal> {
    text.map(|text| match text.as_str() {
        "never" => Ok(Window::Never),
        _ => moment_to_come(&text, now).map(Window::Until),
    })
    .transpose()
}
