//! What goes on after something was lost: what an unlock may be told to accept, and the verb that renews the key of an object.

use clap::{Args, Subcommand};

use crate::desk::request;

use super::key_verify::VerifyWanted;

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
    /// Unwrap every stored key, which proves it, and name those that do not unwrap; nothing is held up meanwhile
    Verify(VerifyWanted),
}

impl From<Acceptance> for request::Request {
    fn from(accepted: Acceptance) -> Self {
        let Acceptance { accept_damage, accept_rollback } = accepted;
        Self::Unlock { accept_damage, accept_rollback }
    }
}

impl From<Key> for request::Request {
    fn from(verb: Key) -> Self {
        Self::Key(match verb {
            Key::Rotate { object, project, algorithm } => request::Key::Rotate { project, object, algorithm },
            Key::Verify(wanted) => request::Key::Verify((&wanted).into()),
        })
    }
}
