//! The token floor against a module that fails on command: every class of return code at every function, once and for
//! ever. What is repaired is repaired unseen; what is not is called by its right name; and the token heals from all of it.

mod support;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::Session;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey};
use gembok::hsm::{
    Class, Healing, MasterKey, Pin, PinBackoff, PinProblem, Signer, Token, TokenChoice, TokenConfig,
    TokenError,
};
use support::shim::Shim;
use support::softhsm::{MODULE, SoftHsm, in_child};

const PIN: &[u8] = b"1234-user";
const LABEL: &str = "gembok-test";

/// What a return code asks for, by PKCS #11 and by what modules do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Away,
    Session,
    Crowded,
    Login,
    Pin,
    Data,
    Doubtful,
}

const CODES: [(u64, Kind); 27] = [
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

/// A token behind the shim, with one of everything.
struct Bench {
    shim: Shim,
    token: Token,
    key: MasterKey,
    signer: Signer,
    wrapped: WrappedKey,
    plain: SecretKey,
}

/// What is asked of the token.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Destroy,
    Find,
    Generate,
    Probe,
    Sign,
    Unwrap,
    Wrap,
}

fn config() -> TokenConfig {
    TokenConfig {
        module: Shim::module().to_owned(),
        choice: TokenChoice::Label(LABEL.into()),
        worker_sessions: 1,
        deadline: Duration::from_secs(20),
    }
}

fn pin() -> Pin {
    Pin::from_bytes(PIN).unwrap()
}

fn open(config: &TokenConfig) -> Result<Token, TokenError> {
    Token::open(config, pin(), &mut PinBackoff::new(), Instant::now())
}

fn place() -> Binding {
    Binding::store_key(1, 1)
}

impl Bench {
    fn new(softhsm: &SoftHsm) -> Self {
        let shim = softhsm.shim();
        shim.obey();
        let config = config();
        Token::create(&config.module, LABEL, &pin(), &pin()).unwrap();
        let token = open(&config).unwrap();
        let key = token.generate_master_key(1).unwrap();
        let signer = token.generate_signer("gembok-ca").unwrap();
        let plain = SecretKey::generate().unwrap();
        let wrapped = key.wrap(&plain, &place()).unwrap();
        Self { shim, token, key, signer, wrapped, plain }
    }

    /// The same, with little patience once everything is made.
    fn impatient(softhsm: &SoftHsm) -> Self {
        let mut bench = Self::new(softhsm);
        bench.reopen(&TokenConfig { deadline: Duration::from_secs(1), ..config() });
        bench
    }

    fn reopen(&mut self, config: &TokenConfig) {
        self.token.close().unwrap();
        self.token = open(config).unwrap();
        self.key = self.token.master_key(1).unwrap();
        self.signer = self.token.signer("gembok-ca").unwrap();
    }

    fn does(&self, work: Work) -> Result<(), TokenError> {
        match work {
            Work::Destroy => self.token.destroy_pending().map(drop),
            Work::Find => self.token.master_key(1).map(drop),
            Work::Generate => self.token.generate_master_key(9).map(drop),
            Work::Probe => self.token.probe(),
            Work::Sign => self.signer.sign_digest(&[7; 32]).map(drop),
            Work::Unwrap => {
                let plain = self.key.unwrap(&self.wrapped, &place())?;
                assert_eq!(plain.expose(), self.plain.expose());
                Ok(())
            }
            Work::Wrap => self.key.wrap(&self.plain, &place()).map(drop),
        }
    }

    fn heal(&self) -> Result<(), TokenError> {
        self.token.heal().map(Healing::trust)
    }

    /// Everything is as if nothing had been, after a heal if that is wanted.
    fn recovers(&self, what: &str) {
        self.shim.obey();
        if self.token.is_away() {
            assert!(matches!(self.does(Work::Unwrap), Err(TokenError::Away(_))), "{what}");
            self.heal().unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        for work in [Work::Unwrap, Work::Find, Work::Wrap, Work::Sign] {
            self.does(work).unwrap_or_else(|error| panic!("{what}, then {work:?}: {error}"));
        }
        assert!(!self.token.is_away(), "{what}");
        self.shim.assert_orderly();
    }
}

const PLACES: [(&str, Work); 12] = [
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
    in_child("every_code_at_every_function_once", |softhsm| {
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
                    (Kind::Session, Err(TokenError::Session(_))) if function == "C_OpenSession" => {}
                    (Kind::Crowded, Err(TokenError::Session(_))) if function == "C_OpenSession" => {}
                    (Kind::Data, Err(TokenError::Data)) => assert_eq!(function, "C_Decrypt", "{what}"),
                    (Kind::Doubtful, Ok(())) => assert_eq!(function, "C_Decrypt", "{what}"),
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
    in_child("every_code_at_every_function_for_ever", |softhsm| {
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
    in_child("a_doubtful_code_from_a_token_that_is_ill_is_never_the_datas_fault", |softhsm| {
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

#[test]
fn a_bad_tag_is_never_taken_for_a_dead_token() {
    in_child("a_bad_tag_is_never_taken_for_a_dead_token", |softhsm| {
        let bench = Bench::new(softhsm);
        let mark = bench.shim.mark();
        for _ in 0..5 {
            let foreign = bench.key.unwrap(&bench.wrapped, &Binding::store_key(2, 1)).map(drop);
            assert_eq!(foreign, Err(TokenError::Data));
            assert!(!bench.token.is_away());
            bench.does(Work::Unwrap).unwrap();
        }
        // It really was the code that dead tokens give, and each was asked twice.
        assert_eq!(bench.shim.count(mark, "C_Decrypt 5"), 10);
        assert_eq!(bench.shim.count(mark, "C_Finalize begun"), 0);
    });
}

#[test]
fn whatever_goes_wrong_while_healing_it_heals_later() {
    in_child("whatever_goes_wrong_while_healing_it_heals_later", |softhsm| {
        let bench = Bench::new(softhsm);
        let functions =
            ["C_Finalize", "C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession", "C_Login"];
        for function in functions {
            for (code, kind) in CODES {
                let what = format!("{code:#x} at {function} while healing");
                if kind == Kind::Pin && function == "C_Login" {
                    continue;
                }
                bench.shim.order(&[&format!("{function} 0 3 answer {code}")]);
                let mut tries = 0;
                while let Err(error) = bench.heal() {
                    assert!(bench.token.is_away(), "{what}");
                    assert!(matches!(bench.does(Work::Unwrap), Err(TokenError::Away(_))), "{what}");
                    assert_ne!(error.class(), Class::Data, "{what}");
                    tries += 1;
                    assert!(tries < 5, "{what}: {error}");
                }
                // A module that says it was not initialized is as good as finalized.
                let expected = tries > 0 || (function == "C_Finalize" && code == 0x190);
                assert!(expected, "{what} did not happen");
                bench.recovers(&what);
            }
        }
    });
}

#[test]
fn a_refused_pin_is_never_tried_again() {
    in_child("a_refused_pin_is_never_tried_again", |softhsm| {
        let mut bench = Bench::new(softhsm);
        for (code, problem) in
            [(0xa0, PinProblem::Incorrect), (0xa3, PinProblem::Expired), (0xa4, PinProblem::Locked)]
        {
            // In the middle of the work, because the login was lost; then at every try to heal.
            let order = format!("C_Login 0 * answer {code}");
            bench.shim.order(&["C_DecryptInit 0 1 answer 257", &order]);
            let mark = bench.shim.mark();
            assert_eq!(bench.does(Work::Unwrap), Err(TokenError::Pin(problem)));
            assert!(bench.token.is_away());
            for _ in 0..3 {
                assert_eq!(bench.heal(), Err(TokenError::Pin(problem)));
                assert!(matches!(bench.does(Work::Unwrap), Err(TokenError::Away(_))));
            }
            assert_eq!(bench.shim.count(mark, "C_Login begun"), 1);
            // Somebody puts it right, and opens it anew: that is one more.
            bench.shim.obey();
            bench.reopen(&config());
            bench.recovers("a PIN put right");
        }
    });
}

#[test]
fn an_answer_that_was_lost_leaves_a_key_that_is_found() {
    in_child("an_answer_that_was_lost_leaves_a_key_that_is_found", |softhsm| {
        let bench = Bench::new(softhsm);
        bench.shim.order(&["C_GenerateKey 0 1 lose 48"]);
        let lost = bench.token.generate_master_key(2).map(drop);
        assert!(matches!(lost, Err(TokenError::Away(_))), "{lost:?}");
        bench.recovers("a lost answer");
        let again = bench.token.generate_master_key(2).map(drop);
        assert!(matches!(again, Err(TokenError::Exists(_))), "{again:?}");
        bench.token.master_key(2).unwrap();
    });
}

#[test]
fn a_slow_token_is_waited_for_until_the_deadline() {
    in_child("a_slow_token_is_waited_for_until_the_deadline", |softhsm| {
        let bench = Bench::impatient(softhsm);
        bench.shim.order(&["C_Decrypt 0 * sleep 200"]);
        bench.does(Work::Unwrap).unwrap();
        bench.shim.order(&["C_Decrypt 0 * sleep 1500"]);
        assert_eq!(bench.does(Work::Unwrap), Err(TokenError::Deadline));
        bench.shim.obey();
        while bench.does(Work::Unwrap).is_err() {
            sleep(Duration::from_millis(50));
        }
        bench.recovers("a slow token");
    });
}

#[test]
fn a_hang_anywhere_is_left_alone_and_healed_when_it_comes_back() {
    in_child("a_hang_anywhere_is_left_alone_and_healed_when_it_comes_back", |softhsm| {
        let bench = Bench::impatient(softhsm);
        let places = [
            ("C_Decrypt", Some(Work::Unwrap)),
            ("C_GetTokenInfo", Some(Work::Probe)),
            ("C_Finalize", None),
            ("C_Initialize", None),
            ("C_OpenSession", None),
            ("C_Login", None),
        ];
        for (function, work) in places {
            bench.shim.order(&[&format!("{function} 0 * hang 0")]);
            let mark = bench.shim.mark();
            if let Some(work) = work {
                assert_eq!(bench.does(work), Err(TokenError::Deadline), "{function}");
            }
            let began = Instant::now();
            for _ in 0..2 {
                assert_eq!(bench.heal(), Err(TokenError::Deadline), "{function}");
                assert!(matches!(bench.does(Work::Unwrap), Err(TokenError::Away(_))), "{function}");
            }
            assert!(began.elapsed() < Duration::from_secs(20));
            let finalized = bench.shim.count(mark, "C_Finalize begun");
            assert_eq!(finalized, usize::from(work.is_none()), "{function}");
            bench.shim.obey();
            while bench.heal().is_err() {
                sleep(Duration::from_millis(20));
            }
            bench.recovers(function);
        }
    });
}

#[test]
fn a_token_closed_while_a_call_hangs_can_be_opened_again() {
    in_child("a_token_closed_while_a_call_hangs_can_be_opened_again", |softhsm| {
        let bench = Bench::impatient(softhsm);
        bench.shim.order(&["C_Decrypt 0 * hang 0"]);
        let mark = bench.shim.mark();
        assert_eq!(bench.does(Work::Unwrap), Err(TokenError::Deadline));
        assert_eq!(bench.token.close(), Err(TokenError::Deadline));
        assert_eq!(bench.does(Work::Unwrap), Err(TokenError::Closed));
        let config = config();
        let refused = open(&config).err().unwrap();
        assert_eq!(refused.class(), Class::Token, "{refused}");
        assert_eq!(bench.shim.count(mark, "C_Finalize begun"), 0);
        bench.shim.obey();
        let token = loop {
            match open(&config) {
                Ok(token) => break token,
                Err(error) => assert_eq!(error.class(), Class::Token, "{error}"),
            }
        };
        let key = token.master_key(1).unwrap();
        assert_eq!(key.unwrap(&bench.wrapped, &place()).unwrap().expose(), bench.plain.expose());
        bench.shim.assert_orderly();
    });
}

#[test]
fn a_token_that_was_not_proved_answers_nobody_but_the_proof() {
    in_child("a_token_that_was_not_proved_answers_nobody_but_the_proof", |softhsm| {
        let bench = Bench::new(softhsm);
        let healing = bench.token.heal().unwrap();
        let key = healing.master_key(1).unwrap();
        assert_eq!(key.unwrap(&bench.wrapped, &place()).unwrap().expose(), bench.plain.expose());
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(matches!(bench.does(Work::Unwrap), Err(TokenError::Away(_)))));
            }
        });
        drop(healing);
        assert!(bench.token.is_away(), "it was not believed");
        bench.token.heal().unwrap().trust();
        bench.does(Work::Unwrap).unwrap();
    });
}
