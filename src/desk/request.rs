//! What can be asked of the desk: a noun and a verb, as `{"noun":{"verb":{…}}}`. Unknown members are refused, so
//! that a typing error cannot weaken what was meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::api_key::{ApiKey, Limits};
pub use super::approval::Approval;
pub use super::audit_request::AuditWanted;
pub use super::certificate_request::{Certificate, RollCa, ServerNames};
pub use super::endpoint_shown::Networks;
pub use super::index::Index;
pub use super::key::{Key, KeyMoved, KeyVersionOf};
pub use super::key_verify::VerifyKeys;
pub use super::life::{LifeOf, LifeOfProject};
pub use super::people::{Member, Policy, User};
pub use super::report::ReportWanted;
pub use super::schema::{ObjectSchema, Schema};
pub use super::session::Session;
pub use super::statistics::Statistics;
pub use super::store_key::StoreKey;
pub use super::subject::{Subject, SubjectOf};

/// Bytes of a request's line at most; the largest part of one is a signing request.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// One request.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// From nothing to an unlocked sandbox.
    InitSandbox {
        /// What the one user is called.
        admin: String,
        /// A PEM signing request over the user's key.
        admin_csr: String,
        /// What clients call the server; as the configuration says without any.
        #[serde(default)]
        server_names: Vec<String>,
    },
    /// With the PIN in the configured file.
    Unlock {
        /// The operator's word that rows which do not open are known to be lost.
        accept_damage: bool,
        /// The operator's word that the store is known to be another than the token last knew.
        #[serde(default)]
        accept_rollback: bool,
    },
    /// Drop every key.
    Lock,
    /// The whole health.
    Status,
    /// Tenants.
    Project(Project),
    /// Classes of protected data.
    Object(Object),
    /// Enrolled client systems.
    Endpoint(Endpoint),
    /// Who may do what.
    Grant(Grant),
    /// Credentials of endpoints.
    ApiKey(ApiKey),
    /// Client certificates.
    Certificate(Certificate),
    /// What the server's certificate calls it.
    ServerNames(ServerNames),
    /// Keys of objects.
    Key(Key),
    /// Index roots of objects.
    Index(Index),
    /// People with an account.
    User(User),
    /// What the law on personal data asks for.
    Report(ReportWanted),
    /// Whose data it is.
    Subject(Subject),
    /// Who may do what.
    Policy(Policy),
    /// What waits for a second person.
    Approval(Approval),
    /// People signed in by password.
    Session(Session),
    /// How much may be decrypted, and indexed, in 24 hours.
    Budget(Budget),
    /// Who changed what.
    Audit(Audit),
    /// What was asked of it.
    Statistics(Statistics),
    /// The file everything is in.
    Store(Store),
    /// What seals it.
    StoreKey(StoreKey),
    /// The wall's clock.
    Clock(Clock),
}

/// Verbs on the clock.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Clock {
    /// The operator's word that it is right.
    Acknowledge,
}

/// Verbs on the store.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Store {
    /// Give unused space back to the disk.
    Compact,
}

/// Verbs on projects.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Project {
    /// With its first KEK.
    Create {
        /// New in the appliance.
        name: String,
    },
    /// A page.
    List {
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// With what belongs to it.
    Show {
        /// Its name.
        name: String,
    },
    /// The next version of its KEK wraps from now on; what the ones before wrap is wrapped anew, then they are destroyed.
    RotateKek {
        /// Its name.
        name: String,
        /// Why, for the audit trail: one line of at most 200 characters.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Users who own one together.
    Member(Member),
    /// What becomes of one.
    Life(LifeOfProject),
}

/// Verbs on objects.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Object {
    /// With its first key version.
    Create {
        /// Its project's name.
        project: String,
        /// New in the project.
        name: String,
        /// Of its first key version; the policy's default without.
        algorithm: Option<String>,
        /// Context names every seal must bind.
        #[serde(default)]
        required_context: Vec<String>,
        /// What it declares of its data.
        #[serde(default)]
        schema: Option<Schema>,
    },
    /// A page.
    List {
        /// Their project's name.
        project: String,
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// With its key versions.
    Show {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// What it declares of its data.
    Schema(ObjectSchema),
    /// How old its key may become.
    Rotation {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
        /// 0 to 36,500, 0 for any age; as the policy says without.
        after_days: Option<u32>,
    },
    /// What becomes of one.
    Life(LifeOf),
}

/// Verbs on endpoints.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Endpoint {
    /// Without certificate, API key or grant.
    Create {
        /// Its project's name.
        project: String,
        /// New in the project.
        name: String,
    },
    /// A page of a project's.
    List {
        /// Their project's name.
        project: String,
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// With all that belongs to it.
    Show {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// From where one may come.
    Networks(Networks),
    /// After a new epoch disabled it.
    Enable {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// With all its certificates.
    Revoke {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// What becomes of one.
    Life(LifeOf),
}

/// Verbs on grants.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Grant {
    /// What was granted stays.
    Create(Granted),
    /// A page of an endpoint's.
    List {
        /// Its project's name.
        project: String,
        /// Its name.
        endpoint: String,
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// One that is not there stays away.
    Revoke(Granted),
}

/// Which endpoint may do what on which object.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The project of both.
    pub project: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// The object's name.
    pub object: String,
    /// One or more of `encrypt`, `decrypt`, `reencrypt`, `index`.
    pub operations: Vec<String>,
}

/// Verbs on budgets of decrypted and of indexed fields, and of those that did not open.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Budget {
    /// An endpoint's, and those of its API keys.
    Show {
        /// Its project's name.
        project: String,
        /// Its name.
        endpoint: String,
    },
    /// Another size from now on.
    Set {
        /// Whose.
        of: BudgetOf,
        /// Of which fields: `decrypt`, also without, `index`, or `reencrypt`: what did not open.
        #[serde(default)]
        operation: Option<String>,
        /// Fields in 24 hours; the policy's without.
        fields_per_day: Option<u64>,
    },
    /// More for a time; it ends by itself.
    Raise {
        /// Whose.
        of: BudgetOf,
        /// Of which fields: `decrypt`, also without, `index`, or `reencrypt`: what did not open.
        #[serde(default)]
        operation: Option<String>,
        /// Fields in 24 hours while it lasts.
        fields_per_day: u64,
        /// How long.
        seconds: u64,
    },
}

/// Whose budget.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BudgetOf {
    /// An endpoint's.
    Endpoint {
        /// Its project's name.
        project: String,
        /// Its name.
        name: String,
    },
    /// An API key's.
    ApiKey {
        /// As lists show it.
        id: String,
    },
}

/// Verbs on the audit trail.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Audit {
    /// A page.
    List(AuditWanted),
    /// The journal itself; the answer is a stream, see [`super::export`].
    Export(ExportOf),
    /// What an export was, once it was handed over.
    ExportShow {
        /// As the export named itself.
        id: String,
    },
    /// An export was received whole and is kept.
    ExportKept {
        /// As the export named itself.
        id: String,
        /// The word of whoever keeps it that what could not be read is known to be lost.
        #[serde(default)]
        accept_damage: bool,
    },
    /// The public keys that sign checkpoints.
    Keys,
    /// Records that were exported, and are no longer wanted here. One of the two.
    Prune {
        /// The last record.
        to: Option<u64>,
        /// RFC 3339: what was recorded before.
        before: Option<String>,
    },
}

/// Which part of the journal.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportOf {
    /// First record.
    pub from: Option<u64>,
    /// Last record.
    pub to: Option<u64>,
    /// `access` or `audit`.
    pub kind: Option<String>,
    /// Only what one endpoint asked: its project.
    pub project: Option<String>,
    /// And the endpoint.
    pub endpoint: Option<String>,
}
