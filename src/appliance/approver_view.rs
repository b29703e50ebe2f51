//! What is at stake where a second person decides about the end of a key version: how it stands, how much was encrypted and is
//! decrypted under it, and when it would be gone.

use crate::domain::approval::{Approval, State};
use crate::domain::key_move::destruction_wait;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::catalog::KeyVersionView;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// A key version whose end is asked for, as it is now.
pub struct KeyAtStake {
    /// As lists show it.
    pub version: KeyVersionView,
    /// Whether it is its object's newest.
    pub is_current: bool,
    /// When it would be destroyed if the second person said yes now; once that was said, when it will be,
    /// unless it was taken back since.
    pub destroyed_at: Option<Timestamp>,
}

impl Operational {
    /// What a second person decides about. None for what ends no key version, and where its row, or its object's, is not there or
    /// damaged.
    ///
    /// # Errors
    /// The store's.
    pub fn key_at_stake(&self, approval: &Approval, now: Now) -> Result<Option<KeyAtStake>, Stop> {
        let Some(asked) = &approval.destruction else { return Ok(None) };
        let object = self.look_up::<Object>(Table::Objects, asked.object.as_bytes())?.and_then(Listed::sound);
        let row_key = asked.place().row_key();
        let version = self.look_up::<KeyVersion>(Table::KeyVersions, &row_key)?.and_then(Listed::sound);
        let Some((object, version)) = object.zip(version) else { return Ok(None) };
        let due_from = |yes: Timestamp| destruction_wait(Some(asked.days)).ok().map(|wait| yes.plus(wait));
        let destroyed_at = match (approval.state, approval.decided) {
            _ if approval.is_waiting(now.time) => due_from(now.time),
            // While it is what two persons said here, and was neither taken back nor asked for once more since.
            (State::Approved, Some(yes)) => {
                version.life.doom().map(|doom| doom.at).filter(|at| due_from(yes) == Some(*at))
            }
            _ => None,
        };
        let is_current = object.current_version == version.version;
        Ok(Some(KeyAtStake { version: self.version_view(object.id, &version)?, is_current, destroyed_at }))
    }
}
