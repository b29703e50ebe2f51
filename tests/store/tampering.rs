//! Someone edits the database file while the appliance is off. What they did shows, is named, and harms nothing else.

use gembok::store::{Boot, RowName, Store, StoreError, StoreFile, StoreKeys, Table, Verdict};

use crate::support::{CACHE_BYTES, Rig, all, boot, keys, noted, place, refusal, row, secret, value};

/// A closed store with three users and a project.
fn filled() -> Rig {
    let (rig, _file, store) = Rig::initialised();
    let mut batch = noted(2).put(Table::Projects, b"p", b"project".to_vec());
    for key in [b"a", b"b", b"c"] {
        batch = batch.put(Table::Users, key, [key.as_slice(), b" value"].concat());
    }
    store.commit(batch).unwrap();
    rig
}

/// Exactly `named` does not open: by `get`, by `scan`, by the verdict.
fn only_this_is_damaged(rig: &Rig, named: &[(Table, &[u8])]) {
    let (_file, store, unlocked) = rig.unlocked();
    let damaged: Vec<RowName> = named.iter().map(|(table, key)| RowName::new(*table, key)).collect();
    assert_eq!(unlocked.verdict, Verdict::Damaged(damaged.clone()));
    for (table, key) in
        [(Table::Projects, b"p"), (Table::Users, b"a"), (Table::Users, b"b"), (Table::Users, b"c")]
    {
        let name = RowName::new(table, key);
        match store.get(table, key) {
            Err(StoreError::Damaged { row, .. }) => assert!(row == name && damaged.contains(&name)),
            got => assert!(got.unwrap().is_some() && !damaged.contains(&name), "{name}"),
        }
    }
    let scanned = store.scan(Table::Users, all(10)).unwrap();
    assert_eq!(scanned.len(), 3);
    for (key, found) in scanned {
        let name = RowName::new(Table::Users, &key);
        assert_eq!(found.is_err(), damaged.contains(&name));
        if let Err(error) = found {
            let message = error.to_string();
            assert!(message.contains(&name.to_string()) && !message.contains("value"), "{message}");
        }
    }
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_record_is_named() {
    let rig = filled();
    let at = place(Table::Users, b"b");
    let good = rig.stored_at(&at);
    for byte in 0..good.len() {
        let mut bent = good.clone();
        bent[byte] ^= 1 << (byte % 8);
        rig.tamper(&at, Some(&bent));
        only_this_is_damaged(&rig, &[(Table::Users, b"b")]);
    }
    rig.tamper(&at, Some(&good));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn a_record_cut_or_grown_is_named() {
    let rig = filled();
    let at = place(Table::Users, b"b");
    let good = rig.stored_at(&at);
    let longer = [good.as_slice(), &[0]].concat();
    for length in [0, 1, 4, 5, 28, 29, 44, 45, good.len() - 1] {
        rig.tamper(&at, Some(&good[..length]));
        only_this_is_damaged(&rig, &[(Table::Users, b"b")]);
    }
    rig.tamper(&at, Some(&longer));
    only_this_is_damaged(&rig, &[(Table::Users, b"b")]);
}

#[test]
fn records_that_changed_places_are_named_both() {
    let rig = filled();
    let (a, c) = (place(Table::Users, b"a"), place(Table::Users, b"c"));
    let (of_a, of_c) = (rig.stored_at(&a), rig.stored_at(&c));
    rig.tamper(&a, Some(&of_c));
    rig.tamper(&c, Some(&of_a));
    only_this_is_damaged(&rig, &[(Table::Users, b"a"), (Table::Users, b"c")]);
}

#[test]
fn a_record_copied_to_another_table_or_key_is_named() {
    let rig = filled();
    let of_a = rig.stored_at(&place(Table::Users, b"a"));
    for (forged, name) in [
        (place(Table::Projects, b"a"), "projects/61"),
        (place(Table::Users, b"d"), "users/64"),
        (vec![0, 50, b'a'], "table-50/61"),
        (vec![0xFF, 0xFE], "table-65534/"),
        (vec![0, 0, 1], "boot/01"),
        (vec![7], "table-1792/"),
    ] {
        rig.tamper(&forged, Some(&of_a));
        let (file, store, unlocked) = rig.unlocked();
        let Verdict::Damaged(rows) = unlocked.verdict else { panic!("{name} went unseen") };
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].to_string(), name);
        drop((store, file));
        rig.tamper(&forged, None);
    }
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn rows_put_back_or_taken_out_or_kept_from_deletion_show_as_altered() {
    let rig = filled();
    let at = place(Table::Users, b"b");
    let old = rig.stored_at(&at);
    let (file, store, _) = rig.unlocked();
    store.commit(noted(3).put(Table::Users, b"b", b"newer".to_vec()).delete(Table::Users, b"c")).unwrap();
    drop((store, file));
    let new = rig.stored_at(&at);
    let altered = |why: &str| assert_eq!(rig.unlocked().2.verdict, Verdict::Altered, "{why}");
    rig.tamper(&at, Some(&old));
    altered("an older revision was put back");
    rig.tamper(&at, None);
    altered("a row was taken out");
    rig.tamper(&at, Some(&new));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn nothing_is_written_on_an_altered_state_before_it_is_accepted() {
    let rig = filled();
    rig.tamper(&place(Table::Users, b"b"), None);
    let (file, store, _) = rig.unlocked();
    let head = store.head();
    assert!(matches!(store.commit(noted(3)), Err(StoreError::Disputed)));
    assert_eq!(store.head(), head);
    assert_eq!(value(&store, Table::Users, b"a").unwrap(), b"a value", "reads go on");
    drop((store, file));
    let (file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Altered, "a refusal accepts nothing");
    store.accept_damage(noted(4)).unwrap();
    store.commit(noted(5).put(Table::Users, b"z", vec![])).unwrap();
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn accepted_damage_stays_damaged_and_can_be_written_over() {
    let rig = filled();
    let at = place(Table::Users, b"b");
    rig.tamper(&at, Some(b"rubbish"));
    let (file, store, unlocked) = rig.unlocked();
    assert!(matches!(unlocked.verdict, Verdict::Damaged(_)));
    store.accept_damage(noted(3)).unwrap();
    drop((store, file));
    let (file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    assert!(matches!(store.get(Table::Users, b"b"), Err(StoreError::Damaged { .. })));
    let revision = row(&store, Table::Users, b"a").revision;
    let expecting = noted(4).expect_at(Table::Users, b"b", revision);
    assert!(matches!(store.commit(expecting), Err(StoreError::Damaged { .. })));
    store.commit(noted(5).put(Table::Users, b"b", b"new".to_vec())).unwrap();
    assert_eq!(value(&store, Table::Users, b"b").unwrap(), b"new");
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn a_flipped_bit_in_any_byte_of_the_boot_row_stops_the_unlock() {
    let rig = filled();
    let at = place(Table::Boot, b"");
    let good = rig.stored_at(&at);
    for byte in (0..good.len()).step_by(7).chain(good.len() - 32..good.len()) {
        let mut bent = good.clone();
        bent[byte] ^= 1 << (byte % 8);
        rig.tamper(&at, Some(&bent));
        let refused = rig.open().unlock(keys()).err().unwrap();
        assert!(matches!(refused, StoreError::BootAltered), "byte {byte}: {refused}");
    }
    for length in [0, 31] {
        rig.tamper(&at, Some(&good[..length]));
        assert!(matches!(rig.open().unlock(keys()), Err(StoreError::BootMalformed(_))));
    }
    rig.tamper(&at, Some(&good[..33]));
    assert!(matches!(rig.open().unlock(keys()), Err(StoreError::BootAltered)));
    rig.tamper(&at, None);
    assert!(matches!(rig.open().unlock(keys()), Err(StoreError::NotInitialised)));
    let again = rig.open().initialise(boot(), keys(), noted(9));
    assert!(
        matches!(again, Err(StoreError::AlreadyInitialised)),
        "rows without a boot row are not overwritten"
    );
}

#[test]
fn an_older_boot_row_that_is_put_back_shows_as_altered() {
    let rig = filled();
    let at = place(Table::Boot, b"");
    let old = rig.stored_at(&at);
    let (file, store, _) = rig.unlocked();
    store.commit(noted(3).put_boot(Boot { token_serial: "another".into(), ..boot() })).unwrap();
    drop((store, file));
    rig.tamper(&at, Some(&old));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Altered);
}

#[test]
fn another_store_key_opens_nothing() {
    let rig = filled();
    let file = rig.open();
    let wrong = StoreKeys::new(&[(1, secret(2))], 1, &secret(100)).unwrap();
    assert!(matches!(file.unlock(wrong), Err(StoreError::BootAltered)));
    let renumbered = StoreKeys::new(&[(2, secret(1))], 2, &secret(100)).unwrap();
    assert!(matches!(file.unlock(renumbered), Err(StoreError::Keys(_))));
    assert_eq!(file.unlock(keys()).unwrap().1.verdict, Verdict::Intact, "a refused unlock leaves it locked");
}

#[test]
fn a_damaged_block_is_named_and_the_others_are_read() {
    let rig = filled();
    let (file, store, _) = rig.unlocked();
    store.commit(noted(3)).unwrap();
    drop((store, file));
    for table in [Table::Blocks, Table::BlockBodies] {
        let at = place(table, &1u64.to_be_bytes());
        let good = rig.stored_at(&at);
        let mut bent = good.clone();
        *bent.last_mut().unwrap() ^= 1;
        rig.tamper(&at, Some(&bent));
        let (file, store, unlocked) = rig.unlocked();
        assert_eq!(unlocked.verdict, Verdict::Intact, "blocks are outside the state digest");
        let Err(StoreError::Damaged { row, .. }) = store.block(1) else { panic!("it was read") };
        assert_eq!(row, RowName::new(table, &1u64.to_be_bytes()));
        let read: Vec<bool> = store.blocks(0, 9).unwrap().iter().map(Result::is_ok).collect();
        assert_eq!(read, [true, false, true]);
        drop((store, file));
        rig.tamper(&at, Some(&good));
    }
}

#[test]
fn a_damaged_last_header_is_named_and_the_chain_goes_on_behind_it() {
    let rig = filled();
    let (first, last) =
        (place(Table::Blocks, &0u64.to_be_bytes()), place(Table::Blocks, &1u64.to_be_bytes()));
    let of_first = rig.stored_at(&first);
    rig.tamper(&last, Some(&of_first));
    let good = rig.open();
    let gone = RowName::new(Table::Blocks, &1u64.to_be_bytes());
    {
        let (store, unlocked) = good.unlock(keys()).unwrap();
        assert_eq!(unlocked.verdict, Verdict::Damaged(vec![gone.clone()]));
        let before = store.blocks(0, 1).unwrap().remove(0).unwrap().header;
        // The block's body says how many records it had; none of their numbers is given again.
        let head = store.head();
        assert_eq!((head.hash, head.next_sequence), (before.hash(), 2));
        assert!(matches!(store.commit(noted(8)), Err(StoreError::Disputed)));
        store.accept_damage(noted(9)).unwrap();
        assert_eq!(store.blocks(2, 9).unwrap().remove(0).unwrap().header.previous, before.hash());
        assert!(matches!(store.block(1), Err(StoreError::Damaged { row, .. }) if row == gone));
    }
    drop(good);
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
    for row in [Table::Blocks, Table::BlockBodies] {
        rig.tamper(&place(row, &2u64.to_be_bytes()), None);
    }
    rig.tamper(&last, None);
    assert_eq!(rig.unlocked().2.verdict, Verdict::Altered, "the block before describes another state");
    rig.tamper(&first, None);
    assert!(matches!(rig.open().unlock(keys()), Err(StoreError::ChainMissing)));
}

#[test]
fn a_body_exchanged_for_an_older_one_of_the_same_key_does_not_pass() {
    // Two stores of one appliance that parted ways: each body is authentic at its place, but not under the other's header.
    let (one, file, store) = Rig::initialised();
    store.commit(noted(2).record(1, 1, b"what was done")).unwrap();
    drop((store, file));
    let (other, file, store) = Rig::initialised();
    store.commit(noted(2).record(1, 1, b"what was not!")).unwrap();
    drop((store, file));
    let at = place(Table::BlockBodies, &1u64.to_be_bytes());
    one.tamper(&at, Some(&other.stored_at(&at)));
    let (_file, store, _): (_, Store, _) = one.unlocked();
    assert!(refusal(store.block(1)).contains("not those its block header was made over"));
}

/// Not through the database but right into its file, so that its own pages break too. Not every flip can be seen: much of a
/// file is pages no longer in use. redb's panics on broken pages, which are caught, are what this test prints.
#[test]
fn a_flipped_bit_anywhere_in_the_file_is_an_error_or_harmless_but_never_another_value() {
    let rig = filled();
    let good = std::fs::read(rig.path()).unwrap();
    let mut seen = 0;
    let written = (0..good.len()).filter(|at| good[*at] != 0);
    for at in written.step_by(29) {
        let mut bent = good.clone();
        bent[at] ^= 1 << (at % 8);
        std::fs::write(rig.path(), &bent).unwrap();
        let Ok(file) = StoreFile::open(&rig.path(), CACHE_BYTES) else {
            seen += 1;
            continue;
        };
        let Ok((store, unlocked)) = file.unlock(keys()) else {
            seen += 1;
            continue;
        };
        seen += usize::from(unlocked.verdict != Verdict::Intact);
        for key in [b"a", b"b", b"c"] {
            match store.get(Table::Users, key) {
                Ok(Some(row)) => assert_eq!(*row.value, [key.as_slice(), b" value"].concat()),
                Ok(None) => assert_ne!(unlocked.verdict, Verdict::Intact, "a row is gone unseen"),
                Err(_) => assert_ne!(unlocked.verdict, Verdict::Intact),
            }
        }
        // It may fail, but it comes back.
        let _ = store.accept_damage(noted(9).put(Table::Users, b"d", vec![1]));
    }
    assert!(seen > 20, "{seen} of the flips were seen");
}
