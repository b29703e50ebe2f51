//! Decrypt: envelopes in, fields out. Every way in which an envelope fails to open gives one answer, `cannot-open`; only a
//! version that is disabled or destroyed, or whose time is over, says so, and only to one who was granted the object and holds an envelope of its key.

use std::sync::Arc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::crypto::aad::Context;
use crate::crypto::data_key::DataKey;
use crate::crypto::envelope::{Envelope, Header};
use crate::domain::key_version::Opening;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::admission::Admitted;
use super::done::{Done, Tally, bind};
use super::fault::Stop;
use super::keyring::Held;
use super::operate::Decrypt;
use super::operational::Operational;
use super::served::Served;

/// One envelope to open.
pub struct Sealed<'a> {
    /// Its bytes, as the caller claims.
    pub envelope: Zeroizing<Vec<u8>>,
    /// What it was bound to when it was sealed.
    pub context: Context<'a>,
}

/// What an item needs the key of: the version that its envelope names, of its object.
pub struct OpeningNeed {
    served: Arc<Served>,
    header: Header,
}

/// The keys for an admitted decrypt; one per item.
pub struct OpeningKeys(SmallVec<[Result<Arc<Held<DataKey>>, Code>; 1]>);

impl Operational {
    /// The keys for `sealed`, if all are in memory, and what is known of their versions.
    #[must_use]
    pub fn recall_opening_keys(
        &self,
        admitted: &Admitted<Decrypt>,
        sealed: &[Result<Sealed<'_>, Refusal>],
        now: Now,
    ) -> Option<OpeningKeys> {
        let keys = wanted(admitted, sealed).map(|wanted| match wanted {
            Ok((served, header)) => match served.version_at_hand(header, now)? {
                Ok(opening) => self.keyring.recall(opening, now.instant).map(Ok),
                Err(code) => Some(Err(code)),
            },
            Err(code) => Some(Err(code)),
        });
        keys.collect::<Option<_>>().map(OpeningKeys)
    }

    /// What [`Operational::load_opening_keys`] is to unwrap the keys of: owned, to be carried to a blocking thread.
    #[must_use]
    pub fn opening_needs(
        admitted: &Admitted<Decrypt>,
        sealed: &[Result<Sealed<'_>, Refusal>],
    ) -> Vec<Result<OpeningNeed, Code>> {
        let wanted = wanted(admitted, sealed);
        wanted
            .map(|wanted| wanted.map(|(served, header)| OpeningNeed { served: Arc::clone(served), header }))
            .collect()
    }

    /// Looks for versions and unwraps keys as need be; what keeps one from being had stands in its item's place. Blocks.
    #[must_use]
    pub fn load_opening_keys(&self, wanted: Vec<Result<OpeningNeed, Code>>, now: Now) -> OpeningKeys {
        let keys = wanted.into_iter().map(|wanted| {
            let OpeningNeed { served, header } = wanted?;
            let opening = self.load_version(&served, header, now)?;
            self.load_data_key(opening, &served.object, now).map_err(|stop| stop.told().code)
        });
        OpeningKeys(keys.collect())
    }

    /// Opens each envelope for the object it was admitted for. An item that arrives as an error stays one.
    ///
    /// # Errors
    /// `locked` when the unlocked time has ended; a fault when the numbers of items, admissions and keys differ.
    pub fn decrypt(
        &self,
        admitted: &Admitted<Decrypt>,
        keys: &OpeningKeys,
        sealed: Vec<Result<Sealed<'_>, Refusal>>,
        now: Now,
    ) -> Result<Done<Zeroizing<Vec<u8>>>, Stop> {
        self.check_not_ended()?;
        let mut binding = Vec::new();
        let mut done = Done::of(sealed.len());
        let mut key_watch = self.closed_keys.watch();
        for ((served, key), sealed) in admitted.items().iter().zip(&keys.0).zip(sealed) {
            let mut tally = Tally::default();
            let opened = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let sealed = sealed?;
                self.find_subject_to_open(&served.object, &sealed.context, &mut done.watch, &mut tally)?;
                let (opening, envelope) = version_of(served, &sealed, key.as_ref().err(), now)?;
                let version = opening.version();
                tally.version = version.version;
                let key = key.as_ref().map_err(|code| Refusal::from(*code))?;
                key_watch.opens(version.place(), served.revision);
                let plaintext = open(key, &envelope, served, &sealed.context, &mut binding)?;
                tally.bytes = plaintext.len() as u64;
                Ok(plaintext)
            })();
            done.push(served, tally, opened);
        }
        done.watch.keys = Some(key_watch);
        done.whole(admitted.items().len())
    }
}

/// The object and the header of each item, or why it gets no key.
fn wanted<'a>(
    admitted: &'a Admitted<Decrypt>,
    sealed: &'a [Result<Sealed<'_>, Refusal>],
) -> impl Iterator<Item = Result<(&'a Arc<Served>, Header), Code>> {
    admitted.items().iter().zip(sealed).map(|(served, sealed)| {
        let served = served.as_ref().map_err(|denied| denied.code)?;
        let sealed = sealed.as_ref().map_err(|refusal| refusal.code)?;
        Ok((served, envelope_of(served, &sealed.envelope)?.header))
    })
}

/// Takes an envelope apart, before any key is fetched: its key id must be the object's.
pub(super) fn envelope_of<'e>(served: &Served, envelope: &'e [u8]) -> Result<Envelope<'e>, Code> {
    let envelope = Envelope::parse(envelope).map_err(|_| Code::CannotOpen)?;
    if envelope.header.key_id == served.object.key_id { Ok(envelope) } else { Err(Code::CannotOpen) }
}

/// Takes the envelope apart and finds its version, which was looked for when its key was; `why_not` says why there is none.
pub(super) fn version_of<'s, 'e>(
    served: &'s Served,
    sealed: &'e Sealed<'_>,
    why_not: Option<&Code>,
    now: Now,
) -> Result<(Opening<'s>, Envelope<'e>), Refusal> {
    let found = envelope_of(served, &sealed.envelope).and_then(|envelope| {
        let missing = || Err(why_not.copied().unwrap_or(Code::CannotOpen));
        let opening = served.version_at_hand(envelope.header, now).unwrap_or_else(missing)?;
        Ok((opening, envelope))
    });
    found.map_err(|code| match code {
        Code::CannotOpen => cannot_open(served, &sealed.context),
        told_apart => told_apart.into(),
    })
}

/// Opens what is bound to an object and a context.
#[inline]
pub(super) fn open(
    key: &Held<DataKey>,
    envelope: &Envelope<'_>,
    served: &Served,
    context: &Context<'_>,
    binding: &mut Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    bind(binding, &envelope.header.to_bytes(), &served.object, context);
    key.key().open(envelope, binding).map_err(|_| cannot_open(served, context))
}

/// The one answer. Where the object requires context names that were not given, it says so beside: the names are in the
/// catalog, not in the envelope, so that tells nothing about it.
fn cannot_open(served: &Served, context: &Context<'_>) -> Refusal {
    let refusal = Refusal::new(Code::CannotOpen);
    match served.object.required_context.iter().find(|name| context.value(name).is_none()) {
        Some(name) => refusal
            .detail(format!("The ciphertext does not open; the object requires the context name {name}.")),
        None => refusal,
    }
}
