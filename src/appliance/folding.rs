//! How the journal's thread folds uses: with a block once a minute, by itself where somebody waits for it, and at the end.

use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::store::{Batch, StoreError};

use super::committer::Committer;
use super::key_uses::Folding;
use super::recorder::Waiting;
use super::tenure;

impl Committer {
    /// Adds to the batch of a block what is due: the uses of records that are durable already, and of no others.
    pub(super) fn fold(&self, batch: Batch) -> Result<(Batch, Option<Folding>), StoreError> {
        let mut uses = self.shared.uses.lock();
        uses.settle(&self.store)?;
        if !uses.are_due() {
            return Ok((batch, None));
        }
        // Nobody else commits access records, so all before this are counted.
        let to = self.store.head().next_sequence;
        uses.begin(&self.store, batch, to).map(|(batch, folding)| (batch, Some(folding)))
    }

    /// A block is durable, with what rode on it.
    pub(super) fn folded(&self, folding: Option<Folding>, records: &[Waiting]) {
        let mut uses = self.shared.uses.lock();
        if let Some(folding) = folding {
            uses.done(folding);
        }
        uses.count(records.iter().map(|waiting| &waiting.record));
    }

    /// Folds what is pending without waiting for a block. What fails stays pending.
    pub(super) fn fold_now(&self) {
        let (now, to) = ((self.clock)(), self.store.head().next_sequence);
        let mut uses = self.shared.uses.lock();
        let audit = AuditRecord::new(now.time, Actor::System, "key-uses.fold").with("to", to);
        let folded = uses.begin(&self.store, Batch::new(now.time.micros()), to);
        let failed = match folded {
            Ok((batch, folding)) => {
                let batch = batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit));
                match self.store.commit(batch) {
                    Ok(_) => return uses.done(folding),
                    Err(failed) => {
                        // It may have landed all the same.
                        uses.doubt(folding);
                        self.recover(&failed);
                        if uses.settle(&self.store).is_ok() && uses.are_folded(to) {
                            return;
                        }
                        failed
                    }
                }
            }
            Err(unread) => unread,
        };
        tracing::error!(%failed, "the uses of key versions could not be folded");
        self.shared.open().trouble.get_or_insert(failed.to_string());
    }

    /// Says that the journal is closed, and up to where it is folded. Where the rows cannot be read, the next start folds.
    pub(super) fn close_tenure(&self) -> Result<(), StoreError> {
        let (now, to) = ((self.clock)(), self.store.head().next_sequence);
        let batch = || Batch::new(now.time.micros());
        let folded = self.shared.uses.lock().begin(&self.store, batch(), to);
        tenure::close(&self.store, folded.map_or_else(|_| batch(), |(batch, _)| batch), now)
    }
}
