//! The list of revoked certificates, as it is signed for TLS. It fails safe: a row that rotted takes no certificate out of it.
//!
//! A revocation is written down twice, in one commit: under its serial number in `revocations`, and in its enrolment in
//! `certificates`. The list is made of both, so one of the two rows is enough; and of a damaged revocation the row key is
//! enough, because it is the serial number. When all of that is lost, nobody knows the serial, and the enrolment refuses:
//! a certificate counts only while its row in `certificates` opens and says that it is not revoked.

use std::collections::BTreeMap;

use crate::domain::cbor;
use crate::domain::certificate::{Certificate, OUTSIDE};
use crate::domain::refusal::Code;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::certificates::{CRL_NUMBER, crl_audit};
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::pki::{Revoked, is_serial};

impl Operational {
    /// Signs a CRL that names all of `serials`, unless the present one does. While the token is away it has to wait.
    pub(super) fn publish_revocations(&self, serials: &[Vec<u8>], now: Now) -> Result<(), Stop> {
        if self.pki.crl_names(serials) {
            return Ok(());
        }
        if self.owes_lists() {
            return Ok(());
        }
        self.refresh_crl_if_token(now)
    }

    /// Signs lists, where the token is there.
    pub(super) fn refresh_crl_if_token(&self, now: Now) -> Result<(), Stop> {
        match self.refresh_crl(now) {
            Err(Stop::Refused(refusal)) if refusal.code == Code::TokenAway => Ok(()),
            other => other,
        }
    }

    /// Signs a new CRL, writes it and tells the listeners. Certificates past their dates are left out: TLS refuses them.
    ///
    /// # Errors
    /// `token-away`; a fault when the file cannot be written.
    pub fn refresh_crl(&self, now: Now) -> Result<(), Stop> {
        // From reading the revocations to the file: a list made later must not be overwritten by one that knows less.
        let _one_at_a_time = self.signing_crl.lock();
        let revoked = self.revoked(now.time)?;
        let count = revoked.len();
        let number = self.change(now, |batch| {
            let number = self.read::<u64>(Table::Counters, CRL_NUMBER)?.unwrap_or(0) + 1;
            let audit = crl_audit(now, number, count);
            Ok((batch.put(Table::Counters, CRL_NUMBER, cbor::encode(&number)), audit, number))
        })?;
        self.pki.write_crl(number, &revoked, now.time)?;
        (self.settings.notify)();
        Ok(())
    }

    /// Every certificate that is revoked and whose dates are not over, or are not known.
    fn revoked(&self, now: Timestamp) -> Result<Vec<Revoked>, Stop> {
        let (mut listed, mut issuers) = (BTreeMap::new(), BTreeMap::new());
        self.each_listed(Table::Certificates, &[], |_, row| {
            match row.decode::<Certificate>()? {
                // An outside CA's number says nothing in our lists.
                Listed::Sound(certificate) if certificate.issuer() == OUTSIDE => {}
                Listed::Sound(certificate) => {
                    let issuer = certificate.issuer();
                    let Certificate { serial, not_after, revoked, .. } = certificate;
                    if not_after >= now && is_serial(&serial) {
                        if let Some(since) = revoked {
                            listed.insert(serial.clone(), since);
                        }
                        issuers.insert(serial, issuer);
                    }
                }
                Listed::Damaged(row) => tracing::error!(
                    %row,
                    "an enrolment is damaged: its certificate is refused, and the list of revoked ones can name it only by \
                     its row in revocations"
                ),
            }
            Ok(())
        })?;
        self.each_listed(Table::Revocations, &[], |serial, row| {
            match row.decode::<(Timestamp, Timestamp)>()? {
                Listed::Sound((since, not_after)) => {
                    if not_after >= now {
                        listed.insert(serial.to_vec(), since);
                    }
                }
                Listed::Damaged(row) if is_serial(serial) => {
                    tracing::error!(%row, "a revocation is damaged: its serial number stays in the list of revoked ones");
                    listed.entry(serial.to_vec()).or_insert(now);
                }
                Listed::Damaged(row) => tracing::error!(
                    %row,
                    "a revocation is damaged, and its row key is no serial number: the list of revoked certificates names it \
                     only if its enrolment says that it is revoked; without that the enrolment itself refuses it"
                ),
            }
            Ok(())
        })?;
        let revoked = listed.into_iter().map(|(serial, time)| {
            let issuer = issuers.get(&serial).copied();
            Revoked { serial, time, issuer }
        });
        Ok(revoked.collect())
    }
}
