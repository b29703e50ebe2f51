//! Normalisers: what one writes it writes again unchanged, within the declared length, and its complaints say nothing of the
//! value.

use gembok::domain::normalise::Misfit;
use gembok::domain::schema::Normaliser;

/// The first byte says which normaliser and which length, the rest is the value.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let Some((&how, value)) = bytes.split_first() else { return false };
    let normaliser = Normaliser::ALL[usize::from(how) % Normaliser::ALL.len()];
    // A field declares a length of 1 at least.
    let length = u32::from(how / 5).max(1);
    let once = match normaliser.normalise(value, length) {
        Ok(once) => once,
        Err(Misfit(why)) => {
            assert!(why.is_ascii() && why.ends_with('.'), "a sentence of ours");
            return false;
        }
    };
    assert!(once.len() <= length as usize, "within its length");
    assert!(!once.is_empty(), "something is left");
    let twice = normaliser.normalise(once.as_bytes(), length);
    assert_eq!(twice.as_ref(), Ok(&once), "idempotent");
    true
}
