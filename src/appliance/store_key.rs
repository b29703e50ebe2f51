//! The store key: its generations in memory, and its rotation. The next generation comes into the boot row first, where every
//! unlock finds it; then all rows are added up for it ([`crate::store::Store::turn_on`]), and in one commit it is the one that
//! seals, that the boot row's MAC and the state digest are of, and under which name key and subject key are wrapped. What older
//! generations sealed is sealed anew behind that ([`super::reseal`]). The verb and the housekeeping both do that, a step at a time
//! and each step with a [`Turning`] in hand, by the boot row as it lies then: whoever comes second goes on where the first is.

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
use super::store_key_ring::Turning;
use super::unlock::unwrap_store_key;

/// Rows added up for the next generation before other commits have their turn.
const TURN_ROWS: usize = 2_000;

/// How the store key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreKeyHealth {
    /// The generation that seals.
    pub generation: u32,
    /// The one that will, once every row is added up for it.
    pub coming: Option<u32>,
    /// Those that rows still name.
    pub older: Vec<u32>,
    /// What the one that comes waits for.
    pub waits_for: Option<Wait>,
    /// Rows sealed anew, of as many as there were.
    pub resealed: Option<(u64, u64)>,
}

/// What a generation that does not seal yet waits for; the housekeeping goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Every row is being added up for it.
    Rows,
    /// It is not in the escrow log yet, and that is in trouble or far behind.
    EscrowLog,
    /// The token is away.
    Token,
    /// Something that does not pass by itself: health and the log say what. It is tried again each minute.
    Trouble,
}

impl Wait {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::EscrowLog => "escrow-log",
            Self::Token => "token",
            Self::Trouble => "trouble",
        }
    }

    /// What is in the way by how the last step went.
    pub(super) const fn of(done: &Result<(), Stop>) -> Self {
        match done {
            Ok(()) => Self::Rows,
            Err(Stop::Refused(refusal)) => match refusal.code {
                Code::NotInEscrow => Self::EscrowLog,
                Code::TokenAway => Self::Token,
                // Whoever came first has ended soon.
                Code::Conflict => Self::Rows,
                _ => Self::Trouble,
            },
            Err(Stop::Fault(_)) => Self::Trouble,
        }
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
        // Until the key is in memory: whoever finds the generation in the boot row finds it there, too.
        let turning = self.turning();
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
        self.store_keys.put(&turning, generation, key);
        drop(turning);
        self.tend_store_key_at_once(now);
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
        let coming = coming(&boot);
        let waits_for = coming.map(|_| self.reseals.waits_for());
        Ok(StoreKeyHealth { generation, coming, older, waits_for, resealed })
    }

    /// The store's keys by the boot row, of which `sealing` seals. One that is not in memory is asked of the token.
    fn keys_by(&self, turning: &Turning<'_>, boot: &Boot, sealing: u32) -> Result<StoreKeys, Stop> {
        self.store_keys.follow(turning, &boot.store_keys, |entry| {
            unwrap_store_key(&self.master_keys, entry.generation, &entry.wrapped)
        })?;
        self.store_keys.with(|ring| Ok(store_keys(boot, ring, sealing)?.0))
    }

    /// Goes a step towards the generation that comes: adds up rows for it, and lets it begin when all are. Whether there is more
    /// to do.
    pub(super) fn turn_store_key(&self, now: Now) -> Result<bool, Stop> {
        if let Some(next) = coming(&self.store.boot()?).filter(|next| !self.is_in_escrow(*next)) {
            self.escrow_at_once(now);
            if !self.is_in_escrow(next) {
                return Err(Refusal::new(Code::NotInEscrow)
                    .detail("The next generation of the store key seals as soon as it is in the escrow log.")
                    .into());
            }
        }
        let turning = self.turning();
        // As it lies now: whoever was here meanwhile may have let it begin.
        let boot = self.store.boot()?;
        let Some(next) = coming(&boot).filter(|next| self.is_in_escrow(*next)) else { return Ok(true) };
        if !self.store.is_turning() {
            let present = self.keys_by(&turning, &boot, boot.current_store_key)?;
            let coming = self.keys_by(&turning, &boot, next)?;
            self.store.begin_turn(present, coming)?;
        }
        if !self.store.turn_on(TURN_ROWS)? {
            return Ok(true);
        }
        let begun = self.begin_generation(&turning, boot, next, now);
        if begun.is_err() {
            self.store.give_up_turn();
        }
        begun.map(|()| true)
    }

    fn begin_generation(&self, _: &Turning<'_>, mut boot: Boot, next: u32, now: Now) -> Result<(), Stop> {
        let (of, from) = (self.store.rows()?, boot.current_store_key);
        self.change(now, |batch| {
            let (name_key, subject_key) = unwrap_named(&boot, &self.store_keys.wrapping(from)?)?;
            let by = self.store_keys.wrapping(next)?;
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
        tracing::info!(generation = next, "the next generation of the store key seals");
        Ok(())
    }

    /// Knows no generation any more but the one that the boot row has alone: in the store, too.
    pub(super) fn forget_older_store_keys(&self, turning: &Turning<'_>) -> Result<(), Stop> {
        let boot = self.store.boot()?;
        if boot.store_keys.len() == 1 {
            self.store.forget(self.keys_by(turning, &boot, boot.current_store_key)?)?;
        }
        Ok(())
    }
}
