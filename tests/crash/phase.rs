//! In which phase a daemon was when it was killed: what its log had said, what had been asked and not answered, and whether
//! its journal was in the disk.

use std::fmt;
use std::fs;

/// A part of the daemon's life in which it can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// Making a store that was not there.
    FirstStart,
    /// Bringing the store up to a newer layout.
    Migration,
    /// From its first instruction until the local socket listens.
    StartUp,
    /// From there until it is operational.
    Unlock,
    /// The server's new key or certificate lies beside the old one.
    CertificateExchange,
    /// Serving, and nothing that follows.
    Serving,
    /// The journal's thread is in the disk.
    Commit,
    /// A request that needs a lease was not answered.
    Lease,
    /// A change of the catalog was not answered.
    Change,
    /// Told to stop, and not stopped.
    Drain,
}

impl Phase {
    pub(crate) const ALL: [Self; 10] = [
        Self::FirstStart,
        Self::Migration,
        Self::StartUp,
        Self::Unlock,
        Self::CertificateExchange,
        Self::Serving,
        Self::Commit,
        Self::Lease,
        Self::Change,
        Self::Drain,
    ];

    /// What the round aims at: all in turn, those under load more often.
    pub(crate) fn aim(round: usize) -> Self {
        const TURNS: [Phase; 13] = [
            Phase::Serving,
            Phase::Commit,
            Phase::StartUp,
            Phase::Lease,
            Phase::Unlock,
            Phase::Change,
            Phase::CertificateExchange,
            Phase::Commit,
            Phase::Drain,
            Phase::Migration,
            Phase::FirstStart,
            Phase::Lease,
            Phase::Unlock,
        ];
        TURNS[round % TURNS.len()]
    }
}

/// What the log says once the local socket listens.
pub(crate) const LISTENS: &str = "listening for the operator";

impl Phase {
    /// In which part of its start a daemon over a store was killed, by its log; `None` when it was over. `is_half_made` says
    /// that the server's new key or certificate lies there.
    pub(crate) fn of_start(log: &str, is_half_made: bool) -> Option<Self> {
        match () {
            () if is_half_made => Some(Self::CertificateExchange),
            () if log.contains("\"operational\"") => None,
            () if log.contains(LISTENS) => Some(Self::Unlock),
            () => Some(Self::StartUp),
        }
    }

    /// The same of a daemon over an empty folder.
    pub(crate) fn of_first_start(log: &str) -> Option<Self> {
        (!log.contains(LISTENS)).then_some(Self::FirstStart)
    }
}

#[test]
fn a_kill_after_the_start_is_no_kill_in_a_start_and_none_while_serving() {
    let listens = format!("{{\"message\":\"{LISTENS}\"}}\n");
    let serves = format!("{listens}{{\"message\":\"state\",\"state\":\"operational\"}}\n");
    let found = [
        Phase::of_start("", false),
        Phase::of_start(&listens, false),
        Phase::of_start(&serves, false),
        Phase::of_start(&serves, true),
        Phase::of_first_start(""),
        Phase::of_first_start(&listens),
    ];
    let (start_up, unlock, exchange) = (Phase::StartUp, Phase::Unlock, Phase::CertificateExchange);
    let expected = [Some(start_up), Some(unlock), None, Some(exchange), Some(Phase::FirstStart), None];
    assert_eq!(found, expected);
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::FirstStart => "first start",
            Self::Migration => "migration",
            Self::StartUp => "start-up",
            Self::Unlock => "unlock",
            Self::CertificateExchange => "certificate exchange",
            Self::Serving => "serving",
            Self::Commit => "commit",
            Self::Lease => "lease",
            Self::Change => "catalog change",
            Self::Drain => "drain",
        })
    }
}

/// Whether the thread that commits the journal is in the disk at this moment, which `tests/support/disk.c` shows to everybody by
/// that thread's name.
pub(crate) fn is_committing(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().any(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        name.trim_end() == "journal-in-disk"
    })
}

/// Numbers for moments nobody plans (xorshift64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        Self(u64::try_from(seed & u128::from(u64::MAX)).unwrap() | 1)
    }

    /// Less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        let at = self.below(some.len() as u64);
        &some[usize::try_from(at).unwrap()]
    }
}
