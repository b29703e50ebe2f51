//! How it comes back: from bad tags and lost answers, from slowness and hangs, from whatever goes wrong while healing.

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use gembok::crypto::wrapped_key::Binding;
use gembok::hsm::{Class, Pin, PinBackoff, PinProblem, Token, TokenError};

use crate::bench::{Bench, PIN, Work, config, open, place};
use crate::support::softhsm::in_child;
use crate::table::{CODES, Kind};

#[test]
fn a_bad_tag_is_never_taken_for_a_dead_token() {
    in_child("healing::a_bad_tag_is_never_taken_for_a_dead_token", |softhsm| {
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
    in_child("healing::whatever_goes_wrong_while_healing_it_heals_later", |softhsm| {
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
    in_child("healing::a_refused_pin_is_never_tried_again", |softhsm| {
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
fn a_login_that_nobody_waited_for_counts_when_it_comes_back() {
    in_child("healing::a_login_that_nobody_waited_for_counts_when_it_comes_back", |softhsm| {
        let bench = Bench::new(softhsm);
        bench.token.close().unwrap();
        bench.shim.order(&["C_Login 0 * hang 0"]);
        let (mark, mut backoff) = (bench.shim.mark(), PinBackoff::new());
        let mut open = |pin: &[u8]| {
            let pin = Pin::from_bytes(pin).unwrap();
            Token::open(&config(), pin, &mut backoff, Instant::now())
        };
        assert_eq!(open(b"9999-wrong").err(), Some(TokenError::Deadline));
        for _ in 0..3 {
            assert_eq!(open(b"9999-wrong").err().map(|error| error.class()), Some(Class::Token));
        }
        bench.shim.obey();
        let late = loop {
            match open(b"9999-wrong") {
                Err(TokenError::Away(_)) => sleep(Duration::from_millis(20)),
                other => break other,
            }
        };
        // It is told now, and the wrong PIN was tried once in all.
        assert_eq!(late.err(), Some(TokenError::Pin(PinProblem::Incorrect)));
        assert_eq!(bench.shim.count(mark, "C_Login begun"), 1);
        open(PIN).unwrap().close().unwrap();
    });
}

#[test]
fn an_answer_that_was_lost_leaves_a_key_that_is_found() {
    in_child("healing::an_answer_that_was_lost_leaves_a_key_that_is_found", |softhsm| {
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
fn an_anchor_is_the_old_one_or_the_new_one_whatever_becomes_of_its_making() {
    let case = "healing::an_anchor_is_the_old_one_or_the_new_one_whatever_becomes_of_its_making";
    in_child(case, |softhsm| {
        let bench = Bench::new(softhsm);
        for (code, kind) in CODES {
            bench.does(Work::Anchor).unwrap();
            let held = bench.token.anchor().unwrap();
            for how in ["answer", "lose"] {
                let what = format!("{code:#x}, {how}");
                let next = bench.further();
                bench.shim.order(&[&format!("C_CreateObject 0 1 {how} {code}")]);
                let made = bench.token.put_anchor(&next);
                bench.recovers(&what);
                let expected = match (made, how) {
                    // Made, and only the answer was not heard: it is found, and is the further one.
                    (Ok(()), _) | (Err(_), "lose") => Some(next),
                    (Err(_), _) => held,
                };
                assert_eq!(bench.token.anchor().unwrap(), expected, "{what} ({kind:?})");
            }
        }
        // However many were made twice or left behind: the next one puts it in order.
        bench.does(Work::Anchor).unwrap();
        let mark = bench.shim.mark();
        bench.does(Work::Anchor).unwrap();
        assert_eq!(bench.shim.count(mark, "C_DestroyObject 0"), 1);
    });
}

#[test]
fn a_slow_token_is_waited_for_until_the_deadline() {
    in_child("healing::a_slow_token_is_waited_for_until_the_deadline", |softhsm| {
        let bench = Bench::impatient(softhsm);
        bench.shim.order(&["C_Decrypt 0 * sleep 200"]);
        bench.does(Work::Unwrap).unwrap();
        bench.shim.order(&["C_Decrypt 0 * sleep 6000"]);
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
    in_child("healing::a_hang_anywhere_is_left_alone_and_healed_when_it_comes_back", |softhsm| {
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
            assert!(began.elapsed() < Duration::from_secs(40));
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
    in_child("healing::a_token_closed_while_a_call_hangs_can_be_opened_again", |softhsm| {
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
    in_child("healing::a_token_that_was_not_proved_answers_nobody_but_the_proof", |softhsm| {
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
