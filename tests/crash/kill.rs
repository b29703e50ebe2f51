//! The kill itself: waited for under load, at the moment aimed at, with a look at what was under way.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::load::Field;
use crate::phase::{Dice, Phase, is_committing};
use crate::rounds::{ACKNOWLEDGED_MIN, PATIENCE};
use crate::support::daemon::Daemon;

/// Waits for a thousand acknowledged requests and the moment, kills, and says what was under way.
pub(crate) fn kill(mut daemon: Daemon, field: &Field, aim: Phase, dice: &mut Dice) -> (Vec<Phase>, Daemon) {
    let start = Instant::now();
    while field.acknowledged.load(SeqCst) < ACKNOWLEDGED_MIN {
        if start.elapsed() > PATIENCE {
            field.is_over.store(true, SeqCst);
            panic!("{} requests in {PATIENCE:?}; log:\n{}", field.acknowledged.load(SeqCst), daemon.log());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let waited_for: &dyn Fn() -> bool = match aim {
        Phase::Commit => &|| is_committing(daemon.id()),
        Phase::Lease => &|| field.is_leasing.load(SeqCst),
        Phase::Change => &|| field.is_changing.load(SeqCst),
        _ => &|| true,
    };
    let start = Instant::now();
    while !waited_for() && start.elapsed() < Duration::from_secs(2) {
        thread::yield_now();
    }
    let micros = match aim {
        Phase::Commit => 0,
        Phase::Lease | Phase::Change => dice.below(3_000),
        _ => dice.below(30_000),
    };
    if aim == Phase::Drain {
        field.is_over.store(true, SeqCst);
        daemon.signal(Signal::TERM);
    }
    thread::sleep(Duration::from_micros(micros));
    let mut hit = Vec::new();
    if is_committing(daemon.id()) {
        hit.push(Phase::Commit);
    }
    field.is_over.store(true, SeqCst);
    daemon.signal(Signal::KILL);
    if field.is_leasing.load(SeqCst) {
        hit.push(Phase::Lease);
    }
    if field.is_changing.load(SeqCst) {
        hit.push(Phase::Change);
    }
    daemon.wait();
    if aim == Phase::Drain && !daemon.log().contains("\"stopped\"") {
        hit.push(Phase::Drain);
    }
    if hit.is_empty() {
        hit.push(Phase::Serving);
    }
    (hit, daemon)
}

pub(crate) fn wait_for(daemon: &Daemon, line: &str) {
    let start = Instant::now();
    while !daemon.log().contains(line) {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {line}; log:\n{}", daemon.log());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Up to its end it had nothing to complain of, save a token that was lost and put back.
pub(crate) fn healthy(daemon: &Daemon) {
    let log = daemon.log();
    let is_error = |line: &&str| line.contains("\"ERROR\"") && !line.contains("does not hold the token");
    assert!(!log.lines().any(|line| is_error(&line)) && !log.contains("panic"), "{log}");
}
