//! What comes back over the local socket. Moments are RFC 3339 in UTC, ids are UUIDs, a digest is lower-case hex.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::api_key::{ApiKeyShown as ApiKey, ApiKeyWhole, MadeApiKey, RotatedApiKey, ShownOnce};
pub use super::approval::{ApprovalLine, KeyAtStake};
pub use super::audit_answer::{
    AuditEntry, AuditPage, CheckpointKey, ExportBegun, ExportEnded, ExportKept, Pruned,
};
pub use super::budget::{Budget, StrainedBudget};
pub use super::certificate_answer::{Ca, Certificate, CertificatesRevoked, Issued, RetiringCa, ServerNames};
pub use super::clock_answer::ClockStatus;
pub use super::destructions_answer::{DestructionLine, DestructionsStatus};
pub use super::endpoint_shown::{EndpointShown, Granted};
pub use super::key_shown::{KeyMoveLine, KeyVersionShown, StandsAgainst, WindowsLine};
pub use super::key_verify::{CheckValue, KeysOfKind, KeysVerified, StoredKeyLine, UnprovedKey};
pub use super::keys_answer::{EscrowStatus, KeysStatus, RewrappedKeys, RewrappingLine, StoreKeyStatus};
pub use super::people::{Account, AccountShown, Explained, MemberLine, Members, RuleLine};
pub use super::session::{Link, SessionLine};
pub use super::statistics::StatisticsTable;
pub use super::status_answer::{
    DueKey, Expiring, JournalStatus, RecoveryUnderWay, Status, TokenStatus, WitnessStatus, WornKey,
};
pub use super::subject::{FrozenLine, FrozenLines, SubjectChanged};

/// One answer.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It was done; this is what there is to show.
    Done(Done),
    /// The asker's to mend.
    Refused(Refused),
    /// Ours to mend: what happened, then what to do. The operator is told all of it.
    Fault(String),
}

/// Why not.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Stable.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

/// What a verb has to show.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Done {
    /// Of `api-key expire` and `api-key limits`.
    ApiKey(Box<ApiKey>),
    /// Of `api-key show`.
    ApiKeyShown(Box<ApiKeyWhole>),
    /// Of `api-key rotate`.
    ApiKeyRotated(Box<RotatedApiKey>),
    /// Of `api-key create`.
    ApiKeyMade(Box<MadeApiKey>),
    /// Of `api-key list`.
    ApiKeys(Page<ApiKey>),
    /// Of every verb on one approval, and of what asks for one.
    Approval(Box<ApprovalLine>),
    /// Of `approval list`.
    Approvals(Page<ApprovalLine>),
    /// Of `audit list`.
    Audit(AuditPage),
    /// Of every verb on budgets.
    Budgets(Vec<Budget>),
    /// Of every verb on the CA.
    Ca(Ca),
    /// Of `certificate enrol`.
    CertificateEnrolled(Certificate),
    /// Of `certificate issue`.
    CertificateIssued(Issued),
    /// Of `certificate list`.
    Certificates(Page<Certificate>),
    /// Of `certificate revoke`.
    CertificatesRevoked(CertificatesRevoked),
    /// Of a verb that has nothing to show.
    Changed,
    /// Of `store compact`.
    Compacted(Compacted),
    /// Of `endpoint create`.
    Endpoint(Endpoint),
    /// Of `endpoint show`.
    EndpointShown(Box<EndpointShown>),
    /// Of every verb on an endpoint's networks; from anywhere where there are none.
    Networks(Vec<String>),
    /// Of `endpoint list`.
    Endpoints(Page<Endpoint>),
    /// At the head of an export.
    ExportBegun(ExportBegun),
    /// At the end of an export, and of one that was handed over.
    ExportEnded(ExportEnded),
    /// Of an export that was kept: how far records may be pruned.
    ExportKept(ExportKept),
    /// Of `audit key`.
    CheckpointKeys(Vec<CheckpointKey>),
    /// Of `audit prune`.
    Pruned(Pruned),
    /// Of `grant list`.
    Grants(Page<Grant>),
    /// Of every verb on one key version.
    KeyVersion(Box<KeyVersionShown>),
    /// Of `key list`.
    KeyVersions(Page<KeyVersion>),
    /// Of `init`.
    Initialised(Initialised),
    /// Of `user reset`, and of `user recover` once it was approved.
    Link(Link),
    /// Of `object create` and `object show`.
    Object(Object),
    /// Of `key verify`.
    KeysVerified(KeysVerified),
    /// Of `object list`.
    Objects(Page<ObjectLine>),
    /// Of `report`.
    Report(Box<super::report::Report>),
    /// Of every verb on the schema of an object.
    Schema(super::schema::Schema),
    /// Of `project create` and `project rotate-kek`.
    Project(Project),
    /// Of `project show`.
    ProjectShown(ProjectShown),
    /// Of `project list`.
    Projects(Page<Project>),
    /// Of `statistics`.
    Statistics(Box<StatisticsTable>),
    /// Of `session list`.
    Sessions(Page<SessionLine>),
    /// Of `subject list`.
    FrozenSubjects(FrozenLines),
    /// Of `subject freeze` and `subject unfreeze`.
    SubjectChanged(SubjectChanged),
    /// Of every verb on the server's names.
    ServerNames(ServerNames),
    /// Of `policy explain`.
    Explained(Explained),
    /// Of `project member list`.
    Members(Members),
    /// Of `store-key rotate`.
    StoreKey(StoreKeyStatus),
    /// Of `status`.
    Status(Box<Status>),
    /// Of an `unlock` that went past something on the operator's word.
    Unlocked(Unlocked),
    /// Of `user create`.
    User(Account),
    /// Of `user show`.
    UserShown(AccountShown),
    /// Of `user list`.
    Users(Page<Account>),
}

/// What is to be done after an unlock that went past something.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlocked {
    /// One sentence each.
    pub next: Vec<String>,
}

/// What an init made.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initialised {
    /// The appliance's id.
    pub id: String,
    /// The token's serial number.
    pub token_serial: String,
    /// Of the master key; for eyes only.
    pub kcv: String,
    /// The admin's certificate.
    pub admin: Issued,
}

/// A page of a list.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// In order.
    pub items: Vec<Listed<T>>,
    /// What the next page begins behind; none at the end of the list.
    pub next: Option<String>,
}

/// One entry of a list.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(untagged)]
#[schemars(rename = "Listed{T}")]
pub enum Listed<T> {
    /// What was asked for.
    Sound(T),
    /// A row that is there and cannot be read.
    Damaged(Damaged),
}

/// What is left of a row that cannot be read.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damaged {
    /// Its name, as the log says it: table and row key.
    pub damaged: String,
}

/// A project.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Never changes.
    pub id: String,
    /// Unique in the appliance.
    pub name: String,
    /// When it was made.
    pub created: String,
    /// What people say it is for.
    pub description: Option<String>,
    /// Since when it is retired.
    pub retired: Option<String>,
    /// The version of its KEK that wraps its keys.
    pub kek_version: u32,
    /// How far its keys are with that version, while older ones are left.
    pub rewrapping: Option<RewrappedKeys>,
}

/// A project with what belongs to it.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectShown {
    /// The project.
    pub project: Project,
    /// Its first hundred objects; none for those who may not list them.
    pub objects: Option<Vec<Listed<ObjectLine>>>,
    /// Whether it has more than these.
    #[serde(default)]
    pub more_objects: bool,
    /// Its endpoints, likewise.
    pub endpoints: Option<Vec<Listed<Endpoint>>>,
    /// Whether it has more than these.
    #[serde(default)]
    pub more_endpoints: bool,
}

/// An object in a list.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLine {
    /// Never changes.
    pub id: String,
    /// Unique in its project.
    pub name: String,
    /// As it stands in envelopes: 8 hex digits.
    pub key_id: String,
    /// The key version that seals.
    pub current_version: u32,
    /// The context name that says whose data it is.
    pub subject: Option<String>,
    /// Context names a seal must bind.
    pub required_context: Vec<String>,
    /// When it was made.
    pub created: String,
    /// What people say it is for.
    pub description: Option<String>,
    /// Since when it is retired.
    pub retired: Option<String>,
    /// How many days old its key may become, where that is not the policy's; 0 any age.
    #[serde(default)]
    pub rotate_after_days: Option<u32>,
}

/// An object with its key versions.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The object.
    pub object: ObjectLine,
    /// Oldest first.
    pub versions: Vec<Listed<KeyVersion>>,
    /// Of its index root, oldest first: two while it is being rotated, none where no field was ever indexed.
    #[serde(default)]
    pub index_roots: Vec<Listed<IndexRootVersion>>,
}

/// A version of an index root without its key.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexRootVersion {
    /// From 1; the first eight digits of an index value.
    pub version: u32,
    /// When it was made.
    pub created: String,
}

/// A key version without its key.
#[expect(clippy::struct_excessive_bools, reason = "members of an answer, each by its name")]
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyVersion {
    /// From 1.
    pub version: u32,
    /// Of its envelopes.
    pub algorithm: String,
    /// What it may do.
    pub state: String,
    /// Seals reserved by leases.
    pub uses_reserved: u64,
    /// Whether it encrypts and has been used half as often as it may be.
    pub worn: bool,
    /// Characters a database column needs for a plaintext of 16 bytes.
    pub width_16: usize,
    /// When it was made.
    pub created: String,
    /// From when on it encrypts nothing.
    pub encrypt_until: Option<String>,
    /// From when on it decrypts nothing.
    pub decrypt_until: Option<String>,
    /// When its scheduled destruction falls due.
    pub destroy_at: Option<String>,
    /// Whether it is known to be in other hands, also while it is disabled or waits for its destruction.
    #[serde(default)]
    pub compromised: bool,
    /// Whether its window to encrypt is over.
    #[serde(default)]
    pub encrypt_over: bool,
    /// Whether its window to decrypt is over.
    #[serde(default)]
    pub decrypt_over: bool,
    /// How often it was used.
    pub uses: KeyUses,
}

/// How often a key version was used.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUses {
    /// Seals at most: what a crash or a restore may have cost counts, too.
    pub uses: u64,
    /// Seals after which it stops encrypting.
    pub uses_max: u64,
    /// When it last encrypted.
    pub last_sealed: Option<String>,
    /// Fields that were opened under it.
    pub opened: u64,
    /// When the last of them was.
    pub last_opened: Option<String>,
    /// Fields that were opened since it last encrypted: of an older version, how much still depends on it. What a reencrypt
    /// opened counts, what an index opened does not.
    pub opened_since: u64,
}

/// An endpoint.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Stands in its certificates.
    pub id: String,
    /// Stands in its URLs.
    pub name: String,
    /// When it was made.
    pub created: String,
    /// Since when it is refused.
    pub revoked: Option<String>,
    /// Since when it waits to be enabled again.
    pub disabled: Option<String>,
    /// What people say it is for.
    pub description: Option<String>,
    /// Since when it is retired.
    pub retired: Option<String>,
}

/// A grant.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The object's name.
    pub object: String,
    /// `encrypt`, `decrypt`, `reencrypt` or `index`.
    pub operation: String,
}

/// What a compaction came to.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compacted {
    /// Bytes of the store's file before.
    pub before_bytes: u64,
    /// Bytes of the store's file after.
    pub after_bytes: u64,
}
