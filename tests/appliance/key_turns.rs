//! Rotation by itself: by age, by use, before a window ends, and after a compromise whose successor could not be made at once;
//! what is not rotated stops hard at its limit (`leases`).

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::desk::asker::Asker;
use gembok::domain::key_uses::KeyUses;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::timestamp::Timestamp;
use gembok::store::Table;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::shim::Shim;
use crate::support::softhsm::in_child;
use crate::vault::Vault;
use crate::world::World;

const GCM: &str = "alamat";
const XCHACHA: &str = "bpjs";
/// Half of what an algorithm allows that is not leased.
const HALF: u64 = 1 << 39;
const SHORT_OF_HALF: u64 = 4;
/// From one look at every key to the next.
const PASS_EVERY: Duration = Duration::from_secs(60);
const DAY_S: u64 = 86_400;

/// As if it had been made so long ago.
pub(crate) fn age(version: &mut KeyVersion) {
    version.created = Timestamp::from_seconds(version.created.seconds() - 400 * DAY_S);
}

fn current(world: &World, object: &str) -> u64 {
    let shown = world.done(&format!("object show {object} --project {PROJECT}"));
    shown["object"]["object"]["current_version"].as_u64().unwrap()
}

fn reasons(world: &World) -> Vec<String> {
    let trail = world.trail();
    let turned = trail.iter().filter(|entry| entry["act"] == "key.rotate" && entry["actor"] == "system");
    turned.map(|entry| entry["details"]["reason"].as_str().unwrap().to_owned()).collect()
}

fn pause(
    world: World,
    softhsm: &crate::support::softhsm::SoftHsm,
    change: impl FnMut(&mut KeyVersion),
) -> Sandbox {
    let World { sandbox, daemon } = world;
    assert!(daemon.stop().success());
    Vault::open(&sandbox, softhsm).rewrite_all(Table::KeyVersions, change);
    sandbox
}

#[test]
fn a_key_that_is_old_gets_its_next_version() {
    in_child("key_turns::a_key_that_is_old_gets_its_next_version", |softhsm| {
        let world = World::new("");
        for object in ["muda", "abadi", "pensiun", "sebentar"] {
            world.done(&format!("object create {object} --project {PROJECT}"));
        }
        world.done(&format!("object rotation abadi --project {PROJECT} --after-days 0"));
        let shown = world.done(&format!("object rotation muda --project {PROJECT} --after-days 500"));
        assert_eq!(shown["object"]["object"]["rotate_after_days"], 500);
        world.done(&format!("object retire pensiun --project {PROJECT}"));
        let days = ["object", "rotation", "muda", "--project", PROJECT, "--after-days", "36501"];
        assert_eq!(world.sandbox.refused(&days), "bad-request");
        let first = world.absensi().seal(OBJECT, b"lama");
        // A window that ends within the day, of an object that is not old.
        world.done(&format!("object rotation sebentar --project {PROJECT} --after-days 0"));
        let sandbox = pause(world, softhsm, age);
        let world = World { daemon: sandbox.resume(), sandbox };
        world.daemon.wait_until("it is rotated", || current(&world, OBJECT) == 2);
        let second = world.absensi().seal(OBJECT, b"baru");
        assert_eq!(world.absensi().open(OBJECT, &first), b"lama");
        assert_eq!(world.absensi().open(OBJECT, &second), b"baru");
        for object in ["muda", "abadi", "pensiun"] {
            assert_eq!(current(&world, object), 1, "{object}");
        }
        assert_eq!(reasons(&world), ["its age"]);

        // Another age is felt at once; so is a window that ends soon.
        world.done(&format!("object rotation muda --project {PROJECT} --after-days 399"));
        world.daemon.wait_until("it is rotated", || current(&world, "muda") == 2);
        let soon = (OffsetDateTime::now_utc() + time::Duration::hours(2)).format(&Rfc3339).unwrap();
        world
            .done(&format!("key windows sebentar 1 --project {PROJECT} --encrypt-until {soon} --reason uji"));
        world.daemon.wait_until("it is rotated", || current(&world, "sebentar") == 2);
        assert_eq!(reasons(&world), ["its age", "its age", "its window to encrypt ends"]);
        let shown = world.done(&format!("key show sebentar 2 --project {PROJECT}"));
        let made = &shown["key-version"]["moves"][0];
        assert_eq!(
            (&made["actor"], &made["reason"]),
            (&json!("system"), &json!("its window to encrypt ends"))
        );
        let words = ["--language", "id", "key", "show", "sebentar", "2", "--project", PROJECT];
        let shown = String::from_utf8(world.sandbox.run(&words).stdout).unwrap();
        assert!(shown.contains("make -> aktif  system: masa enkripsinya berakhir\n"), "{shown}");
    });
}

#[test]
fn a_key_that_is_half_used_up_gets_its_next_version() {
    in_child("key_turns::a_key_that_is_half_used_up_gets_its_next_version", |softhsm| {
        for (uses, by) in
            [((1 << 31) - 1_024, "a lease"), (1 << 31, "a look"), ((1 << 32) - 5, "a look, late")]
        {
            let world = World::new("");
            world.done(&format!("object create {GCM} --project {PROJECT} --algorithm aes-256-gcm"));
            world.grant("encrypt decrypt", GCM, ENDPOINT);
            let first = world.absensi().seal(GCM, b"satu");
            let sandbox = pause(world, softhsm, |version| {
                version.uses_reserved = if version.algorithm.is_leased() { uses } else { 0 };
            });
            let world = World { daemon: sandbox.resume(), sandbox };
            // Whoever comes just before it is done still has what is left; nobody is refused.
            let sealed: Vec<String> = (0..3).map(|_| world.absensi().seal(GCM, b"dua")).collect();
            world.daemon.wait_until(by, || current(&world, GCM) == 2);
            assert_eq!(world.absensi().open(GCM, &first), b"satu");
            for ciphertext in &sealed {
                assert_eq!(world.absensi().open(GCM, ciphertext), b"dua");
            }
            assert_eq!(world.status()["worn_keys"], json!([]));
            assert_eq!(reasons(&world), ["half of its uses are used up"]);
            world.absensi().seal(GCM, b"tiga");
            let shown = world.done(&format!("object show {GCM} --project {PROJECT}"));
            assert_eq!(shown["object"]["versions"][1]["uses_reserved"], 1_024);
            assert_eq!(shown["object"]["versions"][1]["algorithm"], "aes-256-gcm");
        }
    });
}

#[test]
fn where_nothing_happens_by_itself_health_says_what_is_due() {
    in_child("key_turns::where_nothing_happens_by_itself_health_says_what_is_due", |softhsm| {
        let world = World::new("");
        let sandbox = pause(world, softhsm, age);
        by_hand(&sandbox);
        let world = World { daemon: sandbox.resume(), sandbox };
        let due = |world: &World| world.status()["due_keys"].as_array().unwrap().len();
        world.daemon.wait_until("it is named", || due(&world) == 1);
        assert_eq!(world.status()["due_keys"][0]["why"], "age");
        assert_eq!(world.admin().get("/health/state").json()["due_keys"], world.status()["due_keys"]);
        let output = world.sandbox.run(&["status"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("waits to be rotated"), "{output:?}");
        world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
        assert_eq!(due(&world), 0);
        assert_eq!(reasons(&world), Vec::<String>::new());
    });
}

/// Of algorithms that are not leased only the journal shows how often a version sealed, and it is folded into a row now and then. The
/// rest of the start has long passed by then.
#[test]
fn a_key_whose_uses_the_journal_counts_gets_its_next_version_when_they_are_folded() {
    in_child(
        "key_turns::a_key_whose_uses_the_journal_counts_gets_its_next_version_when_they_are_folded",
        |softhsm| {
            let sandbox = Sandbox::new();
            let world = World::over(sandbox, "[journal]\ncheckpoint_s = 1\n");
            world
                .done(&format!("object create {XCHACHA} --project {PROJECT} --algorithm xchacha20-poly1305"));
            world.grant("encrypt decrypt", XCHACHA, ENDPOINT);
            let objects = [OBJECT, XCHACHA];
            let first = objects.map(|object| world.absensi().seal(object, b"satu"));
            let World { sandbox, daemon } = world;
            assert!(daemon.stop().success());
            // As if each had sealed almost half as often as it may.
            Vault::open(&sandbox, softhsm).rewrite_all(Table::KeyUses, |uses: &mut KeyUses| {
                assert_eq!(uses.sealed, 1);
                uses.sealed = HALF - SHORT_OF_HALF;
            });
            let world = World { daemon: sandbox.resume(), sandbox };
            let absensi = world.absensi();
            let uses = |object: &str, version: u64| {
                let shown = world.done(&format!("key show {object} {version} --project {PROJECT}"));
                shown["key-version"]["version"]["uses"]["uses"].as_u64().unwrap()
            };
            let mut sealed: Vec<_> =
                objects.into_iter().zip(first).map(|(object, it)| (object, it, 1)).collect();
            // One less than half of them, and a look at every key that finds nothing.
            for object in objects {
                sealed.extend((1..SHORT_OF_HALF).map(|_| (object, absensi.seal(object, b"satu"), 1)));
                world.daemon.wait_until("the journal has it", || uses(object, 1) == HALF - 1);
            }
            let folded = || {
                world.wait_for_checkpoint();
                world.done("audit export --output semua.cbor");
                std::fs::remove_file(world.sandbox.path("semua.cbor")).unwrap();
                // Nothing is pruned before its uses are folded.
                world.done("audit prune --before 2100-01-01T00:00:00Z");
            };
            folded();
            std::thread::sleep(Duration::from_secs(2));
            assert_eq!(objects.map(|object| current(&world, object)), [1, 1], "{:?}", reasons(&world));
            // And over it; nothing has looked at what the journal has until that is folded.
            // In one request, so that no fold by itself comes between.
            let items = [OBJECT, OBJECT, XCHACHA, XCHACHA];
            let batch =
                items.map(|object| json!({ "object": object, "plaintext": STANDARD.encode(b"satu") }));
            let answer = absensi.encrypt(&json!({ "items": batch })).ok();
            for (at, object) in items.into_iter().enumerate() {
                sealed.push((object, answer["items"][at]["ciphertext"].as_str().unwrap().to_owned(), 1));
            }
            for object in objects {
                world.daemon.wait_until("the journal has it", || uses(object, 1) == HALF + 1);
            }
            let began = Instant::now();
            folded();
            for object in objects {
                world.daemon.wait_until("it is rotated", || current(&world, object) == 2);
            }
            assert!(began.elapsed() < PASS_EVERY / 2, "by the fold, and not by a pass along all keys");
            assert_eq!(reasons(&world), ["half of its uses are used up"; 2]);
            assert_eq!(objects.map(|object| uses(object, 1)), [HALF + 1; 2]);
            sealed.extend(objects.map(|object| (object, absensi.seal(object, b"satu"), 2)));
            for (object, ciphertext, version) in &sealed {
                assert_eq!(absensi.open(object, ciphertext), b"satu");
                let envelope = STANDARD.decode(ciphertext).unwrap();
                assert_eq!(envelope[8..12], u32::to_be_bytes(*version));
            }
            for object in objects {
                world.daemon.wait_until("the next one has its own count", || uses(object, 2) == 1);
            }
        },
    );
}

/// Lets nothing be rotated without somebody's word, from the next start on.
pub(crate) fn by_hand(sandbox: &Sandbox) {
    let file = sandbox.path("policies/crypto.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("automatic_rotation = true", "automatic_rotation = false")).unwrap();
}

#[test]
fn a_compromised_key_stops_without_a_token_and_goes_on_with_it() {
    let world = World::over(Sandbox::with_module(Shim::module(), ""), "");
    let shim = world.sandbox.softhsm().shim();
    shim.obey();
    let first = world.absensi().seal(OBJECT, b"satu");
    // After a restart the project's KEK is cold.
    let world = world.restart();
    shim.order(&["C_GetTokenInfo 0 * answer 224", "C_Decrypt 0 * answer 224", "C_Initialize 0 * answer 5"]);
    world.daemon.wait_until("it is degraded", || world.sandbox.state() == "degraded");
    let shown = world.done(&format!("key compromise {OBJECT} 1 --project {PROJECT} --reason bocor"));
    let shown = &shown["key-version"];
    assert_eq!((&shown["version"]["state"], &shown["next"][0]), (&json!("compromised"), &json!("rotate")));
    let item = json!({ "object": OBJECT, "plaintext": "" });
    assert_eq!(world.absensi().encrypt(&item).problem(), refusal(409, "key-not-sealing"));
    let mut due = Value::Null;
    // A pass along all keys forgets what it is about to find.
    world.daemon.wait_until("it is named", || {
        due = world.status()["due_keys"].clone();
        !due.as_array().unwrap().is_empty()
    });
    assert_eq!((due.as_array().unwrap().len(), &due[0]["why"]), (1, &json!("compromised")));
    shim.obey();
    world.daemon.wait_until("another took over", || current(&world, OBJECT) == 2);
    assert_eq!(world.absensi().encrypt(&item).status, 200);
    assert_eq!(world.absensi().open(OBJECT, &first), b"satu");
    assert_eq!(world.status()["due_keys"], json!([]));
    assert_eq!(reasons(&world), ["it is compromised"]);
}

#[test]
fn what_comes_back_compromised_is_replaced_before_the_next_pass() {
    in_child("key_turns::what_comes_back_compromised_is_replaced_before_the_next_pass", |softhsm| {
        let mut world = crate::key_world::World::new(softhsm);
        let operator = Asker::Local(0);
        // The clock stands still between them, so no pass falls due by itself any more.
        world.tend();
        world.tend();
        let key = |world: &crate::key_world::World, verb: &str, mut of: Value| {
            of["project"] = PROJECT.into();
            of["object"] = OBJECT.into();
            crate::key_world::ask(&world.appliance, &operator, &json!({ "key": { verb: of } })).unwrap()
        };
        let because = json!({ "version": "1", "reason": "bocor" });
        key(&world, "disable", because.clone());
        key(&world, "compromise", because.clone());
        world.tend();
        assert!(world.encrypt().is_err());
        let shown = key(&world, "enable", because);
        assert_eq!(shown["key-version"]["version"]["state"], "compromised");
        world.tend();
        let sealed = world.encrypt().unwrap();
        assert_eq!(sealed[8..12], 2u32.to_be_bytes());
        world.appliance.shut_down();
    });
}
