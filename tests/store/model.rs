//! Whatever is done to it, the store holds what a `BTreeMap` would, now and after it was locked, closed and unlocked.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gembok::store::{Scan, Store, StoreError, StoreFile, Table, Verdict};
use proptest::prelude::*;

use crate::support::{Rig, all, keys, noted, scanned, value};

#[derive(Debug, Clone)]
enum Step {
    /// Several changes in one batch; `None` deletes.
    Commit(Vec<(u8, u8, Option<Vec<u8>>)>),
    /// Put only if absent.
    Claim(u8, u8),
    /// Write back what was read, if it was not written since.
    Touch(u8, u8),
    /// Lock and unlock.
    Relock,
    /// Close the file and open it.
    Reopen,
}

const TABLES: [Table; 3] = [Table::Users, Table::Grants, Table::Statistics];

type Model = BTreeMap<(u8, u8), Vec<u8>>;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || (0..3u8, 0..6u8);
    let stored = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..300));
    let change = (key(), stored).prop_map(|((table, key), value)| (table, key, value));
    let step = prop_oneof![
        5 => prop::collection::vec(change, 1..6).prop_map(Step::Commit),
        2 => key().prop_map(|(table, key)| Step::Claim(table, key)),
        2 => key().prop_map(|(table, key)| Step::Touch(table, key)),
        1 => Just(Step::Relock),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

fn take(step: &Step, store: &Store, model: &mut Model) {
    match step {
        Step::Commit(changes) => {
            let mut batch = noted(2);
            for (table, key, value) in changes {
                let (at, place) = (TABLES[usize::from(*table)], [*key]);
                if let Some(value) = value {
                    batch = batch.put(at, &place, value.clone());
                    model.insert((*table, *key), value.clone());
                } else {
                    batch = batch.delete(at, &place);
                    model.remove(&(*table, *key));
                }
            }
            store.commit(batch).unwrap();
        }
        Step::Claim(table, key) => {
            let at = TABLES[usize::from(*table)];
            let claimed =
                store.commit(noted(2).expect_absent(at, &[*key]).put(at, &[*key], b"claimed".to_vec()));
            match model.entry((*table, *key)) {
                Entry::Occupied(_) => assert!(matches!(claimed, Err(StoreError::Conflict { .. }))),
                Entry::Vacant(vacant) => {
                    claimed.unwrap();
                    vacant.insert(b"claimed".to_vec());
                }
            }
        }
        Step::Touch(table, key) => {
            let at = TABLES[usize::from(*table)];
            let Some(row) = store.get(at, &[*key]).unwrap() else { return };
            let touch = || noted(2).expect_at(at, &[*key], row.revision).put(at, &[*key], row.value.clone());
            store.commit(touch()).unwrap();
            assert!(matches!(store.commit(touch()), Err(StoreError::Conflict { .. })));
        }
        Step::Relock | Step::Reopen => {}
    }
}

fn agrees(store: &Store, model: &Model) {
    for (number, table) in (0..).zip(TABLES) {
        let expected: Vec<_> = model
            .iter()
            .filter(|((of, _), _)| *of == number)
            .map(|((_, key), value)| (vec![*key], value.clone()))
            .collect();
        assert_eq!(scanned(store, table, all(100)), expected);
        for key in 0..6 {
            assert_eq!(value(store, table, &[key]).as_ref(), model.get(&(number, key)));
        }
        let page = scanned(store, table, Scan { prefix: b"", after: Some(&[2]), limit: 2 });
        let behind: Vec<_> = expected.into_iter().filter(|(key, _)| key[0] > 2).take(2).collect();
        assert_eq!(page, behind);
    }
}

fn unlock(file: &StoreFile, model: &Model) -> Store {
    let (store, unlocked) = file.unlock(keys()).unwrap();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    let counted = model.keys().filter(|(table, _)| TABLES[usize::from(*table)].in_state_digest()).count();
    assert_eq!(unlocked.rows, counted as u64 + 1);
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn it_is_a_map_that_survives(steps in steps()) {
        let (rig, mut file, mut store) = Rig::initialised();
        let mut model = Model::new();
        for step in &steps {
            take(step, &store, &mut model);
            if matches!(step, Step::Relock | Step::Reopen) {
                drop(store);
                if matches!(step, Step::Reopen) {
                    drop(file);
                    file = rig.open();
                }
                store = unlock(&file, &model);
            }
            agrees(&store, &model);
        }
        drop((store, file));
        let (_file, store, unlocked) = rig.unlocked();
        prop_assert_eq!(unlocked.verdict, Verdict::Intact);
        crate::chain::verify(&store.blocks(0, 1_000).unwrap().into_iter().map(Result::unwrap).collect::<Vec<_>>());
    }
}
