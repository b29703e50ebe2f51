//! Renaming and describing projects, objects and endpoints, and taking them out of service and back. Their ids stay, and so
//! does everything that names them: envelopes, grants, records, statistics. What ends them is in [`super::deleting`].

use minicbor::{Decode, Encode};

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::endpoint::Endpoint;
use crate::domain::life::{Noun, Step};
use crate::domain::name::Name;
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Table};

use super::access::Leave;
use super::catalog::not_found;
use super::fault::Stop;
use super::operational::Operational;

/// Which one, by names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// An endpoint.
    Endpoint {
        /// Its project's name.
        project: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// An object.
    Object {
        /// Its project's name.
        project: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A project.
    Project(&'a str),
}

/// What is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It ends, for good.
    Delete,
    /// This is what it is for; nothing any more without.
    Describe(Option<Description>),
    /// It serves again.
    Reinstate,
    /// This is its name from now on; the old one is free.
    Rename(Name),
    /// It serves no more until it is reinstated: an endpoint is refused, an object encrypts nothing new, a project is both for
    /// all that is in it.
    Retire,
}

/// A row with a life.
pub(super) trait Living: Encode<()> + for<'b> Decode<'b, ()> {
    const NOUN: Noun;
    const TABLE: Table;

    fn id(&self) -> [u8; 16];
    fn name(&mut self) -> &mut Name;
    fn description(&mut self) -> &mut Option<Description>;
    fn retired(&mut self) -> &mut Option<Timestamp>;
}

macro_rules! living {
    ($($name:ident $table:ident;)+) => {$(
        impl Living for $name {
            const NOUN: Noun = Noun::$name;
            const TABLE: Table = Table::$table;

            fn id(&self) -> [u8; 16] {
                *self.id.as_bytes()
            }

            fn name(&mut self) -> &mut Name {
                &mut self.name
            }

            fn description(&mut self) -> &mut Option<Description> {
                &mut self.description
            }

            fn retired(&mut self) -> &mut Option<Timestamp> {
                &mut self.retired
            }
        }
    )+};
}

living! {
    Endpoint Endpoints;
    Object Objects;
    Project Projects;
}

impl Operational {
    /// Takes a step in the life of a project, an object or an endpoint. One that changes nothing leaves no record.
    ///
    /// # Errors
    /// `not-found`; `already-exists` for a name that is taken; of a deletion, what is in its way: `not-empty`, `not-retired`,
    /// `object-in-use`.
    pub fn live(&self, leave: Leave, place: Place<'_>, life: Life, now: Now) -> Result<(), Stop> {
        let actor = leave.actor();
        match (place, life) {
            (Place::Endpoint { project, name }, Life::Delete) => {
                self.delete_endpoint(actor, project, name, now)
            }
            (Place::Object { project, name }, Life::Delete) => self.delete_object(actor, project, name, now),
            (Place::Project(name), Life::Delete) => self.delete_project(actor, name, now),
            (Place::Endpoint { project, name }, life) => {
                let parent = *self.project_named(project)?.id.as_bytes();
                self.step::<Endpoint>(actor, &parent, name, life, now)
            }
            (Place::Object { project, name }, life) => {
                let parent = *self.project_named(project)?.id.as_bytes();
                self.step::<Object>(actor, &parent, name, life, now)
            }
            (Place::Project(name), life) => self.step::<Project>(actor, &[0; 16], name, life, now),
        }
    }

    fn step<T: Living>(
        &self,
        actor: Actor,
        parent: &[u8; 16],
        name: &str,
        life: Life,
        now: Now,
    ) -> Result<(), Stop> {
        let audit = |step: Step, row: &T| {
            AuditRecord::new(now.time, actor, step.act(T::NOUN).word())
                .with("id", uuid::Uuid::from_bytes(row.id()))
        };
        let put = |batch: Batch, row: &T| batch.put(T::TABLE, &row.id(), cbor::encode(row));
        let find = || self.living::<T>(parent, name);
        match life {
            // Deleting is another matter for each of them.
            Life::Delete => Ok(()),
            Life::Describe(text) => self.change_if_any(now, |batch| {
                let mut row = find()?;
                if *row.description() == text {
                    return Ok(None);
                }
                let audit = audit(Step::Describe, &row)
                    .with("description", text.as_ref().map_or("", Description::as_str));
                *row.description() = text;
                Ok(Some((put(batch, &row), audit)))
            }),
            Life::Rename(to) => self.change_if_any(now, |batch| {
                let mut row = find()?;
                if *row.name() == to {
                    return Ok(None);
                }
                let batch = self.name(batch, T::TABLE, parent, &to, &row.id());
                let batch = batch.delete(Table::Names, &self.store.name_key(T::TABLE, parent, name));
                let audit = audit(Step::Rename, &row).with("from", name).with("to", &to);
                *row.name() = to;
                Ok(Some((put(batch, &row), audit)))
            }),
            Life::Reinstate => self.change_if_any(now, |batch| {
                let mut row = find()?;
                if row.retired().take().is_none() {
                    return Ok(None);
                }
                let audit = audit(Step::Reinstate, &row);
                Ok(Some((put(batch, &row), audit)))
            }),
            Life::Retire => self.withdraw_if_any(now, |batch| {
                let mut row = find()?;
                if row.retired().is_some() {
                    return Ok(None);
                }
                *row.retired() = Some(now.time);
                let audit = audit(Step::Retire, &row);
                Ok(Some((put(batch, &row), audit)))
            }),
        }
    }

    /// The row of a name.
    pub(super) fn living<T: Living>(&self, parent: &[u8; 16], name: &str) -> Result<T, Stop> {
        let missing = || not_found(T::NOUN.name(), name);
        let id = self.store.get(Table::Names, &self.store.name_key(T::TABLE, parent, name))?;
        self.read(T::TABLE, &id.ok_or_else(missing)?.value)?.ok_or_else(missing)
    }
}
