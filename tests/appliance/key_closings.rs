//! A key version that is closed while a request has it in hand, step by step, in this process: what was opened under it does not go
//! out, and its key does not come back into memory. `key_load` has the same of a daemon with much to do.

use gembok::appliance::{
    Aged, Decrypt, Done, Encrypt, Field, Index, Operate, Operational, Reencrypt, Sealed, Searched, ToIndex,
};
use gembok::crypto::aad::Context;
use gembok::desk::asker::Asker;
use gembok::domain::refusal::{Code, Refusal};
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::clock;
use crate::key_world::{World, ask};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};

/// When the version is closed that a request needs.
#[derive(Clone, Copy, PartialEq)]
enum Closed {
    Never,
    /// The request has found it open, and comes for its key.
    BeforeItsKeyIsFetched,
    /// What was opened under it is on its way out.
    OnceItOpened,
}

/// What became of the one item, and whether that may go out.
type Told = (Option<Code>, Result<(), Code>);

fn done_by_operator(world: &World, request: serde_json::Value) {
    ask(&world.appliance, &Asker::Local(0), &request).unwrap();
}

fn key(world: &World, verb: &str) {
    let of = json!({ "project": PROJECT, "object": OBJECT, "version": "1", "reason": "uji" });
    done_by_operator(world, json!({ "key": { verb: of } }));
}

fn context() -> Context<'static> {
    Context::new(Vec::new()).unwrap_or_else(|_| panic!("an empty context"))
}

fn sealed(envelope: &[u8]) -> Sealed<'static> {
    Sealed { envelope: Zeroizing::new(envelope.to_vec()), context: context() }
}

fn admitted<Op: Operate>(world: &World, operational: &Operational) -> gembok::appliance::Admitted<Op> {
    let (caller, objects) = (world.caller(operational), [OBJECT.to_owned()]);
    operational.load_admitted::<Op>(&caller, &objects, &world.application, clock()).unwrap()
}

/// The keys for a request: of one that comes for them twice, the second time after the version was closed.
fn fetched<K>(world: &World, closed: Closed, load: impl Fn() -> K) -> K {
    let keys = load();
    if closed != Closed::BeforeItsKeyIsFetched {
        return keys;
    }
    let before = world.appliance.health().data_keys;
    key(world, "disable");
    assert_eq!(world.appliance.health().data_keys, before - 1);
    let keys = load();
    assert_eq!(world.appliance.health().data_keys, before - 1, "its key is in memory again");
    keys
}

fn told<T>(world: &World, closed: Closed, done: &Done<T>) -> Told {
    if closed == Closed::OnceItOpened {
        assert!(done.watch.check().is_ok());
        key(world, "disable");
    }
    assert_eq!(done.items.len(), 1);
    let code = |refusal: &Refusal| refusal.code;
    (done.items[0].as_ref().err().map(code), done.watch.check().map_err(|refusal| refusal.code))
}

fn decrypt(world: &World, envelope: &[u8], closed: Closed) -> Told {
    let operational = world.appliance.unlocked().unwrap();
    let (admitted, sealed) = (admitted::<Decrypt>(world, &operational), vec![Ok(sealed(envelope))]);
    let keys = fetched(world, closed, || {
        let versions = Operational::opening_needs(&admitted, &sealed);
        operational.load_opening_keys(versions, clock())
    });
    told(world, closed, &operational.decrypt(&admitted, &keys, sealed, clock()).unwrap())
}

fn reencrypt(world: &World, envelope: &[u8], closed: Closed) -> Told {
    let operational = world.appliance.unlocked().unwrap();
    let mut admitted = admitted::<Reencrypt>(world, &operational);
    let aged = vec![Ok(Aged { sealed: sealed(envelope), force: false })];
    let mut keys = fetched(world, closed, || {
        let needed = Operational::renewing_needs(&admitted, &aged);
        operational.load_renewing_keys(&needed, clock()).unwrap()
    });
    let mut renewing = operational.begin_reencrypt(aged).unwrap();
    while !operational.reencrypt(&mut admitted, &mut keys, &mut renewing, clock()).unwrap() {
        operational.stake_again(&mut admitted, clock());
    }
    told(world, closed, &renewing.done())
}

fn index(world: &World, envelope: &[u8], closed: Closed) -> Told {
    let operational = world.appliance.unlocked().unwrap();
    let admitted = admitted::<Index>(world, &operational);
    let values = vec![Ok(ToIndex { field: "nama".into(), value: Searched::Sealed(sealed(envelope)) })];
    let keys = fetched(world, closed, || {
        operational.load_index_keys(&Operational::index_needs(&admitted, &values), clock())
    });
    told(world, closed, &operational.index(&admitted, &keys, values, clock()).unwrap())
}

/// Lets the application do everything with the object, and seals something under a version that is not current any more.
fn prepared(softhsm: &SoftHsm) -> (World, Vec<u8>) {
    let world = World::new(softhsm);
    let name = json!({ "normaliser": "text-fold", "length": 100, "distinct": 50_000, "index": "unique" });
    let schema = json!({ "project": PROJECT, "name": OBJECT, "schema": { "fields": { "nama": name } } });
    done_by_operator(&world, json!({ "object": { "schema": { "set": schema } } }));
    let granted = json!({ "project": PROJECT, "endpoint": ENDPOINT, "object": OBJECT,
        "operations": ["reencrypt", "index"] });
    done_by_operator(&world, json!({ "grant": { "create": granted } }));
    let envelope = world.encrypt().unwrap();
    done_by_operator(&world, json!({ "key": { "rotate": { "project": PROJECT, "object": OBJECT } } }));
    (world, envelope)
}

fn is_closed_in_time(softhsm: &SoftHsm, opens: fn(&World, &[u8], Closed) -> Told) {
    let (world, envelope) = prepared(softhsm);
    for _ in 0..2 {
        let opens = |closed| opens(&world, &envelope, closed);
        assert_eq!(opens(Closed::Never), (None, Ok(())));
        assert_eq!(opens(Closed::OnceItOpened), (None, Err(Code::Conflict)));
        assert_eq!(opens(Closed::Never), (Some(Code::KeyDisabled), Ok(())));
        key(&world, "enable");
        assert_eq!(opens(Closed::BeforeItsKeyIsFetched), (Some(Code::KeyDisabled), Ok(())));
        key(&world, "enable");
    }
}

#[test]
fn what_was_decrypted_under_a_version_that_was_closed_stays_in() {
    in_child("key_closings::what_was_decrypted_under_a_version_that_was_closed_stays_in", |softhsm| {
        is_closed_in_time(softhsm, decrypt);
    });
}

#[test]
fn what_was_reencrypted_under_a_version_that_was_closed_stays_in() {
    in_child("key_closings::what_was_reencrypted_under_a_version_that_was_closed_stays_in", |softhsm| {
        is_closed_in_time(softhsm, reencrypt);
    });
}

#[test]
fn what_was_indexed_under_a_version_that_was_closed_stays_in() {
    in_child("key_closings::what_was_indexed_under_a_version_that_was_closed_stays_in", |softhsm| {
        is_closed_in_time(softhsm, index);
    });
}

#[test]
fn nothing_is_sealed_for_who_comes_for_the_key_of_a_version_that_was_closed() {
    in_child(
        "key_closings::nothing_is_sealed_for_who_comes_for_the_key_of_a_version_that_was_closed",
        |softhsm| {
            let world = World::new(softhsm);
            for closed in [Closed::Never, Closed::BeforeItsKeyIsFetched] {
                let operational = world.appliance.unlocked().unwrap();
                let admitted = admitted::<Encrypt>(&world, &operational);
                let keys =
                    fetched(&world, closed, || operational.load_sealing_keys(&admitted, clock()).unwrap());
                let field = Field { plaintext: Zeroizing::new(b"rahasia".to_vec()), context: context() };
                let done = operational.encrypt(&admitted, &keys, vec![Ok(field)], clock()).unwrap();
                let is_closed = closed == Closed::BeforeItsKeyIsFetched;
                assert_eq!(told(&world, closed, &done), (is_closed.then_some(Code::KeyDisabled), Ok(())));
            }
        },
    );
}
