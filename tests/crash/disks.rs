//! Disks that fail, fill, turn read-only or are slow. Nothing that was acknowledged is lost, nothing is acknowledged that could
//! not be recorded, status says what to do, and on a good disk everything goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::desk::{Desk, done};
use crate::rounds::PATIENCE;
use crate::support::daemon::Sandbox;
use crate::support::mount::may_mount;
use crate::tell;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const NO_RESERVE: &str = "[journal]\nflush_ms = 5\ndisk_reserve_mib = 0\n";

/// A desk whose disk obeys, with `more` at the end of its configuration.
pub(crate) fn commanded(more: &str) -> Desk {
    let mut sandbox = Sandbox::new();
    sandbox.command_disk();
    sandbox.configure(more);
    Desk::new(sandbox, Sandbox::spawn)
}

impl Desk {
    pub(crate) fn disk(&self, command: &str) {
        self.sandbox.disk(command);
    }

    /// Some of both, all acknowledged.
    fn warm_up(&mut self) {
        for _ in 0..20 {
            assert_eq!(self.seal(), done());
            assert_eq!(self.open(), done());
        }
        assert_eq!(self.ready(), 200);
    }

    /// The disk takes nothing any more: from the first strict request on nothing is acknowledged, and everybody is told.
    fn refuses(&mut self, what: &str) {
        assert_eq!(self.open(), (503, "journal-full".into()), "{what}");
        let start = Instant::now();
        while self.seal() != (503, "journal-full".into()) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{what}: still sealing; {}",
                self.daemon.log()
            );
        }
        let status = self.status();
        let trouble = status["journal"]["trouble"].as_str().unwrap_or_else(|| panic!("{what}: {status}"));
        assert!(
            ["disk", "space", "file system"].iter().any(|word| trouble.contains(word)),
            "{what}: {trouble}"
        );
        tell(format_args!("{what}: refused as journal-full; status says: {trouble}"));
    }

    /// The disk is good again: it heals by itself, or a restart heals it.
    fn goes_on(&mut self, what: &str) {
        let start = Instant::now();
        let mut healed = self.open() == done();
        while !healed && start.elapsed() < Duration::from_secs(8) {
            std::thread::sleep(Duration::from_millis(200));
            healed = self.open() == done();
        }
        if !healed {
            self.daemon.signal(rustix::process::Signal::TERM);
            self.daemon.wait();
            self.restart();
        }
        let how = if healed { "by itself" } else { "after a restart" };
        tell(format_args!("{what}: goes on {how}"));
        self.nothing_is_lost();
        assert_eq!(self.seal(), done());
        assert_eq!(self.ready(), 200);
        // And what is there opens from the disk too.
        self.daemon.signal(rustix::process::Signal::TERM);
        assert!(self.daemon.wait().success());
        self.restart();
        self.nothing_is_lost();
    }
}

#[test]
fn a_disk_that_fails_or_is_full_or_read_only_acknowledges_nothing() {
    for (what, errno) in [("a failing disk", EIO), ("a full disk", ENOSPC), ("a read-only disk", EROFS)] {
        let mut desk = commanded("");
        desk.warm_up();
        desk.disk(&format!("errno {errno}"));
        desk.refuses(what);
        desk.disk("ok");
        desk.goes_on(what);
    }
}

#[test]
fn a_slow_disk_slows_strict_answers_and_nothing_else() {
    let mut desk = commanded("");
    desk.warm_up();
    desk.disk("slow 150");
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(desk.seal(), done());
    }
    let batched = start.elapsed();
    for _ in 0..10 {
        assert_eq!(desk.open(), done());
    }
    let strict = start.elapsed().saturating_sub(batched);
    assert!(strict >= Duration::from_millis(1_500), "{strict:?}");
    assert_eq!(desk.ready(), 200);
    tell(format_args!("a disk with 150 ms more a sync: 10 encrypts {batched:?}, 10 decrypts {strict:?}"));
    desk.disk("ok");
    desk.goes_on("a slow disk");
}

/// A file system of one's own.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path, args: &[&str]) -> Self {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(args).arg(at).output().unwrap();
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        fs::set_permissions(at, fs::Permissions::from_mode(0o700)).unwrap();
        Self(at.to_owned())
    }

    fn remount(&self, options: &str) {
        let remounted =
            Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(remounted.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_small_disk_that_fills_under_load_refuses_and_goes_on_with_more_room() {
    if !may_mount("a small disk that fills") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.configure(NO_RESERVE);
    let options = ["-t", "tmpfs", "-o", "size=6m", "tmpfs"];
    let mounted = Mounted::new(&sandbox.path("state"), &options);
    let mut desk = Desk::new(sandbox, Sandbox::spawn);
    desk.warm_up();
    // What nobody else may do on a real disk, and everybody does: fill it.
    let ballast = desk.sandbox.path("state/ballast");
    let free = || rustix::fs::statvfs(desk.sandbox.path("state")).unwrap();
    let room = free().f_bavail * free().f_frsize;
    fs::write(&ballast, vec![1; usize::try_from(room.saturating_sub(64 << 10)).unwrap()]).unwrap();
    let mut live = desk.connect();
    let start = Instant::now();
    loop {
        let last = desk.sealed.len() - 1;
        let outcomes = [desk.seal_over(&mut live), desk.open_over(&mut live, last)];
        if outcomes.iter().any(|outcome| *outcome == (503, "journal-full".into())) {
            break;
        }
        assert!(outcomes.iter().all(|outcome| *outcome == done() || outcome.0 == 429), "{outcomes:?}");
        assert!(start.elapsed() < Duration::from_secs(60), "it never filled");
    }
    desk.refuses("a tmpfs that filled");
    mounted.remount("size=64m");
    desk.goes_on("a tmpfs that filled");
    drop(desk);
    drop(mounted);
}

#[test]
fn a_file_system_that_turns_read_only_refuses_and_goes_on_when_mounted_anew() {
    if !may_mount("a file system that turns read-only") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.configure(NO_RESERVE);
    let image = sandbox.path("image");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
    assert!(made.is_ok_and(|made| made.success()), "it needs mkfs.ext4: install e2fsprogs");
    let (state, image) = (sandbox.path("state"), image.to_str().unwrap().to_owned());
    let mounted = Mounted::new(&state, &["-o", "loop", &image]);
    let mut desk = Desk::new(sandbox, Sandbox::spawn);
    desk.warm_up();
    // What ext4 does to itself when its disk fails.
    let _ = Command::new("mount").args(["-o", "remount,abort"]).arg(&state).status();
    // A change that fails makes everything be read anew, and there is nothing to read it from.
    assert!(!desk.sandbox.run(&["project", "create", "lain"]).status.success());
    let (start, full) = (Instant::now(), (503, "journal-full".to_owned()));
    while [desk.seal(), desk.open()] != [full.clone(), full.clone()] {
        assert!(start.elapsed() < PATIENCE, "it is not refused; {}", desk.daemon.log());
    }
    desk.refuses("an ext4 that aborted");
    desk.daemon.signal(rustix::process::Signal::TERM);
    desk.daemon.wait();
    drop(mounted);
    let mounted = Mounted::new(&state, &["-o", "loop", &image]);
    desk.restart();
    desk.goes_on("an ext4 mounted again");
    drop(desk);
    drop(mounted);
}
