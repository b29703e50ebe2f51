//! The schema of an object, in the words of a request, an answer, and a file that somebody keeps beside the application.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, NewSchema, Stop};
use crate::domain::actor::Actor;
use crate::domain::object::Object;
use crate::domain::refusal::Refusal;
use crate::domain::schema::{self, Normaliser, UNIQUE_BITS};
use crate::domain::timestamp::Now;

use super::answer::{self, Done};
use super::perform::bad;
use super::view::told;

/// What an object declares of its data.
#[derive(JsonSchema, Serialize, Deserialize, Default, Clone)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The context name that says whose data it is; required to encrypt and to decrypt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Context names every encryption must bind; those the object has without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_context: Option<Vec<String>>,
    /// Declared fields, by name.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
}

/// One kind of value.
#[derive(JsonSchema, Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// `digits`, `date-iso`, `text-fold`, `email` or `phone-id`.
    pub normaliser: String,
    /// Digits, exactly; or bytes, at most.
    pub length: u32,
    /// How many distinct values are expected.
    pub distinct: u64,
    /// `none`, `unique` or `truncated`.
    pub index: String,
    /// Of a truncated index: 1 to 63.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
}

/// Verbs on the schema of an object.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ObjectSchema {
    /// In place of the one it has.
    Set {
        /// The object's project.
        project: String,
        /// The object's name.
        name: String,
        /// All of it.
        schema: Schema,
        /// Also where an indexed field gets another index, or loses its own: stored index values of that field no longer match.
        #[serde(default)]
        new_index: Option<bool>,
    },
    /// The one it has.
    Show {
        /// The object's project.
        project: String,
        /// The object's name.
        name: String,
    },
}

impl ObjectSchema {
    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        Ok(Done::Schema(match self {
            Self::Set { project, name, schema, new_index } => {
                let required_context = schema.required_context.clone();
                let new_index = new_index.unwrap_or_default();
                let new = NewSchema { schema: schema.parse()?, required_context, new_index };
                appliance.set_schema(actor, &project, &name, new, now)?.into()
            }
            Self::Show { project, name } => appliance.object(&project, &name)?.object.into(),
        }))
    }
}

impl Schema {
    /// The words as nouns.
    ///
    /// # Errors
    /// `bad-request`, which names the first word that is none.
    pub(super) fn parse(self) -> Result<schema::Schema, Refusal> {
        let fields = self.fields.into_iter().map(|(name, field)| field.parse(name));
        Ok(schema::Schema { subject: self.subject, fields: fields.collect::<Result<_, _>>()? })
    }
}

impl Field {
    fn parse(self, name: String) -> Result<schema::Field, Refusal> {
        let Self { normaliser, length, distinct, index, bits } = self;
        let known = Normaliser::ALL.map(Normaliser::name).join(", ");
        let normaliser = normaliser.parse().map_err(|()| {
            bad(format!("Field {name:?}: {normaliser:?} is no normaliser; there are {known}."))
        })?;
        let index_bits = match (index.as_str(), bits) {
            ("none", None) => None,
            ("unique", None) => Some(UNIQUE_BITS),
            // Said in full below: 128 bits are no truncation.
            ("truncated", Some(bits)) if bits < UNIQUE_BITS => Some(bits),
            _ => {
                return Err(bad(format!(
                    "Field {name:?}: an index is none, unique, or truncated with bits of 1 to 63; the other two have no bits."
                )));
            }
        };
        // Which index it is, the appliance says.
        Ok(schema::Field { name, normaliser, length, distinct, index_bits, index: None })
    }
}

impl From<Object> for Schema {
    fn from(object: Object) -> Self {
        let schema = object.schema.unwrap_or_default();
        let fields = schema.fields.into_iter().map(|field| (field.name.clone(), field.into()));
        Self {
            subject: schema.subject,
            required_context: Some(object.required_context),
            fields: fields.collect(),
        }
    }
}

impl From<schema::Field> for Field {
    fn from(field: schema::Field) -> Self {
        let (index, bits) = match field.index_bits {
            None => ("none", None),
            Some(UNIQUE_BITS) => ("unique", None),
            bits => ("truncated", bits),
        };
        Self {
            normaliser: field.normaliser.name().into(),
            length: field.length,
            distinct: field.distinct,
            index: index.into(),
            bits,
        }
    }
}

impl From<Object> for answer::ObjectLine {
    fn from(object: Object) -> Self {
        Self {
            id: object.id.to_string(),
            name: object.name.to_string(),
            key_id: format!("{:08x}", object.key_id),
            current_version: object.current_version,
            subject: object.subject().map(str::to_owned),
            required_context: object.required_context,
            created: object.created.to_string(),
            description: object.description.as_ref().map(ToString::to_string),
            retired: told(object.retired),
            rotate_after_days: object.rotate_after_days,
        }
    }
}
