//! `gembok object schema`, and the file that a schema is read from.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::desk::request::{self, Object, ObjectSchema, Request};
use crate::desk::schema::Schema;

use super::error::CliError;
use super::heads;
use super::say_answer::{self as say, fixed};
use super::say_trouble;
use super::table::{Cells, aligned};

#[derive(Subcommand)]
pub(super) enum SchemaVerb {
    /// Declare subject, required context names and fields; what the file leaves out is taken away, save the required names.
    /// Subject and required names stay as they are once an endpoint was let encrypt on the object
    Set {
        object: String,
        #[arg(long)]
        project: String,
        /// TOML, or JSON where its name ends so
        #[arg(long, value_name = "FILE")]
        schema: PathBuf,
        /// Also where another normaliser or number of bits makes another index, or a field's index is taken away: what was stored
        /// by the one before is found no more until it is indexed anew
        #[arg(long)]
        new_index: bool,
    },
    /// Show what an object declares
    Show {
        object: String,
        #[arg(long)]
        project: String,
    },
}

impl SchemaVerb {
    pub(super) fn into_request(self) -> Result<Request, CliError> {
        Ok(Request::Object(Object::Schema(match self {
            Self::Set { object: name, project, schema, new_index } => {
                let new_index = new_index.then_some(true);
                ObjectSchema::Set { project, name, schema: read(&schema)?, new_index }
            }
            Self::Show { object: name, project } => ObjectSchema::Show { project, name },
        })))
    }
}

/// A new object, with the schema in its file.
pub(super) fn create(
    name: String,
    project: String,
    algorithm: Option<String>,
    mut required_context: Vec<String>,
    file: Option<&Path>,
) -> Result<request::Object, CliError> {
    let mut schema = file.map(read).transpose()?;
    let named = schema.as_mut().and_then(|schema| schema.required_context.take()).unwrap_or_default();
    required_context.extend(named);
    Ok(Object::Create { project, name, algorithm, required_context, schema })
}

fn read(path: &Path) -> Result<Schema, CliError> {
    let text = fs::read_to_string(path).map_err(|error| CliError::File(path.to_owned(), error))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let read = if is_json {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error| error.to_string())
    };
    read.map_err(|why| CliError::Own(say_trouble::no_schema(path.display(), why.trim_end())))
}

/// A schema for eyes.
pub(super) fn text(schema: &Schema) -> String {
    let Schema { subject, required_context, fields } = schema;
    let none = || fixed::NONE.to_string();
    let required = required_context.as_ref().filter(|names| !names.is_empty());
    let mut text = String::from(say::schema(
        subject.clone().unwrap_or_else(none),
        required.map_or_else(none, |names| names.join(", ")),
    ));
    if fields.is_empty() {
        return text + say::no_fields(fixed::NONE).as_ref();
    }
    let left = |cell: &str| (cell.to_owned(), false);
    let mut lines: Vec<Cells> = vec![
        [heads::FIELD, heads::NORMALISER, heads::LENGTH, heads::DISTINCT, heads::INDEX]
            .map(|head| left(head.text()))
            .into(),
    ];
    for (name, field) in fields {
        let bits = field.bits.map_or_else(String::new, |bits| say::bits(bits).into());
        lines.push(vec![
            left(name),
            left(&field.normaliser),
            (field.length.to_string(), true),
            (field.distinct.to_string(), true),
            (format!("{}{bits}", field.index), false),
        ]);
    }
    text.push_str(&aligned(&lines));
    text
}
