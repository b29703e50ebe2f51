//! Where a key version stands in its life, and what there is only there: its wrapped key until it is destroyed, what it was before it
//! was closed, the moment of an end that is set, the dates of one that is past. `key_moves` leads from one to the next.

use minicbor::{Decode, Encode};

use super::id::ProjectId;
use super::timestamp::Timestamp;

/// The name of where a key version stands; the numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyState {
    /// Made; seals once a copy of it is in the escrow log. Opens already.
    #[n(0)]
    PreActive,
    /// Seals and opens.
    #[n(1)]
    Active,
    /// Opens only: a newer version seals.
    #[n(2)]
    DecryptOnly,
    /// Neither, until enabled again.
    #[n(3)]
    Disabled,
    /// Neither, and waiting to be destroyed.
    #[n(4)]
    DestroyScheduled,
    /// Its wrapped key is gone.
    #[n(5)]
    Destroyed,
    /// Opens only, and everything under it should be re-encrypted.
    #[n(6)]
    Compromised,
}

/// What a key version is while nothing closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// As [`KeyState::PreActive`].
    PreActive,
    /// As [`KeyState::Active`].
    Active,
    /// As [`KeyState::DecryptOnly`].
    DecryptOnly,
    /// As [`KeyState::Compromised`].
    Compromised,
}

/// Where it stands while no end is set for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It opens, and may seal.
    Open(Open),
    /// Neither, until it is enabled.
    Disabled {
        /// What it was before, and will be then.
        enabled_as: Open,
    },
}

/// A key that a version of its project's KEK wraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// That version.
    pub kek_version: u32,
    /// A wrapped key of kind 3; never empty in a row.
    pub key: Vec<u8>,
}

/// An end that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doom {
    /// When it falls due.
    pub at: Timestamp,
    /// Where the version stood before, and will again when it is cancelled.
    pub back: Standing,
}

/// Since when a destroyed key is gone, and what its copies elsewhere are wrapped under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Gone {
    /// From this store.
    #[n(0)]
    pub here: Timestamp,
    /// The last KEK version that it was wrapped under; copies may be under earlier ones.
    #[n(1)]
    pub kek_version: u32,
    /// The MK generation of that time; copies may be under earlier ones.
    #[n(2)]
    pub master_key: u32,
    /// When nothing was left any more by which a copy of it could be unwrapped.
    #[n(3)]
    pub unrecoverable: Option<Timestamp>,
    /// Once its object was deleted: whose it was. Its row stays until the other date is known, and goes then.
    #[n(4)]
    pub orphan_of: Option<ProjectId>,
    /// When the store's file had been written anew last, the moment 0 where never: it is in the file until that is another one.
    /// Absent where nobody wrote that down yet.
    #[n(5)]
    pub written: Option<Timestamp>,
}

/// Where a key version stands, with what there is only there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// No end is set.
    Kept {
        /// Open or disabled.
        standing: Standing,
        /// Its key.
        wrapped: Wrapped,
    },
    /// It waits to be destroyed.
    DestroyScheduled {
        /// When, and what it was before.
        doom: Doom,
        /// Its key.
        wrapped: Wrapped,
    },
    /// Its key is gone.
    Destroyed {
        /// The end that had been set.
        doom: Doom,
        /// Since when.
        gone: Gone,
    },
}

impl KeyState {
    /// All of them, by number.
    pub const ALL: [Self; 7] = [
        Self::PreActive,
        Self::Active,
        Self::DecryptOnly,
        Self::Disabled,
        Self::DestroyScheduled,
        Self::Destroyed,
        Self::Compromised,
    ];

    /// Whether one that stands there seals, or is to once there is a copy of it.
    #[must_use]
    pub const fn may_come_to_seal(self) -> bool {
        matches!(self, Self::PreActive | Self::Active)
    }

    /// The word in answers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreActive => "pre_active",
            Self::Active => "active",
            Self::DecryptOnly => "decrypt_only",
            Self::Disabled => "disabled",
            Self::DestroyScheduled => "destroy_scheduled",
            Self::Destroyed => "destroyed",
            Self::Compromised => "compromised",
        }
    }

    /// What an open one is; none of one that is closed.
    pub(super) const fn open(self) -> Option<Open> {
        match self {
            Self::PreActive => Some(Open::PreActive),
            Self::Active => Some(Open::Active),
            Self::DecryptOnly => Some(Open::DecryptOnly),
            Self::Compromised => Some(Open::Compromised),
            Self::Disabled | Self::DestroyScheduled | Self::Destroyed => None,
        }
    }
}

impl Open {
    /// Its name.
    #[must_use]
    pub const fn state(self) -> KeyState {
        match self {
            Self::PreActive => KeyState::PreActive,
            Self::Active => KeyState::Active,
            Self::DecryptOnly => KeyState::DecryptOnly,
            Self::Compromised => KeyState::Compromised,
        }
    }
}

impl Standing {
    /// Its name.
    #[must_use]
    pub const fn state(self) -> KeyState {
        match self {
            Self::Open(open) => open.state(),
            Self::Disabled { .. } => KeyState::Disabled,
        }
    }

    /// What it is, or will be when it is enabled.
    #[must_use]
    pub const fn opens_as(self) -> Open {
        match self {
            Self::Open(open) | Self::Disabled { enabled_as: open } => open,
        }
    }

    const fn opens_as_mut(&mut self) -> &mut Open {
        match self {
            Self::Open(open) | Self::Disabled { enabled_as: open } => open,
        }
    }
}

impl Gone {
    /// From here, and recoverable from a copy still; the last it was wrapped under was this.
    #[must_use]
    pub const fn at(here: Timestamp, kek_version: u32, master_key: u32) -> Self {
        Self { here, kek_version, master_key, unrecoverable: None, orphan_of: None, written: None }
    }
}

impl Life {
    /// The name of where it stands.
    #[must_use]
    pub const fn state(&self) -> KeyState {
        match self {
            Self::Kept { standing, .. } => standing.state(),
            Self::DestroyScheduled { .. } => KeyState::DestroyScheduled,
            Self::Destroyed { .. } => KeyState::Destroyed,
        }
    }

    /// Where it stands, or stood before an end was set.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Kept { standing, .. } => *standing,
            Self::DestroyScheduled { doom, .. } | Self::Destroyed { doom, .. } => doom.back,
        }
    }

    /// What it is, or will be once nothing closes it any more, to be changed; none of one that will be nothing again.
    pub(super) const fn opens_as_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Kept { standing, .. } => Some(standing.opens_as_mut()),
            Self::DestroyScheduled { doom, .. } => Some(doom.back.opens_as_mut()),
            Self::Destroyed { .. } => None,
        }
    }

    /// The end that is set, or was.
    #[must_use]
    pub const fn doom(&self) -> Option<Doom> {
        match self {
            Self::Kept { .. } => None,
            Self::DestroyScheduled { doom, .. } | Self::Destroyed { doom, .. } => Some(*doom),
        }
    }

    /// Since when its key is gone, once it is.
    #[must_use]
    pub const fn gone(&self) -> Option<Gone> {
        match self {
            Self::Destroyed { gone, .. } => Some(*gone),
            Self::Kept { .. } | Self::DestroyScheduled { .. } => None,
        }
    }

    /// The same, to write down what is known later.
    pub const fn gone_mut(&mut self) -> Option<&mut Gone> {
        match self {
            Self::Destroyed { gone, .. } => Some(gone),
            Self::Kept { .. } | Self::DestroyScheduled { .. } => None,
        }
    }

    /// Its key, until it is destroyed.
    #[must_use]
    pub const fn wrapped(&self) -> Option<&Wrapped> {
        match self {
            Self::Kept { wrapped, .. } | Self::DestroyScheduled { wrapped, .. } => Some(wrapped),
            Self::Destroyed { .. } => None,
        }
    }

    /// The same, to be wrapped anew.
    pub const fn wrapped_mut(&mut self) -> Option<&mut Wrapped> {
        match self {
            Self::Kept { wrapped, .. } | Self::DestroyScheduled { wrapped, .. } => Some(wrapped),
            Self::Destroyed { .. } => None,
        }
    }

    /// The KEK version that wraps it, or was the last that did.
    #[must_use]
    pub const fn kek_version(&self) -> u32 {
        match self {
            Self::Kept { wrapped, .. } | Self::DestroyScheduled { wrapped, .. } => wrapped.kek_version,
            Self::Destroyed { gone, .. } => gone.kek_version,
        }
    }
}
