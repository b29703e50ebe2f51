//! The token floor against a real `SoftHSM`: what it refuses, what it repairs, what it says when the token has gone.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use gembok::crypto::kcv::Kcv;
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use gembok::hsm::{
    Anchor, Class, Healing, Pin, PinBackoff, PinProblem, Token, TokenChoice, TokenConfig, TokenError, to_der,
};
use sha2::{Digest, Sha256};
use support::softhsm::{MODULE, SoftHsm, in_child};

const PIN: &str = "1234-user";
const SO_PIN: &str = "5678-officer";
const LABEL: &str = "gembok-test";

fn pin(text: &str) -> Pin {
    Pin::from_bytes(text.as_bytes()).unwrap()
}

fn config(choice: TokenChoice) -> TokenConfig {
    TokenConfig { module: MODULE.into(), choice, worker_sessions: 2, deadline: Duration::from_secs(5) }
}

fn create(label: &str) -> Result<String, TokenError> {
    Token::create(Path::new(MODULE), label, &pin(SO_PIN), &pin(PIN))
}

fn open(config: &TokenConfig) -> Result<Token, TokenError> {
    Token::open(config, pin(PIN), &mut PinBackoff::new(), Instant::now())
}

fn opened() -> Token {
    create(LABEL).unwrap();
    open(&config(TokenChoice::Label(LABEL.into()))).unwrap()
}

/// A session past our floor, in the same process. `SoftHSM` must be initialized.
fn raw(token: &Token) -> Session {
    let pkcs11 = Pkcs11::new(MODULE).unwrap();
    let is_ours = |slot: &_| pkcs11.get_token_info(*slot).unwrap().serial_number() == token.serial();
    let slot = pkcs11.get_slots_with_token().unwrap().into_iter().find(is_ours).unwrap();
    pkcs11.open_rw_session(slot).unwrap()
}

/// A secret key of known value, with the attributes of a master key except as changed.
fn import(session: &Session, label: &str, value: &[u8; 32], extractable: bool, wraps: bool) -> ObjectHandle {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Value(value.to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(extractable),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sign(true),
        Attribute::Wrap(wraps),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::AllowedMechanisms(vec![MechanismType::AES_GCM, MechanismType::AES_CMAC]),
    ];
    session.create_object(&template).unwrap()
}

fn find(session: &Session, label: &str) -> Vec<ObjectHandle> {
    session.find_objects(&[Attribute::Label(label.as_bytes().to_vec())]).unwrap()
}

/// Starts the token over and believes that it is the right one.
fn heal(token: &Token) -> Result<(), TokenError> {
    token.heal().map(Healing::trust)
}

fn is_away<T>(outcome: &Result<T, TokenError>) -> bool {
    matches!(outcome, Err(TokenError::Away(_)))
}

#[test]
fn a_token_is_made_once_and_opened_by_label_and_by_serial() {
    in_child("a_token_is_made_once_and_opened_by_label_and_by_serial", |_| {
        let serial = create(LABEL).unwrap();
        assert!(matches!(create(LABEL), Err(TokenError::Exists(_))));
        let other = create("another").unwrap();
        assert_ne!(serial, other);
        for choice in [TokenChoice::Label(LABEL.into()), TokenChoice::Serial(serial.clone())] {
            let token = open(&config(choice)).unwrap();
            assert_eq!((token.serial(), token.label()), (&*serial, LABEL));
            token.probe().unwrap();
            let second = open(&config(TokenChoice::Serial(other.clone())));
            assert_eq!(second.err(), Some(TokenError::InUse));
            token.close().unwrap();
            assert_eq!(token.probe(), Err(TokenError::Closed));
            assert_eq!(heal(&token), Err(TokenError::Closed));
            token.close().unwrap();
        }
        let absent = open(&config(TokenChoice::Label("gembok-tes".into()))).err().unwrap();
        assert!(matches!(&absent, TokenError::NotFound(what) if what.contains("`gembok-tes`")), "{absent}");
        for sessions in [0, 16] {
            let config =
                TokenConfig { worker_sessions: sessions, ..config(TokenChoice::Label(LABEL.into())) };
            assert_eq!(open(&config).err().unwrap().class(), Class::Configuration);
        }
        let absent = TokenConfig { module: "/nowhere.so".into(), ..config(TokenChoice::Label(LABEL.into())) };
        assert!(matches!(open(&absent), Err(TokenError::Configuration(_))));
        assert!(matches!(create(&"x".repeat(33)), Err(TokenError::Configuration(_))));
        for (so_pin, user_pin) in [("1", PIN), (SO_PIN, "1")] {
            let short = Token::create(Path::new(MODULE), "short", &pin(so_pin), &pin(user_pin));
            assert_eq!(short, Err(TokenError::Pin(PinProblem::Unfit)));
        }
        create("short").unwrap();
    });
}

#[test]
fn two_tokens_of_one_label_are_refused_and_the_serial_decides() {
    in_child("two_tokens_of_one_label_are_refused_and_the_serial_decides", |_| {
        let serial = create(LABEL).unwrap();
        let pkcs11 = Pkcs11::new(MODULE).unwrap();
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let blank = pkcs11
            .get_all_slots()
            .unwrap()
            .into_iter()
            .find(|slot| !pkcs11.get_token_info(*slot).unwrap().token_initialized());
        pkcs11.init_token(blank.unwrap(), &AuthPin::from(SO_PIN), LABEL).unwrap();
        pkcs11.finalize().unwrap();
        let both = open(&config(TokenChoice::Label(LABEL.into())));
        assert!(matches!(both, Err(TokenError::Ambiguous { count: 2, .. })));
        assert!(matches!(create(LABEL), Err(TokenError::Exists(_))));
        open(&config(TokenChoice::Serial(serial))).unwrap().probe().unwrap();
    });
}

#[test]
fn a_wrong_pin_is_refused_and_backed_off() {
    in_child("a_wrong_pin_is_refused_and_backed_off", |_| {
        create(LABEL).unwrap();
        let config = config(TokenChoice::Label(LABEL.into()));
        let mut backoff = PinBackoff::new();
        let now = Instant::now();
        for _ in 0..4 {
            let refused = Token::open(&config, pin("9999-wrong"), &mut backoff, now).err();
            assert_eq!(refused, Some(TokenError::Pin(PinProblem::Incorrect)));
        }
        let refused = Token::open(&config, pin(PIN), &mut backoff, now).err().unwrap();
        assert_eq!(refused, TokenError::Pin(PinProblem::BackedOff { wait: Duration::from_secs(1) }));
        assert_eq!(refused.class(), Class::Pin);
        let later = now + Duration::from_secs(1);
        Token::open(&config, pin(PIN), &mut backoff, later).unwrap();
        assert_eq!(backoff.admit(later), Ok(()));
    });
}

#[test]
fn a_master_key_stays_in_the_token() {
    in_child("a_master_key_stays_in_the_token", |_| {
        let token = opened();
        assert!(matches!(token.master_key(1), Err(TokenError::NotFound(_))));
        assert_eq!(token.generate_master_key(1).unwrap().generation(), 1);
        assert!(matches!(token.generate_master_key(1), Err(TokenError::Exists(_))));
        token.generate_master_key(0x0102_0304).unwrap();
        token.master_key(1).unwrap();

        let session = raw(&token);
        let [key] = find(&session, "gembok-mk-1")[..] else { panic!("not one key") };
        let id = session.get_attributes(key, &[AttributeType::Id]).unwrap();
        assert_eq!(id, [Attribute::Id(vec![0, 0, 0, 1])]);
        let value = session.get_attributes(key, &[AttributeType::Value]).unwrap();
        assert!(!value.iter().any(|told| matches!(told, Attribute::Value(value) if !value.is_empty())));
        let mut wrapping = import(&session, "thief", &[7; 32], true, true);
        assert!(session.wrap_key(&Mechanism::AesKeyWrapPad, wrapping, key).is_err());
        wrapping = key;
        assert!(session.wrap_key(&Mechanism::AesKeyWrapPad, wrapping, key).is_err());
        assert!(session.encrypt(&Mechanism::AesEcb, key, &[0; 16]).is_err());
        for raised in [Attribute::Extractable(true), Attribute::Wrap(true), Attribute::Sensitive(false)] {
            assert!(session.update_attributes(key, &[raised]).is_err());
        }
    });
}

#[test]
fn a_master_key_that_could_leave_or_let_out_is_refused() {
    in_child("a_master_key_that_could_leave_or_let_out_is_refused", |_| {
        let token = opened();
        let session = raw(&token);
        import(&session, "gembok-mk-1", &[1; 32], true, false);
        import(&session, "gembok-mk-2", &[2; 32], false, true);
        import(&session, "gembok-mk-3", &[3; 32], false, false);
        session
            .generate_key(
                &Mechanism::AesKeyGen,
                &[
                    Attribute::ValueLen(32.into()),
                    Attribute::Label(b"gembok-mk-4".to_vec()),
                    Attribute::Token(true),
                    Attribute::Extractable(false),
                    Attribute::Sensitive(true),
                    Attribute::Encrypt(true),
                    Attribute::Decrypt(true),
                    Attribute::Sign(true),
                    Attribute::Wrap(false),
                    Attribute::Unwrap(false),
                    Attribute::Derive(false),
                ],
            )
            .unwrap();
        for (generation, lacks) in [(1, "Extractable(false)"), (2, "Wrap(false)"), (4, "AES-CMAC")] {
            match token.master_key(generation) {
                Err(TokenError::NonConforming(what)) => assert!(what.contains(lacks), "{what}"),
                _ => panic!("master key {generation} was taken"),
            }
        }
        token.master_key(3).unwrap();
        import(&session, "gembok-mk-3", &[4; 32], false, false);
        assert!(matches!(token.master_key(3), Err(TokenError::Ambiguous { count: 2, .. })));
    });
}

#[test]
fn pending_master_keys_are_destroyed_and_no_others() {
    in_child("pending_master_keys_are_destroyed_and_no_others", |_| {
        let token = opened();
        token.generate_master_key(1).unwrap();
        let session = raw(&token);
        for label in ["gembok-mk-2-pending", "gembok-mk-3-pending", "other-pending"] {
            import(&session, label, &[2; 32], true, false);
        }
        assert_eq!(token.destroy_pending(), Ok(2));
        assert_eq!(token.destroy_pending(), Ok(0));
        assert_eq!(find(&session, "other-pending").len(), 1);
        token.master_key(1).unwrap();
    });
}

#[test]
fn a_wrapped_key_opens_in_its_place_only_and_the_token_stays_well() {
    in_child("a_wrapped_key_opens_in_its_place_only_and_the_token_stays_well", |_| {
        let token = opened();
        let mk = token.generate_master_key(1).unwrap();
        let key = SecretKey::generate().unwrap();
        let place = Binding::kek([7; 16], 1, 1);
        let wrapped = mk.wrap(&key, &place).unwrap();
        let bytes = wrapped.to_bytes();
        assert_eq!(bytes.len(), 67);
        assert_ne!(mk.wrap(&key, &place).unwrap().nonce(), wrapped.nonce());
        assert_eq!(mk.unwrap(&wrapped, &place).unwrap().expose(), key.expose());

        for elsewhere in [
            Binding::kek([8; 16], 1, 1),
            Binding::kek([7; 16], 2, 1),
            Binding::store_key(1, 1),
            Binding::kek([7; 16], 1, 2),
        ] {
            assert_eq!(mk.unwrap(&wrapped, &elsewhere).err(), Some(TokenError::Data));
        }
        for index in 7..bytes.len() {
            let mut altered = bytes.clone();
            altered[index] ^= 1;
            let altered = WrappedKey::parse(&altered).unwrap();
            assert_eq!(mk.unwrap(&altered, &place).err(), Some(TokenError::Data), "byte {index}");
        }
        let in_process = WrappingKey::new(1, &key).wrap(&key, &place).unwrap();
        assert_eq!(mk.unwrap(&in_process, &place).err(), Some(TokenError::Data));
        assert!(matches!(mk.wrap(&key, &Binding::kek([7; 16], 1, 2)), Err(TokenError::Unexpected(_))));
        assert!(!token.is_away());
        token.probe().unwrap();
        mk.unwrap(&wrapped, &place).unwrap();
    });
}

#[test]
fn the_token_wraps_and_checks_like_any_aes() {
    in_child("the_token_wraps_and_checks_like_any_aes", |_| {
        use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
        let token = opened();
        import(&raw(&token), "gembok-mk-9", &[0x42; 32], false, false);
        let mk = token.master_key(9).unwrap();
        assert_eq!(mk.kcv().unwrap(), Kcv::of(&SecretKey::take(&mut [0x42; 32])));

        let place = Binding::store_key(3, 9);
        let wrapped = mk.wrap(&SecretKey::take(&mut [0x17; 32]), &place).unwrap();
        let aes = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0x42; 32]).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(wrapped.nonce()).unwrap();
        let mut sealed = wrapped.sealed().to_vec();
        assert_eq!(aes.open_in_place(nonce, Aad::from(place.aad()), &mut sealed).unwrap(), [0x17; 32]);
    });
}

#[test]
fn a_lost_login_is_had_again() {
    in_child("a_lost_login_is_had_again", |_| {
        let token = opened();
        let mk = token.generate_master_key(1).unwrap();
        let place = Binding::store_key(1, 1);
        let wrapped = mk.wrap(&SecretKey::generate().unwrap(), &place).unwrap();
        raw(&token).logout().unwrap();
        mk.unwrap(&wrapped, &place).unwrap();
        raw(&token).logout().unwrap();
        assert!(matches!(token.master_key(2), Err(TokenError::NotFound(_))));
        raw(&token).logout().unwrap();
        token.probe().unwrap();
        mk.kcv().unwrap();
    });
}

#[test]
fn lost_sessions_are_replaced_and_a_module_that_was_finalized_is_away() {
    in_child("lost_sessions_are_replaced_and_a_module_that_was_finalized_is_away", |_| {
        let token = opened();
        let mk = token.generate_master_key(1).unwrap();
        let again = || CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        let pkcs11 = Pkcs11::new(MODULE).unwrap();
        pkcs11.clone().finalize().unwrap();
        pkcs11.initialize(again()).unwrap();
        // Every session is void now, and nobody is logged in.
        for _ in 0..20 {
            mk.kcv().unwrap();
        }
        pkcs11.finalize().unwrap();
        assert!(is_away(&mk.kcv()));
        heal(&token).unwrap();
        mk.kcv().unwrap();
        token.close().unwrap();
    });
}

#[test]
fn a_token_that_goes_away_is_noticed_and_heals() {
    in_child("a_token_that_goes_away_is_noticed_and_heals", |softhsm| {
        let token = opened();
        let mk = token.generate_master_key(1).unwrap();
        let signer = token.generate_signer("gembok-ca").unwrap();
        let place = Binding::store_key(1, 1);
        let key = SecretKey::generate().unwrap();
        let wrapped = mk.wrap(&key, &place).unwrap();
        for round in 0..3 {
            std::fs::rename(softhsm.tokens(), softhsm.elsewhere()).unwrap();
            // Each round meets it with another call first; none may say that a key is gone or a blob is bad.
            let noticed = match round {
                0 => is_away(&token.master_key(2)),
                1 => is_away(&token.probe()),
                _ => is_away(&token.generate_master_key(2)),
            };
            assert!(noticed && token.is_away(), "round {round}");
            assert!(is_away(&mk.unwrap(&wrapped, &place)));
            assert!(is_away(&mk.kcv()));
            assert!(is_away(&heal(&token)));
            assert!(is_away(&heal(&token)));
            std::fs::rename(softhsm.elsewhere(), softhsm.tokens()).unwrap();
            assert!(is_away(&token.probe()), "it healed by itself");
            heal(&token).unwrap();
            assert!(!token.is_away());
            assert_eq!(mk.unwrap(&wrapped, &place).unwrap().expose(), key.expose());
            signer.sign_digest(&[1; 32]).unwrap();
        }
        heal(&token).unwrap();
        mk.unwrap(&wrapped, &place).unwrap();
    });
}

#[test]
fn a_blob_is_never_blamed_for_a_token_that_has_gone() {
    in_child("a_blob_is_never_blamed_for_a_token_that_has_gone", |softhsm| {
        let token = opened();
        let mk = token.generate_master_key(1).unwrap();
        let place = Binding::store_key(1, 1);
        let wrapped = mk.wrap(&SecretKey::generate().unwrap(), &place).unwrap();
        for moved_back in [false, true] {
            let raw = raw(&token);
            // Both workers know the key.
            for _ in 0..20 {
                mk.unwrap(&wrapped, &place).unwrap();
            }
            std::fs::rename(softhsm.tokens(), softhsm.elsewhere()).unwrap();
            if moved_back {
                // The module notices, we do not: from now on it finds nothing, and says so without an error.
                assert!(find(&raw, "gembok-mk-1").is_empty());
                std::fs::rename(softhsm.elsewhere(), softhsm.tokens()).unwrap();
            }
            for _ in 0..20 {
                let outcome = mk.unwrap(&wrapped, &place);
                assert!(outcome.is_ok() || is_away(&outcome), "{:?}", outcome.err());
                let absent = token.master_key(1).map(drop);
                assert!(absent.is_ok() || is_away(&absent), "{absent:?}");
            }
            if !moved_back {
                std::fs::rename(softhsm.elsewhere(), softhsm.tokens()).unwrap();
            }
            for _ in 0..20 {
                let absent = token.master_key(1).map(drop);
                assert!(absent.is_ok() || is_away(&absent), "{absent:?}");
            }
            drop(raw);
            heal(&token).unwrap();
        }
    });
}

#[test]
fn another_token_in_its_place_is_not_it() {
    in_child("another_token_in_its_place_is_not_it", |softhsm| {
        let token = opened();
        token.generate_master_key(1).unwrap();
        std::fs::rename(softhsm.tokens(), softhsm.elsewhere()).unwrap();
        std::fs::create_dir(softhsm.tokens()).unwrap();
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", SO_PIN])
            .output()
            .unwrap();
        assert!(made.status.success());
        assert!(is_away(&heal(&token)));
        std::fs::remove_dir_all(softhsm.tokens()).unwrap();
        std::fs::rename(softhsm.elsewhere(), softhsm.tokens()).unwrap();
        heal(&token).unwrap();
        token.master_key(1).unwrap();
    });
}

#[test]
fn a_pin_that_was_changed_is_tried_once() {
    in_child("a_pin_that_was_changed_is_tried_once", |_| {
        let token = opened();
        raw(&token).set_pin(&AuthPin::from(PIN), &AuthPin::from("4321-other")).unwrap();
        assert_eq!(heal(&token), Err(TokenError::Pin(PinProblem::Incorrect)));
        let session_pin = AuthPin::from("4321-other");
        let session = raw(&token);
        session.login(UserType::User, Some(&session_pin)).unwrap();
        session.set_pin(&session_pin, &AuthPin::from(PIN)).unwrap();
        drop(session);
        // It would be right again, but nobody tries a refused PIN a second time.
        assert_eq!(heal(&token), Err(TokenError::Pin(PinProblem::Incorrect)));
        token.close().unwrap();
        open(&config(TokenChoice::Label(LABEL.into()))).unwrap();
    });
}

#[test]
fn a_token_that_hangs_costs_the_deadline_and_no_more() {
    in_child("a_token_that_hangs_costs_the_deadline_and_no_more", |softhsm| {
        create(LABEL).unwrap();
        let config = TokenConfig {
            worker_sessions: 1,
            deadline: Duration::from_secs(4),
            ..config(TokenChoice::Label(LABEL.into()))
        };
        // A key takes a while on a busy machine; only what hangs is to meet a deadline this short.
        let patient = || TokenConfig { deadline: Duration::from_secs(30), ..config.clone() };
        let token = open(&patient()).unwrap();
        token.generate_master_key(1).unwrap();
        token.close().unwrap();
        let token = open(&config).unwrap();
        // SoftHSM reads this file before it looks for keys; a pipe without a writer makes it wait.
        let generation = softhsm.token_file("generation");
        std::fs::rename(&generation, softhsm.elsewhere()).unwrap();
        assert!(Command::new("mkfifo").arg(&generation).status().unwrap().success());

        let start = Instant::now();
        assert_eq!(token.master_key(1).err(), Some(TokenError::Deadline));
        assert!(start.elapsed() < Duration::from_secs(20));
        let refused = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..gembok::hsm::QUEUED_JOBS_MAX + 20 {
                scope.spawn(|| match token.probe() {
                    Err(TokenError::Busy) => refused.fetch_add(1, Ordering::Relaxed),
                    Err(TokenError::Deadline) => 0,
                    other => panic!("{other:?}"),
                });
            }
        });
        assert_eq!(refused.into_inner(), 20);
        // With a call in flight there is no finalizing, so no healing either.
        assert_eq!(heal(&token), Err(TokenError::Deadline));
        assert!(token.is_away());

        let pipe = softhsm.elsewhere().with_extension("pipe");
        std::fs::hard_link(&generation, &pipe).unwrap();
        std::fs::rename(softhsm.elsewhere(), &generation).unwrap();
        drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
        let start = Instant::now();
        while let Err(error) = heal(&token) {
            assert!(start.elapsed() < Duration::from_secs(60), "{error:?}");
        }
        token.close().unwrap();
        let token = open(&patient()).unwrap();
        token.master_key(1).unwrap().kcv().unwrap();
        token.close().unwrap();
    });
}

#[test]
fn an_answer_that_comes_too_late_is_no_answer() {
    in_child("an_answer_that_comes_too_late_is_no_answer", |_| {
        create(LABEL).unwrap();
        let deadline = Duration::from_nanos(1);
        let token = open(&TokenConfig { deadline, ..config(TokenChoice::Label(LABEL.into())) }).unwrap();
        assert_eq!(token.generate_master_key(1).err(), Some(TokenError::Deadline));
        drop(token);
        let token = open(&config(TokenChoice::Label(LABEL.into()))).unwrap();
        // The job was thrown away in the queue, not done late.
        assert!(matches!(token.master_key(1), Err(TokenError::NotFound(_))));
    });
}

#[test]
fn many_threads_share_the_workers_and_closing_under_load_is_orderly() {
    in_child("many_threads_share_the_workers_and_closing_under_load_is_orderly", |_| {
        create(LABEL).unwrap();
        let config = TokenConfig { worker_sessions: 4, ..config(TokenChoice::Label(LABEL.into())) };
        for _ in 0..5 {
            let token = open(&config).unwrap();
            let mk = token.master_key(1).or_else(|_| token.generate_master_key(1)).unwrap();
            let place = Binding::store_key(1, 1);
            let done = AtomicU32::new(0);
            let closing = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..16 {
                    scope.spawn(|| {
                        loop {
                            let key = SecretKey::generate().unwrap();
                            match mk.wrap(&key, &place).and_then(|wrapped| mk.unwrap(&wrapped, &place)) {
                                Ok(back) => assert_eq!(back.expose(), key.expose()),
                                Err(error) => {
                                    assert_eq!(error, TokenError::Closed);
                                    assert!(closing.load(Ordering::SeqCst));
                                    return;
                                }
                            }
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                while done.load(Ordering::Relaxed) < 200 {
                    std::thread::yield_now();
                }
                closing.store(true, Ordering::SeqCst);
                token.close().unwrap();
            });
        }
    });
}

#[test]
fn healing_under_load_is_orderly() {
    in_child("healing_under_load_is_orderly", |_| {
        let token = opened();
        let mk = token.generate_master_key(1).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let outcome = mk.kcv().map(drop);
                        assert!(outcome.is_ok() || is_away(&outcome), "{outcome:?}");
                    }
                });
            }
            for _ in 0..20 {
                heal(&token).unwrap();
                mk.kcv().unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_signer_signs_and_proves_that_its_halves_belong_together() {
    in_child("a_signer_signs_and_proves_that_its_halves_belong_together", |_| {
        let token = opened();
        assert!(matches!(token.signer("gembok-ca"), Err(TokenError::NotFound(_))));
        let signer = token.generate_signer("gembok-ca").unwrap();
        assert!(matches!(token.generate_signer("gembok-ca"), Err(TokenError::Exists(_))));
        assert_eq!(token.signer("gembok-ca").unwrap().spki(), signer.spki());
        assert_eq!((signer.spki().len(), signer.point().len(), signer.label()), (91, 65, "gembok-ca"));
        for round in 0_u32..20 {
            let message = round.to_be_bytes();
            let signature = signer.sign_digest(&Sha256::digest(message).into()).unwrap();
            let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signer.point());
            fixed.verify(&message, &signature).unwrap();
            let asn1 = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, signer.spki());
            asn1.verify(&message, &to_der(&signature)).unwrap();
            assert!(asn1.verify(b"another", &to_der(&signature)).is_err());
        }

        let session = raw(&token);
        let class = |class, label: &str| {
            let template = [Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())];
            session.find_objects(&template).unwrap()[0]
        };
        let private = class(ObjectClass::PRIVATE_KEY, "gembok-ca");
        let value = session.get_attributes(private, &[AttributeType::Value]).unwrap();
        assert!(!value.iter().any(|told| matches!(told, Attribute::Value(value) if !value.is_empty())));
        assert!(
            session.update_attributes(private, &[Attribute::Extractable(true)]).is_err(),
            "a private key could be made extractable"
        );

        let other = token.generate_signer("gembok-other").unwrap();
        // Both halves go, and no other pair; what is gone is gone.
        token.generate_signer("gembok-gone").unwrap();
        assert!(token.destroy_signer("gembok-gone").unwrap());
        assert!(!token.destroy_signer("gembok-gone").unwrap());
        assert!(matches!(token.signer("gembok-gone"), Err(TokenError::NotFound(_))));
        token.generate_signer("gembok-gone").unwrap();
        other.sign_digest(&[2; 32]).unwrap();
        session.destroy_object(class(ObjectClass::PUBLIC_KEY, "gembok-ca")).unwrap();
        let foreign = class(ObjectClass::PUBLIC_KEY, "gembok-other");
        session.copy_object(foreign, &[Attribute::Label(b"gembok-ca".to_vec())]).unwrap();
        assert!(matches!(token.signer("gembok-ca"), Err(TokenError::NonConforming(_))));
    });
}

#[test]
fn softhsm_takes_what_we_must_refuse() {
    // Why unwrap insists on nonce and tag lengths itself: the token would open these.
    in_child("softhsm_takes_what_we_must_refuse", |_| {
        let token = opened();
        let session = raw(&token);
        let key = import(&session, "gembok-mk-1", &[1; 32], false, false);
        let mut nonce = [3; 16];
        let short_tag = Mechanism::AesGcm(GcmParams::new(&mut nonce, b"", 32.into()).unwrap());
        assert_eq!(session.encrypt(&short_tag, key, &[0; 32]).unwrap().len(), 36);
        assert!(WrappedKey::from_token(1, &[3; 16], &[0; 48]).is_err());
        assert!(WrappedKey::from_token(1, &[3; 12], &[0; 36]).is_err());
    });
}

#[test]
fn every_error_says_what_happened_then_what_to_do() {
    let gallery = [
        TokenError::Ambiguous { what: "the token labelled `x`".into(), count: 2 },
        TokenError::Busy,
        TokenError::Closed,
        TokenError::Data,
        TokenError::Deadline,
        TokenError::Exists("the secret key `gembok-mk-1`".into()),
        TokenError::InUse,
        TokenError::NonConforming("the secret key `gembok-mk-1` in the token lacks Wrap(false)".into()),
        TokenError::NotFound("the secret key `gembok-mk-1`".into()),
        TokenError::Pin(PinProblem::BackedOff { wait: Duration::from_millis(1500) }),
        TokenError::Pin(PinProblem::Expired),
        TokenError::Pin(PinProblem::Incorrect),
        TokenError::Pin(PinProblem::Locked),
        TokenError::Pin(PinProblem::Unfit),
    ];
    for error in gallery {
        let said = error.to_string();
        assert!(said.contains([';', ':']), "no advice in: {said}");
    }
    assert!(
        TokenError::Pin(PinProblem::BackedOff { wait: Duration::from_millis(1500) })
            .to_string()
            .ends_with("wait 2 s")
    );
}

fn _is_send_and_sync(_: &SoftHsm) {
    fn is<T: Send + Sync>() {}
    is::<Token>();
    is::<gembok::hsm::MasterKey>();
    is::<gembok::hsm::Signer>();
}

#[test]
fn the_token_keeps_one_anchor_and_of_two_gives_the_further() {
    in_child("the_token_keeps_one_anchor_and_of_two_gives_the_further", |softhsm| {
        let token = opened();
        assert_eq!(token.anchor().unwrap(), None);
        let anchor = |next_sequence| Anchor { epoch: 0, next_sequence, hash: [7; 32] };
        let session = raw(&token);
        let data = [Attribute::Class(ObjectClass::DATA), Attribute::Label(b"gembok-anchor".to_vec())];
        let files = || std::fs::read_dir(softhsm.token_file("")).unwrap().count();
        token.put_anchor(&anchor(0)).unwrap();
        let before = files();
        for next_sequence in 1..50 {
            token.put_anchor(&anchor(next_sequence)).unwrap();
            token.put_anchor(&anchor(next_sequence)).unwrap();
            assert_eq!(token.anchor().unwrap(), Some(anchor(next_sequence)));
        }
        assert_eq!(session.find_objects(&data).unwrap().len(), 1);
        assert_eq!(files(), before, "nothing is left behind in the token's folder");
        assert!(
            session
                .get_attributes(session.find_objects(&data).unwrap()[0], &[AttributeType::Private])
                .unwrap()
                == [Attribute::Private(true)]
        );

        let put = |value: &[u8]| {
            let more = [Attribute::Token(true), Attribute::Private(true), Attribute::Value(value.to_vec())];
            session.create_object(&[&data[..], &more].concat()).unwrap()
        };
        put(&anchor(7).to_bytes());
        assert_eq!(token.anchor().unwrap(), Some(anchor(49)));
        let restored = Anchor { epoch: 1, ..anchor(3) };
        put(&restored.to_bytes());
        assert_eq!(token.anchor().unwrap(), Some(restored));
        token.put_anchor(&Anchor { epoch: 1, ..anchor(4) }).unwrap();
        assert_eq!(session.find_objects(&data).unwrap().len(), 1);
        let bent = put(&[1; 43]);
        assert!(matches!(token.anchor(), Err(TokenError::NonConforming(_))));
        session.destroy_object(bent).unwrap();
        token.close().unwrap();
    });
}
