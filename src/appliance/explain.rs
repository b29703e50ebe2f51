//! What would be decided, and why: for whoever wonders, with nothing done.

use std::net::IpAddr;

use crate::domain::access::{Act, Decision, On, Who};
use crate::domain::endpoint::Endpoint;
use crate::domain::grant::Grant;
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Timestamp;
use crate::store::Table;

use super::fault::Stop;
use super::operational::Operational;
use super::target::Target;

/// A question about the live appliance.
pub struct Wondering {
    /// Who would act.
    pub who: Asker,
    /// Would do what.
    pub act: Act,
    /// On what.
    pub target: Target,
    /// From where, if from anywhere.
    pub address: Option<IpAddr>,
    /// When.
    pub time: Timestamp,
}

/// Somebody, as people name them.
pub enum Asker {
    /// A client system.
    Endpoint {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// Whoever opened the local socket, as root.
    Local,
    /// A person, by name.
    User(String),
}

impl Operational {
    /// What the access policies say, and sentences on whatever else would keep it from being done.
    ///
    /// # Errors
    /// `not-found`; `bad-request` for an act that is not done on such a thing, or not by somebody like that.
    pub fn explain(&self, wondering: &Wondering) -> Result<(Decision, Vec<String>), Stop> {
        let Wondering { who, act, target, address, time } = wondering;
        let on = self.target(target)?;
        if !act.done_on().contains(&on.kind()) {
            let kinds: Vec<&str> = act.done_on().iter().map(|kind| kind.name()).collect();
            let detail = format!("{act} is done on: {}.", kinds.join(", "));
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        let mut but = Vec::new();
        let who = match who {
            Asker::Local => Who::Operator(0),
            Asker::User(name) => {
                let user = self.user_named(name)?;
                if user.disabled.is_some() {
                    but.push(format!("The user {name} is disabled."));
                }
                let person = self.person(&user)?;
                if let (Act::ApprovalGive, Target::Approval(id)) = (act, target) {
                    but.extend(self.objection(person.id, *id, *time)?);
                } else if let (Act::ApprovalRefuse | Act::ApprovalWithdraw, Target::Approval(id)) =
                    (act, target)
                {
                    let standing = self.approval_row(*id)?.standing(*time);
                    if standing != "waiting" {
                        but.push(format!("The request is {standing}."));
                    }
                }
                Who::User(person)
            }
            Asker::Endpoint { project, name } => {
                let endpoint = self.endpoint_thing(project, name)?;
                let row: Option<Endpoint> = self.read(Table::Endpoints, endpoint.id.as_bytes())?;
                if row.as_ref().is_some_and(|row| row.revoked.is_some()) {
                    but.push(format!("The endpoint {name} is revoked."));
                }
                if row.as_ref().is_some_and(|row| row.disabled.is_some()) {
                    but.push(format!("The endpoint {name} is disabled."));
                }
                if row.is_some_and(|row| row.retired.is_some()) {
                    but.push(format!("The endpoint {name} is retired."));
                }
                if self.project_named(project)?.retired.is_some() {
                    but.push(format!("The project {project} is retired."));
                }
                if let (Some(operation), On::Object(object)) = (act.operation(), &on) {
                    let row_key = Grant::row_key(endpoint.id, object.id, operation);
                    if self.read::<Grant>(Table::Grants, &row_key)?.is_none() {
                        but.push(format!("The endpoint {name} has no grant to {operation} {}.", object.name));
                    }
                    let row: Option<Object> = self.read(Table::Objects, object.id.as_bytes())?;
                    if operation.takes_in() && row.is_some_and(|row| row.retired.is_some()) {
                        but.push(format!("The object {} is retired.", object.name));
                    }
                }
                Who::Endpoint(endpoint)
            }
        };
        let access = self.settings.access.load();
        if !access.rules.is_act_of(*act, &who) {
            let detail = format!("{act} is no act of somebody like that, whatever the policies say.");
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        let decision = access.decide(&who, *act, &on, access.circumstances(*address, *time));
        Ok((decision, but))
    }
}
