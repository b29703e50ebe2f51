//! The store key: its generations in memory, and its rotation. The next generation comes into the boot row first, where every
//! unlock finds it; then all rows are added up for it ([`crate::store::Store::turn_on`]), and in one commit it is the one that
//! seals, that the boot row's MAC and the state digest are of, and under which name key and subject key are wrapped. What older
//! generations sealed is sealed anew behind that ([`super::reseal`]).

use parking_lot::Mutex;

use crate::crypto::pseudonym::SubjectKey;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Boot, StoreKeyEntry, StoreKeys, Table};

use super::fault::{Fault, Stop};
use super::operational::Operational;
use super::reseal::{OWED, Resealing};
use super::unlock::unwrap_store_key;

/// Rows added up for the next generation before other commits have their turn.
const TURN_ROWS: usize = 2_000;

/// The generations of the store key that rows name, unwrapped.
pub(super) struct StoreKeyRing(Mutex<Vec<(u32, SecretKey)>>);

/// How the store key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreKeyHealth {
    /// The generation that seals.
    pub generation: u32,
    /// The one that will, once every row is added up for it.
    pub coming: Option<u32>,
    /// Those that rows still name.
    pub older: Vec<u32>,
    /// Rows sealed anew, of as many as there were.
    pub resealed: Option<(u64, u64)>,
}

impl StoreKeyRing {
    pub(super) fn new(generations: Vec<(u32, SecretKey)>) -> Self {
        Self(Mutex::new(generations))
    }

    /// Whether `key` is generation `generation` as it is in memory.
    pub(super) fn is(&self, generation: u32, key: &SecretKey) -> bool {
        use subtle::ConstantTimeEq;
        let ring = self.0.lock();
        let known = ring.iter().find(|(known, _)| *known == generation);
        known.is_some_and(|(_, known)| bool::from(known.expose().ct_eq(key.expose())))
    }

    pub(super) fn keep_only(&self, generation: u32) {
        self.0.lock().retain(|(known, _)| *known == generation);
    }
}

/// The generation that comes after the one in force, if the boot row has it already.
pub(super) fn coming(boot: &Boot) -> Option<u32> {
    boot.store_keys.iter().map(|entry| entry.generation).filter(|it| *it > boot.current_store_key).max()
}

/// Opens name key and subject key, which the generation in force wraps.
pub(super) fn unwrap_named(boot: &Boot, wrapping: &WrappingKey) -> Result<(SecretKey, SecretKey), Stop> {
    let current = boot.current_store_key;
    let unwrap = |what: &str, wrapped: &[u8], binding: &Binding| {
        let wrapped = WrappedKey::parse(wrapped)
            .map_err(|_| Fault::new(format!("the boot row's {what} is malformed")))?;
        wrapping
            .unwrap(&wrapped, binding)
            .map_err(|_| Fault::new(format!("the boot row's {what} does not open under the store key")))
    };
    let name_key = unwrap("name key", &boot.name_key, &Binding::name_key(current))?;
    let subject_key = unwrap("subject key", &boot.subject_key, &Binding::subject_key(current))?;
    Ok((name_key, subject_key))
}

/// Makes what the store works with of its generations; and the subject key.
pub(super) fn store_keys(
    boot: &Boot,
    generations: &[(u32, SecretKey)],
    sealing: u32,
) -> Result<(StoreKeys, SubjectKey), Stop> {
    let current = generations.iter().find(|(generation, _)| *generation == boot.current_store_key);
    let (_, current) =
        current.ok_or_else(|| Fault::new("the boot row lacks the store key it calls current"))?;
    let wrapping = WrappingKey::new(boot.current_store_key, current);
    let (name_key, subject_key) = unwrap_named(boot, &wrapping)?;
    Ok((StoreKeys::new(generations, sealing, &name_key)?, SubjectKey::of(&subject_key)))
}

impl Operational {
    /// Gives the store the next generation of its key. What is written from its turn on is sealed under it; that is at once, or
    /// in a large store after some seconds.
    ///
    /// # Errors
    /// `rotation-under-way` until nothing is sealed by an older generation any more, `token-away`, `key-exhausted`.
    pub fn rotate_store_key(
        &self,
        actor: Actor,
        reason: Option<&Description>,
        now: Now,
    ) -> Result<StoreKeyHealth, Stop> {
        let alone = |boot: &Boot| {
            let refusal = Refusal::new(Code::RotationUnderWay);
            if boot.store_keys.len() == 1 { Ok(boot.current_store_key) } else { Err(refusal) }
        };
        let from = alone(&self.store.boot()?)?;
        let master_key = self.master_keys.last().ok_or_else(|| Fault::new("no MK generation is open"))?;
        let (generation, wrapping) = (from + 1, master_key.generation());
        self.count_wrap(actor, wrapping, now)?;
        let key = SecretKey::generate()?;
        let wrapped = master_key.wrap(&key, &Binding::store_key(generation, wrapping))?.to_bytes();
        self.change(now, |batch| {
            let mut boot = self.store.boot()?;
            if alone(&boot)? != from {
                return Err(Code::Conflict.into());
            }
            boot.store_keys.push(StoreKeyEntry { generation, wrapped });
            let audit = AuditRecord::new(now.time, actor, "store-key.rotate")
                .with("generation", generation)
                .with("from", from)
                .with("master-key", wrapping);
            let audit = audit.with_reason(reason);
            Ok((batch.put_boot(boot), audit, ()))
        })?;
        self.store_keys.0.lock().push((generation, key));
        self.tend_store_key(now);
        self.store_key_health()
    }

    /// How the store key is.
    ///
    /// # Errors
    /// The store's.
    pub fn store_key_health(&self) -> Result<StoreKeyHealth, Stop> {
        let boot = self.store.boot()?;
        let generation = boot.current_store_key;
        let older = boot.store_keys.iter().map(|entry| entry.generation).filter(|it| *it < generation);
        let older: Vec<u32> = older.collect();
        let resealed = self.resealing()?.filter(|_| !older.is_empty()).map(|owed| (owed.done, owed.of));
        Ok(StoreKeyHealth { generation, coming: coming(&boot), older, resealed })
    }

    /// The store's keys by the boot row, of which `sealing` seals. One that is not in memory is asked of the token.
    pub(super) fn keys_by(&self, boot: &Boot, sealing: u32) -> Result<StoreKeys, Stop> {
        let mut ring = self.store_keys.0.lock();
        for entry in &boot.store_keys {
            if !ring.iter().any(|(known, _)| *known == entry.generation) {
                let key = unwrap_store_key(&self.master_keys, entry.generation, &entry.wrapped)?;
                ring.push((entry.generation, key));
            }
        }
        // What a failed commit may have left in memory is none of the store's.
        ring.retain(|(known, _)| boot.store_keys.iter().any(|entry| entry.generation == *known));
        Ok(store_keys(boot, &ring, sealing)?.0)
    }

    /// Adds up rows for the generation that comes, and lets it begin when all are. Whether there is more to do.
    pub(super) fn turn_store_key(&self, boot: &Boot, next: u32, now: Now) -> Result<bool, Stop> {
        if !self.is_in_escrow(next) {
            self.escrow_at_once(now);
        }
        if !self.is_in_escrow(next) {
            return Err(Refusal::new(Code::NotInEscrow)
                .detail("The next generation of the store key seals as soon as it is in the escrow log.")
                .into());
        }
        if !self.store.is_turning() {
            let (present, coming) = (self.keys_by(boot, boot.current_store_key)?, self.keys_by(boot, next)?);
            self.store.begin_turn(present, coming)?;
        }
        if !self.store.turn_on(TURN_ROWS)? {
            return Ok(true);
        }
        let begun = self.begin_generation(next, now);
        if begun.is_err() {
            self.store.give_up_turn();
        }
        begun.map(|()| true)
    }

    fn begin_generation(&self, next: u32, now: Now) -> Result<(), Stop> {
        let of = self.store.rows()?;
        self.change(now, |batch| {
            let mut boot = self.store.boot()?;
            let from = boot.current_store_key;
            if coming(&boot) != Some(next) {
                return Err(Code::Conflict.into());
            }
            let ring = self.store_keys.0.lock();
            let wrapping = |generation: u32| {
                let key = ring.iter().find(|(known, _)| *known == generation);
                key.map(|(_, key)| WrappingKey::new(generation, key))
                    .ok_or_else(|| Fault::new("a generation of the store key is not in memory"))
            };
            let (name_key, subject_key) = unwrap_named(&boot, &wrapping(from)?)?;
            let by = wrapping(next)?;
            drop(ring);
            boot.name_key = by.wrap(&name_key, &Binding::name_key(next))?.to_bytes();
            boot.subject_key = by.wrap(&subject_key, &Binding::subject_key(next))?.to_bytes();
            boot.current_store_key = next;
            let owed = Resealing { after: Vec::new(), done: 0, of };
            let audit = AuditRecord::new(now.time, Actor::System, "store-key.begin")
                .with("generation", next)
                .with("from", from)
                .with("rows", of);
            Ok((batch.turn(boot).put(Table::Counters, OWED, cbor::encode(&owed)), audit, ()))
        })?;
        self.begin_resealing();
        tracing::info!(generation = next, "the next generation of the store key seals");
        Ok(())
    }
}
