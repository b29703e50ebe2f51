//! Files the operator takes away: private keys that are made here and nowhere else, certificates, API keys.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

use super::error::CliError;
use super::say_trouble as say;

/// A P-256 key just made, in memory only.
pub(super) struct MadeKey {
    pub(super) pem: Zeroizing<String>,
    pub(super) der: Zeroizing<Vec<u8>>,
    /// The signing request over it, PEM.
    pub(super) csr: String,
}

impl MadeKey {
    pub(super) fn make() -> Result<Self, CliError> {
        let own = |error: rcgen::Error| CliError::Own(say::no_key(error));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(own)?;
        // Only the key of a request is read by the appliance; the name is for whoever looks at the file.
        let csr =
            CertificateParams::default().serialize_request(&key).and_then(|csr| csr.pem()).map_err(own)?;
        let (pem, der) = (Zeroizing::new(key.serialize_pem()), Zeroizing::new(key.serialize_der()));
        Ok(Self { pem, der, csr })
    }
}

/// A private key just made, on the disk already: a certificate without its key would be worse than a key without its
/// certificate. Removed again unless it is kept.
pub(super) struct NewKey {
    file: Option<NewFile>,
    csr: String,
}

impl NewKey {
    /// Makes a key and writes it to a new file that only its owner may read.
    pub(super) fn make(path: &Path) -> Result<Self, CliError> {
        let MadeKey { pem, csr, .. } = MadeKey::make()?;
        Ok(Self { file: Some(NewFile::write(path, pem.as_bytes())?), csr })
    }

    /// The signing request over it, PEM.
    pub(super) fn csr(&self) -> &str {
        &self.csr
    }

    /// Lets it stay.
    pub(super) fn keep(mut self) {
        if let Some(file) = self.file.take() {
            file.keep();
        }
    }
}

/// A file that was not there before, mode 0600 unless it is for everybody. Removed again unless it is kept.
pub(super) struct NewFile(Option<PathBuf>);

impl NewFile {
    pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<Self, CliError> {
        Self::write_as(path, bytes, 0o600)
    }

    /// The same for what is no secret.
    pub(super) fn reserve_open(path: &Path) -> Result<Self, CliError> {
        Self::write_as(path, &[], 0o644)
    }

    fn write_as(path: &Path, bytes: &[u8], mode: u32) -> Result<Self, CliError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        let mut file = file.map_err(CliError::file(path))?;
        let ours = Self(Some(path.to_owned()));
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(CliError::file(path))?;
        Ok(ours)
    }

    /// Empty for now, to find out that it can be written before there is something to lose.
    pub(super) fn reserve(path: &Path) -> Result<Self, CliError> {
        Self::write(path, &[])
    }

    /// Fills a reserved file and lets it stay.
    pub(super) fn fill(self, bytes: &[u8]) -> Result<(), CliError> {
        if let Some(path) = &self.0 {
            let written = OpenOptions::new().write(true).open(path).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(CliError::file(path))?;
        }
        self.keep();
        Ok(())
    }

    /// Lets it stay.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Best effort: it holds nothing that anybody relies on.
            let _ = fs::remove_file(path);
        }
    }
}

/// Made when missing, for its owner alone.
pub(super) fn make_directory(path: &Path) -> Result<(), CliError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(CliError::file(path))
}

/// Keeps what a server is judged by in `ca.pem`; beside one that says something else, which stays: then where.
pub(super) fn keep_ca(folder: &Path, pem: &str) -> Result<Option<PathBuf>, CliError> {
    let path = folder.join("ca.pem");
    match fs::read(&path) {
        Ok(there) if there == pem.as_bytes() => Ok(None),
        Ok(_) => {
            let beside = folder.join("ca.pem.new");
            write_certificate(&beside, pem)?;
            Ok(Some(beside))
        }
        Err(_) => {
            NewFile::reserve_open(&path)?.fill(pem.as_bytes())?;
            Ok(None)
        }
    }
}

/// Writes a certificate; one that is there is replaced, for it can be issued again.
pub(super) fn write_certificate(path: &Path, pem: &str) -> Result<(), CliError> {
    fs::write(path, pem).map_err(CliError::file(path))
}
