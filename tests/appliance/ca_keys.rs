//! The key of a CA that is trusted no more goes from the token: at the end of the roll, or when the token can; and a store from
//! before that is not lost by it.

use std::fs;

use serde_json::{Value, json};

use crate::client::Client;
use crate::store_damage::started_locked;
use crate::support::daemon::Sandbox;
use crate::support::shim::Shim;
use crate::world::World;

/// CAs' keys in the token, as another program sees them.
pub(crate) fn keys_in_token(world: &World) -> Vec<String> {
    world.sandbox.softhsm().pairs("gembok-ca-")
}

/// The token refuses, or is away: the roll is finished all the same, says what is left, and a further finish does that.
#[test]
fn a_key_that_could_not_be_destroyed_goes_later() {
    let world = World::over(Sandbox::with_module(Shim::module(), ""), "");
    let shim = world.sandbox.softhsm().shim();
    shim.obey();
    world.done("certificate roll-ca start");
    world.done("certificate issue --user admin --out admin-baru");
    // CKR_FUNCTION_FAILED, of whatever is to be destroyed.
    shim.order(&["C_DestroyObject 0 * answer 6"]);
    let finished = world.done("certificate roll-ca finish --force")["ca"].clone();
    assert_eq!((&finished["keys_left"], &finished["retiring"]), (&json!([1]), &Value::Null));
    let said = String::from_utf8(world.sandbox.run(&["certificate", "roll-ca", "show"]).stdout).unwrap();
    assert!(said.contains("KEY LEFT") && said.contains("gembok certificate roll-ca finish"), "{said}");
    assert_eq!(keys_in_token(&world), ["gembok-ca-1", "gembok-ca-2"]);
    // It stays written down.
    let world = world.restart();
    assert_eq!(world.done("certificate roll-ca show")["ca"]["keys_left"], json!([1]));
    shim.obey();
    assert_eq!(world.done("certificate roll-ca finish")["ca"]["keys_left"], json!([]));
    assert_eq!(keys_in_token(&world), ["gembok-ca-2"]);
    assert_eq!(world.sandbox.refused(&["certificate", "roll-ca", "finish"]), "ca-roll-state");
    let acts = world.trail().into_iter().filter(|entry| entry["act"] == "ca.key-destroy").count();
    assert_eq!(acts, 1);
}

/// A store from before a roll names a CA whose key is gone; the one that took its place signs.
#[test]
fn a_store_from_before_a_roll_gets_the_later_ca() {
    let world = World::new("");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    let (store, kept) = (sandbox.path("state/gembok.redb"), sandbox.path("before.redb"));
    fs::copy(&store, &kept).unwrap();
    let world = World { daemon: sandbox.resume(), sandbox };
    world.done("certificate roll-ca start");
    world.done("certificate roll-ca finish --force");
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    fs::copy(&kept, &store).unwrap();
    let world = started_locked(sandbox);
    world.done("unlock --accept-rollback");
    assert_eq!(world.done("certificate roll-ca show")["ca"]["generation"], 2);
    let replaced = world.trail().into_iter().find(|entry| entry["act"] == "ca.replace").unwrap();
    assert_eq!(
        (&replaced["details"]["generation"], &replaced["details"]["lost"]),
        (&json!("2"), &json!("1"))
    );
    world.done("user enable admin");
    world.done("certificate issue --user admin --out admin-baru");
    let admin = Client::new(
        &world.daemon.control(),
        &world.sandbox.path("admin-baru/ca.pem"),
        Some(&world.sandbox.path("admin-baru/user")),
    );
    world.daemon.wait_until("the new certificate is let in", || {
        admin.ask("GET", "/health/state", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
}
