//! The life of key versions as a plain list: what `key_model` compares the appliance with. Written by the rules alone, one act a
//! line or two.

const DAY: u64 = 86_400;
/// The age that the test lets its key reach.
pub(crate) const AGE_MAX: u64 = 40 * DAY;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    DecryptOnly,
    Disabled,
    DestroyScheduled,
    Destroyed,
    Compromised,
}

use State::{Active, Compromised, DecryptOnly, DestroyScheduled, Destroyed, Disabled};

/// Moments are seconds since the test began, by the time that was let pass.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) algorithm: &'static str,
    pub(crate) state: State,
    /// While it is disabled.
    pub(crate) before: State,
    /// While it is scheduled: when it goes, and what it was.
    pub(crate) doom: (u64, State),
    pub(crate) encrypt_until: Option<u64>,
    pub(crate) decrypt_until: Option<u64>,
    pub(crate) made: u64,
}

pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) is_retired: bool,
    pub(crate) versions: Vec<Version>,
}

pub(crate) type Foretold = Result<(), &'static str>;
pub(crate) const WRONG: Foretold = Err("wrong-key-state");

impl Version {
    pub(crate) fn made(algorithm: &'static str, made: u64) -> Self {
        let doom = (0, Active);
        Self {
            algorithm,
            state: Active,
            before: Active,
            doom,
            encrypt_until: None,
            decrypt_until: None,
            made,
        }
    }

    /// What it is but for being closed.
    pub(crate) fn open(&mut self) -> &mut State {
        match self.state {
            DestroyScheduled if self.doom.1 == Disabled => &mut self.before,
            DestroyScheduled => &mut self.doom.1,
            Disabled => &mut self.before,
            _ => &mut self.state,
        }
    }

    pub(crate) fn opens(&self, now: u64) -> Foretold {
        match self.state {
            Destroyed => Err("key-destroyed"),
            Disabled | DestroyScheduled => Err("key-disabled"),
            _ if self.decrypt_until.is_some_and(|end| end <= now) => Err("key-window-over"),
            _ => Ok(()),
        }
    }
}

impl Model {
    pub(crate) fn current(&mut self) -> &mut Version {
        self.versions.last_mut().unwrap()
    }

    pub(crate) fn seals(&self) -> Foretold {
        let last = self.versions.last().unwrap();
        if self.is_retired {
            return Err("object-retired");
        }
        let is_open = last.state == Active && last.encrypt_until.is_none_or(|end| end > self.now);
        if is_open { Ok(()) } else { Err("key-not-sealing") }
    }

    pub(crate) fn rotate(&mut self, algorithm: Option<&'static str>) {
        let last = self.current();
        if *last.open() == Active {
            *last.open() = DecryptOnly;
        }
        let algorithm = algorithm.unwrap_or(last.algorithm);
        let made = Version::made(algorithm, self.now);
        self.versions.push(made);
    }

    /// What the housekeeping does.
    pub(crate) fn sweep(&mut self) {
        let (now, is_retired) = (self.now, self.is_retired);
        for version in &mut self.versions {
            if version.state == DestroyScheduled && version.doom.0 <= now {
                version.state = Destroyed;
            }
        }
        let last = self.current();
        let is_due = match last.state {
            Compromised => true,
            Active => last.encrypt_until.is_some_and(|end| end <= now + DAY) || now - last.made >= AGE_MAX,
            _ => false,
        };
        if is_due && !is_retired {
            self.rotate(None);
        }
    }
}
