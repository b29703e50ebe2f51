//! What an operation does around each of its items, whichever it is: whose data it is about is found, and whether that may be opened;
//! what is bound is written down; and how it ended is kept and counted.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::crypto::aad::{self, Context};
use crate::crypto::envelope::HEADER_LEN;
use crate::crypto::pseudonym::Pseudonym;
use crate::domain::access_record::{Anew, Groups, count_item};
use crate::domain::object::Object;
use crate::domain::refusal::Refusal;

use super::admission::Denied;
use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::served::Served;
use super::watch::Watch;

/// What became of the items, in order, and their summary for the access record.
pub struct Done<T> {
    /// One per item.
    pub items: Vec<Result<T, Refusal>>,
    /// The same, counted.
    pub groups: Groups,
    /// To be asked before it goes out.
    pub watch: Watch,
}

/// What is counted of an item beside its object and how it ended.
#[derive(Default)]
pub(super) struct Tally {
    /// The version of the key, or of the index root; 0 where none was reached.
    pub version: u32,
    /// Of a reencrypt.
    pub anew: Option<Anew>,
    /// Of plaintext; nothing counts of what was refused.
    pub bytes: u64,
    /// Whom it is about.
    pub subject: Option<Pseudonym>,
}

impl<T> Done<T> {
    /// Nothing yet, of so many items.
    pub(super) fn of(count: usize) -> Self {
        Self { items: Vec::with_capacity(count), groups: SmallVec::new(), watch: Watch::default() }
    }

    /// Keeps and counts the next item, which was admitted or denied as `served` says.
    #[inline]
    pub(super) fn push(
        &mut self,
        served: &Result<Arc<Served>, Denied>,
        tally: Tally,
        item: Result<T, Refusal>,
    ) {
        let (object, key_id) = match served {
            Ok(served) => (Some(served.object.id), Some(served.object.key_id)),
            Err(denied) => (denied.object, None),
        };
        let outcome = item.as_ref().err().map(|refusal| refusal.code);
        let bytes = if outcome.is_none() { tally.bytes } else { 0 };
        let group = count_item(&mut self.groups, object, tally.version, tally.anew, outcome, bytes);
        group.key_id = key_id;
        if let Some(subject) = tally.subject {
            group.is_about(subject);
        }
        self.items.push(item);
    }

    /// All of it, if it is as many items as were admitted.
    pub(super) fn whole(self, admitted: usize) -> Result<Self, Stop> {
        if self.items.len() == admitted {
            Ok(self)
        } else {
            Err(Fault::new("an operation was admitted for another number of items than it has").into())
        }
    }

    /// The same with each result made into something else.
    #[must_use]
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Done<U> {
        let items = self.items.into_iter().map(|item| item.map(&mut change)).collect();
        Done { items, groups: self.groups, watch: self.watch }
    }
}

impl Operational {
    /// Whom an item that is to be opened is about, told in its tally, and whether what is theirs may be opened.
    #[inline]
    pub(super) fn find_subject_to_open(
        &self,
        object: &Object,
        context: &Context<'_>,
        watch: &mut Watch,
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        tally.subject = self.subject_of(object, context)?;
        let Some(subject) = tally.subject else { return Ok(()) };
        // Begun before the look, so that no freeze falls between them.
        watch.freezes.get_or_insert_with(|| self.frozen.watch(object.project));
        self.frozen.check(object.project, subject)?;
        Ok(())
    }
}

/// Writes what an item of `object` is bound to, in place of what is in `out`.
#[inline]
pub(super) fn bind(out: &mut Vec<u8>, header: &[u8; HEADER_LEN], object: &Object, context: &Context<'_>) {
    aad::write(out, header, object.project.as_bytes(), object.id.as_bytes(), context);
}
