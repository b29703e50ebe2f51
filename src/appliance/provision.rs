//! Init: from nothing to an unlocked appliance. The sandbox's is the only one that a single person can do, and it marks the
//! store for ever.
//!
//! Order: everything in the token first, then the files of the PKI, the store's one first transaction last. A crash before
//! it leaves a token that no store names (the next init says so) and never a store without its keys, its CRL or its admin.
//! After it an admin who has no certificate is issued one, like any user.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::pseudonym::SubjectKey;
use crate::crypto::random;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, WrappingKey};
use crate::domain::actor::Actor;
use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::id::{ApplianceId, UserId};
use crate::domain::name::Name;
use crate::domain::peer::Identity;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;
use crate::domain::user::{Role, User};
use crate::hsm::{Anchor, Pin, Token, TokenChoice};
use crate::store::{
    Batch, Boot, CaKeyEntry, CheckpointKeyEntry, FORMAT_VERSION, MasterKeyEntry, MasterKeyState,
    StoreKeyEntry, StoreKeys, Table,
};

use super::catalog::token_wraps_key;
use super::certificates::{CRL_NUMBER, Issued, crl_audit, enrol, enrolment, issue_audit};
use super::fault::{Fault, Stop};
use super::never_sealed::RECORDED_SINCE;
use super::operational::{Operational, Parts};
use super::pki::{Authorities, Authority, Pki, PkiFiles, write_file};
use super::server_names::{ROW as SERVER_NAMES, check_names};
use super::signing_request::RequestedKey;
use super::unlock::{read_pin, said};
use super::{Appliance, LockReason, State};

const CA_LABEL: &str = "gembok-ca-1";
const FIRST: u32 = 1;

/// What a first boot is told.
struct First {
    admin: Name,
    admin_key: RequestedKey,
    /// What clients call the server; as the configuration says without.
    names: Option<Vec<String>>,
}

impl First {
    /// The account of the one user, new.
    fn account(&self, now: Now) -> Result<User, Stop> {
        let id = UserId::from_random(random::bytes()?);
        let (name, role) = (self.admin.clone(), Role::Admin);
        Ok(User {
            id,
            name,
            role,
            created: now.time,
            disabled: None,
            unconfirmed: None,
            handed_over: None,
            handed_certificate: None,
            handed_password: None,
            role_since: None,
        })
    }
}

/// What an init made.
pub struct Provisioned {
    /// The appliance's id.
    pub id: ApplianceId,
    /// The token's serial number.
    pub token_serial: String,
    /// The master key's KCV, for eyes only.
    pub kcv: String,
    /// The admin's certificate.
    pub admin: Issued,
}

impl Appliance {
    /// Makes a sandbox: a token with random PINs, keys, a CA, and one user, the admin `admin`, with a certificate over the
    /// key of `admin_csr`. The server is called `names`; as the configuration says without any. Unlocked afterwards.
    ///
    /// # Errors
    /// `wrong-state` unless it is unprovisioned, `bad-request` for the signing request or a name; a fault when a token of the
    /// configured label or a PIN file is there already.
    pub fn init_sandbox(
        &self,
        actor: Actor,
        admin: Name,
        admin_csr: &str,
        names: &[String],
        now: Now,
    ) -> Result<Provisioned, Stop> {
        let mut transition = self.transition.lock();
        match &*self.state() {
            State::Unprovisioned => {}
            other => return Err(Refusal::from(other).detail(format!(
                "The appliance is {}: it was initialised before. A new one needs an empty state directory.",
                other.name()
            )).into()),
        }
        let admin_key = RequestedKey::from_csr(admin_csr)?;
        let names = if names.is_empty() { None } else { Some(check_names(names)?) };
        let first = First { admin: admin.clone(), admin_key, names };
        let token = self.make_token(&mut transition, now)?;
        match self.fill(&transition, token.clone(), actor, first, now) {
            Ok((operational, provisioned)) => {
                let _ = self.sandbox.set(true);
                tracing::warn!("this is a sandbox: one person made its keys; never put real data under them");
                self.enter(State::Operational(Arc::new(operational)));
                Ok(provisioned)
            }
            Err(stop) => {
                if let Err(error) = token.close() {
                    tracing::error!(%error, "the token could not be closed");
                }
                if !matches!(transition.file.boot(), Ok(Some(_))) {
                    return Err(stop);
                }
                let _ = self.sandbox.set(true);
                self.enter(State::Locked(LockReason::Started));
                Err(Fault::new(format!(
                    "the appliance is made, but then: {stop}; its admin {admin} has no certificate yet: run gembok unlock, \
                     then gembok certificate issue --user {admin}"
                ))
                .into())
            }
        }
    }

    /// A new token whose PINs nobody has seen. The SO PIN is not kept: it could only erase the token.
    fn make_token(&self, transition: &mut super::Transition, now: Now) -> Result<Token, Stop> {
        let config = &self.settings.token;
        let TokenChoice::Label(label) = &config.choice else {
            return Err(
                Fault::new("init makes a new token, so the configuration must name it by label").into()
            );
        };
        let path = &self.settings.pin_file;
        if path.exists() {
            return Err(Fault::new(format!(
                "the PIN file {} is there already; move it away if no token needs it any more",
                path.display()
            ))
            .into());
        }
        let so_pin = Pin::from_bytes(&random_pin()?).map_err(said)?;
        let user_pin = random_pin()?;
        // On the disk before the token knows it: a token nobody can open would be worse than a file for no token.
        write_file(path, &user_pin, 0o600)?;
        let made = Pin::from_bytes(&user_pin)
            .map_err(said)
            .and_then(|user_pin| Token::create(&config.module, label, &so_pin, &user_pin).map_err(said));
        if let Err(stop) = made {
            let _ = std::fs::remove_file(path);
            return Err(stop);
        }
        Token::open(config, read_pin(path)?, &mut transition.backoff, now.instant).map_err(said)
    }

    fn fill(
        &self,
        transition: &super::Transition,
        token: Token,
        actor: Actor,
        first: First,
        now: Now,
    ) -> Result<(Operational, Provisioned), Stop> {
        let (user, First { admin: _, admin_key, names: server_names }) = (first.account(now)?, first);
        let settings = Arc::clone(&self.settings);
        let id = ApplianceId::from_random(random::bytes()?);
        let master_key = token.generate_master_key(FIRST).map_err(said)?;
        let kcv = master_key.kcv().map_err(said)?;
        let ca = token.generate_signer(CA_LABEL).map_err(said)?;
        let checkpoint = token.generate_signer(&checkpoint_label(0)).map_err(said)?;
        // From its first block on the store is one that must not be put back.
        token.put_anchor(&Anchor::GENESIS).map_err(said)?;

        let (store_key, name_key, subject_key) =
            (SecretKey::generate()?, SecretKey::generate()?, SecretKey::generate()?);
        let wrapped_store_key =
            master_key.wrap(&store_key, &Binding::store_key(FIRST, FIRST)).map_err(said)?;
        let wrapping = WrappingKey::new(FIRST, &store_key);
        let boot = Boot {
            format_version: FORMAT_VERSION,
            appliance_id: *id.as_bytes(),
            epoch: 0,
            token_serial: token.serial().to_owned(),
            master_keys: vec![MasterKeyEntry {
                generation: FIRST,
                label: format!("gembok-mk-{FIRST}"),
                kcv: kcv.0,
                state: MasterKeyState::Current,
                escrow: None,
            }],
            store_keys: vec![StoreKeyEntry { generation: FIRST, wrapped: wrapped_store_key.to_bytes() }],
            current_store_key: FIRST,
            name_key: wrapping.wrap(&name_key, &Binding::name_key(FIRST))?.to_bytes(),
            subject_key: wrapping.wrap(&subject_key, &Binding::subject_key(FIRST))?.to_bytes(),
            backup_key: None,
            ca_key: CaKeyEntry { label: CA_LABEL.to_owned(), escrow: None },
            checkpoint_keys: vec![CheckpointKeyEntry {
                epoch: 0,
                label: checkpoint_label(0),
                spki: checkpoint.spki().to_vec(),
            }],
            share_sets: Vec::new(),
            unlock_slots: Vec::new(),
            officers: Vec::new(),
            sandbox: true,
        };

        let current = Authority { generation: FIRST, signer: ca };
        let authorities = Authorities { current, retiring: None };
        let files = PkiFiles::below(&settings.state_directory);
        let pki = Pki::new(files, authorities, id, &settings.outside);
        pki.write_ca(now.time)?;
        let called = server_names.as_ref().unwrap_or(&settings.server_names);
        pki.write_server(called, now.time)?;
        let identity = Identity::User(user.id.uuid());
        let signed = pki.sign_client(identity, admin_key.der(), now.time)?;
        let enrolled = enrolment(identity, &signed);
        // The listeners open with the store, and not without a list.
        pki.write_crl(FIRST.into(), &[], now.time)?;
        let admin = pki.issued(&signed)?;

        let generations = [(FIRST, store_key)];
        let store_keys = StoreKeys::new(&generations, FIRST, &name_key)?;
        let named = store_keys.name_key(Table::Users, &[0; 16], user.name.as_str());
        let first = Batch::new(now.time.micros())
            .put(Table::Users, user.id.as_bytes(), cbor::encode(&user))
            .put(Table::Names, &named, user.id.as_bytes().to_vec())
            .put(Table::Counters, &token_wraps_key(FIRST), cbor::encode(&1u64))
            .put(Table::Counters, CRL_NUMBER, cbor::encode(&u64::from(FIRST)))
            .put(Table::Counters, RECORDED_SINCE, cbor::encode(&now.time));
        let put_names =
            |first: Batch, said: &Vec<String>| first.put(Table::Counters, SERVER_NAMES, cbor::encode(said));
        let first = server_names.iter().fold(first, put_names);
        let records = [
            AuditRecord::new(now.time, actor, "appliance.init")
                .with("id", id)
                .with("sandbox", true)
                .with("token", token.serial())
                .with("kcv", kcv)
                .with("server-names", called.join(" "))
                .with("admin", user.id),
            AuditRecord::new(now.time, actor, "user.create")
                .with("id", user.id)
                .with("name", &user.name)
                .with("role", "admin"),
            issue_audit(now, actor, "certificate.issue", identity, &signed),
            crl_audit(now, FIRST.into(), 0),
        ];
        let first = records.iter().fold(enrol(first, &signed, &enrolled), |batch, audit| {
            batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(audit))
        });
        let store = transition.file.initialise(boot.clone(), store_keys, first)?;

        let token_serial = token.serial().to_owned();
        let (master_keys, checkpoint_signer) = (vec![master_key], checkpoint);
        let operational = Operational::start(Parts {
            settings,
            boot,
            store,
            token,
            master_keys,
            store_keys: generations.into(),
            subject_key: SubjectKey::of(&subject_key),
            pki,
            checkpoint_signer,
        })?;
        operational.note_policies(now)?;
        operational.bear_witness(now)?;
        Ok((operational, Provisioned { id, token_serial, kcv: kcv.to_string(), admin }))
    }
}

/// What the checkpoint key of an epoch is called in the token.
pub(super) fn checkpoint_label(epoch: u32) -> String {
    format!("gembok-checkpoint-{epoch}")
}

/// 32 characters of base32's alphabet in lower case: 160 random bits that fit every token's rules for PINs.
fn random_pin() -> Result<Zeroizing<Vec<u8>>, Stop> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut pin = Zeroizing::new(vec![0; 32]);
    random::fill(&mut pin)?;
    for byte in pin.iter_mut() {
        *byte = ALPHABET[usize::from(*byte % 32)];
    }
    Ok(pin)
}
