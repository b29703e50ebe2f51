//! What a request would do, on what: the question that the access policies are asked before it is done.

use crate::appliance::Target;
use crate::domain::access::Act;
use crate::domain::operation::Operation;
use crate::domain::refusal::Refusal;

use super::perform::{id, role};
use super::request::{self, Request};

type Acts = Vec<(Act, Target)>;

impl Request {
    /// Every act of the request; all must be allowed.
    ///
    /// # Errors
    /// `bad-request` where the request names what cannot be: no id, no role.
    pub fn acts(&self) -> Result<Acts, Refusal> {
        let of_appliance = |act| Ok(vec![(act, Target::Appliance)]);
        match self {
            Self::InitSandbox { .. } => of_appliance(Act::ApplianceInit),
            Self::Unlock { .. } => of_appliance(Act::ApplianceUnlock),
            Self::Lock => of_appliance(Act::ApplianceLock),
            Self::Status => of_appliance(Act::StatusRead),
            Self::Clock(request::Clock::Acknowledge) => of_appliance(Act::ClockAcknowledge),
            Self::Store(request::Store::Compact) => of_appliance(Act::StoreCompact),
            Self::StoreKey(request::StoreKey::Rotate { .. }) => of_appliance(Act::StoreKeyRotate),
            Self::Policy(request::Policy::Explain { .. }) => of_appliance(Act::PolicyExplain),
            Self::Audit(verb) => Ok(vec![verb.act()]),
            Self::Project(verb) => Ok(vec![verb.act()]),
            Self::Object(verb) => Ok(vec![verb.act()]),
            Self::Endpoint(verb) => Ok(vec![verb.act()]),
            Self::Grant(verb) => Ok(verb.acts()),
            Self::ApiKey(verb) => Ok(vec![verb.act()?]),
            Self::Certificate(verb) => Ok(vec![verb.act()]),
            Self::ServerNames(verb) => of_appliance(verb.act()),
            Self::Statistics(wanted) => Ok(vec![wanted.act()]),
            Self::Key(verb) => Ok(vec![verb.act()]),
            Self::Index(verb) => Ok(vec![verb.act()]),
            Self::User(verb) => verb.acts(),
            Self::Approval(verb) => Ok(vec![verb.act()?]),
            Self::Session(verb) => Ok(vec![verb.act()?]),
            Self::Report(wanted) => Ok(vec![wanted.act()]),
            Self::Subject(verb) => Ok(vec![verb.act()]),
            Self::Budget(verb) => Ok(vec![verb.act()?]),
        }
    }
}

impl request::Audit {
    /// What the access policies are asked for each verb on the audit trail.
    fn act(&self) -> (Act, Target) {
        match self {
            Self::List(wanted) => wanted.act(),
            Self::Keys => (Act::AuditRead, Target::Appliance),
            Self::Export(_) | Self::ExportShow { .. } | Self::ExportKept { .. } => {
                (Act::AuditExport, Target::Appliance)
            }
            Self::Prune { .. } => (Act::AuditPrune, Target::Appliance),
        }
    }
}

impl request::Project {
    fn act(&self) -> (Act, Target) {
        let of = |project: &String| Target::Project(project.clone());
        match self {
            Self::Create { .. } => (Act::ProjectCreate, Target::Appliance),
            Self::List { .. } => (Act::ProjectList, Target::Appliance),
            Self::Show { name } => (Act::ProjectShow, of(name)),
            Self::RotateKek { name, .. } => (Act::ProjectRotateKek, of(name)),
            Self::Member(request::Member::Add { project, .. }) => (Act::MemberAdd, of(project)),
            Self::Member(request::Member::Propose { project, .. }) => (Act::MemberPropose, of(project)),
            Self::Member(request::Member::List { project, .. }) => (Act::MemberList, of(project)),
            Self::Member(request::Member::Remove { project, .. }) => (Act::MemberRemove, of(project)),
            Self::Life(life) => life.act(),
        }
    }
}

impl request::Object {
    fn act(&self) -> (Act, Target) {
        match self {
            Self::Create { project, .. } => (Act::ObjectCreate, Target::Project(project.clone())),
            Self::List { project, .. } => (Act::ObjectList, Target::Project(project.clone())),
            Self::Show { project, name } | Self::Schema(request::ObjectSchema::Show { project, name }) => {
                (Act::ObjectShow, object_of(project, name))
            }
            Self::Schema(request::ObjectSchema::Set { project, name, .. }) => {
                (Act::ObjectSetSchema, object_of(project, name))
            }
            Self::Rotation { project, name, .. } => (Act::ObjectSetRotation, object_of(project, name)),
            Self::Life(life) => life.object_act(),
        }
    }
}

impl request::Endpoint {
    fn act(&self) -> (Act, Target) {
        match self {
            Self::Create { project, .. } => (Act::EndpointCreate, Target::Project(project.clone())),
            Self::List { project, .. } => (Act::EndpointList, Target::Project(project.clone())),
            Self::Show { project, name } => (Act::EndpointShow, endpoint_of(project, name)),
            Self::Networks(verb) => verb.act(),
            Self::Enable { project, name } => (Act::EndpointEnable, endpoint_of(project, name)),
            Self::Revoke { project, name } => (Act::EndpointRevoke, endpoint_of(project, name)),
            Self::Life(life) => life.endpoint_act(),
        }
    }
}

impl request::Grant {
    /// To let somebody decrypt is an act of its own.
    fn acts(&self) -> Acts {
        match self {
            Self::Create(request::Granted { project, endpoint, operations, .. }) => {
                let decrypt = |word: &&String| *word == Operation::Decrypt.name();
                let (to_decrypt, others) = (
                    operations.iter().any(|word| decrypt(&word)),
                    operations.iter().any(|word| !decrypt(&word)),
                );
                let acts = [(Act::GrantDecrypt, to_decrypt), (Act::GrantCreate, others || !to_decrypt)];
                let asked = acts.into_iter().filter(|(_, is_asked)| *is_asked);
                asked.map(|(act, _)| (act, endpoint_of(project, endpoint))).collect()
            }
            Self::List { project, endpoint, .. } => vec![(Act::GrantList, endpoint_of(project, endpoint))],
            Self::Revoke(request::Granted { project, endpoint, .. }) => {
                vec![(Act::GrantRevoke, endpoint_of(project, endpoint))]
            }
        }
    }
}

impl request::Budget {
    fn act(&self) -> Result<(Act, Target), Refusal> {
        Ok(match self {
            Self::Show { project, endpoint } => (Act::BudgetShow, endpoint_of(project, endpoint)),
            Self::Set { of, .. } => (Act::BudgetSet, of.target()?),
            Self::Raise { of, .. } => (Act::BudgetRaise, of.target()?),
        })
    }
}

impl request::BudgetOf {
    fn target(&self) -> Result<Target, Refusal> {
        Ok(match self {
            Self::Endpoint { project, name } => endpoint_of(project, name),
            Self::ApiKey { id: of } => Target::ApiKey(id(of)?),
        })
    }
}

impl request::Certificate {
    fn act(&self) -> (Act, Target) {
        match self {
            Self::Issue { project, endpoint, .. } => (Act::CertificateIssue, endpoint_of(project, endpoint)),
            Self::IssueUser { user, .. } => (Act::CertificateIssueUser, Target::User(user.clone())),
            Self::Enrol { project, endpoint, .. } => (Act::CertificateEnrol, endpoint_of(project, endpoint)),
            Self::EnrolUser { user, .. } => (Act::CertificateEnrolUser, Target::User(user.clone())),
            Self::List { .. } => (Act::CertificateList, Target::Appliance),
            Self::Revoke { spki, .. } => (Act::CertificateRevoke, Target::Certificate(spki.clone())),
            Self::RollCa(request::RollCa::Start) => (Act::CaRoll, Target::Appliance),
            Self::RollCa(request::RollCa::Finish { .. }) => (Act::CaRollFinish, Target::Appliance),
            Self::RollCa(request::RollCa::Show) => (Act::CaShow, Target::Appliance),
        }
    }
}

impl request::ServerNames {
    const fn act(&self) -> Act {
        match self {
            Self::Set { .. } => Act::ServerNamesSet,
            Self::Show => Act::ServerNamesShow,
        }
    }
}

impl request::Statistics {
    /// The same as over the control plane: one project's, or everyone's.
    fn act(&self) -> (Act, Target) {
        match (&self.project, &self.user) {
            (Some(project), None) => (Act::StatisticsRead, Target::Project(project.clone())),
            (_, Some(_)) | (None, None) => (Act::StatisticsReadAll, Target::Appliance),
        }
    }

    /// The same for the user itself, who reads what is of its own projects.
    pub(super) fn acts_of_own(&self) -> Vec<(Act, Target)> {
        let project = self.project.iter();
        project.map(|project| (Act::StatisticsRead, Target::Project(project.clone()))).collect()
    }
}

impl request::Subject {
    fn act(&self) -> (Act, Target) {
        let (act, project) = match self {
            Self::Freeze { project, .. } => (Act::SubjectFreeze, project),
            Self::Unfreeze { project, .. } => (Act::SubjectUnfreeze, project),
            Self::List { project, .. } => (Act::SubjectList, project),
        };
        (act, Target::Project(project.clone()))
    }
}

impl request::User {
    fn acts(&self) -> Result<Acts, Refusal> {
        let of = |name: &String| Target::User(name.clone());
        Ok(match self {
            Self::Create { role: given, .. } => {
                vec![(Act::UserCreate, Target::Appliance), (Act::RoleGive, Target::Role(role(given)?))]
            }
            Self::List { .. } => vec![(Act::UserList, Target::Appliance)],
            Self::Show { name } => vec![(Act::UserShow, of(name))],
            Self::Enable { name } => vec![(Act::UserEnable, of(name))],
            Self::Disable { name } => vec![(Act::UserDisable, of(name))],
            Self::Reset { name, .. } => vec![(Act::UserReset, of(name))],
            Self::EnforceTotp { name, .. } => vec![(Act::UserEnforceTotp, of(name))],
            Self::AskConfirmation { name } => vec![(Act::UserAskConfirmation, of(name))],
            Self::Recover { name } => vec![(Act::UserRecover, of(name))],
            Self::Delete { name } => vec![(Act::UserDelete, Target::Account(name.clone()))],
            Self::ChangeRole { name, role: given } => {
                vec![(Act::UserChangeRole, of(name)), (Act::RoleGive, Target::Role(role(given)?))]
            }
        })
    }
}

pub(super) fn endpoint_of(project: &str, name: &str) -> Target {
    Target::Endpoint { project: project.to_owned(), name: name.to_owned() }
}

pub(super) fn object_of(project: &str, name: &str) -> Target {
    Target::Object { project: project.to_owned(), name: name.to_owned() }
}
