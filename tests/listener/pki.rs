//! A CA, its CRL and its certificates in a directory of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

pub(crate) const ENDPOINT: &str = "urn:gembok:endpoint:6f2c1b7e-3c39-4c8e-9d4b-0c7f6f0f2a11";

pub(crate) struct Pki {
    directory: TempDir,
    ca: Issuer<'static, KeyPair>,
    ca_der: CertificateDer<'static>,
}

/// A client certificate with its key.
pub(crate) struct Client {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

/// What a client certificate says.
pub(crate) struct Says {
    pub(crate) names: Vec<SanType>,
    pub(crate) serial: u64,
    pub(crate) days: (i64, i64),
}

impl Default for Says {
    fn default() -> Self {
        Self { names: vec![uri(ENDPOINT)], serial: 7, days: (-1, 30) }
    }
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn in_days(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days)
}

impl Pki {
    /// A whole set of files: a CA that revoked nobody, and a server certificate for localhost.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        let pki = Self {
            directory: tempfile::tempdir().unwrap(),
            ca_der: certificate.der().clone(),
            ca: Issuer::new(params, key),
        };
        pki.write("ca.pem", &certificate.pem());
        pki.write("crl.pem", &pki.crl(&[], 7));
        pki.renew_server();
        pki
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn renew_server(&self) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.write("server.pem", &params.signed_by(&key, &self.ca).unwrap().pem());
        self.write("server.key", &key.serialize_pem());
    }

    /// A CRL that names these serial numbers and speaks for so many days.
    pub(crate) fn crl(&self, serials: &[u64], days: i64) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: in_days(-2),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: in_days(-9),
            next_update: in_days(days),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.ca).unwrap().pem().unwrap()
    }

    pub(crate) fn client(&self, says: Says) -> Client {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, ENDPOINT);
        params.subject_alt_names = says.names;
        params.serial_number = Some(SerialNumber::from(says.serial));
        params.not_before = in_days(says.days.0);
        params.not_after = in_days(says.days.1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Client { certificate: params.signed_by(&key, &self.ca).unwrap(), key }
    }

    /// A TLS client of this CA; with its own memory of sessions.
    pub(crate) fn config(&self, client: Option<&Client>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca_der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let key = PrivateKeyDer::try_from(client.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![client.certificate.der().clone()], key).unwrap()
            }
        })
    }
}
