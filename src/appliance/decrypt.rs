//! Decrypt: envelopes in, fields out. Every way in which an envelope fails to open gives one answer, `cannot-open`; only a
//! version that is disabled or destroyed, or whose time is over, says so, and only to one who was granted the object and holds an envelope of its key.

use std::sync::Arc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::crypto::aad::{self, Context};
use crate::crypto::data_key::DataKey;
use crate::crypto::envelope::Envelope;
use crate::domain::access_record::{Groups, count_item};
use crate::domain::key_version::{KeyVersion, Opening};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::admission::Admitted;
use super::encrypt::Done;
use super::fault::{Fault, Stop};
use super::keyring::Held;
use super::operate::Decrypt;
use super::operational::Operational;
use super::served::Served;
use super::watch::Watch;

/// One envelope to open.
pub struct Sealed<'a> {
    /// Its bytes, as the caller claims.
    pub envelope: Zeroizing<Vec<u8>>,
    /// What it was bound to when it was sealed.
    pub context: Context<'a>,
}

/// The keys for an admitted decrypt; one per item.
pub struct OpeningKeys(SmallVec<[Result<Arc<Held<DataKey>>, Code>; 1]>);

impl Operational {
    /// The keys for `sealed`, if all are in memory.
    #[must_use]
    pub fn recall_opening_keys(
        &self,
        admitted: &Admitted<Decrypt>,
        sealed: &[Result<Sealed<'_>, Refusal>],
        now: Now,
    ) -> Option<OpeningKeys> {
        let wanted = wanted(admitted, sealed, now);
        let keys = wanted.map(|version| match version {
            Ok((_, version)) => self.keyring.recall(version, now.instant).map(Ok),
            Err(code) => Some(Err(code)),
        });
        keys.collect::<Option<_>>().map(OpeningKeys)
    }

    /// The key versions that [`Operational::load_opening_keys`] is to unwrap: owned, to be carried to a blocking thread.
    #[must_use]
    pub fn opening_versions(
        admitted: &Admitted<Decrypt>,
        sealed: &[Result<Sealed<'_>, Refusal>],
        now: Now,
    ) -> Vec<Result<(Arc<Served>, u32), Code>> {
        let wanted = wanted(admitted, sealed, now);
        wanted.map(|wanted| wanted.map(|(served, version)| (Arc::clone(served), version.version))).collect()
    }

    /// Unwraps keys as need be; what keeps one from being had stands in its item's place. Blocks.
    #[must_use]
    pub fn load_opening_keys(
        &self,
        versions: Vec<Result<(Arc<Served>, u32), Code>>,
        now: Now,
    ) -> OpeningKeys {
        let keys = versions.into_iter().map(|wanted| {
            let (served, number) = wanted?;
            let version = served.version(number)?.ok_or(Code::CannotOpen)?;
            let key = self.keyring.load(version, &served.object, &self.store, &self.master_keys, now.instant);
            let key = key.map_err(|stop| stop.told().code)?;
            self.check_not_closed((version.key_id, version.version)).map(|()| key)
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
        let mut done =
            Done { items: Vec::with_capacity(sealed.len()), groups: Groups::new(), watch: Watch::default() };
        let mut key_watch = self.closed_keys.watch();
        for ((served, key), sealed) in admitted.items().iter().zip(&keys.0).zip(sealed) {
            let object = served.as_ref().map_or_else(|denied| denied.object, |served| Some(served.object.id));
            let (mut number, mut subject) = (0, None);
            let opened = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let sealed = sealed?;
                subject = self.subject_of(&served.object, &sealed.context)?;
                if let Some(subject) = subject {
                    // Begun before the look, so that no freeze falls between them.
                    done.watch.freezes.get_or_insert_with(|| self.frozen.watch(served.object.project));
                    self.frozen.check(served.object.project, subject)?;
                }
                let (version, envelope) =
                    version_of(served, &sealed.envelope, now).map_err(|code| match code {
                        Code::CannotOpen => cannot_open(served, &sealed.context),
                        told_apart => told_apart.into(),
                    })?;
                number = version.version;
                let key = key.as_ref().map_err(|code| Refusal::from(*code))?.key();
                key_watch.opens((version.key_id, number), served.revision);
                let (header, object) = (envelope.header.to_bytes(), &served.object);
                aad::write(
                    &mut binding,
                    &header,
                    object.project.as_bytes(),
                    object.id.as_bytes(),
                    &sealed.context,
                );
                key.open(&envelope, &binding).map_err(|_| cannot_open(served, &sealed.context))
            })();
            let outcome = opened.as_ref().err().map(|refusal: &Refusal| refusal.code);
            let bytes = opened.as_ref().map_or(0, |plaintext| plaintext.len() as u64);
            let group = count_item(&mut done.groups, object, number, outcome, bytes);
            if let Some(subject) = subject {
                group.is_about(subject);
            }
            done.items.push(opened);
        }
        done.watch.keys = Some(key_watch);
        if done.items.len() == admitted.items().len() {
            Ok(done)
        } else {
            Err(Fault::new("a decrypt was admitted for another number of items than it has").into())
        }
    }
}

/// The key version each item asks for, or why it gets none.
fn wanted<'a>(
    admitted: &'a Admitted<Decrypt>,
    sealed: &'a [Result<Sealed<'_>, Refusal>],
    now: Now,
) -> impl Iterator<Item = Result<(&'a Arc<Served>, &'a KeyVersion), Code>> {
    admitted.items().iter().zip(sealed).map(move |(served, sealed)| {
        let served = served.as_ref().map_err(|denied| denied.code)?;
        let sealed = sealed.as_ref().map_err(|refusal| refusal.code)?;
        version_of(served, &sealed.envelope, now).map(|(version, _)| (served, version))
    })
}

/// Takes the envelope apart and finds its version, before any key is fetched: its key id must be the object's, the version
/// must exist, the algorithm must be that version's, and it must open at `now`.
pub(super) fn version_of<'s, 'e>(
    served: &'s Served,
    envelope: &'e [u8],
    now: Now,
) -> Result<(&'s KeyVersion, Envelope<'e>), Code> {
    let envelope = Envelope::parse(envelope).map_err(|_| Code::CannotOpen)?;
    if envelope.header.key_id != served.object.key_id {
        return Err(Code::CannotOpen);
    }
    let version = served.version(envelope.header.key_version)?.ok_or(Code::CannotOpen)?;
    if version.algorithm != envelope.header.algorithm {
        return Err(Code::CannotOpen);
    }
    version.opening(now.time).map(|opening: Opening<'_>| (opening.version(), envelope))
}

/// The one answer. Where the object requires context names that were not given, it says so beside: the names are in the
/// catalog, not in the envelope, so that tells nothing about it.
pub(super) fn cannot_open(served: &Served, context: &Context<'_>) -> Refusal {
    let refusal = Refusal::new(Code::CannotOpen);
    match served.object.required_context.iter().find(|name| context.value(name).is_none()) {
        Some(name) => refusal
            .detail(format!("The ciphertext does not open; the object requires the context name {name}.")),
        None => refusal,
    }
}
