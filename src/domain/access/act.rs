//! What can be done, as access policies speak of it: one closed list, the same as the actions of `access.cedarschema`.

use std::fmt;
use std::str::FromStr;

use crate::domain::operation::Operation;

macro_rules! acts {
    ($($name:ident $word:literal, $on:ident $(| $also:ident)*;)+) => {
        /// One act. Some have a rule before they have a verb: separation of duties must be there first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Act {
            $(#[doc = concat!("`", $word, "`")] $name,)+
        }

        impl Act {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in policies and on the command line.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it is done on: one of these.
            #[must_use]
            pub const fn done_on(self) -> &'static [Kind] {
                match self { $(Self::$name => &[Kind::$on $(, Kind::$also)*],)+ }
            }
        }
    };
}

/// Kinds of things that acts are done on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything that is of no project.
    Appliance,
    /// What waits for a second person.
    Approval,
    /// A client system.
    Endpoint,
    /// A class of protected data.
    Object,
    /// A tenant.
    Project,
    /// What an account is for.
    Role,
    /// A person's account.
    User,
}

acts! {
    ApiKeyCreate "api-key.create", Endpoint;
    ApiKeyEnable "api-key.enable", Endpoint | Appliance;
    ApiKeyExpire "api-key.expire", Endpoint | Appliance;
    ApiKeyLimits "api-key.limits", Endpoint | Appliance;
    ApiKeyList "api-key.list", Endpoint;
    ApiKeyRevoke "api-key.revoke", Endpoint | Appliance;
    ApiKeyRotate "api-key.rotate", Endpoint | Appliance;
    ApiKeyShow "api-key.show", Endpoint | Appliance;
    ApplianceInit "appliance.init", Appliance;
    ApplianceLock "appliance.lock", Appliance;
    ApplianceUnlock "appliance.unlock", Appliance;
    ApprovalGive "approval.give", Approval;
    ApprovalList "approval.list", Appliance;
    ApprovalRefuse "approval.refuse", Approval;
    ApprovalShow "approval.show", Approval;
    ApprovalWithdraw "approval.withdraw", Approval;
    AuditExport "audit.export", Appliance;
    AuditPrune "audit.prune", Appliance;
    AuditRead "audit.read", Appliance | Project;
    BackupFetch "backup.fetch", Appliance;
    BudgetRaise "budget.raise", Endpoint | Appliance;
    BudgetSet "budget.set", Endpoint | Appliance;
    BudgetShow "budget.show", Endpoint;
    CaRoll "ca.roll", Appliance;
    CaRollFinish "ca.roll-finish", Appliance;
    CaShow "ca.show", Appliance;
    CertificateEnrol "certificate.enrol", Endpoint;
    CertificateEnrolUser "certificate.enrol-user", User;
    CertificateIssue "certificate.issue", Endpoint;
    CertificateIssueUser "certificate.issue-user", User;
    CertificateList "certificate.list", Appliance;
    CertificateRenew "certificate.renew", Endpoint;
    CertificateRevoke "certificate.revoke", Endpoint | User | Appliance;
    ClockAcknowledge "clock.acknowledge", Appliance;
    Decrypt "decrypt", Object;
    Encrypt "encrypt", Object;
    EndpointCreate "endpoint.create", Project;
    EndpointDelete "endpoint.delete", Endpoint;
    EndpointDescribe "endpoint.describe", Endpoint;
    EndpointEnable "endpoint.enable", Endpoint;
    EndpointList "endpoint.list", Project;
    EndpointNetworksSet "endpoint.networks-set", Endpoint;
    EndpointNetworksShow "endpoint.networks-show", Endpoint;
    EndpointReinstate "endpoint.reinstate", Endpoint;
    EndpointRename "endpoint.rename", Endpoint;
    EndpointRetire "endpoint.retire", Endpoint;
    EndpointRevoke "endpoint.revoke", Endpoint;
    EndpointShow "endpoint.show", Endpoint;
    GrantCreate "grant.create", Endpoint;
    GrantDecrypt "grant.decrypt", Endpoint;
    GrantList "grant.list", Endpoint;
    GrantRevoke "grant.revoke", Endpoint;
    HealthRead "health.read", Appliance;
    Index "index", Object;
    IndexFinishRotation "index.finish-rotation", Object;
    IndexRotateRoot "index.rotate-root", Object;
    KeyCancelDestruction "key.cancel-destruction", Object;
    KeyCompromise "key.compromise", Object;
    KeyDisable "key.disable", Object;
    KeyEnable "key.enable", Object;
    KeyRotate "key.rotate", Object;
    KeyScheduleDestruction "key.schedule-destruction", Object;
    KeyVerify "key.verify", Appliance | Project;
    KeyWindows "key.windows", Object;
    MasterKeyRotate "master-key.rotate", Appliance;
    MemberAdd "member.add", Project;
    MemberList "member.list", Project;
    MemberPropose "member.propose", Project;
    MemberRemove "member.remove", Project;
    MetricsRead "metrics.read", Appliance;
    ObjectCreate "object.create", Project;
    ObjectDelete "object.delete", Object;
    ObjectDescribe "object.describe", Object;
    ObjectList "object.list", Project;
    ObjectReinstate "object.reinstate", Object;
    ObjectRename "object.rename", Object;
    ObjectRetire "object.retire", Object;
    ObjectSetRotation "object.set-rotation", Object;
    ObjectSetSchema "object.set-schema", Object;
    ObjectShow "object.show", Object;
    PolicyExplain "policy.explain", Appliance;
    ProjectCreate "project.create", Appliance;
    ProjectDelete "project.delete", Project;
    ProjectDescribe "project.describe", Project;
    ProjectList "project.list", Appliance;
    ProjectReinstate "project.reinstate", Project;
    ProjectRename "project.rename", Project;
    ProjectRetire "project.retire", Project;
    ProjectRotateKek "project.rotate-kek", Project;
    ProjectShow "project.show", Project;
    Reencrypt "reencrypt", Object;
    RoleGive "role.give", Role;
    ServerNamesSet "server-names.set", Appliance;
    ServerNamesShow "server-names.show", Appliance;
    SessionEnd "session.end", User;
    SessionList "session.list", User;
    StatisticsRead "statistics.read", Project;
    StatisticsReadAll "statistics.read-all", Appliance;
    StatusRead "status.read", Appliance;
    StoreKeyRotate "store-key.rotate", Appliance;
    StoreCompact "store.compact", Appliance;
    SubjectFreeze "subject.freeze", Project;
    SubjectList "subject.list", Project;
    SubjectUnfreeze "subject.unfreeze", Project;
    UserAskConfirmation "user.ask-confirmation", User;
    UserChangeRole "user.change-role", User;
    UserCreate "user.create", Appliance;
    UserDelete "user.delete", User | Appliance;
    UserDisable "user.disable", User;
    UserEnable "user.enable", User;
    UserEnforceTotp "user.enforce-totp", User;
    UserList "user.list", Appliance;
    UserRecover "user.recover", User;
    UserReset "user.reset", User;
    UserShow "user.show", User;
}

impl Act {
    /// Its place in [`Act::ALL`].
    pub(super) const fn place(self) -> usize {
        self as usize
    }

    /// The operation that it is, if it is work on data.
    #[must_use]
    pub fn operation(self) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| Self::from(*operation) == self)
    }
}

impl From<Operation> for Act {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Encrypt => Self::Encrypt,
            Operation::Decrypt => Self::Decrypt,
            Operation::Reencrypt => Self::Reencrypt,
            Operation::Index => Self::Index,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

impl FromStr for Act {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|act| act.word() == word).ok_or(())
    }
}

impl Kind {
    /// Its entity type in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Appliance => "Appliance",
            Self::Approval => "Approval",
            Self::Endpoint => "Endpoint",
            Self::Object => "Object",
            Self::Project => "Project",
            Self::Role => "Role",
            Self::User => "User",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_and_are_in_order() {
        assert!(Act::ALL.is_sorted_by(|one, next| one.word() < next.word() && one < next));
        for act in Act::ALL {
            assert_eq!(act.word().parse(), Ok(*act));
            assert_eq!(Act::ALL[act.place()], *act);
            assert!(!act.done_on().is_empty());
        }
        assert_eq!(Act::Decrypt.operation(), Some(Operation::Decrypt));
        assert_eq!(Act::GrantDecrypt.operation(), None);
    }
}
