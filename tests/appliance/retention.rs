//! `retention_days`: once a day, by the clock, records that are old enough go; never one that was not exported and kept, and
//! only up to a signed checkpoint. An appliance in this process, because the machine's clock is everybody's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gembok::appliance::{Appliance, AuditQuery, ExportWanted, Operational, Selection, Settings, Tending};
use gembok::crypto::checkpoint::Checkpoint;
use gembok::domain::actor::Actor;
use gembok::domain::timestamp::Now;

use crate::clock;
use crate::support::softhsm::in_child;

const OPERATOR: Actor = Actor::Local(0);
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// How far both clocks are ahead of the machine's, seconds; and by how much more the wall's is.
static AHEAD_S: AtomicU64 = AtomicU64::new(0);
static WRONG_S: AtomicU64 = AtomicU64::new(0);

fn now() -> Now {
    let ahead = Duration::from_secs(AHEAD_S.load(Ordering::Relaxed));
    let Now { time, instant } = clock::clock();
    let wrong = Duration::from_secs(WRONG_S.load(Ordering::Relaxed));
    Now { time: time.plus(ahead).plus(wrong), instant: instant + ahead }
}

/// Where a record goes after which the head is signed: behind the checkpoint.
fn witnessed(appliance: &Appliance, tending: &mut Tending, project: &str) -> u64 {
    // Of older checkpoints one an hour is kept.
    AHEAD_S.fetch_add(2 * HOUR, Ordering::Relaxed);
    let unlocked = appliance.unlocked().unwrap();
    unlocked.create_project(OPERATOR, project.parse().unwrap(), now()).unwrap();
    appliance.tend(tending, now());
    Checkpoint::parse_line(&unlocked.checkpoint().unwrap()).unwrap().statement.next_sequence
}

/// Exports everything, keeps it, and says up to where.
fn export(unlocked: &Operational) -> u64 {
    let wanted = ExportWanted { from: None, to: None, selection: Selection::Everything };
    let mut export = unlocked.begin_export(wanted, now()).unwrap();
    while unlocked.export_page(&mut export).unwrap().is_some() {}
    let exported = unlocked.conclude_export(export);
    unlocked.keep_export(OPERATOR, exported.id, false, now()).unwrap()
}

#[test]
fn each_day_what_is_old_enough_and_exported_goes_up_to_a_checkpoint() {
    in_child("retention::each_day_what_is_old_enough_and_exported_goes_up_to_a_checkpoint", |softhsm| {
        let settings = Settings {
            retention: Some(Duration::from_secs(2 * DAY)),
            clock: now,
            ..clock::settings(softhsm)
        };
        let appliance = Appliance::open(settings).unwrap();
        clock::init(&appliance, now());
        let mut tending = Tending::default();
        let forward = |seconds: u64, tending: &mut Tending| {
            AHEAD_S.fetch_add(seconds, Ordering::Relaxed);
            appliance.tend(tending, now());
            appliance.unlocked().unwrap().pruned_to().unwrap()
        };
        let old = witnessed(&appliance, &mut tending, "lama");
        assert_eq!(forward(3 * DAY, &mut tending), 0, "what is old and nowhere else stays");

        let young = witnessed(&appliance, &mut tending, "baru");
        let exported = export(&appliance.unlocked().unwrap());
        assert!(old < young && young <= exported, "{old} {young} {exported}");
        assert_eq!(forward(20 * HOUR, &mut tending), 0, "it runs once a day");
        assert_eq!(
            forward(5 * HOUR, &mut tending),
            old,
            "two days and older, up to the checkpoint behind it"
        );
        let unlocked = appliance.unlocked().unwrap();
        let signed = Checkpoint::parse_line(&unlocked.checkpoint().unwrap()).unwrap();
        let behind =
            unlocked.audit(OPERATOR, &AuditQuery::of(signed.statement.next_sequence, 10)).unwrap().entries;
        assert!(behind.is_empty(), "the record of a prune is signed for before it is over");
        assert!(
            unlocked
                .audit(OPERATOR, &AuditQuery::of(0, 10))
                .unwrap()
                .entries
                .iter()
                .all(|entry| entry.sequence >= old)
        );
        assert!(unlocked.audit(OPERATOR, &AuditQuery::of(young - 1, 1)).unwrap().entries.len() == 1);

        // A clock that is not believed takes nothing away.
        WRONG_S.store(30 * DAY, Ordering::Relaxed);
        assert_eq!(forward(0, &mut tending), old);
        assert!(!unlocked.clock_is_trusted());
        assert_eq!(forward(DAY + HOUR, &mut tending), old, "nor on the next day");
        WRONG_S.store(0, Ordering::Relaxed);
        unlocked.acknowledge_clock(OPERATOR, now()).unwrap();

        // What came after the export stays, however old.
        let gone = forward(10 * DAY, &mut tending);
        assert!(young <= gone && gone <= exported, "{young} {gone} {exported}");
        assert_eq!(forward(100 * DAY, &mut tending), gone);
        let prunes = unlocked.audit(OPERATOR, &AuditQuery::of(gone, 1_000)).unwrap().entries;
        let prunes = prunes.into_iter().filter(|entry| entry.record.act == "journal.prune");
        let prunes: Vec<_> = prunes
            .map(|entry| (entry.record.actor, entry.record.details.value("to").unwrap().to_owned()))
            .collect();
        let system = || Actor::System.to_string();
        assert_eq!(prunes.last(), Some(&(system(), gone.to_string())));
        drop(unlocked);
        appliance.shut_down();
    });
}
