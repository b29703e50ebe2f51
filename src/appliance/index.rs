//! Index: values in, blind index values out, so that an application can search for what it cannot read. Nothing comes out in
//! clear, and whoever may ask may guess: so it has a grant and a budget of its own, and the schema says of which fields at all.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::crypto::aad::Context;
use crate::crypto::blind_index::{IndexKey, IndexRoot};
use crate::domain::access_record::{Groups, count_item};
use crate::domain::id::{IndexId, ObjectId};
use crate::domain::normalise::Misfit;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::schema::{Field, UNIQUE_BITS};
use crate::domain::timestamp::Now;

use super::admission::Admitted;
use super::encrypt::Done;
use super::fault::{Fault, Stop};
use super::keyring::Held;
use super::operate::Index;
use super::operational::Operational;
use super::served::Served;
use super::watch::Watch;

/// One value of which an index value is to be made.
pub struct ToIndex<'a> {
    /// The declared field that it is a value of.
    pub field: Cow<'a, str>,
    /// Its bytes.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// Whose it is, where that is known: nothing but the object's subject.
    pub context: Context<'a>,
}

/// What a value is found by.
pub struct Indexed {
    /// Under the newest version of the root.
    pub value: String,
    /// Under the one before, while the root is being rotated: rows that were not indexed anew yet have this one.
    pub previous: Option<String>,
}

/// The versions of a root that answers are made under.
struct Roots {
    current: Arc<Held<IndexRoot>>,
    previous: Option<Arc<Held<IndexRoot>>>,
}

/// The roots for an admitted index; one per item.
pub struct RootKeys(SmallVec<[Result<Arc<Roots>, Code>; 1]>);

/// The keys of one index. Neighbouring items are mostly of one.
struct Keys {
    index: IndexId,
    object: ObjectId,
    current: IndexKey,
    previous: Option<IndexKey>,
}

impl Operational {
    /// The roots for `admitted`, if all are in memory.
    #[must_use]
    pub fn recall_roots(&self, admitted: &Admitted<Index>, now: Now) -> Option<RootKeys> {
        let mut roots: SmallVec<[Result<Arc<Roots>, Code>; 1]> =
            SmallVec::with_capacity(admitted.items().len());
        let mut last: Option<&Arc<Served>> = None;
        for item in admitted.items() {
            let same = item.as_ref().ok().filter(|served| last.is_some_and(|last| Arc::ptr_eq(last, served)));
            let found = match (same.and(roots.last()), item) {
                (Some(known), _) => known.clone(),
                (None, Err(denied)) => Err(denied.code),
                (None, Ok(served)) => match served.roots() {
                    Err(code) => Err(code),
                    Ok((current, previous)) => {
                        let recall = |version| self.keyring.recall_root(version, now.instant);
                        let previous = match previous {
                            None => None,
                            Some(previous) => Some(recall(previous)?),
                        };
                        Ok(Arc::new(Roots { current: recall(current)?, previous }))
                    }
                },
            };
            last = item.as_ref().ok();
            roots.push(found);
        }
        Some(RootKeys(roots))
    }

    /// The roots for `admitted`, unwrapped as need be; what keeps one from being had stands in its items' places. Blocks.
    #[must_use]
    pub fn load_roots(&self, admitted: &Admitted<Index>, now: Now) -> RootKeys {
        let roots = admitted.items().iter().map(|served| {
            let served = served.as_ref().map_err(|denied| denied.code)?;
            let (current, previous) = served.roots()?;
            let load = |version| {
                let (store, master_keys) = (&self.store, &self.master_keys);
                let root = self.keyring.load_root(version, &served.object, store, master_keys, now.instant);
                root.map_err(|stop| stop.told().code)
            };
            Ok(Arc::new(Roots { current: load(current)?, previous: previous.map(load).transpose()? }))
        });
        RootKeys(roots.collect())
    }

    /// Makes the index value of each value, of the object it was admitted for. An item that arrives as an error stays one.
    ///
    /// # Errors
    /// `locked` when the unlocked time has ended; a fault when the numbers of items, admissions and roots differ.
    pub fn index(
        &self,
        admitted: &Admitted<Index>,
        roots: &RootKeys,
        values: Vec<Result<ToIndex<'_>, Refusal>>,
    ) -> Result<Done<Indexed>, Stop> {
        self.check_not_ended()?;
        let mut keys: Option<Keys> = None;
        let mut done =
            Done { items: Vec::with_capacity(values.len()), groups: Groups::new(), watch: Watch::default() };
        for ((served, roots), value) in admitted.items().iter().zip(&roots.0).zip(values) {
            let object = served.as_ref().map_or_else(|denied| denied.object, |served| Some(served.object.id));
            let (mut version, mut bytes, mut subject) = (0, 0, None);
            let indexed = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let value = value?;
                let (field, index) = indexed_field(served, &value.field)?;
                subject = self.subject_named(&served.object, &value.context)?;
                let normalised = field.normalise(&value.plaintext).map_err(unfit)?;
                let roots = roots.as_ref().map_err(|code| Refusal::from(*code))?;
                version = served.roots()?.0.version;
                bytes = value.plaintext.len() as u64;
                let keys = roots.keys(&mut keys, served, field, index);
                let made = |key: &IndexKey| key.value(normalised.as_bytes());
                Ok(Indexed { value: made(&keys.current), previous: keys.previous.as_ref().map(made) })
            })();
            let outcome = indexed.as_ref().err().map(|refusal: &Refusal| refusal.code);
            let bytes = if outcome.is_none() { bytes } else { 0 };
            let group = count_item(&mut done.groups, object, version, outcome, bytes);
            if let Some(subject) = subject {
                group.is_about(subject);
            }
            done.items.push(indexed);
        }
        if done.items.len() == admitted.items().len() {
            Ok(done)
        } else {
            Err(Fault::new("an index was admitted for another number of items than it has").into())
        }
    }
}

impl Roots {
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
