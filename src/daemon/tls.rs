//! From the files in `pki/` to the TLS configurations of both listeners, and their exchange while connections live.
//!
//! TLS 1.3 only, no early data, X25519MLKEM768 first. A reload makes everything anew, sessions included: a shared session
//! store would let a client that the new CRL names resume its old session.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::config::{self, SecretFileError, read_secret};
use crate::domain::timestamp::Timestamp;

use super::certificate::moment;

/// Sessions a client may resume, per listener; about 1.5 KiB each. The oldest goes first.
const SESSIONS_MAX: usize = 1_024;
/// Bytes of `ca.pem`, `crl.pem` or `server.pem`; a CRL entry takes about 40.
const PEM_BYTES_MAX: u64 = 16 << 20;

/// What a listener asks of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Data plane: no handshake without one.
    Required,
    /// Control plane: asked for; one that is shown must be good.
    Requested,
}

/// The TLS configurations in force. Shared by both listeners; [`Tls::reload`] exchanges them.
pub struct Tls {
    pki: PathBuf,
    outside: config::Pki,
    current: watch::Sender<Arc<TlsGeneration>>,
    /// One at a time, so that of two the one that read last stays.
    reloading: Mutex<()>,
}

/// Everything that one reading of the files made.
pub struct TlsGeneration {
    /// Counts readings, from 1.
    pub number: u64,
    /// Last moment of the server's certificate.
    pub server_not_after: Timestamp,
    /// The earliest next update of the CRLs: after it no client certificate of that CA is accepted.
    pub crl_next_update: Timestamp,
    required: Arc<ServerConfig>,
    requested: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Tls {
    /// Reads `ca.pem`, `crl.pem`, `server.pem` and `server.key` in `pki`.
    ///
    /// # Errors
    /// [`TlsError`], naming the file.
    pub fn load(pki: &Path) -> Result<Self, TlsError> {
        Self::load_beside(pki, &config::Pki::default())
    }

    /// The same with what comes from a CA outside.
    ///
    /// # Errors
    /// [`TlsError`], naming the file.
    pub fn load_beside(pki: &Path, outside: &config::Pki) -> Result<Self, TlsError> {
        let (current, _) = watch::channel(Arc::new(TlsGeneration::read(pki, outside, 1)?));
        let (pki, outside) = (pki.to_owned(), outside.clone());
        Ok(Self { pki, outside, current, reloading: Mutex::new(()) })
    }

    /// Reads the files again and puts the result in force: new connections meet it, live ones whose client is still trusted
    /// finish in good order, the others begin no further request.
    /// Returns the new generation's number. Reads files, so not for an async thread.
    ///
    /// # Errors
    /// [`TlsError`]; then everything stays as it was.
    pub fn reload(&self) -> Result<u64, TlsError> {
        // Not the channel's own lock: connections look at it while files are read.
        let _reloading = self.reloading.lock();
        let next = TlsGeneration::read(&self.pki, &self.outside, self.current.borrow().number + 1)?;
        let number = next.number;
        self.current.send_replace(Arc::new(next));
        Ok(number)
    }

    /// What is in force.
    #[must_use]
    pub fn current(&self) -> Arc<TlsGeneration> {
        Arc::clone(&self.current.borrow())
    }

    /// What is in force, and word of each exchange.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<TlsGeneration>> {
        self.current.subscribe()
    }
}

impl TlsGeneration {
    /// The configuration for one kind of listener.
    #[must_use]
    pub const fn server_config(&self, client: ClientCertificate) -> &Arc<ServerConfig> {
        match client {
            ClientCertificate::Required => &self.required,
            ClientCertificate::Requested => &self.requested,
        }
    }

    /// Whether the CRLs still speak for a client with this chain. The handshake asks this of fresh chains only, not of resumed
    /// sessions. Where one list is over, each client is looked at by itself: it may be another CA's.
    pub(super) fn crl_is_current(&self, chain: &[CertificateDer<'_>]) -> bool {
        let is_current = |now: UnixTime| Timestamp::from_seconds(now.as_secs()) <= self.crl_next_update;
        self.now().is_some_and(is_current) || self.trusts(chain)
    }

    /// Whether a client that an older generation admitted with this chain, leaf first, would be admitted now. Who showed none
    /// has nothing to lose.
    pub(super) fn trusts(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((leaf, intermediates)) = chain.split_first() else { return true };
        let verify = |now| self.verifier.verify_client_cert(leaf, intermediates, now).is_ok();
        self.now().is_some_and(verify)
    }

    fn now(&self) -> Option<UnixTime> {
        self.required.time_provider.current_time()
    }

    fn read(pki: &Path, outside: &config::Pki, number: u64) -> Result<Self, TlsError> {
        let (ca, crl) = (pki.join("ca.pem"), pki.join("crl.pem"));
        let (server, key) = match outside.server() {
            Some((server, key)) => (server.to_owned(), key.to_owned()),
            None => (pki.join("server.pem"), pki.join("server.key")),
        };
        let mut roots = RootCertStore::empty();
        let mut revoked = Vec::new();
        let mut crl_next_update = Timestamp::from_micros(u64::MAX);
        for (ca, crl) in [Some((ca.as_path(), crl.as_path())), outside.outside()].into_iter().flatten() {
            let authorities = certificates(ca)?;
            let (lists, next_update) = verify_revocation_lists(crl, &authorities, revocation_lists(crl)?)?;
            revoked.extend(lists);
            crl_next_update = crl_next_update.min(next_update);
            for authority in authorities {
                roots.add(authority).map_err(|error| TlsError::wrong(ca, error))?;
            }
        }
        let chain = certificates(&server)?;
        let server_not_after = match chain.first().map(|leaf| X509Certificate::from_der(leaf)) {
            Some(Ok((_, leaf))) => moment(leaf.validity().not_after),
            _ => return Err(TlsError::wrong(&server, "its first certificate cannot be read")),
        };

        let parts =
            Parts { provider: Arc::new(aws_lc_rs::default_provider()), roots: roots.into(), revoked, chain };
        let verifier = |client| parts.verifier(client, &crl);
        let required = verifier(ClientCertificate::Required)?;
        Ok(Self {
            number,
            server_not_after,
            crl_next_update,
            required: parts.server_config(Arc::clone(&required), &key)?,
            requested: parts.server_config(verifier(ClientCertificate::Requested)?, &key)?,
            verifier: required,
        })
    }
}

/// What both configurations are made of.
struct Parts {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
}

impl Parts {
    fn verifier(
        &self,
        client: ClientCertificate,
        crl: &Path,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&self.provider))
                .with_crls(self.revoked.iter().cloned())
                .enforce_revocation_expiration();
        let verifier = match client {
            ClientCertificate::Required => verifier,
            ClientCertificate::Requested => verifier.allow_unauthenticated(),
        };
        verifier.build().map_err(|error| TlsError::wrong(crl, error))
    }

    fn server_config(
        &self,
        verifier: Arc<dyn ClientCertVerifier>,
        key: &Path,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TlsError::wrong(key, error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), private_key(key)?)
            .map_err(|error| TlsError::wrong(key, error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        config.send_tls13_tickets = 1;
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::wrong(file, error))?;
    if found.is_empty() { Err(TlsError::wrong(file, "there is no certificate in it")) } else { Ok(found) }
}

fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    CertificateRevocationListDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::wrong(file, error))
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read_secret(file).map_err(TlsError::Key)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| TlsError::wrong(file, error))
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::wrong(file, source);
    if fs::metadata(file).map_err(unreadable)?.len() > PEM_BYTES_MAX {
        return Err(TlsError::wrong(file, "it is longer than 16 MiB"));
    }
    fs::read(file).map_err(unreadable)
}

/// Each CA must have its list, or all its clients would be refused. A list of nobody's here is left out: it is one of a CA that
/// comes or goes, whose certificate is not written yet or not any more; or a forged one. Returns the lists that count, and the
/// earliest next update.
fn verify_revocation_lists(
    file: &Path,
    authorities: &[CertificateDer<'static>],
    lists: Vec<CertificateRevocationListDer<'static>>,
) -> Result<(Vec<CertificateRevocationListDer<'static>>, Timestamp), TlsError> {
    let authorities: Vec<_> =
        authorities.iter().filter_map(|der| X509Certificate::from_der(der).ok()).collect();
    let mut spoken_for = vec![false; authorities.len()];
    let mut earliest = Timestamp::from_micros(u64::MAX);
    let mut counting = Vec::with_capacity(lists.len());
    for der in lists {
        let Ok((_, list)) = CertificateRevocationList::from_der(&der) else {
            return Err(TlsError::wrong(file, "a CRL in it cannot be read"));
        };
        let signer = authorities.iter().position(|(_, authority)| {
            authority.subject() == list.issuer() && list.verify_signature(authority.public_key()).is_ok()
        });
        let Some(signer) = signer else {
            tracing::warn!(file = %file.display(), "a CRL in it is not signed by a CA that is trusted: it is left out");
            continue;
        };
        spoken_for[signer] = true;
        let Some(next_update) = list.next_update() else {
            return Err(TlsError::wrong(file, "a CRL in it has no next update"));
        };
        earliest = earliest.min(moment(next_update));
        counting.push(der);
    }
    if spoken_for.iter().all(|spoken| *spoken) {
        Ok((counting, earliest))
    } else {
        Err(TlsError::wrong(file, "a CA has no CRL in it that it has signed"))
    }
}

/// Why the files made no configuration.
#[derive(Debug)]
pub enum TlsError {
    /// The server's private key was not read.
    Key(SecretFileError),
    /// A file that is missing, cannot be read, or does not fit the others.
    Wrong {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl TlsError {
    fn wrong(file: &Path, why: impl fmt::Display) -> Self {
        Self::Wrong { file: file.to_owned(), why: why.to_string() }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Key(error) => error.hint(),
            Self::Wrong { .. } => {
                "put a matching set of ca.pem, crl.pem, server.pem and server.key there and reload; \
                                   what was in force stays in force"
                    .into()
            }
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(out),
            Self::Wrong { file, why } => write!(out, "{}: {why}", file.display()),
        }
    }
}

impl std::error::Error for TlsError {}
