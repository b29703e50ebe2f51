//! Which policies were in force when: a row of the counters has the digest of each file of policies that the trail was told of
//! last. At each unlock and each time the files were read again those in force are compared with it, and what differs is
//! recorded in the commit that notes it; so neither a restart nor a lock puts other policies in force unseen.

use minicbor::bytes::ByteArray;
use parking_lot::Mutex;

use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::policy_files::PolicyFiles;
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::second_person::record;
use super::{Appliance, State};

/// What the row of a file begins with, in the table of counters; the file's name follows.
const NOTED: &str = "policy-noted";

/// What the store is known to have.
#[derive(Default)]
pub(super) struct PoliciesNoted(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    files: Option<PolicyFiles>,
    is_told: bool,
}

impl Appliance {
    /// Says which files the policies in force were read from. What differs from before is recorded, now or at the unlock.
    pub fn policies_read(&self, files: PolicyFiles) {
        self.settings.policy_files.store(files.into());
        if let State::Operational(operational) = &*self.state() {
            operational.tend_policies(operational.now());
        }
    }
}

impl Operational {
    /// Records those files that are others than the last that were recorded.
    ///
    /// # Errors
    /// The store's. They are in force, recorded or not.
    pub(super) fn note_policies(&self, now: Now) -> Result<(), Stop> {
        let mut noted = self.policies_noted.0.lock();
        let files = **self.settings.policy_files.load();
        if noted.files == Some(files) {
            return Ok(());
        }
        let changed = self.change_maybe(now, |mut batch| {
            let mut last = None;
            for (name, digest) in files.each() {
                let row_key = [NOTED, name].join(" ").into_bytes();
                let before = match self.look_up::<ByteArray<32>>(Table::Counters, &row_key)? {
                    Some(Listed::Sound(known)) if *known == digest => continue,
                    Some(Listed::Sound(known)) => to_hex(&*known),
                    Some(Listed::Damaged(_)) => "damaged".to_owned(),
                    None => "none".to_owned(),
                };
                batch = batch.put(Table::Counters, &row_key, cbor::encode(&ByteArray::from(digest)));
                let audit = AuditRecord::new(now.time, Actor::System, "policy.load")
                    .with("file", name)
                    .with("digest", to_hex(&digest))
                    .with("before", before);
                if let Some(earlier) = last.replace(audit) {
                    batch = record(batch, &earlier);
                }
            }
            Ok(last.map(|audit| (batch, audit, ())))
        })?;
        (noted.files, noted.is_told) = (Some(files), false);
        if changed.is_some() {
            // What they allow no more is taken away.
            self.witness_withdrawal(now);
        }
        Ok(())
    }

    /// The same, each second: what could not be recorded is tried again, and told once in the log.
    pub(super) fn tend_policies(&self, now: Now) {
        let Err(stop) = self.note_policies(now) else { return };
        if !std::mem::replace(&mut self.policies_noted.0.lock().is_told, true) {
            tracing::error!(%stop, "policies were read again, and that could not be recorded; it is tried again each second");
        }
    }
}
