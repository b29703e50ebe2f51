//! Unlock: from a file and a PIN to an [`Operational`]. Each step proves the next one's input:
//!
//! ```text
//! PIN ─> token of the serial number in the boot row ─> MK ─> store keys unwrap (that proves the MK)
//!     ─> boot MAC (that proves the boot row) ─> state digest and anchor (that prove the rows)
//!     ─> the clock, before anything is written by it ─> what a new epoch still owes ─> fresh CRL ─> checkpoint ─> Operational
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::pseudonym::SubjectKey;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, WrappedKey};
use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::id::ApplianceId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::hsm::{MasterKey, Pin, Signer, Token, TokenError};
use crate::store::{Boot, MasterKeyState, StoreKeys};

use super::ca_roll;
use super::clock::ClockFound;
use super::epoch;
use super::fault::{Fault, Stop};
use super::operational::{Operational, Parts};
use super::pki::{Pki, PkiFiles};
use super::recorder::FIELDS_UNRECORDED_MAX;
use super::rollback::{Acceptance, Finding, WentPast};
use super::store_key::store_keys;
use super::tenure;
use super::{Appliance, LockReason, State, Transition};

impl Appliance {
    /// Unlocks with the PIN in the configured file. `acceptance` is an operator's word on what would keep it locked; what it
    /// went past on that word is returned.
    ///
    /// # Errors
    /// `wrong-state` unless it is locked. A fault says what is wrong and what to do; the appliance stays locked and shows
    /// the same in its health.
    pub fn unlock(&self, actor: Actor, acceptance: Acceptance, now: Now) -> Result<WentPast, Stop> {
        let mut transition = self.transition.lock();
        match &*self.state() {
            State::Locked(_) => {}
            other => return Err(Stop::Refused(other.into())),
        }
        match self.unlock_with(&mut transition, actor, acceptance, now) {
            Ok((operational, past)) => {
                if operational.is_sandbox() {
                    tracing::warn!(
                        "this is a sandbox: one person made its keys; never put real data under them"
                    );
                }
                self.enter(State::Operational(Arc::new(operational)));
                Ok(past)
            }
            Err(Halt { stop, reason }) => {
                let reason = reason.unwrap_or_else(|| LockReason::UnlockFailed(stop.to_string()));
                tracing::error!(%reason, "still locked");
                self.enter(State::Locked(reason));
                Err(stop)
            }
        }
    }

    fn unlock_with(
        &self,
        transition: &mut Transition,
        actor: Actor,
        acceptance: Acceptance,
        now: Now,
    ) -> Result<(Operational, WentPast), Halt> {
        let settings = &self.settings;
        let boot = transition
            .file
            .boot()
            .map_err(Stop::from)?
            .ok_or_else(|| Fault::new("the store has no boot row"))?;
        let pin = read_pin(&settings.pin_file)?;
        let token = Token::open(&settings.token, pin, &mut transition.backoff, now.instant).map_err(said)?;
        self.unlock_over(transition, token.clone(), &boot, actor, acceptance, now).map_err(|halt| {
            // The next try must be able to load the module again.
            if let Err(error) = token.close() {
                tracing::error!(%error, "the token could not be closed");
            }
            match token.pin_refusal() {
                Ok(None) => halt,
                // A login that was lost half-way was to be had again. Whatever that call came to: no further try.
                Ok(Some(refusal)) => {
                    transition.backoff.note::<()>(&Err(refusal.clone()), now.instant);
                    said(refusal).into()
                }
                Err(_) => Fault::new(
                    "a login has not come back, so nobody knows whether the token refused the PIN; look after the token, then \
                     unlock again",
                )
                .into(),
            }
        })
    }

    /// What comes after the login. The token is closed by the caller when it fails.
    fn unlock_over(
        &self,
        transition: &mut Transition,
        token: Token,
        boot: &Boot,
        actor: Actor,
        acceptance: Acceptance,
        now: Now,
    ) -> Result<(Operational, WentPast), Halt> {
        let settings = &self.settings;
        if token.serial() != boot.token_serial {
            return Err(Fault::new(format!(
                "the token has serial number {}, the store belongs to {}; configure that one",
                token.serial(),
                boot.token_serial
            ))
            .into());
        }
        let pending = token.destroy_pending().map_err(said)?;
        if pending > 0 {
            tracing::warn!(pending, "half-made master keys of an abandoned ceremony were destroyed");
        }
        let master_keys = open_master_keys(&token, boot)?;
        let (keys, store_keys, subject_key) = unwrap_store_keys(&master_keys, boot)?;
        let (store, unlocked) = transition.file.unlock(keys).map_err(Stop::from)?;
        let boot = store.boot().map_err(Stop::from)?;
        let audit = AuditRecord::new(now.time, actor, "appliance.unlock").with("rows", unlocked.rows);
        let anchor = token.anchor().map_err(said)?;
        let finding = Finding::of(unlocked.verdict, &store, anchor)?;
        let accepted = finding
            .admit(acceptance, boot.sandbox)
            .map_err(|(stop, reason)| Halt { stop, reason: Some(reason) })?;
        let clock = ClockFound::of(&store, now)?;
        let begun = tenure::begin(&store, FIELDS_UNRECORDED_MAX, now)?;
        let (begun, audit) = clock.note(begun, audit, now);
        let past = accepted.as_ref().map(|(past, _)| *past).unwrap_or_default();
        let boot = match accepted {
            None => {
                let record = cbor::encode(&audit);
                let batch = begun.record(audit_record::KIND, audit_record::VERSION, &record);
                store.commit(batch).map_err(Stop::from)?;
                boot
            }
            Some((_, accepted)) => {
                for (what, found) in &accepted {
                    tracing::warn!(what, found, "an operator accepted this");
                }
                let audit = accepted.into_iter().fold(audit, |audit, (what, found)| audit.with(what, found));
                epoch::open(&store, &token, &boot, anchor, begun, audit, now)?
            }
        };
        epoch::settle(&store, settings.policies.load().budgets, now)?;
        let id = ApplianceId::from_bytes(boot.appliance_id);
        let authorities = ca_roll::open(&store, &token, &boot.ca_key.label)?;
        let checkpoint_signer = open_checkpoint_key(&token, &boot)?;
        let files = PkiFiles::below(&settings.state_directory);
        let pki = Pki::new(files, authorities, id, &settings.outside);
        let settings = Arc::clone(settings);
        let operational = Operational::start(Parts {
            settings,
            boot,
            store,
            token,
            master_keys,
            store_keys,
            subject_key,
            pki,
            checkpoint_signer,
        })?;
        operational.settle_ca(now)?;
        operational.renew_server_certificate(now);
        operational.publish_authorities(now)?;
        operational.note_policies(now)?;
        operational.bear_witness(now)?;
        Ok((operational, past))
    }
}

/// Why an unlock ended, and the state's word for it where it has one.
struct Halt {
    stop: Stop,
    reason: Option<LockReason>,
}

impl<E: Into<Stop>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self { stop: error.into(), reason: None }
    }
}

/// The PIN, from a file that nobody else may read.
pub(super) fn read_pin(path: &Path) -> Result<Pin, Stop> {
    let unreadable = |error| {
        Fault::new(format!(
            "the PIN file {} cannot be read: {error}; check pin_file in the configuration",
            path.display()
        ))
    };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    // The group's bits are the mask of an ACL where systemd hands out a credential.
    if mode & 0o007 != 0 {
        return Err(Fault::new(format!(
            "the PIN file {} has mode {mode:04o}, so others may have read the PIN; chmod 600 it and change the PIN",
            path.display()
        ))
        .into());
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    Pin::from_bytes(&bytes).map_err(said)
}

/// Every MK generation the boot row says is in use, the current one last.
fn open_master_keys(token: &Token, boot: &Boot) -> Result<Vec<MasterKey>, Stop> {
    let mut entries: Vec<_> =
        boot.master_keys.iter().filter(|key| key.state != MasterKeyState::Destroyed).collect();
    entries.sort_by_key(|key| (key.state == MasterKeyState::Current, key.generation));
    entries.into_iter().map(|key| token.master_key(key.generation).map_err(said)).collect()
}

/// The key that signs this epoch's checkpoints: the one the boot row announced, and no other of its label.
fn open_checkpoint_key(token: &Token, boot: &Boot) -> Result<Signer, Stop> {
    let announced = boot.checkpoint_keys.iter().find(|key| key.epoch == boot.epoch);
    let announced = announced.ok_or_else(|| {
        Fault::new(format!("the boot row announces no checkpoint key for epoch {}", boot.epoch))
    })?;
    let signer = token.signer(&announced.label).map_err(said)?;
    if signer.spki() != announced.spki {
        return Err(Fault::new(format!(
            "the key {} in the token is not the one that the boot row announces; put the right token in, or restore a backup",
            announced.label
        ))
        .into());
    }
    Ok(signer)
}

/// The store's keys, its generations, and the subject key.
type Unwrapped = (StoreKeys, Vec<(u32, SecretKey)>, SubjectKey);

/// Unwraps the store keys, the name key and the subject key. That they open is what proves the master key; a KCV would not.
fn unwrap_store_keys(master_keys: &[MasterKey], boot: &Boot) -> Result<Unwrapped, Stop> {
    let mut generations = Vec::with_capacity(boot.store_keys.len());
    for entry in &boot.store_keys {
        generations
            .push((entry.generation, unwrap_store_key(master_keys, entry.generation, &entry.wrapped)?));
    }
    let (keys, subject_key) = store_keys(boot, &generations, boot.current_store_key)?;
    Ok((keys, generations, subject_key))
}

/// Unwraps one store key generation through the token.
pub(super) fn unwrap_store_key(
    master_keys: &[MasterKey],
    generation: u32,
    wrapped: &[u8],
) -> Result<SecretKey, Stop> {
    let damaged = || {
        Fault::new(format!(
            "store key generation {generation} does not open under this token's master key: it is another master key, or \
             the boot row was altered; configure the right token or restore a backup"
        ))
    };
    let wrapped = WrappedKey::parse(wrapped).map_err(|_| damaged())?;
    let master_key =
        master_keys.iter().find(|key| key.generation() == wrapped.wrapping_version()).ok_or_else(damaged)?;
    let binding = Binding::store_key(generation, master_key.generation());
    master_key.unwrap(&wrapped, &binding).map_err(|error| match error {
        TokenError::Data => damaged().into(),
        other => said(other),
    })
}

/// A token's error during an unlock or init is the operator's affair in full. One that may pass by itself is told apart:
/// no PIN was refused and nothing is known to be wrong with what is configured or stored, so trying again does no harm.
/// A code that explains nothing, from a token that is well, is one of these.
pub(super) fn said(error: TokenError) -> Stop {
    match &error {
        TokenError::Away(_)
        | TokenError::Busy
        | TokenError::Closed
        | TokenError::Deadline
        | TokenError::InUse
        | TokenError::Login(_)
        | TokenError::NotFound(_)
        | TokenError::Session(_)
        | TokenError::Unexpected(_) => Refusal::new(Code::TokenAway).detail(error.to_string()).into(),
        TokenError::Ambiguous { .. }
        | TokenError::Configuration(_)
        | TokenError::Data
        | TokenError::Exists(_)
        | TokenError::NonConforming(_)
        | TokenError::Pin(_) => Fault::new(error.to_string()).into(),
    }
}
