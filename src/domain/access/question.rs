//! What access policies are asked: who would do which act on what, in which circumstances.

use std::net::IpAddr;

use time::{OffsetDateTime, UtcOffset};

use crate::domain::approval;
use crate::domain::id::{ApprovalId, EndpointId, ObjectId, ProjectId, UserId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Role;

use super::act::{Act, Kind};

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who.
    pub who: &'a Who,
    /// Would do what.
    pub act: Act,
    /// On what.
    pub on: &'a On,
    /// Where and when.
    pub circumstances: Circumstances,
}

/// The one who would act, with everything that policies can read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A client system.
    Endpoint(Thing<EndpointId>),
    /// Whoever opened the local socket, by the uid the kernel gave.
    Operator(u32),
    /// A person.
    User(Person),
}

/// A user, as policies see one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Its one role.
    pub role: Role,
    /// Projects it is a member of.
    pub projects: Vec<ProjectId>,
    /// Whether somebody else may hold its credentials.
    pub is_unconfirmed: bool,
}

/// An approval, as policies see one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: ApprovalId,
    /// What is asked.
    pub kind: approval::Kind,
    /// The account it is about.
    pub subject: UserId,
    /// Who asked; none where that was the operator.
    pub requester: Option<UserId>,
    /// Whose members may decide it: the project it is about, or those of the account it is about.
    pub projects: Vec<ProjectId>,
    /// Whether the project it is about has no member left who could.
    pub is_orphan: bool,
}

/// What the act would be done on, with everything that policies can read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Everything that is of no project.
    Appliance,
    /// What a user has asked for and a second person is to approve.
    Approval(Asked),
    /// A client system.
    Endpoint(Thing<EndpointId>),
    /// A class of protected data.
    Object(Thing<ObjectId>),
    /// A tenant.
    Project(Tenant),
    /// What an account is to be for.
    Role(Role),
    /// A person's account.
    User(Person),
}

impl On {
    /// The project that it is, or is in.
    #[must_use]
    pub fn project(&self) -> Option<Tenant> {
        match self {
            Self::Project(tenant) => Some(tenant.clone()),
            Self::Endpoint(thing) => Some(thing.project.clone()),
            Self::Object(thing) => Some(thing.project.clone()),
            Self::Appliance | Self::Approval(_) | Self::Role(_) | Self::User(_) => None,
        }
    }

    /// Which kind of thing.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Appliance => Kind::Appliance,
            Self::Approval(_) => Kind::Approval,
            Self::Endpoint(_) => Kind::Endpoint,
            Self::Object(_) => Kind::Object,
            Self::Project(_) => Kind::Project,
            Self::Role(_) => Kind::Role,
            Self::User(_) => Kind::User,
        }
    }
}

/// A project by id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
}

/// Something in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing<Id> {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: Tenant,
}

/// Where a request came from and when, to the minute: policies can read no finer, so decisions within one minute are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// None over the local socket.
    pub address: Option<IpAddr>,
    /// Minutes since 1970 UTC.
    pub minute: u64,
    /// By which policies read the time of day.
    pub offset: UtcOffset,
}

impl Circumstances {
    /// Those of a request at `time`.
    #[must_use]
    pub fn new(address: Option<IpAddr>, time: Timestamp, offset: UtcOffset) -> Self {
        // An IPv4 client of a dual-stack listener is one of its IPv4 network.
        Self { address: address.map(|address| address.to_canonical()), minute: time.seconds() / 60, offset }
    }

    /// The same minute, as clocks on the wall say it.
    pub(super) fn wall(&self) -> OffsetDateTime {
        let utc = Timestamp::from_seconds(self.minute.saturating_mul(60)).date_time();
        utc.checked_to_offset(self.offset).unwrap_or(utc)
    }
}
