//! Every commit is a block, every block links to the one before, and its header seals the state after it.

use gembok::crypto::block::{Leaves, merkle_root, write_leaf};
use gembok::crypto::derive::state_key;
use gembok::crypto::digest::StateDigest;
use gembok::store::{Block, Boot, Descent, Head, Store, StoreError, Table, Verdict};

use crate::support::{APPLIANCE, Rig, boot, noted, refusal, secret};

fn blocks(store: &Store) -> Vec<Block> {
    store.blocks(0, 1_000).unwrap().into_iter().map(Result::unwrap).collect()
}

/// Links, sequences, times, counts and roots, from nothing but the blocks themselves.
pub(crate) fn verify(blocks: &[Block]) {
    let (mut previous, mut next, mut time_us, mut epoch) = ([0; 32], 0, 0, 0);
    for Block { header, leaves } in blocks {
        assert_eq!((header.chain, header.previous, header.first_sequence), (APPLIANCE, previous, next));
        assert!(header.time_us >= time_us && header.epoch >= epoch && header.count >= 1);
        if let Some(leaves) = leaves {
            let leaves: Vec<_> = Leaves::new(leaves).map(Result::unwrap).collect();
            assert_eq!(leaves.len(), header.count as usize);
            assert_eq!(merkle_root(leaves.iter().map(|leaf| leaf.bytes)), header.root);
        }
        (previous, next) = (header.hash(), next + u64::from(header.count));
        (time_us, epoch) = (header.time_us, header.epoch);
    }
}

#[test]
fn blocks_link_from_the_first_on_and_across_a_restart() {
    let (rig, file, store) = Rig::initialised();
    for count in 1..5u8 {
        let mut leaves = Vec::new();
        (0..count).for_each(|n| write_leaf(&mut leaves, 1, 1, &[n; 30]));
        let committed = store.commit(noted(2_000).records(leaves, u32::from(count))).unwrap();
        assert_eq!(committed.header.count, u32::from(count) + 1);
        assert_eq!(committed.hash, store.head().hash);
    }
    let head = store.head();
    drop((store, file));
    let (_file, store, _) = rig.unlocked();
    assert_eq!(store.head(), head);
    store.commit(noted(3_000)).unwrap();
    let blocks = blocks(&store);
    assert_eq!(blocks.len(), 6);
    verify(&blocks);
}

#[test]
fn time_never_goes_back() {
    let (rig, file, store) = Rig::initialised();
    assert_eq!(store.commit(noted(5_000)).unwrap().header.time_us, 5_000);
    assert_eq!(store.commit(noted(4_000)).unwrap().header.time_us, 5_000);
    drop((store, file));
    let (_file, store, _) = rig.unlocked();
    assert_eq!(store.commit(noted(3_000)).unwrap().header.time_us, 5_000);
    assert_eq!(store.commit(noted(6_000)).unwrap().header.time_us, 6_000);
}

#[test]
fn a_block_is_found_by_any_of_its_records() {
    let (_rig, _file, store) = Rig::initialised();
    store.commit(noted(2).record(1, 1, b"a").record(1, 1, b"b")).unwrap();
    store.commit(noted(3)).unwrap();
    let first_of = |sequence| store.block(sequence).unwrap().map(|block| block.header.first_sequence);
    assert_eq!([0, 1, 2, 3, 4].map(first_of), [Some(0), Some(1), Some(1), Some(1), Some(4)]);
    assert_eq!(first_of(5), None);
    assert_eq!(first_of(u64::MAX), None);
    let from: Vec<_> =
        store.blocks(2, 9).unwrap().into_iter().map(|b| b.unwrap().header.first_sequence).collect();
    assert_eq!(from, [4]);
    assert_eq!(store.blocks(0, 2).unwrap().len(), 2);
}

#[test]
fn pruning_a_body_leaves_its_header() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2)).unwrap();
    store.commit(noted(3).delete(Table::BlockBodies, &0u64.to_be_bytes())).unwrap();
    assert_eq!(store.block(0).unwrap().unwrap().leaves, None);
    assert!(store.block(1).unwrap().unwrap().leaves.is_some());
    verify(&blocks(&store));
    drop((store, file));
    assert_eq!(rig.unlocked().2.verdict, Verdict::Intact);
}

#[test]
fn the_header_seals_the_digest_of_what_lies_there() {
    let (rig, file, store) = Rig::initialised();
    store.commit(noted(2).put(Table::Users, b"a", vec![1]).put(Table::Users, b"b", vec![2])).unwrap();
    store.commit(noted(3).put(Table::Users, b"a", vec![3]).delete(Table::Users, b"b")).unwrap();
    let sealed = store.commit(noted(4).put(Table::Statistics, b"s", vec![1])).unwrap().header.state;
    drop((store, file));
    let (state_key, mut digest) = (state_key(&secret(1)), StateDigest::default());
    for (place, stored) in rig.stored() {
        let table = u16::from_be_bytes([place[0], place[1]]);
        if !(100..=102).contains(&table) {
            digest.add(&state_key, table, &place[2..], &stored);
        }
    }
    assert_eq!(digest.seal(&state_key), sealed);
}

#[test]
fn a_new_boot_row_carries_the_epoch_on_and_never_back() {
    let (rig, file, store) = Rig::initialised();
    let committed = store.commit(noted(2).put_boot(Boot { epoch: 3, ..boot() })).unwrap();
    assert_eq!((committed.header.epoch, store.head().epoch), (3, 3));
    assert_eq!(store.boot().unwrap().epoch, 3);
    for (boot, why) in [
        (Boot { epoch: 2, ..boot() }, "earlier epoch"),
        (Boot { epoch: 3, appliance_id: [0; 16], ..boot() }, "another appliance"),
        (Boot { epoch: 3, current_store_key: 2, ..boot() }, "another current store key"),
    ] {
        assert!(refusal(store.commit(noted(3).put_boot(boot))).contains(why));
    }
    assert_eq!(store.commit(noted(3)).unwrap().header.epoch, 3);
    drop((store, file));
    let (file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    assert_eq!(file.boot().unwrap(), Some(Boot { epoch: 3, ..boot() }));
    verify(&blocks(&store));
}

#[test]
fn writers_take_turns() {
    let (rig, file, store) = Rig::initialised();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..10u8 {
                    store.commit(noted(2).put(Table::Users, &[thread, n], vec![n])).unwrap();
                }
            });
        }
    });
    let blocks = blocks(&store);
    assert_eq!(blocks.len(), 41);
    verify(&blocks);
    drop((store, file));
    let (_file, _store, unlocked) = rig.unlocked();
    assert_eq!((unlocked.verdict, unlocked.rows), (Verdict::Intact, 41));
}

#[test]
fn of_two_who_expect_the_same_revision_one_wins() {
    let (_rig, _file, store) = Rig::initialised();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u8)
            .map(|n| {
                let store = store.clone();
                scope.spawn(move || {
                    store.commit(noted(2).expect_absent(Table::KeyIds, b"id").put(
                        Table::KeyIds,
                        b"id",
                        vec![n],
                    ))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Conflict { .. }))));
}

#[test]
fn a_head_that_was_noted_is_found_again_or_is_not() {
    let (rig, file, store) = Rig::initialised();
    let genesis = store.descent(0, 0, [0; 32]).unwrap();
    assert_eq!(genesis, Descent::Unbroken(1));
    let noted_head = store.head();
    let descent =
        |store: &Store, head: &Head| store.descent(head.epoch, head.next_sequence, head.hash).unwrap();
    assert_eq!(descent(&store, &noted_head), Descent::Unbroken(0));
    for time in 0..3 {
        store.commit(noted(5_000 + time)).unwrap();
    }
    assert_eq!(descent(&store, &noted_head), Descent::Unbroken(3));
    let head = store.head();
    assert_eq!(store.descent(0, head.next_sequence + 1, head.hash).unwrap(), Descent::Behind);
    assert_eq!(store.descent(1, noted_head.next_sequence, noted_head.hash).unwrap(), Descent::Behind);
    assert_eq!(store.descent(0, noted_head.next_sequence, [1; 32]).unwrap(), Descent::Apart);
    assert_eq!(store.descent(0, 0, [1; 32]).unwrap(), Descent::Apart);
    let middle = blocks(&store)[2].header.first_sequence;
    drop((store, file));
    let place = [&Table::Blocks.number().to_be_bytes()[..], &middle.to_be_bytes()].concat();
    let bytes = rig.stored_at(&place);
    let mut bent = bytes.clone();
    bent[40] ^= 1;
    for (altered, what) in [(Some(bent), "bent"), (None, "taken out")] {
        rig.tamper(&place, altered.as_deref());
        let (file, store, _) = rig.unlocked();
        assert_eq!(descent(&store, &noted_head), Descent::Broken(middle), "{what}");
        drop((store, file));
    }
    rig.tamper(&place, Some(&bytes));
    let (_file, store, _) = rig.unlocked();
    assert_eq!(descent(&store, &noted_head), Descent::Unbroken(3));
}

#[test]
fn a_checkpoint_is_kept_without_a_block() {
    let (rig, file, store) = Rig::initialised();
    let head = store.head();
    store.keep_checkpoint(b"1", b"first", &[]).unwrap();
    store.keep_checkpoint(b"2", b"second", &[b"1".to_vec()]).unwrap();
    assert_eq!(store.head(), head);
    drop((store, file));
    let (_file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    assert_eq!(&*store.get(Table::Checkpoints, b"2").unwrap().unwrap().value, b"second");
    assert!(store.get(Table::Checkpoints, b"1").unwrap().is_none());
    assert_eq!(store.head(), head);
}
