//! What is thought of the clock is said in both languages: by the command line, in health as a word with its moments, and in a
//! report.

use gembok::domain::timestamp::Timestamp;
use gembok::store::Table;
use minicbor::Encode;
use serde_json::{Value, json};

use crate::key_destruction::behind;
use crate::rotten_rows::rot;
use crate::store_damage::started_locked;
use crate::support::softhsm::{SoftHsm, in_child};
use crate::world::World;

const ROW: &[u8] = b"clock-distrusted";

/// What is written down once the clock is not trusted.
#[derive(Encode)]
#[cbor(map)]
struct Distrust {
    #[n(0)]
    has_jumped: bool,
    #[n(1)]
    shows: Timestamp,
    #[n(2)]
    known: Timestamp,
}

/// The line of the status, in English and in Indonesian.
fn said(world: &World) -> [String; 2] {
    [("en", "clock "), ("id", "jam ")].map(|(language, head)| {
        let output = world.sandbox.run(&["--language", language, "status"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with(head)).unwrap();
        line.strip_prefix(head).unwrap().trim_start().to_owned()
    })
}

/// As whoever shows it finds it, by the socket and in health.
fn told(world: &World) -> Value {
    let told = world.status()["clock_verdict"].clone();
    assert_eq!(world.admin().get("/health/state").ok()["clock_verdict"], told);
    told
}

fn page(world: &World, language: &str) -> String {
    let file = format!("{language}.html");
    let output = world.sandbox.run(&["report", "posture", "--output", &file, "--language", language]);
    assert!(output.status.success(), "{output:?}");
    let path = world.sandbox.path(&file);
    let page = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    page
}

fn distrusting(world: World, softhsm: &SoftHsm, distrust: &Distrust) -> World {
    let World { sandbox, daemon } = world;
    behind(&sandbox, daemon, softhsm, |vault| vault.put(Table::Counters, ROW, distrust));
    World { daemon: sandbox.resume(), sandbox }
}

#[test]
fn a_clock_is_judged_in_english_and_in_indonesian() {
    in_child("clock_words::a_clock_is_judged_in_english_and_in_indonesian", |softhsm| {
        let mut world = World::new("");
        assert_eq!(said(&world), ["trusted", "dipercaya"]);
        assert_eq!(told(&world), json!({ "verdict": "trusted", "shows": null, "known": null }));
        let (shows, known) = (Timestamp::from_seconds(1_800_000_000), Timestamp::from_seconds(1_800_009_000));
        let moments = |text: &str| text.contains(&shows.to_string()) && text.contains(&known.to_string());
        for (has_jumped, verdict, english, indonesian, of_page) in [
            (
                false,
                "behind",
                "but the journal was written until",
                "padahal jurnal ditulis sampai",
                "tertinggal dari jurnal",
            ),
            (
                true,
                "jumped",
                "but by the stop-watch it should be",
                "padahal menurut penghitung waktu seharusnya",
                "diubah saat berjalan",
            ),
        ] {
            world = distrusting(world, softhsm, &Distrust { has_jumped, shows, known });
            let expected =
                json!({ "verdict": verdict, "shows": shows.to_string(), "known": known.to_string() });
            assert_eq!(told(&world), expected);
            let [in_english, in_indonesian] = said(&world);
            assert!(in_english.contains(english) && moments(&in_english), "{in_english}");
            assert_eq!(world.status()["clock"], in_english, "the daemon's own sentence");
            assert!(in_indonesian.contains(indonesian) && moments(&in_indonesian), "{in_indonesian}");
            assert!(in_indonesian.ends_with("jika sudah benar, jalankan gembok clock acknowledge"));
            let page = page(&world, "id");
            assert!(page.contains(of_page) && moments(&page) && !page.contains("stop-watch"), "{page}");
        }
        assert!(page(&world, "en").contains("not trusted: set while it ran"));

        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        rot(&sandbox, Table::Counters, ROW);
        let world = started_locked(sandbox);
        world.done("unlock --accept-damage");
        assert_eq!(world.status()["clock_verdict"]["verdict"], "lost");
        let [in_english, in_indonesian] = said(&world);
        assert!(in_english.contains("what was known of it is damaged"), "{in_english}");
        assert!(in_indonesian.contains("catatan tentangnya rusak"), "{in_indonesian}");
        world.done("clock acknowledge");
        assert_eq!(said(&world), ["trusted", "dipercaya"]);
    });
}
