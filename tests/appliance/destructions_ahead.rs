//! Whoever may take a destruction back hears of it: health, status and metrics name what waits, also while it is held, and the log
//! speaks a week and a day before.

use gembok::appliance::{DestructionsHealth, HeldBack};
use serde_json::json;

use crate::clock::{pass, set_ahead};
use crate::clock_guard::Guarded;
use crate::expiries::Log;
use crate::key_destruction::{ask, path};
use crate::second_person::{Person, member, person, text};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::world::World;

const DAY_S: u64 = 86_400;

fn ahead(guarded: &Guarded) -> DestructionsHealth {
    guarded.world.appliance.health().destructions.unwrap()
}

#[test]
fn what_waits_is_named_over_restarts_also_while_it_is_held_and_told_in_the_log_in_time() {
    let case = "destructions_ahead::what_waits_is_named_over_restarts_also_while_it_is_held_and_told_in_the_log_in_time";
    in_child(case, |softhsm| {
        let log = Log::begin();
        let of_keys =
            || log.said().into_iter().filter(|(of, _)| of.starts_with("key:")).map(|(_, mark)| mark);
        let mut guarded = Guarded::new(softhsm);
        guarded.keeps_for(2);
        let known = ahead(&guarded);
        assert_eq!((known.count, known.is_whole, known.held), (1, true, None));
        assert_eq!(known.next[0].object, Some(format!("{PROJECT}/{OBJECT}")));
        assert_eq!(known.next[0].place.version, 1);
        assert!(!guarded.world.appliance.expiries().iter().any(|it| it.of.to_string().starts_with("key:")));
        // A restart looks along the keys first; a clock that is not trusted keeps nobody from looking.
        set_ahead(2 * 86_400);
        guarded.keeps_for(1);
        guarded = guarded.restart(softhsm);
        let known = ahead(&guarded);
        assert_eq!((known.count, known.is_whole, known.held), (0, false, Some(HeldBack::Clock)));
        guarded.keeps_for(1);
        let known = ahead(&guarded);
        assert_eq!((known.count, known.is_whole, known.held), (1, true, Some(HeldBack::Clock)));
        set_ahead(0);
        guarded.acknowledge();
        assert_eq!(ahead(&guarded).held, None);
        guarded.keeps_for(1);
        assert_eq!(of_keys().collect::<Vec<_>>(), [7, 7], "once by each process");
        pass(3 * DAY_S);
        guarded.keeps_for(1);
        assert_eq!(of_keys().count(), 0, "not each day anew");
        pass(3 * DAY_S);
        guarded.keeps_for(1);
        assert_eq!(of_keys().collect::<Vec<_>>(), [1]);
        // Held in the hour after an unlock, though it is due.
        guarded.lock();
        pass(2 * DAY_S);
        guarded.unlock();
        guarded.keeps_for(1);
        let known = ahead(&guarded);
        assert_eq!((known.count, known.held), (1, Some(HeldBack::Ahead)));
        guarded.acknowledge();
        guarded.goes();
        let known = ahead(&guarded);
        assert_eq!((known.count, known.is_whole, known.held), (0, true, None));
        assert_eq!(of_keys().count(), 0);
        guarded.world.appliance.shut_down();
    });
}

#[test]
fn what_waits_is_shown_to_whoever_may_see_health() {
    let world = World::new("");
    let (siti, budi) = (member(&world, "siti"), member(&world, "budi"));
    let opsir = person(&world, "opsir", "officer");
    let health = |who: &Person| who.get("/health/state").ok()["destructions"].clone();
    let admin = Person(world.admin());
    let start = std::time::Instant::now();
    while health(&admin) != json!({ "count": 0, "whole": true, "damaged": 0, "held": null, "next": [] }) {
        assert!(start.elapsed().as_secs() < 60, "{}", health(&admin));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    world.done(&format!("key rotate {OBJECT} --project {PROJECT}"));
    let id = text(&ask(&siti, 1, 30).json()["id"]);
    assert_eq!(health(&admin)["count"], 0, "nobody has said yes");
    budi.decide(&id, "give").ok();
    let shown = world.done(&format!("key show {OBJECT} 1 --project {PROJECT}"))["key-version"].clone();
    let at = text(&shown["version"]["destroy_at"]);
    for known in [health(&admin), health(&opsir), world.status()["destructions"].clone()] {
        assert_eq!(
            (&known["count"], &known["whole"], &known["held"]),
            (&json!(1), &json!(true), &json!(null))
        );
        let next = &known["next"][0];
        assert_eq!(next["object"], format!("{PROJECT}/{OBJECT}"));
        assert_eq!((&next["version"], &next["at"]), (&json!(1), &json!(at)));
    }
    let metrics = admin.get("/metrics");
    assert!(metrics.text().contains("\ngembok_key_destructions 1\n"), "{}", metrics.text());
    let left =
        metrics.text().lines().find(|line| line.starts_with("gembok_key_destroyed_in_seconds{key=")).unwrap();
    let left: u64 = left.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((30 * DAY_S - 600..=30 * DAY_S).contains(&left), "{left}");
    for (language, line) in [
        (
            "en",
            format!(
                "DESTROYS      {PROJECT}/{OBJECT} 1 at {at}; gembok key cancel-destruction takes it back\n"
            ),
        ),
        (
            "id",
            format!(
                "MUSNAH        {PROJECT}/{OBJECT} 1 pada {at}; gembok key cancel-destruction membatalkannya\n"
            ),
        ),
    ] {
        let output = world.sandbox.run(&["--language", language, "status"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&line), "{said}");
    }
    opsir.post(&path(1, "/destruction/cancel"), &json!({ "reason": "masih perlu" })).ok();
    assert_eq!(health(&opsir), json!({ "count": 0, "whole": true, "damaged": 0, "held": null, "next": [] }));
    assert!(!admin.get("/metrics").text().contains("gembok_key_destroyed_in_seconds{"));
}
