//! Keys of CAs in the token, beyond their time. A CA that is trusted no more needs no key, and what is not there signs nothing
//! for anybody; but a token may be away when a roll is finished, or refuse. So what is to go is written down in the commit that
//! ends the trust (`condemned`, in the row of the CAs) and taken out of it when it has gone: by the finish itself, by a further
//! one, or by whoever tends the appliance.
//!
//! A store that was put back from before a roll names a key that is gone. The token shows why: it holds the key of a later
//! generation. That one signs from then on.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::timestamp::Now;
use crate::hsm::{Signer, Token, TokenError};
use crate::store::{CaKeyEntry, Table};

use super::ca_roll::{ROW, Stored, fingerprint, label, stored};
use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::pki::Authority;

/// Generations behind the one a store knows that are looked for in the token.
const LATER_GENERATIONS_MAX: u32 = 16;

/// The key of a CA that the token holds in place of the one it holds no more: of a later generation.
pub(super) fn later(token: &Token, gone: u32) -> Result<Option<Authority>, TokenError> {
    for generation in (gone + 1..=gone.saturating_add(LATER_GENERATIONS_MAX)).rev() {
        match token.signer(&label(generation)) {
            Ok(signer) => return Ok(Some(Authority { generation, signer })),
            Err(TokenError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

impl Operational {
    /// Destroys what the token still holds of CAs that are trusted no more; each that is gone is recorded. What cannot be done now
    /// stays written down, and is in the log.
    pub(super) fn destroy_condemned_keys(&self, actor: Actor, now: Now) {
        let condemned = match stored(&self.store) {
            Ok(stored) => stored.and_then(|stored| stored.condemned).unwrap_or_default(),
            Err(stop) => return tracing::error!(%stop, "nobody knows which CA's keys are to go"),
        };
        for generation in condemned {
            if let Err(stop) = self.destroy_ca_key(actor, generation, now) {
                tracing::error!(
                    %stop,
                    key = label(generation),
                    "the key of a CA that is trusted no more is still in the token; it is tried again each hour, and by \
                     gembok certificate roll-ca finish"
                );
            }
        }
    }

    fn destroy_ca_key(&self, actor: Actor, generation: u32, now: Now) -> Result<(), Stop> {
        let authorities = self.pki.authorities();
        let is_at_work = authorities.current.generation == generation
            || authorities.retiring.as_ref().is_some_and(|old| old.generation == generation);
        if is_at_work {
            return Err(Fault::new("the key of a CA that signs is not to go").into());
        }
        let was_there = self.token.destroy_signer(&label(generation))?;
        self.change_if_any(now, |batch| {
            let Some(stored) = stored(&self.store)? else { return Ok(None) };
            let mut left = stored.condemned.clone().unwrap_or_default();
            let Some(at) = left.iter().position(|condemned| *condemned == generation) else {
                return Ok(None);
            };
            left.remove(at);
            let stored = Stored { condemned: (!left.is_empty()).then_some(left), ..stored };
            let audit = AuditRecord::new(now.time, actor, "ca.key-destroy")
                .with("generation", generation)
                .with("label", label(generation))
                .with("found", was_there);
            Ok(Some((batch.put(Table::Counters, ROW, cbor::encode(&stored)), audit)))
        })?;
        tracing::info!(generation, "the key of the old CA is gone from the token");
        Ok(())
    }

    /// Writes down that another CA signs than the store knew of, because its key is gone from the token. What the lost one had
    /// signed counts no more.
    pub(super) fn settle_ca(&self, now: Now) -> Result<(), Stop> {
        let current = self.pki.authorities().current.clone();
        let known = stored(&self.store)?;
        if known.as_ref().map_or(1, |known| known.generation) == current.generation {
            return Ok(());
        }
        let certificate = self.pki.sign_ca(&current, now.time)?;
        let generation = current.generation;
        let settled = Stored { generation, certificate, retiring: None, condemned: None };
        self.change(now, |batch| {
            let mut boot = self.store.boot()?;
            boot.ca_key = CaKeyEntry { label: label(generation), escrow: None };
            let audit = AuditRecord::new(now.time, Actor::System, "ca.replace")
                .with("generation", generation)
                .with("key", fingerprint(&current.signer))
                .with("lost", known.map_or(1, |known| known.generation));
            Ok((batch.put_boot(boot).put(Table::Counters, ROW, cbor::encode(&settled)), audit, ()))
        })?;
        tracing::warn!(
            generation,
            "the key of the CA that this store knew is gone from the token; a later one signs, and certificates of the lost \
             one count no more: issue new ones"
        );
        Ok(())
    }
}

/// The CA's key, or the later one that took its place before the store was put back.
pub(super) fn current(token: &Token, generation: u32, named: &str) -> Result<Authority, TokenError> {
    match token.signer(named) {
        Ok(signer) => Ok(Authority { generation, signer }),
        Err(TokenError::NotFound(what)) => later(token, generation)?.ok_or(TokenError::NotFound(what)),
        Err(error) => Err(error),
    }
}

/// The key of a CA on its way out; none where it is gone already: what hangs on it is revoked by the end of the roll.
pub(super) fn retiring(token: &Token, generation: u32) -> Result<Option<Signer>, TokenError> {
    match token.signer(&label(generation)) {
        Ok(signer) => Ok(Some(signer)),
        Err(TokenError::NotFound(what)) => {
            tracing::error!(what, "the key of the retiring CA is gone from the token; finish the roll");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
