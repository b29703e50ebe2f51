//! Whom an item is about: the value of the context name that its object calls the subject, as a pseudonym. An object without
//! a subject costs one look at what is in hand.

use crate::crypto::aad::Context;
use crate::crypto::pseudonym::Pseudonym;
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};

use super::operational::Operational;

impl Operational {
    /// The pseudonym of whom a value to be indexed is about, where it says so: whoever searches for a value need not know whose it
    /// is.
    ///
    /// # Errors
    /// `bad-context` for any other name: nothing is bound, so nothing else is taken.
    pub(super) fn subject_named(
        &self,
        object: &Object,
        context: &Context<'_>,
    ) -> Result<Option<Pseudonym>, Refusal> {
        if context.is_empty() {
            return Ok(None);
        }
        if context.len() == 1 && object.subject().is_some_and(|name| context.value(name).is_some()) {
            return self.subject_of(object, context);
        }
        let takes = match object.subject() {
            Some(name) => format!("no context but {name}, whose data it is"),
            None => "no context".into(),
        };
        Err(Refusal::new(Code::BadContext).detail(format!("A plaintext to be indexed takes {takes}.")))
    }

    /// The pseudonym of whom an item is about; none where its object has no subject.
    ///
    /// # Errors
    /// `context-required` where the item does not say it, or says nothing by it.
    pub(super) fn subject_of(
        &self,
        object: &Object,
        context: &Context<'_>,
    ) -> Result<Option<Pseudonym>, Refusal> {
        let Some(name) = object.subject() else { return Ok(None) };
        let value = context.value(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Refusal::new(Code::ContextRequired)
                .detail(format!("The object requires the context name {name}: whose data it is."))
        })?;
        Ok(Some(self.subject_key.pseudonym(object.project.as_bytes(), value)))
    }
}
