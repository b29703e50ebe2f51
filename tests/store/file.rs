//! The file itself: who may read it, who may open it, what it gives away, what is refused.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use gembok::store::{FORMAT_VERSION, StoreError, StoreFile, Table};
use redb::{Database, TableDefinition};

use crate::support::{CACHE_BYTES, Rig, all, boot, contains, keys, noted, refusal, scanned};

#[test]
fn a_new_file_is_its_owners_alone() {
    let rig = Rig::new();
    let file = rig.open();
    assert_eq!(std::fs::metadata(rig.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.boot().unwrap(), None);
    assert!(matches!(file.unlock(keys()), Err(StoreError::NotInitialised)));
}

#[test]
fn what_a_crash_left_of_one_in_the_making_is_made_anew() {
    let rig = Rig::new();
    let half_made = rig.path().with_extension("redb-new");
    // As redb leaves a file that it was about to begin.
    std::fs::write(&half_made, vec![0; 1 << 20]).unwrap();
    let file = rig.open();
    assert_eq!(file.boot().unwrap(), None);
    assert!(!half_made.exists());
    file.initialise(boot(), keys(), noted(1)).unwrap();
    drop(file);
    assert!(rig.open().boot().unwrap().is_some());
}

#[test]
fn locked_it_gives_out_the_boot_row_and_is_filled_only_once() {
    let (rig, file, store) = Rig::initialised();
    drop((store, file));
    let file = rig.open();
    assert_eq!(file.boot().unwrap(), Some(boot()));
    assert!(matches!(file.initialise(boot(), keys(), noted(1)), Err(StoreError::AlreadyInitialised)));
}

#[test]
fn an_initialisation_that_is_refused_leaves_it_empty() {
    let rig = Rig::new();
    let file = rig.open();
    let traceless = gembok::store::Batch::new(1);
    assert!(matches!(file.initialise(boot(), keys(), traceless), Err(StoreError::Refused { .. })));
    assert_eq!(file.boot().unwrap(), None);
    file.initialise(boot(), keys(), noted(1)).unwrap();
}

#[test]
fn it_is_unlocked_once_at_a_time_and_again_after_every_clone_is_gone() {
    let (_rig, file, store) = Rig::initialised();
    let clone = store.clone();
    drop(store);
    assert!(matches!(file.unlock(keys()), Err(StoreError::AlreadyUnlocked)));
    drop(clone);
    let (store, _) = file.unlock(keys()).unwrap();
    assert!(matches!(file.unlock(keys()), Err(StoreError::AlreadyUnlocked)));
    drop(store);
    file.unlock(keys()).unwrap();
}

#[test]
fn values_and_names_never_lie_in_the_file() {
    let (rig, file, store) = Rig::initialised();
    let secrets: [&[u8]; 3] = [b"3602041211870001", b"absensi-endpoint", b"audited-sentence"];
    let name = store.name_key(Table::Names, &[0; 16], "absensi-endpoint");
    store
        .commit(
            noted(2)
                .put(Table::Users, b"id", secrets[0].to_vec())
                .put(Table::Names, &name, secrets[1].to_vec())
                .put(Table::Statistics, b"st", secrets[0].to_vec())
                .record(2, 1, secrets[2]),
        )
        .unwrap();
    store.commit(noted(3).delete(Table::Users, b"id")).unwrap();
    drop((store, file));
    assert!(contains(&rig.path(), &name), "row keys do, so the file is the right one");
    for secret in secrets {
        assert!(!contains(&rig.path(), secret));
    }
    for key in [1u8, 100] {
        assert!(!contains(&rig.path(), &[key; 32]), "the keys themselves");
    }
}

#[test]
fn more_data_than_the_cache_holds_is_still_all_there() {
    let rig = Rig::new();
    let file = StoreFile::open(&rig.path(), 64 << 10).unwrap();
    let store = file.initialise(boot(), keys(), noted(1)).unwrap();
    for n in 0..20u8 {
        let mut batch = noted(2);
        for m in 0..50u8 {
            batch = batch.put(Table::Objects, &[n, m], vec![n ^ m; 1_000]);
        }
        store.commit(batch).unwrap();
    }
    let rows = scanned(&store, Table::Objects, all(2_000));
    assert_eq!(rows.len(), 1_000);
    assert!(rows.iter().all(|(key, value)| value == &vec![key[0] ^ key[1]; 1_000]));
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let rig = Rig::new();
    std::fs::write(rig.path(), b"some other file, longer than any header a database could have".repeat(200))
        .unwrap();
    let before = std::fs::read(rig.path()).unwrap();
    let message = refusal(StoreFile::open(&rig.path(), CACHE_BYTES));
    assert!(message.contains("is not a Gembok store"), "{message}");
    assert_eq!(std::fs::read(rig.path()).unwrap(), before);

    let rig = Rig::new();
    let foreign = Database::create(rig.path()).unwrap();
    let writing = foreign.begin_write().unwrap();
    writing.open_table(TableDefinition::<u8, u8>::new("theirs")).unwrap().insert(1, 1).unwrap();
    writing.commit().unwrap();
    drop(foreign);
    assert!(matches!(StoreFile::open(&rig.path(), CACHE_BYTES), Err(StoreError::NotAStore { .. })));

    let nowhere = rig.path().join("no-such-directory/gembok.redb");
    assert!(matches!(StoreFile::open(&nowhere, CACHE_BYTES), Err(StoreError::Unopenable { .. })));
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let (rig, file, store) = Rig::initialised();
    drop((store, file));
    let database = Database::open(rig.path()).unwrap();
    let writing = database.begin_write().unwrap();
    let format = TableDefinition::<&str, u32>::new("format");
    writing.open_table(format).unwrap().insert("version", FORMAT_VERSION + 1).unwrap();
    writing.commit().unwrap();
    drop(database);
    let message = refusal(StoreFile::open(&rig.path(), CACHE_BYTES));
    assert!(
        message.contains("has format 2") && message.contains("Run the version that wrote it"),
        "{message}"
    );
}

/// The other process of the next test: opens the file named by the variable, says so, waits to be killed.
#[test]
#[ignore = "started by a_second_process_is_told_to_wait"]
fn child_holds_the_file() {
    let path = std::env::var_os("GEMBOK_TEST_STORE").unwrap();
    let _file = StoreFile::open(path.as_ref(), CACHE_BYTES).unwrap();
    println!("holding");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn a_second_process_is_told_to_wait() {
    let rig = Rig::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::child_holds_the_file", "--ignored", "--nocapture"])
        .env("GEMBOK_TEST_STORE", rig.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let holding =
        BufReader::new(child.stdout.take().unwrap()).lines().any(|line| line.unwrap().contains("holding"));
    let refused = StoreFile::open(&rig.path(), CACHE_BYTES);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(holding);
    let message = refusal(refused);
    assert!(
        message.contains("in use by another process") && message.contains("Stop that one first"),
        "{message}"
    );
    rig.open();
}

#[test]
fn a_second_opening_in_this_process_is_refused_too() {
    let rig = Rig::new();
    let file = rig.open();
    assert!(matches!(StoreFile::open(&rig.path(), CACHE_BYTES), Err(StoreError::InUse { .. })));
    drop(file);
    rig.open();
}
