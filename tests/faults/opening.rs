//! A token that is opened and closed: whatever goes wrong on the way in or out, once the module obeys it opens again, in the
//! same process.

use gembok::hsm::TokenError;

use crate::bench::{Bench, Work, config, open};
use crate::support::softhsm::in_child;
use crate::table::{CODES, Kind};

/// How often each order is carried out: fewer than the tries.
const FAULTS: usize = 3;
const TRIES_MAX: usize = 6;

/// Opens it until that succeeds, each time after a failure that may pass.
fn open_at_last(bench: &mut Bench, what: &str) {
    let mut tries = 0;
    bench.token = loop {
        let error = match open(&config()) {
            Ok(token) => break token,
            Err(error) => error,
        };
        // Not "in use", above all: that would send an operator to restart the service.
        let passes = matches!(error, TokenError::Away(_) | TokenError::NotFound(_));
        assert!(passes, "{what}: {error}");
        tries += 1;
        assert!(tries <= TRIES_MAX, "{what}: {error}");
    };
    bench.key = bench.token.master_key(1).unwrap();
    bench.signer = bench.token.signer("gembok-ca").unwrap();
}

/// Closes and opens it under `orders`, then without; each of `lines` must have been told.
fn closes_and_opens(bench: &mut Bench, orders: &[&str], lines: &[&str]) {
    let what = orders.join(", ");
    bench.shim.order(orders);
    let mark = bench.shim.mark();
    // A close that failed is closed all the same.
    let _ = bench.token.close();
    assert_eq!(bench.does(Work::Unwrap), Err(TokenError::Closed), "{what}");
    open_at_last(bench, &what);
    for line in lines {
        assert!(bench.shim.count(mark, line) > 0, "{what} did not happen");
    }
    bench.recovers(&what);
}

#[test]
fn whatever_goes_wrong_while_closing_or_opening_it_opens_later() {
    in_child("opening::whatever_goes_wrong_while_closing_or_opening_it_opens_later", |softhsm| {
        let mut bench = Bench::new(softhsm);
        let functions =
            ["C_Finalize", "C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession", "C_Login"];
        for function in functions {
            for (code, kind) in CODES {
                if kind == Kind::Pin && function == "C_Login" {
                    continue;
                }
                // Refused, and done with its answer lost.
                for how in ["answer", "lose"] {
                    let order = format!("{function} 0 {FAULTS} {how} {code}");
                    closes_and_opens(&mut bench, &[&order], &[&format!("{function} {code}")]);
                }
            }
        }
    });
}

#[test]
fn a_module_that_will_not_be_finalized_after_a_failed_opening_is_not_lost() {
    in_child("opening::a_module_that_will_not_be_finalized_after_a_failed_opening_is_not_lost", |softhsm| {
        let mut bench = Bench::new(softhsm);
        for function in ["C_GetSlotList", "C_OpenSession", "C_Login"] {
            for times in 1..=FAULTS {
                // The close itself is let through.
                let stays = format!("C_Finalize 1 {times} answer 48");
                let fails = format!("{function} 0 1 answer 48");
                closes_and_opens(
                    &mut bench,
                    &[&fails, &stays],
                    &["C_Finalize 48", &format!("{function} 48")],
                );
            }
        }
    });
}

#[test]
fn a_module_that_only_says_that_it_was_finalized_is_not_lost() {
    in_child("opening::a_module_that_only_says_that_it_was_finalized_is_not_lost", |softhsm| {
        let mut bench = Bench::new(softhsm);
        for times in 1..=FAULTS {
            let lies = format!("C_Finalize 0 {times} answer 0");
            // CRYPTOKI_ALREADY_INITIALIZED gives it away.
            closes_and_opens(&mut bench, &[&lies], &["C_Finalize 0", "C_Initialize 401"]);
        }
    });
}
