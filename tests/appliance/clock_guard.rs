//! What keeps a key from being destroyed before its time by a clock that somebody set: the distrust of one that jumped while we
//! ran, and the hour after an unlock that found it ahead. Neither a second unlock nor a restart takes either away; an operator's
//! word does. An appliance in this process, with both clocks passed in.

use gembok::appliance::{Acceptance, AuditQuery, ClockVerdict, Stop};
use gembok::domain::refusal::Code;
use serde_json::{Value, json};

use crate::clock::{OPERATOR, clock, pass, set_ahead};
use crate::key_world::{World, ask};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};

const DAY_S: i64 = 24 * 3_600;

/// An appliance with a key version whose destruction, in seven days, is scheduled.
pub(crate) struct Guarded {
    pub(crate) world: World,
    /// Sealed under it.
    envelope: Vec<u8>,
}

impl Guarded {
    pub(crate) fn new(softhsm: &SoftHsm) -> Self {
        let mut world = World::new(softhsm);
        world.tend();
        let envelope = world.encrypt().unwrap();
        let asked = |request: Value| ask(&world.appliance, &world.person(&world.siti), &request).unwrap();
        asked(json!({ "key": { "rotate": { "project": PROJECT, "object": OBJECT } } }));
        let doomed =
            json!({ "project": PROJECT, "object": OBJECT, "version": "1", "days": 7, "reason": "uji" });
        let approval = asked(json!({ "key": { "schedule-destruction": doomed } }));
        let give = json!({ "approval": { "give": { "id": approval["approval"]["id"] } } });
        ask(&world.appliance, &world.person(&world.budi), &give).unwrap();
        let guarded = Self { world, envelope };
        assert_eq!(guarded.state(), "destroy_scheduled");
        guarded
    }

    fn state(&self) -> String {
        let shown = json!({ "key": { "show": { "project": PROJECT, "object": OBJECT, "version": "1" } } });
        let shown = ask(&self.world.appliance, &self.world.person(&self.world.siti), &shown).unwrap();
        shown["key-version"]["version"]["state"].as_str().unwrap().to_owned()
    }

    fn verdict(&self) -> ClockVerdict {
        self.world.appliance.health().clock.unwrap()
    }

    pub(crate) fn lock(&self) {
        self.world.appliance.lock(OPERATOR, clock()).unwrap();
    }

    pub(crate) fn unlock(&mut self) {
        self.world.appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        self.world.tending = gembok::appliance::Tending::default();
    }

    pub(crate) fn acknowledge(&self) {
        self.world.appliance.unlocked().unwrap().acknowledge_clock(OPERATOR, clock()).unwrap();
    }

    /// Another process, unlocked, after an end without any order where it was not locked.
    pub(crate) fn restart(self, softhsm: &SoftHsm) -> Self {
        let mut guarded = Self { world: self.world.restarted(softhsm), ..self };
        guarded.unlock();
        guarded
    }

    /// Lets so many minutes pass, in each of which the housekeeping looks.
    #[track_caller]
    pub(crate) fn keeps_for(&mut self, minutes: u64) {
        for _ in 0..minutes {
            self.world.tend();
            assert_eq!(self.state(), "destroy_scheduled");
            pass(60);
        }
        self.world.tend();
        assert_eq!(self.state(), "destroy_scheduled");
        assert_eq!(self.world.decrypt(std::slice::from_ref(&self.envelope)), [Err("key-disabled".into())]);
    }

    /// It goes at the next look along the keys.
    #[track_caller]
    pub(crate) fn goes(&mut self) {
        self.world.tend();
        pass(61);
        self.world.tend();
        assert_eq!(self.state(), "destroyed");
        assert_eq!(self.world.decrypt(std::slice::from_ref(&self.envelope)), [Err("key-destroyed".into())]);
    }

    #[track_caller]
    fn refuses_changes(&self) {
        let made = self.world.appliance.unlocked().unwrap().create_project(
            OPERATOR,
            "lain".parse().unwrap(),
            clock(),
        );
        let Err(Stop::Refused(refusal)) = made else { panic!("it was made") };
        assert_eq!(refusal.code, Code::WrongState);
    }

    /// How often an act is in the audit trail.
    fn recorded(&self, act: &str) -> usize {
        let unlocked = self.world.appliance.unlocked().unwrap();
        let entries = unlocked.audit(OPERATOR, &AuditQuery::of(0, 1_000)).unwrap().entries;
        entries.iter().filter(|entry| entry.record.act == act).count()
    }
}

#[test]
fn a_clock_that_jumped_destroys_nothing_over_unlocks_and_restarts_until_it_is_acknowledged() {
    let case = "clock_guard::a_clock_that_jumped_destroys_nothing_over_unlocks_and_restarts_until_it_is_acknowledged";
    in_child(case, |softhsm| {
        let mut guarded = Guarded::new(softhsm);
        // Somebody sets the clock ten days ahead; the stop-watch knows better.
        set_ahead(10 * DAY_S);
        guarded.keeps_for(3);
        let jumped = guarded.verdict();
        assert!(matches!(jumped, ClockVerdict::Jumped { .. }), "{jumped}");
        for _ in 0..2 {
            guarded.lock();
            guarded.unlock();
            assert_eq!(guarded.verdict(), jumped);
            guarded.refuses_changes();
            guarded.keeps_for(63);
        }
        // In order, and without any.
        guarded.lock();
        guarded = guarded.restart(softhsm);
        assert_eq!(guarded.verdict(), jumped);
        guarded.keeps_for(63);
        guarded = guarded.restart(softhsm);
        assert_eq!(guarded.verdict(), jumped);
        guarded.keeps_for(3);
        assert_eq!(guarded.recorded("clock.distrust"), 1);
        // Nor does a clock that is right again make it trusted.
        set_ahead(0);
        guarded.keeps_for(3);
        guarded.lock();
        guarded.unlock();
        assert_eq!(guarded.verdict(), jumped);
        guarded.refuses_changes();
        guarded.keeps_for(3);
        guarded.acknowledge();
        assert_eq!(guarded.verdict(), ClockVerdict::Trusted);
        guarded.keeps_for(3);
        // What was acknowledged stays so, and in its time the key goes.
        guarded.lock();
        guarded.unlock();
        assert_eq!(guarded.verdict(), ClockVerdict::Trusted);
        pass(7 * 86_400);
        guarded.goes();
        guarded.world.appliance.shut_down();
    });
}

#[test]
fn a_jump_that_nobody_looked_at_before_the_end_is_noticed_all_the_same() {
    let case = "clock_guard::a_jump_that_nobody_looked_at_before_the_end_is_noticed_all_the_same";
    in_child(case, |softhsm| {
        // Locked in the second of the jump.
        let mut guarded = Guarded::new(softhsm);
        set_ahead(10 * DAY_S);
        guarded.lock();
        guarded.unlock();
        let verdict = guarded.verdict();
        assert!(matches!(verdict, ClockVerdict::Jumped { .. }), "{verdict}");
        guarded.keeps_for(63);
        set_ahead(0);
        guarded.acknowledge();
        guarded.lock();
        guarded.unlock();
        // Ended without any order in that second, after a change that was written by the wrong clock: the newest block shows no
        // gap, and the newest checkpoint does.
        let now = clock();
        set_ahead(40 * DAY_S);
        let made = guarded.world.appliance.unlocked().unwrap();
        made.create_project(OPERATOR, "lain".parse().unwrap(), clock()).unwrap();
        drop(made);
        guarded = guarded.restart(softhsm);
        let journal = guarded.world.appliance.health().journal.unwrap().last_block;
        assert!(journal.since(now.time).as_secs() > 30 * 86_400, "{journal}");
        guarded.keeps_for(58);
        guarded.world.appliance.shut_down();
    });
}

#[test]
fn a_clock_that_was_set_ahead_while_we_were_away_leaves_an_hour_unlocked_in_one_piece() {
    let case =
        "clock_guard::a_clock_that_was_set_ahead_while_we_were_away_leaves_an_hour_unlocked_in_one_piece";
    in_child(case, |softhsm| {
        let mut guarded = Guarded::new(softhsm);
        guarded.lock();
        set_ahead(30 * DAY_S);
        // The first unlock is written by the clock it finds; the later ones find no gap, and wait as well.
        for _ in 0..3 {
            guarded.unlock();
            assert_eq!(guarded.verdict(), ClockVerdict::Trusted);
            guarded.keeps_for(58);
            guarded.lock();
        }
        guarded = guarded.restart(softhsm);
        guarded.keeps_for(58);
        guarded = guarded.restart(softhsm);
        guarded.keeps_for(58);
        assert_eq!(guarded.recorded("clock.waited"), 0);
        pass(121);
        guarded.goes();
        assert_eq!(guarded.recorded("clock.waited"), 1);
        guarded.world.appliance.shut_down();
    });
}

#[test]
fn an_operators_word_ends_the_wait_and_a_clock_that_goes_back_begins_no_destruction() {
    let case =
        "clock_guard::an_operators_word_ends_the_wait_and_a_clock_that_goes_back_begins_no_destruction";
    in_child(case, |softhsm| {
        let mut guarded = Guarded::new(softhsm);
        guarded.lock();
        set_ahead(30 * DAY_S);
        guarded.unlock();
        guarded.keeps_for(3);
        // It is set right within the hour: the journal is ahead then, and it is not trusted until somebody says so.
        set_ahead(0);
        guarded.keeps_for(63);
        let verdict = guarded.verdict();
        assert!(matches!(verdict, ClockVerdict::Behind { .. } | ClockVerdict::Jumped { .. }), "{verdict}");
        guarded = guarded.restart(softhsm);
        assert_eq!(guarded.verdict(), verdict);
        guarded.keeps_for(63);
        guarded.acknowledge();
        guarded.keeps_for(3);
        // The journal's end is a month ahead still, and hides nothing of what is set ahead below it.
        guarded.lock();
        set_ahead(20 * DAY_S);
        guarded.unlock();
        assert!(guarded.world.appliance.health().journal.unwrap().last_block > clock().time);
        guarded.keeps_for(58);
        assert_eq!(guarded.verdict(), ClockVerdict::Trusted);
        // An operator says that it is right: so it is.
        let before = guarded.recorded("clock.acknowledge");
        guarded.acknowledge();
        guarded.acknowledge();
        assert_eq!(guarded.recorded("clock.acknowledge"), before + 1, "said once, recorded once");
        guarded.goes();
        guarded.world.appliance.shut_down();
    });
}

#[test]
fn a_machine_that_was_off_for_less_than_an_hour_destroys_what_is_due_at_once() {
    let case = "clock_guard::a_machine_that_was_off_for_less_than_an_hour_destroys_what_is_due_at_once";
    in_child(case, |softhsm| {
        let mut guarded = Guarded::new(softhsm);
        pass(7 * 86_400 - 1_800);
        guarded.keeps_for(1);
        guarded.lock();
        pass(3_000);
        guarded.unlock();
        guarded.goes();
        guarded.world.appliance.shut_down();
    });
}
