//! A signing request, as outsiders write it: a public key, and the proof that its owner asks. Names, extensions and dates in
//! it are never looked at, so nothing of them can come back in a certificate.

use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use sha2::{Digest, Sha256};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::domain::refusal::{Code, Refusal};

/// Bits of an RSA key that is taken.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The public key of a signing request, proved to belong to whoever made it. Everything else in the request is ignored.
pub struct RequestedKey(Vec<u8>);

impl RequestedKey {
    /// Reads a PEM signing request and verifies its signature.
    ///
    /// # Errors
    /// `bad-request`, with what is wrong with it.
    pub fn from_csr(pem_text: &str) -> Result<Self, Refusal> {
        let refuse = |what: &'static str| Refusal::new(Code::BadRequest).detail(what);
        let block = pem::parse(pem_text).map_err(|_| refuse("The signing request is not PEM."))?;
        if block.tag() != "CERTIFICATE REQUEST" {
            return Err(refuse("The PEM block is not a CERTIFICATE REQUEST."));
        }
        let (rest, csr) = X509CertificationRequest::from_der(block.contents())
            .map_err(|_| refuse("The signing request is not PKCS #10."))?;
        if !rest.is_empty() {
            return Err(refuse("The signing request has bytes behind its end."));
        }
        let key = &csr.certification_request_info.subject_pki;
        // Before the signature: what verifies it refuses such keys, too, and would be told as a forgery.
        if let Ok(PublicKey::RSA(rsa)) = key.parsed()
            && !RSA_BITS.contains(&rsa.key_size())
        {
            let what = "The public key is RSA of too few or too many bits; make one of P-256, or RSA of 2048 to 8192 bits.";
            return Err(refuse(what));
        }
        csr.verify_signature().map_err(|error| {
            refuse(match error {
                X509Error::SignatureUnsupportedAlgorithm => {
                    "The signing request is signed in a way that is not taken; make a key of P-256 or P-384 and sign with SHA-256 or SHA-384."
                }
                _ => "The signing request's own signature does not verify.",
            })
        })?;
        if !is_canonical(key) {
            let what = "The public key is not in its usual encoding; make one of P-256 or P-384 with an uncompressed point.";
            return Err(refuse(what));
        }
        let spki = key.raw;
        Ok(Self(spki.to_vec()))
    }

    /// SHA-256 of it.
    #[must_use]
    pub fn spki(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

/// One key has one encoding, or a revoked key could be enrolled again in another.
pub(super) fn is_canonical(key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> bool {
    let is_point = key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY;
    let is_uncompressed = key.subject_public_key.data.first() == Some(&4);
    let written_anew = SubjectPublicKeyInfo::from_der(key.raw).map(|key| key.subject_public_key_info());
    written_anew.is_ok_and(|spki| spki == key.raw) && (!is_point || is_uncompressed)
}
