//! Another token in the place of ours, as alike as one can be made: the same label, serial number, PIN and KCV. Only that it
//! does not unwrap what ours wrapped tells them apart, so only that is believed.

use std::collections::HashMap;
use std::fs;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use gembok::crypto::kcv::Kcv;
use gembok::crypto::secret::SecretKey;
use gembok::hsm::{Pin, Token};
use serde_json::json;
use zeroize::Zeroizing;

use crate::client::refusal;
use crate::support::daemon::{OBJECT, Sandbox};
use crate::support::shim::Shim;
use crate::support::softhsm::{MODULE, SoftHsm, in_child};
use crate::vault::copy;
use crate::world::World;

/// As the shim plants it: the number, in 32 bytes.
fn planted(number: u64) -> [u8; 32] {
    let mut key = [0x5a; 32];
    key[24..].copy_from_slice(&number.to_be_bytes());
    key
}

fn kcv(number: u64) -> String {
    Kcv::of(&SecretKey::take_slice(Zeroizing::new(planted(number).to_vec())).unwrap()).to_string()
}

/// Two keys with the same three bytes: among some thousands there are two.
fn twins() -> (u64, u64) {
    let mut seen = HashMap::new();
    (0..).find_map(|number| seen.insert(kcv(number), number).map(|earlier| (earlier, number))).unwrap()
}

/// A token of the same label, PIN and serial number, whose master key is the other twin.
fn forge(softhsm: &SoftHsm, pin: &str, serial: &str, number: u64) {
    let secret = || Pin::from_bytes(pin.as_bytes()).unwrap();
    let own = Token::create(MODULE.as_ref(), "sandbox", &secret(), &secret()).unwrap();
    let pkcs11 = Pkcs11::new(MODULE).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let ours = |slot: &_| pkcs11.get_token_info(*slot).unwrap().serial_number() == own;
    let slot = pkcs11.get_slots_with_token().unwrap().into_iter().find(ours).unwrap();
    let session = pkcs11.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(pin))).unwrap();
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Value(planted(number).to_vec()),
        Attribute::Label(b"gembok-mk-1".to_vec()),
        Attribute::Id(1_u32.to_be_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sign(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::AllowedMechanisms(vec![MechanismType::AES_GCM, MechanismType::AES_CMAC]),
        Attribute::Modifiable(false),
    ];
    session.create_object(&template).unwrap();
    drop(session);
    pkcs11.finalize().unwrap();
    // SoftHSM keeps the serial number in clear.
    let file = softhsm.token_file("token.object");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(own.len()).position(|window| window == own.as_bytes()).unwrap();
    bytes[at..at + own.len()].copy_from_slice(serial.as_bytes());
    fs::write(&file, bytes).unwrap();
}

#[test]
fn a_token_alike_in_label_serial_pin_and_kcv_is_not_taken_for_ours() {
    in_child("token_swap::a_token_alike_in_label_serial_pin_and_kcv_is_not_taken_for_ours", |softhsm| {
        let (genuine, forged) = twins();
        let sandbox = Sandbox::with_module(Shim::module(), "");
        let shim = sandbox.softhsm().shim();
        shim.order(&[&format!("C_GenerateKey 0 1 plant {genuine}")]);
        let world = World::over(sandbox, "");
        shim.obey();
        let token = world.status()["token"].clone();
        assert_eq!(token["kcv"], kcv(genuine));
        assert_eq!(kcv(genuine), kcv(forged));
        let absensi = world.absensi();
        let sealed = absensi.seal(OBJECT, b"asli");
        world.done("project create cabang");
        let pin = fs::read_to_string(world.sandbox.path("pin")).unwrap();
        forge(softhsm, pin.trim(), token["serial"].as_str().unwrap(), forged);

        let (tokens, elsewhere) = (world.sandbox.softhsm().tokens(), world.sandbox.softhsm().elsewhere());
        fs::rename(&tokens, &elsewhere).unwrap();
        copy(&softhsm.tokens(), &tokens);
        world.daemon.wait_until("it says so", || {
            world
                .daemon
                .said("the token could not be healed yet")
                .any(|line| line["stop"].as_str().unwrap().contains("another master key"))
        });
        for _ in 0..20 {
            // The key in memory serves; what needs the token is refused, and never by blaming a key.
            assert_eq!(absensi.open(OBJECT, &sealed), b"asli");
            assert_eq!(
                world.sandbox.refused(&["object", "create", "baru", "--project", "cabang"]),
                "token-away"
            );
        }
        let status = world.status();
        assert_eq!((&status["state"], &status["token"]["present"]), (&json!("degraded"), &json!(false)));
        let trouble = status["token"]["trouble"].as_str().unwrap();
        assert!(trouble.contains("another master key"), "{trouble}");
        // It does not unlock with it either, and says the same.
        world.done("lock");
        assert!(!world.sandbox.run(&["unlock"]).status.success());
        let reason = world.status()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("another master key"), "{reason}");
        let item = json!({ "object": OBJECT, "ciphertext": sealed });
        assert_eq!(absensi.decrypt(&item).problem(), refusal(503, "locked"));

        fs::remove_dir_all(&tokens).unwrap();
        fs::rename(&elsewhere, &tokens).unwrap();
        world.done("unlock");
        assert_eq!(absensi.open(OBJECT, &sealed), b"asli");
        shim.assert_orderly();
    });
}
