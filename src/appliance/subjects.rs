//! Whom an item is about: the value of the context name that its object calls the subject, as a pseudonym. An object without
//! a subject costs one look at what is in hand.

use crate::crypto::aad::Context;
use crate::crypto::pseudonym::Pseudonym;
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};

use super::operational::Operational;

impl Operational {
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
