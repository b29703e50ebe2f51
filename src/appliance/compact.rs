//! Compaction: the store's file gives its unused space back to the disk.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::timestamp::Now;
use crate::store::Compacted;

use super::fault::Stop;
use super::operational::Operational;

impl Operational {
    /// Compacts the store. Requests that need it meanwhile wait, and nobody is refused for it; nor for what gathered in the
    /// journal until it was over (`pause`).
    ///
    /// # Errors
    /// The store's.
    pub fn compact_store(&self, actor: Actor, now: Now) -> Result<Compacted, Stop> {
        self.check_clock(&actor.to_string(), "store.compact")?;
        let pause = self.recorder().begin_compaction();
        tracing::info!("the store is being compacted; requests that need it wait");
        let compacted = self.store.compact();
        drop(pause);
        let compacted = compacted?;
        let Compacted { before_bytes, after_bytes } = compacted;
        tracing::info!(before_bytes, after_bytes, "the store was compacted");
        let audit = AuditRecord::new(now.time, actor, "store.compact")
            .with("before-bytes", before_bytes)
            .with("after-bytes", after_bytes);
        self.change(now, |batch| Ok((batch, audit, ())))?;
        Ok(compacted)
    }
}
