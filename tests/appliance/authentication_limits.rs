//! Failed authentications: who fails often waits, nobody else does, and the journal does not grow with it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gembok::domain::api_key::ApiKeyText;
use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::recount;
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::{Application, World};

const FREE_FAILURES: usize = 10;

fn item() -> Value {
    json!({ "object": OBJECT, "plaintext": "" })
}

fn unknown_key() -> String {
    ApiKeyText::generate().unwrap().expose().to_owned()
}

/// Asks with ever new keys until that is limited; how often it failed before.
fn guess(application: &Application) -> (usize, Answer) {
    for failures in 0..100 {
        let answer = Application { api_key: unknown_key(), ..application.clone() }.encrypt(&item());
        if answer.status == 429 {
            return (failures, answer);
        }
        assert_eq!(answer.problem(), refusal(401, "api-key-unknown"));
    }
    panic!("guessing was never limited");
}

#[test]
fn guessed_keys_wait_and_good_ones_do_not() {
    let world = World::new("");
    let absensi = world.absensi();
    assert_eq!(absensi.encrypt(&item()).status, 200);
    let (failures, limited) = guess(&absensi);
    assert_eq!(failures, FREE_FAILURES + 1);
    assert_eq!(limited.problem(), refusal(429, "authentication-limited"));
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(limited.header("ratelimit-policy"), Some("\"failed-authentications\";q=10;w=600"));
    assert_eq!(limited.header("ratelimit"), Some("\"failed-authentications\";r=0;t=1"));
    // The same certificate with the right key: also after a change of the catalog, when it is read anew.
    assert_eq!(absensi.encrypt(&item()).status, 200);
    world.done("project create lain");
    assert_eq!(absensi.encrypt(&item()).status, 200);
    // Another certificate from the same address.
    world.done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out kedua"));
    let second = Application { client: world.data(Some("kedua/client")), ..absensi.clone() };
    assert_eq!(second.encrypt(&item()).status, 200);
    // After the wait one may try again, and then has to wait longer.
    std::thread::sleep(Duration::from_secs(1));
    let mut waits = Vec::new();
    world.daemon.wait_until("the wait has grown", || {
        let (_, limited) = guess(&absensi);
        waits.push(limited.header("retry-after").unwrap().parse::<u64>().unwrap());
        *waits.last().unwrap() > 1
    });
    assert_eq!(world.daemon.log().matches("authentication fails again and again").count(), 1);
}

/// Asks with a made-up key all the time until `stop`, as whoever stole the certificate alone would.
fn besiege(application: &Application, stop: &AtomicBool) {
    let thief = Application { api_key: unknown_key(), ..application.clone() };
    let mut live = None;
    while !stop.load(Ordering::Relaxed) {
        // A connection ends when the appliance locks.
        let Some(connection) = live.as_mut() else {
            live = thief.client.connect().ok();
            continue;
        };
        match thief.v1_over(connection, "encrypt", item().to_string()) {
            Ok(answer) => assert_ne!(answer.status, 200),
            Err(_) => live = None,
        }
    }
}

#[test]
fn a_stolen_certificate_keeps_neither_its_endpoint_nor_a_new_api_key_out() {
    let world = World::new("");
    let absensi = world.absensi();
    let is_besieged = || {
        world.daemon.wait_until("the siege is felt", || {
            let with = Application { api_key: unknown_key(), ..absensi.clone() };
            with.encrypt(&item()).problem() == refusal(429, "authentication-limited")
        });
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| besiege(&absensi, &stop));
        // However this ends, the siege does.
        let asked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            is_besieged();
            // Nobody has seen either key with this certificate: not the first, and not one that is made now.
            let ask = |application: &Application| {
                let answer = application.encrypt(&item());
                assert_eq!(answer.status, 200, "{}", answer.text());
            };
            ask(&absensi);
            ask(&Application { api_key: world.generous(), ..absensi.clone() });
            // Nor is anything known of them after a lock.
            world.done("lock");
            world.done("unlock");
            is_besieged();
            for _ in 0..20 {
                ask(&absensi);
            }
        }));
        stop.store(true, Ordering::Relaxed);
        asked.unwrap();
    });
}

#[test]
fn every_way_to_fail_counts_by_both_contracts() {
    let world = World::new("");
    let absensi = world.absensi();
    let gaji = world.enrol(PROJECT, "gaji");
    let (id, revoked) = world.new_api_key(PROJECT, ENDPOINT, "");
    world.done(&format!("api-key revoke {id}"));
    let mut seen = Vec::new();
    for api_key in [revoked.as_str(), gaji.api_key.as_str(), "gbk_salah"].into_iter().cycle().take(30) {
        let with = Application { api_key: api_key.into(), ..absensi.clone() };
        let published = with.published_body(OBJECT, "enkrip", "").to_string();
        for answer in [with.encrypt(&item()), with.published(&published)] {
            seen.push(answer.status);
        }
    }
    let limited = seen.iter().position(|status| *status == 429).unwrap();
    assert_eq!(limited, FREE_FAILURES + 1, "{seen:?}");
    // A good key does not wait, though it was never seen with this certificate.
    assert_eq!(absensi.encrypt(&item()).status, 200);
    // The key of the other endpoint is none the worse.
    assert_eq!(
        gaji.client.connect().and_then(|mut live| gaji.v1_over(&mut live, "encrypt", "{")).unwrap().status,
        400
    );
}

#[test]
fn a_certificate_that_is_not_enrolled_waits_by_itself() {
    let world = World::new("");
    let absensi = world.absensi();
    let admin = Application { client: world.data(Some("admin/admin")), ..absensi.clone() };
    let answers: Vec<u16> = (0..30).map(|_| admin.encrypt(&item()).status).collect();
    assert_eq!(answers.iter().position(|status| *status == 429), Some(FREE_FAILURES + 1), "{answers:?}");
    assert_eq!(world.admin().get("/health/state").status, 200, "where it is enrolled it does not wait");
    assert_eq!(
        absensi.encrypt(&item()).status,
        200,
        "whoever is enrolled does not wait behind the same address"
    );
}

#[test]
fn whoever_shows_no_certificate_waits_by_address() {
    let world = World::new("");
    let anybody = world.control(None);
    let mut live = anybody.connect().unwrap();
    let mut failures = 0;
    let limited = loop {
        let answer = live.ask("GET", "/health/state", &[], b"").unwrap();
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.problem(), refusal(401, "certificate-missing"));
        failures += 1;
        assert!(failures < 1_000);
    };
    assert_eq!(failures, 101);
    assert_eq!(limited.problem(), refusal(429, "authentication-limited"));
    assert_eq!(world.admin().get("/health/state").status, 200, "a user from the same address does not wait");
}

#[test]
fn a_flood_of_refusals_is_counted_whole_and_recorded_as_few() {
    const FLOOD: u64 = 2_000;
    in_child("authentication_limits::a_flood_of_refusals_is_counted_whole_and_recorded_as_few", |softhsm| {
        let world = World::new("");
        let absensi = world.absensi();
        assert_eq!(absensi.encrypt(&item()).status, 200);
        let admin = world.admin();
        let requests = || {
            let rows = admin.get("/v1/statistics?resolution=day").ok()["rows"].clone();
            rows.as_array().unwrap().iter().filter_map(|row| row["requests"].as_u64()).sum::<u64>()
        };
        world.daemon.wait_until("the first is counted", || requests() == 1);
        let sequence = || world.status()["journal"]["next_sequence"].as_u64().unwrap();
        let before = sequence();
        let start = std::time::Instant::now();
        let nobody = Application { api_key: unknown_key(), ..absensi.clone() };
        let mut live = absensi.client.connect().unwrap();
        for _ in 0..FLOOD {
            assert_ne!(nobody.v1_over(&mut live, "encrypt", "{}").unwrap().status, 200);
        }
        let took_s = start.elapsed().as_secs();
        world.daemon.wait_until("all are counted", || requests() == 1 + FLOOD);
        // Two codes (unknown, then limited, and unknown again whenever a wait is over), each once a second at most, and the first.
        let records = sequence() - before;
        assert!(records <= 2 * (took_s + 4), "{records} records in {took_s} s");
        // A record that stands for many adds what they would have added one by one.
        let totals = admin.get("/v1/statistics?resolution=day").ok()["totals"].clone();
        assert!(totals["latency_p99_us"].as_u64() <= totals["latency_max_us"].as_u64(), "{totals}");
        assert!(totals.get("latency_counted").is_none(), "{totals}");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let records = recount::statistics_equal_a_recount(&vault.store);
        let repeated = records.iter().filter_map(|record| match record {
            Record::Access(access) => access.repeated.as_ref(),
            _ => None,
        });
        let mut stood_for = 0;
        for repeated in repeated {
            assert_eq!(repeated.latencies.requests(), u64::from(repeated.more) + 1);
            stood_for += u64::from(repeated.more);
        }
        assert!(stood_for > FLOOD / 2, "{stood_for}");
    });
}
