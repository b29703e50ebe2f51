//! The process is killed while it commits. What was answered for is there, nothing is there by half, the chain goes on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use gembok::store::{StoreFile, Table, Verdict};

use crate::support::{CACHE_BYTES, Rig, keys, noted, value};

/// The process that is killed: commits two rows at a time and prints each sequence once it is durable.
#[test]
#[ignore = "started by a_killed_process_loses_nothing_it_answered_for"]
fn child_commits_until_killed() {
    let path = std::env::var_os("GEMBOK_TEST_STORE").unwrap();
    let file = StoreFile::open(path.as_ref(), CACHE_BYTES).unwrap();
    let (store, unlocked) = file.unlock(keys()).unwrap();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    loop {
        let next = store.head().next_sequence;
        let batch = noted(next).put(Table::Users, &next.to_be_bytes(), next.to_string().into_bytes()).put(
            Table::Counters,
            b"last",
            next.to_string().into_bytes(),
        );
        let committed = store.commit(batch).unwrap();
        println!("durable {}", committed.header.first_sequence);
    }
}

#[test]
fn a_killed_process_loses_nothing_it_answered_for() {
    let (rig, file, store) = Rig::initialised();
    drop((store, file));
    for round in 1..=4 {
        let answered = killed_while_committing(&rig, 17 * round);
        let (_file, store, unlocked) = rig.unlocked();
        assert_eq!(unlocked.verdict, Verdict::Intact);
        let next = store.head().next_sequence;
        assert!(next > answered, "answered for {answered}, and the next is {next}");
        for at in 1..next {
            assert_eq!(value(&store, Table::Users, &at.to_be_bytes()).unwrap(), at.to_string().into_bytes());
        }
        assert_eq!(value(&store, Table::Users, &next.to_be_bytes()), None);
        assert_eq!(value(&store, Table::Counters, b"last").unwrap(), (next - 1).to_string().into_bytes());
        let blocks: Vec<_> = store.blocks(0, 10_000).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(blocks.len() as u64, next);
        crate::chain::verify(&blocks);
    }
}

/// Lets another process commit to the store of `rig`, kills it after so many commits; the last sequence it answered for.
pub(crate) fn killed_while_committing(rig: &Rig, commits: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_commits_until_killed", "--ignored", "--nocapture"])
        .env("GEMBOK_TEST_STORE", rig.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = None;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok).filter(|line| line.contains("durable")).take(commits) {
        answered = sequence(&line).or(answered);
    }
    child.kill().unwrap();
    // What it still said before it died counts as answered.
    for line in lines.map_while(Result::ok) {
        answered = sequence(&line).or(answered);
    }
    child.wait().unwrap();
    answered.unwrap()
}

fn sequence(line: &str) -> Option<u64> {
    line.split_once("durable ")?.1.trim().parse().ok()
}
