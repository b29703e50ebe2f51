//! Names and addresses of the server, as its certificate says them. The configuration's are the first; an operator's word
//! (`gembok server-names set`) takes their place for good, with a new certificate at once and no restart.

use std::collections::BTreeSet;

use rustls::pki_types::ServerName;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::server_certificate::canonical;

/// The row of the operator's names, in the table of counters: an array of text.
pub(super) const ROW: &[u8] = b"server-names";
/// A certificate is sent in every handshake.
const NAMES_MAX: usize = 64;

/// The server's names, and whose word they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNames {
    /// Host names and addresses.
    pub names: Vec<String>,
    /// Whether they are the configuration's, because no operator has said others.
    pub are_configured: bool,
}

impl Operational {
    /// The names the server's certificate is to have.
    ///
    /// # Errors
    /// The store's.
    pub fn server_names(&self) -> Result<ServerNames, Stop> {
        let configured = || ServerNames { names: self.settings.server_names.clone(), are_configured: true };
        Ok(match self.look_up::<Vec<String>>(Table::Counters, ROW)? {
            None => configured(),
            Some(Listed::Sound(names)) => ServerNames { names, are_configured: false },
            Some(Listed::Damaged(row)) => {
                tracing::error!(
                    %row,
                    "the server's names are damaged; those of the configuration count until gembok server-names set"
                );
                configured()
            }
        })
    }

    /// Puts other names in place of those there are, with a new key and certificate that the listeners follow at once. The
    /// same names leave no record.
    ///
    /// # Errors
    /// `bad-request` for what is no name, `token-away`; then everything stays as it was. A fault when the new certificate
    /// cannot be written: the names count, and the next unlock tries again.
    pub fn set_server_names(&self, actor: Actor, names: &[String], now: Now) -> Result<ServerNames, Stop> {
        let names = check_names(names)?;
        let _one_at_a_time = self.exchanging_server.lock();
        let before = self.server_names()?;
        if before.names == names && !before.are_configured {
            return Ok(before);
        }
        self.replace_server_certificate(&names, now, |batch, signed| {
            let audit = AuditRecord::new(now.time, actor, "server-names.set")
                .with("before", before.names.join(" "))
                .with("names", names.join(" "))
                .with("not-after", signed.not_after)
                .with("spki", to_hex(&signed.spki));
            (batch.put(Table::Counters, ROW, cbor::encode(&names)), audit)
        })?;
        tracing::info!(names = names.join(" "), "the server has other names, and a new certificate");
        Ok(ServerNames { names, are_configured: false })
    }
}

/// Each once, in the order they were given.
pub(super) fn check_names(names: &[String]) -> Result<Vec<String>, Refusal> {
    let refuse = |what: String| Refusal::new(Code::BadRequest).detail(what);
    if names.is_empty() || names.len() > NAMES_MAX {
        return Err(refuse(format!("The server needs at least one name, and may have {NAMES_MAX}.")));
    }
    let mut known = BTreeSet::new();
    let mut checked = Vec::with_capacity(names.len());
    for name in names {
        if ServerName::try_from(name.as_str()).is_err() {
            return Err(refuse(format!("{name:?} is neither a DNS name nor an IP address.")));
        }
        let name = canonical(name);
        if known.insert(name.clone()) {
            checked.push(name);
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_host_or_an_address_and_counts_once() {
        let check =
            |names: &[&str]| check_names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let names = check(&["Gembok.LAN", "10.0.0.7", "0:0::1", "gembok.lan", "::1"]).unwrap();
        assert_eq!(names, ["gembok.lan", "10.0.0.7", "::1"]);
        for bad in
            ["", "a b", "https://gembok.lan", "gembok.lan:8443", "10.0.0.0/8", "*.lan", "\u{e9}.lan", "a\nb"]
        {
            assert_eq!(check(&["gembok.lan", bad]).unwrap_err().code, Code::BadRequest, "{bad:?}");
        }
        assert!(check(&[]).is_err() && check(&["a"; 65]).is_err());
    }
}
