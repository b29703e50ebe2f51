//! What is under way among the keys below the master key, for health and status.

use super::escrow::EscrowHealth;
use super::operational::Operational;
use super::rewrap::Rewrapping;
use super::store_key::StoreKeyHealth;

/// How keys that are being replaced are.
pub struct KeysHealth {
    /// Projects whose keys are being wrapped anew, and how far that is.
    pub rewrapping: Vec<(String, Rewrapping)>,
    /// How the store key is; none where that cannot be read.
    pub store_key: Option<StoreKeyHealth>,
    /// The second place of every key.
    pub escrow: EscrowHealth,
    /// Why any of that does not go on at present.
    pub trouble: Option<String>,
}

impl Operational {
    pub(super) fn keys_health(&self) -> KeysHealth {
        let (rewrapping, trouble) = self.rewrappings();
        let trouble = trouble.or_else(|| self.resealing_trouble());
        KeysHealth {
            rewrapping,
            store_key: self.store_key_health().ok(),
            escrow: self.escrow_health(),
            trouble,
        }
    }
}
