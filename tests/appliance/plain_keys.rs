//! The life of key versions as a plain list: what `key_model` compares the appliance with. Written by the rules alone, one act a
//! line or two. Where an escrow log is kept, a version seals once it is in there, and none is made while one waits.

use std::collections::BTreeSet;

const DAY: u64 = 86_400;
/// The age that the test lets its key reach.
pub(crate) const AGE_MAX: u64 = 40 * DAY;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    PreActive,
    Active,
    DecryptOnly,
    Disabled,
    DestroyScheduled,
    Destroyed,
    Compromised,
}

use State::{Active, Compromised, DecryptOnly, DestroyScheduled, Destroyed, Disabled, PreActive};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// None is kept.
    Unkept,
    Here,
    /// It cannot be written.
    Away,
}

pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) is_retired: bool,
    pub(crate) versions: Vec<Version>,
    /// The one that seals, or did.
    pub(crate) current: usize,
    pub(crate) log: Log,
    /// What was said to be for the log and was not looked at since.
    pub(crate) waiting: BTreeSet<usize>,
}

pub(crate) type Foretold = Result<(), &'static str>;
pub(crate) const WRONG: Foretold = Err("wrong-key-state");
pub(crate) const NOT_LOGGED: Foretold = Err("not-in-escrow");

impl State {
    pub(crate) fn seals(self) -> bool {
        matches!(self, PreActive | Active)
    }
}

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
    /// With one version, which seals.
    pub(crate) fn new(log: Log) -> Self {
        let versions = vec![Version::made("xaes-256-gcm", 0)];
        Self { now: 0, is_retired: false, versions, current: 0, log, waiting: BTreeSet::new() }
    }

    pub(crate) fn is_any_waiting(&self) -> bool {
        self.versions.iter().any(|version| version.state == PreActive)
    }

    /// A version is open again.
    pub(crate) fn reopened(&mut self, number: usize) {
        if self.versions[number].state == PreActive {
            self.waiting.insert(number);
        }
    }

    pub(crate) fn seals(&self) -> Foretold {
        let current = &self.versions[self.current];
        if self.is_retired {
            return Err("object-retired");
        }
        let is_open = current.state == Active && current.encrypt_until.is_none_or(|end| end > self.now);
        if is_open { Ok(()) } else { Err("key-not-sealing") }
    }

    pub(crate) fn rotate(&mut self, algorithm: Option<&'static str>) -> Foretold {
        if self.is_any_waiting() {
            return NOT_LOGGED;
        }
        let made = Version::made(algorithm.unwrap_or(self.versions[self.current].algorithm), self.now);
        let number = self.versions.len();
        if self.log == Log::Unkept {
            self.seals_next(number);
            self.versions.push(made);
        } else {
            self.versions.push(Version { state: PreActive, ..made });
            self.waiting.insert(number);
        }
        Ok(())
    }

    fn seals_next(&mut self, number: usize) {
        let before = self.versions[self.current].open();
        if before.seals() {
            *before = DecryptOnly;
        }
        self.current = number;
    }

    /// What waits comes into the log, if that can be written.
    pub(crate) fn write_log(&mut self) {
        if self.log != Log::Here {
            return;
        }
        for number in std::mem::take(&mut self.waiting) {
            if self.versions[number].state != PreActive {
                continue;
            }
            self.versions[number].state = if number < self.current { DecryptOnly } else { Active };
            if number > self.current {
                self.seals_next(number);
            }
        }
    }

    /// What the housekeeping does.
    pub(crate) fn sweep(&mut self) {
        let (now, is_retired) = (self.now, self.is_retired);
        for version in &mut self.versions {
            if version.state == DestroyScheduled && version.doom.0 <= now {
                version.state = Destroyed;
            }
        }
        let current = &self.versions[self.current];
        let is_due = match current.state {
            Compromised => true,
            Active => {
                current.encrypt_until.is_some_and(|end| end <= now + DAY) || now - current.made >= AGE_MAX
            }
            _ => false,
        };
        if is_due && !is_retired {
            // Where one waits, that is tried again.
            let _ = self.rotate(None);
        }
        self.write_log();
    }
}
