//! A lock while the disk keeps whoever writes: it is what an operator does when something is wrong, so it must not wait.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::desk::done;
use crate::disks::commanded;
use crate::rounds::PATIENCE;
use crate::tell;

/// Longer than a lock waits for requests at work.
const LOCKED_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn a_lock_waits_for_no_disk() {
    let mut desk = commanded("");
    assert_eq!((desk.seal(), desk.open()), (done(), done()));
    desk.disk("hold");
    let mut changing = desk.sandbox.command(&["project", "create", "lain"]).spawn().unwrap();
    let (held, start) = (desk.sandbox.path("disk.held"), Instant::now());
    while !held.exists() {
        assert!(start.elapsed() < PATIENCE, "no write was held; {}", desk.daemon.log());
        sleep(Duration::from_millis(1));
    }
    let start = Instant::now();
    let mut locking = desk.sandbox.command(&["lock"]).spawn().unwrap();
    while desk.seal() != (503, "locked".into()) {
        assert!(start.elapsed() < LOCKED_WITHIN, "it still seals; {}", desk.daemon.log());
        sleep(Duration::from_millis(10));
    }
    tell(format_args!("locked after {:?}, with a write that the disk keeps", start.elapsed()));
    assert_eq!(desk.sandbox.state(), "locked");
    assert!(locking.try_wait().unwrap().is_none(), "the disk keeps its record too");
    desk.disk("ok");
    assert!(changing.wait().unwrap().success());
    assert!(locking.wait().unwrap().success());
    desk.sandbox.done(&["unlock"]);
    desk.meet();
    desk.nothing_is_lost();
    assert!(!desk.daemon.log().contains("the last end was not clean"), "{}", desk.daemon.log());
    assert!(desk.daemon.stop().success());
}
