//! The words of `gembok audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::desk::request::AuditWanted;

#[derive(Subcommand)]
pub(super) enum Audit {
    /// List changes and refused acts, oldest first; or requests on data
    List(List),
    /// Export the journal, for keeping and for auditors; what is kept whole may be pruned here
    Export(Export),
    /// Read the whole journal out of the daemon and check it, keeping nothing. Exit status 1 when anything is not as it must be
    Check {
        /// First record; from the first that was not pruned without
        #[arg(long, value_name = "SEQUENCE")]
        from: Option<u64>,
        /// Last record; up to the present without
        #[arg(long, value_name = "SEQUENCE")]
        to: Option<u64>,
        #[command(flatten)]
        evidence: Evidence,
    },
    /// Show the public keys that sign checkpoints, in PEM, for --checkpoint-key: note their fingerprints elsewhere
    Key,
    /// Drop records that were exported and kept; headers and statistics stay
    Prune {
        /// The last record to go
        #[arg(long, value_name = "SEQUENCE", required_unless_present = "before")]
        to: Option<u64>,
        /// What was recorded before this moment goes, like 2030-12-31T23:59:59Z
        #[arg(long, value_name = "TIME", conflicts_with = "to")]
        before: Option<String>,
    },
    /// Check exports offline: no daemon, no token, no key but public ones. Exit status 1 when anything is not as it must be
    Verify(Verify),
}

#[derive(Args)]
pub(super) struct List {
    /// Sequence number to begin at
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
    /// Entries at most, up to 1,000
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Newest first
    #[arg(long)]
    newest: bool,
    /// audit, access or all; audit without
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Who: a user's name, PROJECT/ENDPOINT, or as the list shows it: user:UUID, endpoint:UUID, local:0, system
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// What an act begins with, such as user.; of requests on data the operation
    #[arg(long, value_name = "WORD")]
    act: Option<String>,
    /// On what: project:NAME, object:PROJECT/NAME, endpoint:PROJECT/NAME, user:NAME, certificate:DIGEST, api-key:ID,
    /// subject:PSEUDONYM, or an id as the list shows it
    #[arg(long, value_name = "WHAT")]
    on: Option<String>,
    /// done, or the code of a refusal
    #[arg(long, value_name = "CODE")]
    outcome: Option<String>,
    /// From this moment on, like 2030-12-31T23:59:59Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only what concerns this project
    #[arg(long)]
    project: Option<String>,
}

impl From<List> for AuditWanted {
    fn from(list: List) -> Self {
        let List { from, limit, newest, kind, actor, act, on, outcome, since, until, project } = list;
        Self { from, limit: Some(limit), newest, kind, actor, act, on, outcome, since, until, project }
    }
}

#[derive(Args)]
pub(super) struct Export {
    /// First record; from the first that was not pruned without
    #[arg(long, value_name = "SEQUENCE")]
    pub(super) from: Option<u64>,
    /// Last record; up to the present without
    #[arg(long, value_name = "SEQUENCE")]
    pub(super) to: Option<u64>,
    /// Only audit or only access records, each with a proof that it belongs to its block
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<String>,
    /// Only the access records of an endpoint of this project
    #[arg(long, requires = "endpoint", conflicts_with = "kind")]
    pub(super) project: Option<String>,
    /// The endpoint
    #[arg(long, requires = "project")]
    pub(super) endpoint: Option<String>,
    /// A new file, mode 0600; standard output without, and then nothing counts as kept
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Count it as kept though blocks could not be read: your word that they are known to be lost
    #[arg(long, requires = "output")]
    pub(super) accept_damage: bool,
}

#[derive(Args)]
pub(super) struct Verify {
    /// Exports; several are also compared with one another
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) evidence: Evidence,
}

#[derive(Args)]
pub(super) struct Evidence {
    /// A public key in PEM that you have from elsewhere; only checkpoints signed by a key named here count. May be given again
    #[arg(long, value_name = "PEM")]
    pub(super) checkpoint_key: Vec<PathBuf>,
    /// Checkpoints kept elsewhere: as text, in a log, in response headers. May be given again
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Vec<PathBuf>,
}
