//! Keys of what is no more are in memory no more, and nobody brings them back: not a request either that had found what they are
//! of before it went. In this process, so that such a request can be made to wait.

use std::sync::Arc;

use gembok::appliance::{
    Decrypt, Index, IndexNeed, KeysInMemory, OpeningNeed, Operate, Operational, Sealed, Searched, ToIndex,
};
use gembok::crypto::aad::Context;
use gembok::desk::asker::Asker;
use gembok::domain::refusal::{Code, Refusal};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::{clock, pass};
use crate::key_world::{World, ask};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};

fn done(world: &World, request: &Value) -> Value {
    ask(&world.appliance, &Asker::Local(0), request).unwrap()
}

/// With an index.
fn indexed(softhsm: &SoftHsm) -> World {
    let world = World::new(softhsm);
    let name = json!({ "normaliser": "text-fold", "length": 100, "distinct": 50_000, "index": "unique" });
    let schema = json!({ "project": PROJECT, "name": OBJECT, "schema": { "fields": { "nama": name } } });
    done(&world, &json!({ "object": { "schema": { "set": schema } } }));
    let granted =
        json!({ "project": PROJECT, "endpoint": ENDPOINT, "object": OBJECT, "operations": ["index"] });
    done(&world, &json!({ "grant": { "create": granted } }));
    world
}

fn context() -> Context<'static> {
    Context::new(Vec::new()).unwrap_or_else(|_| panic!("an empty context"))
}

fn admitted<Op: Operate>(world: &World, operational: &Operational) -> gembok::appliance::Admitted<Op> {
    let (caller, objects) = (world.caller(operational), [OBJECT.to_owned()]);
    operational.load_admitted::<Op>(&caller, &objects, &world.application, clock()).unwrap()
}

fn values() -> Vec<Result<ToIndex<'static>, Refusal>> {
    let plaintext = Zeroizing::new(b"budi".to_vec());
    vec![Ok(ToIndex { field: "nama".into(), value: Searched::Plain(plaintext, context()) })]
}

fn roots(operational: &Operational, needs: &[Result<IndexNeed, Code>]) -> usize {
    let _keys = operational.load_index_keys(needs, clock());
    operational.keys_in_memory().roots
}

#[test]
fn an_index_root_that_was_taken_out_does_not_come_back() {
    in_child("gone_keys::an_index_root_that_was_taken_out_does_not_come_back", |softhsm| {
        let world = indexed(softhsm);
        let operational = world.appliance.unlocked().unwrap();
        let admitted = admitted::<Index>(&world, &operational);
        let early = Operational::index_needs(&admitted, &values());
        assert_eq!(roots(&operational, &early), 1);
        let of = json!({ "project": PROJECT, "object": OBJECT });
        done(&world, &json!({ "index": { "rotate-root": of } }));
        assert_eq!(roots(&operational, &early), 1);
        done(&world, &json!({ "index": { "finish-rotation": of } }));
        assert_eq!(operational.keys_in_memory().roots, 0);
        // It had found the version that was there, and comes for its key only now.
        let keys = operational.load_index_keys(&early, clock());
        assert_eq!(operational.keys_in_memory().roots, 0, "it is in memory again");
        let told = operational.index(&admitted, &keys, values(), clock()).unwrap().items.remove(0);
        assert_eq!(told.err().map(|refusal| refusal.code), Some(Code::Conflict));
    });
}

/// What names a version's key and was not made by it.
fn forged(world: &World) -> Zeroizing<Vec<u8>> {
    let of = json!({ "project": PROJECT, "object": OBJECT, "version": "1" });
    let shown = done(world, &json!({ "key": { "show": of } }));
    let key_id = shown["key-version"]["key_id"].as_str().unwrap().to_owned();
    let mut envelope = b"GB\x01\x01".to_vec();
    envelope.extend(u32::from_str_radix(&key_id, 16).unwrap().to_be_bytes());
    envelope.extend(1u32.to_be_bytes());
    envelope.extend([7; 24 + 16]);
    Zeroizing::new(envelope)
}

#[test]
fn of_what_was_deleted_no_key_stays_or_comes_back() {
    in_child("gone_keys::of_what_was_deleted_no_key_stays_or_comes_back", |softhsm| {
        let world = indexed(softhsm);
        let operational = world.appliance.unlocked().unwrap();
        let indexes = admitted::<Index>(&world, &operational);
        let decrypts = admitted::<Decrypt>(&world, &operational);
        let envelope = forged(&world);
        let sealed = || Ok(Sealed { envelope: envelope.clone(), context: context() });
        let load = || {
            let opens: Vec<Result<OpeningNeed, Code>> = Operational::opening_needs(&decrypts, &[sealed()]);
            let _keys = operational.load_opening_keys(opens, clock());
            let _keys = operational.load_index_keys(&Operational::index_needs(&indexes, &values()), clock());
            let KeysInMemory { keks, data_keys, roots } = operational.keys_in_memory();
            (keks, data_keys, roots)
        };
        assert_eq!(load(), (1, 1, 1));
        let of = json!({ "project": PROJECT, "name": OBJECT });
        done(&world, &json!({ "object": { "life": { "retire": of } } }));
        pass(120);
        assert_eq!(load(), (1, 1, 1));
        done(&world, &json!({ "object": { "life": { "delete": of } } }));
        let left = operational.keys_in_memory();
        assert_eq!((left.data_keys, left.roots), (0, 0));
        assert_eq!(load(), (1, 0, 0), "they are in memory again");

        let endpoint = json!({ "project": PROJECT, "name": ENDPOINT });
        done(&world, &json!({ "endpoint": { "life": { "delete": endpoint } } }));
        done(&world, &json!({ "project": { "life": { "retire": { "name": PROJECT } } } }));
        done(&world, &json!({ "project": { "life": { "delete": { "name": PROJECT } } } }));
        assert_eq!(operational.keys_in_memory().keks, 0);
        assert_eq!(load(), (0, 0, 0), "it is in memory again");
    });
}

#[test]
fn what_was_read_of_keys_that_changed_since_is_not_kept_for_who_never_comes_back() {
    in_child(
        "gone_keys::what_was_read_of_keys_that_changed_since_is_not_kept_for_who_never_comes_back",
        |softhsm| {
            let mut world = World::new(softhsm);
            world.encrypt().unwrap();
            let operational = world.appliance.unlocked().unwrap();
            let enrolled = operational.load_enrolled(&world.application, clock()).unwrap();
            let remembered = Arc::downgrade(&enrolled);
            drop((enrolled, operational));
            world.tend();
            assert!(remembered.upgrade().is_some(), "while it is true");
            done(&world, &json!({ "key": { "rotate": { "project": PROJECT, "object": OBJECT } } }));
            world.tend();
            assert!(remembered.upgrade().is_none(), "its wrapped keys are in memory still");
        },
    );
}
