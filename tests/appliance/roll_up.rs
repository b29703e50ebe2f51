//! `[statistics]`: once a day, by the clock, minutes, hours and days that are old enough go, days into their month; what is
//! left is a recount of the journal, less what retention took out. An appliance in this process, because the machine's clock
//! is everybody's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use gembok::appliance::{
    Appliance, AuditQuery, Operational, Settings, StatisticsFilter, StatisticsFound, StatisticsQuery, Tending,
};
use gembok::domain::access_record::{AccessRecord, Group, Groups};
use gembok::domain::actor::Actor;
use gembok::domain::id::{EndpointId, ObjectId};
use gembok::domain::operation::Operation;
use gembok::domain::refusal::Code;
use gembok::domain::roll_up::{KeptFrom, StatisticsRetention};
use gembok::domain::statistics::{Counters, Fold, Resolution, Series};
use gembok::domain::statistics_report::Grouping;
use gembok::domain::timestamp::{Now, Timestamp};

use crate::clock;
use crate::support::recount;
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};

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

/// Records a request of a few fields, now, counts it in `fold`, and waits until it is durable.
fn ask(unlocked: &Operational, fold: &mut Fold, endpoint: u8, outcome: Option<Code>) {
    let object = Some(ObjectId::from_bytes([7; 16]));
    let group = Group {
        object,
        key_version: 1,
        outcome,
        fields: 3,
        bytes: 48,
        subjects: None,
        anew: None,
        key_id: None,
    };
    ask_for(unlocked, fold, endpoint, outcome, [group].into());
}

fn ask_for(unlocked: &Operational, fold: &mut Fold, endpoint: u8, outcome: Option<Code>, groups: Groups) {
    let record = AccessRecord {
        time: now().time,
        endpoint: EndpointId::from_bytes([endpoint; 16]),
        api_key: None,
        certificate: [2; 32],
        address: [127, 0, 0, 1].into(),
        operation: Some(Operation::Encrypt),
        latency_us: 100 * u64::from(endpoint),
        outcome,
        groups,
        repeated: None,
    };
    fold.count(&record);
    let (tell, told) = mpsc::channel();
    unlocked.recorder().record_strict(record, None, Box::new(move |done| tell.send(done).unwrap()));
    told.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
}

fn find(unlocked: &Operational, resolution: Resolution) -> StatisticsFound {
    let to = now().time.plus(Duration::from_secs(1));
    let (from, only) = (Timestamp::default(), StatisticsFilter::default());
    let query = StatisticsQuery { resolution, from, to, grouping: Grouping::SERIES, only };
    unlocked.statistics(&query).unwrap()
}

/// What is told of every resolution is what a recount gives, less what went. How many rows of each there are.
fn check(unlocked: &Operational, fold: &Fold) -> [usize; 4] {
    let kept = unlocked.statistics_kept().unwrap();
    let mut expected = recount::rows_kept(fold, &kept);
    // A month is told with the days that are left of it.
    let days: Vec<_> = expected.iter().filter(|(key, _)| key[0] == Resolution::Day as u8).collect();
    let days: Vec<_> = days.into_iter().map(|(key, counters)| (key.clone(), counters.clone())).collect();
    for (key, counters) in days {
        expected.entry(recount::month_of(&key)).or_default().add(&counters);
    }
    let mut told = BTreeMap::new();
    let rows = Resolution::ALL.map(|resolution| {
        let found = find(unlocked, resolution);
        let kept_from = (kept.of(resolution) > 0).then(|| Timestamp::from_seconds(kept.of(resolution)));
        assert_eq!(found.kept_from, kept_from);
        let rows = found.rows.len();
        for row in found.rows {
            let series = Series {
                endpoint: row.group.endpoint.unwrap(),
                object: row.group.object,
                operation: row.group.operation,
                outcome: row.group.outcome.unwrap(),
            };
            told.insert(series.row_key(resolution, row.group.start.unwrap()).to_vec(), row.sums.counters);
        }
        rows
    });
    let expected: BTreeMap<Vec<u8>, Counters> = expected.into_iter().collect();
    assert_eq!(told, expected);
    rows
}

#[test]
fn each_day_what_is_old_enough_goes_and_days_become_months() {
    in_child("roll_up::each_day_what_is_old_enough_goes_and_days_become_months", |softhsm| {
        let statistics =
            StatisticsRetention { minute_days: 1, hour_days: 3, day_days: 40, month_years: Some(1) };
        let settings = Settings { statistics, clock: now, ..clock::settings(softhsm) };
        let appliance = Appliance::open(settings).unwrap();
        clock::init(&appliance, now());
        let unlocked = appliance.unlocked().unwrap();
        let (mut fold, mut tending) = (Fold::default(), Tending::default());
        let forward = |seconds: u64, tending: &mut Tending| {
            AHEAD_S.fetch_add(seconds, Ordering::Relaxed);
            appliance.tend(tending, now());
            appliance.tend(tending, now());
        };
        let requests = |resolution| find(&unlocked, resolution).report.totals.counters.requests;

        ask(&unlocked, &mut fold, 1, None);
        ask(&unlocked, &mut fold, 2, None);
        ask(&unlocked, &mut fold, 2, Some(Code::NotGranted));
        forward(0, &mut tending);
        assert_eq!(unlocked.statistics_kept().unwrap(), KeptFrom::default(), "nothing is old");
        let all = check(&unlocked, &fold);
        assert!(all.iter().all(|rows| (6..=12).contains(rows)), "{all:?}");

        forward(20 * HOUR, &mut tending);
        ask(&unlocked, &mut fold, 1, None);
        assert_eq!(requests(Resolution::Minute), 4);
        check(&unlocked, &fold);
        // A day and an hour after the first, and not yet after the last.
        forward(5 * HOUR, &mut tending);
        check(&unlocked, &fold);
        assert_eq!((requests(Resolution::Minute), requests(Resolution::Hour)), (1, 4));

        forward(10 * DAY, &mut tending);
        let [minutes, hours, days, months] = check(&unlocked, &fold);
        assert_eq!((minutes, hours), (0, 0));
        assert!(days >= 6 && months >= 6, "{days} {months}");
        assert_eq!((requests(Resolution::Day), requests(Resolution::Month)), (4, 4));

        // A clock that is not believed takes nothing away.
        ask(&unlocked, &mut fold, 1, None);
        WRONG_S.store(400 * DAY, Ordering::Relaxed);
        forward(0, &mut tending);
        forward(2 * DAY, &mut tending);
        assert!(!unlocked.clock_is_trusted());
        WRONG_S.store(0, Ordering::Relaxed);
        assert_eq!(requests(Resolution::Minute), 1);
        unlocked.acknowledge_clock(OPERATOR, now()).unwrap();

        let before = find(&unlocked, Resolution::Month).report.totals;
        forward(60 * DAY, &mut tending);
        let [_, _, days, months] = check(&unlocked, &fold);
        assert_eq!(days, 0, "days are part of their months");
        assert!(months > 0);
        assert_eq!(find(&unlocked, Resolution::Month).report.totals, before, "nothing is lost on the way");
        // What comes to a month that has a row already is counted beside it.
        ask(&unlocked, &mut fold, 1, None);
        forward(45 * DAY, &mut tending);
        check(&unlocked, &fold);
        assert_eq!(requests(Resolution::Month), 6);

        // A year after the last but one the months of before go.
        forward(320 * DAY, &mut tending);
        ask(&unlocked, &mut fold, 1, None);
        let told = check(&unlocked, &fold);
        assert!(told.iter().all(|rows| *rows > 0), "{told:?}");
        assert_eq!((requests(Resolution::Day), requests(Resolution::Month)), (1, 2));

        let kept = unlocked.statistics_kept().unwrap();
        assert!(kept.month > 0, "{kept:?}");
        let entries = unlocked.audit(OPERATOR, &AuditQuery::of(0, 1_000)).unwrap().entries;
        let prunes = entries.iter().filter(|entry| entry.record.act == "statistics.prune");
        let mut resolutions: Vec<_> = prunes
            .map(|entry| {
                assert_eq!(entry.record.actor, Actor::System.to_string());
                entry.record.details.value("resolution").unwrap().to_owned()
            })
            .collect();
        resolutions.sort_unstable();
        resolutions.dedup();
        assert_eq!(resolutions, ["day", "hour", "minute", "month"]);
        drop(unlocked);
        appliance.shut_down();
        drop(appliance);

        // In the store itself there is what a recount of the journal gives, less what went, and nothing else.
        let vault = Vault::open_here(softhsm);
        let records = recount::statistics_equal_a_recount(&vault.store);
        assert_eq!(records.iter().filter(|record| matches!(record, Record::Access(_))).count(), 7);
        assert_eq!(recount::kept(&vault.store), kept);
        let rows = recount::statistics(&vault.store);
        assert!(rows.keys().any(|key| key[0] == Resolution::Month as u8));
    });
}

#[test]
fn many_rows_go_in_several_commits() {
    in_child("roll_up::many_rows_go_in_several_commits", |softhsm| {
        let statistics = StatisticsRetention {
            minute_days: 1,
            hour_days: 1,
            day_days: 1,
            ..StatisticsRetention::default()
        };
        let settings = Settings { statistics, clock: now, ..clock::settings(softhsm) };
        let appliance = Appliance::open(settings).unwrap();
        clock::init(&appliance, now());
        let unlocked = appliance.unlocked().unwrap();
        let mut fold = Fold::default();
        for endpoint in 1..=6 {
            let groups = (0..1_000u16).map(|object| {
                let id = [[endpoint; 14].as_slice(), &object.to_be_bytes()].concat();
                let object = Some(ObjectId::from_bytes(id.try_into().unwrap()));
                Group {
                    object,
                    key_version: 1,
                    outcome: None,
                    fields: 1,
                    bytes: 16,
                    subjects: None,
                    anew: None,
                    key_id: None,
                }
            });
            ask_for(&unlocked, &mut fold, endpoint, None, groups.collect());
        }
        let rows = check(&unlocked, &fold);
        assert!(rows.iter().all(|rows| *rows >= 6_006), "{rows:?}");

        let mut tending = Tending::default();
        AHEAD_S.fetch_add(3 * DAY, Ordering::Relaxed);
        appliance.tend(&mut tending, now());
        appliance.tend(&mut tending, now());
        let [minutes, hours, days, months] = check(&unlocked, &fold);
        assert_eq!((minutes, hours, days), (0, 0, 0));
        assert!(months >= 6_006, "{months}");
        let entries = unlocked.audit(OPERATOR, &AuditQuery::of(0, 1_000)).unwrap().entries;
        let prunes = entries.iter().filter(|entry| entry.record.act == "statistics.prune");
        let rows: Vec<u64> =
            prunes.map(|entry| entry.record.details.value("rows").unwrap().parse().unwrap()).collect();
        assert_eq!(rows.len(), 6, "two for each resolution: {rows:?}");
        assert!(rows.iter().all(|rows| *rows <= 5_000), "{rows:?}");
        drop(unlocked);
        appliance.shut_down();
    });
}
