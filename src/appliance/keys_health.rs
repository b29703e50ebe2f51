//! What is under way among the keys below the master key, for health and status.

use super::operational::Operational;
use super::rewrap::Rewrapping;

/// How keys that are being replaced are.
pub struct KeysHealth {
    /// Projects whose keys are being wrapped anew, and how far that is.
    pub rewrapping: Vec<(String, Rewrapping)>,
    /// Why that does not go on at present.
    pub trouble: Option<String>,
}

impl Operational {
    pub(super) fn keys_health(&self) -> KeysHealth {
        let (rewrapping, trouble) = self.rewrappings();
        KeysHealth { rewrapping, trouble }
    }
}
