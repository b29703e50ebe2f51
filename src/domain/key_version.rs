//! A key version: one data key of an object, and what it may still be used for.
//!
//! `pre_active → active → decrypt_only → disabled → destroy_scheduled → destroyed`, plus `compromised`; `key_moves` has the
//! moves between them. Leave to seal or open is a value that only the right state gives, while its window is open; the keyring
//! takes nothing else.

use minicbor::{Decode, Encode};

use crate::crypto::algorithm::Algorithm;
use crate::crypto::envelope::Header;

use super::key_life::{KeyState, Life, Open, Standing, Wrapped};
use super::key_move::{Because, KeyMove, Move};
use super::key_place::KeyPlace;
use super::refusal::Code;
use super::timestamp::Timestamp;

/// A key version; it is stored under `key id u32 | version u32`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its object's.
    pub key_id: u32,
    /// From 1.
    pub version: u32,
    /// Chosen when it was made.
    pub algorithm: Algorithm,
    /// Where it stands, and its key while there is one.
    pub life: Life,
    /// Seals reserved by leases so far: never less than were made. For algorithms that are not leased, those that the journal
    /// cannot show: 2^36 for each epoch that was opened since; and all there are, once the journal showed that it is used up.
    pub uses_reserved: u64,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it seals nothing, whatever its state.
    pub encrypt_until: Option<Timestamp>,
    /// From when on it opens nothing, whatever its state; not before `encrypt_until`.
    pub decrypt_until: Option<Timestamp>,
    /// The last of its moves, oldest first; the audit trail has all.
    pub moves: Option<Vec<Move>>,
}

impl KeyVersion {
    /// A version that seals, with its key wrapped under a version of its project's KEK.
    #[must_use]
    pub fn made(
        KeyPlace { key_id, version }: KeyPlace,
        algorithm: Algorithm,
        kek_version: u32,
        wrapped: Vec<u8>,
        because: Because,
    ) -> Self {
        let made = Self {
            key_id,
            version,
            algorithm,
            life: Life::Kept {
                standing: Standing::Open(Open::Active),
                wrapped: Wrapped { kek_version, key: wrapped },
            },
            uses_reserved: 0,
            created: because.when,
            encrypt_until: None,
            decrypt_until: None,
            moves: None,
        };
        made.moved(KeyMove::Make, because)
    }

    /// The same, which does not seal before there is a copy of it.
    #[must_use]
    pub fn await_copy(mut self) -> Self {
        if let Some(open) = self.life.opens_as_mut() {
            *open = Open::PreActive;
        }
        for made in self.moves.iter_mut().flatten() {
            made.to = KeyState::PreActive;
        }
        self
    }

    /// The same once there is: it seals, for whoever made it and why. One that was moved on meanwhile stays what it is.
    #[must_use]
    pub fn activated(mut self, now: Timestamp) -> Self {
        let Life::Kept { standing: Standing::Open(open @ Open::PreActive), .. } = &mut self.life else {
            return self;
        };
        *open = Open::Active;
        let because = self.made_because(now);
        self.moved(KeyMove::Activate, because)
    }

    /// Who made it and why, as far as its row remembers, for what follows from that at `now`.
    #[must_use]
    pub fn made_because(&self, now: Timestamp) -> Because {
        let made = self.moves.iter().flatten().find(|one| one.what == KeyMove::Make);
        made.map_or_else(
            || Because::system(now, ""),
            |made| Because { who: made.who.clone(), when: now, why: made.why.clone() },
        )
    }

    /// Which it is.
    #[must_use]
    pub const fn place(&self) -> KeyPlace {
        KeyPlace::new(self.key_id, self.version)
    }

    /// Whether it seals and, with so many uses, is half used up: time to rotate it. Its row alone does not tell how many they
    /// are: most algorithms' are counted from the journal.
    #[must_use]
    pub const fn is_worn(&self, uses: u64) -> bool {
        matches!(self.life.state(), KeyState::Active) && uses >= self.algorithm.rotate_at_uses()
    }

    /// Whether it was found used up by folding the journal. One that is leased is used up when no lease is left.
    #[must_use]
    pub const fn is_used_up(&self) -> bool {
        !self.algorithm.is_leased() && self.uses_reserved >= self.algorithm.uses_max()
    }

    /// Leave to seal under it at `now`.
    ///
    /// # Errors
    /// The code to refuse with when its state does not seal, or its window to seal is over.
    pub fn sealing(&self, now: Timestamp) -> Result<Sealing<'_>, Code> {
        match self.life.state() {
            KeyState::Active if self.is_used_up() => Err(Code::KeyExhausted),
            KeyState::Active if self.encrypt_until.is_none_or(|until| now < until) => Ok(Sealing(self)),
            _ => Err(Code::KeyNotSealing),
        }
    }

    /// Leave to open what it sealed at `now`.
    ///
    /// # Errors
    /// The code to refuse with: a version that is disabled or destroyed, or whose window to open is over, says so.
    pub fn opening(&self, now: Timestamp) -> Result<Opening<'_>, Code> {
        match self.life.state() {
            KeyState::PreActive | KeyState::Active | KeyState::DecryptOnly | KeyState::Compromised => {
                if self.decrypt_until.is_none_or(|until| now < until) {
                    Ok(Opening(self))
                } else {
                    Err(Code::KeyWindowOver)
                }
            }
            KeyState::Disabled | KeyState::DestroyScheduled => Err(Code::KeyDisabled),
            KeyState::Destroyed => Err(Code::KeyDestroyed),
        }
    }
}

/// Leave to use a key: only [`Sealing`] and [`Opening`] are that.
pub trait Usable: Copy {
    /// The version.
    #[must_use]
    fn key_version(&self) -> &KeyVersion;
}

/// Leave to seal: its version was active, and its window open, when this was made.
#[derive(Debug, Clone, Copy)]
pub struct Sealing<'a>(&'a KeyVersion);

impl<'a> Sealing<'a> {
    /// The version.
    #[must_use]
    pub const fn version(self) -> &'a KeyVersion {
        self.0
    }

    /// The header of what it seals.
    #[must_use]
    pub const fn header(self) -> Header {
        Header { algorithm: self.0.algorithm, key_id: self.0.key_id, key_version: self.0.version }
    }
}

impl Usable for Sealing<'_> {
    fn key_version(&self) -> &KeyVersion {
        self.0
    }
}

/// Leave to open: its version may still open.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a>(&'a KeyVersion);

impl<'a> Opening<'a> {
    /// The version.
    #[must_use]
    pub const fn version(self) -> &'a KeyVersion {
        self.0
    }
}

impl Usable for Opening<'_> {
    fn key_version(&self) -> &KeyVersion {
        self.0
    }
}

impl<C> Encode<C> for Algorithm {
    fn encode<W: minicbor::encode::Write>(
        &self,
        out: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.u8(self.id())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Algorithm {
    fn decode(from: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_id(from.u8()?).ok_or_else(|| minicbor::decode::Error::message("no algorithm has this id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::domain::key_moves::tests::{because, version};

    const NOW: Timestamp = Timestamp::from_seconds(100);

    #[test]
    fn only_the_right_states_give_leave() {
        for state in KeyState::ALL {
            let version = version(state);
            assert_eq!(version.sealing(NOW).is_ok(), state == KeyState::Active, "{state:?}");
            let opens =
                state.may_come_to_seal() || matches!(state, KeyState::DecryptOnly | KeyState::Compromised);
            assert_eq!(version.opening(NOW).is_ok(), opens, "{state:?}");
        }
    }

    #[test]
    fn one_that_is_counted_from_the_journal_stops_when_it_is_used_up() {
        let of = |algorithm, uses_reserved| {
            let version = KeyVersion { algorithm, uses_reserved, ..version(KeyState::Active) };
            (version.sealing(NOW).err(), version.opening(NOW).is_ok())
        };
        for algorithm in [Algorithm::Xaes256Gcm, Algorithm::XChaCha20Poly1305] {
            assert_eq!(of(algorithm, (1 << 40) - 1), (None, true));
            assert_eq!(of(algorithm, 1 << 40), (Some(Code::KeyExhausted), true));
        }
        // What is leased may have uses left that are reserved already.
        assert_eq!(of(Algorithm::Aes256Gcm, 1 << 32), (None, true));
    }

    #[test]
    fn windows_end_at_their_moment() {
        let at = Timestamp::from_seconds;
        let version = KeyVersion {
            encrypt_until: Some(at(100)),
            decrypt_until: Some(at(200)),
            ..version(KeyState::Active)
        };
        assert!(version.sealing(at(99)).is_ok());
        assert_eq!(version.sealing(at(100)).err(), Some(Code::KeyNotSealing));
        assert!(version.opening(at(199)).is_ok());
        assert_eq!(version.opening(at(200)).err(), Some(Code::KeyWindowOver));
        let disabled = version.disable(because(3)).unwrap().unwrap();
        assert_eq!(disabled.opening(at(200)).err(), Some(Code::KeyDisabled));
    }
}
