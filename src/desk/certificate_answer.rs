//! What verbs on certificates answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A certificate just signed.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// PEM.
    pub certificate_pem: String,
    /// The CA's, PEM.
    pub ca_pem: String,
    /// How the enrolment is called: SHA-256 of the public key.
    pub spki: String,
    /// Last moment.
    pub not_after: String,
}

/// An enrolment.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// SHA-256 of the public key.
    pub spki: String,
    /// Whom it names.
    pub identity: String,
    /// Last moment.
    pub not_after: String,
    /// Since when it is refused.
    pub revoked: Option<String>,
    /// The one that its holder renewed it with.
    pub renewed_from: Option<String>,
    /// Which generation of our CA signed it; none where an outside one did.
    pub generation: Option<u32>,
    /// Whether it, or what it was renewed from, was asked for with a password: with another password it ends.
    #[serde(default)]
    pub by_password: bool,
}

/// What a revocation came to; all by SHA-256 of the public key.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatesRevoked {
    /// Refused from now on that was not before.
    pub revoked: Vec<String>,
    /// Renewed from it, and still counting.
    pub left: Vec<String>,
    /// The one it was renewed from, where that still counts.
    pub renewed_from: Option<String>,
}

/// The server's names.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerNames {
    /// Host names and IP addresses.
    pub names: Vec<String>,
    /// Whether they are the configuration's, because no operator has said others.
    pub from_configuration: bool,
}

/// How the CA is.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ca {
    /// Which generation signs, from 1.
    pub generation: u32,
    /// The one before, while both are trusted.
    pub retiring: Option<RetiringCa>,
    /// Generations that are trusted no more and whose keys are still in the token: it was away, or refused. Tried again each hour,
    /// and by finishing once more.
    #[serde(default)]
    pub keys_left: Vec<u32>,
}

/// A CA on its way out.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiringCa {
    /// Which generation.
    pub generation: u32,
    /// When the other took its place.
    pub since: String,
    /// When it is trusted no more, if nobody ends that before.
    pub until: String,
    /// Certificates of it that count and were not renewed.
    pub certificates: u64,
}
