//! What of the PKI ends when: our own certificates and the CRL, read from their files, so that a locked appliance knows, too;
//! and of each endpoint and user that may still come in the newest certificate that counts. An older one beside a newer one is
//! nobody's worry. And the API keys that end, as long as somebody may need them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use crate::domain::api_key::ApiKey;
use crate::domain::certificate::Certificate;
use crate::domain::endpoint::Endpoint;
use crate::domain::expiry::{Ending, Expiry};
use crate::domain::project::Project;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::User;
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::memo::CatalogRevision;
use super::operational::Operational;
use super::outside::Outside;
use super::pki::PkiFiles;
use super::{Appliance, State};

/// The ends of clients' certificates, as the catalog had them at a revision.
pub(super) type ClientExpiries = Option<(CatalogRevision, Arc<Vec<ClientExpiry>>)>;

/// An end, and since when something else is there in its place, if it is.
pub(super) struct ClientExpiry {
    expiry: Expiry,
    replaced: Option<Timestamp>,
}

impl Appliance {
    /// Every end to come, our own first. While it is locked nobody knows the clients'.
    #[must_use]
    pub fn expiries(&self) -> Vec<Expiry> {
        let mut expiries = PkiFiles::below(&self.settings.state_directory).expiries(&self.settings.outside);
        if let State::Operational(operational) = &*self.state() {
            match operational.client_expiries().and_then(|clients| operational.still_wanted(&clients)) {
                Ok(clients) => expiries.extend(clients),
                Err(stop) => tracing::error!(%stop, "the ends of clients' certificates cannot be read"),
            }
            if let Ok(Some(old)) = operational.ca().map(|ca| ca.retiring) {
                expiries.push(Expiry { of: Ending::CaRoll, name: None, spki: None, not_after: old.until });
            }
        }
        expiries
    }
}

impl Operational {
    /// Read once per revision of the catalog: a scraper asks often.
    fn client_expiries(&self) -> Result<Arc<Vec<ClientExpiry>>, Stop> {
        let revision = self.catalog_revision();
        let mut known = self.client_expiries.lock();
        if let Some((at, expiries)) = &*known
            && *at == revision
        {
            return Ok(Arc::clone(expiries));
        }
        let expiries = Arc::new(self.load_client_expiries()?);
        *known = Some((revision, Arc::clone(&expiries)));
        Ok(expiries)
    }

    fn load_client_expiries(&self) -> Result<Vec<ClientExpiry>, Stop> {
        let mut newest: BTreeMap<Ending, ([u8; 32], Timestamp)> = BTreeMap::new();
        self.each_listed(Table::Certificates, &[], |spki, row| {
            // A damaged one counts no more, and whoever meets it says so.
            let Listed::Sound(Certificate { endpoint, user, not_after, revoked: None, .. }) = row.decode()?
            else {
                return Ok(());
            };
            let of = endpoint.map(Ending::Endpoint).or_else(|| user.map(Ending::User));
            if let Some((of, spki)) = of.zip(<[u8; 32]>::try_from(spki).ok()) {
                let entry = newest.entry(of).or_insert((spki, not_after));
                if entry.1 < not_after {
                    *entry = (spki, not_after);
                }
            }
            Ok(())
        })?;
        let mut expiries = Vec::with_capacity(newest.len());
        for (of, (spki, not_after)) in newest {
            if let Some(name) = self.live_name(of)? {
                let expiry = Expiry { of, name: Some(name), spki: Some(spki), not_after };
                expiries.push(ClientExpiry { expiry, replaced: None });
            }
        }
        self.api_key_expiries(&mut expiries)?;
        Ok(expiries)
    }

    fn api_key_expiries(&self, expiries: &mut Vec<ClientExpiry>) -> Result<(), Stop> {
        let (mut ending, mut replaced) = (Vec::new(), BTreeMap::new());
        self.each_listed(Table::ApiKeys, &[], |_, row| {
            let Listed::Sound(api_key) = row.decode::<ApiKey>()? else { return Ok(()) };
            if let Some(old) = api_key.replaces.filter(|_| api_key.revoked.is_none()) {
                replaced.insert(old, api_key.created);
            }
            if api_key.revoked.is_none() && api_key.expires.is_some() {
                ending.push(api_key);
            }
            Ok(())
        })?;
        for ApiKey { id, endpoint, label, expires, .. } in ending {
            let Some((place, not_after)) = self.live_name(Ending::Endpoint(endpoint))?.zip(expires) else {
                continue;
            };
            let (of, name) = (Ending::ApiKey(id), Some(format!("{place} {label}")));
            let expiry = Expiry { of, name, spki: None, not_after };
            expiries.push(ClientExpiry { expiry, replaced: replaced.get(&id).copied() });
        }
        Ok(())
    }

    /// Without the API keys in whose place there is another, save those that are used all the same: who uses one would be cut
    /// off at its end.
    fn still_wanted(&self, clients: &[ClientExpiry]) -> Result<Vec<Expiry>, Stop> {
        let mut wanted = Vec::with_capacity(clients.len());
        for ClientExpiry { expiry, replaced } in clients {
            let is_used = match (expiry.of, replaced) {
                (Ending::ApiKey(id), Some(since)) => {
                    self.last_use(id)?.is_some_and(|last| last.time > *since)
                }
                _ => true,
            };
            if is_used {
                wanted.push(expiry.clone());
            }
        }
        Ok(wanted)
    }

    /// What people call the holder of a certificate; none where the holder may not come in any more.
    fn live_name(&self, of: Ending) -> Result<Option<String>, Stop> {
        Ok(match of {
            Ending::Endpoint(id) => match self.look_up::<Endpoint>(Table::Endpoints, id.as_bytes())? {
                Some(Listed::Sound(endpoint)) if endpoint.revoked.is_none() && endpoint.retired.is_none() => {
                    let project = self.look_up::<Project>(Table::Projects, endpoint.project.as_bytes())?;
                    let project = project.and_then(Listed::sound);
                    let project =
                        project.map_or_else(|| endpoint.project.to_string(), |it| it.name.to_string());
                    Some(format!("{project}/{}", endpoint.name))
                }
                _ => None,
            },
            Ending::User(id) => match self.look_up::<User>(Table::Users, id.as_bytes())? {
                Some(Listed::Sound(user)) if user.disabled.is_none() => Some(user.name.to_string()),
                _ => None,
            },
            Ending::ApiKey(_)
            | Ending::KeyVersion(_)
            | Ending::Ca
            | Ending::CaRoll
            | Ending::Crl
            | Ending::OutsideCa
            | Ending::OutsideCrl
            | Ending::Server => None,
        })
    }
}

impl PkiFiles {
    /// The ends of our own. A file that cannot be read has none: the listeners complain of it.
    fn expiries(&self, outside: &Outside) -> Vec<Expiry> {
        let ends = [
            (Ending::Ca, read(&self.ca(), certificate_end)),
            (Ending::Crl, read(&self.crl(), list_end)),
            (Ending::OutsideCa, outside.ca.as_ref().and_then(|file| read(file, certificate_end))),
            (Ending::OutsideCrl, outside.crl.as_ref().and_then(|file| read(file, list_end))),
            (
                Ending::Server,
                read(outside.server_certificate.as_ref().unwrap_or(&self.server()), certificate_end),
            ),
        ];
        let ours = |(of, not_after): (Ending, Option<Timestamp>)| {
            not_after.map(|not_after| Expiry { of, name: None, spki: None, not_after })
        };
        ends.into_iter().filter_map(ours).collect()
    }
}

/// Of several in a file, such as the lists of a roll, the one that ends first; but of a server's chain and of our CAs the first,
/// which is the one that counts.
fn read(path: &Path, end: impl Fn(&[u8]) -> Option<Timestamp>) -> Option<Timestamp> {
    let blocks = pem::parse_many(fs::read(path).ok()?).ok()?;
    let is_list = blocks.first()?.tag() == "X509 CRL";
    let ends = blocks.iter().take(if is_list { blocks.len() } else { 1 });
    ends.filter_map(|block| end(block.contents())).min()
}

fn certificate_end(der: &[u8]) -> Option<Timestamp> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| moment(certificate.validity().not_after))
}

fn list_end(der: &[u8]) -> Option<Timestamp> {
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    list.next_update().map(moment)
}

/// A moment of a certificate; one before 1970 is 1970.
pub(super) fn moment(time: ASN1Time) -> Timestamp {
    Timestamp::from_seconds(time.timestamp().try_into().unwrap_or(0))
}
