//! Who made the moves of a key version, by name: for those who may know.

use std::collections::BTreeMap;

use crate::domain::id::{ProjectId, UserId};
use crate::domain::key_move::Move;
use crate::domain::user::{Role, User};
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

impl Operational {
    /// The names of those users who made moves of a key of `project`, or asked for them, by how audit records say them: of those
    /// who are its members or officers now; of all that are still there where `everyone` may be named.
    ///
    /// # Errors
    /// The store's.
    pub fn movers(
        &self,
        project: ProjectId,
        moves: &[Move],
        everyone: bool,
    ) -> Result<BTreeMap<String, String>, Stop> {
        let mut names = BTreeMap::new();
        for actor in moves.iter().flat_map(|one| [Some(&one.who), one.asked_by.as_ref()]).flatten() {
            let id = actor.strip_prefix("user:").and_then(|id| id.parse::<UserId>().ok());
            let Some(id) = id.filter(|_| !names.contains_key(actor)) else { continue };
            let user = self.look_up::<User>(Table::Users, id.as_bytes())?.and_then(Listed::sound);
            let Some(user) = user else { continue };
            if everyone || user.role == Role::Officer || self.member(project, id)?.is_some() {
                names.insert(actor.clone(), user.name.to_string());
            }
        }
        Ok(names)
    }
}
