//! Users, members of projects, and access policies: what can be asked about them over the local socket, and what comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{Certificate, Page};

/// Verbs on people.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum User {
    /// Without a certificate.
    Create {
        /// New in the appliance.
        name: String,
        /// `user`, `admin`, `officer`, `auditor` or `backup`.
        role: String,
    },
    /// A page.
    List {
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// With projects and certificates.
    Show {
        /// Their name.
        name: String,
    },
    /// After a new epoch or an operator disabled them.
    Enable {
        /// Their name.
        name: String,
    },
    /// From now on, until they are enabled again.
    Disable {
        /// Their name.
        name: String,
    },
    /// For good, with memberships and certificates.
    Delete {
        /// Their name.
        name: String,
    },
    /// Another one from now on.
    ChangeRole {
        /// Their name.
        name: String,
        /// As in `create`.
        role: String,
    },
    /// A one-time link that sets a new password.
    Reset {
        /// Their name.
        name: String,
        /// Whether using it takes the second factor away, too.
        #[serde(default)]
        drop_totp: bool,
    },
    /// Whether a second factor is demanded beside the password.
    EnforceTotp {
        /// Their name.
        name: String,
        /// From now on.
        demanded: bool,
    },
    /// Asks again for a second person to confirm the account.
    AskConfirmation {
        /// Their name.
        name: String,
    },
    /// When all admins are lost: first asks an officer, then makes the account an admin.
    Recover {
        /// Their name.
        name: String,
    },
}

/// Verbs on members of a project.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Member {
    /// One that is there stays.
    Add {
        /// The project's name.
        project: String,
        /// The user's name.
        user: String,
    },
    /// Asks a second person to let a user in.
    Propose {
        /// The project's name.
        project: String,
        /// The user's name.
        user: String,
    },
    /// A page of a project's.
    List {
        /// Its name.
        project: String,
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// One that is not there stays away.
    Remove {
        /// The project's name.
        project: String,
        /// The user's name.
        user: String,
    },
}

/// Verbs on access policies.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Policy {
    /// What they say of an act, and why. Nothing is done.
    Explain {
        /// `local`, `user:NAME` or `endpoint:PROJECT/NAME`.
        who: String,
        /// As the schema names it.
        act: String,
        /// `appliance`, `project:NAME`, `object:PROJECT/NAME`, `endpoint:PROJECT/NAME`, `user:NAME`, `role:NAME` or
        /// `approval:ID`.
        on: String,
        /// From where; nowhere without.
        address: Option<String>,
        /// RFC 3339; now without.
        time: Option<String>,
    },
}

/// An account.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Never changes, and is never given again.
    pub id: String,
    /// Unique in the appliance.
    pub name: String,
    /// What it is for.
    pub role: String,
    /// When it was made.
    pub created: String,
    /// Since when it is refused.
    pub disabled: Option<String>,
    /// Since when it waits for a second person to confirm it.
    #[serde(default)]
    pub unconfirmed: Option<String>,
}

/// An account with what belongs to it.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountShown {
    /// The account.
    pub user: Account,
    /// Names of its projects.
    pub projects: Vec<String>,
    /// Those it has or had.
    pub certificates: Vec<Certificate>,
}

/// A member of a project.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLine {
    /// The user's id.
    pub id: String,
    /// The user's name.
    pub name: String,
    /// Since when it is a member.
    pub since: String,
    /// Since when the account is refused.
    pub disabled: Option<String>,
}

/// Members of a project.
pub type Members = Page<MemberLine>;

/// What access policies say of an act.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    /// Whether the policies allow it.
    pub allowed: bool,
    /// The rules that decided; none where no rule permits it.
    pub rules: Vec<RuleLine>,
    /// Rules that cannot be evaluated: each denies.
    pub broken: Vec<String>,
    /// What else keeps it from being done, one sentence each.
    pub but: Vec<String>,
}

/// A rule of the access policies.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleLine {
    /// Its `@id`.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    /// Its `@why`.
    pub why: String,
    /// Its `@alasan`, the same in Indonesian; none where nobody wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alasan: Option<String>,
}
