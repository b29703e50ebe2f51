//! Reads a client certificate, once per connection, into the few facts that count: its one URI, its key, its dates.

use std::fmt;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::domain::peer::{Identity, PeerCertificate};
use crate::domain::timestamp::Timestamp;

/// Reads the leaf of a chain that TLS has already verified.
///
/// # Errors
/// [`CertificateRefusal`] unless its subject alternative name is exactly one URI that names an endpoint or a user.
pub fn read(leaf: &CertificateDer<'_>) -> Result<PeerCertificate, CertificateRefusal> {
    let (rest, leaf) = X509Certificate::from_der(leaf).map_err(|_| CertificateRefusal::Malformed)?;
    if !rest.is_empty() {
        return Err(CertificateRefusal::Malformed);
    }
    let names = leaf.subject_alternative_name().map_err(|_| CertificateRefusal::Malformed)?;
    let names = names.ok_or(CertificateRefusal::NoName)?.value.general_names.as_slice();
    let [GeneralName::URI(uri)] = names else {
        return Err(if names.len() == 1 {
            CertificateRefusal::NotOurUri
        } else {
            CertificateRefusal::SeveralNames
        });
    };
    Ok(PeerCertificate {
        identity: Identity::from_uri(uri).ok_or(CertificateRefusal::NotOurUri)?,
        spki: Sha256::digest(leaf.public_key().raw).into(),
        not_before: moment(leaf.validity().not_before),
        not_after: moment(leaf.validity().not_after),
    })
}

/// A date of a certificate or a CRL; what lies before 1970 becomes 1970.
pub(super) fn moment(time: ASN1Time) -> Timestamp {
    Timestamp::from_seconds(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// Why a certificate of our own CA still names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateRefusal {
    /// It cannot be read.
    Malformed,
    /// No subject alternative name.
    NoName,
    /// Its one name is not `urn:gembok:endpoint:<uuid>` or `urn:gembok:user:<uuid>`.
    NotOurUri,
    /// More than one subject alternative name: which one would count?
    SeveralNames,
}

impl fmt::Display for CertificateRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Malformed => "the certificate cannot be read",
            Self::NoName => "the certificate has no subject alternative name",
            Self::NotOurUri => {
                "the certificate's name is not urn:gembok:endpoint:<uuid> or urn:gembok:user:<uuid>"
            }
            Self::SeveralNames => "the certificate has more than one subject alternative name",
        })
    }
}

impl std::error::Error for CertificateRefusal {}
