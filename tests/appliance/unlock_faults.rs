//! The token fails while the appliance unlocks or locks: what may pass is tried again without anybody's help, what a token
//! refused for good is not, and no module is ever lost until a restart.

use std::thread::sleep;
use std::time::Duration;

use crate::support::daemon::{Daemon, OBJECT, Sandbox};
use crate::support::shim::Shim;
use crate::world::World;

/// A provisioned appliance behind the shim, stopped; `token` is what more that section says.
fn stopped(token: &str) -> (Sandbox, Shim) {
    let sandbox = Sandbox::with_module(Shim::module(), token);
    let World { sandbox, daemon } = World::over(sandbox, "[keyring]\nttl_s = 1\n[degraded]\nmax_s = 2\n");
    assert!(daemon.stop().success());
    let shim = sandbox.softhsm().shim();
    (sandbox, shim)
}

/// How often an unlock failed.
fn failed(daemon: &Daemon) -> usize {
    daemon.said("still locked").count()
}

/// Codes that explain nothing, each alone and once: where, after how many calls of the function, and which.
const DOUBTS: [(&str, usize, u64); 9] = [
    ("C_FindObjectsInit", 0, 6),   // FUNCTION_FAILED: keys left half-made
    ("C_FindObjectsInit", 3, 5),   // GENERAL_ERROR: a key looked for
    ("C_GetAttributeValue", 0, 2), // HOST_MEMORY
    ("C_DecryptInit", 0, 5),       // a store key unwrapped
    ("C_SignInit", 0, 5),          // the CA's key proved
    ("C_SignInit", 2, 0x31),       // DEVICE_MEMORY: the CRL
    ("C_SignInit", 3, 6),          // the checkpoint
    ("C_VerifyInit", 0, 0x70),     // MECHANISM_INVALID
    ("C_CreateObject", 0, 0x31),   // the anchor
];

#[test]
fn one_doubtful_answer_at_the_start_is_got_over_without_help() {
    let (sandbox, shim) = stopped("");
    for (function, skipped, code) in DOUBTS {
        let what = format!("{code:#x} at {function} {skipped}");
        shim.order(&[&format!("{function} {skipped} 1 answer {code}")]);
        let mark = shim.mark();
        let daemon = sandbox.resume();
        assert_eq!(shim.count(mark, &format!("{function} {code}")), 1, "{what} did not happen");
        assert!(failed(&daemon) > 0, "{what}: {}", daemon.log());
        assert!(daemon.stop().success(), "{what}");
    }
    shim.assert_orderly();
}

#[test]
fn a_module_that_will_not_be_finalized_is_not_lost() {
    let (sandbox, shim) = stopped("");
    // At the start: the login fails, and then the module refuses to be let go of.
    shim.order(&["C_Login 0 1 answer 48", "C_Finalize 0 2 answer 48"]);
    let mark = shim.mark();
    let world = World { daemon: sandbox.resume(), sandbox };
    assert_eq!(shim.count(mark, "C_Finalize 48"), 2);
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"utuh");

    // In a lock, which cannot fail; the unlock does while it lasts, and not a moment longer.
    shim.order(&["C_Finalize 0 * answer 48"]);
    world.done("lock");
    for _ in 0..3 {
        assert_eq!(world.sandbox.refused(&["unlock"]), "token-away");
    }
    shim.obey();
    world.done("unlock");
    assert_eq!(absensi.open(OBJECT, &sealed), b"utuh");

    // In the lock that follows when the token is away for too long.
    shim.order(&["C_GetTokenInfo 0 * answer 224", "C_Finalize 0 * answer 48"]);
    world.daemon.wait_until("it is locked", || world.sandbox.state() == "locked");
    assert_eq!(world.sandbox.refused(&["unlock"]), "token-away");
    shim.obey();
    world.done("unlock");
    assert_eq!(absensi.open(OBJECT, &sealed), b"utuh");
    shim.assert_orderly();
}

#[test]
fn a_refused_pin_is_not_tried_again_whatever_call_it_was_refused_in() {
    let (sandbox, shim) = stopped("");
    // Where the login is lost, so that it has to be had again; the first is the opening itself.
    let lost = [
        "",
        "C_FindObjectsInit 0 1 answer 257",
        "C_SignInit 2 1 answer 257",
        "C_CreateObject 0 1 answer 257",
    ];
    for lost in lost {
        let logins = usize::from(!lost.is_empty());
        shim.order(&[lost, &format!("C_Login {logins} * answer 160")]);
        let mark = shim.mark();
        let daemon = sandbox.start();
        daemon.wait_until("it has tried", || failed(&daemon) > 0);
        // The first wait is 1 s.
        sleep(Duration::from_secs(3));
        assert_eq!(failed(&daemon), 1, "{lost}: {}", daemon.log());
        assert_eq!(shim.count(mark, "C_Login begun"), logins + 1, "{lost}");
        let reason = sandbox.done(&["status"])["status"]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("the token refused the PIN"), "{lost}: {reason}");
        // Somebody puts it right, and says so.
        shim.obey();
        sandbox.done(&["unlock"]);
        assert!(daemon.stop().success(), "{lost}");
    }
    shim.assert_orderly();
}

#[test]
fn a_login_that_hangs_half_way_is_left_to_an_operator() {
    let (sandbox, shim) = stopped("deadline_ms = 5000");
    // It may come back with a refused PIN, after everybody has gone.
    shim.order(&["C_CreateObject 0 1 answer 257", "C_Login 1 * hang 0"]);
    let mark = shim.mark();
    let daemon = sandbox.start();
    daemon.wait_until("it has tried", || failed(&daemon) > 0);
    let reason = sandbox.done(&["status"])["status"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("nobody knows whether the token refused the PIN"), "{reason}");
    sleep(Duration::from_secs(3));
    assert_eq!(failed(&daemon), 1, "{}", daemon.log());
    assert_eq!((shim.count(mark, "C_Login begun"), shim.count(mark, "C_Finalize begun")), (2, 0));
    shim.obey();
    daemon.wait_until("the login has come back and it unlocks", || sandbox.run(&["unlock"]).status.success());
    assert!(daemon.stop().success());
    shim.assert_orderly();
}
