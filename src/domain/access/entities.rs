//! A question in Cedar's words: its entities and its request.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};
use time::Weekday;

use crate::domain::id::UserId;
use crate::domain::user::Role;

use super::question::{Asked, Circumstances, On, Person, Question, Tenant, Thing, Who};

/// A question that Cedar did not take.
pub(super) struct Unasked(pub(super) String);

impl<E: std::error::Error> From<E> for Unasked {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Attributes = Vec<(String, RestrictedExpression)>;

/// Cedar's names of our kinds, parsed once.
pub(super) struct Types {
    appliance: EntityTypeName,
    approval: EntityTypeName,
    endpoint: EntityTypeName,
    object: EntityTypeName,
    operator: EntityTypeName,
    project: EntityTypeName,
    role: EntityTypeName,
    user: EntityTypeName,
}

impl Types {
    pub(super) fn new() -> Result<Self, Unasked> {
        Ok(Self {
            appliance: "Appliance".parse()?,
            approval: "Approval".parse()?,
            endpoint: "Endpoint".parse()?,
            object: "Object".parse()?,
            operator: "Operator".parse()?,
            project: "Project".parse()?,
            role: "Role".parse()?,
            user: "User".parse()?,
        })
    }

    /// The kind of somebody.
    pub(super) const fn of(&self, who: &Who) -> &EntityTypeName {
        match who {
            Who::Endpoint(_) => &self.endpoint,
            Who::Operator(_) => &self.operator,
            Who::User(_) => &self.user,
        }
    }

    /// Whether a rule's principal may be an endpoint.
    pub(super) fn is_endpoint(&self, name: &EntityTypeName) -> bool {
        self.endpoint == *name
    }

    /// The request and everything it speaks of; `action` is the act's entity. With a schema both are checked against it.
    pub(super) fn ask(
        &self,
        question: &Question<'_>,
        action: &Entity,
        schema: Option<&Schema>,
    ) -> Result<(Request, Entities), Unasked> {
        let mut entities = HashMap::new();
        let principal = self.who(question.who, &mut entities)?;
        let resource = self.on(question.on, &mut entities)?;
        let request =
            Request::new(principal, action.uid(), resource, context(&question.circumstances)?, schema)?;
        // A schema brings the actions itself.
        let action = schema.is_none().then(|| action.clone());
        Ok((request, Entities::from_entities(entities.into_values().chain(action), schema)?))
    }

    fn who(&self, who: &Who, into: &mut HashMap<EntityUid, Entity>) -> Result<EntityUid, Unasked> {
        match who {
            Who::Endpoint(endpoint) => self.thing(&self.endpoint, endpoint, into),
            Who::Operator(uid) => {
                let attributes = vec![("uid".into(), RestrictedExpression::new_long(i64::from(*uid)))];
                add(&self.operator, &uid.to_string(), attributes, HashSet::new(), into)
            }
            Who::User(person) => self.person(person, into),
        }
    }

    fn on(&self, on: &On, into: &mut HashMap<EntityUid, Entity>) -> Result<EntityUid, Unasked> {
        match on {
            On::Appliance => add(&self.appliance, "this", Vec::new(), HashSet::new(), into),
            On::Approval(asked) => self.asked(asked, into),
            On::Endpoint(endpoint) => self.thing(&self.endpoint, endpoint, into),
            On::Object(object) => self.thing(&self.object, object, into),
            On::Project(tenant) => self.tenant(tenant, into),
            On::Role(role) => Ok(self.role(*role)),
            On::User(person) => self.person(person, into),
        }
    }

    fn role(&self, role: Role) -> EntityUid {
        uid(&self.role, role.name())
    }

    fn person(&self, person: &Person, into: &mut HashMap<EntityUid, Entity>) -> Result<EntityUid, Unasked> {
        let projects = person.projects.iter().map(|id| uid(&self.project, &id.to_string()));
        let parents = projects.chain([self.role(person.role)]).collect();
        let unconfirmed = ("unconfirmed".into(), RestrictedExpression::new_bool(person.is_unconfirmed));
        add(&self.user, &person.id.to_string(), vec![name(&person.name), unconfirmed], parents, into)
    }

    fn asked(&self, asked: &Asked, into: &mut HashMap<EntityUid, Entity>) -> Result<EntityUid, Unasked> {
        let user = |id: UserId| RestrictedExpression::new_entity_uid(uid(&self.user, &id.to_string()));
        let projects = asked.projects.iter().map(|id| uid(&self.project, &id.to_string()));
        let projects = projects.map(RestrictedExpression::new_entity_uid);
        let mut attributes = vec![
            ("kind".into(), RestrictedExpression::new_string(asked.kind.name().to_owned())),
            ("subject".into(), user(asked.subject)),
            ("projects".into(), RestrictedExpression::new_set(projects)),
            ("orphan".into(), RestrictedExpression::new_bool(asked.is_orphan)),
        ];
        attributes.extend(asked.requester.map(|id| ("requester".into(), user(id))));
        add(&self.approval, &asked.id.to_string(), attributes, HashSet::new(), into)
    }

    fn tenant(&self, tenant: &Tenant, into: &mut HashMap<EntityUid, Entity>) -> Result<EntityUid, Unasked> {
        add(&self.project, &tenant.id.to_string(), vec![name(&tenant.name)], HashSet::new(), into)
    }

    fn thing<Id: ToString>(
        &self,
        kind: &EntityTypeName,
        thing: &Thing<Id>,
        into: &mut HashMap<EntityUid, Entity>,
    ) -> Result<EntityUid, Unasked> {
        let project = self.tenant(&thing.project, into)?;
        let of = RestrictedExpression::new_entity_uid(project.clone());
        let attributes = vec![name(&thing.name), ("project".into(), of)];
        add(kind, &thing.id.to_string(), attributes, HashSet::from([project]), into)
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn name(name: &str) -> (String, RestrictedExpression) {
    ("name".into(), RestrictedExpression::new_string(name.to_owned()))
}

/// One that is there already is the same: the principal may be what the act is done on.
fn add(
    kind: &EntityTypeName,
    id: &str,
    attributes: Attributes,
    parents: HashSet<EntityUid>,
    into: &mut HashMap<EntityUid, Entity>,
) -> Result<EntityUid, Unasked> {
    let uid = uid(kind, id);
    into.insert(uid.clone(), Entity::new(uid.clone(), attributes.into_iter().collect(), parents)?);
    Ok(uid)
}

fn context(circumstances: &Circumstances) -> Result<Context, Unasked> {
    let wall = circumstances.wall();
    let date =
        i64::from(wall.year()) * 10_000 + i64::from(u8::from(wall.month())) * 100 + i64::from(wall.day());
    let weekday = match wall.weekday() {
        Weekday::Monday => 1,
        Weekday::Tuesday => 2,
        Weekday::Wednesday => 3,
        Weekday::Thursday => 4,
        Weekday::Friday => 5,
        Weekday::Saturday => 6,
        Weekday::Sunday => 7,
    };
    let long = |name: &str, number: i64| (name.to_owned(), RestrictedExpression::new_long(number));
    let time = RestrictedExpression::new_record([
        long("date", date),
        long("weekday", weekday),
        long("hour", i64::from(wall.hour())),
        long("minute", i64::from(wall.minute())),
    ])?;
    let address = circumstances.address.map(|address| RestrictedExpression::new_ip(address.to_string()));
    let address = address.map(|address| ("address".to_owned(), address));
    Ok(Context::from_pairs(address.into_iter().chain([("time".to_owned(), time)]))?)
}
