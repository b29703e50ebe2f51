//! After the turn to another generation of the store key: rows that older generations sealed are sealed anew, in pages, while
//! everything is served; also those of the journal, of the statistics and of the checkpoints. When a walk from the first row to
//! the last finds none of them left, the older keys are taken out of the boot row.
//!
//! The boot row tells that something is owed: it names more than one generation. A row of the counters tells how far it is, and
//! an unlock that finds it goes on there. A row that does not open stays as it is, and keeps no key alive: nobody could read it.

use std::time::{Duration, Instant};

use minicbor::{Decode, Encode};
use parking_lot::Mutex;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::slice::Trouble;
use super::store_key::{Wait, coming};

/// Rows sealed anew in one commit, and about how many bytes of them: other commits wait meanwhile.
const PAGE_ROWS: usize = 1_000;
const PAGE_BYTES: usize = 4 << 20;
/// After something was in its way that does not pass by itself.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The row in the counters.
pub(super) const OWED: &[u8] = b"store-key-reseal";

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Default)]
#[cbor(map)]
pub(super) struct Resealing {
    /// The last row looked at: table and row key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) after: Vec<u8>,
    /// Rows sealed anew.
    #[n(1)]
    pub(super) done: u64,
    /// Rows there were when the generation began.
    #[n(2)]
    pub(super) of: u64,
}

/// What is remembered from one turn to the next; nothing of it is missed after a crash.
#[derive(Default)]
pub(super) struct Reseals {
    walk: Mutex<Option<Walk>>,
    wait_until: Mutex<Option<Instant>>,
    /// What a generation that comes waits for.
    waits_for: Mutex<Option<Wait>>,
    trouble: Trouble,
}

impl Reseals {
    pub(super) fn waits_for(&self) -> Wait {
        self.waits_for.lock().unwrap_or(Wait::Rows)
    }
}

/// A walk along all rows.
#[derive(Default)]
struct Walk {
    /// The generation that they are sealed anew by: another begins another walk.
    generation: u32,
    after: Vec<u8>,
    /// Rows of older generations found on it.
    found: u64,
    /// Whether it began at the first row.
    is_whole: bool,
    damaged: u64,
}

impl Operational {
    /// Goes on with a rotation of the store key, for a part of a second.
    pub(super) fn tend_store_key(&self, now: Now) {
        if self.reseals.wait_until.lock().is_some_and(|until| now.instant < until) {
            return;
        }
        let done = self.for_a_slice(|| self.go_on_resealing(now));
        *self.reseals.waits_for.lock() = Some(Wait::of(&done));
        // A token that is away comes back, and whoever came first has ended soon; what else there may be is somebody's to look at.
        let passing = [Code::TokenAway, Code::Conflict, Code::NotInEscrow];
        let may_pass =
            |stop: &Stop| matches!(stop, Stop::Refused(refusal) if passing.contains(&refusal.code));
        *self.reseals.wait_until.lock() =
            done.as_ref().err().filter(|stop| !may_pass(stop)).map(|_| now.instant + AGAIN_AFTER);
        if let Some(trouble) = self.reseals.trouble.note(&done) {
            tracing::error!(
                trouble,
                "the rotation of the store key does not go on at present; it is tried again"
            );
        }
    }

    /// The same behind a verb: somebody wants it now, whatever was in the way before.
    pub(super) fn tend_store_key_at_once(&self, now: Now) {
        *self.reseals.wait_until.lock() = None;
        self.tend_store_key(now);
    }

    /// Why it does not go on at present, if it does not.
    pub(super) fn resealing_trouble(&self) -> Option<String> {
        self.reseals.trouble.told()
    }

    /// How far it is; a row that does not open is one of the beginning.
    pub(super) fn resealing(&self) -> Result<Option<Resealing>, Stop> {
        let owed = self.look_up::<Resealing>(Table::Counters, OWED)?;
        Ok(owed.map(|owed| Listed::sound(owed).unwrap_or_default()))
    }

    /// Whether rows are being sealed anew, so that a generation will be destroyed.
    pub(super) fn is_resealing(&self) -> Result<bool, Stop> {
        Ok(self.store.boot()?.store_keys.len() > 1)
    }

    fn go_on_resealing(&self, now: Now) -> Result<bool, Stop> {
        let boot = self.store.boot()?;
        match coming(&boot) {
            Some(_) => self.turn_store_key(now),
            None if boot.store_keys.len() > 1 => self.reseal_page(now),
            // What a commit left in memory that was said to have failed, and had not.
            None if self.store.knows_older_keys() => {
                self.forget_older_store_keys(&self.turning()).map(|()| false)
            }
            None => Ok(false),
        }
    }

    fn reseal_page(&self, now: Now) -> Result<bool, Stop> {
        // A verb that goes on here keeps changes out, and housekeeping may wait for it with the walk in hand.
        let Some(mut walk) = self.reseals.walk.try_lock() else { return Ok(false) };
        // No other generation comes before the older ones are gone, and they go with the walk in hand.
        let boot = self.store.boot()?;
        if coming(&boot).is_some() || boot.store_keys.len() == 1 {
            return Ok(true);
        }
        let generation = boot.current_store_key;
        let owed = self.resealing()?.unwrap_or_default();
        if walk.as_ref().is_some_and(|walk| walk.generation != generation) {
            *walk = None;
        }
        let walk = walk.get_or_insert_with(|| {
            let is_whole = owed.after.is_empty();
            Walk { generation, after: owed.after.clone(), is_whole, ..Walk::default() }
        });
        let page = self.store.reseal(&walk.after, PAGE_ROWS, PAGE_BYTES)?;
        let (rows, next) = (page.rows() as u64, page.next.clone());
        walk.damaged += page.damaged;
        if rows > 0 {
            let owed = Resealing { after: next.clone().unwrap_or_default(), done: owed.done + rows, ..owed };
            self.change(now, |batch| {
                let audit = AuditRecord::new(now.time, Actor::System, "store-key.reseal")
                    .with("generation", generation)
                    .with("rows", rows);
                let batch = batch.reseal(page).put(Table::Counters, OWED, cbor::encode(&owed));
                Ok((batch, audit, ()))
            })?;
            walk.found += rows;
        }
        match next {
            Some(next) => walk.after = next,
            None if walk.is_whole && walk.found == 0 => {
                let damaged = walk.damaged;
                *walk = Walk { generation, is_whole: true, ..Walk::default() };
                self.destroy_older_store_keys(generation, damaged, now)?;
            }
            None => *walk = Walk { generation, is_whole: true, ..Walk::default() },
        }
        Ok(true)
    }

    /// No row names generations before `current` any more: their keys go.
    fn destroy_older_store_keys(&self, current: u32, damaged: u64, now: Now) -> Result<(), Stop> {
        let turning = self.turning();
        self.change(now, |batch| {
            let mut boot = self.store.boot()?;
            if boot.current_store_key != current || coming(&boot).is_some() {
                return Err(Code::Conflict.into());
            }
            let older = boot.store_keys.iter().map(|entry| entry.generation).filter(|it| *it != current);
            let older: Vec<String> = older.map(|generation| generation.to_string()).collect();
            boot.store_keys.retain(|entry| entry.generation == current);
            let audit = AuditRecord::new(now.time, Actor::System, "store-key.destroy")
                .with("generations", older.join(","))
                .with("generation", current)
                .with("damaged", damaged);
            let batch = batch.put_boot(boot).delete(Table::Counters, OWED);
            Ok((self.owe_file(batch, now)?, audit, ()))
        })?;
        self.forget_older_store_keys(&turning)?;
        tracing::info!(
            generation = current,
            damaged,
            "every row is sealed by the newest generation of the store key"
        );
        Ok(())
    }
}
