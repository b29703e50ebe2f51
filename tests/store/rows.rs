//! get, scan and commit; what a batch may hold; expectations.

use gembok::crypto::block::write_leaf;
use gembok::store::{
    Batch, KEY_BYTES_MAX, Scan, Store, StoreError, StoreKeys, Table, VALUE_BYTES_MAX, Verdict,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::support::{Rig, all, noted, place, refusal, row, scanned, secret, value};

#[test]
fn a_row_is_there_after_its_commit_and_gone_after_its_deletion() {
    let (rig, file, store) = Rig::initialised();
    assert_eq!(value(&store, Table::Users, b"u1"), None);
    store
        .commit(noted(2).put(Table::Users, b"u1", b"one".to_vec()).put(
            Table::Projects,
            b"u1",
            b"other".to_vec(),
        ))
        .unwrap();
    assert_eq!(value(&store, Table::Users, b"u1").unwrap(), b"one");
    assert_eq!(value(&store, Table::Projects, b"u1").unwrap(), b"other");
    store.commit(noted(3).delete(Table::Users, b"u1").delete(Table::Users, b"never-there")).unwrap();
    assert_eq!(value(&store, Table::Users, b"u1"), None);
    drop((store, file));
    let (_file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    assert_eq!(unlocked.rows, 2, "the boot row and one project");
    assert_eq!(value(&store, Table::Projects, b"u1").unwrap(), b"other");
}

#[test]
fn changes_of_one_batch_apply_in_their_order() {
    let (rig, file, store) = Rig::initialised();
    let batch = noted(2)
        .put(Table::Users, b"a", b"1".to_vec())
        .put(Table::Users, b"a", b"2".to_vec())
        .put(Table::Users, b"b", b"1".to_vec())
        .delete(Table::Users, b"b");
    store.commit(batch).unwrap();
    assert_eq!(scanned(&store, Table::Users, all(10)), [(b"a".to_vec(), b"2".to_vec())]);
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn a_scan_stays_in_its_table_and_prefix_and_goes_on_after_a_key() {
    let (_rig, _file, store) = Rig::initialised();
    let mut batch = noted(2).put(Table::Keks, b"aa", vec![]).put(Table::ApiKeys, b"aa", vec![]);
    for key in [&b"a"[..], b"aa", b"ab", b"ab\xFF", b"ab\xFF\xFF", b"b", b"\xFF\xFF"] {
        batch = batch.put(Table::Endpoints, key, key.to_vec());
    }
    store.commit(batch).unwrap();
    let keys = |prefix, after, limit| -> Vec<Vec<u8>> {
        let found = scanned(&store, Table::Endpoints, Scan { prefix, after, limit });
        found.into_iter().inspect(|(key, value)| assert_eq!(key, value)).map(|(key, _)| key).collect()
    };
    assert_eq!(keys(b"", None, 100), [&b"a"[..], b"aa", b"ab", b"ab\xFF", b"ab\xFF\xFF", b"b", b"\xFF\xFF"]);
    assert_eq!(keys(b"ab", None, 100), [&b"ab"[..], b"ab\xFF", b"ab\xFF\xFF"]);
    assert_eq!(keys(b"ab", Some(b"ab\xFF"), 100), [b"ab\xFF\xFF"]);
    assert_eq!(keys(b"a", Some(b"aa"), 2), [&b"ab"[..], b"ab\xFF"]);
    assert_eq!(keys(b"ab", Some(b"a"), 1), [b"ab"], "a key before the prefix changes nothing");
    assert_eq!(keys(b"ab", Some(b"b"), 9), Vec::<Vec<u8>>::new(), "a key behind the prefix ends it");
    assert_eq!(keys(b"", None, 0), Vec::<Vec<u8>>::new());
    assert!(matches!(store.scan(Table::Boot, all(1)), Err(StoreError::Refused { .. })));
    assert!(matches!(store.get(Table::Boot, b""), Err(StoreError::Refused { .. })));
}

#[test]
fn a_conflict_names_the_row_and_changes_nothing() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2).put(Table::Names, b"n", b"first".to_vec())).unwrap();
    let first = row(&store, Table::Names, b"n").revision;
    store
        .commit(noted(3).expect_at(Table::Names, b"n", first).put(Table::Names, b"n", b"second".to_vec()))
        .unwrap();
    let second = row(&store, Table::Names, b"n").revision;
    assert_ne!(first, second);

    let before = store.head();
    let change =
        || noted(4).put(Table::Users, b"u", b"x".to_vec()).put(Table::Names, b"n", b"third".to_vec());
    for lost in [
        change().expect_at(Table::Names, b"n", first),
        change().expect_absent(Table::Names, b"n"),
        change().expect_at(Table::Names, b"n", second).expect_at(Table::Names, b"m", second),
    ] {
        let Err(StoreError::Conflict { row }) = store.commit(lost) else { panic!("no conflict") };
        assert_eq!(row.table(), Some(Table::Names));
    }
    assert_eq!(store.head(), before);
    assert_eq!(value(&store, Table::Users, b"u"), None);
    assert_eq!(value(&store, Table::Names, b"n").unwrap(), b"second");

    let won = change().expect_at(Table::Names, b"n", second).expect_absent(Table::Names, b"m");
    store.commit(won).unwrap();
    assert_eq!(value(&store, Table::Names, b"n").unwrap(), b"third");
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn writing_the_same_value_again_is_a_new_revision() {
    let (_rig, _file, store) = Rig::initialised();
    let write = || store.commit(noted(2).put(Table::Counters, b"c", b"same".to_vec())).unwrap();
    write();
    let first = row(&store, Table::Counters, b"c");
    write();
    let second = row(&store, Table::Counters, b"c");
    assert_eq!(first.value, second.value);
    assert_ne!(first.revision, second.revision);
}

#[test]
fn a_batch_that_breaks_a_rule_is_refused_whole() {
    let (_rig, _file, store) = Rig::initialised();
    let before = store.head();
    let mut cut = Vec::new();
    write_leaf(&mut cut, 1, 1, b"body");
    cut.pop();
    let long_key = vec![1; KEY_BYTES_MAX + 1];
    let revision = {
        store.commit(noted(2).put(Table::Users, b"u", vec![])).unwrap();
        row(&store, Table::Users, b"u").revision
    };
    let after = store.head();
    assert_ne!(before, after);
    let good = || noted(3).put(Table::Users, b"good", vec![1]);
    for (batch, why) in [
        (Batch::new(3).put(Table::Users, b"good", vec![1]), "nothing is changed without a trace"),
        (good().records(cut, 1), "longer than what is left"),
        (good().records(Vec::new(), 1), "another count of records"),
        (good().put(Table::Users, b"", vec![]), "key is empty"),
        (good().put(Table::Users, &long_key, vec![]), "KEY_BYTES_MAX"),
        (good().delete(Table::Users, &long_key), "KEY_BYTES_MAX"),
        (good().expect_absent(Table::Users, &long_key), "KEY_BYTES_MAX"),
        (good().put(Table::Users, b"k", vec![0; VALUE_BYTES_MAX + 1]), "VALUE_BYTES_MAX"),
        (good().put(Table::Boot, b"", vec![]), "put_boot"),
        (good().delete(Table::Boot, b""), "put_boot"),
        (good().expect_at(Table::Boot, b"", revision), "not subject to expectations"),
        (good().put(Table::Blocks, &[0; 8], vec![]), "written by the store"),
        (good().delete(Table::Blocks, &[0; 8]), "kept for ever"),
        (good().put(Table::BlockBodies, &[0; 8], vec![]), "written by the store"),
    ] {
        let message = refusal(store.commit(batch));
        assert!(message.contains(why), "{message} does not say {why}");
    }
    assert_eq!(store.head(), after);
    assert_eq!(value(&store, Table::Users, b"good"), None);
    let longest = good().put(Table::Users, &long_key[1..], vec![7; VALUE_BYTES_MAX]);
    store.commit(longest).unwrap();
    assert_eq!(value(&store, Table::Users, &long_key[1..]).unwrap(), vec![7; VALUE_BYTES_MAX]);
}

#[test]
fn many_rows_are_found_in_the_order_they_were_asked_for_the_damaged_among_them() {
    let (rig, file, store) = Rig::initialised();
    let two = noted(2).put(Table::Users, b"a", b"one".to_vec()).put(Table::Users, b"c", b"three".to_vec());
    store.commit(two.put(Table::Projects, b"b", b"another".to_vec())).unwrap();
    let found = |store: &Store, keys: &[&str]| -> Vec<Option<Vec<u8>>> {
        let rows = store.get_each(Table::Users, keys.iter()).unwrap().into_iter();
        rows.map(|row| row.unwrap().map(|row| row.value.to_vec())).collect()
    };
    let (one, three) = (Some(b"one".to_vec()), Some(b"three".to_vec()));
    assert_eq!(found(&store, &["a", "b", "c"]), [one.clone(), None, three.clone()]);
    assert_eq!(found(&store, &["c", "a", "c"]), [three.clone(), one, three.clone()]);
    assert!(found(&store, &[]).is_empty());
    assert!(matches!(store.get_each(Table::Boot, ["a"].iter()), Err(StoreError::Refused { .. })));
    drop((store, file));
    let place = place(Table::Users, b"a");
    let mut stored = rig.stored_at(&place);
    *stored.last_mut().unwrap() ^= 1;
    rig.tamper(&place, Some(&stored));
    let (_file, store, _) = rig.unlocked();
    let mut rows = store.get_each(Table::Users, ["a", "c"].iter()).unwrap().into_iter();
    assert!(matches!(rows.next().unwrap(), Err(StoreError::Damaged { row, .. }) if row.key() == b"a"));
    assert_eq!(rows.next().unwrap().unwrap().map(|row| row.value.to_vec()), three);
}

#[test]
fn statistics_are_sealed_too_but_no_part_of_the_digest() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2).put(Table::Statistics, b"minute", b"42".to_vec())).unwrap();
    assert_eq!(value(&store, Table::Statistics, b"minute").unwrap(), b"42");
    drop((store, file));
    assert_eq!(rig.unlocked().2.rows, 1, "only the boot row counts");
}

#[test]
fn names_are_looked_up_by_their_hmac_under_the_name_key() {
    let (_rig, _file, store) = Rig::initialised();
    let mut mac = Hmac::<Sha256>::new_from_slice(&[100; 32]).unwrap();
    mac.update(&[0, 11]);
    mac.update(&[3; 16]);
    mac.update("karyawan".as_bytes());
    assert_eq!(store.name_key(Table::Names, &[3; 16], "karyawan"), mac.finalize().into_bytes()[..16]);
    assert_ne!(
        store.name_key(Table::Names, &[3; 16], "karyawan"),
        store.name_key(Table::Names, &[4; 16], "karyawan")
    );
}

#[test]
fn older_generations_of_the_store_key_still_open_what_they_sealed() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2).put(Table::Users, b"u", b"old".to_vec())).unwrap();
    drop((store, file));
    let file = rig.open();
    let both = StoreKeys::new(&[(2, secret(2)), (1, secret(1))], 1, &secret(100)).unwrap();
    let (store, unlocked) = file.unlock(both).unwrap();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    assert_eq!(value(&store, Table::Users, b"u").unwrap(), b"old");
    for (generations, current) in [(&[1, 1][..], 1), (&[1, 2], 3), (&[], 1)] {
        let generations: Vec<_> = generations.iter().map(|number| (*number, secret(1))).collect();
        assert!(matches!(StoreKeys::new(&generations, current, &secret(100)), Err(StoreError::Keys(_))));
    }
}
