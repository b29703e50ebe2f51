//! What goes on after something was lost: what an unlock may be told to accept, and the verb that renews the key of an object.

use clap::{Args, Subcommand};

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

#[derive(Subcommand)]
pub(super) enum Key {
    /// Make the next key version of an object, which encrypts from now on; the one before only decrypts
    Rotate {
        /// The object
        object: String,
        #[arg(long)]
        project: String,
        /// xaes-256-gcm, aes-256-gcm, aes-256-gcm-siv or xchacha20-poly1305; that of the version before without
        #[arg(long)]
        algorithm: Option<String>,
    },
}

impl From<Acceptance> for request::Request {
    fn from(accepted: Acceptance) -> Self {
        let Acceptance { accept_damage, accept_rollback } = accepted;
        Self::Unlock { accept_damage, accept_rollback }
    }
}

impl From<Key> for request::Request {
    fn from(verb: Key) -> Self {
        let Key::Rotate { object, project, algorithm } = verb;
        Self::Key(request::Key::Rotate { project, object, algorithm })
    }
}
