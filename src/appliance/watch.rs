//! What is looked at when an answer is about to go out: whether anything was taken away meanwhile that it was made with.

use crate::domain::refusal::Refusal;

use super::closed_keys::KeyWatch;
use super::frozen::FreezeWatch;

/// Nothing, for a request that opened nothing.
#[derive(Default)]
pub struct Watch {
    /// Where something was opened that is somebody's.
    pub(super) freezes: Option<FreezeWatch>,
    /// Where anything was opened.
    pub(super) keys: Option<KeyWatch>,
}

impl Watch {
    /// Whether what was opened may still go out.
    ///
    /// # Errors
    /// `conflict`: asked again, the request is told why.
    pub fn check(&self) -> Result<(), Refusal> {
        self.freezes.as_ref().map_or(Ok(()), FreezeWatch::check)?;
        self.keys.as_ref().map_or(Ok(()), KeyWatch::check)
    }
}
