//! What can be asked about certificates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Verbs on client certificates.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Certificate {
    /// For an endpoint, over the key of a signing request.
    Issue {
        /// Its project's name.
        project: String,
        /// Its name.
        endpoint: String,
        /// PEM; only the public key is taken from it.
        csr: String,
    },
    /// For a user, likewise.
    IssueUser {
        /// Their name.
        user: String,
        /// PEM; only the public key is taken from it.
        csr: String,
    },
    /// One of an outside CA, for the endpoint it names.
    Enrol {
        /// Its project's name.
        project: String,
        /// Its name.
        endpoint: String,
        /// PEM.
        certificate: String,
    },
    /// One of an outside CA, for the user it names.
    EnrolUser {
        /// Their name.
        user: String,
        /// PEM.
        certificate: String,
    },
    /// A page of the appliance's.
    List {
        /// What the page before told as `next`.
        after: Option<String>,
        /// Entries at most; 1,000 without, and never more.
        limit: Option<u32>,
    },
    /// From now on.
    Revoke {
        /// SHA-256 of its public key, hex, as lists show it.
        spki: String,
        /// Leave those that were renewed from it.
        #[serde(default)]
        only: bool,
    },
    /// Another CA in the place of the present one.
    RollCa(RollCa),
}

/// Verbs on the CA.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RollCa {
    /// A new one signs; both are trusted.
    Start,
    /// The old one is trusted no more.
    Finish {
        /// Though certificates of it count that were not renewed: they are revoked, too.
        force: bool,
    },
    /// As it is.
    Show,
}

/// Verbs on the server's names.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServerNames {
    /// These and no others, from now on.
    Set {
        /// Host names and IP addresses.
        names: Vec<String>,
    },
    /// As they are.
    Show,
}
