//! Index: values in, blind index values out, so that an application can search for what it cannot read. Nothing comes out in
//! clear, and whoever may ask may guess: so it has a grant and a budget of its own, and the schema says of which fields at all.
//!
//! A value comes in clear, or as a ciphertext of the same object: what is stored already gets its index values, or those of the
//! next version of the root, without anybody reading it. That is opened as a decrypt opens it, by whoever is granted
//! `reencrypt`, too, which shows no plaintext either.

use std::borrow::Cow;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::aad::Context;
use crate::crypto::blind_index::{IndexKey, IndexRoot};
use crate::crypto::data_key::DataKey;
use crate::crypto::envelope::Header;
use crate::domain::id::{IndexId, ObjectId};
use crate::domain::normalise::Misfit;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::root_version::RootVersion;
use crate::domain::schema::{Field, UNIQUE_BITS};
use crate::domain::timestamp::Now;

use super::admission::Admitted;
use super::decrypt::{Sealed, envelope_of, open, version_of};
use super::done::{Done, Tally};
use super::fault::Stop;
use super::keyring::Held;
use super::operate::Index;
use super::operational::Operational;
use super::served::Served;

/// One value of which an index value is to be made.
pub struct ToIndex<'a> {
    /// The declared field that it is a value of.
    pub field: Cow<'a, str>,
    /// The value itself.
    pub value: Searched<'a>,
}

/// A value to be indexed, as it comes in.
pub enum Searched<'a> {
    /// In clear; and whose it is, where that is known: its context has nothing but the object's subject.
    Plain(Zeroizing<Vec<u8>>, Context<'a>),
    /// Sealed.
    Sealed(Sealed<'a>),
}

/// What a value is found by.
pub struct Indexed {
    /// Under the newest version of the root.
    pub value: String,
    /// Under the one before, while the root is being rotated: rows that were not indexed anew yet have this one.
    pub previous: Option<String>,
}

/// What an item needs keys of: owned, to be carried to a blocking thread.
pub struct IndexNeed {
    served: Arc<Served>,
    /// What its envelope says of itself, where it is sealed.
    opens: Option<Result<Header, Code>>,
}

/// The keys for an admitted index; one entry per item.
#[derive(Default)]
pub struct IndexKeys(Vec<Result<Arc<Unwrapped>, Code>>);

struct Unwrapped {
    current: Arc<Held<IndexRoot>>,
    previous: Option<Arc<Held<IndexRoot>>>,
    /// Of what comes in sealed.
    opens: Option<Arc<Held<DataKey>>>,
}

/// The keys of one index. Neighbouring items are mostly of one.
struct Keys {
    index: IndexId,
    object: ObjectId,
    current: IndexKey,
    previous: Option<IndexKey>,
}

impl Operational {
    /// What the items need keys of; what keeps one from being told stands in its item's place.
    #[must_use]
    pub fn index_needs(
        admitted: &Admitted<Index>,
        values: &[Result<ToIndex<'_>, Refusal>],
    ) -> Vec<Result<IndexNeed, Code>> {
        let needs = admitted.items().iter().zip(values).map(|(served, value)| {
            let served = served.as_ref().map_err(|denied| denied.code)?;
            let opens = match &value.as_ref().map_err(|refusal| refusal.code)?.value {
                Searched::Plain(..) => None,
                Searched::Sealed(sealed) => {
                    Some(envelope_of(served, &sealed.envelope).map(|envelope| envelope.header))
                }
            };
            Ok(IndexNeed { served: Arc::clone(served), opens })
        });
        needs.collect()
    }

    /// The keys for `needs`, if all are in memory.
    #[must_use]
    pub fn recall_index_keys(&self, needs: &[Result<IndexNeed, Code>], now: Now) -> Option<IndexKeys> {
        let root = |_: &Served, root: &RootVersion| self.keyring.recall_root(root, now.instant).ok_or(None);
        let key = |served: &Served, header: Header| {
            let opening = served.version_at_hand(header, now).ok_or(None)?.map_err(Some)?;
            self.keyring.recall(opening, now.instant).ok_or(None)
        };
        keys_of(needs, |need| need.unwrap(root, key))
    }

    /// The keys for `needs`, unwrapped as need be; what keeps one from being had stands in its item's place. Blocks.
    #[must_use]
    pub fn load_index_keys(&self, needs: &[Result<IndexNeed, Code>], now: Now) -> IndexKeys {
        let (store, master_keys) = (&self.store, &self.master_keys);
        let told = |stop: Stop| Some(stop.told().code);
        let root = |served: &Served, root: &RootVersion| {
            self.keyring.load_root(root, &served.object, store, master_keys, now.instant).map_err(told)
        };
        let key = |served: &Served, header: Header| {
            let opening = self.load_version(served, header, now).map_err(Some)?;
            self.load_data_key(opening, &served.object, now).map_err(told)
        };
        keys_of(needs, |need| need.unwrap(root, key)).unwrap_or_default()
    }

    /// Makes the index value of each value, of the object it was admitted for. An item that arrives as an error stays one.
    ///
    /// # Errors
    /// `locked` when the unlocked time has ended; a fault when the numbers of items, admissions and keys differ.
    pub fn index(
        &self,
        admitted: &Admitted<Index>,
        keys: &IndexKeys,
        values: Vec<Result<ToIndex<'_>, Refusal>>,
        now: Now,
    ) -> Result<Done<Indexed>, Stop> {
        self.check_not_ended()?;
        let mut at_hand: Option<Keys> = None;
        let (mut binding, mut key_watch) = (Vec::new(), self.closed_keys.watch());
        let mut done = Done::of(values.len());
        for ((served, unwrapped), value) in admitted.items().iter().zip(&keys.0).zip(values) {
            let mut tally = Tally::default();
            let indexed = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let ToIndex { field, value } = value?;
                let (field, index) = indexed_field(served, &field)?;
                let plaintext = match value {
                    Searched::Plain(plaintext, context) => {
                        tally.subject = self.subject_named(&served.object, &context)?;
                        plaintext
                    }
                    Searched::Sealed(sealed) => {
                        let watch = &mut done.watch;
                        self.find_subject_to_open(&served.object, &sealed.context, watch, &mut tally)?;
                        let (opening, envelope) = version_of(served, &sealed, unwrapped.as_ref().err(), now)?;
                        let unwrapped = unwrapped.as_ref().map_err(|code| Refusal::from(*code))?;
                        let key = unwrapped.opens.as_ref().ok_or(Code::Fault)?;
                        let version = opening.version();
                        key_watch.opens(version.place(), served.revision);
                        open(key, &envelope, served, &sealed.context, &mut binding)?
                    }
                };
                let unwrapped = unwrapped.as_ref().map_err(|code| Refusal::from(*code))?;
                let normalised = field.normalise(&plaintext).map_err(unfit)?;
                (tally.version, tally.bytes) = (served.roots()?.0.version, plaintext.len() as u64);
                let keys = unwrapped.keys(&mut at_hand, served, field, index);
                let made = |key: &IndexKey| key.value(normalised.as_bytes());
                Ok(Indexed { value: made(&keys.current), previous: keys.previous.as_ref().map(made) })
            })();
            done.push(served, tally, indexed);
        }
        done.watch.keys = Some(key_watch);
        done.whole(admitted.items().len())
    }
}

impl IndexNeed {
    /// By what finds roots and data keys: `None` where one is not in memory, else why it cannot be had.
    fn unwrap(
        &self,
        root: impl Fn(&Served, &RootVersion) -> Result<Arc<Held<IndexRoot>>, Option<Code>>,
        key: impl Fn(&Served, Header) -> Result<Arc<Held<DataKey>>, Option<Code>>,
    ) -> Result<Unwrapped, Option<Code>> {
        let served = &self.served;
        let (current, previous) = served.roots().map_err(Some)?;
        let opens = self.opens.map(|header| key(served, header.map_err(Some)?)).transpose()?;
        let previous = previous.map(|previous| root(served, previous)).transpose()?;
        Ok(Unwrapped { current: root(served, current)?, previous, opens })
    }

    fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.served, &other.served) && self.opens == other.opens
    }
}

/// The keys of each item; nothing when one is not in memory. Neighbours that need the same share it.
fn keys_of(
    needs: &[Result<IndexNeed, Code>],
    unwrap: impl Fn(&IndexNeed) -> Result<Unwrapped, Option<Code>>,
) -> Option<IndexKeys> {
    let mut keys: Vec<Result<Arc<Unwrapped>, Code>> = Vec::with_capacity(needs.len());
    let mut before: Option<&IndexNeed> = None;
    for need in needs {
        let key = match (need, keys.last()) {
            (Err(code), _) => Err(*code),
            (Ok(need), Some(known)) if before.is_some_and(|before| before.is_like(need)) => known.clone(),
            (Ok(need), _) => match unwrap(need) {
                Ok(unwrapped) => Ok(Arc::new(unwrapped)),
                Err(Some(code)) => Err(code),
                Err(None) => return None,
            },
        };
        before = need.as_ref().ok();
        keys.push(key);
    }
    Some(IndexKeys(keys))
}

impl Unwrapped {
    /// The keys of an index: those at hand where they are its, else new ones in their place.
    fn keys<'k>(
        &self,
        at_hand: &'k mut Option<Keys>,
        served: &Served,
        field: &Field,
        index: IndexId,
    ) -> &'k Keys {
        let object = served.object.id;
        let known = at_hand.take().filter(|keys| keys.index == index && keys.object == object);
        let key = |root: &Arc<Held<IndexRoot>>| {
            let bits = field.index_bits.unwrap_or(UNIQUE_BITS);
            root.key().index_key(index.as_bytes(), field.normaliser.number(), bits)
        };
        let new =
            || Keys { index, object, current: key(&self.current), previous: self.previous.as_ref().map(key) };
        at_hand.insert(known.unwrap_or_else(new))
    }
}

/// The field that is asked for, and its index.
fn indexed_field<'s>(served: &'s Served, name: &str) -> Result<(&'s Field, IndexId), Refusal> {
    let schema = served.object.schema.as_ref();
    let field = schema.and_then(|schema| schema.field(name)).ok_or(Code::FieldNotDeclared)?;
    match (field.index_bits, field.index) {
        (Some(_), Some(index)) => Ok((field, index)),
        (None, _) => Err(Code::FieldNotIndexed.into()),
        (Some(_), None) => Err(Refusal::new(Code::FieldNotIndexed).detail(
            "The field's index was declared before there were any: set the object's schema once more.",
        )),
    }
}

/// The rule, and nothing of the value.
fn unfit(Misfit(rule): Misfit) -> Refusal {
    Refusal::new(Code::ValueUnfit).detail(rule)
}
