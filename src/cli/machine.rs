//! Verbs on what the appliance itself rests on: its clock, its configuration, its file, the key that seals it.

use std::path::PathBuf;

use clap::Subcommand;

use crate::desk::request;

#[derive(Subcommand)]
pub(super) enum Clock {
    /// Say that the clock is right: changes are made again, budgets refill, and keys whose destruction is due are destroyed
    Acknowledge,
}

#[derive(Subcommand)]
pub(super) enum Store {
    /// Give unused space back to the disk; requests wait a moment and none is refused
    Compact,
}

#[derive(Subcommand)]
pub(super) enum Config {
    /// Say what is wrong, where, and what to do
    Check {
        /// Another file than --config names
        file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(super) enum StoreKey {
    /// Make the next generation; every row is sealed anew under it, then the one before is destroyed
    Rotate {
        /// Why, for the audit trail
        #[arg(long)]
        reason: Option<String>,
    },
}

impl From<StoreKey> for request::Request {
    fn from(verb: StoreKey) -> Self {
        let StoreKey::Rotate { reason } = verb;
        Self::StoreKey(request::StoreKey::Rotate { reason })
    }
}
