//! What an object declares of its data, and how that may change. Names that are bound into ciphertexts are settled once
//! there may be some: from the first grant to encrypt on.

use std::sync::Arc;

use crate::crypto::random;
use crate::crypto::wrapped_key::WrappingKey;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::{IndexId, ObjectId};
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::schema::Schema;
use crate::domain::timestamp::Now;
use crate::store::{Batch, Table};

use super::catalog::not_found;
use super::fault::Stop;
use super::keyring::Held;
use super::listed::Listed;
use super::operational::Operational;

/// Context names an object may require.
const REQUIRED_CONTEXT_MAX: usize = 16;

impl Operational {
    /// Gives an object another schema in place of the one it has, and other required context names where some are said. One
    /// that is so already leaves no record.
    ///
    /// # Errors
    /// `not-found`; `bad-request`, `bad-context` for what does not hold together; `conflict` when subject or required names
    /// would change of an object that an endpoint was ever let encrypt on; `index-given-up` where an index would change or go and
    /// nobody said that this is meant; `token-away` for its first indexed field.
    pub fn set_schema(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        new: NewSchema,
        now: Now,
    ) -> Result<Object, Stop> {
        let NewSchema { schema, required_context, new_index } = new;
        let project = self.project_named(project)?;
        let schema = checked(schema)?;
        let required_context = required_context.map(check_required).transpose()?;
        let kek = self.kek_of_first_root(&project, name, schema.as_ref(), now)?;
        let mut after = None;
        self.change_if_any(now, |batch| {
            let object = self.object_named(project.id, name)?.ok_or_else(|| not_found("object", name))?;
            let mut schema = schema.clone();
            identify(&mut schema, object.schema.as_ref())?;
            let required_context = required_context.unwrap_or_else(|| object.required_context.clone());
            let changed = Object { required_context, schema, ..object.clone() };
            after = Some(changed.clone());
            if changed == object {
                return Ok(None);
            }
            let is_settled = object.is_unused.is_none();
            let binds_alike = changed.subject() == object.subject()
                && changed.required_context == object.required_context;
            if is_settled && !binds_alike {
                return Err(Refusal::new(Code::Conflict)
                    .detail(
                        "An endpoint was let encrypt on the object, so there may be ciphertexts that its subject and required \
                         context names are part of: they stay as they are. Make another object, and encrypt into that.",
                    )
                    .into());
            }
            let audit = AuditRecord::new(now.time, actor, "object.set-schema")
                .with("id", changed.id)
                .with("project", project.id)
                .with("required-context", format!("{:?}", changed.required_context));
            let audit = match give_up_indexes(&object, &changed, new_index)? {
                Some(fields) => declared(audit, &changed).with("indexes-given-up", fields),
                None => declared(audit, &changed),
            };
            let wraps = kek.map(|kek| self.wrapping_now(project.clone(), kek, now)).transpose()?;
            let batch = self.with_first_root(batch, &changed, wraps.as_ref(), now)?;
            Ok(Some((batch.put(Table::Objects, changed.id.as_bytes(), cbor::encode(&changed)), audit)))
        })?;
        after.ok_or_else(|| not_found("object", name))
    }

    /// What wraps the index root that an object gets with this schema, where it gets one. Had before the change, because it may
    /// have to wait for the token.
    fn kek_of_first_root(
        &self,
        project: &Project,
        name: &str,
        schema: Option<&Schema>,
        now: Now,
    ) -> Result<Option<Arc<Held<WrappingKey>>>, Stop> {
        if !schema.is_some_and(Schema::has_index) {
            return Ok(None);
        }
        let has_one = match self.object_named(project.id, name)? {
            Some(object) => !self.root_versions(&object)?.is_empty(),
            None => true,
        };
        if has_one { Ok(None) } else { self.load_kek(project, now).map(Some) }
    }

    /// Says with the commit of a first grant to encrypt that there may be ciphertexts from now on. A damaged object is left as
    /// it is: nothing can be sealed for it.
    pub(super) fn put_to_use(&self, batch: Batch, id: ObjectId) -> Result<Batch, Stop> {
        let object = self.look_up::<Object>(Table::Objects, id.as_bytes())?.and_then(Listed::sound);
        Ok(match object {
            Some(object) if object.is_unused.is_some() => {
                let used = Object { is_unused: None, ..object };
                batch.put(Table::Objects, id.as_bytes(), cbor::encode(&used))
            }
            _ => batch,
        })
    }
}

/// What an object is to declare from now on.
pub struct NewSchema {
    /// All of it.
    pub schema: Schema,
    /// The required context names; those it has without.
    pub required_context: Option<Vec<String>>,
    /// Also where index values that were stored match nothing any more.
    pub new_index: bool,
}

/// Says no to what would make stored index values worthless, unless it was said that this is meant; else names whose they were.
fn give_up_indexes(before: &Object, after: &Object, is_meant: bool) -> Result<Option<String>, Refusal> {
    let (Some(known), now) = (&before.schema, after.schema.as_ref()) else { return Ok(None) };
    let names: Vec<&str> = known.indexes_given_up(now).map(|field| field.name.as_str()).collect();
    let Some(first) = known.indexes_given_up(now).next().filter(|_| !is_meant) else {
        return Ok((!names.is_empty()).then(|| names.join(", ")));
    };
    let is_other = now.and_then(|now| now.field(&first.name)).is_some_and(|now| now.index.is_some());
    let what = if is_other {
        "with another normaliser or number of bits it is another index"
    } else {
        "its index would be taken away, and declared again it is another one"
    };
    let and = match names.len() {
        1 => String::new(),
        more => format!(" The same holds of {} more.", more - 1),
    };
    Err(Refusal::new(Code::IndexGivenUp).detail(format!(
        "Field {:?}: {what}, so stored index values of that field no longer match.{and} If that is meant, say new_index (the \
         query new_index=true, --new-index of the command line); then empty the column and index what is stored anew, by \
         POST .../index with its ciphertexts (indeks_ulang.php).",
        first.name
    )))
}

/// A schema that holds together; none where nothing is declared.
pub(super) fn checked(schema: Schema) -> Result<Option<Schema>, Refusal> {
    schema.checked().map_err(|flaw| Refusal::new(Code::BadRequest).detail(flaw.0))
}

/// Gives each indexed field its index, as far as it has not one `before`.
pub(super) fn identify(schema: &mut Option<Schema>, before: Option<&Schema>) -> Result<(), Stop> {
    let Some(schema) = schema else { return Ok(()) };
    schema.identify(before, || Ok(IndexId::from_random(random::bytes()?)))
}

/// An audit record with what the object declares.
pub(super) fn declared(audit: AuditRecord, object: &Object) -> AuditRecord {
    let Some(schema) = &object.schema else { return audit };
    let audit = match &schema.subject {
        Some(subject) => audit.with("subject", subject),
        None => audit,
    };
    let fields: Vec<String> = schema
        .fields
        .iter()
        .map(|field| {
            let index = field.index_bits.map_or_else(String::new, |bits| format!(" index {bits}"));
            format!("{} {} {}{index}", field.name, field.normaliser, field.length)
        })
        .collect();
    if fields.is_empty() { audit } else { audit.with("fields", fields.join(", ")) }
}

/// Required context names, sorted; each given once.
pub(super) fn check_required(mut names: Vec<String>) -> Result<Vec<String>, Refusal> {
    names.sort_unstable();
    let sound = names.len() <= REQUIRED_CONTEXT_MAX
        && names.iter().all(|name| !name.is_empty() && name.len() <= 64)
        && names.windows(2).all(|two| two[0] != two[1]);
    if sound {
        return Ok(names);
    }
    Err(Refusal::new(Code::BadContext).detail(format!(
        "Required context names are at most {REQUIRED_CONTEXT_MAX}, each of 1 to 64 bytes and given once."
    )))
}
