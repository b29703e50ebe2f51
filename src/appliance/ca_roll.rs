//! Rolling the CA: a new key in the token takes the old one's place, and both are trusted for a time.
//!
//! ```text
//! roll-ca start     both trusted; the new one signs what is issued, each signs the list of its own; the server keeps the old
//!                   one's certificate, which is the one that every client can check
//! renewals, issue   move clients over: what they are given has both CAs in its ca.pem
//! roll-ca finish    the old one is trusted no more; the server has a certificate of the new one
//! ```
//!
//! The row `authorities` of the counters says which there are; one commit changes it. The files follow, and what a crash leaves of
//! them the next unlock writes anew: lists first when a CA comes, last when one goes, so that none is ever without its list.

use minicbor::{Decode, Encode};
use std::time::Duration;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::hsm::{Signer, Token, TokenError};
use crate::store::{CaKeyEntry, Store, Table};

use super::ca_keys;
use super::ca_left::OnOldCa;
use super::certificates::revoke;
use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::pki::{Authorities, Authority, PkiFiles, write_file};
use super::unlock::said;

/// The row in the counters.
pub(super) const ROW: &[u8] = b"authorities";
/// For how long both are trusted at most; then the roll finishes by itself.
pub const CA_OVERLAP: Duration = Duration::from_secs(90 * 86_400);

/// The CAs as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Stored {
    /// Which generation signs.
    #[n(0)]
    pub generation: u32,
    /// Its certificate, DER.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// The one before, while both are trusted.
    #[n(2)]
    pub retiring: Option<Retiring>,
    /// Generations that are trusted no more and whose keys are to go from the token; absent where there are none.
    #[n(3)]
    pub condemned: Option<Vec<u32>>,
}

/// A CA on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Retiring {
    #[n(0)]
    generation: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    certificate: Vec<u8>,
    /// When the other took its place.
    #[n(2)]
    since: Timestamp,
}

/// How the CA is.
pub struct CaView {
    /// Which generation signs.
    pub generation: u32,
    /// The one before, while both are trusted.
    pub retiring: Option<RetiringView>,
    /// Generations that are trusted no more and whose keys are still in the token.
    pub keys_left: Vec<u32>,
}

/// A CA on its way out.
pub struct RetiringView {
    /// Which generation.
    pub generation: u32,
    /// When the other took its place.
    pub since: Timestamp,
    /// When it is trusted no more, if nobody ends that before.
    pub until: Timestamp,
    /// Certificates of it that count, and in whose line of renewal the present one has signed none that does.
    pub certificates: u64,
}

/// What a CA's key is called in the token.
pub(super) fn label(generation: u32) -> String {
    format!("gembok-ca-{generation}")
}

/// The CAs of a store: their keys opened in the token. A store that never rolled has the one of its boot row.
pub(super) fn open(store: &Store, token: &Token, first: &str) -> Result<Authorities, Stop> {
    let Some(Stored { generation, retiring, .. }) = stored(store)? else {
        return Ok(Authorities { current: ca_keys::current(token, 1, first).map_err(said)?, retiring: None });
    };
    let current = ca_keys::current(token, generation, &label(generation)).map_err(said)?;
    let retiring = match retiring.filter(|_| current.generation == generation) {
        Some(old) => ca_keys::retiring(token, old.generation)
            .map_err(said)?
            .map(|signer| Authority { generation: old.generation, signer }),
        None => None,
    };
    Ok(Authorities { current, retiring })
}

pub(super) fn stored(store: &Store) -> Result<Option<Stored>, Stop> {
    let row = store.get(Table::Counters, ROW)?;
    row.map(|row| cbor::decode(&row.value).map_err(Stop::from)).transpose()
}

impl Operational {
    /// Makes the next CA and lets it sign from now on; the present one is trusted beside it.
    ///
    /// # Errors
    /// `ca-roll-state` while a roll is under way, `token-away`.
    pub fn roll_ca(&self, actor: Actor, now: Now) -> Result<CaView, Stop> {
        self.exclusively_signing(|| self.start_roll(actor, now))
    }

    fn start_roll(&self, actor: Actor, now: Now) -> Result<CaView, Stop> {
        let _one_at_a_time = self.pki.rolling.lock();
        let before = self.pki.authorities();
        let known = stored(&self.store)?;
        if known.as_ref().is_some_and(|known| known.retiring.is_some()) {
            let detail = "A roll is under way already: finish it with gembok certificate roll-ca finish.";
            return Err(Refusal::new(Code::CaRollState).detail(detail).into());
        }
        let generation = before.current.generation + 1;
        // One that is there already was left by a crash, or by a roll that lies in no store any more: nothing was signed by it
        // that is trusted.
        let signer = match self.token.generate_signer(&label(generation)) {
            Err(TokenError::Exists(_)) => self.token.signer(&label(generation)),
            made => made,
        }?;
        let current = Authority { generation, signer };
        let certificate = self.pki.sign_ca(&current, now.time)?;
        let retiring = Retiring {
            generation: before.current.generation,
            certificate: self.pki.files().authority_of(&before.current.signer)?,
            since: now.time,
        };
        let condemned = known.and_then(|known| known.condemned);
        let rolled = Stored { generation, certificate, retiring: Some(retiring), condemned };
        self.change(now, |batch| {
            let mut boot = self.store.boot()?;
            boot.ca_key = CaKeyEntry { label: label(generation), escrow: None };
            let audit = AuditRecord::new(now.time, actor, "ca.roll")
                .with("generation", generation)
                .with("key", fingerprint(&current.signer))
                .with("retiring", before.current.generation)
                .with("until", now.time.plus(CA_OVERLAP));
            Ok((batch.put_boot(boot).put(Table::Counters, ROW, cbor::encode(&rolled)), audit, ()))
        })?;
        self.pki.set_authorities(Authorities { current, retiring: Some(before.current.clone()) });
        tracing::info!(generation, "a new CA signs; the one before is trusted beside it");
        self.publish_authorities(now)?;
        self.ca()
    }

    /// Trusts the old CA no more, and destroys its key in the token. Certificates of it that were renewed are revoked with it; others
    /// that count keep that from being done, or are revoked, too, with `force`. Where a key could not be destroyed before, that is tried again.
    ///
    /// # Errors
    /// `ca-roll-state` when no roll is under way and no key is to go, `ca-in-use`, `token-away`.
    pub fn finish_ca_roll(&self, actor: Actor, force: bool, now: Now) -> Result<CaView, Stop> {
        self.exclusively_signing(|| self.end_roll(actor, force, now))
    }

    fn end_roll(&self, actor: Actor, force: bool, now: Now) -> Result<CaView, Stop> {
        let _one_at_a_time = self.pki.rolling.lock();
        let before = self.pki.authorities();
        let known = stored(&self.store)?;
        let Some(old) = known.as_ref().and_then(|known| known.retiring.as_ref()) else {
            if known.is_some_and(|known| known.condemned.is_some()) {
                self.destroy_condemned_keys(actor, now);
                return self.ca();
            }
            let detail = "No roll is under way: begin one with gembok certificate roll-ca start.";
            return Err(Refusal::new(Code::CaRollState).detail(detail).into());
        };
        let mut users_cut_off = 0;
        self.withdraw(now, |batch| {
            let OnOldCa { left, renewed, users_left } = self.on_old_ca(old.generation, now.time)?;
            users_cut_off = users_left;
            if !left.is_empty() && !force {
                let detail =
                    format!("{} certificates of the old CA count still and were not renewed.", left.len());
                return Err(Refusal::new(Code::CaInUse).detail(detail).into());
            }
            let ending = renewed.into_iter().chain(left).collect::<Vec<_>>();
            let missing = || Fault::new("the store does not know of the roll that is under way");
            let finished = stored(&self.store)?.ok_or_else(missing)?;
            let mut condemned = finished.condemned.clone().unwrap_or_default();
            condemned.push(old.generation);
            let finished = Stored { retiring: None, condemned: Some(condemned), ..finished };
            let audit = AuditRecord::new(now.time, actor, "ca.roll-finish")
                .with("generation", before.current.generation)
                .with("retired", old.generation)
                .with("revoked", ending.len());
            let batch = batch.put(Table::Counters, ROW, cbor::encode(&finished));
            let batch = ending.into_iter().fold(batch, |batch, (spki, row, certificate)| {
                revoke(batch, &spki, &row, certificate, now.time)
            });
            Ok((batch, audit, ()))
        })?;
        self.pki.set_authorities(Authorities { current: before.current.clone(), retiring: None });
        tracing::info!(generation = old.generation, "the old CA is trusted no more");
        if users_cut_off > 0 {
            tracing::warn!(
                users = users_cut_off,
                "users have no certificate any more, the old CA's went with it: an account is unconfirmed by the next one that \
                 somebody issues to it; appoint an officer before, who confirms them, and issue anew what was issued earlier"
            );
        }
        self.renew_server_certificate(now);
        self.publish_authorities(now)?;
        self.destroy_condemned_keys(actor, now);
        self.ca()
    }

    /// Finishes a roll whose time is over.
    pub(super) fn finish_overdue_roll(&self, now: Now) {
        let is_over = |view: &CaView| view.retiring.as_ref().is_some_and(|old| old.until <= now.time);
        match self.ca() {
            Ok(view) if is_over(&view) => {
                if let Err(stop) = self.finish_ca_roll(Actor::System, true, now) {
                    tracing::error!(%stop, "a roll of the CA is over and could not be finished");
                }
            }
            Ok(view) if !view.keys_left.is_empty() => self.destroy_condemned_keys(Actor::System, now),
            Ok(_) => {}
            Err(stop) => tracing::error!(%stop, "nobody knows how the CA is"),
        }
    }

    /// How the CA is.
    ///
    /// # Errors
    /// The store's.
    pub fn ca(&self) -> Result<CaView, Stop> {
        let (retiring, condemned) =
            stored(&self.store)?.map_or((None, None), |stored| (stored.retiring, stored.condemned));
        let retiring = match retiring {
            None => None,
            Some(Retiring { generation, since, .. }) => Some(RetiringView {
                generation,
                since,
                until: since.plus(CA_OVERLAP),
                certificates: self.on_old_ca(generation, self.now().time)?.left.len() as u64,
            }),
        };
        let generation = self.pki.authorities().current.generation;
        Ok(CaView { generation, retiring, keys_left: condemned.unwrap_or_default() })
    }

    /// Writes CA certificates and lists as the store says they are, and tells the listeners.
    ///
    /// # Errors
    /// `token-away`; a fault when a file cannot be written. The next unlock goes on from there.
    pub(super) fn publish_authorities(&self, now: Now) -> Result<(), Stop> {
        if self.pki.authorities().retiring.is_some() {
            self.refresh_crl(now)?;
            self.write_authorities()?;
        } else {
            self.write_authorities()?;
            self.refresh_crl(now)?;
        }
        (self.settings.notify)();
        Ok(())
    }

    fn write_authorities(&self) -> Result<(), Stop> {
        let files = self.pki.files();
        // Without its key an old one can sign no list, and a CA without its list is none.
        let signs = self.pki.authorities().retiring.is_some();
        match stored(&self.store)? {
            Some(Stored { certificate, retiring: Some(old), .. }) if signs => {
                files.write_authorities(&[&certificate, &old.certificate])
            }
            Some(Stored { certificate, .. }) => files.write_authorities(&[&certificate]),
            // It never rolled, and other CAs' certificates in the file are those of a roll that was put back.
            None => match files.authority_of(&self.pki.authorities().current.signer) {
                Ok(own) => files.write_authorities(&[&own]),
                Err(stop) => {
                    tracing::error!(%stop, "the CA's certificate is not where it was");
                    Ok(())
                }
            },
        }
    }
}

impl PkiFiles {
    /// Writes the CAs' certificates, the one that signs first. What is there already stays.
    pub(super) fn write_authorities(&self, ders: &[&[u8]]) -> Result<(), Stop> {
        let blocks =
            ders.iter().map(|der| pem::encode(&pem::Pem::new("CERTIFICATE", *der)).replace("\r\n", "\n"));
        let text: String = blocks.collect();
        match std::fs::read(self.ca()) {
            Ok(there) if there == text.as_bytes() => Ok(()),
            _ => write_file(&self.ca(), text.as_bytes(), 0o644),
        }
    }

    /// The certificate of the CA with this key, as it lies in the file; DER.
    fn authority_of(&self, signer: &Signer) -> Result<Vec<u8>, Stop> {
        let missing = || {
            Fault::new(format!(
                "{} has no certificate of the CA that is in the token; restore it from a backup",
                self.ca().display()
            ))
        };
        let blocks = std::fs::read(self.ca()).ok().and_then(|bytes| pem::parse_many(bytes).ok());
        let is_its = |block: &pem::Pem| {
            let parsed = X509Certificate::from_der(block.contents());
            parsed.is_ok_and(|(_, certificate)| certificate.public_key().raw == signer.spki())
        };
        let found = blocks.unwrap_or_default().into_iter().find(is_its);
        found.map(pem::Pem::into_contents).ok_or_else(|| missing().into())
    }
}

/// The first bytes of SHA-256 of a CA's public key: enough to compare by eye.
pub(super) fn fingerprint(signer: &Signer) -> String {
    use sha2::{Digest, Sha256};
    to_hex(&Sha256::digest(signer.spki())[..8])
}
