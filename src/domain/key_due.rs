//! When a key version is to be replaced by the next, by itself.

use std::time::Duration;

use super::key_life::KeyState;
use super::key_version::KeyVersion;
use super::timestamp::Timestamp;

/// So long before a version's window to seal ends the next one is made.
pub const BEFORE_WINDOW_ENDS: Duration = Duration::from_secs(24 * 3_600);

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is as old as it may become.
    Age,
    /// It has been used half as often as its algorithm allows.
    Uses,
    /// It is about to seal no more.
    Window,
    /// Somebody else may have it.
    Compromised,
}

/// When the next key version takes over by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// Whether it does; health names what is due where not.
    pub automatic: bool,
    /// How many days old a version may become, unless its object says otherwise; 0 any age.
    pub after_days: u32,
}

impl Due {
    /// The word in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Uses => "uses",
            Self::Window => "window",
            Self::Compromised => "compromised",
        }
    }

    /// The reason in records.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Age => "its age",
            Self::Uses => "half of its uses are used up",
            Self::Window => "its window to encrypt ends",
            Self::Compromised => "it is compromised",
        }
    }
}

impl KeyVersion {
    /// Why the version that seals, or should, is to be replaced now; `after_days` is how old it may become, 0 any age, and `uses`
    /// how often it sealed at most. One that somebody disabled stays as it is.
    #[must_use]
    pub fn rotation_due(&self, after_days: u32, uses: u64, now: Timestamp) -> Option<Due> {
        let age_max = Duration::from_secs(u64::from(after_days) * 86_400);
        match self.life.state() {
            KeyState::Compromised => Some(Due::Compromised),
            KeyState::Active if self.is_worn(uses) => Some(Due::Uses),
            KeyState::Active if self.encrypt_until.is_some_and(|end| end <= now.plus(BEFORE_WINDOW_ENDS)) => {
                Some(Due::Window)
            }
            KeyState::Active if after_days > 0 && now.since(self.created) >= age_max => Some(Due::Age),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::Algorithm;
    use crate::domain::key_move::Because;
    use crate::domain::key_moves::tests::version as standing;
    use crate::domain::key_place::KeyPlace;

    const DAY: u64 = 86_400;

    fn version(algorithm: Algorithm) -> KeyVersion {
        let because = Because::system(Timestamp::from_seconds(10 * DAY), "uji");
        KeyVersion::made(KeyPlace::new(7, 1), algorithm, 1, vec![1; 79], because)
    }

    #[test]
    fn it_is_due_by_age_by_use_and_before_its_window_ends() {
        let at = |days| Timestamp::from_seconds(days * DAY);
        let young = version(Algorithm::Aes256Gcm);
        assert_eq!(young.rotation_due(30, 0, at(39)), None);
        assert_eq!(young.rotation_due(30, 0, at(40)), Some(Due::Age));
        assert_eq!(young.rotation_due(0, 0, at(10_000)), None);
        // By a clock that was behind, nothing is old.
        assert_eq!(young.rotation_due(30, 0, at(1)), None);
        assert_eq!(young.rotation_due(0, (1 << 31) - 1, at(11)), None);
        assert_eq!(young.rotation_due(0, 1 << 31, at(11)), Some(Due::Uses));
        let ends = KeyVersion { encrypt_until: Some(at(20)), ..young.clone() };
        assert_eq!(ends.rotation_due(0, 0, Timestamp::from_seconds(19 * DAY - 1)), None);
        for day in [19, 20, 21] {
            assert_eq!(ends.rotation_due(0, 0, at(day)), Some(Due::Window));
        }
        for state in KeyState::ALL {
            let due = match state {
                KeyState::Active => Some(Due::Age),
                KeyState::Compromised => Some(Due::Compromised),
                _ => None,
            };
            assert_eq!(standing(state).rotation_due(1, 0, at(400)), due, "{state:?}");
        }
    }
}
