//! The file written anew: every row is as it was, and of what rows held before nothing is left, also where a crash has left pieces.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use gembok::store::{Store, Table, Verdict};

use crate::support::{Rig, noted, value};

fn old_of(rig: &Rig) -> std::path::PathBuf {
    rig.path().with_extension("redb-old")
}

/// Whether the middle of a stored row lies in a file.
fn lies_in(file: &Path, row: &[u8]) -> bool {
    let middle = &row[32..64];
    fs::read(file).unwrap().windows(middle.len()).any(|bytes| bytes == middle)
}

/// A store in which one row has held something else before, many others beside it, and that row as it lay then.
fn changed() -> (Rig, Vec<u8>) {
    let (rig, file, store) = Rig::initialised();
    let mut batch = noted(2).put(Table::KeyVersions, b"doomed", vec![7; 300]);
    for number in 0..500u32 {
        batch = batch.put(Table::Objects, &number.to_be_bytes(), vec![1; 200]);
    }
    store.commit(batch).unwrap();
    drop((store, file));
    let place = [&Table::KeyVersions.number().to_be_bytes()[..], b"doomed"].concat();
    let before = rig.stored_at(&place);
    let (file, store, _) = rig.unlocked();
    store.commit(noted(3).put(Table::KeyVersions, b"doomed", vec![8; 40])).unwrap();
    drop((store, file));
    assert!(lies_in(&rig.path(), &before), "a change alone leaves it in the file");
    (rig, before)
}

fn is_whole(store: &Store) {
    assert_eq!(value(store, Table::KeyVersions, b"doomed").unwrap(), vec![8; 40]);
    for number in 0..500u32 {
        assert_eq!(value(store, Table::Objects, &number.to_be_bytes()).unwrap(), vec![1; 200]);
    }
}

#[test]
fn every_row_is_as_it_was_and_nothing_of_before_is_left() {
    let (rig, before) = changed();
    let (file, store, _) = rig.unlocked();
    let head = store.head();
    // What was beside the file under that name, and is read through another.
    let watched = rig.path().with_extension("watched");
    fs::hard_link(rig.path(), &watched).unwrap();
    store.rewrite().unwrap();
    assert_eq!(store.head(), head);
    is_whole(&store);
    assert!(!old_of(&rig).exists() && !lies_in(&rig.path(), &before));
    assert!(!lies_in(&watched, &before), "the old file is written over, not only taken away");
    store.commit(noted(4).put(Table::Users, b"u", b"later".to_vec())).unwrap();
    drop((store, file));
    let (_file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    is_whole(&store);
    assert_eq!(value(&store, Table::Users, b"u").unwrap(), b"later");
}

#[test]
fn what_a_crash_has_left_goes_with_the_next_time() {
    let (rig, before) = changed();
    // Before the new file took the place: the second name leads to the file itself, and half of a copy lies about.
    fs::hard_link(rig.path(), old_of(&rig)).unwrap();
    fs::write(rig.path().with_extension("redb-new"), b"half").unwrap();
    let (file, store, _) = rig.unlocked();
    is_whole(&store);
    store.rewrite().unwrap();
    is_whole(&store);
    assert!(!old_of(&rig).exists() && !lies_in(&rig.path(), &before));
    // After it: the old one lies there with all it held.
    fs::OpenOptions::new().create(true).append(true).open(old_of(&rig)).unwrap().write_all(&before).unwrap();
    store.rewrite().unwrap();
    is_whole(&store);
    assert!(!old_of(&rig).exists() && !rig.path().with_extension("redb-new").exists());
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn where_there_is_no_room_for_a_copy_the_store_goes_on() {
    let (rig, before) = changed();
    let (file, store, _) = rig.unlocked();
    // A folder under the name of the copy is in its way, as a full disk would be.
    let copy = rig.path().with_extension("redb-new");
    fs::create_dir(&copy).unwrap();
    assert!(store.rewrite().is_err());
    is_whole(&store);
    store.commit(noted(4).put(Table::Users, b"u", b"later".to_vec())).unwrap();
    fs::remove_dir(&copy).unwrap();
    store.rewrite().unwrap();
    assert!(!lies_in(&rig.path(), &before));
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}
