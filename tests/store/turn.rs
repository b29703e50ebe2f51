//! From one generation of the store key to the next: the state digest follows whatever is committed meanwhile, every row opens
//! at every moment, and what was put back afterwards shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use gembok::store::{Batch, Boot, Store, StoreError, StoreFile, StoreKeys, Table, Unlocked, Verdict};

use crate::support::{APPLIANCE, Rig, boot, keys, noted, place, refusal, secret, value};

/// Both generations known, of which `sealing` seals.
fn both(sealing: u32) -> StoreKeys {
    StoreKeys::new(&[(1, secret(1)), (2, secret(2))], sealing, &secret(100)).unwrap()
}

fn only_second() -> StoreKeys {
    StoreKeys::new(&[(2, secret(2))], 2, &secret(100)).unwrap()
}

fn turned() -> Boot {
    Boot { current_store_key: 2, ..boot() }
}

fn unlocked(rig: &Rig, keys: StoreKeys) -> (StoreFile, Store, Unlocked) {
    let file = rig.open();
    let (store, unlocked) = file.unlock(keys).unwrap();
    (file, store, unlocked)
}

/// Numbers nobody plans, the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const TABLES: [Table; 4] = [Table::Users, Table::Grants, Table::Idempotency, Table::Statistics];

type Model = BTreeMap<(usize, u8), Vec<u8>>;

/// A few changes of any rows, and maybe the boot row.
fn change(dice: &mut Dice, store: &Store, model: &mut Model, present: &Boot) {
    let mut batch = noted(2);
    for _ in 0..=dice.below(4) {
        let at = (usize::try_from(dice.below(4)).unwrap(), u8::try_from(dice.below(40)).unwrap());
        if dice.below(3) == 0 {
            batch = batch.delete(TABLES[at.0], &[at.1]);
            model.remove(&at);
        } else {
            let value = vec![at.1; usize::try_from(dice.below(60)).unwrap()];
            batch = batch.put(TABLES[at.0], &[at.1], value.clone());
            model.insert(at, value);
        }
    }
    if dice.below(5) == 0 {
        batch = batch.put_boot(Boot { token_serial: format!("serial {}", dice.below(9)), ..present.clone() });
    }
    store.commit(batch).unwrap();
}

fn holds(store: &Store, model: &Model) {
    for (at, table) in TABLES.into_iter().enumerate() {
        for key in 0..40 {
            assert_eq!(value(store, table, &[key]), model.get(&(at, key)).cloned());
        }
    }
}

/// Seals everything anew; how many rows that were.
fn reseal_all(store: &Store, dice: &mut Dice, model: &mut Model) -> usize {
    let (mut after, mut rows) = (Vec::new(), 0);
    loop {
        let page = store.reseal(&after, 1 + usize::try_from(dice.below(9)).unwrap(), 1 << 20).unwrap();
        assert_eq!(page.damaged, 0);
        let next = page.next.clone();
        rows += page.rows();
        // Some are written between the look and the commit.
        change(dice, store, model, &turned());
        if page.rows() > 0 {
            store.commit(noted(3).reseal(page)).unwrap();
        }
        let Some(next) = next else { return rows };
        after = next;
    }
}

#[test]
fn the_state_digest_follows_what_is_committed_during_a_turn() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let (rig, file, store) = Rig::initialised();
        let mut model = Model::new();
        for _ in 0..dice.below(20) {
            change(&mut dice, &store, &mut model, &boot());
        }
        store.begin_turn(both(1), both(2)).unwrap();
        while !store.turn_on(1 + usize::try_from(dice.below(7)).unwrap()).unwrap() {
            for _ in 0..dice.below(3) {
                change(&mut dice, &store, &mut model, &boot());
            }
        }
        change(&mut dice, &store, &mut model, &boot());
        store.commit(noted(2).turn(turned())).unwrap();
        assert!(!store.is_turning());
        change(&mut dice, &store, &mut model, &turned());
        holds(&store, &model);
        drop((store, file));

        let (file, store, found) = unlocked(&rig, both(2));
        assert_eq!(found.verdict, Verdict::Intact, "seed {seed}");
        holds(&store, &model);
        let rows = reseal_all(&store, &mut dice, &mut model);
        assert!(rows > 2, "headers and bodies at least");
        assert_eq!(reseal_all(&store, &mut dice, &mut model), 0, "nothing is left");
        let boot = Boot { store_keys: vec![], ..turned() };
        store.commit(noted(2).put_boot(boot)).unwrap();
        store.forget(only_second()).unwrap();
        holds(&store, &model);
        change(&mut dice, &store, &mut model, &turned());
        drop((store, file));

        let (_file, store, found) = unlocked(&rig, only_second());
        assert_eq!(found.verdict, Verdict::Intact, "seed {seed}");
        holds(&store, &model);
        assert!(store.blocks(0, 10_000).unwrap().into_iter().all(|block| block.unwrap().leaves.is_some()));
    }
}

#[test]
fn a_store_that_was_closed_in_a_turn_is_of_the_generation_before() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2).put(Table::Users, b"a", b"one".to_vec())).unwrap();
    store.begin_turn(both(1), both(2)).unwrap();
    assert!(store.turn_on(100).unwrap());
    drop((store, file));
    let (_file, store, found) = unlocked(&rig, both(1));
    assert_eq!(found.verdict, Verdict::Intact);
    assert!(!store.is_turning());
    assert!(refusal(store.turn_on(1)).contains("no turn is under way"));
    assert!(refusal(store.commit(noted(2).turn(turned()))).contains("no turn is under way"));
}

#[test]
fn a_turn_takes_only_what_fits() {
    let (_rig, _file, store) = Rig::initialised();
    for (present, next) in [(both(2), both(1)), (both(1), both(1)), (both(2), both(2))] {
        assert!(matches!(store.begin_turn(present, next), Err(StoreError::Keys(_))));
    }
    store
        .commit((0..9).fold(noted(2), |batch: Batch, key| batch.put(Table::Users, &[key], vec![key])))
        .unwrap();
    store.begin_turn(both(1), both(2)).unwrap();
    assert!(!store.turn_on(3).unwrap());
    assert!(refusal(store.commit(noted(2).turn(turned()))).contains("has not added up every row"));
    assert!(store.turn_on(100).unwrap());
    // A boot row of the old generation, in the batch that turns, and one of the new in another.
    assert!(refusal(store.commit(noted(2).turn(boot()))).contains("another current store key"));
    assert!(refusal(store.commit(noted(2).put_boot(turned()))).contains("another current store key"));
    assert!(matches!(store.forget(keys()), Err(StoreError::Keys(_))), "not in a turn");
    store.commit(noted(2).turn(turned())).unwrap();
    assert!(matches!(store.forget(both(1)), Err(StoreError::Keys(_))));
    assert_eq!(store.boot().unwrap(), turned());
    assert_eq!(store.head().chain, APPLIANCE);
}

#[test]
fn a_row_of_the_old_generation_that_is_put_back_shows() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2).put(Table::Users, b"a", b"one".to_vec())).unwrap();
    drop((store, file));
    let at = place(Table::Users, b"a");
    let old = rig.stored_at(&at);
    let (file, store, _) = unlocked(&rig, both(1));
    store.begin_turn(both(1), both(2)).unwrap();
    assert!(store.turn_on(100).unwrap());
    store.commit(noted(2).turn(turned())).unwrap();
    reseal_all(&store, &mut Dice(1), &mut Model::new());
    drop((store, file));
    let new = rig.stored_at(&at);
    assert_ne!(old, new);
    rig.tamper(&at, Some(&old));
    // It opens while its generation is known, and is not what the last block describes.
    assert_eq!(unlocked(&rig, both(2)).2.verdict, Verdict::Altered);
    let found = unlocked(&rig, only_second()).2;
    assert!(matches!(found.verdict, Verdict::Damaged(rows) if rows.len() == 1));
    rig.tamper(&at, Some(&new));
    assert_eq!(unlocked(&rig, both(2)).2.verdict, Verdict::Intact);
}

/// Ends the readers' loops, also when the turns come to a bad end.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_boot_row_is_read_at_every_moment_of_a_turn() {
    let (_rig, _file, store) = Rig::initialised();
    let over = AtomicBool::new(false);
    let key = |generation: u32| secret(u8::try_from(generation % 90).unwrap());
    let of = |sealing: u32, generations: [u32; 2]| {
        let generations = generations.map(|generation| (generation, key(generation)));
        StoreKeys::new(&generations, sealing, &secret(100)).unwrap()
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::Relaxed) {
                    let boot = store.boot().expect("nobody altered it");
                    assert!(boot.current_store_key >= last);
                    last = boot.current_store_key;
                }
            });
        }
        let _ends = Ends(&over);
        for from in 1..=150 {
            store.begin_turn(of(from, [from, from + 1]), of(from + 1, [from, from + 1])).unwrap();
            assert!(store.turn_on(1_000).unwrap());
            store.commit(noted(2).turn(Boot { current_store_key: from + 1, ..boot() })).unwrap();
        }
    });
}
