//! A clock that is set while the appliance runs, and one that is behind its journal: an appliance in this process, because
//! the machine's clock is everybody's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use gembok::appliance::{
    Acceptance, Access, Appliance, AuditQuery, ClockVerdict, ExportWanted, JournalLimits, KeyringLimits,
    Operational, Outside, Policies, Selection, Settings, Stop, Tending,
};
use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::checkpoint::Checkpoint;
use gembok::crypto::export::Item;
use gembok::domain::access::AccessRules;
use gembok::domain::actor::Actor;
use gembok::domain::budget::DefaultBudgets;
use gembok::domain::chain::ChainCheck;
use gembok::domain::chain_report::Report;
use gembok::domain::chain_witness::Witnesses;
use gembok::domain::key_due::RotationPolicy;
use gembok::domain::limits::{RateLimits, RequestLimits};
use gembok::domain::operation::Operations;
use gembok::domain::policy_files::PolicyFiles;
use gembok::domain::refusal::Code;
use gembok::domain::roll_up::StatisticsRetention;
use gembok::domain::timestamp::{Now, Timestamp};
use gembok::hsm::{TokenChoice, TokenConfig};
use time::UtcOffset;

use crate::support::softhsm::{MODULE, SoftHsm, in_child};

/// How far the wall's clock is from the machine's, seconds.
static AHEAD_S: AtomicI64 = AtomicI64::new(0);
/// How long time has passed by both clocks beyond the machine's, seconds.
static PASSED_S: AtomicU64 = AtomicU64::new(0);
/// The access policies that are shipped.
pub(crate) const SHIPPED: &str = include_str!("../../policies/access.cedar");
pub(crate) const OPERATOR: Actor = Actor::Local(0);

#[expect(clippy::disallowed_methods, reason = "a test is its own edge")]
pub(crate) fn clock() -> Now {
    let ahead = AHEAD_S.load(Ordering::Relaxed);
    let apart = Duration::from_secs(ahead.unsigned_abs());
    let passed = Duration::from_secs(PASSED_S.load(Ordering::Relaxed));
    let time = if ahead < 0 { SystemTime::now() - apart } else { SystemTime::now() + apart };
    Now { time: Timestamp::from_system(time + passed), instant: Instant::now() + passed }
}

/// Sets the wall's clock so far from the machine's.
pub(crate) fn set_ahead(seconds: i64) {
    AHEAD_S.store(seconds, Ordering::Relaxed);
}

/// Lets time pass by both clocks.
pub(crate) fn pass(seconds: u64) {
    PASSED_S.fetch_add(seconds, Ordering::Relaxed);
}

pub(crate) fn open(softhsm: &SoftHsm) -> Appliance {
    Appliance::open(settings(softhsm)).unwrap()
}

/// Makes a sandbox of it.
pub(crate) fn init(appliance: &Appliance, now: Now) {
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    appliance.init_sandbox(OPERATOR, "admin".parse().unwrap(), &csr, &[], now).unwrap();
}

/// Of an appliance in this process.
pub(crate) fn settings(softhsm: &SoftHsm) -> Settings {
    let state_directory = softhsm.elsewhere().join("state");
    std::fs::create_dir_all(&state_directory).unwrap();
    let policies = Policies {
        request_limits: RequestLimits::default(),
        rate_limits: RateLimits::default(),
        budgets: DefaultBudgets::default(),
        in_flight_per_certificate_max: 16,
        default_algorithm: Algorithm::Xaes256Gcm,
        rotation: RotationPolicy { automatic: true, after_days: 365 },
    };
    Settings {
        cache_bytes: 1 << 20,
        escrow_path: None,
        token: TokenConfig {
            module: MODULE.into(),
            choice: TokenChoice::Label("sandbox".into()),
            worker_sessions: 1,
            deadline: Duration::from_secs(30),
        },
        pin_file: softhsm.elsewhere().join("pin"),
        server_names: vec!["localhost".into()],
        outside: Outside::default(),
        keyring: KeyringLimits { entries_max: 16, ttl: Duration::from_secs(3_600) },
        degraded_max: Duration::from_secs(3_600),
        journal: JournalLimits {
            flush_after: Duration::from_millis(20),
            buffer_records_max: 1_024,
            strict: Operations::default(),
        },
        disk_reserve_bytes: 0,
        checkpoint_every: Duration::from_secs(60),
        retention: None,
        sessions: gembok::domain::session::SessionLimits::default(),
        statistics: StatisticsRetention::default(),
        policies: ArcSwap::from_pointee(policies),
        access: ArcSwap::from_pointee(shipped_access()),
        policy_files: ArcSwap::from_pointee(PolicyFiles::of(SHIPPED, "", "")),
        memory_protection: "not locked".into(),
        clock,
        notify: Box::new(|| ()),
        state_directory,
    }
}

fn shipped_access() -> Access {
    let rules = AccessRules::parse(SHIPPED, AccessRules::SCHEMA).unwrap();
    Access { rules: Arc::new(rules), utc_offset: UtcOffset::UTC }
}

fn create_project(appliance: &Appliance, name: &str) -> Result<(), Stop> {
    let name = name.parse().unwrap();
    appliance.unlocked().unwrap().create_project(OPERATOR, name, clock()).map(drop)
}

fn refuses_changes(appliance: &Appliance, name: &str) {
    let Err(Stop::Refused(refusal)) = create_project(appliance, name) else { panic!("{name} was made") };
    assert_eq!(refusal.code, Code::WrongState);
    assert!(refusal.to_string().contains("gembok clock acknowledge"), "{refusal}");
    assert!(!appliance.unlocked().unwrap().clock_is_trusted());
    assert!(appliance.is_ready(), "requests on data are served");
}

#[test]
fn a_clock_that_cannot_be_right_makes_the_control_plane_read_only_until_it_is_acknowledged() {
    let case =
        "clock::a_clock_that_cannot_be_right_makes_the_control_plane_read_only_until_it_is_acknowledged";
    in_child(case, |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let mut tending = Tending::default();
        let mut tend = |appliance: &Appliance| appliance.tend(&mut tending, clock());
        tend(&appliance);
        create_project(&appliance, "satu").unwrap();

        // Two hours forward, while it runs.
        set_ahead(7_200);
        tend(&appliance);
        let verdict = appliance.health().clock.unwrap();
        assert!(matches!(verdict, ClockVerdict::Jumped { .. }), "{verdict}");
        refuses_changes(&appliance, "dua");
        appliance.unlocked().unwrap().acknowledge_clock(OPERATOR, clock()).unwrap();
        create_project(&appliance, "dua").unwrap();
        let at_most = clock().time;

        // It was wrong after all: back, across a restart. The journal's time stays where it was.
        appliance.lock(OPERATOR, clock()).unwrap();
        drop(appliance);
        set_ahead(0);
        let appliance = open(softhsm);
        appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        let verdict = appliance.health().clock.unwrap();
        assert!(matches!(verdict, ClockVerdict::Behind { .. }), "{verdict}");
        refuses_changes(&appliance, "tiga");
        let journal = appliance.health().journal.unwrap().last_block;
        assert!(journal > clock().time && journal <= at_most.plus(Duration::from_secs(60)), "{journal}");
        appliance.unlocked().unwrap().acknowledge_clock(OPERATOR, clock()).unwrap();
        create_project(&appliance, "tiga").unwrap();

        // What was acknowledged is not asked again, though the journal is still ahead.
        appliance.lock(OPERATOR, clock()).unwrap();
        appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        create_project(&appliance, "empat").unwrap();
        let unlocked = appliance.unlocked().unwrap();
        let entries = unlocked.audit(OPERATOR, &AuditQuery::of(0, 1_000)).unwrap().entries;
        let acknowledged = entries.iter().filter(|entry| entry.record.act == "clock.acknowledge").count();
        assert_eq!(acknowledged, 2);
        assert!(Arc::strong_count(&unlocked) > 1);
        drop(unlocked);
        appliance.shut_down();
    });
}

/// Exports everything, which has the head signed first: the bytes, and that checkpoint.
fn export(unlocked: &Operational) -> (Vec<u8>, Checkpoint) {
    let wanted = ExportWanted { from: None, to: None, selection: Selection::Everything };
    let mut export = unlocked.begin_export(wanted, clock()).unwrap();
    let mut bytes = Vec::new();
    while let Some(page) = unlocked.export_page(&mut export).unwrap() {
        bytes.extend(page);
    }
    (bytes, Checkpoint::parse_line(&unlocked.checkpoint().unwrap()).unwrap())
}

/// What an auditor finds who has kept a checkpoint besides.
fn verified(mut bytes: &[u8], kept: &Checkpoint) -> Report {
    let mut items = Vec::new();
    while let Some((item, used)) = Item::parse(bytes).unwrap() {
        items.push(item);
        bytes = &bytes[used..];
    }
    let Some(Item::End(trailer)) = items.pop() else { panic!("no end") };
    let checkpoints = [&trailer.checkpoints[..], &[*kept]].concat();
    let mut chain = ChainCheck::new(Witnesses::new(&checkpoints, &trailer.keys, &[]).unwrap());
    for item in items {
        let Item::Block { header, records } = item else { panic!("two ends") };
        chain.block(&header, &records).unwrap();
    }
    chain.finish()
}

#[test]
fn a_clock_set_back_makes_no_honest_export_look_cut_off() {
    in_child("clock::a_clock_set_back_makes_no_honest_export_look_cut_off", |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        create_project(&appliance, "satu").unwrap();
        AHEAD_S.store(50, Ordering::Relaxed);
        let (exported, before) = export(&appliance.unlocked().unwrap());
        assert_eq!(verified(&exported, &before).flaw, None);

        // A time service sets it right: by too little to ask anybody.
        AHEAD_S.store(0, Ordering::Relaxed);
        create_project(&appliance, "dua").unwrap();
        let (_, after) = export(&appliance.unlocked().unwrap());
        assert!(appliance.unlocked().unwrap().clock_is_trusted());
        let not_back = |after: &Checkpoint, earlier: &Checkpoint| {
            let (after, earlier) = (&after.statement, &earlier.statement);
            assert!(after.next_sequence > earlier.next_sequence, "{after:?} {earlier:?}");
            assert!(after.time_us >= earlier.time_us, "{after:?} {earlier:?}");
        };
        not_back(&after, &before);
        let report = verified(&exported, &after);
        assert_eq!((report.flaw, report.notes.len()), (None, 1));

        // Nor when nothing in memory knows when the last one was made.
        appliance.lock(OPERATOR, clock()).unwrap();
        appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        let (_, unlocked) = export(&appliance.unlocked().unwrap());
        not_back(&unlocked, &after);
        assert_eq!(verified(&exported, &unlocked).flaw, None);

        // And never before the block that is named, though that is ahead of the clock.
        AHEAD_S.store(100, Ordering::Relaxed);
        create_project(&appliance, "tiga").unwrap();
        let at_least = clock().time.micros();
        AHEAD_S.store(50, Ordering::Relaxed);
        let (_, named) = export(&appliance.unlocked().unwrap());
        assert!(named.statement.time_us + 40_000_000 > at_least, "{named:?}");
        appliance.shut_down();
    });
}
