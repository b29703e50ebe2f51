//! Revoking a client certificate, and with it every certificate that was renewed from it: whoever held the one could make the
//! others. It needs no token: the enrolments end at once, the CRL follows when the token can sign.

use std::collections::BTreeMap;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Row, Table};

use super::catalog::not_found;
use super::certificates::{revoke, unhex};
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// How far a revocation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The one that is named.
    One,
    /// With all that were renewed from it, and from those.
    Descendants,
}

/// What a revocation came to. All are SHA-256 of public keys, hex.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Refused from now on that was not before.
    pub revoked: Vec<String>,
    /// Renewed from it, and still counting.
    pub left: Vec<String>,
    /// The one it was renewed from, where that still counts.
    pub renewed_from: Option<String>,
}

/// Enrolments by key: all that were renewed by one holder from one that was issued.
type Family = BTreeMap<[u8; 32], (Row, Certificate)>;

impl Operational {
    /// Ends an enrolment, by default with those renewed from it, and signs a new CRL. What has ended already leaves no second
    /// record.
    ///
    /// # Errors
    /// `not-found`. A token that is away does not keep an enrolment alive: the list is signed when it is back.
    pub fn revoke_certificate(
        &self,
        actor: Actor,
        spki: &str,
        reach: Reach,
        now: Now,
    ) -> Result<Withdrawn, Stop> {
        let unknown = || not_found("certificate", spki);
        let row_key = unhex(spki).ok_or_else(unknown)?;
        let (mut withdrawn, mut serials) = (Withdrawn::default(), Vec::new());
        // Everything is read where nobody else changes anything: a renewal under way is either seen here or refused there.
        self.change_if_any(now, |mut batch| {
            let own = self.store.get(Table::Certificates, &row_key).transpose().ok_or_else(unknown)?;
            let own = Listed::of(own)?;
            let is_damaged = matches!(own, Listed::Damaged(_));
            let mut ending = self.renewed_from(row_key)?;
            if let Listed::Sound(row) = own {
                let certificate: Certificate = cbor::decode(&row.value)?;
                withdrawn.renewed_from = self.counting_parent(&certificate, now.time)?;
                ending.insert(row_key, (row, certificate));
            }
            if is_damaged {
                // Whom it named and its serial number are lost; that its key is refused, also when it is to be enrolled
                // again, is what is left to write down. Nobody can say whether the present list names it.
                batch = batch.put(Table::Certificates, &row_key, cbor::encode(&ended(now.time)));
                withdrawn.revoked.push(spki.to_owned());
                serials.push(Vec::new());
            }
            for (key, (row, certificate)) in ending {
                let is_over = certificate.not_after < now.time;
                if key != row_key && reach == Reach::One {
                    if certificate.revoked.is_none() && !is_over {
                        withdrawn.left.push(to_hex(&key));
                    }
                    continue;
                }
                serials.extend(certificate.listed_serial(now.time));
                if certificate.revoked.is_none() {
                    withdrawn.revoked.push(to_hex(&key));
                    batch = revoke(batch, &key, &row, certificate, now.time);
                }
            }
            if withdrawn.revoked.is_empty() {
                return Ok(None);
            }
            let audit = AuditRecord::new(now.time, actor, "certificate.revoke").with("spki", spki);
            let audit = if is_damaged { audit.with("row", "damaged") } else { audit };
            let with: Vec<&str> =
                withdrawn.revoked.iter().map(String::as_str).filter(|revoked| *revoked != spki).collect();
            Ok(Some((batch, if with.is_empty() { audit } else { audit.with("renewed", with.join(" ")) })))
        })?;
        if !withdrawn.revoked.is_empty() {
            self.witness_withdrawal(now);
        }
        self.publish_revocations(&serials, now)?;
        Ok(withdrawn)
    }

    /// Every enrolment whose line of renewals leads back to the one under `ancestor`.
    fn renewed_from(&self, ancestor: [u8; 32]) -> Result<Family, Stop> {
        let mut renewed = Family::new();
        self.each_listed(Table::Certificates, &[], |key, row| {
            let Listed::Sound(row) = row else { return Ok(()) };
            let certificate: Certificate = cbor::decode(&row.value)?;
            if let (Some(_), Ok(key)) = (certificate.renewed_from, key.try_into()) {
                renewed.insert(key, (row, certificate));
            }
            Ok(())
        })?;
        let mut family = Family::new();
        let mut parents = vec![ancestor];
        while let Some(parent) = parents.pop() {
            let (children, others): (Family, Family) =
                renewed.into_iter().partition(|(_, (_, child))| child.renewed_from == Some(parent));
            renewed = others;
            for (key, child) in children {
                parents.push(key);
                family.insert(key, child);
            }
        }
        Ok(family)
    }

    fn counting_parent(&self, certificate: &Certificate, now: Timestamp) -> Result<Option<String>, Stop> {
        let Some(parent) = certificate.renewed_from else { return Ok(None) };
        let row = self.look_up::<Certificate>(Table::Certificates, &parent)?.and_then(Listed::sound);
        let counts = row.is_some_and(|parent| parent.revoked.is_none() && parent.not_after >= now);
        Ok(counts.then(|| to_hex(&parent)))
    }
}

/// The end of an enrolment of which nothing is known.
fn ended(now: Timestamp) -> Certificate {
    Certificate {
        endpoint: None,
        user: None,
        serial: Vec::new(),
        not_before: now,
        not_after: now,
        revoked: Some(now),
        renewed_from: None,
        issuer: None,
        by_password: None,
    }
}
