//! What the journal's thread looks at once a second: how much the disk has left, and whether the store came to a stop over
//! somebody else's write.

use super::DiskSpace;
use super::committer::Committer;
use super::recorder::Waiting;

impl Committer {
    pub(super) fn look_at_disk(&self) {
        match self.reserve.measure() {
            Ok(disk) => {
                let mut open = self.shared.open();
                let was_short = open.disk.is_some_and(DiskSpace::is_short);
                open.disk = Some(disk);
                drop(open);
                let (free_mib, reserve_mib) = (disk.free_bytes >> 20, disk.reserve_bytes >> 20);
                match (was_short, disk.is_short()) {
                    (false, true) => {
                        tracing::error!(
                            free_mib,
                            reserve_mib,
                            "the disk is down to its reserve: requests on data are refused"
                        );
                    }
                    (true, false) => tracing::info!(free_mib, reserve_mib, "the disk has room again"),
                    _ => {}
                }
            }
            Err(error) => tracing::error!(%error, "the free space of the disk cannot be measured"),
        }
    }

    /// A change by the operator may have failed while no record waited.
    pub(super) fn look_at_store(&self, records: &[Waiting]) {
        if !records.is_empty() || !self.store.is_stopped() {
            return;
        }
        let failed = self.store.recover().err().map(|error| error.to_string());
        if let Some(why) = &failed {
            tracing::error!(%why, "the store cannot be opened again yet");
        }
        self.shared.open().trouble = failed;
    }
}
