//! What goes on after something was lost: what an unlock may be told to accept.

use clap::Args;

use crate::desk::request;

#[derive(Args)]
pub(super) struct Acceptance {
    /// Go on though rows do not open: your word that what the lock reason names is known to be lost. A new epoch begins
    /// (sandbox only)
    #[arg(long)]
    accept_damage: bool,
    /// Go on though the store is not the one the token last knew: a new epoch begins (sandbox only)
    #[arg(long)]
    accept_rollback: bool,
}

impl From<Acceptance> for request::Request {
    fn from(accepted: Acceptance) -> Self {
        let Acceptance { accept_damage, accept_rollback } = accepted;
        Self::Unlock { accept_damage, accept_rollback }
    }
}
