//! A byte of the store's file rots while a daemon that stopped in order is away, in pages of every kind. The next one serves
//! and everything acknowledged is there, or it stays locked and names what is damaged, or it refuses to start and says what
//! helps. None crashes, and none goes on as if nothing had been acknowledged.

use std::collections::BTreeMap;
use std::fs;

use crate::desk::{Desk, done};
use crate::support::daemon::{PROJECT, Sandbox};
use crate::tell;
use crate::vault::copy;

const PAGE_BYTES: usize = 4_096;
/// Pages that rot, one after the other, besides the first.
const PAGES: usize = 16;

/// How a start over a rotten file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It serves, and all is there.
    Served,
    /// It serves, and says which record it cannot read.
    ServedButNamed,
    /// It serves what is there, and at a commit finds a rotten page, says so and acknowledges nothing.
    NoCommit,
    Locked,
    Refused,
}

#[test]
fn a_byte_that_rots_after_a_clean_stop_is_harmless_or_told() {
    let mut desk = Desk::new(Sandbox::new(), Sandbox::spawn);
    for number in 0..150 {
        desk.sandbox.done(&["object", "create", &format!("objek-{number}"), "--project", PROJECT]);
    }
    for _ in 0..40 {
        assert_eq!(desk.seal(), done());
        assert_eq!(desk.open(), done());
    }
    desk.stop();
    let (store, opened) = (desk.sandbox.path("state/gembok.redb"), desk.opened);
    let whole = fs::read(&store).unwrap();
    let (tokens, kept) = (desk.sandbox.softhsm().tokens(), desk.sandbox.path("kept"));
    copy(&tokens, &kept);
    let mut ends: BTreeMap<End, usize> = BTreeMap::new();
    for at in places(&whole) {
        let mut bent = whole.clone();
        bent[at] ^= 1 << (at / 7 % 8);
        fs::write(&store, &bent).unwrap();
        // The token knows how far the last one came.
        fs::remove_dir_all(&tokens).unwrap();
        copy(&kept, &tokens);
        desk.opened = opened;
        let end = desk.starts_over(at);
        *ends.entry(end).or_default() += 1;
    }
    tell(format_args!("after a byte rotted while it was stopped: {ends:?}"));
    assert!([End::Served, End::Locked, End::Refused].iter().all(|end| ends.contains_key(end)), "{ends:?}");
}

/// Of the file's head a few bytes, of other pages one each: pages of rows, of branches, of blocks, of the database's books,
/// and such as are no longer in use.
fn places(whole: &[u8]) -> Vec<usize> {
    let written = |page: usize| -> Vec<usize> {
        let from = page * PAGE_BYTES;
        (from..from + PAGE_BYTES).filter(|at| whole.get(*at).is_some_and(|byte| *byte != 0)).collect()
    };
    let head = written(0);
    let pages: Vec<Vec<usize>> =
        (1..whole.len() / PAGE_BYTES).map(written).filter(|page| !page.is_empty()).collect();
    let step = (pages.len() / PAGES).max(1);
    let some = pages.iter().enumerate().step_by(step).map(|(number, page)| match number % 2 {
        0 => page[0],
        _ => page[number * 31 % page.len()],
    });
    head.iter().copied().step_by(head.len() / 8).chain(some).collect()
}

impl Desk {
    fn stop(&mut self) {
        self.daemon.signal(rustix::process::Signal::TERM);
        assert!(self.daemon.wait().success(), "{}", self.daemon.log());
    }

    fn starts_over(&mut self, at: usize) -> End {
        self.daemon = self.sandbox.spawn();
        let ended = self.daemon.settled();
        let log = self.daemon.log();
        if let Some(status) = ended {
            // By itself, with words: not by a signal.
            assert_eq!(status.code(), Some(1), "{at}: {status}; {log}");
            assert!(log.contains("backup"), "{at}: {log}");
            return End::Refused;
        }
        if self.sandbox.state() == "locked" {
            let reason = self.status()["reason"].as_str().unwrap_or_default().to_owned();
            assert!(!reason.starts_with("rollback:"), "{at}: {reason}; {log}");
            assert!(reason.contains("backup") || reason.contains("--accept-damage"), "{at}: {reason}; {log}");
            self.stop();
            return End::Locked;
        }
        self.meet();
        let end = if self.is_all_there() { End::Served } else { End::ServedButNamed };
        let log = self.daemon.log();
        assert!(end == End::Served || log.contains("fault") || log.contains("damaged"), "{at}: {log}");
        let sealed = self.seal();
        let end = if sealed == done() {
            self.sealed.pop();
            end
        } else {
            let log = self.daemon.log();
            assert_eq!(sealed, (503, "journal-full".into()), "{at}: {log}");
            assert!(log.contains("a page of the file is damaged"), "{at}: {log}");
            End::NoCommit
        };
        self.daemon.signal(rustix::process::Signal::TERM);
        let status = self.daemon.wait();
        assert!(status.code().is_some(), "{at}: {status}; {}", self.daemon.log());
        end
    }
}
