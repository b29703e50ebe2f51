//! Encrypt: fields in, envelopes out.

use std::sync::Arc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::crypto::aad::Context;
use crate::crypto::data_key::DataKey;
use crate::crypto::random::Nonces;
use crate::domain::key_version::Sealing;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::admission::{Admitted, Denied};
use super::done::{Done, Tally, bind};
use super::fault::Stop;
use super::keyring::Held;
use super::operate::Encrypt;
use super::operational::Operational;
use super::served::Served;

/// One field to seal.
pub struct Field<'a> {
    /// Its bytes.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// What it is bound to beside its object.
    pub context: Context<'a>,
}

/// The keys for an admitted encrypt, uses already taken from their leases; one per item. Nothing holds those uses, which one field
/// would pay for: whoever finds an item that seals nothing gives its use back.
pub struct SealingKeys(SmallVec<[Result<Arc<Held<DataKey>>, Code>; 1]>);

impl Operational {
    /// The keys for `admitted`, if all are in memory and their leases hold enough uses.
    #[must_use]
    pub fn recall_sealing_keys(&self, admitted: &Admitted<Encrypt>, now: Now) -> Option<SealingKeys> {
        let mut keys: SmallVec<[Result<Arc<Held<DataKey>>, Code>; 1]> =
            SmallVec::with_capacity(admitted.items().len());
        for (served, run) in runs(admitted.items()) {
            let key =
                match served.as_ref().map_err(|denied| denied.code).and_then(|served| sealing(served, now)) {
                    Err(code) => Err(code),
                    Ok(sealing) => {
                        let held = self.keyring.recall(sealing, now.instant);
                        match held.filter(|_| self.leases.take(sealing.version(), run as u64)) {
                            Some(held) => Ok(held),
                            None => {
                                self.unmake(admitted.items(), &keys, now);
                                return None;
                            }
                        }
                    }
                };
            keys.extend(std::iter::repeat_n(key, run));
        }
        Some(SealingKeys(keys))
    }

    /// The keys for `admitted`, unwrapped and leased as need be; what keeps one from being had stands in its items' places.
    /// Blocks.
    ///
    /// # Errors
    /// `journal-full` when uses cannot be reserved durably: then nothing else can be made durable either.
    pub fn load_sealing_keys(&self, admitted: &Admitted<Encrypt>, now: Now) -> Result<SealingKeys, Stop> {
        let mut keys: SmallVec<[Result<Arc<Held<DataKey>>, Code>; 1]> =
            SmallVec::with_capacity(admitted.items().len());
        for (served, run) in runs(admitted.items()) {
            let key = match served {
                Err(denied) => Err(denied.code),
                Ok(served) => match self.load_sealing_key(served, run as u64, now) {
                    Err(stop) if stop.is_journal_full() => {
                        self.unmake(admitted.items(), &keys, now);
                        return Err(stop);
                    }
                    key => key.map_err(|stop| stop.told().code),
                },
            };
            keys.extend(std::iter::repeat_n(key, run));
        }
        Ok(SealingKeys(keys))
    }

    fn load_sealing_key(&self, served: &Served, uses: u64, now: Now) -> Result<Arc<Held<DataKey>>, Stop> {
        let sealing = sealing(served, now)?;
        let held = self.load_data_key(sealing, &served.object, now)?;
        self.lease_uses(sealing.version(), uses, now.time)?;
        Ok(held)
    }

    /// Gives back the uses that were taken for the first items, as many as have `keys`: nothing is sealed by them.
    #[cold]
    fn unmake(
        &self,
        items: &[Result<Arc<Served>, Denied>],
        keys: &[Result<Arc<Held<DataKey>>, Code>],
        now: Now,
    ) {
        for (served, key) in items.iter().zip(keys) {
            // The version that they were taken of: what is served, and when, is the same.
            if let (Ok(served), Ok(_)) = (served, key)
                && let Ok(sealing) = sealing(served, now)
            {
                self.leases.give_back(sealing.version(), 1);
            }
        }
    }

    /// Seals each field for the object it was admitted for. An item that arrives as an error stays one.
    ///
    /// # Errors
    /// `locked` when the unlocked time has ended; a fault when the kernel gives no randomness. Nothing is sealed then.
    pub fn encrypt(
        &self,
        admitted: &Admitted<Encrypt>,
        keys: &SealingKeys,
        fields: Vec<Result<Field<'_>, Refusal>>,
        now: Now,
    ) -> Result<Done<Vec<u8>>, Stop> {
        self.check_not_ended()?;
        let mut nonces = Nonces::draw(fields.len())?;
        let mut binding = Vec::new();
        let mut done = Done::of(fields.len());
        for (at, ((served, key), field)) in admitted.items().iter().zip(&keys.0).zip(fields).enumerate() {
            let mut tally = Tally::default();
            let sealed = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let field = field?;
                tally.subject = self.subject_of(&served.object, &field.context)?;
                let key = key.as_ref().map_err(|code| Refusal::from(*code))?.key();
                require_context(served, &field.context)?;
                let header = sealing(served, now)?.header();
                (tally.version, tally.bytes) = (header.key_version, field.plaintext.len() as u64);
                let header = header.to_bytes();
                bind(&mut binding, &header, &served.object, &field.context);
                let nonce = nonces.next().map_err(|_| Refusal::from(Code::Fault))?;
                key.seal(&header, nonce, &binding, &field.plaintext)
                    .map_err(|_| Refusal::from(Code::FieldTooLarge))
            })();
            if sealed.is_err() {
                self.unmake(&admitted.items()[at..=at], &keys.0[at..=at], now);
            }
            done.push(served, tally, sealed);
        }
        done.whole(admitted.items().len())
    }
}

/// Neighbouring items of one object, and how many.
fn runs(
    items: &[Result<Arc<Served>, Denied>],
) -> impl Iterator<Item = (&Result<Arc<Served>, Denied>, usize)> {
    let alike = |a: &Result<Arc<Served>, Denied>, b: &Result<Arc<Served>, Denied>| match (a, b) {
        (Ok(a), Ok(b)) => Arc::ptr_eq(a, b),
        (Err(a), Err(b)) => a == b,
        _ => false,
    };
    items.chunk_by(alike).map(|run| (&run[0], run.len()))
}

pub(super) fn sealing(served: &Served, now: Now) -> Result<Sealing<'_>, Code> {
    served.current()?.ok_or(Code::KeyNotSealing)?.sealing(now.time)
}

pub(super) fn require_context(served: &Served, context: &Context<'_>) -> Result<(), Refusal> {
    let missing = served.object.required_context.iter().find(|name| context.value(name).is_none());
    missing.map_or(Ok(()), |name| {
        Err(Refusal::new(Code::ContextRequired)
            .detail(format!("The object requires the context name {name}.")))
    })
}
