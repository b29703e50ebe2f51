//! The witness: the head of the chain, told to whoever can keep it. A *checkpoint* is signed in the token and copied to the
//! log, to a response header and into the store, so that somebody outside can show later that the chain was changed. The
//! *anchor* is the same head inside the token, so that we ourselves notice at the next unlock that a store was put back.
//!
//! Both are made together: each minute when the head has moved, before the first answer after an unlock, at an orderly end,
//! and after an act that took a right away. While the token is away none can be made; then health says since when, and it
//! is the first thing after it came back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::crypto::checkpoint::{CheckpointKey, Statement};
use crate::domain::timestamp::{Now, Timestamp};
use crate::hsm::{Anchor, Signer};
use crate::store::{Head, Scan, StoreError, Table};

use super::export::read_checkpoint;
use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::unlock::said;

/// How long every checkpoint is kept; of older ones the first of each hour.
const KEPT_WHOLE: Duration = Duration::from_secs(86_400);
const THINNED_TO: Duration = Duration::from_secs(3_600);
/// Checkpoints looked at for thinning in one go.
const THINNED_ROWS_MAX: usize = 1_000;
/// After a failure it is tried again this soon.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What has been made, and what could not be.
pub(super) struct Witness {
    signer: Signer,
    key: CheckpointKey,
    every: Duration,
    /// Held while a checkpoint is made, so that they come in the order of the chain.
    making: Mutex<Thinning>,
    borne: Mutex<Borne>,
}

#[derive(Default)]
struct Borne {
    last: Option<Arc<Testimony>>,
    tried: Option<Instant>,
    failing: Option<(Timestamp, String)>,
}

/// The newest checkpoint, and its one line.
struct Testimony {
    statement: Statement,
    line: Arc<str>,
}

/// How far older checkpoints have been thinned since the unlock.
#[derive(Default)]
struct Thinning {
    after: Option<Vec<u8>>,
    hour: Option<u64>,
}

/// Whether the chain is witnessed.
pub struct WitnessHealth {
    /// SHA-256 of the SPKI of the key that signs in this epoch.
    pub checkpoint_key: [u8; 32],
    /// Of the newest checkpoint: what sequence number comes next, and when it was signed.
    pub checkpoint: Option<(u64, Timestamp)>,
    /// Since when none could be made, and why.
    pub failing: Option<(Timestamp, String)>,
}

impl Witness {
    /// Signs with `signer`, which must be the key of the epoch, and makes a checkpoint at least `every` so often.
    pub(super) fn new(signer: Signer, every: Duration) -> Result<Self, Fault> {
        let key = CheckpointKey::from_spki(signer.spki()).map_err(|malformed| Fault::new(malformed.0))?;
        Ok(Self { signer, key, every, making: Mutex::default(), borne: Mutex::default() })
    }

    fn has_borne(&self, head: &Head) -> bool {
        let borne = self.borne.lock();
        borne.failing.is_none()
            && borne.last.as_ref().is_some_and(|last| last.statement.next_sequence == head.next_sequence)
    }

    fn is_due(&self, now: Now) -> bool {
        let borne = self.borne.lock();
        let wait = if borne.failing.is_some() { RETRY_AFTER.min(self.every) } else { self.every };
        borne.tried.is_none_or(|tried| now.instant.saturating_duration_since(tried) >= wait)
    }
}

impl Operational {
    /// Makes checkpoint and anchor of the present head, unless they are made.
    ///
    /// # Errors
    /// `token-away`; a fault of the token or the disk. Health shows it until one could be made.
    pub fn bear_witness(&self, now: Now) -> Result<(), Stop> {
        self.watch_clock(self.now());
        let mut thinning = self.witness.making.lock();
        let head = self.store.head();
        if self.witness.has_borne(&head) {
            return Ok(());
        }
        let made = self.make_checkpoint(&head, &mut thinning, now);
        let mut borne = self.witness.borne.lock();
        borne.tried = Some(now.instant);
        match made {
            Ok(()) => {
                if let Some((since, _)) = borne.failing.take() {
                    tracing::info!(%since, "checkpoints are made again");
                }
                Ok(())
            }
            Err(stop) => {
                if borne.failing.is_none() {
                    tracing::error!(%stop, "no checkpoint can be made; it is tried again until one is");
                }
                let since = borne.failing.take().map_or(now.time, |(since, _)| since);
                borne.failing = Some((since, stop.to_string()));
                Err(stop)
            }
        }
    }

    /// After an act that took a right away: a store put back to before it must be noticed. The act itself is done and
    /// durable, token or no token.
    pub(super) fn witness_withdrawal(&self, now: Now) {
        // Nobody is kept out by a token: whoever keeps others out does it behind that.
        if self.owes_witness() {
            return;
        }
        // Why it failed stands in health, and housekeeping tries again.
        let _ = self.bear_witness(now);
    }

    /// Makes what is due.
    pub(super) fn tend_witness(&self, now: Now) {
        if self.witness.is_due(now) {
            let _ = self.bear_witness(now);
        }
    }

    /// The newest checkpoint in one line.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<str>> {
        self.witness.borne.lock().last.as_ref().map(|last| Arc::clone(&last.line))
    }

    /// Whether the chain is witnessed.
    pub(super) fn witness_health(&self) -> WitnessHealth {
        let borne = self.witness.borne.lock();
        let told = |last: &Arc<Testimony>| {
            (last.statement.next_sequence, Timestamp::from_micros(last.statement.time_us))
        };
        WitnessHealth {
            checkpoint_key: self.witness.key.fingerprint(),
            checkpoint: borne.last.as_ref().map(told),
            failing: borne.failing.clone(),
        }
    }

    fn make_checkpoint(&self, head: &Head, thinning: &mut Thinning, now: Now) -> Result<(), Stop> {
        let Head { chain, epoch, next_sequence, hash, .. } = *head;
        let time_us = self.time_to_sign(head, now)?.micros();
        let statement = Statement { chain, epoch, next_sequence, hash, time_us };
        let witness = &self.witness;
        let signature = witness.signer.sign_digest(&statement.digest()).map_err(said)?;
        let checkpoint = statement.signed(witness.key.id(), signature);
        checkpoint.verify(&witness.key).map_err(|_| {
            Fault::new(
                "the token signed a checkpoint with a signature that does not verify; look at the token",
            )
        })?;
        self.token.put_anchor(&Anchor { epoch, next_sequence, hash }).map_err(said)?;
        let line: Arc<str> = checkpoint.to_line().into();
        tracing::info!(checkpoint = &*line, "checkpoint");
        witness.borne.lock().last = Some(Arc::new(Testimony { statement, line }));
        let thinned = self.thin(thinning, now)?;
        let key = next_sequence.to_be_bytes();
        Ok(self.store.keep_checkpoint(&key, checkpoint.to_text().as_bytes(), &thinned)?)
    }

    /// Now, but never before the block that is named nor before the checkpoint made last: a clock that was set back must not
    /// make a chain that was exported before look as if its end had been cut off since.
    fn time_to_sign(&self, head: &Head, now: Now) -> Result<Timestamp, Stop> {
        let made = self.witness.borne.lock().last.as_ref().map(|last| last.statement.time_us);
        let last = match made {
            Some(time_us) => Some(Timestamp::from_micros(time_us)),
            // Before the unlock.
            None => self.store.newest_checkpoint()?.and_then(|stored| time_of(&stored)),
        };
        Ok(now.time.max(Timestamp::from_micros(head.time_us)).max(last.unwrap_or_default()))
    }

    /// The keys of checkpoints that need not be kept any longer. One that does not open stays where it is.
    fn thin(&self, thinning: &mut Thinning, now: Now) -> Result<Vec<Vec<u8>>, Stop> {
        let range = Scan { prefix: &[], after: thinning.after.as_deref(), limit: THINNED_ROWS_MAX };
        let mut thinned = Vec::new();
        for (key, row) in self.store.scan(Table::Checkpoints, range)? {
            let time = match row {
                Ok(row) => time_of(&row.value),
                Err(StoreError::Damaged { .. }) => None,
                Err(other) => return Err(other.into()),
            };
            if let Some(time) = time {
                if now.time.since(time) < KEPT_WHOLE {
                    break;
                }
                let hour = time.seconds() / THINNED_TO.as_secs();
                if thinning.hour.replace(hour) == Some(hour) {
                    thinned.push(key.clone());
                }
            }
            thinning.after = Some(key);
        }
        Ok(thinned)
    }
}

/// When a stored checkpoint was signed; `None` when it cannot be read.
pub(super) fn time_of(stored: &[u8]) -> Option<Timestamp> {
    let checkpoint = read_checkpoint(stored)?;
    Some(Timestamp::from_micros(checkpoint.statement.time_us))
}
