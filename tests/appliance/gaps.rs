//! A process that ended without closing its journal leaves a gap record, first of all; one that closed it leaves none.

use gembok::appliance::FIELDS_UNRECORDED_MAX;
use rustix::process::Signal;

use crate::support::daemon::OBJECT;
use crate::support::recount;
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::World;

#[test]
fn an_unclean_end_is_stated_once() {
    in_child("gaps::an_unclean_end_is_stated_once", |softhsm| {
        let world = World::new("");
        let absensi = world.absensi();
        let sealed = absensi.seal(OBJECT, b"sebelum");
        assert_eq!(absensi.open(OBJECT, &sealed), b"sebelum");
        let World { sandbox, mut daemon } = world;
        daemon.signal(Signal::KILL);
        daemon.wait();
        let world = World { daemon: sandbox.resume(), sandbox }.restart();
        let World { sandbox, daemon } = world.restart();
        assert!(daemon.stop().success());

        let vault = Vault::open(&sandbox, softhsm);
        let records = recount::statistics_equal_a_recount(&vault.store);
        let acts: Vec<&str> = records
            .iter()
            .map(|record| match record {
                Record::Access(_) => "access",
                Record::Gap(_) => "gap",
                Record::Audit(audit) => audit.act.as_str(),
            })
            .filter(|act| {
                ["gap", "access", "journal.open", "journal.close", "appliance.unlock"].contains(act)
            })
            .collect();
        let life = ["appliance.unlock", "journal.open", "journal.close"];
        let expected = [&["journal.open", "access", "access", "gap"][..], &life, &life, &life].concat();
        assert_eq!(acts, expected);
        let gap = records.iter().find_map(|record| match record {
            Record::Gap(gap) => Some(gap),
            _ => None,
        });
        let gap = gap.unwrap();
        assert_eq!(gap.fields_max, FIELDS_UNRECORDED_MAX);
        assert!(gap.last_block <= gap.time && gap.last_block.micros() > 0);
        // It is the first record of its block.
        let at = records.iter().position(|record| matches!(record, Record::Gap(_))).unwrap();
        let block = vault.store.block(at as u64).unwrap().unwrap();
        assert_eq!((block.header.first_sequence, block.header.count), (at as u64, 2));
    });
}
