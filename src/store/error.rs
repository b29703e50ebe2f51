//! What can go wrong with the store. Each message says what happened, then what to do; it names the record by table and
//! key and never shows content, so any of them may go to the log.

use std::fmt;
use std::path::PathBuf;

use super::table::RowName;
use crate::crypto::random::NoRandomness;

/// A call to the store that did not do what it was asked to.
#[derive(Debug)]
pub enum StoreError {
    /// Another process has the file open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened or made.
    Unopenable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The file is something else.
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of this program wrote the file.
    NewerFormat {
        /// The format it has.
        found: u32,
        /// The newest one this program knows.
        known: u32,
    },
    /// An older version wrote the file, and this program no longer knows the way up from it.
    OlderFormat {
        /// The format it has.
        found: u32,
        /// The one it would be brought to.
        known: u32,
    },
    /// There is no boot row yet.
    NotInitialised,
    /// There is a boot row, or there are rows without one.
    AlreadyInitialised,
    /// This file is unlocked already, and a second writer would fork the chain.
    AlreadyUnlocked,
    /// The boot row is not of the format it claims; the reason.
    BootMalformed(&'static str),
    /// The boot row's MAC does not fit the store key.
    BootAltered,
    /// The store keys that were handed over do not fit together; the reason.
    Keys(&'static str),
    /// There is a boot row, but no block.
    ChainMissing,
    /// A row is there and cannot be read.
    Damaged {
        /// The row.
        row: RowName,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An expectation of a batch did not hold; nothing was changed.
    Conflict {
        /// The row.
        row: RowName,
    },
    /// The batch is not one that can be committed; nothing was changed.
    Refused {
        /// The row it is about, if it is about one.
        row: Option<RowName>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Unlocking found the state digest wrong, and nobody has accepted that yet.
    Disputed,
    /// Every row was read for another generation of the store key, and they are not those that the last block describes.
    Altered,
    /// A write failed, so nobody knows what is on the disk; the reason. Reads go on.
    Stopped {
        /// The failure that stopped it.
        why: String,
    },
    /// The database or the disk failed.
    Disk {
        /// What was being done.
        doing: &'static str,
        /// The database's reason.
        why: String,
    },
    /// Pages of the database file are not as they were written: it is not written to.
    Rotten {
        /// The database's reason.
        why: String,
    },
    /// The kernel gave no randomness; nothing was changed.
    NoRandomness,
}

impl StoreError {
    /// For `map_err` on a call of the database.
    pub(super) fn disk<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Disk { doing, why: error.into().to_string() }
    }

    pub(super) const fn refused(why: &'static str) -> Self {
        Self::Refused { row: None, why }
    }
}

impl From<NoRandomness> for StoreError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                out,
                "the store {0} is in use by another process. Stop that one first (`fuser {0}` names it): \
                 a store is served by one process",
                path.display()
            ),
            Self::Unopenable { path, why } => write!(
                out,
                "the store {} cannot be opened: {why}. See that its directory exists and belongs to the \
                 user this program runs as",
                path.display()
            ),
            Self::NotAStore { path } => write!(
                out,
                "{} is not a Gembok store. Point the configuration at the right file, or at a name that \
                 does not exist yet; if it was one, its head is damaged: keep a copy, and restore it from a backup",
                path.display()
            ),
            Self::NewerFormat { found, known } => write!(
                out,
                "the store has format {found}, and this program knows formats up to {known}. Run the version \
                 that wrote it, or restore a backup made by this one"
            ),
            Self::OlderFormat { found, known } => write!(
                out,
                "the store has format {found}, and this program cannot bring it up to {known}. Open it once \
                 with a version in between"
            ),
            Self::NotInitialised => out.write_str("the store is empty. Run the init ceremony first"),
            Self::AlreadyInitialised => {
                out.write_str("the store already holds an appliance. Init only fills an empty store")
            }
            Self::AlreadyUnlocked => out.write_str("the store is already unlocked. Lock it first"),
            Self::BootMalformed(why) => {
                write!(out, "the boot row cannot be read: {why}. Restore the store from a backup")
            }
            Self::BootAltered => out.write_str(
                "the boot row does not authenticate under the store key: it was altered, or belongs to another \
                 token. Restore the store from a backup",
            ),
            Self::Keys(why) => write!(out, "the store keys do not fit: {why}"),
            Self::ChainMissing => out.write_str(
                "the store has a boot row and no block: its journal was taken out. Restore it from a backup",
            ),
            Self::Damaged { row, why } => write!(
                out,
                "the record {row} is damaged: {why}. Other records are not touched by this; restore it from \
                 a backup, or revoke what it belongs to and make another"
            ),
            Self::Conflict { row } => {
                write!(out, "the record {row} was changed by someone else meanwhile. Read it again and retry")
            }
            Self::Refused { row: Some(row), why } => write!(out, "the batch was refused at {row}: {why}"),
            Self::Refused { row: None, why } => write!(out, "the batch was refused: {why}"),
            Self::Disputed => out.write_str(
                "the store is not in the state its last block describes. Nothing is written until that is \
                 accepted or a backup is restored",
            ),
            Self::Altered => out.write_str(
                "rows of the store are not those that its last block describes: they were changed behind the appliance's back while \
                 it ran. Lock it and unlock it again: that tells which, as far as anybody can",
            ),
            Self::Stopped { why } => write!(
                out,
                "the store takes no more writes since one failed ({why}). Free or repair the disk: the file is \
                 opened again by itself every second"
            ),
            Self::Disk { doing, why } => {
                write!(out, "the database failed to {doing}: {why}. Look at the disk and the system log")
            }
            Self::Rotten { why } => write!(
                out,
                "the structure of the database file is damaged ({why}), so it is left as it is. Keep a copy of it, look \
                 at the disk, and restore the store from a backup"
            ),
            Self::NoRandomness => NoRandomness.fmt(out),
        }
    }
}

impl std::error::Error for StoreError {}
