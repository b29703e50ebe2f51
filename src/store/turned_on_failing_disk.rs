//! Turns to another generation of the store key over a disk that fails at every operation, and over rows that are altered while
//! they are added up. (Tests only.)

use super::boot::Boot;
use super::boot::tests::sample;
use super::failing_disk::Failing;
use super::{Batch, Store, StoreError, StoreKeys, Table, Verdict};
use crate::crypto::secret::SecretKey;

fn keys(sealing: u32) -> StoreKeys {
    let key = |byte| SecretKey::take(&mut [byte; 32]);
    StoreKeys::new(&[(1, key(1)), (2, key(3))], sealing, &key(2)).unwrap()
}

fn batch() -> Batch {
    let batch = Batch::new(2).record(2, 1, b"record");
    (0..20).fold(batch, |batch, row| batch.put(Table::Users, &[row], vec![row; 900]))
}

fn turning() -> Batch {
    Batch::new(3).record(2, 1, b"turn").turn(Boot { current_store_key: 2, ..sample() })
}

fn whole(store: &Store) -> bool {
    (0..20).all(|row| store.get(Table::Users, &[row]).unwrap().unwrap().value[..] == [row; 900])
}

#[test]
fn a_turn_that_fails_is_of_one_generation_or_the_other() {
    let (mut landings, mut losses) = (0, 0);
    for operations in 0.. {
        let (disk, file, store) = Failing::store(batch());
        store.begin_turn(keys(1), keys(2)).unwrap();
        assert!(store.turn_on(1_000).unwrap());
        disk.let_through(operations);
        let done = store.commit(turning()).is_ok();
        disk.let_through(i64::MAX);
        if done {
            break;
        }
        let has_landed = store.recover().unwrap().is_some();
        assert!(!store.is_turning(), "what it has added up may be of before");
        let current = if has_landed { 2 } else { 1 };
        (landings, losses) = (landings + u32::from(has_landed), losses + u32::from(!has_landed));
        assert_eq!(store.boot().unwrap().current_store_key, current);
        store.commit(batch()).unwrap();
        assert!(whole(&store));
        drop((store, file));
        let file = disk.open();
        let (store, unlocked) = file.unlock(keys(current)).unwrap();
        assert_eq!(unlocked.verdict, Verdict::Intact, "{operations}");
        assert!(whole(&store));
    }
    assert!(losses > 3, "the disk never failed: {landings} landed");
}

#[test]
fn what_was_altered_behind_its_back_is_not_what_the_next_generation_vouches_for() {
    let (_disk, _file, store) = Failing::store(batch());
    let place = Table::Users.place(&[7]);
    let alter = |stored: &[u8]| {
        let writing = store.0.disk.write().unwrap();
        writing.rows().unwrap().insert(place.as_slice(), stored).unwrap();
        writing.commit().unwrap();
    };
    let before = {
        let rows = store.0.disk.read().unwrap();
        rows.at(&place).unwrap().unwrap().value().to_vec()
    };
    store.commit(Batch::new(2).record(2, 1, b"record").put(Table::Users, &[7], vec![1; 9])).unwrap();
    alter(&before);
    store.begin_turn(keys(1), keys(2)).unwrap();
    assert!(store.turn_on(1_000).unwrap());
    assert!(matches!(store.commit(turning()), Err(StoreError::Altered)));
    assert_eq!(store.boot().unwrap().current_store_key, 1, "nothing was changed");
}

#[test]
fn a_batch_that_was_sealed_before_a_turn_is_sealed_anew() {
    use super::commit::Sealed;
    let (_disk, _file, store) = Failing::store(batch());
    let late = Batch::new(4).record(2, 1, b"late").put(Table::Users, &[99], b"late".to_vec());
    let mut late = Sealed::of(late, store.0.keys()).unwrap();
    store.begin_turn(keys(1), keys(2)).unwrap();
    assert!(store.turn_on(1_000).unwrap());
    store.commit(turning()).unwrap();
    late.catch_up(&store.0.keys()).unwrap();
    let chain = store.0.chain.lock();
    let (landing, _) = store.0.apply(late, &chain, None, &mut None).unwrap();
    assert_eq!(landing.committed.header.count, 1);
    drop(chain);
    let rows = store.0.disk.read().unwrap();
    let stored = rows.at(&Table::Users.place(&[99])).unwrap().unwrap().value().to_vec();
    assert_eq!(crate::crypto::record::Record::parse(&stored).unwrap().generation, 2);
}

#[test]
fn a_boot_row_that_is_durable_before_its_key_is_in_force_is_waited_for() {
    use super::commit::Sealed;
    let (_disk, _file, store) = Failing::store(batch());
    store.begin_turn(keys(1), keys(2)).unwrap();
    assert!(store.turn_on(1_000).unwrap());
    // As a commit that turns does, which stops between the disk and memory.
    let mut chain = store.0.chain.lock();
    let next = chain.turned_keys().unwrap();
    let turned = Sealed::of(turning(), next.clone()).unwrap();
    let (landing, _) = store.0.apply(turned, &chain, Some(next), &mut None).unwrap();
    assert!(matches!(store.0.boot(), Err(StoreError::BootAltered)), "there is such a moment");
    std::thread::scope(|scope| {
        let (about_to, is_about_to) = std::sync::mpsc::channel();
        let store = &store;
        let reading = scope.spawn(move || {
            about_to.send(()).unwrap();
            store.boot().unwrap().current_store_key
        });
        is_about_to.recv().unwrap();
        chain.landed(landing.digest, None, true);
        *store.0.keys.write() = landing.keys.unwrap();
        drop(chain);
        assert_eq!(reading.join().unwrap(), 2);
    });
}
