//! Normalisers and blind indexes against the vectors of the second implementation, and laws that hold for every value.

use gembok::crypto::blind_index::{IndexRoot, text_len};
use gembok::crypto::secret::SecretKey;
use gembok::domain::normalise::Misfit;
use gembok::domain::schema::Normaliser;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::testkit::cases;

#[test]
fn normalised_values() {
    let mut seen = std::collections::BTreeSet::new();
    for case in cases("normalise.txt") {
        let by: Normaliser = case.text("normaliser").parse().unwrap();
        let normalised = by.normalise(&case.bytes("value"), case.number("length"));
        match case.text("expect") {
            "refused" => assert!(normalised.is_err(), "{}", case.label()),
            "normalised" => {
                let normalised = normalised.unwrap_or_else(|Misfit(why)| panic!("{}: {why}", case.label()));
                assert_eq!(normalised.as_bytes(), case.bytes("normalised"), "{}", case.label());
            }
            other => panic!("{}: unknown expectation {other}", case.label()),
        }
        seen.insert(by.name());
    }
    assert_eq!(seen.len(), Normaliser::ALL.len());
}

/// Tables of another Unicode version that give anything else for any character are found here.
#[test]
fn every_character_is_folded_as_unicode_14_has_it() {
    let [case] = &cases("text-fold.txt")[..] else { panic!("one case") };
    assert_eq!(case.text("unicode"), "14.0.0");
    let (mut digest, mut assigned) = (Sha256::new(), 0u32);
    for sign in '\0'..=char::MAX {
        let text = format!("a{sign}b");
        if let Ok(folded) = Normaliser::TextFold.normalise(text.as_bytes(), 65_536) {
            digest.update(u32::from(sign).to_be_bytes());
            digest.update(folded.as_bytes());
            digest.update([0xff]);
            assigned += 1;
        }
    }
    assert_eq!(assigned, case.number::<u32>("assigned"));
    assert_eq!(digest.finalize().as_slice(), case.bytes("digest"));
}

#[test]
fn index_values() {
    let mut seen = std::collections::BTreeSet::new();
    for case in cases("index.txt") {
        let root = IndexRoot::new(case.number("root-version"), SecretKey::take(&mut case.array("root")));
        let by: Normaliser = case.text("normaliser").parse().unwrap();
        let bits = case.number("bits");
        let normalised = by.normalise(&case.bytes("value"), case.number("length")).unwrap();
        let key = root.index_key(&case.array("index"), by.number(), bits);
        let value = key.value(normalised.as_bytes());
        assert_eq!(value, case.text("index-value"), "{}", case.label());
        assert_eq!(value.len(), text_len(bits), "{}", case.label());
        assert_eq!(seen.insert(value), !case.has("equal"), "{}", case.label());
        if case.has("equal") {
            assert_eq!(case.text("equal"), "to one before");
        }
    }
    assert!(seen.len() > 8);
}

fn value() -> impl Strategy<Value = String> {
    let sign =
        prop_oneof![any::<char>(), prop::char::range(' ', '~'), prop::char::range('\u{80}', '\u{52f}')];
    let text = prop::collection::vec(sign, 0..24).prop_map(|signs| signs.into_iter().collect());
    prop_oneof![text, "[0-9 .-]{0,24}", "[0-9]{4}-[01][0-9]-[0-3][0-9]", "(\\+62|62|0)[ ()0-9-]{1,16}"]
}

proptest! {
    #[test]
    fn what_is_normalised_stays_as_it_is(value in value(), length in 1u32..40) {
        for normaliser in Normaliser::ALL {
            if let Ok(once) = normaliser.normalise(value.as_bytes(), length) {
                let twice = normaliser.normalise(once.as_bytes(), length);
                prop_assert_eq!(Ok(&once), twice.as_ref(), "{}", normaliser);
                prop_assert!(once.len() <= length as usize && !once.is_empty());
            }
        }
    }

    #[test]
    fn case_width_and_white_space_tell_no_two_names_apart(words in prop::collection::vec("[a-z]{1,8}", 1..5)) {
        let plain = words.join(" ");
        let loud = format!("\u{3000}{} ", words.join(" \t\u{a0}").to_uppercase());
        let wide: String = plain
            .chars()
            .map(|sign| if sign == ' ' { sign } else { char::from_u32(u32::from(sign) + 0xfee0).unwrap() })
            .collect();
        for other in [loud, wide] {
            let folded = Normaliser::TextFold.normalise(other.as_bytes(), 65_536).unwrap();
            prop_assert_eq!(&*folded, &plain);
        }
    }
}
