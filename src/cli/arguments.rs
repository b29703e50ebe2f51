//! What can be written behind `gembok`: a noun and a verb.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::desk::request;

use super::api_key::ApiKey;
use super::approval::Approval;
pub(super) use super::audit_arguments::{Audit, Evidence, Export, Verify};
use super::budget::Budget;
use super::control::Options;
use super::endpoint_shown::Networks;
use super::enrol::Enrol;
use super::error::CliError;
use super::escrow::Escrow;
use super::index::Index;
use super::issue::{NewBundle, NewCertificate};
use super::key::Key;
use super::life::{EndpointLife, ObjectLife, ProjectLife};
pub(super) use super::machine::{Clock, Config, Store, StoreKey};
use super::own::Own;
use super::page::Page;
use super::people::{Member, User};
use super::policy::Policy;
use super::renewal::Acceptance;
use super::report_verb::ReportVerb;
use super::roll_ca::RollCa;
use super::schema::{self, SchemaVerb};
use super::server_names::ServerNames;
use super::session::Session;
use super::statistics::Statistics;
use super::subject::SubjectVerb;

/// Where the configuration lies when nothing is said.
pub(super) const CONFIG_FILE: &str = "/etc/gembok/gembok.toml";

#[derive(Parser)]
#[command(
    name = "gembok",
    version,
    about = "An encryption appliance for a LAN: keys in a token, data in your database"
)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "GEMBOK_CONFIG",
        default_value = CONFIG_FILE,
        value_name = "FILE"
    )]
    pub(super) config: PathBuf,
    /// Print the daemon's answer as it came, one line of JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The language to speak, and of a report's page: id or en; without, that of the environment, and of a page id
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = ["id", "en"])]
    pub(super) language: Option<String>,
    #[command(flatten)]
    pub(super) control: Options,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the daemon in the foreground
    Serve,
    /// Make a new appliance
    Init(Init),
    /// Unlock with the PIN in the configured file
    Unlock(Acceptance),
    /// Drop every key; the data plane refuses until the next unlock
    Lock,
    /// Say how the appliance is
    Status,
    /// Projects: the tenants
    #[command(subcommand)]
    Project(Project),
    /// Objects: classes of protected data, each with its key
    #[command(subcommand)]
    Object(Object),
    /// Endpoints: enrolled client systems
    #[command(subcommand)]
    Endpoint(Endpoint),
    /// Grants: which endpoint may do what on which object
    #[command(subcommand)]
    Grant(Grant),
    /// API keys: the credentials of endpoints
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Client certificates
    #[command(subcommand)]
    Certificate(Certificate),
    /// What the server's certificate calls it
    #[command(subcommand)]
    ServerNames(ServerNames),
    /// Keys of objects
    #[command(subcommand)]
    Key(Key),
    /// Index roots of objects: their rotation
    #[command(subcommand)]
    Index(Index),
    /// People with an account on the control plane
    #[command(subcommand)]
    User(User),
    /// Reports for the duties of UU PDP: CSV, or a page to print
    Report(ReportVerb),
    /// Subjects: whose data it is
    #[command(subcommand)]
    Subject(SubjectVerb),
    /// Access policies: who may do what
    #[command(subcommand)]
    Policy(Policy),
    /// What waits for a second person
    #[command(subcommand)]
    Approval(Approval),
    #[command(flatten)]
    Own(Own),
    /// People signed in by password
    #[command(subcommand)]
    Session(Session),
    /// Budgets: how many fields may be decrypted, indexed, and not open for a reencrypt, in 24 hours
    #[command(subcommand)]
    Budget(Budget),
    /// The audit trail
    #[command(subcommand)]
    Audit(Audit),
    /// What was asked, by whom, with what result, over time
    Statistics(Statistics),
    /// The store's file
    #[command(subcommand)]
    Store(Store),
    /// The key that seals the store
    #[command(subcommand)]
    StoreKey(StoreKey),
    /// The machine's clock
    #[command(subcommand)]
    Clock(Clock),
    /// The escrow log: a second place for every wrapped key
    #[command(subcommand)]
    Escrow(Escrow),
    /// The configuration
    #[command(subcommand)]
    Config(Config),
    /// Print the OpenAPI document of both listeners
    Openapi,
    /// Print what completes commands in a shell: source <(gembok completions bash)
    Completions {
        /// bash, zsh or fish
        #[arg(value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
}

#[derive(Args)]
pub(super) struct Init {
    /// Make a sandbox: one person makes all keys, and the store says so for ever
    #[arg(long, required = true)]
    pub(super) sandbox: bool,
    /// Name of the one user
    #[arg(long, default_value = "admin", value_name = "NAME")]
    pub(super) admin: String,
    /// Where admin.key, admin.pem and ca.pem go
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// A name or address that clients use; may be given again. Asked on a terminal, else the configuration's without
    #[arg(long = "server-name", value_name = "NAME|ADDRESS")]
    pub(super) server_names: Vec<String>,
}

#[derive(Subcommand)]
pub(super) enum Project {
    /// Make a project
    Create { name: String },
    /// List projects
    List(Page),
    /// Show a project with its objects and endpoints
    Show { name: String },
    /// Users who own a project together
    #[command(subcommand)]
    Member(Member),
    #[command(flatten)]
    Life(ProjectLife),
}

#[derive(Subcommand)]
pub(super) enum Object {
    /// Make an object with its first key
    Create {
        name: String,
        #[arg(long)]
        project: String,
        /// xaes-256-gcm, aes-256-gcm, aes-256-gcm-siv or xchacha20-poly1305; the policy's default without
        #[arg(long)]
        algorithm: Option<String>,
        /// A context name every encryption must bind; may be given again
        #[arg(long = "required-context", value_name = "NAME")]
        required_context: Vec<String>,
        /// What it declares of its data, in TOML or JSON: subject, required context names, fields
        #[arg(long, value_name = "FILE")]
        schema: Option<PathBuf>,
    },
    /// List the objects of a project
    List {
        #[arg(long)]
        project: String,
        #[command(flatten)]
        page: Page,
    },
    /// Show an object with its key versions; DECRYPTED SINCE counts what was decrypted or re-encrypted, not what was indexed
    Show {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// What an object declares of its data: whose it is, and which fields it has
    #[command(subcommand)]
    Schema(SchemaVerb),
    #[command(flatten)]
    Life(ObjectLife),
}

#[derive(Subcommand)]
pub(super) enum Endpoint {
    /// Make an endpoint
    Create {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// List the endpoints of a project
    List {
        #[arg(long)]
        project: String,
        #[command(flatten)]
        page: Page,
    },
    /// Show an endpoint whole: grants, API keys, certificates, networks, budgets
    Show {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// The networks an endpoint may come from
    #[command(subcommand)]
    Networks(Networks),
    /// Give an endpoint all it needs, once, in a zip: certificate, key, API key, CA, settings for PHP and curl
    Bundle(NewBundle),
    /// Let an endpoint in again that a new epoch disabled
    Enable {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// Refuse an endpoint from now on, with all its certificates
    Revoke {
        name: String,
        #[arg(long)]
        project: String,
    },
    #[command(flatten)]
    Life(EndpointLife),
}

#[derive(Subcommand)]
pub(super) enum Grant {
    /// Let an endpoint do something on an object
    Create(Granted),
    /// List the grants of an endpoint
    List {
        #[arg(long)]
        project: String,
        #[arg(long)]
        endpoint: String,
        #[command(flatten)]
        page: Page,
    },
    /// Take grants away
    Revoke(Granted),
}

#[derive(Args)]
pub(super) struct Granted {
    /// encrypt, decrypt, reencrypt or index
    #[arg(required = true, value_name = "OPERATION")]
    operations: Vec<String>,
    #[arg(long)]
    project: String,
    #[arg(long)]
    endpoint: String,
    #[arg(long)]
    object: String,
}

#[derive(Subcommand)]
pub(super) enum Certificate {
    /// Issue a client certificate to an endpoint or a user; those it has go on counting
    Issue(NewCertificate),
    /// Let a certificate of an outside CA count
    Enrol(Enrol),
    /// List every certificate
    List(Page),
    /// Refuse a certificate from now on, with all that were renewed from it
    Revoke {
        /// SHA-256 of its public key, as the list shows it
        spki: String,
        /// Leave those that were renewed from it
        #[arg(long)]
        only: bool,
    },
    /// Roll the CA: a new one takes its place, with an overlap
    #[command(subcommand)]
    RollCa(RollCa),
}

/// Verbs whose request is nothing but their words.
impl From<Project> for request::Request {
    fn from(verb: Project) -> Self {
        Self::Project(match verb {
            Project::Create { name } => request::Project::Create { name },
            Project::List(Page { after, limit }) => request::Project::List { after, limit },
            Project::Show { name } => request::Project::Show { name },
            Project::Member(verb) => request::Project::Member(verb.into()),
            Project::Life(verb) => verb.into(),
        })
    }
}

impl Object {
    /// The request it is.
    pub(super) fn into_request(self) -> Result<request::Request, CliError> {
        Ok(request::Request::Object(match self {
            Self::Create { name, project, algorithm, required_context, schema: file } => {
                schema::create(name, project, algorithm, required_context, file.as_deref())?
            }
            Self::List { project, page: Page { after, limit } } => {
                request::Object::List { project, after, limit }
            }
            Self::Show { name, project } => request::Object::Show { project, name },
            Self::Schema(verb) => return verb.into_request(),
            Self::Life(verb) => verb.into(),
        }))
    }
}

impl Endpoint {
    /// The request it is, or the bundle it asks for, which takes more than one.
    pub(super) fn into_request(self) -> Result<request::Request, NewBundle> {
        Ok(request::Request::Endpoint(match self {
            Self::Create { name, project } => request::Endpoint::Create { project, name },
            Self::List { project, page: Page { after, limit } } => {
                request::Endpoint::List { project, after, limit }
            }
            Self::Show { name, project } => request::Endpoint::Show { project, name },
            Self::Networks(verb) => request::Endpoint::Networks(verb.into()),
            Self::Bundle(new) => return Err(new),
            Self::Enable { name, project } => request::Endpoint::Enable { project, name },
            Self::Revoke { name, project } => request::Endpoint::Revoke { project, name },
            Self::Life(verb) => verb.into(),
        }))
    }
}

impl From<Grant> for request::Request {
    fn from(verb: Grant) -> Self {
        Self::Grant(match verb {
            Grant::Create(granted) => request::Grant::Create(granted.into()),
            Grant::List { project, endpoint, page: Page { after, limit } } => {
                request::Grant::List { project, endpoint, after, limit }
            }
            Grant::Revoke(granted) => request::Grant::Revoke(granted.into()),
        })
    }
}

impl From<Granted> for request::Granted {
    fn from(granted: Granted) -> Self {
        let Granted { operations, project, endpoint, object } = granted;
        Self { project, endpoint, object, operations }
    }
}
