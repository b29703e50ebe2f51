//! The moves of a key version from state to state, and from where each is legal. Nothing else changes a state.
//!
//! A version that is disabled, or waits to be destroyed, remembers what it was, so that it is never more than that again; what
//! another version, a new epoch or a compromise takes away from it meanwhile is taken from what it remembers.

use super::id::ProjectId;
use super::key_life::{Doom, Gone, Life, Open, Standing};
use super::key_move::{Because, KeyMove, WrongKeyState};
use super::key_version::KeyVersion;
use super::timestamp::Timestamp;

impl KeyVersion {
    pub(super) const fn wrong(&self, wanted: KeyMove) -> WrongKeyState {
        WrongKeyState { state: self.life.state(), wanted }
    }

    /// Whether it neither seals nor opens at present: disabled, waiting to be destroyed, or destroyed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.life.state().open().is_none()
    }

    /// Another version seals from now on, and this one never again; closed or not. None where it sealed nothing anyway.
    #[must_use]
    pub fn step_down(mut self, because: Because) -> Option<Self> {
        self.seal_no_more().then(|| self.moved(KeyMove::StepDown, because))
    }

    /// What a new epoch leaves of a version whose uses were counted, and the count is lost: it only opens. None where it sealed
    /// nothing anyway.
    #[must_use]
    pub fn after_lost_count(mut self) -> Option<Self> {
        self.seal_no_more().then_some(self)
    }

    /// Whether there was anything to take away: also from what it would be again. One that is destroyed is nothing again.
    fn seal_no_more(&mut self) -> bool {
        let sealing = self.life.opens_as_mut().filter(|open| open.state().may_come_to_seal());
        sealing.map(|open| *open = Open::DecryptOnly).is_some()
    }

    /// Neither seals nor opens, until it is enabled. None where that is so already.
    ///
    /// # Errors
    /// One whose end is scheduled, or past.
    pub fn disable(mut self, because: Because) -> Result<Option<Self>, WrongKeyState> {
        let Life::Kept { standing, .. } = &mut self.life else { return Err(self.wrong(KeyMove::Disable)) };
        let Standing::Open(enabled_as) = *standing else { return Ok(None) };
        *standing = Standing::Disabled { enabled_as };
        Ok(Some(self.moved(KeyMove::Disable, because)))
    }

    /// What it was before it was disabled; never more. None where it is not disabled.
    ///
    /// # Errors
    /// One whose end is scheduled, or past.
    pub fn enable(mut self, because: Because) -> Result<Option<Self>, WrongKeyState> {
        let Life::Kept { standing, .. } = &mut self.life else { return Err(self.wrong(KeyMove::Enable)) };
        let Standing::Disabled { enabled_as } = *standing else { return Ok(None) };
        *standing = Standing::Open(enabled_as);
        Ok(Some(self.moved(KeyMove::Enable, because)))
    }

    /// Seals nothing any more. One that is closed stays closed, and is compromised when it is opened again. None where that is
    /// so already.
    ///
    /// # Errors
    /// One that is destroyed.
    pub fn compromise(mut self, because: Because) -> Result<Option<Self>, WrongKeyState> {
        let Some(open) = self.life.opens_as_mut() else { return Err(self.wrong(KeyMove::Compromise)) };
        if *open == Open::Compromised {
            return Ok(None);
        }
        *open = Open::Compromised;
        Ok(Some(self.moved(KeyMove::Compromise, because)))
    }

    /// Whether it seals, or will or may come to once nothing closes it any more.
    pub(super) const fn seals_once_open(&self) -> bool {
        self.life.standing().opens_as().state().may_come_to_seal()
    }

    /// Whether it is known to be in other hands, closed or not.
    #[must_use]
    pub const fn is_compromised(&self) -> bool {
        matches!(self.life.standing().opens_as(), Open::Compromised)
    }

    /// Neither seals nor opens, and its key goes at `at` unless that is cancelled.
    ///
    /// # Errors
    /// One that seals, where `may_seal` says that it still could be asked to; one whose end is scheduled, or past.
    pub fn schedule(
        mut self,
        at: Timestamp,
        may_seal: bool,
        because: Because,
    ) -> Result<Self, WrongKeyState> {
        match self.life {
            Life::Kept { standing, wrapped } if !(may_seal && standing.state().may_come_to_seal()) => {
                self.life = Life::DestroyScheduled { doom: Doom { at, back: standing }, wrapped };
                Ok(self.moved(KeyMove::Schedule, because))
            }
            _ => Err(self.wrong(KeyMove::Schedule)),
        }
    }

    /// What it was before its destruction was scheduled; never more.
    ///
    /// # Errors
    /// One whose end is not scheduled.
    pub fn cancel(mut self, because: Because) -> Result<Self, WrongKeyState> {
        let Life::DestroyScheduled { doom, wrapped } = self.life else {
            return Err(self.wrong(KeyMove::Cancel));
        };
        self.life = Life::Kept { standing: doom.back, wrapped };
        Ok(self.moved(KeyMove::Cancel, because))
    }

    /// Its wrapped key goes. What is left says that it was.
    ///
    /// # Errors
    /// One whose end is not scheduled, or not due yet.
    pub fn destroy(mut self, master_key: u32, because: Because) -> Result<Self, WrongKeyState> {
        let now = because.when;
        match self.life {
            Life::DestroyScheduled { doom, wrapped } if doom.at <= now => {
                let gone = Gone::at(now, wrapped.kek_version, master_key);
                self.life = Life::Destroyed { doom, gone };
                Ok(self.moved(KeyMove::Destroy, because))
            }
            _ => Err(self.wrong(KeyMove::Destroy)),
        }
    }

    /// What is left of it once its object is deleted: of one that is destroyed, and of which a copy could be unwrapped still, what
    /// tells when that ends. Else nothing.
    #[must_use]
    pub fn orphaned(mut self, of: ProjectId) -> Option<Self> {
        let gone = self.life.gone_mut().filter(|gone| gone.unrecoverable.is_none())?;
        gone.orphan_of = Some(of);
        self.moves = None;
        Some(self)
    }

    /// Whether its destruction is due.
    #[must_use]
    pub fn is_destruction_due(&self, now: Timestamp) -> bool {
        matches!(&self.life, Life::DestroyScheduled { doom, .. } if doom.at <= now)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::crypto::algorithm::Algorithm;
    use crate::domain::key_life::KeyState;
    use crate::domain::key_place::KeyPlace;

    pub(in crate::domain) fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    pub(in crate::domain) fn because(seconds: u64) -> Because {
        Because::system(at(seconds), "uji")
    }

    /// One that came there by moves, as every row does.
    pub(in crate::domain) fn version(state: KeyState) -> KeyVersion {
        let made = KeyVersion::made(KeyPlace::new(7, 2), Algorithm::Aes256Gcm, 3, vec![1; 79], because(1));
        match state {
            KeyState::PreActive => made.await_copy(),
            KeyState::Active => made,
            KeyState::DecryptOnly => made.step_down(because(2)).unwrap(),
            KeyState::Disabled => made.disable(because(2)).unwrap().unwrap(),
            KeyState::DestroyScheduled => made.schedule(at(50), false, because(2)).unwrap(),
            KeyState::Destroyed => version(KeyState::DestroyScheduled).destroy(1, because(50)).unwrap(),
            KeyState::Compromised => made.compromise(because(2)).unwrap().unwrap(),
        }
    }

    /// What it is once whatever closed it is taken back.
    fn opened(version: KeyVersion) -> KeyState {
        let cancelled = version.clone().cancel(because(70)).unwrap_or(version);
        cancelled.clone().enable(because(70)).unwrap().unwrap_or(cancelled).life.state()
    }

    /// Legal moves as ARCHITECTURE has them: a row a state, a column a move. What it leads to, and of what was closed before what
    /// it is when it is opened again; `=` where that is so already, `-` where it is refused. The closed ones sealed before.
    const TABLE: [(KeyState, [&str; 8]); 7] = [
        // step-down, disable, enable, compromise, schedule, schedule where nobody may seal, cancel, destroy
        (
            KeyState::PreActive,
            ["decrypt_only", "disabled", "=", "compromised", "-", "destroy_scheduled", "-", "-"],
        ),
        (
            KeyState::Active,
            ["decrypt_only", "disabled", "=", "compromised", "-", "destroy_scheduled", "-", "-"],
        ),
        (
            KeyState::DecryptOnly,
            ["=", "disabled", "=", "compromised", "destroy_scheduled", "destroy_scheduled", "-", "-"],
        ),
        (
            KeyState::Disabled,
            [
                "disabled, decrypt_only",
                "=",
                "active",
                "disabled, compromised",
                "destroy_scheduled, active",
                "destroy_scheduled, active",
                "-",
                "-",
            ],
        ),
        (
            KeyState::DestroyScheduled,
            [
                "destroy_scheduled, decrypt_only",
                "-",
                "-",
                "destroy_scheduled, compromised",
                "-",
                "-",
                "active",
                "destroyed",
            ],
        ),
        (KeyState::Destroyed, ["=", "-", "-", "-", "-", "-", "-", "-"]),
        (
            KeyState::Compromised,
            ["=", "disabled", "=", "=", "destroy_scheduled", "destroy_scheduled", "-", "-"],
        ),
    ];

    #[test]
    fn every_move_from_every_state_is_decided_as_the_table_says() {
        for (number, (state, expected)) in TABLE.into_iter().enumerate() {
            assert_eq!(state, KeyState::ALL[number]);
            let it = || version(state);
            assert_eq!(it().life.state(), state);
            let told = |moved: Result<Option<KeyVersion>, WrongKeyState>| match moved {
                Ok(Some(moved)) if it().is_closed() && moved.is_closed() && moved.life.gone().is_none() => {
                    format!("{}, {}", moved.life.state().name(), opened(moved).name())
                }
                Ok(Some(moved)) => moved.life.state().name().to_owned(),
                Ok(None) => "=".to_owned(),
                Err(wrong) => {
                    assert_eq!(wrong.state, state);
                    "-".to_owned()
                }
            };
            let found = [
                told(Ok(it().step_down(because(60)))),
                told(it().disable(because(60))),
                told(it().enable(because(60))),
                told(it().compromise(because(60))),
                told(it().schedule(at(99), true, because(60)).map(Some)),
                told(it().schedule(at(99), false, because(60)).map(Some)),
                told(it().cancel(because(60)).map(Some)),
                told(it().destroy(1, because(60)).map(Some)),
            ];
            assert_eq!(found, expected, "{state:?}");
        }
    }

    #[test]
    fn nothing_gives_back_more_than_was_taken() {
        let disabled = version(KeyState::Active).disable(because(2)).unwrap().unwrap();
        assert_eq!(disabled.clone().enable(because(3)).unwrap().unwrap().life.state(), KeyState::Active);
        // Another version seals meanwhile, or a new epoch begins.
        let stepped = disabled.clone().step_down(because(3)).unwrap();
        assert_eq!(stepped.enable(because(4)).unwrap().unwrap().life.state(), KeyState::DecryptOnly);
        let jumped = disabled.clone().after_lost_count().unwrap();
        assert_eq!(jumped.enable(because(4)).unwrap().unwrap().life.state(), KeyState::DecryptOnly);
        // What is closed is compromised all the same, through both doors.
        let doomed = disabled.schedule(at(99), true, because(3)).unwrap();
        assert!(!doomed.is_compromised());
        let found = doomed.clone().compromise(because(4)).unwrap().unwrap();
        assert!(found.is_compromised() && found.life.state() == KeyState::DestroyScheduled);
        let back = found.cancel(because(5)).unwrap();
        assert_eq!((back.life.state(), back.is_compromised()), (KeyState::Disabled, true));
        assert_eq!(back.enable(because(6)).unwrap().unwrap().life.state(), KeyState::Compromised);
        let stepped = doomed.step_down(because(4)).unwrap();
        assert_eq!(stepped.clone().step_down(because(4)), None);
        let stepped = stepped.cancel(because(5)).unwrap();
        assert_eq!(stepped.enable(because(6)).unwrap().unwrap().life.state(), KeyState::DecryptOnly);
    }

    #[test]
    fn a_key_goes_when_its_time_is_over_and_not_before() {
        let doomed = version(KeyState::DecryptOnly).schedule(at(100), true, because(2)).unwrap();
        assert!(!doomed.is_destruction_due(at(99)) && doomed.clone().destroy(4, because(99)).is_err());
        assert!(doomed.is_destruction_due(at(100)));
        let gone = doomed.destroy(4, because(100)).unwrap();
        assert!(gone.life.wrapped().is_none() && gone.is_closed());
        assert_eq!(gone.life.gone(), Some(Gone::at(at(100), 3, 4)));
        // One that could still be asked to seal is not to go; of a retired object it may.
        assert!(version(KeyState::Active).schedule(at(100), true, because(2)).is_err());
        assert!(version(KeyState::Active).schedule(at(100), false, because(2)).is_ok());
    }
}
