//! Subjects: whose data it is. A value of one comes in with a request, is made into a pseudonym, and is kept nowhere.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::appliance::{Appliance, FrozenView, Leave, Operational, Stop};
use crate::crypto::hex::from_hex;
use crate::crypto::pseudonym::Pseudonym;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::answer::{Done, Page};
use super::perform::{bad, page};

/// Verbs on subjects.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// Nothing of it is decrypted from now on, until the freeze is ended.
    Freeze {
        /// The project's name.
        project: String,
        /// Who.
        subject: SubjectOf,
    },
    /// Its data is decrypted again.
    Unfreeze {
        /// The project's name.
        project: String,
        /// Who.
        subject: SubjectOf,
    },
    /// A page of those frozen.
    List {
        /// The project's name.
        project: String,
        /// Where the page before said that this one begins.
        after: Option<String>,
        /// Entries at most.
        limit: Option<u32>,
    },
}

/// A subject of a project, one way or the other.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SubjectOf {
    /// As records and lists show it.
    Pseudonym(String),
    /// As requests on data say it, such as a NIK.
    Value(SubjectValue),
}

/// The value of a subject on its way to the appliance: not printed, not copied, wiped.
pub struct SubjectValue(Zeroizing<String>);

impl SubjectValue {
    /// Takes it over.
    #[must_use]
    pub const fn new(value: Zeroizing<String>) -> Self {
        Self(value)
    }
}

impl Serialize for SubjectValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl JsonSchema for SubjectValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SubjectValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for SubjectValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|value| Self(Zeroizing::new(value)))
    }
}

/// A subject by its pseudonym.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenLine {
    /// As records show it.
    pub pseudonym: String,
    /// Since when nothing of it is decrypted.
    pub since: String,
}

/// What became of a subject.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectChanged {
    /// As records show it.
    pub pseudonym: String,
    /// Whether nothing of it is decrypted now.
    pub frozen: bool,
}

/// Frozen subjects of a project.
pub type FrozenLines = Page<FrozenLine>;

impl Subject {
    pub(super) fn perform(self, appliance: &Appliance, leave: Leave, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        let changed = |subject: Pseudonym, frozen| {
            Ok(Done::SubjectChanged(SubjectChanged { pseudonym: subject.to_string(), frozen }))
        };
        match self {
            Self::Freeze { project, subject } => {
                let subject = subject.find(&appliance, &project)?;
                appliance.freeze_subject(leave, &project, subject, now)?;
                changed(subject, true)
            }
            Self::Unfreeze { project, subject } => {
                let subject = subject.find(&appliance, &project)?;
                appliance.unfreeze_subject(leave, &project, subject, now)?;
                changed(subject, false)
            }
            Self::List { project, after, limit } => Ok(Done::FrozenSubjects(
                appliance.frozen_subjects(&project, &page(after.as_ref(), limit)?)?.into(),
            )),
        }
    }
}

impl SubjectOf {
    pub(super) fn find(&self, appliance: &Operational, project: &str) -> Result<Pseudonym, Stop> {
        match self {
            Self::Pseudonym(text) => Ok(pseudonym(text)?),
            Self::Value(value) => appliance.pseudonym(project, &value.0),
        }
    }
}

/// What is no pseudonym is not repeated: it may be the value itself.
fn pseudonym(text: &str) -> Result<Pseudonym, Refusal> {
    from_hex(text)
        .map(Pseudonym)
        .ok_or_else(|| bad("A pseudonym is 32 lower-case hex digits, as records show it.".into()))
}

impl From<FrozenView> for FrozenLine {
    fn from(view: FrozenView) -> Self {
        Self { pseudonym: view.subject.to_string(), since: view.since.to_string() }
    }
}
