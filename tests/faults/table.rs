//! Return codes by functions: once, for ever, and from a token that says it is ill.

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::Session;
use gembok::hsm::{Class, Token, TokenError};

use crate::bench::{Bench, Work};
use crate::support::softhsm::{MODULE, in_child};

/// What a return code asks for, by PKCS #11 and by what modules do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Away,
    Session,
    Crowded,
    Login,
    Pin,
    Data,
    Doubtful,
}

pub(crate) const CODES: [(u64, Kind); 27] = [
    (0x003, Kind::Away),           // SLOT_ID_INVALID
    (0x030, Kind::Away),           // DEVICE_ERROR
    (0x032, Kind::Away),           // DEVICE_REMOVED
    (0x0e0, Kind::Away),           // TOKEN_NOT_PRESENT
    (0x0e1, Kind::Away),           // TOKEN_NOT_RECOGNIZED
    (0x190, Kind::Away),           // CRYPTOKI_NOT_INITIALIZED
    (0x090, Kind::Session),        // OPERATION_ACTIVE
    (0x091, Kind::Session),        // OPERATION_NOT_INITIALIZED
    (0x0b0, Kind::Session),        // SESSION_CLOSED
    (0x0b3, Kind::Session),        // SESSION_HANDLE_INVALID
    (0x0b1, Kind::Crowded),        // SESSION_COUNT
    (0x060, Kind::Login),          // KEY_HANDLE_INVALID
    (0x082, Kind::Login),          // OBJECT_HANDLE_INVALID
    (0x101, Kind::Login),          // USER_NOT_LOGGED_IN
    (0x0a0, Kind::Pin),            // PIN_INCORRECT
    (0x0a3, Kind::Pin),            // PIN_EXPIRED
    (0x0a4, Kind::Pin),            // PIN_LOCKED
    (0x040, Kind::Data),           // ENCRYPTED_DATA_INVALID
    (0x041, Kind::Data),           // ENCRYPTED_DATA_LEN_RANGE
    (0x002, Kind::Doubtful),       // HOST_MEMORY
    (0x005, Kind::Doubtful),       // GENERAL_ERROR
    (0x006, Kind::Doubtful),       // FUNCTION_FAILED
    (0x031, Kind::Doubtful),       // DEVICE_MEMORY
    (0x050, Kind::Doubtful),       // FUNCTION_CANCELED
    (0x070, Kind::Doubtful),       // MECHANISM_INVALID
    (0x0e2, Kind::Doubtful),       // TOKEN_WRITE_PROTECTED
    (0x8000_0001, Kind::Doubtful), // VENDOR_DEFINED
];

const PLACES: [(&str, Work); 13] = [
    ("C_FindObjectsInit", Work::Find),
    ("C_FindObjects", Work::Find),
    ("C_GetAttributeValue", Work::Find),
    ("C_EncryptInit", Work::Wrap),
    ("C_Encrypt", Work::Wrap),
    ("C_DecryptInit", Work::Unwrap),
    ("C_Decrypt", Work::Unwrap),
    ("C_SignInit", Work::Sign),
    ("C_Sign", Work::Sign),
    ("C_GenerateKey", Work::Generate),
    ("C_CreateObject", Work::Anchor),
    ("C_DestroyObject", Work::Destroy),
    ("C_OpenSession", Work::Unwrap),
];

/// Makes the next use of `function` certain: a session to be opened, a key to be destroyed.
fn prepare(bench: &Bench, function: &str, orders: &mut Vec<String>) {
    match function {
        // The session is lost first.
        "C_OpenSession" => orders.push("C_DecryptInit 0 1 answer 179".into()),
        "C_DestroyObject" => make_pending(&bench.token),
        _ => {}
    }
}

/// A session past the shim: `SoftHSM` itself, in this very process, where it is logged in.
fn past_the_shim(token: &Token) -> Session {
    let pkcs11 = Pkcs11::new(MODULE).unwrap();
    let slots = pkcs11.get_slots_with_token().unwrap();
    let ours = |slot: &_| pkcs11.get_token_info(*slot).unwrap().serial_number() == token.serial();
    pkcs11.open_rw_session(slots.into_iter().find(ours).unwrap()).unwrap()
}

/// Makes a master key whose making was broken off.
fn make_pending(token: &Token) {
    let label = Attribute::Label(b"gembok-mk-7-pending".to_vec());
    let template = [Attribute::Token(true), Attribute::ValueLen(32.into()), label];
    past_the_shim(token).generate_key(&Mechanism::AesKeyGen, &template).unwrap();
}

/// Takes out what was generated under the number the next case uses.
fn destroy_generated(token: &Token) {
    let session = past_the_shim(token);
    for key in session.find_objects(&[Attribute::Label(b"gembok-mk-9".to_vec())]).unwrap() {
        session.destroy_object(key).unwrap();
    }
}

#[test]
fn every_code_at_every_function_once() {
    in_child("table::every_code_at_every_function_once", |softhsm| {
        let bench = Bench::new(softhsm);
        for (function, work) in PLACES {
            for (code, kind) in CODES {
                let what = format!("{code:#x} once at {function}");
                let mut orders = vec![format!("{function} 0 1 answer {code}")];
                prepare(&bench, function, &mut orders);
                bench.shim.order(&orders.iter().map(String::as_str).collect::<Vec<_>>());
                let mark = bench.shim.mark();
                let outcome = bench.does(work);
                assert_eq!(bench.shim.count(mark, &format!("{function} {code}")), 1, "{what} did not happen");
                match (kind, &outcome) {
                    (Kind::Away, Err(TokenError::Away(_))) | (Kind::Pin, Err(TokenError::Pin(_))) => {
                        assert!(bench.token.is_away(), "{what}");
                    }
                    // Repaired, and nobody has noticed. A session that cannot be opened is tried once.
                    (Kind::Session | Kind::Crowded | Kind::Login, Ok(())) => {}
                    (Kind::Session | Kind::Crowded, Err(TokenError::Session(_)))
                        if function == "C_OpenSession" => {}
                    (Kind::Data, Err(TokenError::Data)) | (Kind::Doubtful, Ok(())) => {
                        assert_eq!(function, "C_Decrypt", "{what}");
                    }
                    (Kind::Doubtful | Kind::Data, Err(TokenError::Unexpected(_))) => {
                        assert!(!bench.token.is_away(), "{what}");
                    }
                    (_, other) => panic!("{what} ({kind:?}): {other:?}"),
                }
                bench.recovers(&what);
                if outcome.is_ok() && work == Work::Generate {
                    destroy_generated(&bench.token);
                }
            }
        }
    });
}

#[test]
fn every_code_at_every_function_for_ever() {
    in_child("table::every_code_at_every_function_for_ever", |softhsm| {
        let bench = Bench::new(softhsm);
        for (function, work) in PLACES {
            for (code, kind) in CODES {
                let what = format!("{code:#x} for ever at {function}");
                let mut orders = vec![format!("{function} 0 * answer {code}")];
                prepare(&bench, function, &mut orders);
                bench.shim.order(&orders.iter().map(String::as_str).collect::<Vec<_>>());
                let outcome = bench.does(work);
                let (class, away) = match outcome {
                    Ok(()) => panic!("{what} did not happen"),
                    Err(error) => (error.class(), bench.token.is_away()),
                };
                let expected = match kind {
                    Kind::Away => (Class::Token, true),
                    Kind::Session => (Class::Session, true),
                    Kind::Crowded => (Class::Session, false),
                    Kind::Login => (Class::Login, true),
                    Kind::Pin => (Class::Pin, true),
                    Kind::Data | Kind::Doubtful if function == "C_Decrypt" => {
                        let blames = matches!(code, 0x40 | 0x41 | 0x5 | 0x6);
                        (if blames { Class::Data } else { Class::Configuration }, false)
                    }
                    Kind::Data | Kind::Doubtful => (Class::Configuration, false),
                };
                assert_eq!((class, away), expected, "{what}");
                bench.recovers(&what);
            }
        }
    });
}

#[test]
fn a_doubtful_code_from_a_token_that_is_ill_is_never_the_datas_fault() {
    in_child("table::a_doubtful_code_from_a_token_that_is_ill_is_never_the_datas_fault", |softhsm| {
        let bench = Bench::new(softhsm);
        for (function, work) in PLACES {
            for (code, _) in CODES.iter().filter(|(_, kind)| *kind == Kind::Doubtful) {
                let what = format!("{code:#x} at {function} of a token that is ill");
                let ill = format!("{function} 0 * answer {code}");
                let mut orders = vec![ill, "C_GetTokenInfo 0 * answer 5".into()];
                prepare(&bench, function, &mut orders);
                bench.shim.order(&orders.iter().map(String::as_str).collect::<Vec<_>>());
                let outcome = bench.does(work);
                assert!(matches!(outcome, Err(TokenError::Away(_))), "{what}: {outcome:?}");
                assert!(bench.token.is_away(), "{what}");
                bench.recovers(&what);
            }
        }
        // And a key that is not found is missing only when the token says it is well.
        for code in [0x5, 0x30, 0xe0] {
            bench.shim.order(&[&format!("C_GetTokenInfo 0 * answer {code}")]);
            let absent = bench.token.master_key(4).map(drop);
            assert!(matches!(absent, Err(TokenError::Away(_))), "{absent:?}");
            bench.recovers("a missing key");
        }
        assert!(matches!(bench.token.master_key(4), Err(TokenError::NotFound(_))));
    });
}
