//! The server's certificate: made at init, and anew, at an unlock or within the hour, when two thirds of its life are over,
//! when the server's names are others than its own, when a roll of the CA has ended, or when it and its key are no pair.
//!
//! Two files cannot change at once, and a listener that finds two halves cannot open. So the new pair is written beside the
//! old one first, then renamed, key before certificate. What a crash leaves says how far it came, and the next start
//! settles it before anybody listens:
//!
//! ```text
//! server-next.key, with or without server-next.pem    the old pair stands; the new one is thrown away
//! server-next.pem alone                               the new key stands; its certificate follows
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, PublicKeyData, SanType};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Batch;

use super::expiries::moment;
use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::pki::{Pki, PkiFiles, Signed, name_of, unsigned, unwritable, write_file};

impl Operational {
    /// Makes a new server key and certificate if the present ones have to go, and tells the listeners. An unlock does not
    /// fail for it: what is there goes on serving, and the log says why.
    pub(super) fn renew_server_certificate(&self, now: Now) {
        let _one_at_a_time = self.exchanging_server.lock();
        let names = match self.server_names() {
            Ok(names) => names.names,
            Err(stop) => {
                return tracing::error!(%stop, "the server's names cannot be read; its certificate serves on");
            }
        };
        let ca = self.pki.ca_name(self.pki.authorities().of_server().generation);
        let Some(reason) = self.pki.files().server_has_to_go(&names, &ca, now.time) else { return };
        let replaced = self.replace_server_certificate(&names, now, |batch, signed| {
            let audit = AuditRecord::new(now.time, Actor::System, "certificate.server")
                .with("names", names.join(" "))
                .with("not-after", signed.not_after)
                .with("reason", reason)
                .with("spki", to_hex(&signed.spki));
            (batch, audit)
        });
        match replaced {
            Ok(()) => tracing::info!(reason, "the server has a new certificate"),
            Err(stop) => {
                tracing::error!(%stop, reason, "the server's certificate could not be renewed; the old one serves on");
            }
        }
    }

    /// Signs, records with what `change` adds, and puts the new pair in the old one's place. One at a time: the caller holds
    /// `exchanging_server`.
    pub(super) fn replace_server_certificate(
        &self,
        names: &[String],
        now: Now,
        change: impl FnOnce(Batch, &Signed) -> (Batch, AuditRecord),
    ) -> Result<(), Stop> {
        let (key, signed) = self.pki.sign_server(names, now.time)?;
        self.change(now, |batch| {
            let (batch, audit) = change(batch, &signed);
            Ok((batch, audit, ()))
        })?;
        self.pki.files().replace_server(&key, &signed)?;
        (self.settings.notify)();
        Ok(())
    }
}

impl Pki {
    /// Makes the first server key and certificate, for `names` (host names or addresses), and writes both.
    pub(super) fn write_server(&self, names: &[String], now: Timestamp) -> Result<(), Stop> {
        let (key, signed) = self.sign_server(names, now)?;
        self.files().replace_server(&key, &signed)
    }

    fn sign_server(&self, names: &[String], now: Timestamp) -> Result<(KeyPair, Signed), Stop> {
        let key = KeyPair::generate().map_err(unsigned)?;
        let mut params = CertificateParams::default();
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(unsigned)?),
            });
        }
        params.distinguished_name = name_of("Gembok server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let signed = self.sign(params, &key, self.authorities().of_server(), now)?;
        Ok((key, signed))
    }
}

impl PkiFiles {
    /// Ends what a crash interrupted in the exchange of the server's key and certificate.
    pub(super) fn settle_server(&self) -> Result<(), Fault> {
        let (key, certificate) = (self.server_key_next(), self.server_next());
        let settle = || -> std::io::Result<()> {
            if key.try_exists()? {
                // The certificate goes first: alone it would mean that its key is in its place.
                absent(fs::remove_file(&certificate))?;
                return fs::remove_file(&key);
            }
            absent(fs::rename(&certificate, self.server()))
        };
        settle().map_err(|error| unwritable(&certificate, &error))
    }

    fn replace_server(&self, key: &KeyPair, signed: &Signed) -> Result<(), Stop> {
        let (next_key, next) = (self.server_key_next(), self.server_next());
        write_file(&next_key, Zeroizing::new(key.serialize_pem()).as_bytes(), 0o600)?;
        write_file(&next, signed.pem.as_bytes(), 0o644)?;
        for (from, to) in [(next_key, self.server_key()), (next, self.server())] {
            fs::rename(&from, &to)
                .and_then(|()| to.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all()))
                .map_err(|error| unwritable(&to, &error))?;
        }
        Ok(())
    }

    /// Why the server's certificate cannot stay, if it cannot.
    fn server_has_to_go(&self, names: &[String], ca: &str, now: Timestamp) -> Option<&'static str> {
        let certificate = fs::read(self.server()).unwrap_or_default();
        let key = Zeroizing::new(fs::read_to_string(self.server_key()).unwrap_or_default());
        has_to_go(&certificate, &key, names, ca, now)
    }
}

fn has_to_go(
    certificate: &[u8],
    key: &str,
    names: &[String],
    ca: &str,
    now: Timestamp,
) -> Option<&'static str> {
    const UNREADABLE: Option<&str> = Some("it cannot be read");
    let Ok(block) = pem::parse(certificate) else { return UNREADABLE };
    let Ok((_, certificate)) = X509Certificate::from_der(block.contents()) else { return UNREADABLE };
    let is_pair =
        KeyPair::from_pem(key).is_ok_and(|key| key.subject_public_key_info() == certificate.public_key().raw);
    if !is_pair {
        return Some("its key is another");
    }
    if names_in(&certificate) != names.iter().map(|name| canonical(name)).collect() {
        return Some("the server's names are others");
    }
    let signer = certificate.issuer().iter_common_name().next().and_then(|name| name.as_str().ok());
    if signer != Some(ca) {
        return Some("the CA is another");
    }
    let validity = certificate.validity();
    let (first, last) = (moment(validity.not_before), moment(validity.not_after));
    (now.since(first) * 3 >= last.since(first) * 2).then_some("two thirds of its life are over")
}

fn names_in(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => canonical(name),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.map(|address| address.to_string()).unwrap_or_default()
        }
        other => other.to_string(),
    };
    names.value.general_names.iter().map(name).collect()
}

/// One spelling for each host name or address.
pub(super) fn canonical(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_ascii_lowercase(), |address| address.to_string())
}

fn absent(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: u64 = 1_800_000_000;
    const LIFE: u64 = 3_000;
    /// It signs itself.
    const CA: &str = "Gembok CA uji";

    fn made(names: &[&str]) -> (Vec<u8>, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = name_of(CA);
        params.not_before = Timestamp::from_seconds(BEGUN).date_time();
        params.not_after = Timestamp::from_seconds(BEGUN + LIFE).date_time();
        (params.self_signed(&key).unwrap().pem().into_bytes(), key.serialize_pem())
    }

    #[test]
    fn it_goes_when_its_time_its_names_or_its_key_say_so() {
        let (certificate, key) = made(&["gembok.lan", "10.0.0.7", "::1"]);
        let asked = |certificate: &[u8], key: &str, names: &[&str], at: u64| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            has_to_go(certificate, key, &names, CA, Timestamp::from_seconds(BEGUN + at))
        };
        let names = ["0:0::1", "GEMBOK.lan", "10.0.0.7"];
        assert_eq!(asked(&certificate, &key, &names, 0), None);
        assert_eq!(asked(&certificate, &key, &names, LIFE / 3 * 2 - 1), None);
        assert_eq!(asked(&certificate, &key, &names, LIFE / 3 * 2), Some("two thirds of its life are over"));
        for other in [&names[..2], &["0:0::1", "gembok.lan", "10.0.0.8"], &[]] {
            assert_eq!(asked(&certificate, &key, other, 0), Some("the server's names are others"));
        }
        let of_another =
            has_to_go(&certificate, &key, &names.map(str::to_owned), "lain", Timestamp::from_seconds(BEGUN));
        assert_eq!(of_another, Some("the CA is another"));
        let (_, another) = made(&names);
        for key in [another.as_str(), ""] {
            assert_eq!(asked(&certificate, key, &names, 0), Some("its key is another"));
        }
        assert_eq!(asked(b"", &key, &names, 0), Some("it cannot be read"));
    }

    #[test]
    fn a_crash_leaves_a_pair() {
        let folder = tempfile::tempdir().unwrap();
        let files = PkiFiles::below(folder.path());
        fs::create_dir(folder.path().join("pki")).unwrap();
        let lay = |laid: [(std::path::PathBuf, &str); 4]| {
            for (path, text) in laid {
                if text.is_empty() {
                    absent(fs::remove_file(path)).unwrap();
                } else {
                    fs::write(path, text).unwrap();
                }
            }
        };
        let paths = || [files.server_key(), files.server(), files.server_key_next(), files.server_next()];
        for (left, right) in [
            (["1", "1", "", ""], ["1", "1"]),
            (["1", "1", "2", ""], ["1", "1"]),
            (["1", "1", "2", "2"], ["1", "1"]),
            (["2", "1", "", "2"], ["2", "2"]),
            (["2", "2", "", ""], ["2", "2"]),
        ] {
            let mut laid = left.into_iter();
            lay(paths().map(|path| (path, laid.next().unwrap())));
            files.settle_server().unwrap();
            assert_eq!(
                [files.server_key(), files.server()].map(|path| fs::read_to_string(path).unwrap()),
                right
            );
            assert!(!files.server_key_next().exists() && !files.server_next().exists());
        }
    }
}
