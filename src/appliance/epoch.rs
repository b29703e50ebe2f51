//! A new epoch: what an accepted rollback opens. Nobody knows what was done in the time that the store has lost, so nothing
//! may be done again that could have been done then, and nobody comes in who may have been sent away:
//!
//! ```text
//! users, endpoints, API keys                 disabled, until each is enabled again
//! sessions, approvals, one-time links        gone: they may have been ended or used
//! key versions of AES-GCM and AES-GCM-SIV    decrypt_only: seals under them were not counted
//! key versions of the other two              2^36 uses more
//! objects, projects, index roots             the next key version, KEK version, root version: 1,000 higher
//! CRL number, wraps by each MK generation    2^20 higher
//! budgets of endpoints and API keys          spent: what was decrypted and indexed was not counted
//! ```
//!
//! What is damaged and can be told from other rows is written anew on the way: names, and how far the journal was pruned.
//!
//! The first commit opens the epoch and notes that the jumps are owed; each further one does a page of them and notes how
//! far it came. An unlock that finds a note goes on there, so a crash leaves none out and does none twice.

use minicbor::{Decode, Encode};

use crate::crypto::checkpoint::CheckpointKey;
use crate::crypto::hex::to_hex;
use crate::domain::actor::Actor;
use crate::domain::api_key::ApiKey;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::budget::{Budget, Counted, DefaultBudgets, Spender};
use crate::domain::cbor;
use crate::domain::credentials::Credentials;
use crate::domain::endpoint::Endpoint;
use crate::domain::key_version::KeyVersion;
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::root_version::RootVersion;
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::User;
use crate::hsm::{Anchor, Token, TokenError};
use crate::store::{Batch, Boot, CheckpointKeyEntry, Scan, Store, StoreError, Table};

use super::catalog::token_wraps_key;
use super::certificates::CRL_NUMBER;
use super::fault::{Fault, Stop};
use super::never_sealed::RECORDED_SINCE;
use super::provision::checkpoint_label;
use super::retention::{EXPORTED, PRUNED};
use super::unlock::said;

/// Added to the next version of every key.
pub(super) const VERSIONS_JUMP: u32 = 1_000;
/// Added to the uses of a version that is counted from the journal.
pub(super) const USES_JUMP: u64 = 1 << 36;
/// Added to the CRL number.
const CRL_JUMP: u64 = 1 << 20;
/// Added to the wraps of each MK generation.
const WRAPS_JUMP: u64 = 1 << 20;
/// Rows of one commit.
const PAGE_ROWS: usize = 5_000;
/// Epochs whose checkpoint key the token has already, left over from acceptances that were lost themselves.
const EPOCHS_SKIPPED_MAX: u32 = 1_000;
/// Row key in the counters of what is owed.
const OWED: &[u8] = b"epoch-jumps";

/// The tables whose rows jump, in this order: first those that let somebody in.
const TABLES: [Table; 8] = [
    Table::Users,
    Table::Endpoints,
    Table::ApiKeys,
    Table::KeyVersions,
    Table::Objects,
    Table::Projects,
    Table::Credentials,
    Table::IndexRoots,
];

/// How far the jumps have come.
#[derive(Encode, Decode, Default)]
#[cbor(map)]
struct Owed {
    /// Which of [`TABLES`].
    #[n(0)]
    table: u8,
    /// The last row done in it; empty at its beginning.
    #[cbor(n(1), with = "minicbor::bytes")]
    after: Vec<u8>,
}

/// Opens the next epoch over whatever lies in the store. `begun` is the batch that an unlock
/// begins with, `unlock` its record, which says what was accepted. The boot row
/// that is in force from now on.
pub(super) fn open(
    store: &Store,
    token: &Token,
    boot: &Boot,
    anchor: Option<Anchor>,
    begun: Batch,
    unlock: AuditRecord,
    now: Now,
) -> Result<Boot, Stop> {
    let known = anchor.map_or(0, |anchor| anchor.epoch).max(boot.epoch);
    let (epoch, spki) = new_checkpoint_key(token, known)?;
    let key = CheckpointKey::from_spki(&spki).map_err(|malformed| Fault::new(malformed.0))?;
    let mut boot = boot.clone();
    boot.epoch = epoch;
    boot.checkpoint_keys.push(CheckpointKeyEntry { epoch, label: checkpoint_label(epoch), spki });

    let mut batch = begun.put_boot(boot.clone());
    batch = batch.put(Table::Counters, OWED, cbor::encode(&Owed::default()));
    batch = batch.put(Table::Counters, RECORDED_SINCE, cbor::encode(&now.time));
    // A counter that does not open is one of those lost: what it must have been below is known.
    let crl_number = counter(store, CRL_NUMBER)?.unwrap_or(u64::from(epoch).saturating_mul(CRL_JUMP));
    batch = batch.put(Table::Counters, CRL_NUMBER, cbor::encode(&crl_number.saturating_add(CRL_JUMP)));
    for generation in boot.master_keys.iter().map(|key| key.generation) {
        let row_key = token_wraps_key(generation);
        let wraps = counter(store, &row_key)?.unwrap_or(u64::from(epoch).saturating_mul(WRAPS_JUMP));
        batch = batch.put(Table::Counters, &row_key, cbor::encode(&wraps.saturating_add(WRAPS_JUMP)));
    }
    // Sessions may have been ended, and requests refused or used up, in the time that is lost.
    batch = without_rows(store, batch, Table::Sessions)?;
    batch = without_rows(store, batch, Table::Approvals)?;
    let opened = AuditRecord::new(now.time, Actor::System, "epoch.open")
        .with("epoch", epoch)
        .with("checkpoint-key", to_hex(&key.fingerprint()));
    // As if nothing were exported: then nothing is pruned before it was exported again. As if what lies before the first
    // block that has its records were pruned: an export shows by its prune records what was taken away besides.
    let (batch, opened) = mend_counter(store, batch, opened, (EXPORTED, "journal-exported", 0))?;
    let pruned = store.first_body()?.unwrap_or(0);
    let (batch, opened) = mend_counter(store, batch, opened, (PRUNED, "journal-pruned", pruned))?;
    tracing::warn!(
        epoch,
        "a new epoch: users, endpoints and API keys are disabled until they are enabled again, and budgets are spent"
    );
    let records = [unlock, opened];
    let batch = records.iter().fold(batch, record);
    store.accept_damage(batch)?;
    Ok(boot)
}

/// Takes the rows of a table out; it has fewer than a scan returns.
fn without_rows(store: &Store, batch: Batch, table: Table) -> Result<Batch, Stop> {
    let rows = store.scan(table, Scan { prefix: &[], after: None, limit: PAGE_ROWS })?;
    Ok(rows.iter().fold(batch, |batch, (row_key, _)| batch.delete(table, row_key)))
}

/// Rewrites a counter that does not open as `to`, and records that.
fn mend_counter(
    store: &Store,
    batch: Batch,
    audit: AuditRecord,
    (row_key, name, to): (&[u8], &'static str, u64),
) -> Result<(Batch, AuditRecord), Stop> {
    match store.get(Table::Counters, row_key) {
        Err(StoreError::Damaged { row, .. }) => {
            tracing::warn!(%row, to, "a damaged counter is written anew");
            Ok((batch.put(Table::Counters, row_key, cbor::encode(&to)), audit.with(name, to)))
        }
        Err(other) => Err(other.into()),
        Ok(_) => Ok((batch, audit)),
    }
}

/// Writes the name of a row anew where its row in `names` is damaged: what it leads to is told by the row itself.
fn mend_name(store: &Store, batch: Batch, table: Table, row: &[u8]) -> Result<Batch, Stop> {
    let (parent, name, id) = match table {
        Table::Users => {
            let User { id, name, .. } = cbor::decode(row)?;
            ([0; 16], name, *id.as_bytes())
        }
        Table::Endpoints => {
            let Endpoint { id, project, name, .. } = cbor::decode(row)?;
            (*project.as_bytes(), name, *id.as_bytes())
        }
        Table::Objects => {
            let Object { id, project, name, .. } = cbor::decode(row)?;
            (*project.as_bytes(), name, *id.as_bytes())
        }
        Table::Projects => {
            let Project { id, name, .. } = cbor::decode(row)?;
            ([0; 16], name, *id.as_bytes())
        }
        _ => return Ok(batch),
    };
    let name_key = store.name_key(table, &parent, name.as_str());
    match store.get(Table::Names, &name_key) {
        Err(StoreError::Damaged { row, .. }) => {
            tracing::warn!(%row, "a damaged name is written anew");
            Ok(batch.put(Table::Names, &name_key, id.to_vec()))
        }
        Err(other) => Err(other.into()),
        Ok(_) => Ok(batch),
    }
}

/// Does the jumps that are owed, if any are. `budgets` are the policy's, for those who have none of their own.
pub(super) fn settle(store: &Store, budgets: DefaultBudgets, now: Now) -> Result<(), Stop> {
    while let Some(row) = store.get(Table::Counters, OWED)? {
        let owed: Owed = cbor::decode(&row.value)?;
        let batch = Batch::new(now.time.micros()).expect_at(Table::Counters, OWED, row.revision);
        let audit = AuditRecord::new(now.time, Actor::System, "epoch.jump");
        let batch = match TABLES.get(usize::from(owed.table)) {
            Some(table) => jump_page(store, batch, &owed, *table, budgets, audit, now.time)?,
            None => record(batch.delete(Table::Counters, OWED), &audit.with("all", "done")),
        };
        store.commit(batch)?;
    }
    Ok(())
}

/// The jumps of one page of a table, and the note of how far that is.
fn jump_page(
    store: &Store,
    mut batch: Batch,
    owed: &Owed,
    table: Table,
    budgets: DefaultBudgets,
    audit: AuditRecord,
    now: Timestamp,
) -> Result<Batch, Stop> {
    let after = (!owed.after.is_empty()).then_some(owed.after.as_slice());
    let rows = store.scan(table, Scan { prefix: &[], after, limit: PAGE_ROWS })?;
    let next = match rows.last() {
        Some((last, _)) if rows.len() == PAGE_ROWS => Owed { table: owed.table, after: last.clone() },
        _ => Owed { table: owed.table + 1, after: Vec::new() },
    };
    let mut changed = 0u32;
    for (key, row) in rows {
        let row = match row {
            Ok(row) => row,
            // Lost already, and named by who accepted it.
            Err(StoreError::Damaged { .. }) => continue,
            Err(other) => return Err(other.into()),
        };
        batch = mend_name(store, batch, table, &row.value)?;
        if let Some(jumped) = jump(table, &row.value, now)? {
            batch = batch.put(table, &key, jumped);
            changed += 1;
        }
        for spender in spenders(table, &row.value)?.into_iter().flatten() {
            let budget = spent(store, spender, budgets, now)?;
            batch = batch.put(Table::Budgets, &spender.row_key(), cbor::encode(&budget));
        }
    }
    let batch = batch.put(Table::Counters, OWED, cbor::encode(&next));
    Ok(record(batch, &audit.with("table", table.name()).with("changed", changed)))
}

/// A row after its jump; `None` when it stays.
fn jump(table: Table, row: &[u8], now: Timestamp) -> Result<Option<Vec<u8>>, Stop> {
    Ok(match table {
        Table::Users => {
            let user: User = cbor::decode(row)?;
            user.disabled.is_none().then(|| cbor::encode(&User { disabled: Some(now), ..user }))
        }
        Table::Endpoints => {
            let endpoint: Endpoint = cbor::decode(row)?;
            endpoint.disabled.is_none().then(|| cbor::encode(&Endpoint { disabled: Some(now), ..endpoint }))
        }
        Table::ApiKeys => {
            let api_key: ApiKey = cbor::decode(row)?;
            api_key.disabled.is_none().then(|| cbor::encode(&ApiKey { disabled: Some(now), ..api_key }))
        }
        Table::Credentials => {
            let mut credentials: Credentials = cbor::decode(row)?;
            credentials.link.take().is_some().then(|| cbor::encode(&credentials))
        }
        Table::KeyVersions => jump_version(cbor::decode(row)?).map(|version| cbor::encode(&version)),
        Table::Objects => {
            let object: Object = cbor::decode(row)?;
            let version_floor = Some(object.next_version().saturating_add(VERSIONS_JUMP));
            Some(cbor::encode(&Object { version_floor, ..object }))
        }
        Table::IndexRoots => {
            let root: RootVersion = cbor::decode(row)?;
            let next_floor = Some(root.next().saturating_add(VERSIONS_JUMP));
            Some(cbor::encode(&RootVersion { next_floor, ..root }))
        }
        Table::Projects => {
            let project: Project = cbor::decode(row)?;
            let kek_version_floor = Some(project.next_kek_version().saturating_add(VERSIONS_JUMP));
            Some(cbor::encode(&Project { kek_version_floor, ..project }))
        }
        _ => None,
    })
}

/// Whose budgets go with a row.
fn spenders(table: Table, row: &[u8]) -> Result<Option<[Spender; 3]>, Stop> {
    Ok(match table {
        Table::Endpoints => {
            let id = cbor::decode::<Endpoint>(row)?.id;
            Some(Counted::ALL.map(|counted| Spender::endpoint(id, counted)))
        }
        Table::ApiKeys => {
            let id = cbor::decode::<ApiKey>(row)?.id;
            Some(Counted::ALL.map(|counted| Spender::api_key(id, counted)))
        }
        _ => None,
    })
}

/// The budget of `spender`, spent whole, also where none was stored: its first field may have been decrypted in the time
/// that is lost. By the later of the clock and the last block, as budgets are read.
fn spent(store: &Store, spender: Spender, defaults: DefaultBudgets, now: Timestamp) -> Result<Budget, Stop> {
    let mut budget = match store.get(Table::Budgets, &spender.row_key()) {
        // What cannot be read is spent all the same.
        Ok(row) => row.and_then(|row| cbor::decode::<Budget>(&row.value).ok()).unwrap_or_default(),
        Err(StoreError::Damaged { .. }) => Budget::default(),
        Err(other) => return Err(other.into()),
    };
    budget.exhaust(spender.default_of(defaults), now.max(Timestamp::from_micros(store.head().time_us)));
    Ok(budget)
}

fn jump_version(version: KeyVersion) -> Option<KeyVersion> {
    if !version.algorithm.is_leased() {
        let uses_reserved = version.uses_reserved.saturating_add(USES_JUMP);
        return version.life.gone().is_none().then_some(KeyVersion { uses_reserved, ..version });
    }
    // One that is not active yet may have been in the time that is lost.
    version.after_lost_count()
}

/// A key pair for the first epoch after `known` that never had one.
fn new_checkpoint_key(token: &Token, known: u32) -> Result<(u32, Vec<u8>), Stop> {
    for epoch in (known..u32::MAX).map(|before| before + 1).take(EPOCHS_SKIPPED_MAX as usize) {
        match token.generate_signer(&checkpoint_label(epoch)) {
            Ok(signer) => return Ok((epoch, signer.spki().to_vec())),
            Err(TokenError::Exists(_)) => {}
            Err(other) => return Err(said(other)),
        }
    }
    Err(Fault::new("the token has a checkpoint key for every epoch that could come; put the right token in")
        .into())
}

fn counter(store: &Store, key: &[u8]) -> Result<Option<u64>, Stop> {
    match store.get(Table::Counters, key) {
        Ok(row) => row.map(|row| cbor::decode(&row.value).map_err(Stop::from)).transpose(),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

fn record(batch: Batch, audit: &AuditRecord) -> Batch {
    batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(audit))
}
