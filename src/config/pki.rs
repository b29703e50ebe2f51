//! `[pki]`: what comes from a CA outside, if anything does. The files are read at start and at SIGHUP.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// `[pki]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pki {
    /// PEM: the CAs that sign client certificates which are accepted beside our own, once they are enrolled (`gembok certificate
    /// enrol`). Those that sign them, and none above: each needs its list.
    pub outside_ca: Option<PathBuf>,
    /// PEM: the lists of what they have revoked, one of each at least. A list that is over lets none of its clients in.
    pub outside_crl: Option<PathBuf>,
    /// PEM: the server's certificate with its chain, in place of the one that is made here.
    pub server_certificate: Option<PathBuf>,
    /// PEM: its private key, for its owner alone to read.
    pub server_key: Option<PathBuf>,
}

impl Pki {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { outside_ca, outside_crl, server_certificate, server_key } = self;
        [outside_ca, outside_crl, server_certificate, server_key].into_iter().flatten()
    }

    /// Where there is one of a pair, there is the other: what is wrong, and what to do.
    pub(super) fn relate(&self) -> Option<(&'static str, String, &'static str)> {
        if self.outside_ca.is_some() != self.outside_crl.is_some() {
            let hint = "name both pki.outside_ca and pki.outside_crl: without its list nobody knows what a CA has revoked";
            return Some((
                "pki.outside_crl",
                "a CA and its list are named together or not at all".into(),
                hint,
            ));
        }
        if self.server_certificate.is_some() != self.server_key.is_some() {
            let hint = "name both pki.server_certificate and pki.server_key";
            return Some((
                "pki.server_key",
                "a certificate and its key are named together or not at all".into(),
                hint,
            ));
        }
        None
    }

    /// The outside CAs and their lists.
    #[must_use]
    pub fn outside(&self) -> Option<(&Path, &Path)> {
        self.outside_ca.as_deref().zip(self.outside_crl.as_deref())
    }

    /// The server's certificate and its key.
    #[must_use]
    pub fn server(&self) -> Option<(&Path, &Path)> {
        self.server_certificate.as_deref().zip(self.server_key.as_deref())
    }
}
