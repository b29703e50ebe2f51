//! One bit of the file rots after a clean end, in any of its pages. The next start does not read the whole file, so what it
//! does not see must show later, or harm nothing: every row that was committed is there, or is named, or the file is refused
//! with words that help. Each start is a process of its own, because a database that meets a rotten page of its books can end
//! the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gembok::store::{StoreFile, Table, Verdict};

use crate::rot::{PAGE_BYTES, Rows, committed, filled, key, places, rows};
use crate::support::{CACHE_BYTES, Rig, keys, noted};

const FILE: &str = "GEMBOK_TEST_STORE";
/// Enough to use every free page that a start believes in.
const COMMITS: u32 = 60;

/// The process that meets the rotten file: serves if it may, and says how far it came.
#[test]
#[ignore = "started by a_bit_that_rots_after_a_clean_end_loses_nothing_in_silence"]
fn child_starts_and_commits() {
    let path = PathBuf::from(std::env::var_os(FILE).unwrap());
    let said = match StoreFile::open(&path, CACHE_BYTES) {
        Err(error) => format!("refused: {error}"),
        Ok(file) => match file.unlock(keys()) {
            Err(error) => format!("refused: {error}"),
            Ok((_, unlocked)) if unlocked.verdict != Verdict::Intact => "locked".into(),
            Ok((store, _)) => {
                let commit =
                    |n: u32| store.commit(noted(9).put(Table::Projects, &key(n), vec![1; 3_000])).map(drop);
                match (0..COMMITS).try_for_each(commit) {
                    Ok(()) => "served".into(),
                    Err(error) => format!("stopped: {error}"),
                }
            }
        },
    };
    println!("<{said}>");
}

#[test]
fn a_bit_that_rots_after_a_clean_end_loses_nothing_in_silence() {
    let rig = filled();
    let committed = committed(&rig);
    let whole = fs::read(rig.path()).unwrap();
    let mut ends: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let in_use = whole.chunks(PAGE_BYTES).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    for (number, page) in in_use {
        // What the file's head makes of its bytes is tried over a file that was not closed.
        for at in places(number, page).into_iter().step_by(if number == 0 { 8 } else { 1 }) {
            let mut bent = whole.clone();
            let at = number * PAGE_BYTES + at;
            bent[at] ^= 1 << (at / 7 % 8);
            fs::write(rig.path(), &bent).unwrap();
            let said = serve(&rig.path(), at);
            let (how, words) = said.split_once(": ").unwrap_or((&said, "backup"));
            assert!(
                how == "stopped" || words.contains("backup") || words.contains("system log"),
                "{at}: {said}"
            );
            *ends.entry((how.to_owned(), look(&rig, &committed, at))).or_default() += 1;
        }
    }
    println!("{ends:?}");
    // A bit in the database's list of free pages may let it write over one in use. The start after that tells (`look`).
    let told_late: usize = ends
        .iter()
        .filter(|((how, after), _)| how == "served" && *after != "whole")
        .map(|(_, count)| count)
        .sum();
    assert!(told_late * 50 <= ends.values().sum(), "{ends:?}");
    for how in ["served", "locked", "refused"] {
        assert!(ends.keys().any(|(seen, _)| seen == how), "{ends:?}");
    }
}

/// What the process says of its start; it ends by itself, whatever it meets.
fn serve(path: &Path, at: usize) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rot_after_stop::child_starts_and_commits", "--ignored", "--nocapture"])
        .env(FILE, path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = said.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    match told {
        Some((told, _)) if output.status.success() => told.to_owned(),
        _ => panic!("{at}: {}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// How the next start finds it: nothing is missing unless that is said.
fn look(rig: &Rig, committed: &Rows, at: usize) -> &'static str {
    let Ok(file) = StoreFile::open(&rig.path(), CACHE_BYTES) else { return "not opened" };
    let Ok((store, unlocked)) = file.unlock(keys()) else { return "not unlocked" };
    // Of the commits that came after nobody asks.
    let found: Rows = rows(&store).into_iter().filter_map(|(place, row)| Some((place, row.ok()?))).collect();
    let found: Rows = found.into_iter().filter(|(place, _)| committed.contains_key(place)).collect();
    let is_whole = found == *committed;
    match unlocked.verdict {
        Verdict::Intact | Verdict::Rotten => {
            assert!(is_whole, "{at}: rows are gone, and nobody says so");
            "whole"
        }
        Verdict::Damaged(rows) => {
            assert!(!rows.is_empty(), "{at}");
            "named"
        }
        Verdict::Altered => "altered",
    }
}
