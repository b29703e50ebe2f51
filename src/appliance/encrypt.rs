//! Encrypt: fields in, envelopes out.

use std::sync::Arc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::crypto::aad::{self, Context};
use crate::crypto::data_key::DataKey;
use crate::crypto::random::Nonces;
use crate::domain::access_record::{Groups, count_item};
use crate::domain::key_version::Sealing;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::admission::{Admitted, Denied};
use super::fault::{Fault, Stop};
use super::keyring::Held;
use super::operate::Encrypt;
use super::operational::Operational;
use super::served::Served;
use super::watch::Watch;

/// One field to seal.
pub struct Field<'a> {
    /// Its bytes.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// What it is bound to beside its object.
    pub context: Context<'a>,
}

/// What became of the items, in order, and their summary for the access record.
pub struct Done<T> {
    /// One per item.
    pub items: Vec<Result<T, Refusal>>,
    /// The same, counted.
    pub groups: Groups,
    /// To be asked before it goes out.
    pub watch: Watch,
}

impl<T> Done<T> {
    /// The same with each result made into something else.
    #[must_use]
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Done<U> {
        let items = self.items.into_iter().map(|item| item.map(&mut change)).collect();
        Done { items, groups: self.groups, watch: self.watch }
    }
}

/// The keys for an admitted encrypt, uses already taken from their leases; one per item.
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
                        let held = self.keyring.recall(sealing, now.instant)?;
                        if !self.leases.take(sealing.version(), run as u64) {
                            return None;
                        }
                        Ok(held)
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
        let mut keys = SmallVec::with_capacity(admitted.items().len());
        for (served, run) in runs(admitted.items()) {
            let key = match served {
                Err(denied) => Err(denied.code),
                Ok(served) => match self.load_sealing_key(served, run as u64, now) {
                    Err(stop) if stop.is_journal_full() => return Err(stop),
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
        let mut done =
            Done { items: Vec::with_capacity(fields.len()), groups: Groups::new(), watch: Watch::default() };
        for ((served, key), field) in admitted.items().iter().zip(&keys.0).zip(fields) {
            let object = served.as_ref().map_or_else(|denied| denied.object, |served| Some(served.object.id));
            let (mut version, mut bytes, mut subject) = (0, 0, None);
            let sealed = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let field = field?;
                subject = self.subject_of(&served.object, &field.context)?;
                let key = key.as_ref().map_err(|code| Refusal::from(*code))?.key();
                require_context(served, &field.context)?;
                let header = sealing(served, now)?.header();
                (version, bytes) = (header.key_version, field.plaintext.len() as u64);
                let (header, object) = (header.to_bytes(), &served.object);
                aad::write(
                    &mut binding,
                    &header,
                    object.project.as_bytes(),
                    object.id.as_bytes(),
                    &field.context,
                );
                let nonce = nonces.next().map_err(|_| Refusal::from(Code::Fault))?;
                key.seal(&header, nonce, &binding, &field.plaintext)
                    .map_err(|_| Refusal::from(Code::FieldTooLarge))
            })();
            let outcome = sealed.as_ref().err().map(|refusal: &Refusal| refusal.code);
            let bytes = if outcome.is_none() { bytes } else { 0 };
            let group = count_item(&mut done.groups, object, version, outcome, bytes);
            if let Some(subject) = subject {
                group.is_about(subject);
            }
            done.items.push(sealed);
        }
        if done.items.len() == admitted.items().len() {
            Ok(done)
        } else {
            Err(Fault::new("an encrypt was admitted for another number of items than it has").into())
        }
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
