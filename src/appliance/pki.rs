//! The internal CA: its key in the token, its certificate and lists in files, so that a locked appliance can still speak
//! TLS. It signs three kinds of certificate and one list, and nothing a client wrote goes into any of them but a public
//! key.
//!
//! ```text
//! <state>/pki/  ca.pem  crl.pem  server.pem  server.key (0600)         the server's: server_certificate.rs
//! ```

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData, RevokedCertParams,
    SanType, SerialNumber, SigningKey, SubjectPublicKeyInfo,
};
use sha2::{Digest, Sha256};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use crate::crypto::random;
use crate::domain::id::ApplianceId;
use crate::domain::peer::Identity;
use crate::domain::timestamp::Timestamp;
use crate::hsm::{Signer, to_der};

use super::fault::{Fault, Stop};
use super::outside::Outside;

/// How long a client's or server's certificate is valid.
const LEAF_VALID_FOR: Duration = Duration::from_secs(397 * 86_400);
/// How long the CA's is.
const CA_VALID_FOR: Duration = Duration::from_secs(3_650 * 86_400);
/// How long a CRL counts; it is signed anew every day.
pub(super) const CRL_VALID_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Certificates begin a little in the past, for clients whose clock is behind.
pub(super) const CLOCKS_MAY_DIFFER_BY: Duration = Duration::from_secs(300);
/// Bytes of a serial number; its first bit is 0, so that it stays a positive number of this length.
const SERIAL_LEN: usize = 16;

/// Where the files are.
#[derive(Debug, Clone)]
pub struct PkiFiles {
    directory: PathBuf,
}

impl PkiFiles {
    /// Those below a state directory.
    #[must_use]
    pub fn below(state_directory: &Path) -> Self {
        Self { directory: state_directory.join("pki") }
    }

    /// The CA's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// The list of revoked certificates.
    #[must_use]
    pub fn crl(&self) -> PathBuf {
        self.directory.join("crl.pem")
    }

    /// The server's certificate.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.directory.join("server.pem")
    }

    /// The server's private key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.directory.join("server.key")
    }

    /// The certificate that is to take its place.
    pub(super) fn server_next(&self) -> PathBuf {
        self.directory.join("server-next.pem")
    }

    /// The key that is to take its place.
    pub(super) fn server_key_next(&self) -> PathBuf {
        self.directory.join("server-next.key")
    }
}

/// A certificate as it was just signed.
pub(super) struct Signed {
    /// PEM.
    pub pem: String,
    /// Of its public key.
    pub spki: [u8; 32],
    /// As it stands in it.
    pub serial: Vec<u8>,
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
    /// Which generation of the CA signed it.
    pub generation: u32,
}

/// The CA at work.
pub(super) struct Pki {
    files: PkiFiles,
    /// Who signs; a roll exchanges them.
    authorities: ArcSwap<Authorities>,
    appliance: ApplianceId,
    /// The CA of the server's certificate, where that comes from outside.
    of_server: Option<PathBuf>,
    /// One roll at a time.
    pub(super) rolling: Mutex<()>,
}

/// The generations of the CA that sign: one, and during a roll two.
#[derive(Clone)]
pub(super) struct Authorities {
    /// It signs what is issued.
    pub current: Authority,
    /// It signs the list of what it issued and, until its clients know the current one, the server's certificate.
    pub retiring: Option<Authority>,
}

/// A generation of the CA.
#[derive(Clone)]
pub(super) struct Authority {
    /// From 1.
    pub generation: u32,
    /// Its key.
    pub signer: Signer,
}

/// A certificate that does not count any more.
pub(super) struct Revoked {
    /// Its serial number.
    pub serial: Vec<u8>,
    /// Since when.
    pub time: Timestamp,
    /// Which generation of the CA signed it, where that is known.
    pub issuer: Option<u32>,
}

impl Pki {
    /// The CA of `appliance`.
    pub(super) fn new(
        files: PkiFiles,
        authorities: Authorities,
        appliance: ApplianceId,
        outside: &Outside,
    ) -> Self {
        let of_server = outside.server_certificate.as_ref().and(outside.ca.clone());
        let authorities = ArcSwap::from_pointee(authorities);
        Self { files, authorities, appliance, of_server, rolling: Mutex::new(()) }
    }

    /// The CA of the server's certificate, where that comes from outside.
    pub(super) const fn of_server(&self) -> Option<&PathBuf> {
        self.of_server.as_ref()
    }

    /// Who signs.
    pub(super) fn authorities(&self) -> Arc<Authorities> {
        self.authorities.load_full()
    }

    /// Lets others sign from now on.
    pub(super) fn set_authorities(&self, authorities: Authorities) {
        self.authorities.store(Arc::new(authorities));
    }

    /// Where its files are.
    #[must_use]
    pub(super) const fn files(&self) -> &PkiFiles {
        &self.files
    }

    /// Signs and writes the first CA's own certificate.
    pub(super) fn write_ca(&self, now: Timestamp) -> Result<(), Stop> {
        fs::create_dir_all(&self.files.directory)
            .map_err(|error| unwritable(&self.files.directory, &error))?;
        let der = self.sign_ca(&self.authorities().current, now)?;
        self.files.write_authorities(&[&der])
    }

    /// Signs a CA's own certificate; DER.
    pub(super) fn sign_ca(&self, authority: &Authority, now: Timestamp) -> Result<Vec<u8>, Stop> {
        let mut params = self.ca_params(authority);
        (params.not_before, params.not_after) = validity(now, CA_VALID_FOR);
        params.serial_number = Some(serial()?.1);
        Ok(params.self_signed(&CaKey(&authority.signer)).map_err(unsigned)?.der().to_vec())
    }

    /// Signs a client certificate for `identity` over the public key in `spki` (DER): client authentication only, no
    /// name that a server could have.
    pub(super) fn sign_client(
        &self,
        identity: Identity,
        spki: &[u8],
        now: Timestamp,
    ) -> Result<Signed, Stop> {
        let key = SubjectPublicKeyInfo::from_der(spki).map_err(unsigned)?;
        let mut params = CertificateParams::default();
        let uri = identity.to_uri();
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().map_err(unsigned)?)];
        params.distinguished_name = name_of(&uri);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, &key, &self.authorities().current, now)
    }

    /// Signs and writes the lists of `revoked` certificates: each CA's of its own, and of those of which nobody knows whose they
    /// are.
    pub(super) fn write_crl(&self, number: u64, revoked: &[Revoked], now: Timestamp) -> Result<(), Stop> {
        let authorities = self.authorities();
        let mut lists = String::new();
        for authority in [Some(&authorities.current), authorities.retiring.as_ref()].into_iter().flatten() {
            let its =
                revoked.iter().filter(|it| it.issuer.is_none_or(|issuer| issuer == authority.generation));
            lists.push_str(&self.sign_crl(authority, number, its, now)?);
        }
        write_file(&self.files.crl(), lists.as_bytes(), 0o644)
    }

    fn sign_crl<'a>(
        &self,
        authority: &Authority,
        number: u64,
        revoked: impl Iterator<Item = &'a Revoked>,
        now: Timestamp,
    ) -> Result<String, Stop> {
        let params = CertificateRevocationListParams {
            this_update: now.date_time() - CLOCKS_MAY_DIFFER_BY,
            next_update: now.plus(CRL_VALID_FOR).date_time(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .map(|revoked| RevokedCertParams {
                    serial_number: SerialNumber::from(revoked.serial.clone()),
                    revocation_time: revoked.time.date_time(),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::new(self.ca_params(authority), CaKey(&authority.signer));
        params.signed_by(&issuer).and_then(|list| list.pem()).map_err(unsigned)
    }

    pub(super) fn sign(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Signed, Stop> {
        let (bytes, serial_number) = serial()?;
        params.serial_number = Some(serial_number);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, LEAF_VALID_FOR);
        let (not_before, not_after) = (params.not_before, params.not_after);
        let issuer = Issuer::new(self.ca_params(authority), CaKey(&authority.signer));
        let certificate = params.signed_by(key, &issuer).map_err(unsigned)?;
        let moment = |time: time::OffsetDateTime| {
            Timestamp::from_seconds(u64::try_from(time.unix_timestamp()).unwrap_or_default())
        };
        Ok(Signed {
            pem: certificate.pem(),
            spki: Sha256::digest(key.subject_public_key_info()).into(),
            serial: bytes.to_vec(),
            not_before: moment(not_before),
            not_after: moment(not_after),
            generation: authority.generation,
        })
    }

    /// Whether the lists on the disk name every one of `serials`.
    pub(super) fn crl_names(&self, serials: &[Vec<u8>]) -> bool {
        let Ok(bytes) = fs::read(self.files.crl()) else { return false };
        let Ok(blocks) = pem::parse_many(bytes) else { return false };
        let mut listed: HashSet<Vec<u8>> = HashSet::new();
        for block in &blocks {
            let Ok((_, list)) = CertificateRevocationList::from_der(block.contents()) else { return false };
            let serials = list.iter_revoked_certificates().map(RevokedCertificate::raw_serial);
            listed.extend(serials.map(<[u8]>::to_vec));
        }
        serials.iter().all(|serial| listed.contains(serial))
    }

    /// What a generation of the CA is called: by the appliance, so that two appliances' CAs differ, and by its number, so that
    /// nobody takes the list of one for the other's.
    pub(super) fn ca_name(&self, generation: u32) -> String {
        match generation {
            1 => format!("Gembok CA {}", self.appliance),
            later => format!("Gembok CA {} {later}", self.appliance),
        }
    }

    /// What a CA is called and may do.
    fn ca_params(&self, authority: &Authority) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = name_of(&self.ca_name(authority.generation));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }
}

impl Authorities {
    /// Whoever signs the server's certificate: the one that all clients know.
    pub(super) fn of_server(&self) -> &Authority {
        self.retiring.as_ref().unwrap_or(&self.current)
    }
}

/// The token's signing key, as the certificate library wants to see it.
struct CaKey<'a>(&'a Signer);

impl PublicKeyData for CaKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for CaKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.0.sign_digest(&Sha256::digest(message).into());
        signature.map(|signature| to_der(&signature)).map_err(|error| {
            tracing::error!(%error, "the token did not sign for the CA");
            rcgen::Error::RemoteKeyError
        })
    }
}

/// Writes a whole file or leaves the old one: a new file, synced, takes the old one's place.
pub(super) fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Stop> {
    let beside = path.with_extension("new");
    let write = || {
        // One left by a crash may have another mode.
        let _ = fs::remove_file(&beside);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
    };
    write().map_err(|error| unwritable(path, &error).into())
}

/// Whether bytes are a serial number as this CA draws them.
pub(super) fn is_serial(bytes: &[u8]) -> bool {
    bytes.len() == SERIAL_LEN && bytes[0] & 0xC0 == 0x40
}

fn serial() -> Result<([u8; SERIAL_LEN], SerialNumber), Stop> {
    let mut bytes: [u8; SERIAL_LEN] = random::bytes()?;
    // Positive, and without a leading zero byte that DER would drop.
    bytes[0] = bytes[0] & 0x7F | 0x40;
    Ok((bytes, SerialNumber::from(bytes.to_vec())))
}

fn validity(now: Timestamp, length: Duration) -> (time::OffsetDateTime, time::OffsetDateTime) {
    (now.date_time() - CLOCKS_MAY_DIFFER_BY, now.plus(length).date_time())
}

pub(super) fn name_of(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Gembok");
    name.push(DnType::CommonName, common_name);
    name
}

pub(super) fn unsigned(error: rcgen::Error) -> Stop {
    match error {
        // The token did not sign; whether it is away is found out by whoever tends it.
        rcgen::Error::RemoteKeyError => crate::domain::refusal::Code::TokenAway.into(),
        other => Fault::new(format!("a certificate or list cannot be made: {other}")).into(),
    }
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(format!("{} cannot be written: {error}; check its directory and the disk", path.display()))
}
