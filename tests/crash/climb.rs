//! Killed while the store is brought up to a newer layout. There is one layout so far, so the step is this test's own; the
//! file is the rounds' store, the climb and what opens the file are the product's, and the next round's daemon starts over
//! what came of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gembok::store::{FORMAT_VERSION, Ladder, Step, StoreError, StoreFile};
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use crate::phase::Dice;
use crate::support::daemon::Sandbox;

type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;
const ROWS: Rows = TableDefinition::new("rows");
/// As if the layout before ours had called its table so.
const OLD_ROWS: Rows = TableDefinition::new("records");
const FORMAT: TableDefinition<'static, &'static str, u32> = TableDefinition::new("format");
const OLDER: u32 = FORMAT_VERSION - 1;
const LADDER: Ladder = Ladder { top: FORMAT_VERSION, steps: STEPS };
const STEPS: &[Step] = &[(OLDER, carry_over)];
/// Of each round that aims at a climb.
pub(crate) const KILLS: u32 = 8;
const FILE: &str = "GEMBOK_TEST_STORE";
const BEGUN: &str = "the climb has begun";
const UP: &str = "the climb is done";

/// Row by row, so that it takes a while.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a step")]
fn carry_over(writing: &WriteTransaction) -> Result<(), StoreError> {
    println!("{BEGUN}");
    let old = writing.open_table(OLD_ROWS).unwrap();
    let mut new = writing.open_table(ROWS).unwrap();
    for row in old.iter().unwrap() {
        let (place, stored) = row.unwrap();
        new.insert(place.value(), stored.value()).unwrap();
    }
    drop((old, new));
    writing.delete_table(OLD_ROWS).unwrap();
    Ok(())
}

/// The process that is killed.
#[test]
#[ignore = "started by the rounds"]
fn child_climbs() {
    let path = PathBuf::from(std::env::var_os(FILE).unwrap());
    drop(StoreFile::open_by(&path, 8 << 20, LADDER).unwrap());
    println!("{UP}");
}

/// What a round that aims at a climb came to.
pub(crate) struct Climbed {
    /// Kills that fell into it, of [`KILLS`].
    pub(crate) inside: u32,
    /// After so many of them the climb begins again; after the others it is done.
    pub(crate) begun_again: u32,
    /// What one took that was left alone.
    pub(crate) takes: Duration,
}

/// Makes the stopped sandbox's store one of the layout before, kills processes that bring it up, at moments spread over the
/// climb, and lets one finish in the end.
pub(crate) fn kill_climbs(sandbox: &Sandbox, dice: &mut Dice) -> Climbed {
    let (path, older) = (sandbox.path("state/gembok.redb"), sandbox.path("older.redb"));
    let rows = lower(&path);
    fs::copy(&path, &older).unwrap();
    let takes = climb(&path, None).expect("left alone it gets there");
    let mut climbed = Climbed { inside: 0, begun_again: 0, takes };
    let span = takes / KILLS;
    for kill in 0..KILLS {
        fs::copy(&older, &path).unwrap();
        let moment =
            span * kill + Duration::from_micros(dice.below(u64::try_from(span.as_micros()).unwrap()));
        climbed.inside += u32::from(climb(&path, Some(moment)).is_none());
        if look(&path, rows) == OLDER {
            climbed.begun_again += 1;
            // Only the newer program begins again: one that knows no such step leaves every row where it is.
            let mut daemon = sandbox.spawn();
            assert!(!daemon.wait().success());
            assert!(daemon.log().contains("cannot bring it up"), "{}", daemon.log());
            assert_eq!(look(&path, rows), OLDER);
            climb(&path, None).expect("the next start gets there");
        }
        assert_eq!(look(&path, rows), FORMAT_VERSION);
    }
    fs::remove_file(older).unwrap();
    climbed
}

/// How many rows there are.
fn lower(path: &Path) -> u64 {
    let database = Database::open(path).unwrap();
    let writing = database.begin_write().unwrap();
    let rows = writing.open_table(ROWS).unwrap().len().unwrap();
    writing.rename_table(ROWS, OLD_ROWS).unwrap();
    writing.open_table(FORMAT).unwrap().insert("version", OLDER).unwrap();
    writing.commit().unwrap();
    rows
}

/// Lets a process climb, and kills it so long after it has begun; how long it took, unless it was killed before its end.
fn climb(path: &Path, kill_after: Option<Duration>) -> Option<Duration> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "climb::child_climbs", "--ignored", "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(BEGUN)), "it never began");
    let start = Instant::now();
    // To their end: a child nobody listens to complains.
    let up = thread::spawn(move || {
        lines.fold(None, |up, line| if line.contains(UP) { Some(start.elapsed()) } else { up })
    });
    if let Some(moment) = kill_after {
        thread::sleep(moment);
        child.kill().unwrap();
    }
    child.wait().unwrap();
    up.join().unwrap()
}

/// The layout that a start finds; every row lies where that layout has it, and nowhere else.
fn look(path: &Path, rows: u64) -> u32 {
    let database = Database::open(path).unwrap();
    let reading = database.begin_read().unwrap();
    let version = reading.open_table(FORMAT).unwrap().get("version").unwrap().unwrap().value();
    let (here, there) = if version == OLDER { (OLD_ROWS, ROWS) } else { (ROWS, OLD_ROWS) };
    assert_eq!(reading.open_table(here).unwrap().len().unwrap(), rows, "layout {version}");
    assert!(reading.open_table(there).is_err(), "layout {version}: rows of another one");
    version
}
