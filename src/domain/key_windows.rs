//! The windows of a key version: until when it seals and opens, whatever its state.

use super::key_move::{Because, KeyMove, WindowsSet};
use super::key_version::KeyVersion;
use super::refusal::{Code, Refusal};
use super::timestamp::Timestamp;

impl KeyVersion {
    /// Other ends of its windows; none where they are so already. Of one that is closed they are judged by what it will be when it
    /// opens again.
    ///
    /// # Errors
    /// `wrong-key-state` for one that is destroyed, and for a window to seal of one that seals no more; `bad-request` for one that
    /// would seal what it cannot open.
    pub fn set_windows(
        mut self,
        encrypt_until: Option<Timestamp>,
        decrypt_until: Option<Timestamp>,
        because: Because,
    ) -> Result<Option<Self>, Refusal> {
        let seals = self.seals_once_open();
        if self.life.gone().is_some() || (encrypt_until != self.encrypt_until && !seals) {
            return Err(self.wrong(KeyMove::Windows).into());
        }
        if (encrypt_until, decrypt_until) == (self.encrypt_until, self.decrypt_until) {
            return Ok(None);
        }
        let bad = |why: &'static str| Refusal::new(Code::BadRequest).detail(why);
        if let Some(decrypt) = decrypt_until
            && seals
            && encrypt_until.is_none_or(|encrypt| encrypt > decrypt)
        {
            return Err(bad(
                "What is encrypted could not be decrypted any more: the window to encrypt has to end first, encrypt_until \
                 before decrypt_until.",
            ));
        }
        (self.encrypt_until, self.decrypt_until) = (encrypt_until, decrypt_until);
        let set = WindowsSet { encrypt_until, decrypt_until };
        Ok(Some(self.moved(KeyMove::Windows, because).last_move(|last| last.set = Some(set))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key_life::KeyState;
    use crate::domain::key_moves::tests::{at, because, version};

    #[test]
    fn windows_shrink_and_grow_and_are_never_such_that_what_is_sealed_does_not_open() {
        let it = version(KeyState::Active);
        let set = it.clone().set_windows(Some(at(50)), Some(at(90)), because(2)).unwrap().unwrap();
        let told = set.moves.as_ref().unwrap().last().unwrap().set;
        assert_eq!(told, Some(WindowsSet { encrypt_until: Some(at(50)), decrypt_until: Some(at(90)) }));
        // What changes nothing is no move.
        assert_eq!(set.clone().set_windows(Some(at(50)), Some(at(90)), because(3)), Ok(None));
        assert_eq!(it.clone().set_windows(None, None, because(3)), Ok(None));
        assert_eq!((set.encrypt_until, set.decrypt_until), (Some(at(50)), Some(at(90))));
        assert!(set.clone().set_windows(Some(at(40)), Some(at(80)), because(3)).is_ok());
        for grown in [Some(at(91)), None] {
            assert!(set.clone().set_windows(Some(at(50)), grown, because(3)).is_ok());
        }
        for (encrypt, decrypt) in [(None, Some(at(90))), (Some(at(91)), Some(at(90)))] {
            assert!(it.clone().set_windows(encrypt, decrypt, because(3)).is_err(), "{encrypt:?}");
        }
        let old = version(KeyState::DecryptOnly);
        assert!(old.clone().set_windows(None, Some(at(90)), because(2)).is_ok());
        let code = old.set_windows(Some(at(50)), None, because(2)).map_err(|refusal| refusal.code);
        assert_eq!(code, Err(Code::WrongKeyState));
    }

    #[test]
    fn windows_of_a_closed_version_are_those_it_opens_with() {
        let code = |set: Result<Option<KeyVersion>, Refusal>| {
            set.map_err(|refusal| refusal.code).map(|it| it.unwrap().life.state())
        };
        let disabled = version(KeyState::Active).disable(because(2)).unwrap().unwrap();
        let doomed = version(KeyState::Active).schedule(at(99), false, because(2)).unwrap();
        let both = disabled.clone().schedule(at(99), true, because(3)).unwrap();
        for closed in [disabled.clone(), doomed, both] {
            let state = closed.life.state();
            let crossed = closed.clone().set_windows(None, Some(at(90)), because(4));
            assert_eq!(code(crossed), Err(Code::BadRequest), "{state:?} would seal what it cannot open");
            assert_eq!(code(closed.set_windows(Some(at(80)), Some(at(90)), because(4))), Ok(state));
        }
        // What opens to no more than opening has no window to seal.
        let spent = disabled.step_down(because(3)).unwrap();
        assert_eq!(code(spent.clone().set_windows(None, Some(at(90)), because(4))), Ok(KeyState::Disabled));
        let sealing = spent.set_windows(Some(at(80)), Some(at(90)), because(4));
        assert_eq!(code(sealing), Err(Code::WrongKeyState));
    }
}
