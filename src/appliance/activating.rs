//! `pre_active → active`: a key version that waited for the escrow log begins to seal, and the one that sealed until then only opens.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::key_life::KeyState;
use crate::domain::key_move::Because;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::timestamp::Now;
use crate::store::{Batch, Scan, Table};

use super::escrow::tables;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Prefix of the counter rows that name what waits for the escrow log; table number and row key follow.
const WAITS: &[u8] = b"escrow-waits";
/// Key versions that are looked at in one go.
const WAITING_ROWS: usize = 1_000;
/// Tries of an activation whose rows others write at the same time.
const TRIES_MAX: usize = 16;

fn waits_key(table: Table, row_key: &[u8]) -> Vec<u8> {
    [WAITS, &table.number().to_be_bytes(), row_key].concat()
}

/// Notes that a row waits; where no log is kept any more, until it is looked at next.
pub(super) fn note_waiting(batch: Batch, table: Table, row_key: &[u8]) -> Batch {
    batch.put(Table::Counters, &waits_key(table, row_key), cbor::encode(&0u8))
}

impl Operational {
    /// Notes within a change that a row with a key, which it makes, is to be in the log; nothing where none is kept.
    pub(super) fn wait_for_escrow(&self, batch: Batch, table: Table, row_key: &[u8]) -> Batch {
        if self.keeps_escrow() { note_waiting(batch, table, row_key) } else { batch }
    }

    /// What waits, in order of table and row key.
    pub(super) fn waiting_for_escrow(&self) -> Result<Vec<(Table, Vec<u8>)>, Stop> {
        let range = Scan { prefix: WAITS, after: None, limit: WAITING_ROWS };
        let notes = self.store.scan(Table::Counters, range)?;
        let waits = |(note, _): (Vec<u8>, _)| {
            let (number, row_key) = note.get(WAITS.len()..)?.split_first_chunk()?;
            let table = tables().find(|table| table.number() == u16::from_be_bytes(*number))?;
            Some((table, row_key.to_vec()))
        };
        Ok(notes.into_iter().filter_map(waits).collect())
    }

    /// Activates what is in the log, or where there is none, and notes that nothing waits any more.
    pub(super) fn activate_all(&self, waiting: &[(Table, Vec<u8>)], now: Now) -> Result<(), Stop> {
        for (table, row_key) in waiting {
            let mut tries = TRIES_MAX;
            loop {
                tries -= 1;
                let done = match table {
                    Table::KeyVersions => self.activate(row_key, now),
                    other => self.wait_no_more(*other, row_key, now),
                };
                match done {
                    Err(stop) if tries > 0 && stop.is_conflict() => {}
                    done => break done?,
                }
            }
        }
        Ok(())
    }

    /// A KEK or index root works from its making on; only the note that it waits is taken away.
    fn wait_no_more(&self, table: Table, row_key: &[u8], now: Now) -> Result<(), Stop> {
        self.change(now, |batch| {
            let audit = AuditRecord::new(now.time, Actor::System, "escrow.keep")
                .with("table", table.name())
                .with("row", crate::crypto::hex::to_hex(row_key));
            Ok((batch.delete(Table::Counters, &waits_key(table, row_key)), audit, ()))
        })
    }

    fn activate(&self, row_key: &[u8], now: Now) -> Result<(), Stop> {
        let stepped = self.change_keys_maybe(now, |batch| {
            let batch = batch.delete(Table::Counters, &waits_key(Table::KeyVersions, row_key));
            let audit = AuditRecord::new(now.time, Actor::System, "key.activate");
            let (revision, version) = match self.look_up_now::<KeyVersion>(Table::KeyVersions, row_key)? {
                Some(Listed::Sound(found)) => found,
                Some(Listed::Damaged(row)) => {
                    return Ok(Some((batch, audit.with("left", format!("{row} is damaged")), None)));
                }
                None => return Ok(Some((batch, audit.with("left", "no key version"), None))),
            };
            let audit = audit.with_key(version.place());
            if version.life.state() != KeyState::PreActive {
                return Ok(Some((batch, audit.with("left", version.life.state().name()), None)));
            }
            let Some((id, _)) = self.owner(version.key_id)? else { return Ok(None) };
            let object = self.look_up::<Object>(Table::Objects, id.as_bytes())?.and_then(Listed::sound);
            // One that is damaged is named in the log, and its key waits.
            let Some(object) = object else { return Ok(None) };
            let mut batch = batch.expect_at(Table::KeyVersions, row_key, revision);
            let because = version.made_because(now.time);
            let number = version.version;
            let (mut version, mut before) = (version.activated(now.time), None);
            if object.current_version < number {
                (batch, before) = self.end_sealing(batch, &object, because)?;
                let object = Object { current_version: number, version_floor: None, ..object };
                batch = batch.put(Table::Objects, object.id.as_bytes(), cbor::encode(&object));
            } else if object.current_version > number
                && let Some(opens) = version.clone().step_down(because)
            {
                // It was closed while it waited, and another was made meanwhile.
                version = opens;
            }
            let batch = batch.put(Table::KeyVersions, row_key, cbor::encode(&version));
            Ok(Some((batch, audit.with("object", id), before)))
        })?;
        if let Some(before) = stepped.flatten() {
            self.leases.forget(before);
            self.keys_due.forget(before);
        }
        Ok(())
    }

    /// The version that seals only opens from now on, and which that was.
    fn end_sealing(
        &self,
        batch: Batch,
        object: &Object,
        because: Because,
    ) -> Result<(Batch, Option<KeyPlace>), Stop> {
        let row_key = object.current_place().row_key();
        let found = self.look_up_now::<KeyVersion>(Table::KeyVersions, &row_key)?.and_then(Listed::sound);
        // What does not open does not seal.
        let Some((revision, sealing)) = found else { return Ok((batch, None)) };
        // Also one that is closed: it is not to seal again when it is opened.
        let place = sealing.place();
        let Some(opens) = sealing.step_down(because) else { return Ok((batch, None)) };
        let batch = batch.expect_at(Table::KeyVersions, &row_key, revision);
        Ok((batch.put(Table::KeyVersions, &row_key, cbor::encode(&opens)), Some(place)))
    }
}
