//! What there is only while the appliance is unlocked: the store, the token, the keys in memory. A verb that needs any of
//! it takes an [`Operational`], and when the appliance locks, the last one dropped wipes the keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use minicbor::{Decode, Encode};
use parking_lot::{Mutex, ReentrantMutex};

use crate::crypto::pseudonym::SubjectKey;
use crate::crypto::secret::SecretKey;
use crate::domain::access_record::AccessRecord;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::id::{ApiKeyId, ApplianceId, ProjectId};
use crate::domain::limits::RateLimits;
use crate::domain::object::Object;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;
use crate::hsm::{MasterKey, Signer, Token};
use crate::store::{Batch, Boot, Row, RowName, Store, StoreError, Table};

use super::admission::Enrolled;
use super::budgets::Budgets;
use super::clock::ClockWatch;
use super::closed_keys::ClosedKeys;
use super::destructions::Destructions;
use super::destructions_wait::DestructionsWait;
use super::disk_reserve::DiskReserve;
use super::escrow::Escrow;
use super::exclusive::Turn;
use super::expiries::ClientExpiries;
use super::failures::Failures;
use super::fault::{Fault, Stop};
use super::frozen::FrozenSubjects;
use super::hashing::Hashing;
use super::in_flight::Gauge;
use super::key_turns::KeysDue;
use super::keyring::Keyring;
use super::lease::Leases;
use super::memo::{CatalogRevision, Memo};
use super::meters::Meters;
use super::pki::Pki;
use super::recorder::{Recorder, Room};
use super::refused::RefusedActs;
use super::repeats::Repeats;
use super::reseal::Reseals;
use super::retention::Retention;
use super::rewrap::Rewraps;
use super::sessions::LastSeen;
use super::store_key_ring::StoreKeyRing;
use super::tend::Absence;
use super::walkers::Walkers;
use super::witness::Witness;
use super::{Policies, Settings};

/// Endpoint certificates remembered.
const ENROLLED_REMEMBERED_MAX: usize = 4_096;

/// An unlocked appliance.
pub struct Operational {
    pub(super) settings: Arc<Settings>,
    pub(super) boot: Boot,
    pub(super) store: Store,
    pub(super) token: Token,
    /// Every MK generation that still unwraps; the current one is last.
    pub(super) master_keys: Vec<MasterKey>,
    /// Every generation that rows still name; also what a token that comes back is proved by.
    pub(super) store_keys: StoreKeyRing,
    /// Of pseudonyms.
    pub(super) subject_key: SubjectKey,
    pub(super) frozen: Arc<FrozenSubjects>,
    pub(super) keyring: Keyring,
    pub(super) closed_keys: Arc<ClosedKeys>,
    pub(super) keys_due: KeysDue,
    pub(super) leases: Leases,
    pub(super) budgets: Budgets,
    pub(super) failures: Failures,
    pub(super) hashing: Hashing,
    pub(super) last_seen: LastSeen,
    pub(super) walkers: Walkers,
    /// Held by whoever proves stored keys: one page at a time.
    pub(super) proving: Mutex<()>,
    repeats: Repeats<AccessRecord>,
    pub(super) refused_acts: Repeats<RefusedActs>,
    pub(super) pki: Pki,
    pub(super) witness: Witness,
    pub(super) retention: Retention,
    pub(super) rewraps: Rewraps,
    pub(super) reseals: Reseals,
    pub(super) escrow: Escrow,
    pub(super) enrolled: Memo<[u8; 32], Enrolled>,
    pub(super) client_expiries: Mutex<ClientExpiries>,
    recorder: Recorder,
    pub(super) clock: ClockWatch,
    pub(super) destructions: Destructions,
    pub(super) destructions_wait: DestructionsWait,
    pub(super) revision: AtomicU64,
    ended: AtomicBool,
    pub(super) changing: ReentrantMutex<Turn>,
    pub(super) signing_crl: ReentrantMutex<()>,
    pub(super) exchanging_server: ReentrantMutex<()>,
    meters: Mutex<HashMap<ApiKeyId, Arc<Meters>>>,
    gauges: Mutex<HashMap<[u8; 32], Gauge>>,
    pub(super) absence: Mutex<Option<Absence>>,
}

/// The parts an unlock or an init has gathered.
pub(super) struct Parts {
    pub settings: Arc<Settings>,
    pub boot: Boot,
    pub store: Store,
    pub token: Token,
    pub master_keys: Vec<MasterKey>,
    pub store_keys: Vec<(u32, SecretKey)>,
    pub subject_key: SubjectKey,
    pub pki: Pki,
    pub checkpoint_signer: Signer,
}

impl Operational {
    pub(super) fn start(parts: Parts) -> Result<Self, Stop> {
        let Parts {
            settings,
            boot,
            store,
            token,
            master_keys,
            store_keys,
            subject_key,
            pki,
            checkpoint_signer,
        } = parts;
        let witness = Witness::new(checkpoint_signer, settings.checkpoint_every)?;
        let clock = ClockWatch::start(&store, (settings.clock)())?;
        let destructions_wait = DestructionsWait::start(&store, (settings.clock)())?;
        let known = clock.verdict().known();
        let defaults = settings.policies.load().budgets;
        let budgets = Budgets::load(&store, (settings.clock)(), known.is_none(), defaults)?;
        if let Some(known) = known {
            budgets.stand_at(known);
        }
        let reserve =
            DiskReserve { directory: settings.state_directory.clone(), bytes: settings.disk_reserve_bytes };
        let recorder = Recorder::start(store.clone(), settings.journal, reserve, settings.clock)?;
        let frozen = Arc::new(FrozenSubjects::load(&store)?);
        Ok(Self {
            destructions: Destructions::default(),
            destructions_wait,
            budgets,
            frozen,
            failures: Failures::new(),
            hashing: Hashing::default(),
            last_seen: LastSeen::default(),
            walkers: Walkers::default(),
            proving: Mutex::new(()),
            repeats: Repeats::default(),
            refused_acts: Repeats::default(),
            closed_keys: Arc::default(),
            keys_due: KeysDue::default(),
            keyring: Keyring::new(settings.keyring, settings.token.deadline),
            leases: Leases::new(settings.keyring.entries_max),
            enrolled: Memo::new(ENROLLED_REMEMBERED_MAX),
            client_expiries: Mutex::default(),
            retention: Retention::default(),
            rewraps: Rewraps::default(),
            reseals: Reseals::default(),
            escrow: Escrow::default(),
            recorder,
            clock,
            revision: AtomicU64::new(1),
            ended: AtomicBool::new(false),
            changing: ReentrantMutex::default(),
            signing_crl: ReentrantMutex::default(),
            exchanging_server: ReentrantMutex::default(),
            meters: Mutex::default(),
            gauges: Mutex::default(),
            absence: Mutex::new(None),
            settings,
            boot,
            store,
            token,
            master_keys,
            store_keys: StoreKeyRing::new(store_keys),
            subject_key,
            pki,
            witness,
        })
    }

    /// Leaves the record of a request; of refusals that repeat themselves, one for many.
    pub fn record(&self, record: AccessRecord, room: Option<Room>, now: Instant) {
        if let Some(record) = self.repeats.fold(record, now) {
            self.recorder.record(record, room);
        }
    }

    /// Leaves the records of repeated refusals that have waited long enough.
    pub(super) fn record_repeats(&self, now: Instant) {
        self.repeats.due(now).into_iter().for_each(|record| self.recorder.record(record, None));
        self.record_refused_due(now);
    }

    /// Leaves every record that waits for others.
    pub(super) fn record_all_repeats(&self) {
        self.repeats.all().into_iter().for_each(|record| self.recorder.record(record, None));
        self.record_refused_all();
    }

    /// Where access records go.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Ends the unlocked time for whoever still holds it: no field is sealed or opened from here on, and the keys go.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.keyring.forget_all();
    }

    /// Whether fields may still be sealed and opened.
    pub(super) fn check_not_ended(&self) -> Result<(), Code> {
        if self.ended.load(Ordering::Acquire) { Err(Code::Locked) } else { Ok(()) }
    }

    /// Both clocks, by the settings' reading.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.settings.clock)()
    }

    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> Policies {
        **self.settings.policies.load()
    }

    /// The appliance's id, which is its chain's.
    #[must_use]
    pub const fn id(&self) -> ApplianceId {
        ApplianceId::from_bytes(self.boot.appliance_id)
    }

    /// Whether the store was made by one person alone.
    #[must_use]
    pub const fn is_sandbox(&self) -> bool {
        self.boot.sandbox
    }

    /// Counts changes: what was read at an older revision may no longer hold.
    #[must_use]
    pub fn catalog_revision(&self) -> CatalogRevision {
        // A store that was opened again after a failure may hold what its caller was told had failed.
        self.revision.load(Ordering::Acquire) + self.store.recoveries()
    }

    /// Reads one row of a known type.
    pub(super) fn read<T>(&self, table: Table, key: &[u8]) -> Result<Option<T>, Stop>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let row = self.store.get(table, key)?;
        let decode = |row: Row| cbor::decode(&row.value);
        row.map(decode)
            .transpose()
            .map_err(|why| Fault::new(format!("{}: {why}", RowName::new(table, key))).into())
    }

    /// Makes one change of the catalog: what `change` puts into the batch and its audit record commit together or not at
    /// all, and from the return on nobody believes what was there before. One change at a time, so that what `change` reads
    /// still holds when it commits.
    pub(super) fn change<T>(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<(Batch, AuditRecord, T), Stop>,
    ) -> Result<T, Stop> {
        let one_at_a_time = self.changing.lock();
        let (batch, audit, value) = change(Batch::new(now.time.micros()))?;
        self.commit_change(&one_at_a_time, batch, &audit)?;
        Ok(value)
    }

    /// The same for a change that may turn out to be none: then nothing is recorded, and nothing told.
    pub(super) fn change_maybe<T>(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<Option<(Batch, AuditRecord, T)>, Stop>,
    ) -> Result<Option<T>, Stop> {
        let one_at_a_time = self.changing.lock();
        let Some((batch, audit, value)) = change(Batch::new(now.time.micros()))? else { return Ok(None) };
        self.commit_change(&one_at_a_time, batch, &audit)?;
        Ok(Some(value))
    }

    /// The same for a change that may turn out to be none, and of which nothing is told.
    pub(super) fn change_if_any(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<Option<(Batch, AuditRecord)>, Stop>,
    ) -> Result<(), Stop> {
        self.change_maybe(now, |batch| Ok(change(batch)?.map(|(batch, audit)| (batch, audit, ())))).map(drop)
    }

    /// The same for a change that takes a right away, and may turn out to be none.
    pub(super) fn withdraw_if_any(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<Option<(Batch, AuditRecord)>, Stop>,
    ) -> Result<(), Stop> {
        self.change_if_any(now, change)?;
        self.witness_withdrawal(now);
        Ok(())
    }

    /// The same for a change that takes a right away: it is witnessed before it is answered, or as soon as the token is back.
    pub(super) fn withdraw<T>(
        &self,
        now: Now,
        change: impl FnOnce(Batch) -> Result<(Batch, AuditRecord, T), Stop>,
    ) -> Result<T, Stop> {
        let value = self.change(now, change)?;
        self.witness_withdrawal(now);
        Ok(value)
    }

    fn commit_change(&self, turn: &Turn, batch: Batch, audit: &AuditRecord) -> Result<(), Stop> {
        let batch = match turn.riding.borrow_mut().take() {
            Some(rider) => rider.ride(batch, audit),
            None => batch,
        };
        self.check_clock(&audit.actor, &audit.act)?;
        let record = cbor::encode(audit);
        let committed = self.store.commit(batch.record(audit_record::KIND, audit_record::VERSION, &record));
        // Raised whatever came of it: after a failed write nobody knows what is on the disk.
        self.revision.fetch_add(1, Ordering::AcqRel);
        committed.map(drop).map_err(|error| match error {
            // The tables whose rows are expected absent: a name or a public key is taken.
            StoreError::Conflict { row }
                if matches!(row.table(), Some(Table::Names | Table::Certificates)) =>
            {
                Code::AlreadyExists.into()
            }
            other => other.into(),
        })
    }

    /// The object of a name in a project.
    pub(super) fn object_named(&self, project: ProjectId, name: &str) -> Result<Option<Object>, Stop> {
        let name_key = self.store.name_key(Table::Objects, project.as_bytes(), name);
        let Some(id) = self.store.get(Table::Names, &name_key)? else { return Ok(None) };
        self.read(Table::Objects, &id.value)
    }

    /// The meters of an API key: the same ones for as long as its limits stay the same.
    pub(super) fn meters(&self, id: ApiKeyId, limits: RateLimits, now: Instant) -> Arc<Meters> {
        let mut meters = self.meters.lock();
        let kept = meters.entry(id).or_insert_with(|| Arc::new(Meters::new(limits, now)));
        if kept.limits() != limits {
            *kept = Arc::new(Meters::new(limits, now));
        }
        Arc::clone(kept)
    }

    /// The count of a certificate's requests under way.
    pub(super) fn gauge(&self, certificate: [u8; 32]) -> Gauge {
        self.gauges.lock().entry(certificate).or_default().clone()
    }
}
