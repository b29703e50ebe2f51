//! A strict operation is answered only after its record is durable: a kill right behind the answer loses none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::domain::operation::Operation;
use gembok::domain::refusal::Code;
use rustix::process::Signal;
use serde_json::json;

use crate::support::daemon::OBJECT;
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::World;

/// A batched record waits for a second: longer than the kill takes.
const SLOW: &str = "[journal]\nflush_ms = 1000\n";

#[test]
fn what_was_decrypted_is_durable_before_it_is_answered() {
    in_child("strict::what_was_decrypted_is_durable_before_it_is_answered", |softhsm| {
        let World { sandbox, mut daemon } = {
            let world = World::new(SLOW);
            let absensi = world.absensi();
            let sealed = absensi.seal(OBJECT, b"satu");
            assert_eq!(absensi.open(OBJECT, &sealed), b"satu");
            let opening = absensi.published_body(OBJECT, "dekrip", &sealed);
            assert_eq!(absensi.published(opening.to_string()).status, 200);
            // What does not open is an answer too, and tells something.
            let strange = STANDARD.encode([7; 80]);
            let opening = json!({ "object": OBJECT, "ciphertext": strange });
            assert_eq!(absensi.decrypt(&opening).status, 422);
            world.daemon.signal(Signal::KILL);
            world
        };
        daemon.wait();
        let vault = Vault::open(&sandbox, softhsm);
        let recorded: Vec<_> = vault
            .records()
            .into_iter()
            .filter_map(|record| match record {
                Record::Access(access) => Some((access.operation.unwrap(), access.outcome)),
                Record::Audit(_) | Record::Gap(_) => None,
            })
            .collect();
        let decrypt = Operation::Decrypt;
        let expected =
            [(Operation::Encrypt, None), (decrypt, None), (decrypt, None), (decrypt, Some(Code::CannotOpen))];
        assert_eq!(recorded, expected);
    });
}

#[test]
fn any_operation_can_be_made_strict() {
    in_child("strict::any_operation_can_be_made_strict", |softhsm| {
        let World { sandbox, mut daemon } = {
            let world = World::new(&format!("{SLOW}strict = [\"encrypt\"]\n"));
            world.absensi().seal(OBJECT, b"satu");
            world.daemon.signal(Signal::KILL);
            world
        };
        daemon.wait();
        let records = Vault::open(&sandbox, softhsm).records();
        assert!(
            matches!(records.last(), Some(Record::Access(access)) if access.operation == Some(Operation::Encrypt))
        );
    });
}
