//! How long records are kept. Bodies of blocks may go once an export of them is kept elsewhere, and only up to a signed
//! checkpoint; headers stay for ever, so the chain can always be followed, and statistics stay what they were. Every prune is
//! an audit record, and a row says how far it went: that tells what was pruned from what was taken away.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::crypto::checkpoint::Checkpoint;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::chain::{PRUNE_ACT, PRUNE_TO};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Scan, Table};

use super::export::{Exported, read_checkpoint};
use super::fault::Stop;
use super::operational::Operational;

/// Counter: behind the last record of which all before were exported, and kept.
pub(super) const EXPORTED: &[u8] = b"journal-exported";
/// Counter: behind the last record that was pruned.
pub(super) const PRUNED: &[u8] = b"journal-pruned";
/// Blocks pruned in one commit: other commits wait meanwhile.
const PRUNED_BLOCKS_MAX: usize = 1_000;
/// Finished exports that can still be called kept.
const CONCLUDED_MAX: usize = 16;

/// Exports since the unlock.
#[derive(Default)]
pub(super) struct Retention {
    /// Those that were handed over.
    concluded: Mutex<VecDeque<Exported>>,
    /// The name that was given last.
    named: Mutex<u64>,
}

/// How far to prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneUntil {
    /// Up to and including a record.
    Record(u64),
    /// What was recorded before a moment.
    Before(Timestamp),
}

/// What a prune did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// First record that went.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// Blocks that lost their records.
    pub blocks: u64,
    /// Whether all that may go is gone.
    pub is_done: bool,
}

impl Retention {
    /// A name that no other export has, nor one of before the unlock.
    pub(super) fn name(&self, now: Now) -> u64 {
        let mut named = self.named.lock();
        *named = now.time.micros().max(named.saturating_add(1));
        *named
    }

    pub(super) fn conclude(&self, exported: Exported) {
        let mut concluded = self.concluded.lock();
        if concluded.len() == CONCLUDED_MAX {
            concluded.pop_front();
        }
        concluded.push_back(exported);
    }

    fn find(&self, id: u64) -> Option<Exported> {
        self.concluded.lock().iter().find(|exported| exported.id == id).cloned()
    }

    fn take(&self, id: u64) -> Option<Exported> {
        let mut concluded = self.concluded.lock();
        let at = concluded.iter().position(|exported| exported.id == id)?;
        concluded.remove(at)
    }
}

impl Operational {
    /// The first record that was not pruned.
    ///
    /// # Errors
    /// As any reading.
    pub fn pruned_to(&self) -> Result<u64, Stop> {
        Ok(self.read(Table::Counters, PRUNED)?.unwrap_or(0))
    }

    /// Behind the last record of which all before are in exports that were kept.
    ///
    /// # Errors
    /// As any reading.
    pub fn exported_to(&self) -> Result<u64, Stop> {
        Ok(self.read(Table::Counters, EXPORTED)?.unwrap_or(0))
    }

    /// What an export was that was handed over, and not said to be kept yet.
    ///
    /// # Errors
    /// `not-found`.
    pub fn exported(&self, id: u64) -> Result<Exported, Stop> {
        self.retention.find(id).ok_or_else(|| unknown().into())
    }

    /// An export is kept, says who made it: from now on its records may be pruned, if it is whole, leaves no gap behind the
    /// exports before, and holds no damage that nobody has accepted. Gives how far records may be pruned now.
    ///
    /// # Errors
    /// A refusal when the export is not known (any more).
    pub fn keep_export(&self, actor: Actor, id: u64, accept_damage: bool, now: Now) -> Result<u64, Stop> {
        let exported = self.retention.take(id).ok_or_else(unknown)?;
        self.change(now, |batch| {
            let before = self.exported_to()?;
            let follows = exported.first <= before.max(self.pruned_to()?);
            let counts = exported.is_whole && follows && (exported.damaged == 0 || accept_damage);
            let after = if counts { before.max(exported.next) } else { before };
            let audit = AuditRecord::new(now.time, actor, "journal.export")
                .with("from", exported.first)
                .with("to", exported.next)
                .with("whole", exported.is_whole)
                .with("damaged-blocks", exported.damaged)
                .with("prunable-to", after);
            Ok((batch.put(Table::Counters, EXPORTED, cbor::encode(&after)), audit, after))
        })
    }

    /// Prunes the records of at most `commits_max` thousand blocks.
    ///
    /// # Errors
    /// A refusal that says what holds it back when nothing may go.
    pub fn prune(
        &self,
        actor: Actor,
        until: PruneUntil,
        commits_max: usize,
        now: Now,
    ) -> Result<Pruned, Stop> {
        let from = self.pruned_to()?;
        let to = self.prunable(from, until)?;
        let mut pruned = Pruned { from, to: from, blocks: 0, is_done: false };
        for _ in 0..commits_max {
            if pruned.to >= to {
                break;
            }
            let (reached, blocks) = self.prune_some(actor, to, now)?;
            pruned.to = reached;
            pruned.blocks += blocks;
        }
        pruned.is_done = pruned.to >= to;
        // A prune record excuses nothing before it is signed for. Without a token it is when that is back.
        let _ = self.bear_witness(now);
        Ok(pruned)
    }

    /// Behind the last record that may go: the newest checkpoint within what was wanted and what was exported.
    fn prunable(&self, from: u64, until: PruneUntil) -> Result<u64, Stop> {
        let exported = self.exported_to()?;
        let refuse = |detail: String| Err(Refusal::new(Code::BadRequest).detail(detail).into());
        let (limit, before) = match until {
            PruneUntil::Record(last) => (last.saturating_add(1), None),
            PruneUntil::Before(moment) => (u64::MAX, Some(moment)),
        };
        if limit > exported && before.is_none() {
            return refuse(format!(
                "Records may be pruned once an export of them is kept, and those up to {} are: run gembok audit export \
                 --output FILE first.",
                ended(exported)
            ));
        }
        let newest = self.newest_checkpoint(from, limit.min(exported), before)?;
        match newest {
            Some(checkpoint) => Ok(checkpoint.statement.next_sequence),
            None if exported <= from => refuse(format!(
                "Records up to {} are pruned, and nothing behind them is exported: run gembok audit export --output FILE \
                 first.",
                ended(from)
            )),
            None => refuse(format!(
                "No checkpoint lies between record {from}, the first that is not pruned, and that point; records are pruned \
                 up to a signed checkpoint only, and no record behind {} is exported.",
                ended(exported)
            )),
        }
    }

    /// The last checkpoint that names a place behind `from`, up to `limit`, signed before `before` by a key of ours.
    fn newest_checkpoint(
        &self,
        from: u64,
        limit: u64,
        before: Option<Timestamp>,
    ) -> Result<Option<Checkpoint>, Stop> {
        let keys = self.checkpoint_keys()?;
        let mut newest = None;
        let mut after = from.to_be_bytes().to_vec();
        loop {
            let range = Scan { prefix: &[], after: Some(&after), limit: 1_000 };
            let rows = self.store.scan(Table::Checkpoints, range)?;
            let Some((last, _)) = rows.last() else { return Ok(newest) };
            after.clone_from(last);
            for checkpoint in rows.into_iter().filter_map(|(_, row)| read_checkpoint(&row.ok()?.value)) {
                let statement = &checkpoint.statement;
                let is_late = before.is_some_and(|before| statement.time_us >= before.micros());
                if statement.next_sequence > limit || is_late {
                    return Ok(newest);
                }
                let is_ours = keys.iter().any(|key| checkpoint.verify(key).is_ok());
                if is_ours && statement.next_sequence > from {
                    newest = Some(checkpoint);
                }
            }
        }
    }

    /// One commit: bodies of blocks go, the row moves on, the audit record says so.
    fn prune_some(&self, actor: Actor, to: u64, now: Now) -> Result<(u64, u64), Stop> {
        self.recorder().fold_uses(to)?;
        self.change(now, |mut batch| {
            let from = self.pruned_to()?;
            let mut headers = self.store.headers(from, PRUNED_BLOCKS_MAX + 1)?;
            headers.retain(|(first, _)| *first < to);
            let reached = headers.get(PRUNED_BLOCKS_MAX).map_or(to, |(first, _)| *first);
            headers.truncate(PRUNED_BLOCKS_MAX);
            for (first, _) in &headers {
                batch = batch.delete(Table::BlockBodies, &first.to_be_bytes());
            }
            let audit =
                AuditRecord::new(now.time, actor, PRUNE_ACT).with("from", from).with(PRUNE_TO, reached);
            let batch = batch.put(Table::Counters, PRUNED, cbor::encode(&reached));
            Ok((batch, audit, (reached, headers.len() as u64)))
        })
    }

    /// Prunes what is older than `kept`, if it may go, and says in the log what may not. Whether it is worth coming back at
    /// once.
    pub(super) fn tend_retention(&self, kept: Duration, now: Now) -> bool {
        const COMMITS_AT_ONCE: usize = 4;
        let horizon = Timestamp::from_micros(
            now.time.micros().saturating_sub(u64::try_from(kept.as_micros()).unwrap_or(u64::MAX)),
        );
        match self.prune(Actor::System, PruneUntil::Before(horizon), COMMITS_AT_ONCE, now) {
            Ok(pruned) => {
                tracing::info!(
                    from = pruned.from,
                    to = pruned.to,
                    blocks = pruned.blocks,
                    "records were pruned"
                );
                !pruned.is_done
            }
            Err(Stop::Refused(refusal)) => {
                tracing::debug!(%refusal, "nothing to prune");
                false
            }
            Err(stop) => {
                tracing::error!(%stop, "records could not be pruned");
                false
            }
        }
    }
}

/// The last record before `next`, in words.
fn ended(next: u64) -> String {
    next.checked_sub(1).map_or_else(|| "none".into(), |last| format!("record {last}"))
}

fn unknown() -> Refusal {
    Refusal::new(Code::NotFound)
        .detail("No export of that id was handed over whole, or it is not known any more; export again.")
}
