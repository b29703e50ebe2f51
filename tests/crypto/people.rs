//! What people sign in with, and the rows that are stored of it, against vectors that a second implementation wrote.

use gembok::crypto::totp::TotpSecret;
use gembok::domain::api_key::ApiKeyText;
use gembok::domain::approval::{Approval, Kind};
use gembok::domain::cbor;
use gembok::domain::credentials::{Credentials, LinkToken, StoredTotp};
use gembok::domain::session::{Session, SessionToken};
use gembok::domain::timestamp::Timestamp;

use super::testkit::cases;

/// While everything in the vectors is live.
const THEN: Timestamp = Timestamp::from_seconds(1_795_824_120);

#[test]
fn secrets_that_are_sent_back() {
    let mut seen = [0; 2];
    for case in cases("secrets.txt") {
        let (label, text) = (case.label(), case.text("text"));
        let is_mistyped = case.text("expect") == "mistyped";
        let text = if is_mistyped { text.strip_suffix('|').unwrap() } else { text };
        let digest = match case.text("kind") {
            "api-key" => ApiKeyText::digest_sent(text),
            "session" => SessionToken::digest_sent(text),
            "link" => LinkToken::digest_sent(text),
            kind => panic!("{label}: {kind}"),
        };
        match digest {
            Ok(digest) => assert_eq!(digest, case.array("digest"), "{label}"),
            Err(_) => assert!(is_mistyped, "{label}"),
        }
        seen[usize::from(is_mistyped)] += 1;
    }
    assert_eq!(seen, [9, 21]);
}

#[test]
fn second_factors_and_recovery_codes() {
    let mut seen = [0; 2];
    for case in cases("second-factor.txt") {
        let label = case.label();
        if case.has("recovery") {
            assert_eq!(StoredTotp::recovery_digest(case.text("recovery")), case.array("digest"), "{label}");
            seen[0] += 1;
            continue;
        }
        let (secret, step) = (TotpSecret::from_bytes(&case.array("secret")), case.number("step"));
        assert_eq!(secret.base32().as_str(), case.text("base32"), "{label}");
        let code = case.text("code");
        assert_eq!(format!("{:06}", secret.code(step)), code, "{label}");
        let used = step.saturating_sub(1);
        assert_eq!(secret.step_of(code, step * 30, used), (step > 0).then_some(step), "{label}");
        seen[1] += 1;
    }
    assert_eq!(seen, [12, 15]);
}

#[test]
fn stored_rows_of_people() {
    let mut seen = [0; 2];
    for case in cases("people.txt") {
        let (label, row) = (case.label(), case.bytes("row"));
        let is_sound = case.text("expect") == "parses";
        let has = case.texts("has");
        let has = |name: &str| has.contains(&name);
        let parsed = match case.text("kind") {
            "credentials" => cbor::decode::<Credentials>(&row).map(|found| {
                let there = [
                    ("password", found.password.is_some()),
                    ("totp", found.totp.is_some()),
                    ("link", found.link.is_some()),
                    ("enforced", found.totp_enforced.is_some()),
                    ("pending", found.pending.is_some()),
                ];
                assert!(there.iter().all(|(name, is_there)| has(name) == *is_there), "{label}");
                cbor::encode(&found)
            }),
            "approval" => cbor::decode::<Approval>(&row).map(|found| {
                let there = [
                    ("project", found.project.is_some()),
                    ("requester", found.requester.is_some()),
                    ("decided", found.decided.is_some() && found.decided_by.is_some()),
                ];
                assert!(there.iter().all(|(name, is_there)| has(name) == *is_there), "{label}");
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == case.text("of"));
                assert_eq!(
                    (Some(found.kind), found.standing(THEN)),
                    (kind, case.text("standing")),
                    "{label}"
                );
                cbor::encode(&found)
            }),
            "session" => cbor::decode::<Session>(&row).map(|found| {
                assert_eq!(found.address, case.text("address"), "{label}");
                cbor::encode(&found)
            }),
            kind => panic!("{label}: {kind}"),
        };
        match parsed {
            Ok(again) => assert!(is_sound && again == row, "{label}"),
            Err(_) => assert!(!is_sound, "{label}"),
        }
        seen[usize::from(is_sound)] += 1;
    }
    assert_eq!(seen, [11, 21]);
}
