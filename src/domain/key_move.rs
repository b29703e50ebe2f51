//! What can become of a key version, and what is kept of it: the move, who made it, when and why.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::actor::Actor;
use super::description::Description;
use super::key_life::KeyState;
use super::refusal::{Code, Refusal};
use super::timestamp::Timestamp;

/// Moves that a row keeps; the audit trail has all.
pub const MOVES_KEPT_MAX: usize = 16;
/// Days that a destruction may wait.
pub const DESTRUCTION_DAYS: RangeInclusive<u16> = 7..=90;
/// Days that it waits where nothing is said.
pub const DESTRUCTION_DAYS_USUAL: u16 = 30;

/// The reason in records of a destruction that was carried out.
pub const WAITED_WHY: &str = "its waiting period is over";

/// What can become of a key version; the numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyMove {
    /// It was made.
    #[n(0)]
    Make,
    /// Another version seals in its place.
    #[n(1)]
    StepDown,
    /// Neither seals nor opens, until it is enabled.
    #[n(2)]
    Disable,
    /// What it was before it was disabled.
    #[n(3)]
    Enable,
    /// Seals nothing any more, for ever.
    #[n(4)]
    Compromise,
    /// Neither seals nor opens, and its key goes at a moment that is named.
    #[n(5)]
    Schedule,
    /// What it was before its destruction was scheduled.
    #[n(6)]
    Cancel,
    /// Its wrapped key is gone.
    #[n(7)]
    Destroy,
    /// It seals or opens until other moments.
    #[n(8)]
    Windows,
    /// There is a copy of it, so it seals.
    #[n(9)]
    Activate,
}

/// One move, as it is kept in the row.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Move {
    /// Which.
    #[n(0)]
    pub what: KeyMove,
    /// The state it led to.
    #[n(1)]
    pub to: KeyState,
    /// When.
    #[n(2)]
    pub when: Timestamp,
    /// Who, as audit records say it.
    #[n(3)]
    pub who: String,
    /// Why, in the words of whoever did it.
    #[n(4)]
    pub why: Option<Description>,
    /// Of one that set windows: which ends there were then.
    #[n(5)]
    pub set: Option<WindowsSet>,
    /// Of one that takes two persons: who asked for it, as audit records say it; `who` said yes.
    #[n(6)]
    pub asked_by: Option<String>,
}

/// Ends of both windows, as a move left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WindowsSet {
    /// From when on it seals nothing, if there is an end.
    #[n(0)]
    pub encrypt_until: Option<Timestamp>,
    /// From when on it opens nothing, if there is an end.
    #[n(1)]
    pub decrypt_until: Option<Timestamp>,
}

/// By whom, when and why something becomes of a key version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// As audit records say it.
    pub who: String,
    /// When.
    pub when: Timestamp,
    /// In words.
    pub why: Option<Description>,
}

/// A move that is not to be made from where the version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongKeyState {
    /// Where it stands.
    pub state: KeyState,
    /// What was wanted.
    pub wanted: KeyMove,
}

impl KeyMove {
    /// The word in answers and lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::StepDown => "step-down",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Compromise => "compromise",
            Self::Schedule => "schedule-destruction",
            Self::Cancel => "cancel-destruction",
            Self::Destroy => "destroy",
            Self::Windows => "windows",
            Self::Activate => "activate",
        }
    }
}

impl KeyMove {
    /// Whether a row keeps it for as long as there is room for anything: nobody washes out by other moves that a key was made, may
    /// be in other hands, or was to go.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Make | Self::Compromise | Self::Schedule | Self::Destroy)
    }
}

impl Because {
    /// What somebody does.
    #[must_use]
    pub fn of(actor: Actor, when: Timestamp, why: Option<Description>) -> Self {
        Self { who: actor.to_string(), when, why }
    }

    /// What is done by itself, in the program's own words.
    #[must_use]
    pub fn system(when: Timestamp, why: &str) -> Self {
        Self::of(Actor::System, when, why.parse().ok())
    }
}

/// How long a destruction that is asked for waits.
///
/// # Errors
/// `bad-request` for another number than there may be.
pub fn destruction_wait(days: Option<u16>) -> Result<Duration, Refusal> {
    let days = days.unwrap_or(DESTRUCTION_DAYS_USUAL);
    if DESTRUCTION_DAYS.contains(&days) {
        return Ok(Duration::from_secs(u64::from(days) * 86_400));
    }
    let (least, most) = (DESTRUCTION_DAYS.start(), DESTRUCTION_DAYS.end());
    let why = format!("A destruction waits {least} to {most} days; {days} is none of them.");
    Err(Refusal::new(Code::BadRequest).detail(why))
}

/// Where it stands, and what to do.
impl fmt::Display for WrongKeyState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, wanted } = self;
        let what = match (wanted, state) {
            (_, KeyState::Destroyed) => "its key is gone, and nothing becomes of it any more",
            (KeyMove::Schedule, KeyState::PreActive | KeyState::Active) => {
                "it encrypts: rotate the key first (gembok key rotate), or retire the object"
            }
            (KeyMove::Windows, _) => "it encrypts no more, so only the end of decrypting can be set",
            (KeyMove::Cancel | KeyMove::Destroy, _) => "its destruction is not scheduled, or not due",
            (_, KeyState::DestroyScheduled) => {
                "it waits to be destroyed: cancel that first (gembok key cancel-destruction)"
            }
            _ => "look at it with gembok key show",
        };
        write!(out, "The key version is {}: {what}.", state.name())
    }
}

impl From<WrongKeyState> for Refusal {
    fn from(wrong: WrongKeyState) -> Self {
        Self::new(Code::WrongKeyState).detail(wrong.to_string())
    }
}
